# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

from pathlib import Path

import pytest

from monai_acdr.apps.cli import EXIT_CODES, exit_code, explain
from monai_acdr.dicom import DicomWebError
from monai_acdr.files import check_parent, writing


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (ValueError("x"), 3),
        (FileNotFoundError("x"), 3),
        (FileExistsError("x"), 4),
        (PermissionError("x"), 4),
        (OSError(28, "full"), 4),
        (ImportError("x"), 5),
        (ModuleNotFoundError("x"), 5),
        (DicomWebError("x"), 6),
        (KeyError("x"), 1),
        (RuntimeError("x"), 1),
    ],
)
def test_codes(error: Exception, code: int) -> None:
    assert exit_code(error) == code
    assert code in EXIT_CODES


def test_the_cause_of_wrapped_errors() -> None:
    inner = ValueError("what to do")
    middle = RuntimeError("applying transform")
    middle.__cause__ = inner
    outer = RuntimeError("Failed to evaluate")
    outer.__cause__ = middle
    assert explain(outer) is inner
    assert explain(inner) is inner
    lone = RuntimeError("alone")
    assert explain(lone) is lone


def test_outputs_that_are_missing_folders_are_no_missing_inputs(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="make it first") as caught:
        check_parent(tmp_path / "absent" / "a.json")
    assert exit_code(caught.value) == 4
    (tmp_path / "file").write_text("mine")
    with pytest.raises(NotADirectoryError, match="a part of the path is a file") as no_folder, writing(tmp_path / "a"):
        (tmp_path / "file" / "sub").mkdir()
    assert exit_code(no_folder.value) == 4
