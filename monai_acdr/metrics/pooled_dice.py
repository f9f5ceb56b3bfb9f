# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Dice pooled over all pixels of all images: one number, as in Zhu et al. 2018 and the papers on mammography.

Large objects count more than in the mean of the images' Dice values; both belong in a report.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from monai_acdr.metrics.inputs import check_known_masks
from monai_acdr.metrics.reduced_metric import GatheredMetric

__all__ = ["PooledDiceMetric", "compute_dice_counts", "compute_pooled_dice", "pool_dice_counts"]


def compute_dice_counts(y_pred: Tensor, y: Tensor | None, per_class: bool = False) -> Tensor:
    """Count the pixels of each image that a pooled Dice needs.

    Args:
        y_pred: (B, C, H, W) binary prediction.
        y: (B, C, H, W) binary reference; channels that are NaN everywhere are missing.
        per_class: count each channel on its own.

    Returns:
        (B, 3) int64: pixels in the intersection, in the prediction, in the reference; summed over the channels whose
        reference is known. With ``per_class`` (B, C, 3) float64, NaN where the reference is missing.

    Raises:
        ValueError: when shapes differ or a mask is not binary.
    """
    pred, reference, known = check_known_masks(y_pred, y)
    pred = pred & known[..., None, None]
    counts = torch.stack([m.flatten(2).sum(2) for m in (pred & reference, pred, reference)], dim=2)
    if not per_class:
        return counts.sum(1)
    return torch.where(known[..., None], counts.to(torch.float64), torch.nan)


def pool_dice_counts(counts: Tensor) -> Tensor:
    """2 * sum(intersection) / sum(both sizes) over all rows of `counts`, float64.

    Args:
        counts: (N, 3), or (N, C, 3) for each of C classes on its own. Rows of NaN, without reference, are left out.

    Returns:
        A scalar, or (C,). Two empty sides agree: 1. Exactly one empty side: 0. No known row: NaN.
    """
    counts = counts.to(torch.float64)
    known = (~counts.isnan().any(-1)).any(0)
    intersection, pred, reference = counts.nansum(0).unbind(-1)
    total = pred + reference
    dice = torch.where(total > 0, 2 * intersection / total.clamp(min=1), torch.ones_like(total))
    return torch.where(known, dice, torch.nan)


def compute_pooled_dice(y_pred: Tensor, y: Tensor) -> Tensor:
    """:func:`pool_dice_counts` of the :func:`compute_dice_counts` of a batch: a scalar, float64."""
    return pool_dice_counts(compute_dice_counts(y_pred, y))


class PooledDiceMetric(GatheredMetric):
    """Pooled Dice over everything seen since the last reset, on all processes.

    The buffer holds counts of pixels per image, so batches and processes of unequal size pool exactly. Pooling takes
    the place of a `reduction`. Several channels are pooled too: drop a background channel first. Channels of the
    reference that are NaN everywhere are missing, and are left out.

    Args:
        per_class: one value for each channel instead.
    """

    def __init__(self, per_class: bool = False) -> None:
        super().__init__()
        self.per_class = per_class

    def _compute_tensor(self, y_pred: Tensor, y: Tensor | None = None, **kwargs: Any) -> Tensor:
        counts = compute_dice_counts(y_pred, y, per_class=True)
        if self.per_class:
            return counts
        return torch.where(counts.isnan().all(1), torch.nan, counts.nansum(1))

    def aggregate(self) -> Tensor:
        """The pooled Dice, a scalar tensor, or (C,) per class. NaN where no reference is known.

        Raises:
            ValueError: when no image was given.
        """
        counts = self.get_buffer()
        if not isinstance(counts, Tensor):
            raise ValueError("Expected at least one image before `aggregate`, but the buffer is empty.")
        return pool_dice_counts(counts)
