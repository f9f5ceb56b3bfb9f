# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Regions of interest on plain tensors: rotated rectangles, how they are made and changed, and the pixels in them.

A ROI is a float64 tensor (5,) = (center_x, center_y, width, height, angle): center and sides in image pixels
(:mod:`monai_acdr.geometry.coordinates`), the angle in radians, counter-clockwise to the eye (x right, y down). The
ROI's own x axis is (cos a, -sin a) in the image, its y axis (sin a, cos a).

Resampling maps pixel areas to pixel areas (``align_corners=False``): the ROI's rectangle is exactly the area that the
crop's pixels cover together.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from monai_acdr.geometry import at_least_float32, bounding_box, centroid
from monai_acdr.plausibility import largest_region
from monai_acdr.read_budget import check_pixels

__all__ = [
    "check_roi",
    "crop_roi",
    "expand_roi",
    "jitter_roi",
    "paste_roi",
    "roi_about_center",
    "roi_about_vertices",
    "roi_corners",
    "roi_from_box",
    "roi_matrix",
    "roi_window",
    "shift_roi_inside",
]


def roi_from_box(box: Sequence[float] | Tensor) -> Tensor:
    """The upright ROI that covers the box (x0, y0, x1, y1), in pixels (outer edges, not pixel centers).

    Raises:
        ValueError: unless x0 < x1 and y0 < y1 are four finite numbers.
    """
    values = [float(v) for v in box]
    if len(values) != 4 or not (values[0] < values[2] and values[1] < values[3]):
        raise ValueError(f"Expected `box` to be (x0, y0, x1, y1) with x0 < x1 and y0 < y1, but got {tuple(values)}.")
    x0, y0, x1, y1 = values
    return _roi((x0 + x1) / 2, (y0 + y1) / 2, x1 - x0, y1 - y0)


def roi_about_center(size: Sequence[int], side: float | None = None) -> Tensor:
    """The ROI in the middle of an image of ``size`` (H, W).

    Args:
        size: (H, W) in pixels.
        side: width and height of the ROI in pixels; None covers the whole image.
    """
    height, width = size
    return _roi(width / 2, height / 2, side or width, side or height)


def roi_about_vertices(
    vertices: Tensor,
    side: float | None = None,
    margin: float | None = None,
    scale: float | None = None,
    square: bool = True,
) -> Tensor:
    """The ROI around a contour.

    Args:
        vertices: (..., N, 2) pixels with N >= 1; leading dimensions are several contours in one ROI. Contours that are
            NaN everywhere, of structures without reference, are left out.
        side: width and height in pixels of a ROI about the contour's centroid, which depends on the position of the
            contour but not on its size. Excludes ``margin`` and ``scale``; several contours are averaged.
        margin: pixels added to each of the four sides of the bounding box, after scaling.
        scale: factor on the sides of the bounding box.
        square: make both sides of the bounding box the longer one.

    Raises:
        ValueError: when ``side`` comes with ``margin`` or ``scale``, or the vertices are not finite.
    """
    points = vertices.detach().to("cpu", torch.float64)
    known = ~points.isnan().flatten(-2).all(-1)
    if points.ndim > 2 and bool(known.any()):
        points = points[known]
    if not bool(torch.isfinite(points).all()):
        raise ValueError(
            "Expected `vertices` to be finite, but got NaN or Inf: check the contour this ROI is made from."
        )
    if side is not None:
        if margin is not None or scale is not None:
            raise ValueError(
                f"Expected either `side` or `margin` and `scale`, but got side={side}, margin={margin}, scale={scale}: "
                "a ROI of fixed side ignores the contour's size."
            )
        x, y = centroid(points).reshape(-1, 2).mean(0).tolist()
        return _roi(x, y, side, side)
    x0, y0, x1, y1 = bounding_box(points.reshape(-1, 2)).tolist()
    box = _roi((x0 + x1) / 2, (y0 + y1) / 2, x1 - x0, y1 - y0)
    return expand_roi(box, scale=1.0 if scale is None else scale, margin=margin or 0.0, square=square)


def expand_roi(roi: Tensor, scale: float = 1.0, margin: float = 0.0, square: bool = False) -> Tensor:
    """Scale a ROI's sides about its center, add ``margin`` pixels on every side, then optionally make it square."""
    x, y, width, height, angle = _numbers(roi)
    width, height = width * scale + 2 * margin, height * scale + 2 * margin
    if square:
        width = height = max(width, height)
    return _roi(x, y, width, height, angle)


def shift_roi_inside(roi: Tensor, size: Sequence[int]) -> Tensor:
    """Move a ROI, without changing its sides, so that its corners lie inside an image of ``size`` (H, W).

    Along an axis on which it is larger than the image it is centered.
    """
    x, y, width, height, angle = _numbers(roi)
    cosine, sine = abs(math.cos(angle)), abs(math.sin(angle))
    reach_x, reach_y = (width * cosine + height * sine) / 2, (width * sine + height * cosine) / 2
    return _roi(_clamp(x, reach_x, size[1]), _clamp(y, reach_y, size[0]), width, height, angle)


def jitter_roi(roi: Tensor, shift: Sequence[float] = (0.0, 0.0), scale: float = 1.0, angle: float = 0.0) -> Tensor:
    """Move, scale and turn a ROI; the object in the crop moves, scales and turns the other way.

    Args:
        roi: (5,) ROI.
        shift: displacement of the center along the ROI's own axes, as fractions of its width and height.
        scale: factor on both sides; above 1 the object looks smaller in the crop.
        angle: added to the ROI's angle, radians, counter-clockwise to the eye.
    """
    x, y, width, height, old = _numbers(roi)
    along_x, along_y = shift[0] * width, shift[1] * height
    cosine, sine = math.cos(old), math.sin(old)
    center_x, center_y = x + cosine * along_x + sine * along_y, y - sine * along_x + cosine * along_y
    return _roi(center_x, center_y, width * scale, height * scale, old + angle)


def roi_corners(roi: Tensor) -> Tensor:
    """(4, 2) corners in image pixels, float64: the crop's upper left, upper right, lower right, lower left."""
    x, y, width, height, angle = _numbers(roi)
    cosine, sine = math.cos(angle), math.sin(angle)
    corners = []
    for along_x, along_y in ((-0.5, -0.5), (0.5, -0.5), (0.5, 0.5), (-0.5, 0.5)):
        u, v = along_x * width, along_y * height
        corners.append((x + cosine * u + sine * v, y - sine * u + cosine * v))
    return torch.tensor(corners, dtype=torch.float64)


def check_roi(roi: Tensor, size: Sequence[int]) -> None:
    """Raise a ValueError unless ``roi`` is finite, has an area, meets an image of ``size`` (H, W) and fits its size.

    The overlap is tested on the ROI's upright bounding box. Sides beyond
    :func:`~monai_acdr.plausibility.largest_region` come from a wrong scale, and would exhaust the memory.
    """
    x, y, width, height, angle = _numbers(roi)
    place = f"for an image of {size[0]} x {size[1]} (H x W)"
    if not all(math.isfinite(v) for v in (x, y, width, height, angle)):
        raise ValueError(
            f"Expected a finite ROI, but got {_text(roi)} {place}: check the box or contour it is made from."
        )
    if width <= 0 or height <= 0:
        raise ValueError(f"Expected a ROI of positive width and height, but got {_text(roi)} {place}: add a margin.")
    if max(width, height) > largest_region(size):
        raise ValueError(
            f"Expected a ROI with sides of at most {largest_region(size):g} pixels, but got {_text(roi)} {place}: "
            "check the box, or the pixel spacing that it comes from."
        )
    corners = roi_corners(roi)
    (left, top), (right, bottom) = corners.amin(0).tolist(), corners.amax(0).tolist()
    if right <= 0 or bottom <= 0 or left >= size[1] or top >= size[0]:
        raise ValueError(
            f"Expected a ROI that meets the image, but got {_text(roi)} {place}: give it in (x, y) = (column, row) "
            "pixels of this image, or move it with shift_roi_inside."
        )


def _roi(x: float, y: float, width: float, height: float, angle: float = 0.0) -> Tensor:
    return torch.tensor([x, y, width, height, angle], dtype=torch.float64)


def _numbers(roi: Tensor) -> tuple[float, float, float, float, float]:
    values = torch.as_tensor(roi).tolist()
    if not isinstance(values, list) or len(values) != 5 or isinstance(values[0], list):
        raise ValueError(
            f"Expected `roi` to be (5,) = (center_x, center_y, width, height, angle), but got {values}: "
            "make it with roi_from_box, roi_about_center or roi_about_vertices."
        )
    x, y, width, height, angle = values
    return x, y, width, height, angle


def _text(roi: Tensor) -> str:
    x, y, width, height, angle = _numbers(roi)
    return f"center ({x:g}, {y:g}), sides {width:g} x {height:g}, angle {math.degrees(angle):g} degrees"


def _clamp(center: float, reach: float, extent: float) -> float:
    return extent / 2 if 2 * reach > extent else min(max(center, reach), extent - reach)


def roi_window(roi: Tensor, size: Sequence[int], scale: float = 2.0) -> tuple[int, int, int, int]:
    """The whole pixels of an image that a scaled ROI meets.

    Args:
        roi: (5,) ROI in pixels.
        size: (H, W) of the image.
        scale: factor on the ROI's sides, about its center.

    Returns:
        (left, top, right, bottom), the last two exclusive, inside the image and never empty.

    Raises:
        ValueError: when the ROI does not meet the image.
    """
    check_roi(roi, size)
    corners = roi_corners(expand_roi(roi, scale))
    (left, top), (right, bottom) = corners.amin(0).tolist(), corners.amax(0).tolist()
    height, width = size
    return (
        max(math.floor(left), 0),
        max(math.floor(top), 0),
        min(math.ceil(right), width),
        min(math.ceil(bottom), height),
    )


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
    """Resample a crop back onto the image's grid; zero outside the ROI.

    Pixels on the ROI's border are weighted by their share inside it (``antialias``, where the crop is finer than the
    image), or belong to the ROI when their center does.

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
