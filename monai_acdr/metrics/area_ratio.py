# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""The ratio of two areas, which the published ACDRNet code reports as "WCov"."""

from __future__ import annotations

import torch
from torch import Tensor

from monai_acdr.metrics.inputs import check_known_masks

__all__ = ["compute_area_ratio"]


def compute_area_ratio(y_pred: Tensor, y: Tensor) -> Tensor:
    """min(area) / max(area) of prediction and reference: 1 for equal areas, wherever the two objects lie.

    It is not a coverage and only serves for comparison with values of the published code; see
    :func:`monai_acdr.metrics.weighted_coverage.compute_weighted_coverage` for the real one.

    Args:
        y_pred: (B, C, H, W) binary prediction.
        y: (B, C, H, W) binary reference; channels that are NaN everywhere are missing.

    Returns:
        (B, C) float32 values in [0, 1]. Two empty masks: 1. Exactly one empty mask: 0. Missing reference: NaN.

    Raises:
        ValueError: when shapes differ or a mask is not binary.
    """
    pred, reference, known = check_known_masks(y_pred, y)
    areas = torch.stack([pred.flatten(2).sum(2), reference.flatten(2).sum(2)]).to(torch.float32)
    smaller, larger = areas.amin(0), areas.amax(0)
    ratio = torch.where(larger > 0, smaller / larger.clamp(min=1), torch.ones_like(larger))
    return torch.where(known, ratio, torch.nan)
