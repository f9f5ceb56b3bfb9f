# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Names of frames that do not give the patient away, and the way back from a name to a frame."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from monai_acdr.dicom import SourceFrame
from monai_acdr.dicom.elements import text

__all__ = ["MAX_NAME", "SUNNYBROOK_NAME", "check_name", "find_frame", "frame_names"]

MAX_NAME = 128
"""Characters of a frame's name: files are named after it."""

SUNNYBROOK_NAME = re.compile(r"IM-\d{1,6}-(\d{1,6})-([io])contour-[a-z]{1,16}", re.IGNORECASE)
"""Names of Sunnybrook's contour files: the number of the image, and i for endocardium, o for epicardium."""


def check_name(name: str) -> str:
    """The name, when files can be named after it.

    Raises:
        ValueError: for anything but 1 to 128 printable characters that name no folder and no hidden file.
    """
    plain = isinstance(name, str) and 0 < len(name) <= MAX_NAME and name.isprintable() and name.strip(" .") == name
    if not plain or set(name) & set('/\\:*?"<>|'):
        raise ValueError(f"Expected the name of a frame to be a plain file name, but got {name!r}.")
    return name


def frame_names(sources: Sequence[SourceFrame]) -> list[str]:
    """A name for each frame: that of its file, with the frame's number in multi-frame files.

    Where file names are not unique, or hold a part of the patient's name or the patient's ID, all frames are numbered
    instead, in the order of `sources`.
    """
    names = [_file_name(source) for source in sources]
    unique = len({name.casefold() for name in names}) == len(names)
    if unique and not any(_names_patient(source) for source in sources) and all(map(_is_plain, names)):
        return names
    return [f"frame-{number:04d}" for number in range(1, len(sources) + 1)]


def find_frame(name: str, names: Sequence[str]) -> int | None:
    """Index of the frame that a name means, None when there is none.

    A Sunnybrook contour file means the image of its number.
    """
    if name in names:
        return list(names).index(name)
    sunnybrook = SUNNYBROOK_NAME.fullmatch(name)
    if sunnybrook is None:
        return None
    number = int(sunnybrook[1])
    found = [i for i, known in enumerate(names) if (last := re.search(r"(\d{1,6})$", known)) and int(last[1]) == number]
    return found[0] if len(found) == 1 else None


def _file_name(source: SourceFrame) -> str:
    path = Path(source.path)
    stem = path.stem if path.suffix.lower() in (".dcm", ".ima", ".dicom") else path.name
    return f"{stem}-{source.frame:04d}" if source.num_frames > 1 else stem


def _is_plain(name: str) -> bool:
    try:
        check_name(name)
    except ValueError:
        return False
    return True


def _names_patient(source: SourceFrame) -> bool:
    """Whether a file's name holds a part of its patient's name, or the patient's ID."""
    file_name = _letters(source.path.name)
    parts = [part for part in re.split(r"[\^= ,]+", text(source.header, "PatientName")) if len(part) > 2]
    identity = text(source.header, "PatientID")
    if len(identity) > 3:  # an ID such as "1" is in the name of every first file
        parts.append(identity)
    return any(letters in file_name for letters in map(_letters, parts) if letters)


def _letters(text: str) -> str:
    return "".join(character for character in text.casefold() if character.isalnum())
