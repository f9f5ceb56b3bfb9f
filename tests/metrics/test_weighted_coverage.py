# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Weighted coverage: values worked out by hand."""

from __future__ import annotations

import pytest
import torch

from monai_acdr.metrics import WeightedCoverageMetric, compute_coverage_sums, compute_weighted_coverage


def _instances(*boxes: tuple[int, int, int, int], numbers: tuple[int, ...] | None = None) -> torch.Tensor:
    """(1, 1, 10, 10) map of boxes (row, column, height, width)."""
    labels = torch.zeros(1, 1, 10, 10, dtype=torch.int32)
    for number, (row, column, height, width) in zip(numbers or range(1, len(boxes) + 1), boxes, strict=True):
        labels[..., row : row + height, column : column + width] = number
    return labels


def test_single_object_is_iou() -> None:
    # 4 x 4 against 4 x 4, shifted by 2: overlap 8, union 24.
    pred, reference = _instances((0, 2, 4, 4)), _instances((0, 0, 4, 4))
    assert compute_weighted_coverage(pred, reference).item() == pytest.approx(8 / 24)
    assert compute_coverage_sums(pred, reference).tolist() == [pytest.approx([16 / 3, 16])]


def test_instances_by_hand() -> None:
    # R1: 16 px, covered by S7 (8 of 16 px, none outside): IoU 8/16; S9 overlaps it with 4 px: IoU 4/(16+4-4).
    # R2: 6 px, met exactly by S2. R3: 1 px, covered by nothing.
    reference = _instances((0, 0, 4, 4), (6, 0, 2, 3), (9, 9, 1, 1))
    pred = _instances((0, 0, 4, 2), (0, 2, 4, 1), (6, 0, 2, 3), numbers=(7, 9, 2))
    expected = (16 * 8 / 16 + 6 * 1 + 1 * 0) / (16 + 6 + 1)
    assert compute_weighted_coverage(pred, reference).item() == pytest.approx(expected)


def test_data_set_weights_by_area_not_by_image() -> None:
    pred = torch.cat([_instances((0, 0, 4, 4)), _instances((9, 9, 1, 1))])
    reference = torch.cat([_instances((0, 0, 4, 4)), _instances((0, 0, 1, 1))])
    assert compute_weighted_coverage(pred, reference).item() == pytest.approx(16 / 17)


def test_one_prediction_over_two_objects() -> None:
    # S covers both 4 px objects and the gap: IoU of each 4/12.
    pred, reference = _instances((0, 0, 2, 6)), _instances((0, 0, 2, 2), (0, 4, 2, 2))
    assert compute_weighted_coverage(pred, reference).item() == pytest.approx(4 / 12)


def test_objects_of_other_images_do_not_cover() -> None:
    pred = torch.cat([_instances(), _instances((0, 0, 4, 4))])
    reference = torch.cat([_instances((0, 0, 4, 4)), _instances((0, 0, 4, 4))])
    assert compute_weighted_coverage(pred, reference).item() == pytest.approx(0.5)


def test_extra_predictions_cost_nothing() -> None:
    pred, reference = _instances((0, 0, 4, 4), (6, 6, 3, 3)), _instances((0, 0, 4, 4))
    assert compute_weighted_coverage(pred, reference).item() == 1


def test_full_images() -> None:
    full = torch.ones(1, 1, 6, 6)
    assert compute_weighted_coverage(full, full).item() == 1
    assert compute_weighted_coverage(torch.zeros(1, 1, 6, 6), full).item() == 0


def test_metric_pools_batches() -> None:
    metric = WeightedCoverageMetric()
    metric(_instances((0, 0, 4, 4)), _instances((0, 0, 4, 4)))
    metric([_instances((9, 9, 1, 1))[0]], [_instances((0, 0, 1, 1))[0]])
    assert metric.aggregate().item() == pytest.approx(16 / 17)


def test_no_reference_object_is_an_error() -> None:
    metric = WeightedCoverageMetric()
    with pytest.raises(ValueError, match="buffer is empty"):
        metric.aggregate()
    metric(_instances((0, 0, 4, 4)), _instances())
    with pytest.raises(ValueError, match="all references are empty"):
        metric.aggregate()
    assert compute_weighted_coverage(_instances(), _instances()).isnan()


@pytest.mark.parametrize("value", [0.5, -1.0])
def test_values_must_be_instance_numbers(value: float) -> None:
    with pytest.raises(ValueError, match="whole instance numbers"):
        compute_coverage_sums(torch.full((1, 1, 3, 3), value), torch.zeros(1, 1, 3, 3))


def test_shapes_must_agree() -> None:
    with pytest.raises(ValueError, match=r"instance maps \(B, 1, H, W\)"):
        compute_coverage_sums(torch.zeros(1, 2, 3, 3), torch.zeros(1, 2, 3, 3))


def test_images_without_reference_are_left_out() -> None:
    pred = torch.cat([_instances((0, 0, 4, 4)), _instances((2, 2, 4, 4))]).float()
    reference = torch.cat([_instances((0, 0, 4, 2)), torch.full((1, 1, 10, 10), torch.nan)])
    assert compute_coverage_sums(pred, reference)[1].tolist() == [0, 0]
    assert compute_weighted_coverage(pred, reference).item() == pytest.approx(8 / 16)
