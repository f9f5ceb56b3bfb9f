# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Files on disk: a bounded walk over a data set's folders, natural order, and checks for regular files.

Only regular files are opened: opening a named pipe waits forever for a writer, and a device has no end.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from monai_acdr.data.report import QualityReport

__all__ = ["MAX_DEPTH", "MAX_FILES", "check_regular_file", "natural_key", "walk_data_set", "walk_files"]

MAX_DEPTH = 10
"""Folders nested deeper than this are not looked into; the deepest layout of Sunnybrook Cardiac Data needs 7."""

MAX_FILES = 1_000_000
"""A walk over more files than this stops with an error: the folder is not a data set, but a whole disk."""


def natural_key(text: str) -> tuple[tuple[bool, int, str], ...]:
    """Sort key that orders ``2.dcm`` before ``10.dcm``; a total order, the same on every system.

    Example:
        >>> sorted(["10.dcm", "2.dcm"], key=natural_key)
        ['2.dcm', '10.dcm']
    """
    # Python's int() refuses more than 4300 digits; such runs are compared as text.
    parts = re.findall(r"\d+|\D+", text)
    return tuple(
        (False, int(part), part) if part.isdecimal() and len(part) < 4300 else (True, 0, part) for part in parts
    )


def check_regular_file(path: Path, description: str) -> None:
    """Raise an error unless a path names a regular file, or a link to one.

    Args:
        path: the path to check; it is not opened.
        description: of the expected file, for the message, such as ``"an image"``.

    Raises:
        FileNotFoundError: when there is nothing, or a broken link.
        ValueError: when it is a folder, a named pipe, a socket or a device.
    """
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        detail = "is a link to a file that does not exist" if path.is_symlink() else "does not exist"
        raise FileNotFoundError(f"Expected {description}, but {path} {detail}: check the path.") from None
    except (OSError, ValueError) as error:  # a loop of links, a part that is not a folder, a null byte
        reason = error.strerror if isinstance(error, OSError) else "not a path"
        raise ValueError(
            f"Expected {description}, but {path} cannot be looked at ({reason}): check the path."
        ) from None
    if not stat.S_ISREG(mode):
        kind = next((name for test, name in _KINDS if test(mode)), "no file")
        raise ValueError(f"Expected {description}, but {path} is not a regular file but {kind}: pass a file.")


_KINDS = (
    (stat.S_ISDIR, "a folder"),
    (stat.S_ISFIFO, "a named pipe"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
)


def walk_files(root: Path, left_out: list[Path] | None = None) -> Iterator[tuple[Path, list[str]]]:
    """Yield (folder, sorted names of regular files) of ``root`` and the folders below it, in natural order.

    Links to folders are followed, each real folder once. Hidden entries and macOS's ``__MACOSX`` copies are left out,
    and so are named pipes, sockets, devices and broken links.

    Args:
        root: folder to begin at.
        left_out: receives visible paths that are not regular files, and folders that cannot be listed.

    Raises:
        ValueError: when there are more than ``MAX_FILES`` files.
    """
    seen: set[str] = set()
    total = 0
    others: list[Path] = [] if left_out is None else left_out
    for folder, names, files in os.walk(root, onerror=_collector(others), followlinks=True):
        real = os.path.realpath(folder)
        too_deep = len(Path(folder).relative_to(root).parts) >= MAX_DEPTH
        if real in seen:
            names.clear()
            continue
        seen.add(real)
        names[:] = [] if too_deep else sorted((name for name in names if _is_visible(name)), key=natural_key)
        visible = sorted((name for name in files if _is_visible(name)), key=natural_key)
        kept = [name for name in visible if os.path.isfile(os.path.join(folder, name))]
        if len(kept) < len(visible):
            regular = set(kept)
            others.extend(Path(folder, name) for name in visible if name not in regular)
        total += len(visible)
        if total > MAX_FILES:
            raise ValueError(
                f"Expected a data set, but {root} holds over {MAX_FILES} files: pass the data set's folder."
            )
        yield Path(folder), kept


def walk_data_set(root: Path, suffixes: Sequence[str], report: QualityReport) -> Iterator[tuple[Path, list[str]]]:
    """Like :func:`walk_files`; paths that are not regular files become findings at the end of the walk.

    Args:
        root: folder of the data set.
        suffixes: of the files that are looked for, in lower case. A folder with such a name is a finding as well,
            unless it holds a file of that suffix: some archives unpack each file into a folder of its name.
        report: receives ``not_a_file``, the subject relative to ``root``.

    Raises:
        ValueError: when there are more than ``MAX_FILES`` files.
    """
    others: list[Path] = []
    for folder, names in walk_files(root, others):
        suffix = folder.suffix.lower()
        if folder != root and suffix in suffixes and not any(name.lower().endswith(suffix) for name in names):
            others.append(folder)
        yield folder, names
    for path in dict.fromkeys(others):
        report.add("not_a_file", path.relative_to(root).as_posix(), _kind_of(path))


def _kind_of(path: Path) -> str:
    try:
        mode = path.stat().st_mode
    except OSError:
        return "a link that leads to no file"
    return next((name for test, name in _KINDS if test(mode)), "no regular file")


def _collector(paths: list[Path]) -> Callable[[OSError], None]:
    """A function that keeps the path of an error, for folders that may not be listed."""

    def collect(error: OSError) -> None:
        paths.append(Path(os.fsdecode(error.filename)))

    return collect


def _is_visible(name: str) -> bool:
    return not name.startswith(".") and name != "__MACOSX"
