# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Files on disk: a bounded walk over a data set's folders, natural order."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

__all__ = ["MAX_DEPTH", "MAX_FILES", "natural_key", "walk_files"]

MAX_DEPTH = 10
"""Folders nested deeper than this are not looked into; the deepest layout of Sunnybrook Cardiac Data needs 7."""

MAX_FILES = 1_000_000
"""A walk over more files than this stops with an error: the folder is no data set, but a whole disk."""


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


def walk_files(root: Path) -> Iterator[tuple[Path, list[str]]]:
    """Yield (folder, sorted file names) of ``root`` and the folders below it, in natural order.

    Links to folders are followed, each real folder once. Hidden entries and macOS's ``__MACOSX`` copies are left out.

    Raises:
        ValueError: when there are more than ``MAX_FILES`` files.
    """
    seen: set[str] = set()
    total = 0
    for folder, names, files in os.walk(root, followlinks=True):
        real = os.path.realpath(folder)
        too_deep = len(Path(folder).relative_to(root).parts) >= MAX_DEPTH
        if real in seen:
            names.clear()
            continue
        seen.add(real)
        names[:] = [] if too_deep else sorted((name for name in names if _is_visible(name)), key=natural_key)
        kept = sorted((name for name in files if _is_visible(name)), key=natural_key)
        total += len(kept)
        if total > MAX_FILES:
            raise ValueError(
                f"Expected a data set, but {root} holds over {MAX_FILES} files: pass the data set's folder."
            )
        yield Path(folder), kept


def _is_visible(name: str) -> bool:
    return not name.startswith(".") and name != "__MACOSX"
