# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""From an image and a region of interest to a contour in the image's pixels; and the region, where none is given."""

from __future__ import annotations

from monai_acdr.inferers.clicks import contour_from_clicks
from monai_acdr.inferers.contour_inferer import ContourInferer
from monai_acdr.inferers.corrections import contradicted_clicks, correct_contour
from monai_acdr.inferers.heart_roi import FrameFinding, HeartROIs, find_heart_rois
from monai_acdr.inferers.vertex_spread import evolve_members, outward_normals, spread_in_mm, vertex_spread

__all__ = [
    "ContourInferer",
    "FrameFinding",
    "HeartROIs",
    "contour_from_clicks",
    "contradicted_clicks",
    "correct_contour",
    "evolve_members",
    "find_heart_rois",
    "outward_normals",
    "spread_in_mm",
    "vertex_spread",
]
