# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Pictures of images and contours, as uint8 RGB arrays and PNG files."""

from __future__ import annotations

from monai_acdr.visualize.evolution import evolution_frames, save_evolution_gif, save_gif
from monai_acdr.visualize.pictures import (
    FINAL_COLOR,
    INITIAL_COLOR,
    REFERENCE_COLOR,
    STRUCTURE_COLORS,
    contact_sheet,
    contour_crop_box,
    draw_contours,
    save_png,
    structure_color,
    window_image,
)
from monai_acdr.visualize.plots import bland_altman, volume_curve
from monai_acdr.visualize.report import html_report, save_html_report

__all__ = [
    "FINAL_COLOR",
    "INITIAL_COLOR",
    "REFERENCE_COLOR",
    "STRUCTURE_COLORS",
    "bland_altman",
    "contact_sheet",
    "contour_crop_box",
    "draw_contours",
    "evolution_frames",
    "html_report",
    "save_evolution_gif",
    "save_gif",
    "save_html_report",
    "save_png",
    "structure_color",
    "volume_curve",
    "window_image",
]
