# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Pooled Dice."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from monai_acdr.metrics import PooledDiceMetric, compute_dice_counts, compute_pooled_dice


def _masks(seed: int, count: int = 5) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    shares = rng.uniform(0.1, 0.9, size=(2, count, 1, 1, 1))
    return tuple(rng.random((2, count, 1, 12, 9)) < shares)  # type: ignore[return-value]


def _numpy_pooled_dice(pred: np.ndarray, reference: np.ndarray) -> float:
    return 2.0 * np.logical_and(pred, reference).sum() / (pred.sum() + reference.sum())


def test_value_and_symmetry() -> None:
    pred, reference = _masks(0)
    expected = _numpy_pooled_dice(pred, reference)
    assert compute_pooled_dice(torch.from_numpy(pred), torch.from_numpy(reference)).item() == pytest.approx(expected)
    assert compute_pooled_dice(torch.from_numpy(reference), torch.from_numpy(pred)).item() == pytest.approx(expected)


def test_metric_pools_over_unequal_batches_and_lists() -> None:
    pred, reference = _masks(1)
    metric = PooledDiceMetric()
    metric(torch.from_numpy(pred[:3]).float(), torch.from_numpy(reference[:3]).float())
    metric([torch.from_numpy(mask) for mask in pred[3:]], [torch.from_numpy(mask) for mask in reference[3:]])
    assert metric.aggregate().item() == pytest.approx(_numpy_pooled_dice(pred, reference), abs=1e-12)
    assert metric.get_buffer().shape == (5, 3)


def test_pooled_differs_from_mean() -> None:
    # A large object hit exactly (100 px) and a small one missed (1 px): the mean is 0.5, the pooled value is not.
    pred, reference = torch.zeros(2, 1, 16, 16), torch.zeros(2, 1, 16, 16)
    pred[0, 0, :10, :10] = reference[0, 0, :10, :10] = 1
    reference[1, 0, 0, 0] = 1
    assert compute_pooled_dice(pred, reference).item() == pytest.approx(200 / 201)


def test_counts() -> None:
    pred, reference = torch.zeros(1, 1, 4, 4), torch.zeros(1, 1, 4, 4)
    pred[..., :2, :2], reference[..., :3, :1] = 1, 1
    assert compute_dice_counts(pred, reference).tolist() == [[2, 4, 3]]


def test_empty_masks() -> None:
    empty, full = torch.zeros(1, 1, 4, 4), torch.ones(1, 1, 4, 4)
    assert compute_pooled_dice(empty, empty).item() == 1
    assert compute_pooled_dice(empty, full).item() == compute_pooled_dice(full, empty).item() == 0


def test_aggregate_needs_data() -> None:
    with pytest.raises(ValueError, match="buffer is empty"):
        PooledDiceMetric().aggregate()


def test_classes_and_missing_references() -> None:
    one, other = _masks(2), _masks(3)
    pred, reference = (torch.from_numpy(np.concatenate([one[i], other[i]], axis=1)).float() for i in range(2))
    alone = [compute_pooled_dice(pred[:, n : n + 1], reference[:, n : n + 1]).item() for n in range(2)]
    metric = PooledDiceMetric(per_class=True)
    metric(pred[:2], reference[:2])
    metric(list(pred[2:]), list(reference[2:]))
    assert metric.get_buffer().shape == (5, 2, 3)
    assert metric.aggregate().tolist() == pytest.approx(alone)

    reference[1:3, 1] = torch.nan
    known = torch.tensor([0, 3, 4])
    metric.reset()
    metric(pred, reference)
    expected = compute_pooled_dice(pred[known, 1:], reference[known, 1:]).item()
    assert metric.aggregate().tolist() == pytest.approx([alone[0], expected])
    counts = compute_dice_counts(pred, reference)
    assert counts.dtype == torch.int64
    assert counts[1].tolist() == compute_dice_counts(pred[1:2, :1], reference[1:2, :1])[0].tolist()
    pooled = PooledDiceMetric()
    pooled(pred, reference)
    assert pooled.aggregate().item() == pytest.approx(compute_pooled_dice(pred, reference).item())

    reference[:, 1] = torch.nan
    metric.reset()
    metric(pred, reference)
    assert metric.aggregate().isnan().tolist() == [False, True]
    pooled.reset()
    pooled(pred[:, 1:], reference[:, 1:])
    assert pooled.aggregate().isnan()
