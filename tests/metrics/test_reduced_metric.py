# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""The base class of averaged metrics, by way of one of them."""

from __future__ import annotations

import pytest
import torch

from monai_acdr.metrics import Hausdorff95Metric


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
