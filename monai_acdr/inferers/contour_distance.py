# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Signed distances of points from a closed contour, and the nearest points of the contour."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

__all__ = ["NearestPoint", "nearest_on_contour"]


class NearestPoint(NamedTuple):
    """Nearest point of a contour (K, 2) to each of N points.

    Attributes:
        depth: (N,) distance in pixels, positive inside (winding number other than zero), negative outside.
        arc: (N,) length along the contour from its first vertex to the nearest point.
        foot: (N, 2) the nearest point.
    """

    depth: Tensor
    arc: Tensor
    foot: Tensor


def nearest_on_contour(vertices: Tensor, points: Tensor) -> NearestPoint:
    """Project points on the polygon ``vertices`` (K, 2), K >= 1, not closed explicitly.

    Args:
        vertices: (K, 2) floating.
        points: (N, 2) of the same dtype, N >= 0.
    """
    start, end = vertices, vertices.roll(-1, dims=0)
    edges = end - start
    squares = edges.square().sum(-1)
    offsets = points[:, None] - start
    fraction = (offsets * edges).sum(-1) / torch.where(squares > 0, squares, torch.ones_like(squares))
    fraction = fraction.clamp(0, 1)
    feet = start + fraction[..., None] * edges
    distance, nearest = torch.linalg.vector_norm(points[:, None] - feet, dim=-1).min(dim=1)
    rows = torch.arange(len(points), device=points.device)
    lengths = squares.sqrt()
    before = lengths.cumsum(0) - lengths
    arc = before[nearest] + fraction[rows, nearest] * lengths[nearest]
    depth = torch.where(_winding(start, end, points) != 0, distance, -distance)
    return NearestPoint(depth, arc, feet[rows, nearest])


def _winding(start: Tensor, end: Tensor, points: Tensor) -> Tensor:
    """Winding number (N,) of the edges about the points: signed crossings of a ray to the right."""
    y = points[:, None, 1]
    upward, downward = (start[:, 1] <= y) & (y < end[:, 1]), (end[:, 1] <= y) & (y < start[:, 1])
    offsets, edges = points[:, None] - start, end - start
    side = edges[:, 0] * offsets[..., 1] - edges[:, 1] * offsets[..., 0]
    return (upward & (side > 0)).sum(-1) - (downward & (side < 0)).sum(-1)
