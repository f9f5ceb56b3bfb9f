# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Where a frame lies: spacing, orientation and position from a header, single-frame or multi-frame."""

from __future__ import annotations

import numpy as np
from pydicom.dataset import Dataset

from monai_acdr.dicom.elements import code, functional_group, number, numbers, whole_number
from monai_acdr.plausibility import check_position, check_spacing, image_kind

__all__ = ["frame_plane", "frame_thickness", "plane_affine"]

ORTHOGONALITY = 1e-2
"""Largest deviation of the two direction vectors from unit length and from a right angle."""

_LARGEST_MAGNIFICATION = 5.0


def frame_plane(
    header: Dataset, frame: int, name: str
) -> tuple[tuple[float, float] | None, tuple[float, ...] | None, tuple[float, ...] | None]:
    """(row, column) spacing in mm, orientation (6,) and position (3,) of a frame, each None where it is not told.

    Without PixelSpacing, ImagerPixelSpacing of a projection counts, divided by the magnification where that is told
    (PS3.3 10.7.1.3). A PixelSpacing that is a copy of ImagerPixelSpacing is treated likewise.

    Args:
        header: of the instance.
        frame: number of the frame, from 1.
        name: of the file, for messages.

    Raises:
        ValueError: for numbers that are there but make no sense, or a spacing or position that is not plausible.
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
    """SliceThickness of a frame in mm; None where it is not told or cannot be: no size depends on it.

    Args:
        header: of the instance.
        frame: number of the frame, from 1.
        name: of the file, for messages.

    Raises:
        ValueError: when the functional groups are no sequences.
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

    Without a place in the patient it is a scaling, by 1 where the spacing is not told.
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
