# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""The 95th percentile of the Hausdorff distance, in pixels or mm, with defined values for empty masks.

MONAI computes the distance; this adds what a report needs: a spacing per image, and a finite value for a lost object.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from monai.metrics.hausdorff_distance import compute_hausdorff_distance
from monai.utils import MetricReduction
from torch import Tensor

from monai_acdr.metrics.inputs import check_known_masks, check_spacing, spacing_per_image
from monai_acdr.metrics.reduced_metric import ReducedMetric

__all__ = ["Hausdorff95Metric", "compute_hausdorff95", "image_diagonal"]


def image_diagonal(size: Sequence[int], spacing: Sequence[float] | Tensor | np.ndarray | None = None) -> float:
    """Length of the diagonal of an image of size (H, W), in pixels, or in mm with `spacing` (row, column).

    No distance inside the image is larger; it stands for the distance to a missing object.
    """
    row, column = check_spacing(spacing)
    return math.hypot(size[0] * row, size[1] * column)


def compute_hausdorff95(
    y_pred: Tensor,
    y: Tensor | None,
    spacing: Sequence[Any] | Tensor | np.ndarray | None = None,
    percentile: float = 95.0,
) -> Tensor:
    """Symmetric Hausdorff distance at a percentile, between the edge pixels of two masks.

    The larger of the two directed percentiles, as MONAI's `compute_hausdorff_distance` defines it.

    Args:
        y_pred: (B, C, H, W) binary prediction.
        y: (B, C, H, W) binary reference; channels that are NaN everywhere are missing.
        spacing: one (row, column) spacing in mm per image, as a list, array or tensor (B, 2); None entries of a list,
            and None for all, are pixels.
        percentile: 0 to 100; 100 is the classic maximum.

    Returns:
        (B, C) float32 distances. Two empty masks: 0. Exactly one empty mask: the image's diagonal, so that a lost
        object is the worst result and never a NaN or infinity that a mean would drop. Missing reference: NaN.

    Raises:
        ValueError: when shapes differ, a mask is not binary, or there is not one spacing per image.
    """
    pred, reference, known = check_known_masks(y_pred, y)
    spacings = spacing_per_image(spacing, len(pred))
    distances = torch.full(pred.shape[:2], torch.nan, dtype=torch.float32, device=pred.device)
    for image, channel in known.nonzero().tolist():
        pair = pred[image, channel], reference[image, channel]
        distances[image, channel] = _distance(*pair, spacings[image], percentile)
    return distances


def _distance(pred: Tensor, reference: Tensor, spacing: Any, percentile: float) -> float:
    filled = bool(pred.any()), bool(reference.any())
    if not all(filled):
        return image_diagonal(pred.shape, spacing) if any(filled) else 0.0
    with warnings.catch_warnings():  # MONAI warns of its own call
        warnings.filterwarnings("ignore", ".*always_return_as_numpy", FutureWarning)
        value = compute_hausdorff_distance(
            pred[None, None],
            reference[None, None],
            include_background=True,
            percentile=percentile,
            spacing=list(check_spacing(spacing)),
        )
    return float(value)


class Hausdorff95Metric(ReducedMetric):
    """Cumulative :func:`compute_hausdorff95`; call it as `metric(y_pred, y, spacing=[(row, column), ...])` for mm.

    Args:
        percentile: 0 to 100.
        reduction: see :class:`monai_acdr.metrics.reduced_metric.ReducedMetric`.
    """

    def __init__(self, percentile: float = 95.0, reduction: MetricReduction | str = MetricReduction.MEAN) -> None:
        super().__init__(reduction)
        self.percentile = percentile

    def _compute_tensor(self, y_pred: Tensor, y: Tensor | None = None, **kwargs: Any) -> Tensor:
        return compute_hausdorff95(y_pred, y, kwargs.get("spacing"), self.percentile)
