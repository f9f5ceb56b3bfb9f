# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Contours drawn over an image, in the colours of the paper's figures.

The coordinate rule holds at every zoom: pixel (c, r) covers [c, c + 1) x [r, r + 1), so that at `scale` s the point
(x, y) lies at (x s, y s) of the picture, measured from the picture's upper left corner.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from PIL import Image

from monai_acdr.visualize.legend import draw_legend
from monai_acdr.visualize.windowing import PERCENTILES, window_image

__all__ = [
    "FINAL_COLOR",
    "INITIAL_COLOR",
    "REFERENCE_COLOR",
    "STRUCTURE_COLORS",
    "Color",
    "CropBox",
    "contour_crop_box",
    "draw_contours",
    "structure_color",
]

Color = tuple[int, int, int]
"""(red, green, blue), each 0 .. 255."""
CropBox = tuple[int, int, int, int]
"""(left, top, right, bottom) in pixels; right and bottom are not part of the box."""

INITIAL_COLOR: Color = (64, 128, 255)
"""Blue: the contour that the evolution starts from."""
FINAL_COLOR: Color = (255, 215, 0)
"""Yellow: the contour that the evolution ends with."""
REFERENCE_COLOR: Color = (0, 210, 70)
"""Green: the contour of the expert."""
STRUCTURE_COLORS: tuple[Color, ...] = (FINAL_COLOR, (255, 90, 190), (0, 215, 235), (255, 140, 30), (190, 140, 255))
"""Colors of the contours of several structures, from the innermost: yellow, pink, cyan, orange, violet."""


def structure_color(index: int) -> Color:
    """Color of the structure of that index, from 0; colors repeat after the last one."""
    return STRUCTURE_COLORS[index % len(STRUCTURE_COLORS)]


def draw_contours(
    image: Any,
    contours: Mapping[str, tuple[Any, Color]] | Sequence[tuple[Any, Color]],
    scale: int = 4,
    crop_box: CropBox | None = None,
    line_width: float = 2.0,
    percentiles: tuple[float, float] = PERCENTILES,
    smooth: bool = True,
    legend: bool = False,
) -> np.ndarray:
    """Draw closed contours over a grey image.

    Args:
        image: (H, W) or (1, H, W), array or tensor; shown between its `percentiles`, taken before cropping.
        contours: (vertices, color) pairs, drawn in order, or a mapping from their names to such pairs. Vertices are
            (K, 2) arrays or tensors, (x, y) in pixels of the whole image; they may lie outside of it. A list of them is
            drawn in one color, under one name.
        scale: picture pixels for one image pixel.
        crop_box: part of the image to show, (left, top, right, bottom); see `contour_crop_box`.
        line_width: in picture pixels.
        percentiles: see `window_image`.
        smooth: interpolate between pixels (bicubic); otherwise pixels are squares.
        legend: write the names of a mapping into the upper left corner, in their colours.

    Returns:
        (H * scale, W * scale, 3) uint8, H and W those of the crop box if there is one.

    Raises:
        ValueError: for a wrong shape, a contour that is not finite or has fewer than 2 vertices, a box outside the
            image, or a legend without names.
    """
    if isinstance(scale, bool) or int(scale) != scale or scale < 1:
        raise ValueError(f"Expected `scale` to be a positive whole number, but got {scale}.")
    if not line_width > 0:
        raise ValueError(f"Expected `line_width` to be positive, but got {line_width}.")
    if legend and not isinstance(contours, Mapping):
        raise ValueError("Expected `contours` to be a mapping from names to contours for a legend: pass a dict.")
    named = dict(contours) if isinstance(contours, Mapping) else {f"#{i}": pair for i, pair in enumerate(contours)}
    grey = window_image(image, percentiles)
    box = (0, 0, grey.shape[1], grey.shape[0]) if crop_box is None else _check_box(crop_box, grey.shape)
    picture = _enlarge(grey[box[1] : box[3], box[0] : box[2]], int(scale), smooth)
    for name, (vertices, color) in named.items():
        checked = _check_color(color, name)
        for one in vertices if _is_list_of_contours(vertices) else [vertices]:
            points = (_check_vertices(one, name) - np.array(box[:2])) * scale
            _blend_line(picture, points, checked, line_width)
    if legend:
        picture = draw_legend(picture, {name: color for name, (_, color) in named.items()})
    return np.round(picture).astype(np.uint8)


def contour_crop_box(vertices: Sequence[Any], size: tuple[int, int], margin: float = 8.0) -> CropBox:
    """Smallest box of whole pixels around contours, with a margin, inside the image: for `draw_contours(crop_box=)`.

    Args:
        vertices: one or more (K, 2) contours in pixels.
        size: (H, W) of the image.
        margin: in pixels, on each side.

    Raises:
        ValueError: when there is no contour or the box lies outside the image.
    """
    if len(vertices) == 0:
        raise ValueError("Expected at least one contour in `vertices`, but got none: omit the crop box.")
    points = np.concatenate([_check_vertices(contour, f"#{index}") for index, contour in enumerate(vertices)])
    left, top = (max(0, math.floor(value - margin)) for value in points.min(axis=0))
    right = min(size[1], math.ceil(points[:, 0].max() + margin))
    bottom = min(size[0], math.ceil(points[:, 1].max() + margin))
    return _check_box((left, top, right, bottom), size)


def _enlarge(grey: np.ndarray, scale: int, smooth: bool) -> np.ndarray:
    """(h, w) uint8 to a float32 (h * scale, w * scale, 3) picture."""
    size = (grey.shape[1] * scale, grey.shape[0] * scale)
    method = Image.Resampling.BICUBIC if smooth else Image.Resampling.NEAREST
    enlarged = np.asarray(Image.fromarray(grey).resize(size, method), dtype=np.float32)
    return np.repeat(enlarged[:, :, None], 3, axis=2)


def _blend_line(picture: np.ndarray, points: np.ndarray, color: Color, line_width: float) -> None:
    """Draw the closed line through `points` (K, 2), in picture pixels, into `picture`, in place."""
    coverage = np.zeros(picture.shape[:2], dtype=np.float32)
    for start, end in zip(points, np.roll(points, -1, axis=0), strict=True):
        _cover_segment(coverage, start, end, line_width / 2)
    picture += coverage[:, :, None] * (np.array(color, dtype=np.float32) - picture)


def _cover_segment(coverage: np.ndarray, start: np.ndarray, end: np.ndarray, half_width: float) -> None:
    """Raise `coverage` (h, w) to the share of each pixel that a segment with round ends covers, in place.

    The share is read off the distance of the pixel's center: exact for horizontal and vertical lines, at any
    position below a pixel, which Pillow's lines are not.
    """
    reach = half_width + 0.5
    height, width = coverage.shape
    left, top = (int(value) for value in np.clip(np.floor(np.minimum(start, end) - reach), 0, (width, height)))
    right, bottom = (int(value) for value in np.clip(np.ceil(np.maximum(start, end) + reach), 0, (width, height)))
    if left >= right or top >= bottom:
        return
    x = np.arange(left, right) + 0.5 - start[0]
    y = (np.arange(top, bottom) + 0.5 - start[1])[:, None]
    across, down = end - start
    length = max(across**2 + down**2, np.finfo(np.float64).tiny)
    along = np.clip((x * across + y * down) / length, 0, 1)
    distance = np.hypot(x - along * across, y - along * down)
    part = coverage[top:bottom, left:right]
    np.maximum(part, np.clip(reach - distance, 0, 1), out=part)


def _is_list_of_contours(vertices: Any) -> bool:
    return isinstance(vertices, (list, tuple)) and len(vertices) > 0 and np.ndim(vertices[0]) == 2


def _check_vertices(vertices: Any, name: str) -> np.ndarray:
    if hasattr(vertices, "detach"):
        vertices = vertices.detach().cpu()
    points = np.asarray(vertices, dtype=np.float64)
    if points.ndim != 2 or points.shape[1] != 2 or points.shape[0] < 2:
        raise ValueError(
            f"Expected the vertices of contour {name} to be (K >= 2, 2), but got {points.shape}: "
            "draw one contour at a time."
        )
    if not np.isfinite(points).all():
        raise ValueError(f"Expected finite vertices of contour {name}, but got NaN or infinity: leave it out.")
    return points


def _check_color(color: Sequence[int], name: str) -> Color:
    if len(color) != 3 or not all(0 <= value <= 255 for value in color):
        raise ValueError(f"Expected the color of contour {name} to be three numbers 0 .. 255, but got {tuple(color)}.")
    return (int(color[0]), int(color[1]), int(color[2]))


def _check_box(box: Sequence[int], size: tuple[int, ...]) -> CropBox:
    left, top, right, bottom = (int(value) for value in box)
    if not (0 <= left < right <= size[1] and 0 <= top < bottom <= size[0]):
        raise ValueError(
            f"Expected the crop box (left, top, right, bottom) to lie inside an image of size {tuple(size)}, (H, W), "
            f"but got {tuple(box)}."
        )
    return (left, top, right, bottom)
