# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Everything that is measured on one case: a pure function from masks and contours to one flat record."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypedDict, cast

import torch
from monai.metrics.meandice import compute_dice
from monai.metrics.meaniou import compute_iou
from torch import Tensor

from monai_acdr.metrics.boundary_f import compute_boundary_f
from monai_acdr.metrics.hausdorff import compute_hausdorff95, image_diagonal
from monai_acdr.metrics.inputs import Spacing, check_masks, check_spacing
from monai_acdr.metrics.perpendicular_distance import compute_average_perpendicular_distance
from monai_acdr.metrics.pooled_dice import compute_dice_counts

__all__ = ["CASE_COLUMNS", "EMPTY_POLICY", "CaseRecord", "evaluate_case"]

EMPTY_POLICY = (
    "Prediction or reference empty: dice, iou, boundf 0 and hd95 the image's diagonal; both empty: dice, iou, boundf 1 "
    "and hd95 0. A missing prediction counts as empty; a lost or invalid contour has the image's diagonal as apd."
)
"""The values of degenerate cases, in words, for reports."""


class CaseRecord(TypedDict):
    """One row of a report; None is "not known", never zero. Units are in the names; masks live on the original grid.

    `area_error_mm2` is the predicted area less that of the reference.

    `status` is "ok", or the first that holds of "no_reference" (nothing is measured), "missing_prediction",
    "empty_reference", "empty_prediction", "invalid_contour" (no vertex, or not finite).
    """

    name: str
    patient: str
    group: str
    status: str
    dice: float | None
    iou: float | None
    hd95_px: float | None
    hd95_mm: float | None
    apd_px: float | None
    apd_mm: float | None
    boundf: float | None
    intersection_px: int | None
    pred_area_px: int | None
    reference_area_px: int | None
    pred_area_mm2: float | None
    reference_area_mm2: float | None
    area_error_mm2: float | None
    row_spacing_mm: float | None
    column_spacing_mm: float | None
    roi_dice: float | None


CASE_COLUMNS: tuple[str, ...] = tuple(CaseRecord.__annotations__)
"""The fields of a record in the order in which they are written."""


def evaluate_case(  # noqa: PLR0913
    pred_mask: Tensor | None,
    label: Tensor | None,
    *,
    pred: Tensor | None = None,
    reference: Tensor | None = None,
    spacing: Sequence[float] | Tensor | None = None,
    name: str = "",
    patient: str = "",
    group: str = "",
    roi_dice: float | None = None,
) -> CaseRecord:
    """Measure one case.

    Args:
        pred_mask: (1, H, W) binary prediction; None when it is missing, which scores like an empty one.
        label: (1, H, W) binary reference on the same grid; None when there is none, and nothing is measured.
        pred: (K, 2) or (1, K, 2) predicted vertices (x, y) in pixels of that grid; None for methods without contour.
        reference: (N, 2) or (1, N, 2) reference vertices in the same pixels, or None.
        spacing: (row, column) spacing in mm, or None when it is not known.
        name: of the case.
        patient: to whom it belongs.
        group: of the data set.
        roi_dice: Dice on the network's ROI grid, when it was measured there.

    Returns:
        The record; see :data:`EMPTY_POLICY` for degenerate cases.

    Raises:
        ValueError: naming the case, when shapes differ, a mask is not binary, or the spacing is not positive.
    """
    record = _blank(name, patient, group)
    record["roi_dice"] = roi_dice
    try:
        if spacing is not None:
            record["row_spacing_mm"], record["column_spacing_mm"] = spacing = check_spacing(spacing)
        if label is not None:
            _measure(record, pred_mask, label, spacing)
            _measure_contour(record, pred, reference, label.shape[-2:], spacing)
    except ValueError as error:
        raise ValueError(f"Case {name!r}: {error}") from error
    return record


def _blank(name: str, patient: str, group: str) -> CaseRecord:
    known = {"name": name, "patient": patient, "group": group, "status": "no_reference"}
    return cast(CaseRecord, dict.fromkeys(CASE_COLUMNS) | known)


def _measure(record: CaseRecord, pred_mask: Tensor | None, label: Tensor, spacing: Spacing | None) -> None:
    """Fill in what the two masks tell."""
    pred, reference = check_masks(torch.zeros_like(label)[None] if pred_mask is None else pred_mask[None], label[None])
    intersection, pred_area, reference_area = compute_dice_counts(pred, reference)[0].tolist()
    record["status"] = _status(pred_mask is None, pred_area, reference_area)
    record["dice"] = float(compute_dice(pred, reference, ignore_empty=False))
    record["iou"] = float(compute_iou(pred, reference, ignore_empty=False))
    record["boundf"] = float(compute_boundary_f(pred, reference))
    record["intersection_px"] = intersection
    record["pred_area_px"], record["reference_area_px"] = pred_area, reference_area
    record["hd95_px"], record["hd95_mm"] = _in_pixels_and_mm(
        lambda scale: float(compute_hausdorff95(pred, reference, None if scale is None else [scale])), spacing
    )
    if spacing is not None:
        pixel = spacing[0] * spacing[1]
        record["pred_area_mm2"], record["reference_area_mm2"] = pred_area * pixel, reference_area * pixel
        record["area_error_mm2"] = (pred_area - reference_area) * pixel


def _measure_contour(
    record: CaseRecord, pred: Tensor | None, reference: Tensor | None, size: Sequence[int], spacing: Spacing | None
) -> None:
    """Fill in the perpendicular distance, where both a reference contour and a prediction should exist."""
    missing = record["status"] == "missing_prediction"
    if reference is None or reference.numel() == 0 or (pred is None and not missing):
        return
    if pred is not None and pred.numel() > 0 and bool(torch.isfinite(pred).all()) and not missing:
        contours = pred, reference
        record["apd_px"], record["apd_mm"] = _in_pixels_and_mm(
            lambda scale: float(compute_average_perpendicular_distance(*contours, scale)), spacing
        )
        return
    record["apd_px"], record["apd_mm"] = _in_pixels_and_mm(lambda scale: image_diagonal(size, scale), spacing)
    if record["status"] == "ok":
        record["status"] = "invalid_contour"


def _in_pixels_and_mm(
    measure: Callable[[Spacing | None], float], spacing: Spacing | None
) -> tuple[float, float | None]:
    """A length in both units; square pixels need no second measurement."""
    pixels = measure(None)
    if spacing is None:
        return pixels, None
    return pixels, pixels * spacing[0] if spacing[0] == spacing[1] else measure(spacing)


def _status(missing: bool, pred_area: int, reference_area: int) -> str:
    if missing:
        return "missing_prediction"
    if reference_area == 0:
        return "empty_reference"
    return "ok" if pred_area > 0 else "empty_prediction"
