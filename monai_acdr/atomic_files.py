# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Files that exist completely or not at all: every result of the package is written through here."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = ["replace_file", "write_text_atomically"]


@contextmanager
def replace_file(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Write a file beside `path`, and have it moved into place when the block ends well.

    No reader ever sees half a file. After an error the old file, if any, is as it was and no temporary file is left.

    Yields:
        A path in the same folder, with the same suffixes, that does not exist yet.

    Raises:
        OSError: when the file cannot be written or moved.
    """
    path = Path(path)
    temporary = path.with_name(f".{uuid.uuid4().hex}.{path.name}")
    try:
        yield temporary
        with open(temporary, "rb+") as stream:
            os.fsync(stream.fileno())
        os.replace(temporary, path)
    except OSError as error:
        if error.errno is not None and error.filename2 is None:
            error.filename = str(path)  # a full disk names no file, other errors name the temporary one
        raise
    finally:
        temporary.unlink(missing_ok=True)


def write_text_atomically(path: str | os.PathLike[str], text: str) -> Path:
    """Write `text` (UTF-8) by :func:`replace_file`; missing folders are made.

    Raises:
        OSError: when the folder cannot be made or written.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    with replace_file(path) as temporary, open(temporary, "x", encoding="utf-8", newline="\n") as stream:
        stream.write(text)
    return path
