# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Pixels, masks and contours of one frame, and checks of them before they go into a data list."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from monai_acdr.data.contour_files import MAX_CLOSING_STEPS, closing_steps, read_contour
from monai_acdr.data.image_headers import ImageHeader, read_image_header
from monai_acdr.data.pictures import is_picture_file, read_picture
from monai_acdr.data.report import QualityReport
from monai_acdr.dicom import read_gray_image
from monai_acdr.geometry import bounding_box
from monai_acdr.networks.layers.rasterizer import rasterize_polygons

__all__ = [
    "check_epicardium",
    "check_image",
    "check_label",
    "is_contour_file",
    "load_gray",
    "load_mask",
]


def is_contour_file(path: str | Path) -> bool:
    """Whether a label is a contour's text file; otherwise it is a PNG mask."""
    return Path(path).suffix.lower() == ".txt"


def load_gray(path: str | Path) -> Tensor:
    """Read a DICOM image or picture as (H, W) float32 in which larger is brighter; colors as luminance.

    Raises:
        FileNotFoundError: when there is no such file.
        ValueError: when the pixels cannot be decoded; see :func:`~monai_acdr.dicom.read_gray_image` for DICOM.
    """
    if is_picture_file(path):
        return torch.from_numpy(read_picture(path).astype(np.float32))
    return torch.from_numpy(read_gray_image(path))


def load_mask(path: str | Path, size: tuple[int, int]) -> Tensor:
    """Read a label as (H, W) float32 coverage in [0, 1] on the pixel grid of its image.

    Args:
        path: contour file, rasterized exactly, or PNG mask, whose pixels above half of its maximum are 1.
        size: (H, W) of the image.

    Raises:
        ValueError: when the label cannot be read, or a PNG mask has another size.
    """
    if is_contour_file(path):
        vertices = read_contour(path)
        return rasterize_polygons(vertices[None], size)[0, 0].to(torch.float32)
    mask = load_gray(path)
    if tuple(mask.shape) != tuple(size):
        raise ValueError(
            f"Expected a mask of {tuple(size)} pixels, but {path} has {tuple(mask.shape)}: convert it again."
        )
    return (mask > mask.max() / 2).to(torch.float32)


_MIN_DENSE_VERTICES = 8
"""Contours of fewer vertices may have any steps: those of a narrow triangle or a rectangle differ much."""


def check_image(root: Path, path: Path, spacing: str, report: QualityReport) -> ImageHeader | None:
    """The image's header, or None when the frame cannot be used.

    Args:
        root: folder that findings name files relative to.
        path: DICOM file or picture.
        spacing: ``require`` or ``allow``; see :func:`monai_acdr.data.sunnybrook.pairing.sunnybrook_data_list`.
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
    """Like :func:`check_label`; a frame stays usable without its epicardium."""
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
