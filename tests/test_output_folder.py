# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Folders of results: complete or absent after errors, signals and kills, and never written by two runs at once."""

from __future__ import annotations

import errno
import os
import shutil
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import pytest

from monai_acdr import files
from monai_acdr.apps.cli import exit_code
from monai_acdr.data.phantoms.output_folder import replace_output
from monai_acdr.files import (
    OutputError,
    check_inputs_kept,
    lock_folder,
    output_folder,
    remove_leftovers,
    replace_file,
    replace_folder,
)
from monai_acdr.signals import Stopped, stop_on_signals

NAMES = ("a.txt", "b.txt", "sub", "report.json")
posix = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs os.fork")


def fill(folder: Path, *names: str, text: str = "new") -> None:
    for name in names:
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(text)


def content(folder: Path) -> dict[str, str]:
    """Files in a folder and what is in them."""
    if not folder.exists():
        return {}
    return {path.relative_to(folder).as_posix(): path.read_text() for path in folder.rglob("*") if path.is_file()}


def own_content(folder: Path) -> dict[str, str]:
    """The same without hidden files of this program."""
    found = content(folder)
    return {name: text for name, text in found.items() if not files.is_own_name(name.partition("/")[0])}


def in_child(work: Callable[[], object]) -> int:
    """Start a process that does some work; its status is 0, or that of SystemExit, or of the error on a terminal."""
    process = os.fork()
    if process == 0:
        status = 99
        try:
            work()
            status = 0
        except SystemExit as end:
            status = int(end.code or 0)
        except Exception as error:
            status = exit_code(error)
        finally:
            os._exit(status)
    return process


def status_of(process: int) -> int:
    return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])


class Killed(BaseException):
    """Stands for SIGKILL: raised by every file operation from a moment on, so nothing can be cleaned up."""


@dataclass
class Stop:
    """When and how file operations end; one audit hook serves all tests, for none can be removed."""

    moment: int = 0
    number: int = signal.SIGKILL
    count: int = 0

    def __call__(self, event: str, _arguments: Any) -> None:
        if self.moment and event in FILE_OPERATIONS:
            self.count += 1
            if self.number == signal.SIGKILL and self.count >= self.moment:
                raise Killed
            if self.count == self.moment:
                os.kill(os.getpid(), self.number)


FILE_OPERATIONS = {"open", "os.mkdir", "os.rename", "os.remove", "os.rmdir", "os.listdir", "os.scandir"}
STOP = Stop()


def ends_before(moment: int, number: int, work: Callable[[], object]) -> bool:
    """Do work until just before the given file operation; False when it ends earlier."""
    if not STOP.count:
        sys.addaudithook(STOP)
    STOP.moment, STOP.number, STOP.count = moment, number, 0
    try:
        with stop_on_signals():
            work()
    except (Killed, Stopped):
        return True
    finally:
        reached = STOP.count >= moment
        STOP.moment, STOP.count = 0, 1
        if number == signal.SIGKILL:
            files._forget_locks()  # as the system does
    return reached


@pytest.fixture
def _fast_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing waits for the disk, which only matters when the power fails."""
    monkeypatch.setattr(os, "fsync", lambda _: None)


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
    for target in (tmp_path / "fresh" / "deep", tmp_path / "kept"):
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
    assert content(tmp_path) == {"a.txt": "new", "other.txt": "new", "sub/new.txt": "new"}


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


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write everywhere")
def test_a_read_only_folder_is_named(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    try:
        with pytest.raises(PermissionError, match=rf"'{tmp_path}'"), output_folder(tmp_path, NAMES):
            pass
    finally:
        tmp_path.chmod(0o700)


@pytest.mark.parametrize("failing", range(1, 6))
def test_an_error_while_publishing_undoes_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failing: int) -> None:
    """The disk is full at one of the five moves: two out, three in."""
    fill(tmp_path, "a.txt", "report.json", text="old")
    replace, calls = os.replace, 0

    def full(source: Path, target: Path) -> None:
        nonlocal calls
        if target.name not in ("decided.json",) and (calls := calls + 1) == failing:
            raise OSError(errno.ENOSPC, "No space left on device")
        replace(source, target)

    with output_folder(tmp_path / "fresh", NAMES) as folder:
        fill(folder, "a.txt")
    with pytest.raises(OSError, match="No space left"), output_folder(tmp_path, NAMES, overwrite=True) as folder:
        fill(folder, "b.txt", "sub/c.txt", "report.json")
        monkeypatch.setattr(os, "replace", full)
    assert content(tmp_path) == {"a.txt": "old", "report.json": "old", "fresh/a.txt": "new"}


def test_a_folder_deleted_meanwhile_is_an_output_error(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="but it was deleted: run again") as caught, output_folder(tmp_path / "o", NAMES):
        shutil.rmtree(tmp_path / "o")
    assert exit_code(caught.value) == 4
    assert os.listdir(tmp_path) == []


def test_a_run_never_writes_into_the_folder_of_the_next_one(tmp_path: Path) -> None:
    """The folder is deleted under a run, and another run makes it again."""
    first = output_folder(tmp_path / "o", NAMES)
    folder = first.__enter__()
    shutil.rmtree(tmp_path / "o")
    with output_folder(tmp_path / "o", NAMES) as second:
        assert second != folder
        with pytest.raises(OSError, match="was deleted"):
            first.__exit__(None, None, None)
        fill(second, "a.txt")
    assert content(tmp_path / "o") == {"a.txt": "new"}


@pytest.mark.parametrize("way", ["as it is", "a link to it", "a relative path", "a slash at its end"])
def test_a_second_run_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, way: str) -> None:
    target = tmp_path / "out"
    second = {"as it is": str(target), "a slash at its end": f"{target}/", "a relative path": "out"}.get(way, "link")
    monkeypatch.chdir(tmp_path)
    os.symlink(target, tmp_path / "link")
    with output_folder(target, NAMES) as folder:
        with pytest.raises(FileExistsError, match="Expected no other run in .*: wait until it ends") as caught:
            output_folder(second, NAMES, overwrite=True).__enter__()
        assert exit_code(caught.value) == 4
        assert "delete" not in str(caught.value)  # the system ends the lock with its process: it is no leftover
        fill(folder, "a.txt")
    assert content(target) == {"a.txt": "new"}
    with output_folder(second, NAMES, overwrite=True) as folder:
        fill(folder, "b.txt")
    assert content(target) == {"b.txt": "new"}


@posix
def test_two_processes_at_once(tmp_path: Path) -> None:
    target = tmp_path / "out"
    ready, started = os.pipe()
    go, finish = os.pipe()

    def first() -> None:
        with output_folder(target, NAMES) as folder:
            os.write(started, b"x")
            os.read(go, 1)
            fill(folder, "a.txt", text="first")

    def second() -> None:
        with output_folder(target, NAMES, overwrite=True) as folder:
            fill(folder, "b.txt", text="second")

    process = in_child(first)
    os.read(ready, 1)
    assert status_of(in_child(second)) == 4
    os.write(finish, b"x")
    assert status_of(process) == 0
    assert content(target) == {"a.txt": "first"}


def test_a_folder_that_vanishes_while_it_is_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Path.mkdir finds the folder of another run, which is gone when it looks what it has found."""
    make, refused = os.mkdir, []

    def mkdir(path: str | os.PathLike[str], *arguments: object) -> None:
        if not refused:
            refused.append(path)
            raise FileExistsError(17, "File exists", str(path))
        make(path, *arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(os, "mkdir", mkdir)
    with lock_folder(tmp_path / "out") as folder:
        assert folder.is_dir()
    assert refused and not (tmp_path / "out").exists()


@posix
def test_many_processes_take_turns(tmp_path: Path) -> None:
    """The folder and its lock appear and vanish all the time; not one turn is lost, so no two were inside at once."""
    target, total = tmp_path / "out", tmp_path / "total"
    total.write_text("0")

    def add() -> None:
        for _ in range(25):
            with lock_folder(target, wait=60):
                number = int(total.read_text())
                os.sched_yield()
                total.write_text(str(number + 1))

    assert [status_of(process) for process in [in_child(add) for _ in range(6)]] == [0] * 6
    assert total.read_text() == "150"
    assert list(target.rglob("*")) == []


@posix
def test_a_killed_process_frees_the_folder_although_its_children_live(tmp_path: Path) -> None:
    ready, started = os.pipe()

    def work() -> None:
        with output_folder(tmp_path / "out", NAMES) as folder:
            fill(folder, "a.txt")
            child = in_child(signal.pause)
            os.write(started, child.to_bytes(4, "little"))
            signal.pause()

    process = in_child(work)
    child = int.from_bytes(os.read(ready, 4), "little")
    try:
        os.kill(process, signal.SIGKILL)
        assert status_of(process) == -signal.SIGKILL
        assert len(os.listdir(tmp_path / "out")) == 2
        with output_folder(tmp_path / "out", NAMES) as folder:
            assert os.listdir(folder) == []
        assert os.listdir(tmp_path / "out") == []
    finally:
        os.kill(child, signal.SIGKILL)


OLD = {"a.txt": "old", "sub/c.txt": "old", "report.json": "old", "mine.txt": "old"}
NEW = {"b.txt": "new", "sub/d.txt": "new", "report.json": "new", "mine.txt": "old"}


@pytest.mark.usefixtures("_fast_disk")
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
@pytest.mark.parametrize("overwrite", [True, False])
def test_stopped_at_every_moment(tmp_path: Path, number: int, overwrite: bool) -> None:
    """A run ends before each of its file operations in turn; then the next run comes."""

    def work() -> None:
        with output_folder(target, NAMES, overwrite) as folder:
            fill(folder, "b.txt", "sub/d.txt", "report.json")

    before, after = (OLD, NEW) if overwrite else ({}, {name: text for name, text in NEW.items() if text == "new"})
    seen, incomplete, moment, stopped = [], 0, 0, True
    while stopped:
        moment += 1
        target = tmp_path / str(moment)
        if overwrite:
            target.mkdir()
            fill(target, *OLD, text="old")
        stopped = ends_before(moment, number, work)
        shown = own_content(target)
        if "report.json" in shown:
            assert shown in (before, after)
        incomplete += overwrite and "report.json" not in shown
        if number != signal.SIGKILL:  # what it leaves is whole already, and nothing else is left
            assert content(target) in (before, after)
        with lock_folder(target):
            pass
        assert content(target) in (before, after)
        assert all(not name.startswith(".") for name in (os.listdir(target) if target.exists() else []))
        seen.append(content(target) == after)
    assert moment > 40
    assert seen == sorted(seen) and seen[0] is False and seen[-1] is True  # decided at one moment, once and for all
    assert not overwrite or (incomplete > 3) is (number == signal.SIGKILL)


@pytest.mark.usefixtures("_fast_disk")
def test_the_next_run_may_be_killed_as_well(tmp_path: Path) -> None:
    """While it completes a publication, at every moment."""

    def work() -> None:
        with output_folder(target, NAMES, overwrite=True) as folder:
            fill(folder, "b.txt", "sub/d.txt", "report.json")

    def finish() -> None:
        with lock_folder(target):
            pass

    def prepare(kill_at: int) -> None:
        target.mkdir()
        fill(target, *OLD, text="old")
        ends_before(kill_at, signal.SIGKILL, work)

    moment, stopped, partway = 0, True, 0
    while "report.json" in content(tmp_path / str(partway)) or not partway:
        partway += 1  # the first moment at which the results are on their way
        target = tmp_path / str(partway)
        prepare(partway)
    while stopped:
        moment += 1
        target = tmp_path / f"again{moment}"
        prepare(partway + 2)
        assert "report.json" not in own_content(target)
        stopped = ends_before(moment, signal.SIGKILL, finish)
        finish()
        assert content(target) == NEW
    assert moment > 15


@pytest.mark.usefixtures("_fast_disk")
def test_a_file_at_every_moment(tmp_path: Path) -> None:
    def write() -> None:
        with replace_file(place / "x.nii.gz") as temporary:
            fill(temporary.parent, temporary.name)

    moment, stopped = 0, True
    while stopped:
        moment += 1
        place = tmp_path / str(moment)
        place.mkdir()
        fill(place, "x.nii.gz", text="old")
        stopped = ends_before(moment, signal.SIGKILL, write)
        assert own_content(place) in ({"x.nii.gz": "old"}, {"x.nii.gz": "new"})
        if moment % 2:
            write()  # by itself it removes what was left of this file
            assert content(place) == {"x.nii.gz": "new"}
        remove_leftovers(place)
        assert content(place) in ({"x.nii.gz": "old"}, {"x.nii.gz": "new"})
    assert moment > 4


@pytest.mark.usefixtures("_fast_disk")
def test_a_new_folder_at_every_moment(tmp_path: Path) -> None:
    def write() -> None:
        with replace_folder(place / "x") as temporary:
            fill(temporary, "1.dcm", "2.dcm")

    moment, stopped = 0, True
    while stopped:
        moment += 1
        place = tmp_path / str(moment)
        place.mkdir()
        stopped = ends_before(moment, signal.SIGKILL, write)
        assert own_content(place) in ({}, {"x/1.dcm": "new", "x/2.dcm": "new"})
        remove_leftovers(place)
        assert content(place) in ({}, {"x/1.dcm": "new", "x/2.dcm": "new"})
    assert moment > 7


@pytest.mark.usefixtures("_fast_disk")
def test_generated_studies_at_every_moment(tmp_path: Path) -> None:
    def write(text: str) -> None:
        with replace_output(target, {"seed": 1}) as partial:
            fill(partial, "dicoms/1.dcm", "link.csv", text=text)

    moment, stopped = 0, True
    while stopped:
        moment += 1
        target = tmp_path / str(moment)
        write("old")
        stopped = ends_before(moment, signal.SIGKILL, lambda: write("new"))
        with lock_folder(target):
            pass
        found = content(target)
        assert {name: text for name, text in found.items() if name != "phantom.json"} in [
            dict.fromkeys(("dicoms/1.dcm", "link.csv"), text) for text in ("old", "new")
        ]
        write("last")  # an earlier output that is not whole would be refused
    assert moment > 40


def test_other_peoples_hidden_files_stay(tmp_path: Path) -> None:
    fill(tmp_path, ".mine.partial/a", ".0123456789abcdef0123456789abcdef.mask.png", ".lock", "x.monai_acdr-lock")
    before = content(tmp_path)
    with output_folder(tmp_path, NAMES):
        pass
    replace_file(tmp_path / "x")
    assert content(tmp_path) == before


def test_a_file_in_use_is_no_leftover(tmp_path: Path) -> None:
    with replace_file(tmp_path / "x") as temporary:
        fill(temporary.parent, temporary.name)
        with output_folder(tmp_path, NAMES):
            assert temporary.exists()
    assert content(tmp_path) == {"x": "new"}


def test_file_systems_without_locks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """There the lock is the existence of the file: runs are kept apart, but a killed one has to be told of."""

    def unsupported(_: int) -> NoReturn:
        raise OSError(errno.ENOSYS, "Function not implemented")

    monkeypatch.setattr(files, "_lock_descriptor", unsupported)
    with output_folder(tmp_path / "out", NAMES) as folder:
        with pytest.raises(FileExistsError, match="no other run"), output_folder(tmp_path / "out", NAMES):
            pass
        fill(folder, "a.txt")
    assert content(tmp_path / "out") == {"a.txt": "new"}
    fill(tmp_path / "out", ".monai_acdr-lock")
    with pytest.raises(FileExistsError, match=r"If no other run is at work, delete .*/out/\.monai_acdr-lock"):
        output_folder(tmp_path / "out", NAMES).__enter__()


def test_writers_of_one_file_wait_for_each_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "WAIT_SECONDS", 0.05)
    start = time.monotonic()
    with replace_file(tmp_path / "x") as temporary:
        fill(temporary.parent, temporary.name)
        with pytest.raises(FileExistsError, match="another process has been writing it"):
            replace_file(tmp_path / "x").__enter__()
    assert time.monotonic() - start > 0.05
    assert content(tmp_path) == {"x": "new"}


def test_a_file_that_appears_meanwhile_is_kept(tmp_path: Path) -> None:
    with pytest.raises(FileExistsError, match="x exists"), replace_file(tmp_path / "x", overwrite=False) as temporary:
        fill(temporary.parent, temporary.name)
        fill(tmp_path, "x", text="another process")
    assert content(tmp_path) == {"x": "another process"}


@posix
def test_a_claim(tmp_path: Path) -> None:
    def claim() -> None:
        files.claim_file(tmp_path / "last.pt")

    assert files.claim_file(tmp_path / "last.pt") is True
    assert files.claim_file(tmp_path / "last.pt") is False  # by the same process
    assert status_of(in_child(claim)) == 4
    with replace_file(tmp_path / "last.pt") as temporary:
        fill(temporary.parent, temporary.name)
    files.release_file(tmp_path / "last.pt")
    files.release_file(tmp_path / "last.pt")
    files.claim_file(tmp_path / "scratch" / "last.pt")
    shutil.rmtree(tmp_path / "scratch")
    files.claim_file(tmp_path / "scratch" / "last.pt")
    assert os.listdir(tmp_path / "scratch") == [".last.pt.claim.monai_acdr-lock"]
    files.release_file(tmp_path / "scratch" / "last.pt")
    assert content(tmp_path) == {"last.pt": "new"}
    assert status_of(in_child(claim)) == 0  # ends without releasing it
    claim()
    files.release_file(tmp_path / "last.pt")
    assert content(tmp_path) == {"last.pt": "new"}


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EFBIG, errno.EROFS, errno.EDQUOT])
def test_errors_of_writing_say_what_to_do(tmp_path: Path, number: int) -> None:
    with (
        pytest.raises(OutputError, match=rf"'{tmp_path}/out': (free space|raise the limit|choose a folder)"),
        output_folder(tmp_path / "out", NAMES),
    ):
        raise OSError(number, os.strerror(number))
    assert list(tmp_path.iterdir()) == []


def test_folders_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    with (
        pytest.raises(OutputError, match=rf"'{tmp_path}/file/sub': a part of the path is a file"),
        output_folder(tmp_path / "file" / "sub", NAMES),
    ):
        raise AssertionError("not reached")
    (tmp_path / "link").symlink_to("nowhere")
    with (
        pytest.raises(FileExistsError, match="it is a link to nowhere, which does not exist"),
        output_folder(tmp_path / "link", NAMES),
    ):
        raise AssertionError("not reached")


def test_errors_of_reading_stay_as_they_are(tmp_path: Path) -> None:
    """A missing input is not an output that cannot be written."""
    with (
        pytest.raises(FileNotFoundError, match="No such file.*absent") as caught,
        output_folder(tmp_path / "out", NAMES),
    ):
        (tmp_path / "absent").read_bytes()
    assert not isinstance(caught.value, OutputError)


def test_inputs_are_kept(tmp_path: Path) -> None:
    (tmp_path / "masks").mkdir()
    (tmp_path / "masks" / "1.png").write_bytes(b"1")
    (tmp_path / "a").write_bytes(b"1")
    check_inputs_kept([tmp_path / "a", tmp_path / "absent"], [tmp_path / "masks" / "1.png", None, tmp_path / "gone"])
    with pytest.raises(FileExistsError, match=r"masks would replace the input .*1\.png"):
        check_inputs_kept([tmp_path / "masks"], [tmp_path / "masks" / "1.png"])
    (tmp_path / "link").symlink_to("masks")
    with pytest.raises(FileExistsError, match=r"masks would replace the input .*1\.png"):
        check_inputs_kept([tmp_path / "masks"], [tmp_path / "link" / "1.png"])
