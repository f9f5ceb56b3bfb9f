# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""``.ics`` files of DDSM: one a case, with the size and resolution of each film."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from monai_acdr.data.ddsm.files import VIEWS, open_name, read_text
from monai_acdr.read_budget import check_pixels

__all__ = ["DIGITIZERS", "DDSMCase", "DDSMFilm", "find_ics", "read_ics"]

DIGITIZERS = {"DBA": 42.0, "HOWTEK": 43.5, "LUMISYS": 50.0}
"""Film digitizers and their resolution in micrometres."""

MAX_SIDE = 65535
"""Largest side that a JPEG header can express."""


@dataclass(frozen=True)
class DDSMFilm:
    """One line of an ``.ics`` file.

    Attributes:
        size: (H, W): LINES and PIXELS_PER_LINE.
        bits: BITS_PER_PIXEL; None when absent.
        resolution: micrometres between pixels; None when absent.
        has_overlay: the line says OVERLAY.
    """

    size: tuple[int, int]
    bits: int | None
    resolution: float | None
    has_overlay: bool


@dataclass(frozen=True)
class DDSMCase:
    """What an ``.ics`` file tells; nothing of the patient but the breast's density is kept.

    Attributes:
        digitizer: a key of :data:`DIGITIZERS`, or "" when unknown.
        density: ACR breast density 1 to 4, or "".
        films: by view, as in ``"LEFT_CC"``; only views whose size is given.
    """

    digitizer: str = ""
    density: str = ""
    films: dict[str, DDSMFilm] = field(default_factory=dict)

    def spacing(self, view: str) -> tuple[float, float] | None:
        """(between rows, between columns) in mm: RESOLUTION, else the digitizer's; None when neither is known."""
        resolution = self.films[view].resolution or DIGITIZERS.get(self.digitizer)
        return None if resolution is None else (resolution / 1000, resolution / 1000)


def read_ics(path: str | Path) -> DDSMCase:
    """Read an ``.ics`` file, gzipped or not, by its keywords: fields may be missing, empty or in any order.

    Raises:
        FileNotFoundError: when there is no such file.
        ValueError: when it is no such file, or a number in it is none.
    """
    path = Path(path)
    digitizer, density, films = "", "", {}
    for number, line in enumerate(read_text(path, "an .ics file").splitlines(), start=1):
        words = line.upper().split()
        if not words:
            continue
        if words[0] == "DIGITIZER":
            digitizer = next((name for name in DIGITIZERS if name in " ".join(words[1:])), "")
        elif words[0] == "DENSITY":
            density = words[1] if len(words) > 1 else ""
        elif words[0] in VIEWS:
            film = _film(words[1:], f"{path}, line {number}")
            if film is not None:
                films[words[0]] = film
    if not films:
        raise ValueError(
            f"Expected lines as 'LEFT_CC LINES 4696 PIXELS_PER_LINE 3024 ...' in {path}, but found none: "
            "is it the .ics file of a DDSM case? Copy it again."
        )
    return DDSMCase(digitizer, density, films)


def find_ics(image: str | Path, ics_name: str) -> Path:
    """The ``.ics`` file beside an image, whatever its case and with or without ``.gz``.

    Raises:
        FileNotFoundError: when it is not there.
    """
    folder = Path(image).parent
    found = sorted(entry for entry in folder.iterdir() if open_name(entry.name) == ics_name.lower())
    if not found:
        raise FileNotFoundError(
            f"Expected {ics_name} beside {image}, but it is absent: copy the case's .ics file into the same folder; "
            "read_ljpeg(path, shape) reads an image without it."
        )
    return found[0]


def _film(words: list[str], where: str) -> DDSMFilm | None:
    """The film of a line; None when LINES or PIXELS_PER_LINE has no value."""
    values = dict(zip(words, words[1:], strict=False))
    height, width, bits, resolution = (
        _number(values.get(key), key, where) for key in ("LINES", "PIXELS_PER_LINE", "BITS_PER_PIXEL", "RESOLUTION")
    )
    if height is None or width is None:
        return None
    if not (height.is_integer() and width.is_integer() and max(height, width) <= MAX_SIDE):
        raise ValueError(f"Expected sizes in 1..{MAX_SIDE}, but got {height:g} x {width:g} in {where}: correct it.")
    check_pixels(where, (int(height), int(width)))
    return DDSMFilm((int(height), int(width)), None if bits is None else int(bits), resolution, "OVERLAY" in words)


def _number(text: str | None, key: str, where: str) -> float | None:
    """A positive number; None when the field is absent or empty, so that the next keyword stands in its place."""
    if text is None or text[0].isalpha():
        return None
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 < value < 1e6:
        raise ValueError(f"Expected {key} to be a positive number, but got {text[:20]!r} in {where}: correct it.")
    return value
