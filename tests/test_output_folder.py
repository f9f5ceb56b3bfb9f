# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import os
from pathlib import Path

import pytest

from monai_acdr.files import output_folder

NAMES = ("a.txt", "b.txt", "sub")


def fill(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text("new")


def test_results_appear_at_the_end(tmp_path: Path) -> None:
    target = tmp_path / "deep" / "out"
    with output_folder(target, NAMES) as folder:
        fill(folder, "a.txt", "sub/c.txt")
        assert [path for path in target.iterdir() if not path.name.startswith(".")] == []
    assert sorted(path.name for path in target.iterdir()) == ["a.txt", "sub"]
    assert (target / "sub" / "c.txt").read_text() == "new"


def test_nothing_is_left_after_an_error(tmp_path: Path) -> None:
    (tmp_path / "kept").mkdir()
    (tmp_path / "kept" / "other.txt").write_text("mine")
    for target in (tmp_path / "fresh", tmp_path / "kept"):
        with pytest.raises(RuntimeError, match="stop"), output_folder(target, NAMES) as folder:
            fill(folder, "a.txt")
            raise RuntimeError("stop")
    assert not (tmp_path / "fresh").exists()
    assert [path.name for path in (tmp_path / "kept").iterdir()] == ["other.txt"]


def test_earlier_results(tmp_path: Path) -> None:
    fill(tmp_path, "other.txt", "b.txt", "sub/old.txt")
    with pytest.raises(FileExistsError, match=r"b.txt, sub exist.*--overwrite"), output_folder(tmp_path, NAMES):
        pass
    with output_folder(tmp_path, NAMES, overwrite=True) as folder:
        fill(folder, "a.txt", "sub/new.txt")
    # results of the last run do not lie beside those of this one, what is not ours stays
    names = sorted(path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*"))
    assert names == ["a.txt", "other.txt", "sub", "sub/new.txt"]


def test_an_error_keeps_earlier_results(tmp_path: Path) -> None:
    fill(tmp_path, "b.txt")
    with pytest.raises(RuntimeError, match="stop"), output_folder(tmp_path, NAMES, overwrite=True):
        raise RuntimeError("stop")
    assert [path.name for path in tmp_path.iterdir()] == ["b.txt"]


def test_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(FileExistsError, match="is a file"), output_folder(tmp_path / "file", NAMES):
        pass
    with pytest.raises(ValueError, match="to be among"), output_folder(tmp_path / "out", NAMES) as folder:
        fill(folder, "stranger.txt")
    assert not (tmp_path / "out").exists()

    def refuse(self: Path, *args: object, **kwargs: object) -> None:
        raise PermissionError(13, "Permission denied", str(self))

    monkeypatch.setattr(Path, "mkdir", refuse)
    with pytest.raises(PermissionError, match="Permission denied"), output_folder(tmp_path / "out", NAMES):
        pass


def test_a_full_disk_while_publishing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(source: object, target: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", refuse)
    with pytest.raises(OSError, match="No space left"), output_folder(tmp_path / "out", NAMES) as folder:
        fill(folder, "a.txt")
    assert not (tmp_path / "out").exists()
