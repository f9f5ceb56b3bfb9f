# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""The contours of one structure on one image as rings: which of them is a hole, and how they make one mask.

A mask is drawn ring by ring: a ring adds what it covers, a hole removes it. An island within a hole is a ring that
comes after the hole. Files of others do not flag holes; PS3.3 C.8.8.6.3 has two ways, and practice a third:

- keyhole: one CLOSED_PLANAR contour that runs along a channel to the hole, around it, and back. A channel without
  width is cut here, so that both parts become rings.
- XOR: all contours of the slice are CLOSEDPLANAR_XOR.
- nested CLOSED_PLANAR contours of one ROI: a contour within another one is a hole.

Contours beside each other, or that overlap, are united, unless they are CLOSEDPLANAR_XOR.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from monai_acdr.geometry import signed_area
from monai_acdr.networks.layers.rasterizer import rasterize_polygons
from monai_acdr.read_budget import check_pixels

__all__ = ["MAX_RINGS", "find_holes", "join_keyholes", "rasterize_rings", "split_keyholes"]

MAX_RINGS = 1_000
"""Contours of one structure on one image; more are refused."""

SAME_VERTEX = 1e-3
"""Vertices that are as near, in pixels, are the same one, where contours are compared."""

HOLE_SHARE = 0.9
"""Share of a contour that lies within those around it, for it to be a hole; the rest is how exactly people draw."""

XOR_SHARE = 0.02
"""Share of a CLOSEDPLANAR_XOR contour that may lie on the other side of those around it: rounding, no crossing."""


def find_holes(
    rings: Sequence[np.ndarray], size: tuple[int, int], exclusive: bool = False
) -> tuple[tuple[np.ndarray, ...], tuple[bool, ...]]:
    """Put rings into the order in which they are drawn, largest first, and find out which are holes.

    Args:
        rings: polygons (K, 2) in pixels.
        size: (H, W) of the image; what lies outside of it does not count.
        exclusive: combine them by exclusive disjunction (CLOSEDPLANAR_XOR), where copies cancel each other out;
            otherwise a copy of a contour is left out.

    Returns:
        Rings, and for each whether it is a hole.

    Raises:
        ValueError: when there are too many of them, or when exclusive ones cross each other.
    """
    if len(rings) > MAX_RINGS:
        raise ValueError(f"Expected at most {MAX_RINGS} contours of a structure on one image, but got {len(rings)}.")
    different = _without_copies(rings, exclusive)
    order = sorted(different, key=lambda ring: -abs(_area(ring)))
    if len(order) < 2:
        return tuple(order), (False,) * len(order)
    check_pixels("an image with contours", size)
    painted, holes = np.zeros(size, dtype=np.float32), []
    for ring in order:
        window, coverage = _coverage(ring, size)
        below = painted[window]
        hole = _is_hole(coverage, below, exclusive)
        painted[window] = _painted(below, coverage, hole)
        holes.append(hole)
    return tuple(order), tuple(holes)


def rasterize_rings(rings: Sequence[np.ndarray], holes: Sequence[bool], size: tuple[int, int]) -> np.ndarray:
    """Draw rings in their order: (H, W) float32, the exact covered share of each pixel.

    Args:
        rings: polygons (K, 2) in pixels.
        holes: for each ring whether it removes what it covers; empty when none does.
        size: (H, W).

    Raises:
        ValueError: when the image is larger than the budget of memory.
    """
    check_pixels(f"a mask of {size[0]} x {size[1]} pixels", size)
    mask = np.zeros(size, dtype=np.float32)
    for ring, hole in zip(rings, holes or (False,) * len(rings), strict=True):
        window, coverage = _coverage(ring, size)
        mask[window] = _painted(mask[window], coverage, hole)
    return mask


def split_keyholes(vertices: np.ndarray) -> list[np.ndarray]:
    """Cut a polygon (K, 2) at its channels without width, edges that it runs along in both directions.

    Returns:
        Rings, without the channels; the polygon itself when it has none.
    """
    cells = np.round(vertices / SAME_VERTEX).astype(np.int64)
    if len(np.unique(cells[:, 0] * (1 << 32) + cells[:, 1])) == len(cells):
        return [vertices]  # most polygons: a channel visits vertices twice
    keys = [tuple(key) for key in cells.tolist()]
    stack: list[int] = []
    last: dict[tuple[tuple[int, ...], tuple[int, ...]], int] = {}
    rings: list[list[int]] = []
    for index in (*range(len(keys)), 0):  # closed: the last edge leads back to the first vertex
        stack.append(index)
        while len(stack) > 1:
            start, end = keys[stack[-2]], keys[stack[-1]]
            place = last.get((end, start))
            if start == end or place is None or place + 1 >= len(stack) - 1:
                break
            rings.append(stack[place + 1 : -1])  # from the far end of the channel around to its far end again
            for position in range(place, len(stack) - 1):
                last.pop((keys[stack[position]], keys[stack[position + 1]]), None)
            del stack[place + 1 :]
        if len(stack) > 1:
            last[keys[stack[-2]], keys[stack[-1]]] = len(stack) - 2
    rings.append(stack)
    if len(rings) == 1:
        return [vertices]
    cut = [_distinct(ring, keys) for ring in rings]
    return [vertices[ring] for ring in cut if len(ring) >= 3] or [vertices]


def join_keyholes(rings: Sequence[np.ndarray], holes: Sequence[bool]) -> list[np.ndarray]:
    """Polygons whose holes are part of them, by channels without width (PS3.3 C.8.8.6.3).

    Args:
        rings: in the order in which they are drawn.
        holes: for each ring whether it is a hole.

    Returns:
        A polygon (K, 2) for each ring that is not a hole; the holes, which turn the other way, are joined to the
        smallest ring before them that has their first vertex within it.
    """
    if not any(holes):
        return list(rings)
    outer: list[tuple[np.ndarray, list[np.ndarray]]] = []
    for ring, hole in zip(rings, holes, strict=True):
        turned = ring if (_area(ring) > 0) != hole else ring[::-1].copy()
        if not hole:
            outer.append((turned, []))
            continue
        around = [entry for entry in outer if _holds(entry[0], turned[0])] or outer
        if around:
            around[-1][1].append(turned)
    return [_joined(ring, inner) for ring, inner in outer]


def _area(ring: np.ndarray) -> float:
    return float(signed_area(torch.from_numpy(np.ascontiguousarray(ring))))


def _without_copies(rings: Sequence[np.ndarray], exclusive: bool) -> list[np.ndarray]:
    counted: dict[bytes, list[np.ndarray]] = {}
    for ring in rings:
        keys = np.round(ring / SAME_VERTEX).astype(np.int64)
        counted.setdefault(keys[np.lexsort(keys.T)].tobytes(), []).append(ring)
    return [copies[0] for copies in counted.values() if not exclusive or len(copies) % 2]


def _coverage(ring: np.ndarray, size: tuple[int, int]) -> tuple[tuple[slice, slice], np.ndarray]:
    """The part of the image that a ring can cover, and its coverage there, float32."""
    low = np.clip(np.floor(ring.min(0)), 0, size[::-1]).astype(int)
    high = np.clip(np.ceil(ring.max(0)), 0, size[::-1]).astype(int)
    (left, top), (width, height) = low, np.maximum(high - low, 0)
    window = slice(top, top + height), slice(left, left + width)
    if not width or not height:
        return window, np.zeros((height, width), dtype=np.float32)
    polygon = torch.from_numpy(np.ascontiguousarray(ring - low))[None]
    return window, rasterize_polygons(polygon, (int(height), int(width)))[0, 0].numpy().astype(np.float32)


def _painted(below: np.ndarray, coverage: np.ndarray, hole: bool) -> np.ndarray:
    return np.maximum(below - coverage, 0) if hole else np.minimum(below + coverage, 1)


def _is_hole(coverage: np.ndarray, below: np.ndarray, exclusive: bool) -> bool:
    """Whether a ring lies within what is drawn already; shares of pixels tell the least and the most of it."""
    total = float(coverage.sum())
    if total <= 0:
        return False
    most, least = float(np.minimum(coverage, below).sum()), float(np.maximum(coverage + below - 1, 0).sum())
    if not exclusive:
        return most >= HOLE_SHARE * total
    if most >= (1 - XOR_SHARE) * total:
        return True
    if least > XOR_SHARE * total:
        raise ValueError(
            "Expected CLOSEDPLANAR_XOR contours within or beside each other, but two cross: unite them where they were "
            "drawn."
        )
    return False


def _distinct(ring: list[int], keys: list[tuple[int, ...]]) -> list[int]:
    """Without repeated vertices, the last of which is the first again."""
    return [index for position, index in enumerate(ring) if keys[index] != keys[ring[position - 1]]]


def _holds(ring: np.ndarray, point: np.ndarray) -> bool:
    """Whether a point (2,) lies within a ring, by the crossings of a ray."""
    (x, y), following = point, np.roll(ring, -1, axis=0)
    crosses = (ring[:, 1] > y) != (following[:, 1] > y)
    start, end = ring[crosses], following[crosses]
    place = start[:, 0] + (y - start[:, 1]) / (end[:, 1] - start[:, 1]) * (end[:, 0] - start[:, 0])
    return bool(np.count_nonzero(place > x) % 2)


def _joined(ring: np.ndarray, inner: Sequence[np.ndarray]) -> np.ndarray:
    """A ring with channels to rings within it, each from the nearest of its own vertices."""
    channels: dict[int, list[np.ndarray]] = {}
    for hole in inner:
        start = int(np.argmin(((ring - hole[0]) ** 2).sum(1)))
        channels.setdefault(start, []).append(hole)
    parts: list[np.ndarray] = []
    for index in range(len(ring)):
        parts.append(ring[index : index + 1])
        for hole in channels.get(index, ()):
            parts += [hole, hole[:1], ring[index : index + 1]]
    return np.concatenate(parts)
