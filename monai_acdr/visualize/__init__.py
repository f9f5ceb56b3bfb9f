# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Pictures of images and contours, as uint8 RGB arrays and PNG files."""

from __future__ import annotations

from monai_acdr.visualize.bland_altman import bland_altman
from monai_acdr.visualize.contact_sheet import contact_sheet
from monai_acdr.visualize.evolution import evolution_frames, save_evolution_gif, save_gif
from monai_acdr.visualize.html_report import html_report, save_html_report
from monai_acdr.visualize.overlay import (
    FINAL_COLOR,
    INITIAL_COLOR,
    REFERENCE_COLOR,
    STRUCTURE_COLORS,
    contour_crop_box,
    draw_contours,
    structure_color,
)
from monai_acdr.visualize.png import save_png
from monai_acdr.visualize.volume_curve import volume_curve
from monai_acdr.visualize.windowing import window_image

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
