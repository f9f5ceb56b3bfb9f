# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""The part of an outline that lies in its image."""

from __future__ import annotations

import numpy as np

__all__ = ["clip_to_image", "open_outline"]


def open_outline(vertices: np.ndarray) -> np.ndarray:
    """Drop points that repeat the one before, the last one as well where it repeats the first: (N, 2) to (M, 2)."""
    if len(vertices) < 2:
        return vertices
    repeated = np.all(vertices == np.roll(vertices, 1, axis=0), axis=1)
    if repeated.all():
        return vertices[:1]
    # Of a closed outline the last point goes, not the first.
    if repeated[0]:
        repeated[0], repeated[-1] = False, True
    return vertices[~repeated]


def clip_to_image(vertices: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Cut a closed polygon off at the image's border, [0, W] x [0, H] (Sutherland and Hodgman 1974).

    The mask within the image is exactly that of the whole polygon. One that leaves the image and comes back gets
    vertices along the border in between.

    Args:
        vertices: (N, 2) points (x, y) in pixels, not closed.
        size: (H, W) of the image.

    Returns:
        (M, 2); the same array when nothing lies outside, (0, 2) when everything does.
    """
    limit = np.array([size[1], size[0]], dtype=np.float64)
    if len(vertices) == 0 or (np.all(vertices >= 0) and np.all(vertices <= limit)):
        return vertices
    for axis in (0, 1):
        for border, sign in ((0.0, 1.0), (limit[axis], -1.0)):
            vertices = _cut(vertices, axis, border, sign)
    return open_outline(vertices)


def _cut(vertices: np.ndarray, axis: int, border: float, sign: float) -> np.ndarray:
    """Keep the half plane sign * (coordinate - border) >= 0."""
    if len(vertices) == 0:
        return vertices
    kept = []
    depths = sign * (vertices[:, axis] - border)
    for point, depth, before, depth_before in zip(
        vertices, depths, np.roll(vertices, 1, axis=0), np.roll(depths, 1), strict=True
    ):
        if (depth >= 0) != (depth_before >= 0):
            crossing = before + (point - before) * (depth_before / (depth_before - depth))
            crossing[axis] = border
            kept.append(crossing)
        if depth >= 0:
            kept.append(point)
    return np.array(kept).reshape(-1, 2)
