# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""BoundF: the F-score of two masks' boundaries, averaged over tolerances of 1 to 5 pixels.

Boundary maps and matching are those of the DAVIS benchmark (Perazzi et al. 2016); the average over tolerances is that
of DARNet (Cheng et al. 2019) and of the paper's building tables.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from monai.utils import MetricReduction
from scipy.spatial import KDTree
from torch import Tensor

from monai_acdr.metrics.inputs import check_known_masks
from monai_acdr.metrics.reduced_metric import ReducedMetric

__all__ = ["BOUNDARY_TOLERANCES", "BoundaryFMetric", "boundary_map", "compute_boundary_f"]

BOUNDARY_TOLERANCES = (1.0, 2.0, 3.0, 4.0, 5.0)
"""Tolerances in pixels over which BoundF is averaged."""


def boundary_map(mask: np.ndarray) -> np.ndarray:
    """DAVIS' one pixel wide boundary of a mask (H, W), bool.

    A pixel belongs to it when its right, lower or lower right neighbor differs. Neighbors beyond the image repeat
    its last row and column, so where an object leaves the image it has no boundary.
    """
    padded = np.pad(np.asarray(mask, dtype=bool), ((0, 1), (0, 1)), mode="edge")
    here = padded[:-1, :-1]
    return (here ^ padded[:-1, 1:]) | (here ^ padded[1:, :-1]) | (here ^ padded[1:, 1:])


def compute_boundary_f(y_pred: Tensor, y: Tensor | None, tolerances: Sequence[float] = BOUNDARY_TOLERANCES) -> Tensor:
    """Mean over tolerances t of F_t = 2 P R / (P + R).

    P is the share of the prediction's boundary pixels within t of the reference's boundary, R the reverse. "Within t"
    equals a dilation with the disk dx^2 + dy^2 <= t^2; distances of boundary pixels give all tolerances at once.

    Args:
        y_pred: (B, C, H, W) binary prediction.
        y: (B, C, H, W) binary reference; channels that are NaN everywhere are missing.
        tolerances: in pixels.

    Returns:
        (B, C) float32 values in [0, 1]. Exactly one side without boundary: 0. Both without (empty masks, or masks
        that fill the image): 1 if the masks agree, otherwise 0. Missing reference: NaN.

    Raises:
        ValueError: when shapes differ, a mask is not binary, or a tolerance is missing or negative.
    """
    if len(tolerances) == 0 or min(tolerances) < 0:
        raise ValueError(f"Expected `tolerances` to be pixel distances >= 0, at least one, but got {tolerances!r}.")
    pred, reference, known = check_known_masks(y_pred, y)
    limits = np.asarray(tolerances, dtype=np.float64)
    pairs = zip(pred.flatten(0, 1).cpu().numpy(), reference.flatten(0, 1).cpu().numpy(), strict=True)
    values = [_boundary_f(one, other, limits) for one, other in pairs]
    scores = torch.tensor(values, dtype=torch.float32, device=pred.device).reshape(pred.shape[:2])
    return torch.where(known, scores, torch.nan)


def _boundary_f(pred: np.ndarray, reference: np.ndarray, limits: np.ndarray) -> float:
    points, targets = np.argwhere(boundary_map(pred)), np.argwhere(boundary_map(reference))
    if len(points) == 0 or len(targets) == 0:
        return float(len(points) == len(targets) and np.array_equal(pred, reference))
    precision = _share_within(KDTree(targets).query(points)[0], limits)
    recall = _share_within(KDTree(points).query(targets)[0], limits)
    total = precision + recall
    return float(np.mean(2 * precision * recall / np.where(total > 0, total, 1.0)))


def _share_within(distances: np.ndarray, limits: np.ndarray) -> np.ndarray:
    return (distances[:, None] <= limits).mean(axis=0)


class BoundaryFMetric(ReducedMetric):
    """Cumulative :func:`compute_boundary_f`.

    Args:
        tolerances: in pixels.
        reduction: see :class:`monai_acdr.metrics.reduced_metric.ReducedMetric`.
    """

    def __init__(
        self,
        tolerances: Sequence[float] = BOUNDARY_TOLERANCES,
        reduction: MetricReduction | str = MetricReduction.MEAN,
    ) -> None:
        super().__init__(reduction)
        self.tolerances = tuple(tolerances)

    def _compute_tensor(self, y_pred: Tensor, y: Tensor | None = None, **kwargs: Any) -> Tensor:
        return compute_boundary_f(y_pred, y, self.tolerances)
