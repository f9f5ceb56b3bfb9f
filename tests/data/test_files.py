# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from monai_acdr.data import files
from monai_acdr.data.files import check_regular_file, natural_key, walk_data_set, walk_files
from monai_acdr.data.report import QualityReport


def _touch(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("x")


def test_natural_order() -> None:
    names = ["IM-10", "IM-9", "IM-010", "a", "10", "2", "9" * 5000]
    assert sorted(names, key=natural_key)[:2] == ["2", "10"]
    assert sorted(names, key=natural_key)[3:] == ["IM-9", "IM-010", "IM-10", "a"]
    assert natural_key("IM-010") != natural_key("IM-10"), "different names never tie"


def test_walk_is_ordered_and_leaves_out_hidden_copies(tmp_path: Path) -> None:
    for name in ("b/10.dcm", "b/9.dcm", "b/.DS_Store", "__MACOSX/b/9.dcm", ".git/x", "a/._9.dcm", "a/1.dcm"):
        _touch(tmp_path / name)
    found = {folder.relative_to(tmp_path).as_posix(): names for folder, names in walk_files(tmp_path)}
    assert found == {".": [], "a": ["1.dcm"], "b": ["9.dcm", "10.dcm"]}
    assert list(found) == [".", "a", "b"]


@pytest.mark.skipif(not hasattr(os, "symlink"), reason="needs symbolic links")
def test_walk_ends_on_circular_links(tmp_path: Path) -> None:
    _touch(tmp_path / "a" / "1.dcm")
    (tmp_path / "a" / "loop").symlink_to(tmp_path, target_is_directory=True)
    assert sum(len(names) for _, names in walk_files(tmp_path)) == 1


def test_walk_refuses_a_whole_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "MAX_FILES", 2)
    for name in "abc":
        _touch(tmp_path / name)
    with pytest.raises(ValueError, match="over 2 files: pass the data set's folder"):
        list(walk_files(tmp_path))


def test_walk_stops_at_a_depth(tmp_path: Path) -> None:
    deep = tmp_path.joinpath(*["d"] * (files.MAX_DEPTH + 2))
    _touch(deep / "x")
    assert max(len(folder.relative_to(tmp_path).parts) for folder, _ in walk_files(tmp_path)) == files.MAX_DEPTH


def test_walk_leaves_out_what_is_no_file(tmp_path: Path) -> None:
    _touch(tmp_path / "a.png")
    (tmp_path / "good").symlink_to(tmp_path / "a.png")
    (tmp_path / "dangling").symlink_to(tmp_path / "absent")
    os.mkfifo(tmp_path / "pipe.png")
    left_out: list[Path] = []
    assert list(walk_files(tmp_path, left_out)) == [(tmp_path, ["a.png", "good"])]
    assert [path.name for path in left_out] == ["dangling", "pipe.png"]
    assert list(walk_files(tmp_path)) == [(tmp_path, ["a.png", "good"])]


def test_walk_tells_of_folders_that_may_not_be_listed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _touch(tmp_path / "secret" / "a.png")
    scandir = os.scandir

    def refuse(path: str) -> object:
        if str(path).endswith("secret"):
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse)
    left_out: list[Path] = []
    assert list(walk_files(tmp_path, left_out)) == [(tmp_path, [])]
    assert left_out == [tmp_path / "secret"]


def test_only_regular_files_are_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _touch(tmp_path / "a")
    (tmp_path / "link").symlink_to(tmp_path / "a")
    check_regular_file(tmp_path / "a", "a file")
    check_regular_file(tmp_path / "link", "a file")
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    with socket.socket(socket.AF_UNIX) as server:
        monkeypatch.chdir(tmp_path)  # the path of a socket is short
        server.bind("socket")
        for name, text in {
            "pipe": "is not a regular file but a named pipe",
            "socket": "is not a regular file but a socket",
            ".": "is not a regular file but a folder",
            "loop": r"cannot be looked at",
            "a/b": "cannot be looked at",
            "a\0b": "cannot be looked at",
        }.items():
            with pytest.raises(ValueError, match=f"Expected an image, but .* {text}"):
                check_regular_file(tmp_path / name, "an image")
    with pytest.raises(ValueError, match="/dev/zero is not a regular file but a device"):
        check_regular_file(Path("/dev/zero"), "an image")
    with pytest.raises(FileNotFoundError, match="absent does not exist: check the path"):
        check_regular_file(tmp_path / "absent", "an image")


def test_what_is_no_file_is_a_finding(tmp_path: Path) -> None:
    (tmp_path / "a.txt").touch()
    os.mkfifo(tmp_path / "b.txt")
    (tmp_path / "c.txt").mkdir()
    (tmp_path / "c.txt" / "other.md").touch()
    (tmp_path / "d.txt").symlink_to(os.devnull)
    (tmp_path / "e.txt").symlink_to(tmp_path / "absent")
    (tmp_path / "f.csv").mkdir()  # not looked for
    (tmp_path / "unpacked.txt").mkdir()  # a file in a folder of its name
    (tmp_path / "unpacked.txt" / "unpacked.txt").touch()
    report = QualityReport()
    folders = dict(walk_data_set(tmp_path, (".txt",), report))
    assert folders[tmp_path] == ["a.txt"]
    assert {(finding.kind, finding.subject, finding.text) for finding in report.findings} == {
        ("not_a_file", "b.txt", "a named pipe"),
        ("not_a_file", "c.txt", "a folder"),
        ("not_a_file", "d.txt", "a device"),
        ("not_a_file", "e.txt", "a link that leads to no file"),
    }
