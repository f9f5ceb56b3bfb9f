# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Checks of one frame's files before they go into a data list; each failure becomes a finding."""

from __future__ import annotations

from pathlib import Path

from torch import Tensor

from monai_acdr.data.contour_files import MAX_CLOSING_STEPS, closing_steps, read_contour
from monai_acdr.data.frame_pixels import is_contour_file, load_gray
from monai_acdr.data.image_headers import ImageHeader, read_image_header
from monai_acdr.data.report import QualityReport
from monai_acdr.geometry import bounding_box

__all__ = ["check_epicardium", "check_image", "check_label"]


_MIN_DENSE_VERTICES = 8
"""Contours of fewer vertices may have any steps: those of a narrow triangle or a rectangle differ much."""


def check_image(root: Path, path: Path, spacing: str, report: QualityReport) -> ImageHeader | None:
    """The image's header, or None when the frame cannot be used.

    Args:
        root: folder that findings name files relative to.
        path: DICOM or PNG file.
        spacing: ``require`` or ``allow``; see :func:`monai_acdr.data.sunnybrook.sunnybrook_data_list`.
        report: receives the finding.
    """
    subject = path.relative_to(root).as_posix()
    try:
        header = read_image_header(path)
    except (OSError, ValueError) as error:
        report.add("invalid_image", subject, str(error))
        return None
    if spacing == "require" and not header.has_spacing and path.suffix.lower() != ".png":
        report.add("no_pixel_spacing", subject)
        return None
    return header


def check_label(root: Path, path: Path, size: tuple[int, int], report: QualityReport) -> bool:
    """Whether the contour or mask can be read, fits an image of ``size`` (H, W) and marks something in it."""
    subject = path.relative_to(root).as_posix()
    if is_contour_file(path):
        return _check_contour(subject, path, size, report)
    try:
        header = read_image_header(path)
        mask = load_gray(path)
    except (OSError, ValueError) as error:
        report.add("invalid_mask", subject, str(error))
        return False
    if header.size != size:
        report.add("mask_size", subject, f"mask {header.size}, image {size}")
    elif not bool((mask > 0).any()):
        report.add("empty_mask", subject)
    elif bool((mask == mask.max()).all()):
        report.add("invalid_mask", subject, "every pixel is set: is it a mask?")
    else:
        return True
    return False


def check_epicardium(root: Path, path: Path, size: tuple[int, int], report: QualityReport) -> bool:
    """As :func:`check_label`; a frame stays usable without its epicardium."""
    return check_label(root, path, size, report)


def _check_contour(subject: str, path: Path, size: tuple[int, int], report: QualityReport) -> bool:
    try:
        vertices = read_contour(path)
    except (OSError, ValueError) as error:
        report.add("invalid_contour", subject, str(error))
        return False
    steps = closing_steps(vertices)
    if len(vertices) >= _MIN_DENSE_VERTICES and steps > MAX_CLOSING_STEPS:
        report.add("contour_open", subject, f"the gap is {steps:.0f} times as long as the longest step")
        return False
    if _is_outside(vertices, size):
        report.add("empty_mask", subject, f"the contour lies outside the image of {size} pixels")
        return False
    return True


def _is_outside(vertices: Tensor, size: tuple[int, int]) -> bool:
    """Whether the contour's bounding box does not touch the image."""
    low_x, low_y, high_x, high_y = bounding_box(vertices).tolist()
    return bool(high_x <= 0 or high_y <= 0 or low_x >= size[1] or low_y >= size[0])
