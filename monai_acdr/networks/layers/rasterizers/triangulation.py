# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Triangles over the vertices of a contour: what the paper's renderer draws (L in Algorithm 1).

The faces are found once, for the initial contour, and stay fixed while its vertices move: a contour that has evolved
far is drawn as moved triangles, which may overlap or reach outside the polygon.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import torch
from scipy.spatial import Delaunay, QhullError
from torch import Tensor

from monai_acdr.geometry import check_vertices, circle

__all__ = ["circle_faces", "delaunay_faces"]

_CIRCLE_RADIUS = 2**20
"""Vertices of a circle of this radius are rounded to integers: the same faces on every machine."""


def delaunay_faces(vertices: Tensor) -> Tensor:
    """Delaunay triangulation of the vertices of one contour.

    The triangles cover the convex hull of the vertices, whatever the order of the contour. They are meant to be kept
    while the contour evolves: see the note at the top of this module.

    Args:
        vertices: (K, 2) initial contour in any unit. Vertices may repeat; all but the first of equal ones are unused.

    Returns:
        (M, 3) int64 vertex indices on the device of ``vertices``, each triangle of positive
        :func:`~monai_acdr.geometry.signed_area`; (0, 3) if there are fewer than three distinct vertices, or if all lie
        on a line.

    Raises:
        ValueError: if ``vertices`` are not (K, 2), or not finite.

    Example:
        >>> delaunay_faces(torch.tensor([[0.0, 0.0], [4.0, 0.0], [0.0, 3.0]])).sort().values
        tensor([[0, 1, 2]])
    """
    check_vertices(vertices, minimum=1)
    if vertices.ndim != 2:
        raise ValueError(f"Expected `vertices` of one contour, (K, 2), but got {tuple(vertices.shape)}.")
    points = vertices.detach().to("cpu", torch.float64).numpy()
    if not np.isfinite(points).all():
        raise ValueError("Expected finite `vertices`, but got NaN or Inf: triangulate the contour before it evolves.")
    return torch.from_numpy(_triangulate(points)).to(vertices.device)


@lru_cache(maxsize=64)
def circle_faces(num_vertices: int) -> Tensor:
    """Delaunay triangulation (max(K - 2, 0), 3) int64, on the CPU, of K vertices equally spaced on a circle.

    This is what the paper starts from. Any triangulation of a circle's vertices is a Delaunay triangulation; which
    one comes out here depends on K alone. Do not change the result in place: it is kept and given out again.
    """
    if num_vertices < 3:
        return torch.zeros(0, 3, dtype=torch.int64)
    return delaunay_faces(circle(torch.zeros(2, dtype=torch.float64), _CIRCLE_RADIUS, num_vertices).round())


def _triangulate(points: np.ndarray) -> np.ndarray:
    points = points - points.mean(0)  # a small contour far from the origin is not a point
    distinct, first = np.unique(points, axis=0, return_index=True)
    if len(distinct) < 3:
        return np.zeros((0, 3), dtype=np.int64)
    try:
        faces = Delaunay(distinct).simplices.astype(np.int64)
    except QhullError:  # all on a line
        return np.zeros((0, 3), dtype=np.int64)
    corners = distinct[faces]
    edges = corners[:, 1:] - corners[:, :1]
    doubled_area = edges[:, 0, 0] * edges[:, 1, 1] - edges[:, 0, 1] * edges[:, 1, 0]
    faces = np.where(doubled_area[:, None] < 0, faces[:, ::-1], faces)
    return np.ascontiguousarray(first[faces[doubled_area != 0]])
