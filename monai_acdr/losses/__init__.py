# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Losses on contours and on the masks they enclose."""

from __future__ import annotations

from monai_acdr.losses.active_contour import (
    PRESETS,
    ActiveContourLoss,
    BalloonLoss,
    CurvatureLoss,
    DistanceLoss,
    SegmentationLoss,
)
from monai_acdr.losses.localization import LocalizationLoss

__all__ = [
    "PRESETS",
    "ActiveContourLoss",
    "BalloonLoss",
    "CurvatureLoss",
    "DistanceLoss",
    "LocalizationLoss",
    "SegmentationLoss",
]
