# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""What a mammogram's header says of size and side: spacing in mm, affine, laterality, view, implant."""

from __future__ import annotations

import logging
import math
from typing import Any, TypeAlias

import numpy as np

from monai_acdr.dicom.elements import text
from monai_acdr.plausibility import PROJECTION
from monai_acdr.plausibility import check_spacing as check_plausible

__all__ = ["Spacing", "check_spacing", "image_affine", "implant", "laterality", "pixel_spacing_of", "view"]

Spacing: TypeAlias = "float | tuple[float, float] | str | None"
"""What to do with a file that does not tell its spacing; see :class:`MammogramReader`."""

LARGEST_MAGNIFICATION = 5.0
"""Magnification views enlarge 1.5 to 2 times; a factor beyond this, or below 1, is an error of the file."""

_VIEWS = {
    **{"399162004": "CC", "R-10242": "CC", "399368009": "MLO", "R-10226": "MLO", "399260004": "ML", "R-10224": "ML"},
    **{"399352003": "LM", "R-10228": "LM", "399099002": "LMO", "R-10230": "LMO", "399196006": "FB", "R-10244": "FB"},
}
"""SNOMED codes of DICOM's context group 4014, both generations, and the abbreviations that ViewPosition has."""

_logger = logging.getLogger(__name__)


def check_spacing(spacing: Any) -> Spacing:
    """Pass "allow", None, or (row, column) mm; one number stands for both.

    Raises:
        ValueError: for anything else.
    """
    if spacing is None or spacing == "allow":
        return spacing
    try:
        row, column = (float(value) for value in (spacing if np.ndim(spacing) else (spacing, spacing)))
    except (TypeError, ValueError):
        row = column = math.nan
    if not (0 < row < math.inf and 0 < column < math.inf):
        raise ValueError(f"Expected `spacing` to be (row, column) in mm, one number, 'allow' or None: got {spacing!r}.")
    return row, column


def pixel_spacing_of(dataset: Any, path: str, default: Spacing) -> tuple[tuple[float, float] | None, str]:
    """Distance of pixels at the breast, (row, column) in mm, and where it was found.

    PixelSpacing counts where it is calibrated or stands alone. Otherwise ImagerPixelSpacing, measured at the detector,
    is divided by EstimatedRadiographicMagnificationFactor where there is one. A PixelSpacing that equals
    ImagerPixelSpacing and names no PixelSpacingCalibrationType is a copy made at the detector, not a calibration
    (DICOM PS3.3 10.7.1.3), so the magnification applies to it as well.

    Args:
        dataset: ``pydicom.Dataset``.
        path: for messages.
        default: (row, column) for files without spacing, "allow" or None.

    Raises:
        ValueError: when the file tells no spacing and ``default`` is None, or the spacing is not plausible
            (:mod:`monai_acdr.plausibility`).
    """
    spacing, source = _spacing_of(dataset, path, default)
    if spacing is not None:
        size = (dataset.Rows, dataset.Columns) if dataset.get("Rows") and dataset.get("Columns") else None
        check_plausible(path, spacing, size, PROJECTION, "correct the header or the spacing given for it")
    return spacing, source


def _spacing_of(dataset: Any, path: str, default: Spacing) -> tuple[tuple[float, float] | None, str]:
    pixel, imager = _pair(dataset, "PixelSpacing"), _pair(dataset, "ImagerPixelSpacing")
    calibrated = bool(text(dataset, "PixelSpacingCalibrationType"))
    if pixel and (calibrated or imager is None or not np.allclose(pixel, imager, rtol=1e-6)):
        return pixel, "PixelSpacing"
    if imager:
        factor = _magnification(dataset, path)
        source = "ImagerPixelSpacing / EstimatedRadiographicMagnificationFactor" if factor else "ImagerPixelSpacing"
        return (imager[0] / (factor or 1.0), imager[1] / (factor or 1.0)), source
    if default == "allow":
        return None, "unknown"
    if default is None or isinstance(default, str):
        raise ValueError(
            f"Expected PixelSpacing or ImagerPixelSpacing, but {path} has neither, so nothing can be measured in mm: "
            "pass spacing=(row, column) in mm from the device's manual, or spacing='allow' to work in pixels."
        )
    return check_spacing(default), "argument"  # type: ignore[return-value]


def image_affine(dataset: Any, spacing: tuple[float, float] | None) -> np.ndarray:
    """(4, 4) affine from the index (row, column, slice) of pixel centers to mm, as MONAI's PydicomReader makes it.

    Mammograms have no place in the patient: without ImageOrientationPatient and ImagePositionPatient the affine is
    ``diag(row spacing, column spacing, 1, 1)``. Distances and areas are true then, directions are the image's own.

    Args:
        dataset: ``pydicom.Dataset``.
        spacing: (row, column) in mm, None for pixels as unit.
    """
    row_mm, column_mm = spacing or (1.0, 1.0)
    affine = np.diag([row_mm, column_mm, 1.0, 1.0])
    orientation, position = _floats(dataset, "ImageOrientationPatient", 6), _floats(dataset, "ImagePositionPatient", 3)
    if orientation is None or position is None:
        return affine
    along_row, along_column = np.array(orientation[:3]), np.array(orientation[3:])
    normal = np.cross(along_row, along_column)
    if not np.isclose(np.linalg.norm(normal), 1, atol=0.05):  # two unit vectors at a right angle, or nonsense
        return affine
    affine[:3, 0], affine[:3, 1], affine[:3, 3] = along_column * row_mm, along_row * column_mm, position
    affine[:3, 2] = [0, 0, 1]
    return np.diag([-1.0, -1.0, 1.0, 1.0]) @ affine  # LPS to RAS


def laterality(dataset: Any) -> str:
    """Side, "L" or "R", from ImageLaterality, Laterality or FrameLaterality, the first that says so; else ""."""
    frame = _nested(dataset, "SharedFunctionalGroupsSequence", "FrameAnatomySequence")
    for holder, keyword in ((dataset, "ImageLaterality"), (dataset, "Laterality"), (frame, "FrameLaterality")):
        side = _text(holder, keyword)
        if side in ("L", "R"):
            return side
    return ""


def view(dataset: Any) -> str:
    """Abbreviated view, such as "CC" or "MLO", from ViewPosition or the code in ViewCodeSequence; "" when unknown."""
    position = _text(dataset, "ViewPosition")
    if position:
        # A code string; anything longer or odd is free text, which may hold more than a view.
        return position if position.isalpha() and len(position) <= 5 else ""
    return _VIEWS.get(_text(_nested(dataset, "ViewCodeSequence"), "CodeValue"), "")


def implant(dataset: Any) -> str:
    """BreastImplantPresent: "YES", "NO", or "" when the file does not say."""
    text = _text(dataset, "BreastImplantPresent")
    return text if text in ("YES", "NO") else ""


def _magnification(dataset: Any, path: str) -> float | None:
    value = _floats(dataset, "EstimatedRadiographicMagnificationFactor", 1)
    if value is None or 1 <= value[0] <= LARGEST_MAGNIFICATION:
        return value[0] if value else None
    _logger.warning("Ignored an EstimatedRadiographicMagnificationFactor of %g in %s.", value[0], path)
    return None


def _pair(dataset: Any, keyword: str) -> tuple[float, float] | None:
    values = _floats(dataset, keyword, 2)
    return (values[0], values[1]) if values and min(values) > 0 else None


def _floats(dataset: Any, keyword: str, number: int) -> list[float] | None:
    """The numbers of an element; None when they are absent, fewer or more, or no finite numbers."""
    try:
        value = dataset.get(keyword)
        values = [float(value)] if number == 1 else [float(part) for part in value]
    except (TypeError, ValueError):
        return None
    return values if len(values) == number and all(map(math.isfinite, values)) else None


def _text(dataset: Any, keyword: str) -> str:
    value = dataset.get(keyword) if dataset is not None else None
    return value.strip().upper() if isinstance(value, str) else ""


def _nested(dataset: Any, *keywords: str) -> Any:
    """The first item of a sequence within a sequence; None when one is absent or empty."""
    for keyword in keywords:
        sequence = dataset.get(keyword) if dataset is not None else None
        dataset = sequence[0] if sequence else None
    return dataset
