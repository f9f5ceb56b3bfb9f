# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Files that exist completely or not at all."""

from __future__ import annotations

import errno
import os
import tempfile
from pathlib import Path

import pytest

from monai_acdr.files import LOCK, replace_file, temporary_folder, write_text_atomically


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


def test_a_block_sees_a_free_name_with_the_same_suffixes(tmp_path: Path) -> None:
    path = tmp_path / "mask.nii.gz"
    path.write_bytes(b"old")
    with replace_file(str(path)) as temporary:
        assert temporary.parent == tmp_path
        assert temporary.name.endswith(".mask.nii.gz")
        assert not temporary.exists()
        temporary.write_bytes(b"new")
        assert path.read_bytes() == b"old"
    assert path.read_bytes() == b"new"
    assert os.listdir(tmp_path) == ["mask.nii.gz"]


@pytest.mark.parametrize("error", [ValueError("wrong shape"), KeyboardInterrupt("stop")])
def test_an_error_in_the_block_leaves_the_old_file(tmp_path: Path, error: BaseException) -> None:
    path = write_text_atomically(tmp_path / "model.pt", "old")
    with pytest.raises(type(error), match=str(error)), replace_file(path) as temporary:
        temporary.write_text("half")
        raise error
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["model.pt"]


def test_a_block_that_writes_nothing_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="No such file"), replace_file(tmp_path / "model.pt"):
        pass
    assert os.listdir(tmp_path) == []


def test_a_full_disk_is_an_error_that_names_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match=r"No space left on device: '.*/metrics\.csv'"):
        write_text_atomically(tmp_path / "metrics.csv", "new")
    assert os.listdir(tmp_path) == []


@pytest.mark.skipif(os.name == "nt", reason="needs POSIX file size limits")
def test_a_write_that_stops_half_way(tmp_path: Path) -> None:
    """A real short write: the process may not write files beyond 4096 bytes."""
    import resource

    path = write_text_atomically(tmp_path / "metrics.csv", "old")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (4096, limits[1]))
        with pytest.raises(OSError, match=r"File too large: '.*/metrics\.csv'"):
            write_text_atomically(path, "x" * 100_000)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["metrics.csv"]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs os.fork")
def test_temporary_folders_of_killed_processes_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    for name in ("monai_acdr-without-lock", "other"):
        (tmp_path / name).mkdir()
    (tmp_path / "other" / LOCK).write_text("")
    (tmp_path / "monai_acdr-link").symlink_to(tmp_path / "other", target_is_directory=True)
    others = sorted(tmp_path.iterdir())
    with temporary_folder() as running:
        assert running.stat().st_mode & 0o077 == running.parent.stat().st_mode & 0o077 == 0
        assert list(running.iterdir()) == []
        process = os.fork()
        if process == 0:
            with temporary_folder() as folder:
                (folder / "study").mkdir()
                os._exit(0)
        assert os.waitpid(process, 0)[1] == 0
        (left,) = {*tmp_path.iterdir()} - {running.parent, *others}
        assert (left / "files" / "study").is_dir()
        with pytest.raises(KeyError, match="wrong"), temporary_folder() as folder:
            (folder / "a").write_text("x")
            assert not left.exists() and running.is_dir()
            raise KeyError("wrong")
        assert sorted(tmp_path.iterdir()) == sorted([*others, running.parent])
    assert sorted(tmp_path.iterdir()) == others
