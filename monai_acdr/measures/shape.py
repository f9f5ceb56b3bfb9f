# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Area, perimeter, diameters and circularity of a contour, in millimeters.

The definitions are those of DICOM's planar measurements (PS3.16, TID 1410 and TID 1419): "Long Axis" is the longest
distance between two points of the contour, "Short Axis" the longest line perpendicular to it. As radiologists draw it
for RECIST and WHO, the short axis stays inside the lesion: it is a chord of the polygon, not the polygon's width.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from scipy.spatial import ConvexHull, QhullError
from torch import Tensor

from monai_acdr.geometry import is_simple, signed_area

__all__ = ["ShapeMeasures", "check_contour", "check_pixel_spacing", "measure_shape", "solidity"]

Segment = tuple[tuple[float, float], tuple[float, float]]
"""Two points (x, y)."""

MAX_CHECKED_VERTICES = 1000
"""Contours of more vertices are not checked for crossings, whose cost grows with the square."""
TIE_TOLERANCE = 1e-9
"""Diameters that differ by less than this share of the longest are equally long."""
MAX_TIES = 16
"""Number of equally long diameters that are compared by their perpendiculars: a regular polygon has very many."""
CHUNK = 256
"""Rows of a pairwise table that are in memory at once."""


@dataclass(frozen=True)
class ShapeMeasures:
    """Measures of one contour.

    Attributes:
        area_mm2: enclosed area (shoelace formula; where the contour crosses itself, lobes count by their winding).
        perimeter_mm: length of the closed contour.
        longest_diameter_mm: longest distance between two vertices; it may leave a contour that is not convex.
        longest_diameter_ends_px: its end points (x, y) in pixels.
        perpendicular_diameter_mm: longest chord inside the contour at a right angle (in mm) to the longest diameter.
        perpendicular_diameter_ends_px: its end points (x, y) in pixels.
        circularity: 4 pi area / perimeter^2, 1 for a circle; 0 for a contour without extent.
        self_crossing: whether the contour crosses or touches itself; None where it has too many vertices to check.
    """

    area_mm2: float
    perimeter_mm: float
    longest_diameter_mm: float
    longest_diameter_ends_px: Segment
    perpendicular_diameter_mm: float
    perpendicular_diameter_ends_px: Segment
    circularity: float
    self_crossing: bool | None

    def as_dict(self) -> dict[str, Any]:
        """The measures by name, ready for JSON."""
        return dataclasses.asdict(self)


def measure_shape(vertices: Any, spacing: Sequence[float] | Tensor | np.ndarray) -> ShapeMeasures:
    """Measure one contour.

    Args:
        vertices: (K, 2) points (x, y) in pixels, array or tensor, K >= 3, not closed; the order may go either way.
        spacing: (between rows, between columns) in mm, as :func:`~monai_acdr.geometry.pixel_spacing` and PixelSpacing
            give it; the two may differ.

    Returns:
        The measures. A contour without area is measured too: its area and circularity are 0.

    Raises:
        ValueError: for another shape, vertices that are not finite, or a spacing that is not positive.
    """
    points, scale = check_contour(vertices), check_pixel_spacing(spacing)
    # From the first vertex: far from the origin the shoelace formula would lose its digits.
    origin = points[0]
    local = (points - origin) * scale
    following = np.roll(local, -1, axis=0)
    area = 0.5 * abs(float(np.sum(local[:, 0] * following[:, 1] - local[:, 1] * following[:, 0])))
    perimeter = float(np.hypot(*(following - local).T).sum())
    long_axis, short_axis = _axes(local)
    return ShapeMeasures(
        area_mm2=area,
        perimeter_mm=perimeter,
        longest_diameter_mm=_length(long_axis),
        longest_diameter_ends_px=_to_pixels(long_axis, scale, origin),
        perpendicular_diameter_mm=_length(short_axis),
        perpendicular_diameter_ends_px=_to_pixels(short_axis, scale, origin),
        circularity=4 * math.pi * area / perimeter**2 if perimeter > 0 else 0.0,
        self_crossing=_crosses_itself(local),
    )


def solidity(vertices: Any) -> float:
    """Area inside a contour over that of its convex hull: 1 for a convex contour, less the more it is dented.

    Args:
        vertices: (K, 2) points (x, y), array or tensor, K >= 3, not closed.

    Returns:
        The ratio, above 0 and at most 1; NaN where the vertices lie on a line.

    Raises:
        ValueError: for another shape, or vertices that are not finite.
    """
    points = check_contour(vertices)
    try:
        hull = ConvexHull(points).volume  # in two dimensions the area
    except QhullError:
        return math.nan
    return min(float(signed_area(torch.from_numpy(points)).abs()) / hull, 1.0)


def _axes(points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Longest diameter and longest chord perpendicular to it, each (2, 2); of equal diameters the widest counts."""
    best: tuple[np.ndarray, np.ndarray] | None = None
    for first, second in _longest_pairs(points):
        long_axis = points[[first, second]]
        short_axis = _longest_perpendicular(points, long_axis)
        if best is None or _length(short_axis) > _length(best[1]):
            best = long_axis, short_axis
    assert best is not None
    return best


def _longest_pairs(points: np.ndarray) -> list[tuple[int, int]]:
    """Indices of the two vertices that lie farthest apart; several pairs where they are equally far."""
    longest, pairs = -1.0, np.zeros((0, 2), dtype=np.int64)
    for start in range(0, len(points), CHUNK):
        squared = ((points[start : start + CHUNK, None] - points[None]) ** 2).sum(axis=-1)
        longest = max(longest, float(squared.max()))
        found = np.argwhere(squared >= longest * (1 - 2 * TIE_TOLERANCE)) + [start, 0]
        pairs = np.concatenate([pairs, found[found[:, 0] <= found[:, 1]]])
    distances = ((points[pairs[:, 0]] - points[pairs[:, 1]]) ** 2).sum(axis=-1)
    pairs = pairs[distances >= longest * (1 - 2 * TIE_TOLERANCE)]
    return [(int(first), int(second)) for first, second in pairs[:MAX_TIES]]


def _longest_perpendicular(points: np.ndarray, long_axis: np.ndarray) -> np.ndarray:
    """Longest chord inside the polygon (K, 2) at a right angle to `long_axis` (2, 2): its ends, (2, 2).

    In the frame of the long axis (along, across), the vertices cut the polygon into slabs in which the chords' ends
    move along straight edges. A chord's length is linear there, so that the longest one ends a slab.
    """
    length = _length(long_axis)
    if length == 0:
        return long_axis
    direction = (long_axis[1] - long_axis[0]) / length
    frame = np.stack([direction, [-direction[1], direction[0]]])
    turned = points @ frame.T
    levels = np.unique(turned[:, 0])
    best, ends = -1.0, np.repeat(turned[:1], 2, axis=0)
    for start in range(0, len(levels) - 1, CHUNK):
        low, high = levels[:-1][start : start + CHUNK], levels[1:][start : start + CHUNK]
        for along in (low, high):
            chords = _longest_chords(turned, low, high, along)
            widest = int((chords[:, 1] - chords[:, 0]).argmax())
            width = float(chords[widest, 1] - chords[widest, 0])
            if width > best:
                best, ends = width, np.array([[along[widest], across] for across in chords[widest]])
    return ends @ frame


def _longest_chords(points: np.ndarray, low: np.ndarray, high: np.ndarray, along: np.ndarray) -> np.ndarray:
    """Longest inner chord of each slab [low, high] at one of its ends, `along`: (slabs, 2) ends across.

    The polygon is filled by the nonzero rule, as its mask is.
    """
    following = np.roll(points, -1, axis=0)
    start, end = np.minimum(points[:, 0], following[:, 0]), np.maximum(points[:, 0], following[:, 0])
    crossing = (start <= low[:, None]) & (end >= high[:, None])
    run = following[:, 0] - points[:, 0]
    safe = np.where(run == 0, 1.0, run)

    def across(level: np.ndarray) -> np.ndarray:
        share = np.clip((level[:, None] - points[:, 0]) / safe, 0, 1)
        value = points[:, 1] * (1 - share) + following[:, 1] * share
        return np.where(crossing, value, np.inf)

    at_end = across(along)
    # Edges that meet at the end are ordered by the middle of the slab.
    order = np.lexsort((across((low + high) / 2), at_end), axis=-1)
    ends = np.take_along_axis(at_end, order, axis=1)
    winding = np.cumsum(np.take_along_axis(np.where(crossing, np.sign(run), 0.0), order, axis=1), axis=1)
    before = np.concatenate([np.zeros((len(low), 1)), winding[:, :-1]], axis=1)
    entered = np.maximum.accumulate(np.where((before == 0) & (winding != 0), ends, -np.inf), axis=1)
    leaves = (before != 0) & (winding == 0) & np.isfinite(ends)
    widths = np.full(ends.shape, -np.inf)
    np.subtract(ends, entered, out=widths, where=leaves)
    last = widths.argmax(axis=1)[:, None]
    return np.concatenate([np.take_along_axis(entered, last, 1), np.take_along_axis(ends, last, 1)], axis=1)


def _length(segment: np.ndarray) -> float:
    return float(np.hypot(*(segment[1] - segment[0])))


def _to_pixels(segment: np.ndarray, scale: np.ndarray, origin: np.ndarray) -> Segment:
    (x0, y0), (x1, y1) = (segment / scale + origin).tolist()
    return (x0, y0), (x1, y1)


def _crosses_itself(points: np.ndarray) -> bool | None:
    if len(points) > MAX_CHECKED_VERTICES:
        return None
    return not bool(is_simple(torch.from_numpy(points)))


def check_contour(vertices: Any) -> np.ndarray:
    """One contour as contiguous (K, 2) float64; a ValueError for another shape, and vertices that are not finite."""
    if hasattr(vertices, "detach"):
        vertices = vertices.detach().cpu()
    points = np.ascontiguousarray(vertices, dtype=np.float64)  # torch takes no negative strides
    if points.ndim != 2 or points.shape[1] != 2 or points.shape[0] < 3:
        raise ValueError(
            f"Expected `vertices` to be (K >= 3, 2), but got {points.shape}: measure one contour at a time."
        )
    if not np.isfinite(points).all():
        raise ValueError("Expected finite `vertices`, but got NaN or infinity: leave this contour out.")
    return points


def check_pixel_spacing(spacing: Any) -> np.ndarray:
    """Spacing (row, column) to the scale of (x, y), mm per pixel, (2,)."""
    if hasattr(spacing, "detach"):
        spacing = spacing.detach().cpu()
    values = np.asarray(spacing, dtype=np.float64)
    if values.shape != (2,) or not np.isfinite(values).all() or not (values > 0).all():
        raise ValueError(
            "Expected `spacing` to be two positive numbers, mm between rows and mm between columns, but got "
            f"{values.tolist()}: see pixel_spacing()."
        )
    return values[::-1].copy()
