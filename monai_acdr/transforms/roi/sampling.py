# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Resampling between an image and a ROI of it, both ways, on plain tensors.

Pixel areas are mapped to pixel areas (``align_corners=False``): the ROI's rectangle is exactly the area that the
crop's pixels cover together.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from monai_acdr.geometry import at_least_float32
from monai_acdr.read_budget import check_pixels
from monai_acdr.transforms.roi.boxes import check_roi, roi_corners

__all__ = ["crop_roi", "paste_roi", "roi_matrix"]


def roi_matrix(roi: Tensor, size: Sequence[int]) -> Tensor:
    """Matrix from indices of the crop to indices of the image.

    Args:
        roi: (5,) ROI in image pixels.
        size: (H, W) of the crop.

    Returns:
        (3, 3) float64: (row, column, 1) of a crop pixel's center to (row, column, 1) in the image, MONAI's order, so
        that the crop's affine is ``image.affine @ roi_matrix`` (padded to (4, 4)).
    """
    x, y, width, height, angle = roi.tolist()
    rows, columns = size
    step_y, step_x = height / rows, width / columns
    cosine, sine = math.cos(angle), math.sin(angle)
    down, right = (cosine * step_y, sine * step_y), (-sine * step_x, cosine * step_x)  # (row, column) in the image
    row0 = y - 0.5 + down[0] * (0.5 - rows / 2) + right[0] * (0.5 - columns / 2)
    column0 = x - 0.5 + down[1] * (0.5 - rows / 2) + right[1] * (0.5 - columns / 2)
    return torch.tensor([[down[0], right[0], row0], [down[1], right[1], column0], [0.0, 0.0, 1.0]], dtype=torch.float64)


def crop_roi(
    image: Tensor,
    roi: Tensor,
    size: Sequence[int],
    mode: str = "bilinear",
    padding_mode: str = "border",
    antialias: bool = True,
) -> Tensor:
    """Resample the ROI of an image.

    Args:
        image: (C, H, W), floating point. Half precision is lifted to float32 for the sampling.
        roi: (5,) ROI in pixels of ``image``.
        size: (h, w) of the result.
        mode: "bilinear", "nearest" or "bicubic".
        padding_mode: what lies outside the image: "border", "zeros" or "reflection".
        antialias: where an axis shrinks by s > 1, sample ceil(s) times finer and average; never for "nearest".

    Returns:
        (C, h, w), of the dtype of ``image``.

    Raises:
        ValueError: when the ROI is not finite, empty, wholly outside the image, or far larger than the image, when the
            image is of integers, or when its samples need more memory than the budget
            (:mod:`monai_acdr.read_budget`).
    """
    _check_floating(image, "image")
    check_roi(roi, image.shape[1:])
    factors = (1, 1)
    if antialias and mode != "nearest":
        factors = (_factor(float(roi[3]), size[0]), _factor(float(roi[2]), size[1]))
    check_pixels("the region of interest", (size[0] * factors[0], size[1] * factors[1], 2 + image.shape[0]))
    pixels = at_least_float32(image)
    grid = _grid(_image_from_crop(roi, image.shape[1:]).to(pixels), size[0] * factors[0], size[1] * factors[1])
    fine = F.grid_sample(pixels[None], grid, mode=mode, padding_mode=padding_mode, align_corners=False)
    return (F.avg_pool2d(fine, factors) if max(factors) > 1 else fine)[0].to(image.dtype)


def paste_roi(crop: Tensor, roi: Tensor, size: Sequence[int], mode: str = "bilinear", antialias: bool = True) -> Tensor:
    """Bring what was computed in a crop back onto the image's grid; zero outside the ROI.

    Pixels that the ROI's border cuts get their share (``antialias``, where the crop is finer than the image) or
    belong to the ROI when their center does.

    Args:
        crop: (C, h, w), floating point, any size: it covers the whole ROI.
        roi: (5,) ROI in pixels of the image.
        size: (H, W) of the image.
        mode: "bilinear", "nearest" or "bicubic".
        antialias: as in :func:`crop_roi`.

    Returns:
        (C, H, W), of the dtype of ``crop``.
    """
    _check_floating(crop, "crop")
    check_roi(roi, size)
    image = crop.new_zeros(crop.shape[0], *size)
    corners = roi_corners(roi)
    left, top = (int(v) for v in corners.amin(0).floor().clamp(min=0).tolist())
    right, bottom = corners.amax(0).ceil().to(torch.int64).tolist()
    right, bottom = min(right, size[1]), min(bottom, size[0])
    window = (bottom - top, right - left)
    factors = (1, 1)
    if antialias and mode != "nearest":
        finest = (crop.shape[1] / float(roi[3]), crop.shape[2] / float(roi[2]))  # crop pixels in an image pixel
        factors = (math.ceil(max(finest) - _SLACK),) * 2 if max(finest) > 1 else (1, 1)
    check_pixels("the region of interest", (window[0] * factors[0], window[1] * factors[1], 2 + crop.shape[0]))
    pixels = at_least_float32(crop)
    theta = _crop_from_window(roi, (left, top), window).to(pixels)
    grid = _grid(theta, window[0] * factors[0], window[1] * factors[1])
    fine = F.grid_sample(pixels[None], grid, mode=mode, padding_mode="border", align_corners=False)
    fine = fine * (grid.abs().amax(-1) <= 1 + _SLACK)[:, None]
    image[:, top:bottom, left:right] = (F.avg_pool2d(fine, factors) if max(factors) > 1 else fine)[0]
    return image


_SLACK = 1e-5
"""Relative rounding error of float32 sampling positions that must not move a pixel across a border."""


def _check_floating(pixels: Tensor, name: str) -> None:
    if not pixels.is_floating_point():
        raise ValueError(f"Expected `{name}` to be floating point, but got {pixels.dtype}: use .float().")


def _factor(extent: float, pixels: int) -> int:
    return max(1, math.ceil(extent / pixels - _SLACK))


def _grid(theta: Tensor, rows: int, columns: int) -> Tensor:
    """(1, rows, columns, 2) sampling positions; twice as fast as torch's affine_grid, a matrix product."""
    along_x, along_y, offset = theta.T
    u = torch.arange(0.5, columns, dtype=theta.dtype, device=theta.device) * (2 / columns) - 1
    v = torch.arange(0.5, rows, dtype=theta.dtype, device=theta.device) * (2 / rows) - 1
    return ((v[:, None] * along_y + offset)[:, None] + u[:, None] * along_x)[None]


def _image_from_crop(roi: Tensor, size: Sequence[int]) -> Tensor:
    """(2, 3) float64: [-1, 1] coordinates of the crop to those of an image of ``size`` (H, W)."""
    x, y, width, height, angle = roi.tolist()
    rows, columns = size
    cosine, sine = math.cos(angle), math.sin(angle)
    return torch.tensor(
        [
            [cosine * width / columns, sine * height / columns, 2 * x / columns - 1],
            [-sine * width / rows, cosine * height / rows, 2 * y / rows - 1],
        ],
        dtype=torch.float64,
    )


def _crop_from_window(roi: Tensor, origin: tuple[int, int], size: tuple[int, int]) -> Tensor:
    """(2, 3) float64: [-1, 1] coordinates of an image window at ``origin`` (x, y) to those of the crop."""
    x, y, width, height, angle = roi.tolist()
    rows, columns = size
    middle_x, middle_y = origin[0] + columns / 2 - x, origin[1] + rows / 2 - y
    cosine, sine = math.cos(angle), math.sin(angle)
    return torch.tensor(
        [
            [cosine * columns / width, -sine * rows / width, 2 * (cosine * middle_x - sine * middle_y) / width],
            [sine * columns / height, cosine * rows / height, 2 * (sine * middle_x + cosine * middle_y) / height],
        ],
        dtype=torch.float64,
    )
