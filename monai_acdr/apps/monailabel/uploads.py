# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""What clients send lies in the temporary folder, and MONAI Label names it by its path: so the server has one alone."""

from __future__ import annotations

import atexit
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = ["discarding", "use_own_temporary_folder"]

PREFIX = "monai_acdr-label-"
_NAME = re.compile(rf"{re.escape(PREFIX)}(\d+)-\w+")


def use_own_temporary_folder() -> Path:
    """Make a folder that only this user reads, and have `tempfile` use it in this process; twice is once.

    It is removed when Python ends. What servers left that were killed is removed by the next one.
    """
    present = Path(tempfile.gettempdir())
    if _process_of(present) == os.getpid():
        return present
    for folder in present.glob(f"{PREFIX}*"):
        process = _process_of(folder)
        if process is not None and not _runs(process):
            shutil.rmtree(folder, ignore_errors=True)
    folder = Path(tempfile.mkdtemp(prefix=f"{PREFIX}{os.getpid()}-", dir=present))
    tempfile.tempdir = str(folder)
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


@contextmanager
def discarding(path: str | os.PathLike[str]) -> Iterator[None]:
    """Remove an upload when its request fails: MONAI Label does so after answers only.

    Args:
        path: of the file; one that is not in the temporary folder is never removed, nor is "".
    """
    try:
        yield
    except BaseException:
        if str(path) and Path(path).resolve().parent == Path(tempfile.gettempdir()).resolve():
            Path(path).unlink(missing_ok=True)
        raise


def _process_of(folder: Path) -> int | None:
    found = _NAME.fullmatch(folder.name)
    return int(found[1]) if found else None


def _runs(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:  # another user's
        return True
    return True
