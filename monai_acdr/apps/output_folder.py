# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""A folder of results that are all there or not at all."""

from __future__ import annotations

import os
import shutil
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

__all__ = ["output_folder"]


@contextmanager
def output_folder(folder: Path, names: Sequence[str], overwrite: bool = False) -> Iterator[Path]:
    """Collect results in a hidden folder beside the last one, and move them there when the block ends well.

    It is made before the block, so that a missing permission shows before the work. After an error nothing is left.

    Args:
        folder: where results go; made when missing. What else lies there stays.
        names: every file and folder that this program may write there. Existing ones are refused, or with
            ``overwrite`` replaced: none is left of the last run, so that results of two runs never lie together.
        overwrite: see ``names``.

    Yields:
        An empty folder to write to.

    Raises:
        FileExistsError: when there are results already and ``overwrite`` is false, or ``folder`` is a file.
        OSError: when it cannot be written.
    """
    if folder.exists() and not folder.is_dir():
        raise FileExistsError(f"Expected {folder} to be a folder for results, but it is a file: choose another name.")
    existing = [name for name in names if (folder / name).exists()]
    if existing and not overwrite:
        raise FileExistsError(
            f"Expected no results in {folder}, but {', '.join(existing[:5])} exist: choose another folder, or replace "
            "them with --overwrite (overwrite=True)."
        )
    existed = folder.is_dir()
    folder.mkdir(parents=True, exist_ok=True)
    temporary = folder / f".{uuid.uuid4().hex}.partial"
    try:
        temporary.mkdir()
        yield temporary
        _publish(temporary, folder, names)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
        if not existed and not any(folder.iterdir()):
            folder.rmdir()


def _publish(temporary: Path, folder: Path, names: Sequence[str]) -> None:
    made = sorted(path.name for path in temporary.iterdir())
    unknown = [name for name in made if name not in names]
    if unknown:
        raise ValueError(f"Expected results to be among {list(names)}, but got {unknown}.")
    trash = temporary / ".replaced"
    trash.mkdir()
    for name in names:
        if (folder / name).exists():
            os.replace(folder / name, trash / name)
    for name in made:
        os.replace(temporary / name, folder / name)
