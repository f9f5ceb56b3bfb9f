# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Inferers: contours in the image's pixels from a region of interest, and localization of the region."""

from __future__ import annotations

from monai_acdr.inferers.contour_inferer import ContourInferer, InferredContours
from monai_acdr.inferers.corrections import (
    contour_from_clicks,
    contradicted_clicks,
    correct_contour,
    drag_contours,
    push_contours,
)
from monai_acdr.inferers.localizer import (
    HeartLine,
    Localizer,
    LocatedHeart,
    count_frames,
    doubtful_frames,
    fit_heart_line,
)
from monai_acdr.inferers.uncertainty import ensemble_of, evolve_members, outward_normals, spread_in_mm, vertex_spread

__all__ = [
    "ContourInferer",
    "HeartLine",
    "InferredContours",
    "LocatedHeart",
    "Localizer",
    "contour_from_clicks",
    "contradicted_clicks",
    "correct_contour",
    "count_frames",
    "doubtful_frames",
    "drag_contours",
    "ensemble_of",
    "evolve_members",
    "fit_heart_line",
    "outward_normals",
    "push_contours",
    "spread_in_mm",
    "vertex_spread",
]
