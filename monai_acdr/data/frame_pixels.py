# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Pixels and masks of one frame, for the checks that have to look at them; training reads through MONAI instead."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from monai_acdr.data.contour_files import read_contour
from monai_acdr.data.image_headers import is_png_file
from monai_acdr.data.pictures import read_picture
from monai_acdr.dicom import read_gray_image
from monai_acdr.networks.layers.rasterizer import rasterize_polygons

__all__ = ["is_contour_file", "load_gray", "load_mask"]


def is_contour_file(path: str | Path) -> bool:
    """Whether a label is a contour's text file; otherwise it is a PNG mask."""
    return Path(path).suffix.lower() == ".txt"


def load_gray(path: str | Path) -> Tensor:
    """Read a DICOM or PNG image as (H, W) float32 in which larger is brighter; a colored PNG as luminance.

    Raises:
        FileNotFoundError: when there is no such file.
        ValueError: when the pixels cannot be decoded; see :func:`~monai_acdr.dicom.read_gray_image` for DICOM.
    """
    if is_png_file(path):
        return torch.from_numpy(read_picture(path).astype(np.float32))
    return torch.from_numpy(read_gray_image(path))


def load_mask(path: str | Path, size: tuple[int, int]) -> Tensor:
    """Read a label as (H, W) float32 coverage in [0, 1] on the pixel grid of its image.

    Args:
        path: contour file, rasterised exactly, or PNG mask, whose pixels above half of its maximum are 1.
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
