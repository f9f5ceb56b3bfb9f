# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Polygons cut off at the image's border: image coordinates in reports cannot be negative (PS3.3 C.18.6)."""

from __future__ import annotations

import numpy as np

__all__ = ["clip_polygon"]


def clip_polygon(vertices: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """The part of a polygon (K, 2) within [0, W] x [0, H], by Sutherland and Hodgman (1974).

    Where a concave polygon falls into pieces, the pieces stay joined along the border. A polygon within the image is
    returned as it is, one outside of it as (0, 2).
    """
    height, width = size
    if vertices.min() >= 0 and np.all(vertices <= [width, height]):
        return vertices
    for axis, limit in ((0, width), (1, height)):
        vertices = _cut(vertices, axis, 0.0, 1.0)
        vertices = _cut(vertices, axis, float(limit), -1.0)
    return vertices


def _cut(vertices: np.ndarray, axis: int, limit: float, sign: float) -> np.ndarray:
    """Keep where ``sign * (coordinate - limit) >= 0``."""
    kept: list[np.ndarray] = []
    inside = sign * (vertices[:, axis] - limit) >= 0 if len(vertices) else np.zeros(0, dtype=bool)
    for index, vertex in enumerate(vertices):
        previous = vertices[index - 1]
        if inside[index] != inside[index - 1]:
            share = (limit - previous[axis]) / (vertex[axis] - previous[axis])
            crossing = previous + share * (vertex - previous)
            crossing[axis] = limit  # not a rounding error beyond it
            kept.append(crossing)
        if inside[index]:
            kept.append(vertex)
    return np.array(kept).reshape(-1, 2)
