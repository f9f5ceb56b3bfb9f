# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""The base class of averaged metrics, by way of one of them."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

from monai_acdr.metrics import BoundaryFMetric, Hausdorff95Metric, ReducedMetric, compute_area_ratio


def _square(size: int, left: int) -> torch.Tensor:
    mask = torch.zeros(1, size, size)
    mask[:, 2:6, left : left + 4] = 1
    return mask


def test_list_of_images_of_different_size_and_spacing() -> None:
    metric = Hausdorff95Metric(percentile=100)
    values = metric([_square(16, 4), _square(20, 5)], [_square(16, 2), _square(20, 2)], spacing=[(1, 0.5), (1, 2)])
    torch.testing.assert_close(values, torch.tensor([[1.0], [6.0]]))
    assert metric.aggregate().item() == pytest.approx(3.5)
    assert metric.aggregate("sum").item() == pytest.approx(7.0)


def test_batches_add_up_until_reset() -> None:
    metric = Hausdorff95Metric(percentile=100, reduction="none")
    for left in (2, 3, 6):
        metric(_square(16, left)[None], _square(16, 2)[None])
    torch.testing.assert_close(metric.aggregate(), torch.tensor([[0.0], [1.0], [4.0]]))
    metric.reset()
    with pytest.raises(ValueError, match="buffer is empty"):
        metric.aggregate()


def test_lists_must_have_one_length() -> None:
    with pytest.raises(ValueError, match="got 2 predictions and 1 references"):
        Hausdorff95Metric()([_square(8, 2)] * 2, [_square(8, 2)])
    with pytest.raises(ValueError, match="got 1 predictions and None references"):
        Hausdorff95Metric()([_square(8, 2)])


@pytest.mark.parametrize("make", [Hausdorff95Metric, BoundaryFMetric])
def test_missing_references_are_left_out_of_the_mean_and_of_each_channel(make: Callable[..., ReducedMetric]) -> None:
    pred = torch.stack([torch.cat([_square(16, 4), _square(16, 6)]), torch.cat([_square(16, 3), _square(16, 3)])])
    y = torch.stack([torch.cat([_square(16, 2), _square(16, 5)]), torch.cat([_square(16, 2), _square(16, 2)])])
    metric = make(reduction="none")
    values = metric(pred, y)
    assert values.shape == (2, 2)
    y[0, 1] = torch.nan
    metric.reset()
    metric(list(pred), list(y))
    expected = values.clone()
    expected[0, 1] = torch.nan
    torch.testing.assert_close(metric.aggregate(), expected, equal_nan=True)
    by_class = torch.stack([values[:, 0].mean(), values[1, 1]])
    torch.testing.assert_close(metric.aggregate("mean_batch"), by_class)
    by_image = (values[0, 0] + values[1].mean()) / 2
    assert metric.aggregate("mean").item() == pytest.approx(by_image.item())


def test_area_ratio_of_a_missing_reference() -> None:
    y = torch.cat([_square(16, 2), torch.full((1, 16, 16), torch.nan)])[None]
    ratio = compute_area_ratio(torch.ones(1, 2, 16, 16), y)
    assert ratio[0, 0].item() == pytest.approx(16 / 256) and ratio[0, 1].isnan()
