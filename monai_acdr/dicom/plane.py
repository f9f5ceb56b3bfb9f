# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Geometry and time of a frame: spacing, orientation, position, component of the MR signal, time.

Enhanced multi-frame objects have them per frame in the functional groups (PS3.3 C.7.6.16). Other objects have them in
the header, or in the image type, which each vendor fills in its own way.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
from pydicom.dataset import Dataset

from monai_acdr.dicom.elements import code, codes, functional_group, number, numbers, whole_number
from monai_acdr.plausibility import check_position, check_spacing, image_kind

__all__ = [
    "FrameTime",
    "NO_ANATOMY",
    "date_time_ms",
    "frame_component",
    "frame_plane",
    "frame_thickness",
    "frame_time",
    "plane_affine",
]

ORTHOGONALITY = 1e-2
"""Largest deviation of the two direction vectors from unit length and from a right angle."""

_LARGEST_MAGNIFICATION = 5.0


def frame_plane(
    header: Dataset, frame: int, name: str
) -> tuple[tuple[float, float] | None, tuple[float, ...] | None, tuple[float, ...] | None]:
    """(row, column) spacing in mm, orientation (6,) and position (3,) of a frame; each None where it is absent.

    Without PixelSpacing, the ImagerPixelSpacing of a projection is used, divided by the magnification where it is
    stated (PS3.3 10.7.1.3). A PixelSpacing that is a copy of ImagerPixelSpacing is treated the same way.

    Args:
        header: of the instance.
        frame: number of the frame, from 1.
        name: of the file, for messages.

    Raises:
        ValueError: for numbers that are present but invalid, and for an implausible spacing or position.
    """
    measures = functional_group(header, frame, "PixelMeasuresSequence", name)
    pixel = numbers(measures, "PixelSpacing", 2, name) or numbers(header, "PixelSpacing", 2, name)
    imager = numbers(header, "ImagerPixelSpacing", 2, name)
    calibrated = bool(code(header, "PixelSpacingCalibrationType"))
    if imager and (pixel is None or (not calibrated and np.allclose(pixel, imager, rtol=1e-6))):
        factor = number(header, "EstimatedRadiographicMagnificationFactor", name) or 1.0
        pixel = tuple(value / (factor if 1 <= factor <= _LARGEST_MAGNIFICATION else 1.0) for value in imager)
    if pixel and min(pixel) <= 0:
        raise ValueError(f"Expected a positive PixelSpacing, but {name} has {pixel}: correct the header.")
    if pixel:
        rows, columns = whole_number(header, "Rows", name), whole_number(header, "Columns", name)
        size = (rows, columns) if rows and columns else None
        check_spacing(name, pixel, size, image_kind(code(header, "Modality")))
    plane = functional_group(header, frame, "PlaneOrientationSequence", name)
    place = functional_group(header, frame, "PlanePositionSequence", name)
    orientation = numbers(plane, "ImageOrientationPatient", 6, name)
    position = numbers(place, "ImagePositionPatient", 3, name)
    if (whole_number(header, "NumberOfFrames", name) or 1) == 1:
        orientation = orientation or numbers(header, "ImageOrientationPatient", 6, name)
        position = position or numbers(header, "ImagePositionPatient", 3, name)
    if orientation:
        _check_orientation(orientation, name)
    if position:
        check_position(name, position)
    return (pixel[0], pixel[1]) if pixel else None, orientation, position


def frame_thickness(header: Dataset, frame: int, name: str) -> float | None:
    """SliceThickness of a frame in mm; None where it is absent or invalid, because no measurement depends on it.

    Args:
        header: of the instance.
        frame: number of the frame, from 1.
        name: of the file, for messages.

    Raises:
        ValueError: when the functional groups are not sequences.
    """
    measures = functional_group(header, frame, "PixelMeasuresSequence", name)
    for holder in (measures, header):
        try:
            value = number(holder, "SliceThickness", name)
        except ValueError:
            value = None
        if value is not None and value > 0:
            return value
    return None


def plane_affine(
    spacing: tuple[float, float] | None, orientation: tuple[float, ...] | None, position: tuple[float, ...] | None
) -> np.ndarray:
    """(4, 4) MONAI affine: index (row, column, slice) of pixel centers to RAS mm (PS3.3 equation C.7.6.2.1-1).

    Without a position in the patient it only scales, by 1 where the spacing is unknown.
    """
    row_mm, column_mm = spacing or (1.0, 1.0)
    affine = np.diag([row_mm, column_mm, 1.0, 1.0])
    if orientation is None or position is None:
        return affine
    along_row, along_column = np.array(orientation[:3]), np.array(orientation[3:])
    affine[:3, 0], affine[:3, 1] = along_column * row_mm, along_row * column_mm
    affine[:3, 2], affine[:3, 3] = np.cross(along_row, along_column), position
    return np.diag([-1.0, -1.0, 1.0, 1.0]) @ affine


def _check_orientation(orientation: tuple[float, ...], name: str) -> None:
    directions = np.array(orientation).reshape(2, 3)
    if not np.allclose(directions @ directions.T, np.eye(2), atol=ORTHOGONALITY):
        raise ValueError(
            f"Expected ImageOrientationPatient to be two unit vectors at a right angle, but {name} has "
            f"{list(orientation)}: correct the header."
        )


NO_ANATOMY = {
    "PHASE": "a phase image (velocity or field), which shows no anatomy",
    "IMAGINARY": "the imaginary part of the signal, which shows no anatomy",
    "MIXED": "of mixed components of the signal, and does not say of which",
}
"""Components of MR images that are not outlined, in words."""

_COMPONENTS = ("MAGNITUDE", "PHASE", "REAL", "IMAGINARY")
_TYPES = {
    "PHASE": ("P", "PHASE", "PHASE MAP", "PHASE_MAP", "VELOCITY", "VELOCITY MAP", "VELOCITY_MAP"),
    "MAGNITUDE": ("M", "MAGNITUDE"),
    "REAL": ("R", "REAL"),
    "IMAGINARY": ("I", "IMAGINARY"),
}
"""Values of ImageType and FrameType after the second, as Siemens, Philips, Canon and the standard have them."""
_GE_CREATOR, _GE_COMPONENT = "GEMS_PARM_01", 0x2F
"""GE says in a private element (0043,xx2F): 0 magnitude, 1 phase, 2 real, 3 imaginary."""

_DATE_TIME = re.compile(r"(\d{14})(?:\.(\d{1,6}))?")


@dataclass(frozen=True)
class FrameTime:
    """Acquisition time of a frame; None where the header does not state it.

    Attributes:
        trigger_ms: time after the R wave, in ms.
        position: number of the frame among those at its position.
        clock_ms: date and time in ms, where neither of these is known; only differences are meaningful.
    """

    trigger_ms: float | None = None
    position: int | None = None
    clock_ms: float | None = None


def frame_component(header: Dataset, frame: int, name: str) -> str:
    """Component of the complex MR signal that a frame shows.

    Args:
        header: of the instance.
        frame: number of the frame, from 1.
        name: of the file, for messages.

    Returns:
        ``MAGNITUDE``, ``PHASE``, ``REAL``, ``IMAGINARY``, ``MIXED`` where only the whole instance is described and its
        frames differ, or "" for other modalities and where nothing is stated.

    Raises:
        ValueError: when the functional groups are not sequences.
    """
    if code(header, "Modality") != "MR":
        return ""
    own = functional_group(header, frame, "MRImageFrameTypeSequence", name)
    stated = [code(holder, "ComplexImageComponent") for holder in (own, header)]
    for component in stated:
        if component in _COMPONENTS:
            return component
    words = codes(own, "FrameType")[2:] or codes(header, "ImageType")[2:]
    for component, values in _TYPES.items():
        if any(word in values for word in words):
            return component
    return "MIXED" if "MIXED" in stated else _ge_component(header)


def frame_time(header: Dataset, frame: int, name: str) -> FrameTime:
    """Acquisition time of a frame.

    Args:
        header: of the instance.
        frame: number of the frame, from 1.
        name: of the file, for messages.

    Raises:
        ValueError: when the functional groups are not sequences.
    """
    heart = functional_group(header, frame, "CardiacSynchronizationSequence", name)
    content = functional_group(header, frame, "FrameContentSequence", name)
    converted = functional_group(header, frame, "UnassignedPerFrameConvertedAttributesSequence", name)
    offset = functional_group(header, frame, "TemporalPositionSequence", name)
    in_groups = any(group is not None for group in (heart, content, converted, offset))
    top = None if in_groups else header
    trigger = _first(
        (heart, "NominalCardiacTriggerDelayTime"),
        (heart, "ActualCardiacTriggerDelayTime"),
        (content, "NominalCardiacTriggerDelayTime"),
        (converted, "TriggerTime"),
        (top, "TriggerTime"),
        (offset, "TemporalPositionTimeOffset"),
    )
    position = _first(
        (content, "TemporalPositionIndex"),
        (converted, "TemporalPositionIdentifier"),
        (top, "TemporalPositionIdentifier"),
    )
    clock = None
    if trigger is None and position is None:
        for keyword in ("FrameReferenceDateTime", "FrameAcquisitionDateTime"):
            clock = date_time_ms(code(content, keyword)) if clock is None else clock
    return FrameTime(trigger, None if position is None else int(position), clock)


def date_time_ms(text: str) -> float | None:
    """A DICOM date and time (DT, PS3.5 6.2) to the second at least, in ms; None for anything else."""
    match = _DATE_TIME.match(text)
    if match is None:
        return None
    try:
        moment = datetime.strptime(match[1], "%Y%m%d%H%M%S")
    except ValueError:
        return None
    return (moment - datetime(1900, 1, 1)).total_seconds() * 1e3 + float(f"0.{match[2] or 0}") * 1e3


def _first(*places: tuple[Dataset | None, str]) -> float | None:
    """The first element that holds a number; TemporalPositionTimeOffset is converted from s to ms."""
    for holder, keyword in places:
        try:
            value = number(holder, keyword, "")
        except ValueError:  # a malformed time does not count: the order may come from elsewhere
            continue
        if value is not None:
            return value * 1e3 if keyword == "TemporalPositionTimeOffset" else value
    return None


def _ge_component(header: Dataset) -> str:
    try:
        element = header.private_block(0x0043, _GE_CREATOR)[_GE_COMPONENT]
    except (KeyError, ValueError, AttributeError):
        return ""
    value: object = element.value
    if isinstance(value, Sequence) and not isinstance(value, (str, bytes)):
        value = value[0] if value else None
    return _COMPONENTS[value] if isinstance(value, int) and 0 <= value < len(_COMPONENTS) else ""
