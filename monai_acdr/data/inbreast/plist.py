# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Outlines of INbreast: Apple property lists that OsiriX wrote, read as files of unknown origin.

Points are ``Point_px``, strings ``"(x, y)"`` in continuous pixels of the full-resolution image. OsiriX's pixel (c, r)
covers [c, c + 1) x [r, r + 1): its ``convertPixX:pixY:toDICOMCoords:`` subtracts half a pixel on the way to DICOM's
pixel-center positions. That is this package's rule, so points are taken as they are. Programs that fill the same
numbers as pixel indices draw masks half a pixel (0.035 mm) towards the lower right of these.
"""

from __future__ import annotations

import plistlib
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.parsers.expat import ExpatError, ParserCreate

import numpy as np

from monai_acdr.data.text_files import file_bytes

__all__ = ["InbreastROI", "is_mass", "read_inbreast_rois"]

_OBJECT_TIMES = 16
"""How many times as large as its file a property list is in memory: ``<dict/>`` becomes a dictionary."""

MAX_DEPTH = 32
"""Levels of elements; outlines have 9."""

MAX_ATTRIBUTES = 100
"""Of an element: XML parsers compare each attribute with all others of its element."""

MAX_DIGITS = 1000
"""Of an integer, which Python takes quadratic time to read."""

MAX_COORDINATE = 1e6
"""No image has a pixel this far out; a larger number means the file is something else."""

_NUMBER = r"([-+]?\d+(?:\.\d*)?(?:[eE][-+]?\d{1,3})?)"
_POINT = re.compile(rf"\(\s*{_NUMBER}\s*,\s*{_NUMBER}\s*\)", re.ASCII)
_MAX_POINT_CHARACTERS = 100


@dataclass(frozen=True)
class InbreastROI:
    """One region that a radiologist drew.

    Attributes:
        name: as written, for example ``"Mass "``.
        texts: its points, not parsed yet.
        declared: ``NumberOfPoints``; None when absent or no integer.
        where: file and number of the region, from 1, for messages.
    """

    name: str
    texts: tuple[Any, ...]
    declared: int | None
    where: str

    def vertices(self) -> np.ndarray:
        """(N, 2) float64 points (x, y) in pixels, in order; N may be anything from 0.

        Raises:
            ValueError: when a point is not of the form ``"(x, y)"``.
        """
        points = [self._parse(number, text) for number, text in enumerate(self.texts, start=1)]
        return np.array(points, dtype=np.float64).reshape(-1, 2)

    def _parse(self, number: int, text: Any) -> tuple[float, float]:
        short = isinstance(text, str) and len(text) <= _MAX_POINT_CHARACTERS
        match = _POINT.fullmatch(text.strip()) if short else None
        x, y = map(float, match.groups()) if match else (np.inf, np.inf)
        if not max(abs(x), abs(y)) < MAX_COORDINATE:
            raise ValueError(
                f"Expected point {number} of {self.where} to be '(x, y)', but got {str(text)[:40]!r}: export it again."
            )
        return x, y


def is_mass(name: str) -> bool:
    """True for ``Mass``, however it is spelt (case, blanks around it); not for ``Spiculated Region``."""
    return name.strip().casefold() == "mass"


def read_inbreast_rois(path: str | Path) -> list[InbreastROI]:
    """Read all regions of one property list; the first of its ``Images`` counts, as INbreast has one each.

    Entities are neither declared nor expanded, and nothing is fetched: a DOCTYPE with declarations is refused.

    Raises:
        FileNotFoundError: when there is no such file.
        ValueError: when the file is too large, declares entities, is nested deeply, or is no such property list.
    """
    path = Path(path)
    plist = _load(path, file_bytes(path, "a property list", _OBJECT_TIMES))
    try:
        images = plist["Images"]
        rois = images[0].get("ROIs", []) if images else []
        return [_roi(roi, f"{path}, region {number}") for number, roi in enumerate(rois, start=1)]
    except (AttributeError, KeyError, TypeError) as error:
        raise ValueError(
            f"Expected Images > ROIs > Name, Point_px in {path}, but it differs: is it an outline of INbreast?"
        ) from error


def _load(path: Path, data: bytes) -> Any:
    if b"\0" in data:  # UTF-16 or UTF-32
        raise ValueError(
            f"Expected XML in UTF-8, but {path} has another encoding or is binary: export it again as XML."
        )
    try:
        _check_xml(path, data)
        return plistlib.loads(data, fmt=plistlib.FMT_XML)
    except _Refused as error:
        raise ValueError(str(error)) from None
    except (ExpatError, plistlib.InvalidFileException, ValueError, LookupError, AttributeError, TypeError) as error:
        raise ValueError(
            f"Expected an XML property list, but {path} is damaged or another kind of file ({str(error)[:100]}): copy "
            "it again."
        ) from error


class _Refused(Exception):
    """What is well-formed XML, but no file to go on with; the message is for the user."""


def _check_xml(path: Path, data: bytes) -> None:
    """Parse the file once without making anything of it, in time proportional to its length.

    Only a parser knows where a declaration is: a search for its text would have to look for the end of each beginning.

    Raises:
        ExpatError: when it is not well-formed.
        _Refused: when it declares anything, is nested deeply, or has very many attributes or very long numbers.
    """
    # No tag is parsed before this: what follows a sign < up to the next one holds at most one tag.
    if any(part.count(b"=") > MAX_ATTRIBUTES for part in data.split(b"<")):
        raise _Refused(f"Expected at most {MAX_ATTRIBUTES} attributes, but {path} has more: copy it again.")
    parser = ParserCreate()
    depth = digits = 0

    def declare(*_: Any) -> None:
        raise _Refused(
            f"Expected a plain property list, but {path} declares entities or a document type of its own, which can "
            "exhaust memory or fetch files: take the file from the original archive, and do not open this one."
        )

    def doctype(name: str, system: str | None, public: str | None, has_declarations: int) -> None:
        if has_declarations:
            declare()

    def start(name: str, attributes: dict[str, str]) -> None:
        nonlocal depth, digits
        depth, digits = depth + 1, 0
        if depth > MAX_DEPTH:
            raise _Refused(f"Expected at most {MAX_DEPTH} levels of elements, but {path} has more: copy it again.")

    def end(name: str) -> None:
        nonlocal depth
        depth -= 1
        if name == "integer" and digits > MAX_DIGITS:
            raise _Refused(f"Expected integers of at most {MAX_DIGITS} digits, but {path} has more: copy it again.")

    def text(content: str) -> None:
        nonlocal digits
        digits += len(content)

    parser.StartDoctypeDeclHandler, parser.EntityDeclHandler = doctype, declare
    parser.StartElementHandler, parser.EndElementHandler, parser.CharacterDataHandler = start, end, text
    parser.Parse(data, True)


def _roi(roi: Any, where: str) -> InbreastROI:
    name, texts, declared = roi.get("Name", ""), roi.get("Point_px", []), roi.get("NumberOfPoints")
    if not isinstance(name, str) or not isinstance(texts, list):
        raise TypeError
    return InbreastROI(name, tuple(texts), declared if type(declared) is int else None, where)
