# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""DDSM's files other than the films: cases (``.ics``) and outlines (``.OVERLAY``) with their chain codes.

A chain code walks from pixel to pixel. DDSM's mask of it is the walked pixels and all that they enclose. The contour
is the outline of that mask (:func:`monai_acdr.transforms.contour.mask_to_contour`), not the polygon through the centers
of the walked pixels: that would leave half of each border pixel out, and its mask would be smaller than DDSM's.
"""

from __future__ import annotations

import gzip
import re
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from scipy.ndimage import label

from monai_acdr.data.files import check_regular_file
from monai_acdr.read_budget import check_bytes, check_pixels, read_budget_bytes
from monai_acdr.transforms.contour import mask_to_contour

__all__ = [
    "DDSMCase",
    "DDSMFilm",
    "DDSMLesion",
    "DDSMName",
    "DIGITIZERS",
    "VIEWS",
    "chain_contour",
    "chain_gap",
    "chain_mask",
    "find_ics",
    "follow_chain",
    "open_name",
    "parse_name",
    "read_beginning",
    "read_bytes",
    "read_ics",
    "read_overlay",
    "read_text",
]

VIEWS = ("LEFT_CC", "LEFT_MLO", "RIGHT_CC", "RIGHT_MLO")
"""The films of a case."""

MAX_TEXT_BYTES = 4_000_000
"""Largest ``.ics`` or ``.OVERLAY`` file in bytes; a large outline has some thousand codes of two characters each."""

BEGINNING_BYTES = 1 << 16
"""Hold the header of an ``.LJPEG`` file, which has some hundred bytes."""

_NAME = re.compile(r"([A-Z])[_-](\d+)[_-](\d+)\.([A-Z]+_[A-Z]+)\.(LJPEG|OVERLAY)(\.GZ)?", re.IGNORECASE | re.ASCII)


@dataclass(frozen=True)
class DDSMName:
    """Parts of a film's file name, as in ``A_1509_1.LEFT_CC.LJPEG``.

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
    """A file name without case and ``.gz``, equal for copies of the same file."""
    lower = name.lower()
    return lower[:-3] if lower.endswith(".gz") else lower


def read_bytes(path: Path, limit: int | None, description: str) -> bytes:
    """Content of a file, unpacked when it is gzipped (recognized by content).

    Args:
        path: the file.
        limit: refuse more bytes than this, unpacked; None refuses more than the budget of memory.
        description: for messages.

    Raises:
        FileNotFoundError: when there is no such file.
        ValueError: when it is too large, or its gzip stream is damaged.
    """
    if not path.is_file():
        raise FileNotFoundError(
            f"Expected {description}, but {path} does not exist: check the path and copy the whole case."
        )
    with open(path, "rb") as stream:
        packed = stream.read(2) == b"\x1f\x8b"
    try:
        with gzip.open(path, "rb") if packed else open(path, "rb") as stream:
            data = stream.read((read_budget_bytes() if limit is None else limit) + 1)
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise ValueError(
            f"Expected {description}, but the gzip file {path} is damaged ({error}): copy it again."
        ) from error
    check_bytes(path, len(data))
    if limit is not None and len(data) > limit:
        raise ValueError(
            f"Expected {description} of at most {limit} bytes, but {path} is longer: is it a file of DDSM?"
        )
    return data


def read_beginning(path: Path, description: str) -> tuple[bytes, int | None]:
    """The first :data:`BEGINNING_BYTES` of a file, unpacked, and its size in bytes, None when it is gzipped.

    Raises:
        FileNotFoundError: when there is no such file.
        ValueError: when it is not a regular file, or its gzip stream is damaged.
    """
    check_regular_file(path, description)
    with open(path, "rb") as stream:
        data = stream.read(BEGINNING_BYTES)
    if not data.startswith(b"\x1f\x8b"):
        return data, path.stat().st_size
    try:
        with gzip.open(path, "rb") as stream:
            return stream.read(BEGINNING_BYTES), None
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise ValueError(
            f"Expected {description}, but the gzip file {path} is damaged ({error}): copy it again."
        ) from error


def read_text(path: Path, description: str) -> str:
    """Content of a text file; bytes beyond ASCII, as in free text, become replacement characters.

    Raises:
        FileNotFoundError: when there is no such file.
        ValueError: when it is too large or binary.
    """
    data = read_bytes(path, MAX_TEXT_BYTES, description)
    if b"\0" in data:
        raise ValueError(f"Expected {description}, but {path} is binary: copy it again in binary mode.")
    return data.decode("ascii", errors="replace")


DIGITIZERS = {"DBA": 42.0, "HOWTEK": 43.5, "LUMISYS": 50.0}
"""Film digitizers and their resolution in micrometers."""

MAX_SIDE = 65535
"""Largest side that a JPEG header can express."""


@dataclass(frozen=True)
class DDSMFilm:
    """One line of an ``.ics`` file.

    Attributes:
        size: (H, W): LINES and PIXELS_PER_LINE.
        bits: BITS_PER_PIXEL; None when absent.
        resolution: micrometers between pixels; None when absent.
        has_overlay: the line says OVERLAY.
    """

    size: tuple[int, int]
    bits: int | None
    resolution: float | None
    has_overlay: bool


@dataclass(frozen=True)
class DDSMCase:
    """Values of an ``.ics`` file; of the patient only the breast's density is kept.

    Attributes:
        digitizer: a key of :data:`DIGITIZERS`, or "" when unknown.
        density: ACR breast density 1 to 4, or "".
        films: by view, as in ``"LEFT_CC"``; only views whose size is given.
    """

    digitizer: str = ""
    density: str = ""
    films: dict[str, DDSMFilm] = field(default_factory=dict)

    def spacing(self, view: str) -> tuple[float, float] | None:
        """(between rows, between columns) in mm: RESOLUTION, otherwise the digitizer's; None when neither is known."""
        resolution = self.films[view].resolution or DIGITIZERS.get(self.digitizer)
        return None if resolution is None else (resolution / 1000, resolution / 1000)


def read_ics(path: str | Path) -> DDSMCase:
    """Read an ``.ics`` file, gzipped or not, by its keywords: fields may be missing, empty or in any order.

    Raises:
        FileNotFoundError: when there is no such file.
        ValueError: when it is not such a file, or a number in it is malformed.
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


def _film(words: list[str], location: str) -> DDSMFilm | None:
    """The film of a line; None when LINES or PIXELS_PER_LINE has no value."""
    values = dict(zip(words, words[1:], strict=False))
    height, width, bits, resolution = (
        _number(values.get(key), key, location) for key in ("LINES", "PIXELS_PER_LINE", "BITS_PER_PIXEL", "RESOLUTION")
    )
    if height is None or width is None:
        return None
    if not (height.is_integer() and width.is_integer() and max(height, width) <= MAX_SIDE):
        raise ValueError(f"Expected sizes in 1..{MAX_SIDE}, but got {height:g} x {width:g} in {location}: correct it.")
    check_pixels(location, (int(height), int(width)))
    return DDSMFilm((int(height), int(width)), None if bits is None else int(bits), resolution, "OVERLAY" in words)


def _number(text: str | None, key: str, location: str) -> float | None:
    """A positive number; None when the field is absent or empty, so that the next keyword stands in its place."""
    if text is None or text[0].isalpha():
        return None
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 < value < 1e6:
        raise ValueError(f"Expected {key} to be a positive number, but got {text[:20]!r} in {location}: correct it.")
    return value


STEPS = np.array([(0, -1), (1, -1), (1, 0), (1, 1), (0, 1), (-1, 1), (-1, 0), (-1, -1)], dtype=np.int64)
"""(column, row) steps of codes 0 to 7: clockwise from up."""

MAX_COORDINATE = 65535
MAX_TIMES = 4
"""Largest ratio of an outline's bounding box to its image; a larger one is not a lesion's."""

MIN_WINDOW = 1_000_000
"""Pixels of a rectangle around an outline that is never too large."""


def follow_chain(words: Sequence[str], location: str) -> np.ndarray:
    """Walk a chain code.

    Args:
        words: column and row of the first pixel, 0-based, then the codes 0 to 7.
        location: file and lesion, for messages.

    Returns:
        (N, 2) int64 pixels (column, row), the first one included.

    Raises:
        ValueError: when a code is unknown or the start is not a pixel.
    """
    if len(words) < 2 or not all(word.isdecimal() and int(word[:9]) <= MAX_COORDINATE for word in words[:2]):
        raise ValueError(
            f"Expected column and row at the beginning of the outline of {location}, but got "
            f"{' '.join(words[:2])[:20]!r}: copy the file again."
        )
    wrong = sorted(set(words[2:]) - set("01234567"))
    if wrong:
        raise ValueError(
            f"Expected codes of 0 to 7 in the outline of {location}, but got {wrong[0][:20]!r}: copy the file again."
        )
    start = np.array([[int(word) for word in words[:2]]], dtype=np.int64)
    codes = np.array([int(word) for word in words[2:]], dtype=np.int64)
    return np.concatenate([start, start + np.cumsum(STEPS[codes], axis=0)])


def chain_gap(walk: np.ndarray) -> int:
    """Steps that are missing between the last and the first pixel of a walk; 0 when it is closed."""
    return max(0, int(np.abs(walk[-1] - walk[0]).max()) - 1)


def chain_mask(walk: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """The walked pixels, filled; what lies outside the image is cut off. An open walk is closed by a straight line.

    Args:
        walk: (N, 2) pixels (column, row).
        size: (H, W) of the image.

    Returns:
        (H, W) bool.

    Raises:
        ValueError: when the walk spans too much.
    """
    mask = np.zeros(size, dtype=bool)
    window, left, top = _clipped(walk, size)
    mask[top : top + window.shape[0], left : left + window.shape[1]] = window
    return mask


def chain_contour(walk: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Outline of :func:`chain_mask`, without drawing it on the whole image.

    Returns:
        (M, 2) float64 vertices (x, y) in pixels, pixel (c, r) covering [c, c + 1) x [r, r + 1), within [0, W] x [0, H],
        not closed. Half coverage by this polygon gives the mask again, pixel by pixel.

    Raises:
        ValueError: when nothing of the walk lies inside the image, or it spans too much.
    """
    window, left, top = _clipped(walk, size)
    if not window.any():
        raise ValueError(f"Expected an outline inside {size[0]} x {size[1]} (H x W), but all of it is outside.")
    vertices = mask_to_contour(torch.from_numpy(window)).numpy() + (left, top)
    return np.clip(vertices, 0, (size[1], size[0]))


def _clipped(walk: np.ndarray, size: tuple[int, int]) -> tuple[np.ndarray, int, int]:
    """The filled walk within the image: mask of a window, and the window's first column and row."""
    low = walk.min(axis=0)
    width, height = (int(side) for side in walk.max(axis=0) - low + 1)
    if width * height > max(MIN_WINDOW, MAX_TIMES * size[0] * size[1]):
        raise ValueError(
            f"Expected the outline of a lesion in an image of {size[1]} x {size[0]} pixels, but it spans {width} x "
            f"{height}: copy it again."
        )
    check_pixels("the outline of a lesion", (height, width))
    # One pixel around, so that all that lies outside is connected.
    walked = np.zeros((height + 2, width + 2), dtype=bool)
    columns, rows = (np.concatenate([walk, _closing(walk)]) - low + 1).T
    walked[rows, columns] = True
    parts, _ = label(~walked)
    window = (parts != parts[0, 0])[1:-1, 1:-1]
    left, top = (int(value) for value in low)
    inside = window[max(0, -top) : max(0, size[0] - top), max(0, -left) : max(0, size[1] - left)]
    return inside, max(0, left), max(0, top)


def _closing(walk: np.ndarray) -> np.ndarray:
    """(M, 2) pixels of a straight line from the last pixel of a walk to its first, both left out."""
    missing = chain_gap(walk)
    share = np.arange(1, missing + 1)[:, None] / (missing + 1)
    return np.rint(walk[-1] + share * (walk[0] - walk[-1])).astype(np.int64)


MAX_LESIONS = 1000
"""In one file; DDSM has 9 at most."""

_ATTRIBUTES = ("SHAPE", "MARGINS", "TYPE", "DISTRIBUTION")


@dataclass
class DDSMLesion:
    """One ABNORMALITY of a film.

    Attributes:
        number: as the file counts, from 1.
        types: for each LESION_TYPE line its kind and attributes: ``{"LESION_TYPE": "MASS", "SHAPE": "OVAL",
            "MARGINS": "ILL_DEFINED-SPICULATED"}``.
        assessment: BI-RADS category "0" to "5", or "".
        subtlety: "1" (subtle) to "5" (obvious), or "".
        pathology: ``"MALIGNANT"``, ``"BENIGN"``, ``"BENIGN_WITHOUT_CALLBACK"``, ``"UNPROVEN"`` or "".
        boundary: text of the outline's chain code up to ``#``; None when the file has no BOUNDARY.
        is_complete: the ``#`` is there.
        location: file and number, for messages.
    """

    number: int
    location: str
    types: list[dict[str, str]] = field(default_factory=list)
    assessment: str = ""
    subtlety: str = ""
    pathology: str = ""
    boundary: str | None = None
    is_complete: bool = False

    def attribute(self, name: str, kind: str = "MASS") -> str:
        """SHAPE or MARGINS of the first LESION_TYPE line of a kind; "" when absent or ``N/A``."""
        values = (entry.get(name, "") for entry in self.types if entry["LESION_TYPE"] == kind)
        return next((value for value in values if value and value != "N/A"), "")

    def is_a(self, kind: str) -> bool:
        """Whether any LESION_TYPE line says so; a lesion may be MASS and CALCIFICATION."""
        return any(entry["LESION_TYPE"] == kind for entry in self.types)

    def walk(self) -> np.ndarray:
        """Pixels that the outline walks through, (N, 2) int64 (column, row), in order.

        Raises:
            ValueError: when there is no outline, it is cut off, or it is not a chain code.
        """
        if self.boundary is None:
            raise ValueError(f"Expected a line BOUNDARY in {self.location}, but it is missing: leave this lesion out.")
        if not self.is_complete:
            raise ValueError(
                f"Expected the outline of {self.location} to end in '#', but it is cut off: copy or download it again."
            )
        return follow_chain(self.boundary.split(), self.location)


def read_overlay(path: str | Path) -> tuple[list[DDSMLesion], int | None]:
    """Read the lesions of a film; outlines are parsed by :meth:`DDSMLesion.walk`, so that one bad one costs one lesion.

    CORE outlines are skipped. TOTAL_OUTLINES is not used: it is wrong in some files of DDSM.

    Returns:
        The lesions in the file's order, and the number that TOTAL_ABNORMALITIES promises, None if absent.

    Raises:
        FileNotFoundError: when there is no such file.
        ValueError: when it is not such a file.
    """
    path = Path(path)
    lesions: list[DDSMLesion] = []
    total: int | None = None
    state = _Outline()
    for line in read_text(path, "an .OVERLAY file").splitlines():
        words = line.upper().split()
        if not words:
            continue
        if not words[0][0].isalpha():
            state.add(line)
            continue
        state.leave()
        value = words[1] if len(words) > 1 else ""
        if words[0] == "TOTAL_ABNORMALITIES":
            total = int(value) if value.isdecimal() and len(value) < 10 else None
        elif words[0] == "ABNORMALITY" and len(lesions) < MAX_LESIONS:
            number = int(value) if value.isdecimal() and len(value) < 10 else len(lesions) + 1
            lesions.append(DDSMLesion(number, f"{path}, abnormality {number}"))
        elif lesions:
            _read_line(lesions[-1], words, value, state)
    state.leave()
    if total is None and not lesions:
        raise ValueError(
            f"Expected TOTAL_ABNORMALITIES and ABNORMALITY in {path}, but found neither: is it an .OVERLAY file of "
            "DDSM? Copy it again."
        )
    return lesions, total


class _Outline:
    """The outline that the present lines belong to, of a lesion's BOUNDARY; lines of a CORE go nowhere."""

    def __init__(self) -> None:
        self._lesion: DDSMLesion | None = None
        self._lines: list[str] = []

    def enter(self, lesion: DDSMLesion) -> None:
        lesion.boundary, self._lesion, self._lines = "", lesion, []

    def leave(self) -> None:
        if self._lesion is not None:
            self._lesion.boundary = " ".join(self._lines)
        self._lesion = None

    def add(self, line: str) -> None:
        if self._lesion is None:
            return
        codes, hash_sign, _ = line.partition("#")
        self._lines.append(codes)
        if hash_sign:
            self._lesion.is_complete = True
            self.leave()


def _read_line(lesion: DDSMLesion, words: list[str], value: str, state: _Outline) -> None:
    if words[0] == "BOUNDARY" and lesion.boundary is None:
        state.enter(lesion)
    elif words[0] == "LESION_TYPE":
        pairs = dict(zip(words[2:], words[3:], strict=False))
        lesion.types.append({"LESION_TYPE": value} | {key: pairs[key] for key in _ATTRIBUTES if key in pairs})
    elif words[0] in ("ASSESSMENT", "SUBTLETY", "PATHOLOGY"):
        setattr(lesion, words[0].lower(), "" if value == "N/A" else value)
