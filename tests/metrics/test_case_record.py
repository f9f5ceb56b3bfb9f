# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""One case's record."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from monai_acdr.geometry import circle
from monai_acdr.metrics import CASE_COLUMNS, evaluate_case

SIZE = (60, 80)


def _rectangle(row: int, column: int, height: int, width: int) -> tuple[Tensor, Tensor]:
    """Mask (1, H, W) and contour (1, 4, 2) of pixels [row, row + height) x [column, column + width)."""
    mask = torch.zeros(1, *SIZE)
    mask[:, row : row + height, column : column + width] = 1
    corners = [(column, row), (column + width, row), (column + width, row + height), (column, row + height)]
    return mask, torch.tensor([corners], dtype=torch.float32)


def test_exact_prediction() -> None:
    mask, contour = _rectangle(10, 20, 16, 12)
    record = evaluate_case(
        mask, mask, pred=contour[0], reference=contour, spacing=(1.5, 0.5), name="a", patient="p", group="g"
    )
    assert tuple(record) == CASE_COLUMNS
    assert (record["name"], record["patient"], record["group"], record["status"]) == ("a", "p", "g", "ok")
    assert record["dice"] == record["iou"] == record["boundf"] == 1
    assert record["hd95_px"] == record["hd95_mm"] == 0
    assert record["apd_px"] == pytest.approx(0, abs=1e-9)
    assert record["pred_area_px"] == record["reference_area_px"] == record["intersection_px"] == 192
    assert record["pred_area_mm2"] == record["reference_area_mm2"] == 192 * 0.75
    assert (record["row_spacing_mm"], record["column_spacing_mm"]) == (1.5, 0.5)


@pytest.mark.parametrize(("rows", "columns"), [(4, 0), (0, 4)])
def test_shift_with_anisotropic_spacing(rows: int, columns: int) -> None:
    # Long thin bars, shifted by 4 px across: most of the edge lies 4 px off, along one axis.
    height, width = (3, 60) if rows else (50, 3)
    mask, contour = _rectangle(2, 5, height, width)
    shifted, shifted_contour = _rectangle(2 + rows, 5 + columns, height, width)
    record = evaluate_case(shifted, mask, pred=shifted_contour, reference=contour, spacing=(2.0, 0.5))
    scale = 2.0 if rows else 0.5
    assert record["hd95_px"] == 4
    assert record["hd95_mm"] == 4 * scale
    assert record["dice"] == record["iou"] == 0
    isotropic = evaluate_case(shifted, mask, pred=shifted_contour, reference=contour, spacing=(scale, scale))
    assert isotropic["apd_mm"] == pytest.approx(scale * isotropic["apd_px"])
    assert record["apd_mm"] == pytest.approx(isotropic["apd_mm"], rel=0.1)


def test_half_overlap_by_hand() -> None:
    record = evaluate_case(_rectangle(10, 20, 4, 4)[0], _rectangle(10, 22, 4, 4)[0])
    assert record["dice"] == pytest.approx(0.5)
    assert record["iou"] == pytest.approx(1 / 3)
    assert record["hd95_mm"] is record["apd_px"] is record["apd_mm"] is record["pred_area_mm2"] is None


def test_concentric_circles_in_mm() -> None:
    center, (mask, _) = torch.tensor([40.0, 30.0]), _rectangle(10, 20, 16, 12)
    inner, outer = circle(center, 10.0, 360), circle(center, 12.0, 360)
    record = evaluate_case(mask, mask, pred=inner, reference=outer[None], spacing=(1.25, 1.25))
    assert record["apd_px"] == pytest.approx(2, abs=1e-3)
    assert record["apd_mm"] == pytest.approx(2.5, abs=2e-3)


def test_missing_prediction_scores_worst_and_is_named() -> None:
    mask, contour = _rectangle(10, 20, 16, 12)
    record = evaluate_case(None, mask, reference=contour, spacing=(1.0, 2.0))
    assert record["status"] == "missing_prediction"
    assert record["dice"] == record["iou"] == record["boundf"] == record["pred_area_px"] == 0
    assert record["hd95_px"] == record["apd_px"] == pytest.approx(math.hypot(*SIZE))
    assert record["hd95_mm"] == pytest.approx(math.hypot(60, 160))
    assert record["apd_mm"] == pytest.approx(math.hypot(60, 160))


def test_empty_masks() -> None:
    mask, empty = _rectangle(10, 20, 16, 12)[0], torch.zeros(1, *SIZE)
    lost = evaluate_case(empty, mask)
    assert (lost["status"], lost["dice"], lost["iou"], lost["boundf"]) == ("empty_prediction", 0, 0, 0)
    invented = evaluate_case(mask, empty)
    assert (invented["status"], invented["dice"], invented["hd95_px"]) == ("empty_reference", 0, math.hypot(*SIZE))
    nothing = evaluate_case(empty, empty)
    assert (nothing["status"], nothing["dice"], nothing["iou"], nothing["boundf"]) == ("empty_reference", 1, 1, 1)
    assert nothing["hd95_px"] == 0


@pytest.mark.parametrize("pred", [torch.zeros(0, 2), torch.full((1, 5, 2), math.nan)])
def test_invalid_contour(pred: Tensor) -> None:
    mask, contour = _rectangle(10, 20, 16, 12)
    record = evaluate_case(mask, mask, pred=pred, reference=contour)
    assert record["status"] == "invalid_contour"
    assert record["dice"] == 1
    assert record["apd_px"] == pytest.approx(math.hypot(*SIZE))


def test_method_without_contours_has_no_apd() -> None:
    mask, contour = _rectangle(10, 20, 16, 12)
    record = evaluate_case(mask, mask, reference=contour, spacing=(1.0, 1.0))
    assert record["status"] == "ok"
    assert record["apd_px"] is record["apd_mm"] is None


def test_case_without_reference_is_kept() -> None:
    record = evaluate_case(_rectangle(10, 20, 16, 12)[0], None, name="a")
    assert (record["name"], record["status"], record["dice"], record["roi_dice"]) == ("a", "no_reference", None, None)


def test_errors_name_the_case() -> None:
    with pytest.raises(ValueError, match=r"Case 'frame-7': Expected `y_pred` and `y`"):
        evaluate_case(torch.zeros(1, 8, 8), torch.zeros(1, 8, 9), name="frame-7")
