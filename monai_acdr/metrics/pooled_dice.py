# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Dice pooled over all pixels of all images: one number, as in Zhu et al. 2018 and the mammography figures.

Large objects count more than in the mean of the images' Dice values; both belong into a report.
"""

from __future__ import annotations

from typing import Any

import torch
from monai.metrics.metric import CumulativeIterationMetric
from torch import Tensor

from monai_acdr.metrics.inputs import check_masks

__all__ = ["PooledDiceMetric", "compute_dice_counts", "compute_pooled_dice", "pool_dice_counts"]


def compute_dice_counts(y_pred: Tensor, y: Tensor | None) -> Tensor:
    """Count per image what a pooled Dice is made of.

    Args:
        y_pred: (B, C, H, W) binary prediction.
        y: (B, C, H, W) binary reference.

    Returns:
        (B, 3) int64: pixels in the intersection, in the prediction, in the reference; summed over channels.

    Raises:
        ValueError: when shapes differ or a mask is not binary.
    """
    pred, reference = check_masks(y_pred, y)
    return torch.stack([m.flatten(1).sum(1) for m in (pred & reference, pred, reference)], dim=1)


def pool_dice_counts(counts: Tensor) -> Tensor:
    """2 * sum(intersection) / sum(both sizes) over all rows of `counts` (N, 3): a scalar, float64.

    Two empty sides agree: 1. Exactly one empty side: 0.
    """
    intersection, pred, reference = counts.to(torch.float64).sum(0)
    total = pred + reference
    return torch.where(total > 0, 2 * intersection / total.clamp(min=1), torch.ones_like(total))


def compute_pooled_dice(y_pred: Tensor, y: Tensor) -> Tensor:
    """:func:`pool_dice_counts` of the :func:`compute_dice_counts` of a batch: a scalar, float64."""
    return pool_dice_counts(compute_dice_counts(y_pred, y))


class PooledDiceMetric(CumulativeIterationMetric):
    """Pooled Dice over everything seen since the last reset, on all processes.

    The buffer holds integer counts per image, so batches and processes of unequal size pool exactly. There is no
    `reduction`: pooling is one. Several channels are pooled too: drop a background channel first.
    """

    def _compute_tensor(self, y_pred: Tensor, y: Tensor | None = None, **kwargs: Any) -> Tensor:
        return compute_dice_counts(y_pred, y)

    def aggregate(self) -> Tensor:
        """The pooled Dice, a scalar tensor.

        Raises:
            ValueError: when no image was given.
        """
        counts = self.get_buffer()
        if not isinstance(counts, Tensor):
            raise ValueError("Expected at least one image before `aggregate`, but the buffer is empty.")
        return pool_dice_counts(counts)
