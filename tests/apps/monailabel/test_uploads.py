# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import atexit
import os
import tempfile
from pathlib import Path

import pytest

from monai_acdr.apps.monailabel.model_store import discarding, use_own_temporary_folder


@pytest.fixture(autouse=True)
def temporary_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))


def test_one_folder_that_nobody_else_reads(tmp_path: Path) -> None:
    folder = use_own_temporary_folder()
    assert folder.parent.parent == tmp_path and Path(tempfile.gettempdir()) == folder
    assert use_own_temporary_folder() == folder
    assert folder.stat().st_mode & 0o077 == 0
    with tempfile.NamedTemporaryFile() as file:
        assert Path(file.name).parent == folder


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs os.fork")
def test_it_goes_with_the_process_and_the_next_one_removes_what_was_left(tmp_path: Path) -> None:
    (use_own_temporary_folder() / "kept").write_text("x")
    for end in (lambda: None, atexit._run_exitfuncs):  # killed, and as a process that ends
        process = os.fork()  # a new Python would import torch first
        if process == 0:
            atexit._clear()
            tempfile.tempdir = str(tmp_path)
            (use_own_temporary_folder() / "a").write_text("x")
            made = len(list(tmp_path.glob("*/*/a")))
            end()
            os._exit(made)
        assert os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]) == 1
        assert len(list(tmp_path.glob("*/*/a"))) == (end is not atexit._run_exitfuncs)
    assert len(list(tmp_path.glob("*/*/kept"))) == 1


def test_uploads_go_when_their_request_fails(tmp_path: Path) -> None:
    inside, outside = tmp_path / "a", tmp_path / "b" / "a"
    outside.parent.mkdir()
    inside.write_text("x")
    outside.write_text("x")
    for path in (inside, outside, ""):
        with pytest.raises(ValueError, match="wrong"), discarding(path):
            raise ValueError("wrong")
    assert not inside.exists() and outside.exists()
    inside.write_text("x")
    with discarding(inside):
        pass
    assert inside.exists()
