# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Files and folders of results that are complete or absent, even when the program is killed; used by all writers.

Everything is written under a hidden name first and renamed when it is complete. Hidden names start with ``.`` and
contain ``monai_acdr``; each belongs to a lock of the operating system, which ends with its process. So the next run can
identify and remove the files of a killed process; it leaves files of a running process and other files.

A folder of results is replaced in three steps, and a process may be killed at any moment during them:

1. New results are written to ``.monai_acdr-partial-ID/new``. Killed here: the next run deletes them.
2. They are synchronized to the disk, and ``decided.json``, which lists the replacements, is put beside them.
3. Earlier results move to ``.monai_acdr-partial-ID/old``, then new results move into the folder. One of them, named by
   the caller, is the first to leave and the last to arrive: while it is absent, the results are not complete. Killed
   here: the next run completes the moves. An error here: all moves are undone.
"""

from __future__ import annotations

import atexit
import errno
import hashlib
import json
import os
import shutil
import stat
import tempfile
import time
import uuid
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

__all__ = [
    "MissingFolderError",
    "OutputError",
    "check_free",
    "check_inputs_kept",
    "check_parent",
    "claim_file",
    "file_sha256",
    "is_own_name",
    "lock_folder",
    "output_folder",
    "publish_into",
    "publish_results",
    "release_file",
    "remove_leftovers",
    "replace_file",
    "replace_folder",
    "temporary_folder",
    "write_text_atomically",
    "writing",
]

LOCK = ".monai_acdr-lock"
"""Lock of a folder; ``.NAME.monai_acdr-lock`` is the lock of one file in it."""
PARTIAL = ".monai_acdr-partial"
"""Prefix of hidden names: ``.monai_acdr-partial.NAME`` is one file or folder, not yet in place (the name comes last,
because writers choose a format by the suffix), ``.monai_acdr-partial-ID`` a folder of results not yet published."""
TEMPORARY = "monai_acdr-"
"""Prefix of temporary folders."""
TEMPORARY_FILES = "files"
"""Folder in a temporary folder, beside its lock."""
DECIDED = "decided.json"
WAIT_SECONDS = 60.0
"""Seconds that a writer waits for another writer of the same file."""
CLAIM_SECONDS = 1.0
"""Seconds to retry a claim: another process that checks for leftovers holds each lock for an instant."""
_POLL_SECONDS = 0.02
_ONLY_WRITERS = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS}
"""Errors that only writing can cause."""
_WITHOUT_LOCKS = {errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOTSUP, errno.EINVAL, errno.EBADF}
"""Errors of file systems without locks (some settings of Lustre and NFS)."""


class OutputError(OSError):
    """An error of writing; subclasses also derive from Python's own exception for the error number."""

    def __str__(self) -> str:
        if self.errno is None:
            return super().__str__()
        return f"Expected to write, but got {self.strerror}: {self.filename!r}: {_next_step(self.errno)}."


class MissingFolderError(OutputError, FileNotFoundError):
    """The folder of a file to write does not exist."""


class _ForbiddenError(OutputError, PermissionError):
    pass


class _NoFolderError(OutputError, NotADirectoryError):
    pass


class _IsFolderError(OutputError, IsADirectoryError):
    pass


class _ExistsError(OutputError, FileExistsError):
    pass


_OUTPUT_ERRORS: dict[type[OSError], type[OutputError]] = {
    FileExistsError: _ExistsError,
    FileNotFoundError: MissingFolderError,
    IsADirectoryError: _IsFolderError,
    NotADirectoryError: _NoFolderError,
    PermissionError: _ForbiddenError,
}
_NEXT_STEPS = {
    errno.EACCES: "choose a folder that you may write to",
    errno.EDQUOT: "free space, or choose another folder",
    errno.EEXIST: "a part of the path is a file; choose another folder",
    errno.EFBIG: "raise the limit of file sizes (ulimit -f), or choose another folder",
    errno.ENAMETOOLONG: "choose a shorter name",
    errno.ENOENT: "make its folder first or, where none can be made, choose another one",
    errno.ENOSPC: "free space, or choose another folder",
    errno.ENOTDIR: "a part of the path is a file; choose another folder",
    errno.EPERM: "choose a folder that you may write to",
    errno.EROFS: "choose a folder that you may write to",
}


def _next_step(number: int) -> str:
    return _NEXT_STEPS.get(number, "choose another folder")


@contextmanager
def writing(path: str | os.PathLike[str]) -> Iterator[None]:
    """Report system errors in the block as errors of writing `path`, whatever hidden file they name.

    Raises:
        OutputError: for every OSError of the system; errors with a message of this package stay as they are.
    """
    try:
        yield
    except OSError as error:
        if error.errno is None:
            raise
        raise _output_error(error, path) from error


def _output_error(error: OSError, path: str | os.PathLike[str]) -> OutputError:
    kind = next((made for known, made in _OUTPUT_ERRORS.items() if isinstance(error, known)), OutputError)
    return kind(error.errno, error.strerror, str(path))


def check_parent(path: str | os.PathLike[str]) -> Path:
    """The path of a file to write. Its folder must exist, because a mistyped folder should not be made.

    Raises:
        MissingFolderError: when the folder does not exist.
    """
    path = Path(path)
    if path.absolute().parent.exists() and not path.absolute().parent.is_dir():
        raise MissingFolderError(f"Expected {path.parent} to be a folder, but it is a file: choose another one.")
    if not path.absolute().parent.is_dir():
        raise MissingFolderError(f"The folder {path.parent} does not exist: make it first.")
    return path


def check_free(path: str | os.PathLike[str]) -> None:
    """Refuse a path that is taken, even by a broken link.

    Raises:
        FileExistsError: when the path is taken.
    """
    path = Path(path)
    if path.is_symlink() and not path.exists():
        raise FileExistsError(
            f"{path} is a link to {os.readlink(path)}, which does not exist: choose another name, or remove the link."
        )
    if os.path.lexists(path):
        raise FileExistsError(f"{path} exists: choose another name, or ask to overwrite it (--overwrite).")


def check_inputs_kept(
    outputs: Iterable[str | os.PathLike[str]], inputs: Iterable[str | os.PathLike[str] | None]
) -> None:
    """Refuse to replace an input file, by whatever name or link.

    Args:
        outputs: files and folders to replace; absent ones are ignored.
        inputs: files that are read; None and absent ones are ignored.

    Raises:
        FileExistsError: when one of `outputs` is or contains one of `inputs`.
    """
    files = [path for path in (Path(item) for item in inputs if item is not None) if path.exists()]
    same = {(status.st_dev, status.st_ino): path for path, status in ((path, path.stat()) for path in files)}
    for output in map(Path, outputs):
        if not output.exists():
            continue
        status, place = output.stat(), output.resolve()
        found = same.get((status.st_dev, status.st_ino))
        if found is None and output.is_dir():
            found = next((path for path in files if path.resolve().is_relative_to(place)), None)
        if found is not None:
            raise FileExistsError(
                f"Expected results apart from what is read, but {output} would replace the input {found}: choose "
                "another name or folder."
            )


class _Lock:
    """Exclusive lock of the operating system on a hidden file.

    The system releases it when the process ends, so a file that exists but is not locked was left by a killed process.
    The holder of the lock removes the file. A process that opened it earlier notices, after locking it, that the name
    no longer refers to that file, and starts again; `filelock` would keep the file, which has no place among results.

    On a file system without locks the existence of the file is the lock: then the user has to delete the file of a
    killed process.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._descriptor: int | None = None
        self._by_existence = False

    @property
    def remedy(self) -> str:
        """Addition to the message that the lock is taken: the remedy where a killed process may have left it."""
        return f" (If no other run is at work, delete {self.path}.)" if self._by_existence else ""

    @property
    def held(self) -> bool:
        """Whether this process, not the one it was forked from, holds the lock."""
        return self._descriptor is not None

    @property
    def valid(self) -> bool:
        """Whether the lock is held and its file is still in place."""
        return self._descriptor is not None and self._is_same(self._descriptor)

    def acquire(self) -> bool:
        """Take the lock; False when another process or another lock of this process holds it.

        Raises:
            OSError: when the file cannot be made.
        """
        while True:
            descriptor, created = self._open()
            if descriptor is None:
                continue  # removed in between
            try:
                acquired = _lock_descriptor(descriptor)
            except OSError as error:
                if error.errno not in _WITHOUT_LOCKS:
                    os.close(descriptor)
                    raise
                acquired, self._by_existence = created, True
            if acquired and self._is_same(descriptor):
                self._descriptor = descriptor
                _held.add(self)
                return True
            os.close(descriptor)
            if not acquired:
                return False

    def release(self) -> None:
        """Remove the file and release the lock; does nothing when the lock is not held."""
        if self._descriptor is None:
            return
        try:
            if os.name != "nt" and self.valid:
                _without_interruption(lambda: self.path.unlink(missing_ok=True))
        finally:
            _held.discard(self)
            descriptor, self._descriptor = self._descriptor, None
            os.close(descriptor)
        if os.name == "nt":  # Windows cannot remove an open file
            with suppress(OSError):
                self.path.unlink(missing_ok=True)

    def forget(self) -> None:
        """In a forked process: close the descriptor, which would keep the lock after the end of the parent."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def _open(self) -> tuple[int | None, bool]:
        flags = os.O_RDWR | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NOFOLLOW", 0)
        try:
            return os.open(self.path, flags | os.O_CREAT | os.O_EXCL, 0o666), True
        except FileExistsError:
            pass
        try:
            return os.open(self.path, flags), False
        except FileNotFoundError:
            return None, False
        except PermissionError:  # another user's
            return os.open(self.path, flags & ~os.O_RDWR | os.O_RDONLY), False

    def _is_same(self, descriptor: int) -> bool:
        try:
            named = os.stat(self.path, follow_symlinks=False)
        except FileNotFoundError:
            return False
        opened = os.fstat(descriptor)
        return (named.st_dev, named.st_ino) == (opened.st_dev, opened.st_ino)


_held: set[_Lock] = set()
_claims: dict[Path, _Lock] = {}


def _lock_descriptor(descriptor: int) -> bool:
    try:
        if os.name == "nt":
            import msvcrt

            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined,unused-ignore]
        else:
            import fcntl

            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in (errno.EACCES, errno.EAGAIN, errno.EDEADLK):
            return False
        raise
    return True


def _forget_locks() -> None:
    for lock in _held:
        lock.forget()
    _held.clear()
    _claims.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_locks)


@contextmanager
def _locked(path: Path, wait: float, message: str) -> Iterator[_Lock]:
    lock = _Lock(path)
    end = time.monotonic() + wait
    while not lock.acquire():
        if time.monotonic() >= end:
            raise FileExistsError(f"{message}{lock.remedy}")
        time.sleep(_POLL_SECONDS)
    try:
        yield lock
    finally:
        lock.release()


@contextmanager
def replace_file(path: str | os.PathLike[str], overwrite: bool = True) -> Iterator[Path]:
    """Write a file beside `path`, and move it into place when the block ends without an error.

    No reader ever sees half a file. After an error the old file, if any, is unchanged and no temporary file is left.
    Two writers of one file take turns.

    Args:
        path: path of the file; its folder must exist.
        overwrite: whether to replace a file that exists when the block ends.

    Yields:
        A path in the same folder, with the same suffixes, that does not exist yet.

    Raises:
        FileExistsError: when the file exists and `overwrite` is false, or another process does not finish it.
        OSError: when the file cannot be written or moved.
    """
    path = Path(path)
    temporary = path.with_name(f"{PARTIAL}.{path.name}")
    waited = f"Expected {path} to be free, but another process has been writing it for {WAIT_SECONDS:.0f} s: wait."
    try:
        with _locked(_lock_of(path), WAIT_SECONDS, waited) as lock:
            _remove(temporary)
            try:
                yield temporary
                if not overwrite:
                    check_free(path)
                _synchronize(temporary)
                os.replace(temporary, path)
            finally:
                if lock.held:
                    _remove(temporary)
    except OSError as error:
        if error.errno is None or isinstance(error, OutputError):
            raise
        raise _output_error(error, path) from error  # a full disk names no file, other errors name a hidden one


@contextmanager
def replace_folder(folder: str | os.PathLike[str], private: bool = True) -> Iterator[Path]:
    """Fill a folder beside `folder`, and move it into place when the block ends without an error.

    Args:
        folder: absent or empty; its parent folder must exist.
        private: whether only this user can read it, for example a study with a patient's name.

    Yields:
        An empty folder.

    Raises:
        FileExistsError: when `folder` is a file or has content.
        FileNotFoundError: when the parent folder does not exist.
        OSError: when the folder cannot be written.
    """
    folder = Path(folder).absolute()
    if os.path.lexists(folder) and (not folder.is_dir() or any(folder.iterdir())):
        raise FileExistsError(f"{folder} exists and is not an empty folder: choose another one.")
    check_parent(folder)
    with replace_file(folder) as temporary:
        temporary.mkdir(mode=0o700 if private else 0o777)
        yield temporary
        if folder.exists():
            folder.rmdir()


def write_text_atomically(
    path: str | os.PathLike[str], text: str, overwrite: bool = True, private: bool = False
) -> Path:
    """Write `text` (UTF-8) by :func:`replace_file`; missing folders are made.

    Args:
        path: path of the file.
        text: its content.
        overwrite: replace an existing file.
        private: readable only for its owner.

    Raises:
        FileExistsError: when the file exists and `overwrite` is false.
        OSError: when the folder cannot be made or written.
    """
    path = Path(path)
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)

    def opener(name: str, flags: int) -> int:
        return os.open(name, flags, 0o600 if private else 0o666)

    with replace_file(path, overwrite) as temporary:
        with open(temporary, "x", encoding="utf-8", newline="\n", opener=opener) as stream:
            stream.write(text)
    return path


@contextmanager
def output_folder(folder: str | os.PathLike[str], names: Sequence[str], overwrite: bool = False) -> Iterator[Path]:
    """Lock a folder, and publish results in it when the block ends without an error.

    The folder is made and locked before the block, so that a missing permission or another run is reported before the
    work. After an error nothing is left.

    Args:
        folder: folder for results, made when missing. Other content stays.
        names: as in :func:`publish_results`.
        overwrite: as in :func:`publish_results`.

    Yields:
        An empty folder to write to.

    Raises:
        FileExistsError, OSError, ValueError: as :func:`lock_folder` and :func:`publish_results`.
    """
    with lock_folder(folder) as locked, publish_results(locked, names, overwrite) as new:
        yield new


@contextmanager
def lock_folder(folder: str | os.PathLike[str], wait: float = 0.0) -> Iterator[Path]:
    """Lock a folder for one writer of results; leftovers of killed runs are completed or removed first.

    Args:
        folder: folder to lock, made when missing; removed at the end if it is empty.
        wait: seconds to wait for another run.

    Yields:
        Its absolute path.

    Raises:
        FileExistsError: when another run is writing to the folder, or `folder` is a file.
        OSError: when the folder cannot be made or written, or is deleted while it is locked.
    """
    folder = Path(folder).absolute()
    if folder.is_symlink() and not folder.exists():
        raise FileExistsError(
            f"Expected {folder} to be a folder for results, but it is a link to {os.readlink(folder)}, which does not "
            "exist: make that folder, or choose another name."
        )
    if _is_no_folder(folder):
        raise FileExistsError(f"Expected {folder} to be a folder for results, but it is a file: choose another name.")
    made = [path for path in (folder, *folder.parents) if not path.exists()]
    lock = _Lock(folder / LOCK)
    busy = (
        f"Expected no other run in {folder}, but one is writing its results there: wait until it ends, or choose "
        "another folder."
    )
    try:
        with writing(folder):
            _acquire_in(folder, lock, wait, busy)
            _finish(folder)
            remove_leftovers(folder)
        yield folder
    except FileNotFoundError as error:
        if lock.held and not lock.valid:
            raise OSError(
                f"Expected {folder} to stay while results are written to it, but it was deleted: run again."
            ) from error
        raise
    finally:
        mine = lock.held
        lock.release()
        if mine:
            _remove_empty(made)


@contextmanager
def publish_results(folder: Path, names: Sequence[str], overwrite: bool = False) -> Iterator[Path]:
    """Collect results, and move them into a locked folder when the block ends without an error.

    Args:
        folder: folder locked by :func:`lock_folder`.
        names: every file and folder that this program may write there. Existing ones are refused, or with
            ``overwrite`` all replaced, so that results of two runs are never mixed. The last name is removed first and
            put in place last: readers who find it find the rest.
        overwrite: see ``names``.

    Yields:
        An empty folder to write to.

    Raises:
        FileExistsError: when results exist and ``overwrite`` is false.
        OSError: when results cannot be written; earlier ones are unchanged.
        ValueError: when a result is not among ``names``.
    """
    existing = [name for name in names if os.path.lexists(folder / name)]
    if existing and not overwrite:
        raise FileExistsError(
            f"Expected no results in {folder}, but {', '.join(existing[:5])} exist: choose another folder, or replace "
            "them with --overwrite (overwrite=True)."
        )
    with publish_into(folder, names, names[-1] if names else "") as new:
        yield new
        unknown = sorted(path.name for path in new.iterdir() if path.name not in names)
        if unknown:
            raise ValueError(f"Expected results to be among {list(names)}, but got {unknown}.")


@contextmanager
def publish_into(folder: Path, replaced: Collection[str], last: str, durable: bool = True) -> Iterator[Path]:
    """Collect files and folders, and move all of them into a locked folder when the block ends without an error.

    Args:
        folder: folder locked by :func:`lock_folder`.
        replaced: names in the folder that are removed, with or without a replacement.
        last: name that is removed first and put in place last.
        durable: whether to synchronize every file to the disk before the moves, in case of a power failure. It takes
            milliseconds per file; files that can be made again do not need it.

    Yields:
        An empty folder to write to.

    Raises:
        OSError: when files cannot be written or moved; then the folder is unchanged.
    """
    work = folder / f"{PARTIAL}-{uuid.uuid4().hex}"
    process = os.getpid()
    try:
        for path in (work, work / "new", work / "old"):
            path.mkdir()
        yield work / "new"
        if durable:
            _synchronize(work / "new")
        _publish(work, folder, replaced, last)
    except OSError as error:
        if error.errno is None:
            raise
        name = Path(str(error.filename or ""))
        if name.is_relative_to(work):  # users know a file by its final path
            inside = name.relative_to(work).parts
            place = folder.joinpath(*inside[1:]) if inside[:1] == ("new",) else folder
            raise _output_error(error, place) from error
        if error.errno in _ONLY_WRITERS:  # these name no file
            raise _output_error(error, error.filename or folder) from error
        raise
    finally:
        # If the decision is still there, moves could be neither completed nor undone: the next run completes them.
        if os.getpid() == process and not (work / DECIDED).exists():
            _remove(work)


def _publish(work: Path, folder: Path, replaced: Collection[str], last: str) -> None:
    def order(names: Collection[str]) -> list[str]:
        return sorted(names, key=lambda name: (name == last, name))

    made = order([path.name for path in (work / "new").iterdir()])
    gone = [name for name in reversed(order(replaced)) if os.path.lexists(folder / name)]
    try:
        write_text_atomically(work / DECIDED, json.dumps({"replaced": gone, "made": made}))
        _synchronize_entries(work)
        _move(work, folder, gone, made)
    except BaseException:
        _undo(work, folder, gone, made)
        raise
    _without_interruption(lambda: (work / DECIDED).unlink(missing_ok=True))


def _move(work: Path, folder: Path, replaced: Sequence[str], made: Sequence[str]) -> None:
    """Complete the moves that are still missing."""
    for name in replaced:
        if os.path.lexists(folder / name) and not os.path.lexists(work / "old" / name):
            os.replace(folder / name, work / "old" / name)
    for name in made:
        if os.path.lexists(work / "new" / name):
            os.replace(work / "new" / name, folder / name)
    _synchronize_entries(folder)


def _undo(work: Path, folder: Path, replaced: Sequence[str], made: Sequence[str]) -> None:
    """Undo the completed moves, the last one first, through states from which :func:`_move` can continue."""
    for name in reversed(made):
        if os.path.lexists(folder / name) and not os.path.lexists(work / "new" / name):
            os.replace(folder / name, work / "new" / name)
    for name in reversed(replaced):
        if os.path.lexists(work / "old" / name):
            os.replace(work / "old" / name, folder / name)
    (work / DECIDED).unlink(missing_ok=True)


def _finish(folder: Path) -> None:
    """Complete or discard the leftovers of a killed run in a folder that is locked now."""
    for work in sorted(folder.glob(f"{PARTIAL}-*")):
        if (work / DECIDED).is_file() and not work.is_symlink():
            record = json.loads((work / DECIDED).read_text(encoding="utf-8"))
            replaced, made = ([Path(name).name for name in record[key]] for key in ("replaced", "made"))
            _move(work, folder, replaced, made)
            (work / DECIDED).unlink()
        _remove(work)


def remove_leftovers(folder: str | os.PathLike[str]) -> None:
    """Remove the hidden files that killed writers left in a folder; files in use stay."""
    folder = Path(folder)
    if not folder.is_dir():
        return
    prefix, suffix = f"{PARTIAL}.", LOCK
    names = set()
    for entry in os.listdir(folder):
        if entry.startswith(prefix):
            names.add(entry[len(prefix) :])
        elif entry.startswith(".") and entry.endswith(suffix) and entry != LOCK:
            names.add(entry[1 : -len(suffix)])
    for name in sorted(names):
        with suppress(OSError):  # another user's, in a folder with the sticky bit
            _remove_unlocked(folder / f"{prefix}{name}", _Lock(_lock_of(folder / name)))


@contextmanager
def temporary_folder() -> Iterator[Path]:
    """An empty temporary folder that only this user can read, removed when the block ends.

    It may hold copies of patients' images when its process is killed: folders of ended processes are removed first. A
    lock in each tells whether its process is running, also in another container.

    Raises:
        OSError: when the folder cannot be made.
    """
    for left in Path(tempfile.gettempdir()).glob(f"{TEMPORARY}*"):
        with suppress(OSError):  # another user's
            if not left.is_symlink() and (left / LOCK).is_file():
                _remove_unlocked(left, _Lock(left / LOCK))
    while True:
        above = Path(tempfile.mkdtemp(prefix=TEMPORARY))
        lock = _Lock(above / LOCK)
        if lock.acquire():  # otherwise another process has taken it for a leftover
            break
    process, folder = os.getpid(), above / TEMPORARY_FILES
    try:
        folder.mkdir(mode=0o700)
        yield folder
    finally:
        if os.getpid() == process:
            _remove(above)
            lock.release()


def _remove_unlocked(path: Path, lock: _Lock) -> None:
    """Remove what a killed process left; the lock tells whether its process is running."""
    if lock.acquire():
        try:
            _remove(path)
        finally:
            lock.release()


def is_own_name(name: str) -> bool:
    """Whether a file name in a folder is a hidden name of this module."""
    return name.startswith((PARTIAL, LOCK)) or (name.startswith(".") and name.endswith(LOCK))


def claim_file(path: str | os.PathLike[str]) -> bool:
    """Claim `path` for this process until it ends or releases it: a training claims its checkpoint.

    Writing the file is not affected.

    Returns:
        Whether the claim is new; False when this process already has it.

    Raises:
        FileExistsError: when another process has claimed the path.
        OSError: when the folder cannot be made or written.
    """
    path = Path(path).absolute()
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
    remove_leftovers(path.parent)
    key = path.parent.resolve() / path.name
    if key in _claims:
        if _claims[key].valid:
            return False
        _claims.pop(key).release()  # its folder was deleted
    lock = _Lock(_lock_of(path.with_name(f"{path.name}.claim")))
    end = time.monotonic() + CLAIM_SECONDS
    with writing(path):
        while not (acquired := lock.acquire()) and time.monotonic() < end:
            time.sleep(_POLL_SECONDS)
    if not acquired:
        raise FileExistsError(
            f"Expected no other process at work on {path}, but one is: wait until it ends, or choose another "
            f"folder.{lock.remedy}"
        )
    _claims[key] = lock
    return True


def release_file(path: str | os.PathLike[str]) -> None:
    """End a claim of this process, if there is one."""
    path = Path(path).absolute()
    lock = _claims.pop(path.parent.resolve() / path.name, None)
    if lock is not None:
        lock.release()


@atexit.register
def _release_claims() -> None:
    for lock in _claims.values():
        lock.release()


def _is_no_folder(path: Path) -> bool:
    """Whether a path is not a folder but exists; one call, as another run may remove an empty folder at any moment."""
    try:
        return not stat.S_ISDIR(path.stat().st_mode)
    except (FileNotFoundError, NotADirectoryError):
        return False


def _acquire_in(folder: Path, lock: _Lock, wait: float, message: str) -> None:
    end = time.monotonic() + wait
    while True:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            if lock.acquire():
                return
        except (FileNotFoundError, FileExistsError):
            # Another run, which had made the folder, removed it: also between the two looks of Path.mkdir, which then
            # says that it exists.
            if _is_no_folder(folder) or time.monotonic() >= end + 1:
                raise
            continue
        if time.monotonic() >= end:
            raise FileExistsError(f"{message}{lock.remedy}")
        time.sleep(_POLL_SECONDS)


def _lock_of(path: Path) -> Path:
    return path.with_name(f".{path.name}{LOCK}")


def _remove(path: Path) -> None:
    """Remove a file or folder of this module, if it exists."""
    if path.is_dir() and not path.is_symlink():
        _without_interruption(lambda: shutil.rmtree(path, ignore_errors=True))
    else:
        with suppress(OSError):
            _without_interruption(lambda: path.unlink(missing_ok=True))


def _without_interruption(step: Callable[[], object]) -> None:
    """Complete a cleanup step even when a signal raises an exception in it; a second signal would end the process."""
    try:
        step()
    except (KeyboardInterrupt, SystemExit):
        step()
        raise


def _remove_empty(folders: Sequence[Path]) -> None:
    for folder in folders:
        try:
            folder.rmdir()
        except OSError:
            return


def _synchronize(path: Path) -> None:
    """Synchronize a file, or a folder with all its content, to the disk."""
    if path.is_symlink():
        return
    if not path.is_dir():
        with open(path, "rb+") as stream:
            os.fsync(stream.fileno())
        return
    for child in sorted(path.iterdir()):
        _synchronize(child)
    _synchronize_entries(path)


def _synchronize_entries(folder: Path) -> None:
    """Synchronize the names in a folder to the disk, where the system can do that."""
    if os.name == "nt":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in _WITHOUT_LOCKS:
            raise
    finally:
        os.close(descriptor)


def file_sha256(path: str | os.PathLike[str]) -> str:
    """SHA-256 of a file, which is read in pieces."""
    digest = hashlib.sha256()
    with open(path, "rb") as stream:
        while piece := stream.read(1 << 20):
            digest.update(piece)
    return digest.hexdigest()
