# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Outlines of INbreast: Apple property lists that OsiriX wrote, read as files of unknown origin.

Points are ``Point_px``, strings ``"(x, y)"`` in continuous pixels of the full-resolution image. OsiriX's pixel (c, r)
covers [c, c + 1) x [r, r + 1): its ``convertPixX:pixY:toDICOMCoords:`` subtracts half a pixel on the way to DICOM's
pixel-centre positions. That is this package's rule, so points are taken as they are. Programs that fill the same
numbers as pixel indices draw masks half a pixel (0.035 mm) towards the lower right of these.
"""

from __future__ import annotations

import plistlib
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.parsers.expat import ExpatError

import numpy as np

__all__ = ["MAX_PLIST_BYTES", "InbreastROI", "is_mass", "read_inbreast_rois"]

MAX_PLIST_BYTES = 32_000_000
"""Files beyond this are refused unread; a point takes about 100 bytes, and outlines of thousands of points occur."""

MAX_COORDINATE = 1e6
"""No image has a pixel this far out; a larger number means the file is something else."""

_NUMBER = r"([-+]?\d+(?:\.\d*)?(?:[eE][-+]?\d{1,3})?)"
_POINT = re.compile(rf"\(\s*{_NUMBER}\s*,\s*{_NUMBER}\s*\)", re.ASCII)
_MAX_POINT_CHARACTERS = 100
_DOCTYPE = re.compile(rb"<!DOCTYPE[^>\[]*\[", re.IGNORECASE)
_ENTITY = re.compile(rb"<!\s*(ENTITY|ELEMENT|ATTLIST|NOTATION)", re.IGNORECASE)


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
        ValueError: when the file is too large, declares entities, or is no such property list.
    """
    path = Path(path)
    plist = _load(path, _read_bytes(path))
    try:
        images = plist["Images"]
        rois = images[0].get("ROIs", []) if images else []
        return [_roi(roi, f"{path}, region {number}") for number, roi in enumerate(rois, start=1)]
    except (AttributeError, KeyError, TypeError) as error:
        raise ValueError(
            f"Expected Images > ROIs > Name, Point_px in {path}, but it differs: is it an outline of INbreast?"
        ) from error


def _read_bytes(path: Path) -> bytes:
    if not path.is_file():
        raise FileNotFoundError(f"Expected a property list, but {path} does not exist: check the folder AllXML.")
    with open(path, "rb") as stream:
        data = stream.read(MAX_PLIST_BYTES + 1)
    if len(data) > MAX_PLIST_BYTES:
        raise ValueError(f"Expected at most {MAX_PLIST_BYTES} bytes, but {path} is longer: is it an outline file?")
    return data


def _load(path: Path, data: bytes) -> Any:
    if b"\0" in data:  # UTF-16 or UTF-32, in which the checks below would see nothing
        raise ValueError(
            f"Expected XML in UTF-8, but {path} has another encoding or is binary: export it again as XML."
        )
    if _DOCTYPE.search(data) or _ENTITY.search(data):
        raise ValueError(
            f"Expected a plain property list, but {path} declares entities or a document type of its own, which can "
            "exhaust memory or fetch files: take the file from the original archive, and do not open this one."
        )
    try:
        return plistlib.loads(data, fmt=plistlib.FMT_XML)
    except (ExpatError, plistlib.InvalidFileException, ValueError, LookupError, AttributeError, TypeError) as error:
        raise ValueError(
            f"Expected an XML property list, but {path} is damaged or another kind of file ({error}): copy it again."
        ) from error


def _roi(roi: Any, where: str) -> InbreastROI:
    name, texts, declared = roi.get("Name", ""), roi.get("Point_px", []), roi.get("NumberOfPoints")
    if not isinstance(name, str) or not isinstance(texts, list):
        raise TypeError
    return InbreastROI(name, tuple(texts), declared if type(declared) is int else None, where)
