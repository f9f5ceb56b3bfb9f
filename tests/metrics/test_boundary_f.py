# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""BoundF against real dilations with disks, as DAVIS computes it."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import ndimage

from monai_acdr.metrics import BoundaryFMetric, boundary_map, compute_boundary_f


def _blob(seed: int, size: tuple[int, int] = (37, 45)) -> np.ndarray:
    noise = np.random.default_rng(seed).normal(size=size)
    return ndimage.gaussian_filter(noise, 4) > 0.02


def _davis_boundary(mask: np.ndarray) -> np.ndarray:
    """The benchmark's description, pixel by pixel."""
    height, width = mask.shape
    boundary = np.zeros_like(mask)
    for row in range(height):
        for column in range(width):
            below, right = min(row + 1, height - 1), min(column + 1, width - 1)
            neighbors = mask[row, right], mask[below, column], mask[below, right]
            boundary[row, column] = any(neighbor != mask[row, column] for neighbor in neighbors)
    return boundary


def _f_by_dilation(pred: np.ndarray, reference: np.ndarray, tolerance: int) -> float:
    steps = np.arange(-tolerance, tolerance + 1)
    disk = steps[:, None] ** 2 + steps[None] ** 2 <= tolerance**2
    first, second = _davis_boundary(pred), _davis_boundary(reference)
    precision = (first & ndimage.binary_dilation(second, disk)).sum() / first.sum()
    recall = (second & ndimage.binary_dilation(first, disk)).sum() / second.sum()
    return 0.0 if precision + recall == 0 else 2 * precision * recall / (precision + recall)


def _batch(mask: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(mask)[None, None]


@pytest.mark.parametrize("seed", range(4))
def test_against_dilation(seed: int) -> None:
    pred, reference = _blob(seed), _blob(seed + 50)
    np.testing.assert_array_equal(boundary_map(pred), _davis_boundary(pred))
    expected = np.mean([_f_by_dilation(pred, reference, tolerance) for tolerance in range(1, 6)])
    value = compute_boundary_f(_batch(pred), _batch(reference))
    assert value.shape == (1, 1)
    assert value.item() == pytest.approx(expected, rel=1e-6)


def test_symmetric_and_1_for_identical_masks() -> None:
    pred, reference = _batch(_blob(1)), _batch(_blob(2))
    torch.testing.assert_close(compute_boundary_f(pred, reference), compute_boundary_f(reference, pred))
    assert compute_boundary_f(pred, pred).item() == 1


def test_translation_invariant() -> None:
    pred, reference = np.zeros((40, 40), bool), np.zeros((40, 40), bool)
    pred[10:20, 12:25], reference[13:22, 10:24] = True, True
    moved = [np.roll(mask, (7, -4), (0, 1)) for mask in (pred, reference)]
    value = compute_boundary_f(_batch(pred), _batch(reference))
    torch.testing.assert_close(compute_boundary_f(*map(_batch, moved)), value)


def test_shift_by_3_px() -> None:
    # Vertical stripes: all of both boundaries lie exactly 3 px apart, so F is 0, 0, 1, 1, 1.
    pred, reference = np.zeros((20, 60), bool), np.zeros((20, 60), bool)
    pred[:, 20:40], reference[:, 23:43] = True, True
    assert compute_boundary_f(_batch(pred), _batch(reference)).item() == pytest.approx(3 / 5)
    assert compute_boundary_f(_batch(pred), _batch(reference), tolerances=[2.99]).item() == 0


def test_masks_without_boundary() -> None:
    empty, full, mask = torch.zeros(1, 1, 9, 9), torch.ones(1, 1, 9, 9), torch.zeros(1, 1, 9, 9)
    mask[..., 2:5, 2:5] = 1
    assert compute_boundary_f(empty, empty).item() == compute_boundary_f(full, full).item() == 1
    for pred, reference in ((empty, mask), (mask, empty), (full, empty), (full, mask)):
        assert compute_boundary_f(pred, reference).item() == 0


def test_far_apart_is_0() -> None:
    pred, reference = torch.zeros(1, 1, 40, 40), torch.zeros(1, 1, 40, 40)
    pred[..., 2:6, 2:6], reference[..., 30:34, 30:34] = 1, 1
    assert compute_boundary_f(pred, reference).item() == 0


@pytest.mark.parametrize("tolerances", [(), (-1.0, 2.0)])
def test_bad_tolerances(tolerances: tuple[float, ...]) -> None:
    with pytest.raises(ValueError, match="Expected `tolerances`"):
        compute_boundary_f(torch.zeros(1, 1, 4, 4), torch.zeros(1, 1, 4, 4), tolerances)


def test_metric_averages_images() -> None:
    masks = [torch.from_numpy(_blob(seed))[None] for seed in range(3)]
    metric = BoundaryFMetric()
    metric(masks, masks[::-1])
    expected = [compute_boundary_f(a[None], b[None]).item() for a, b in zip(masks, masks[::-1], strict=True)]
    assert metric.aggregate().item() == pytest.approx(np.mean(expected))
