# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Files that exist completely or not at all."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from monai_acdr.atomic_files import write_text_atomically


def test_writes_and_replaces(tmp_path: Path) -> None:
    path = tmp_path / "new" / "folder" / "metrics.json"
    assert write_text_atomically(path, "é\n") == path
    write_text_atomically(str(path), "second\n")
    assert path.read_bytes() == b"second\n"
    assert os.listdir(path.parent) == ["metrics.json"]


def test_a_failure_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_text_atomically(tmp_path / "metrics.json", "old")

    def fail(*_: object) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(OSError, match="disk full"):
        write_text_atomically(path, "new")
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["metrics.json"]


def test_text_that_cannot_be_encoded_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(UnicodeEncodeError, match="surrogates"):
        write_text_atomically(tmp_path / "metrics.json", "\udc80")
    assert os.listdir(tmp_path) == []
