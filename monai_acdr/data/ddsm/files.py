# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Files of DDSM as bytes: bounded, and unpacked when they are gzipped, as some of the archive are."""

from __future__ import annotations

import gzip
import re
import zlib
from dataclasses import dataclass
from pathlib import Path

from monai_acdr.data.files import check_regular_file
from monai_acdr.read_budget import check_bytes, read_budget_bytes

__all__ = ["VIEWS", "DDSMName", "open_name", "parse_name", "read_beginning", "read_bytes", "read_text"]

VIEWS = ("LEFT_CC", "LEFT_MLO", "RIGHT_CC", "RIGHT_MLO")
"""The films of a case."""

MAX_TEXT_BYTES = 4_000_000
"""Of an ``.ics`` or ``.OVERLAY`` file; a large outline has some thousand codes of two characters each."""

BEGINNING_BYTES = 1 << 16
"""Hold the header of an ``.LJPEG`` file, which has some hundred bytes."""

_NAME = re.compile(r"([A-Z])[_-](\d+)[_-](\d+)\.([A-Z]+_[A-Z]+)\.(LJPEG|OVERLAY)(\.GZ)?", re.IGNORECASE | re.ASCII)


@dataclass(frozen=True)
class DDSMName:
    """What the name of a film's file tells, as in ``A_1509_1.LEFT_CC.LJPEG``.

    Attributes:
        institution: letter: A Massachusetts General Hospital, B and C Wake Forest, D Washington University.
        patient: institution and number, ``"A_1509"``.
        case: with the number of the examination, ``"A_1509_1"``.
        view: one of :data:`VIEWS`.
        kind: ``"LJPEG"`` or ``"OVERLAY"``.
    """

    institution: str
    patient: str
    case: str
    view: str
    kind: str

    @property
    def ics(self) -> str:
        """Name of the case's ``.ics`` file, which has hyphens."""
        return self.case.replace("_", "-") + ".ics"


def parse_name(name: str) -> DDSMName | None:
    """Take a file name apart; None when it is not a film's or an outline's."""
    match = _NAME.fullmatch(name)
    if not match or match[4].upper() not in VIEWS:
        return None
    institution = match[1].upper()
    return DDSMName(
        institution,
        f"{institution}_{match[2]}",
        f"{institution}_{match[2]}_{match[3]}",
        match[4].upper(),
        match[5].upper(),
    )


def open_name(name: str) -> str:
    """A file name without regard to case and to ``.gz``: what two files must share to be the same file."""
    lower = name.lower()
    return lower[:-3] if lower.endswith(".gz") else lower


def read_bytes(path: Path, limit: int | None, what: str) -> bytes:
    """Content of a file, unpacked when it is gzipped (recognised by content).

    Args:
        path: the file.
        limit: refuse more bytes than this, unpacked; None refuses more than the budget of memory.
        what: for messages.

    Raises:
        FileNotFoundError: when there is no such file.
        ValueError: when it is too large, or its gzip stream is damaged.
    """
    if not path.is_file():
        raise FileNotFoundError(f"Expected {what}, but {path} does not exist: check the path and copy the whole case.")
    with open(path, "rb") as stream:
        packed = stream.read(2) == b"\x1f\x8b"
    try:
        with gzip.open(path, "rb") if packed else open(path, "rb") as stream:
            data = stream.read((read_budget_bytes() if limit is None else limit) + 1)
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise ValueError(f"Expected {what}, but the gzip file {path} is damaged ({error}): copy it again.") from error
    check_bytes(path, len(data))
    if limit is not None and len(data) > limit:
        raise ValueError(f"Expected {what} of at most {limit} bytes, but {path} is longer: is it a file of DDSM?")
    return data


def read_beginning(path: Path, what: str) -> tuple[bytes, int | None]:
    """The first :data:`BEGINNING_BYTES` of a file, unpacked, and its size in bytes, None when it is gzipped.

    Raises:
        FileNotFoundError: when there is no such file.
        ValueError: when it is no regular file, or its gzip stream is damaged.
    """
    check_regular_file(path, what)
    with open(path, "rb") as stream:
        data = stream.read(BEGINNING_BYTES)
    if not data.startswith(b"\x1f\x8b"):
        return data, path.stat().st_size
    try:
        with gzip.open(path, "rb") as stream:
            return stream.read(BEGINNING_BYTES), None
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise ValueError(f"Expected {what}, but the gzip file {path} is damaged ({error}): copy it again.") from error


def read_text(path: Path, what: str) -> str:
    """Content of a text file; bytes beyond ASCII, as in free text, become replacement characters.

    Raises:
        FileNotFoundError: when there is no such file.
        ValueError: when it is too large or binary.
    """
    data = read_bytes(path, MAX_TEXT_BYTES, what)
    if b"\0" in data:
        raise ValueError(f"Expected {what}, but {path} is binary: copy it again in binary mode.")
    return data.decode("ascii", errors="replace")
