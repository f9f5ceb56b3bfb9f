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
from monai_acdr.visualize.plots import bland_altman, histograms, scatter_plot, volume_curve
from monai_acdr.visualize.report import cohort_report, html_report, save_cohort_report, save_html_report

__all__ = [
    "FINAL_COLOR",
    "INITIAL_COLOR",
    "REFERENCE_COLOR",
    "STRUCTURE_COLORS",
    "bland_altman",
    "cohort_report",
    "contact_sheet",
    "contour_crop_box",
    "draw_contours",
    "evolution_frames",
    "histograms",
    "html_report",
    "save_cohort_report",
    "save_evolution_gif",
    "save_gif",
    "save_html_report",
    "save_png",
    "scatter_plot",
    "structure_color",
    "volume_curve",
    "window_image",
]
