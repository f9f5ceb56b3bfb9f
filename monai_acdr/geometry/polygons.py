# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Closed polygons as tensors of vertices (..., K, 2): making, measuring and resampling them.

Coordinates follow :mod:`monai_acdr.geometry.coordinates`. A polygon is not closed explicitly: its last vertex is
joined to its first. Everything is batched over leading dimensions and differentiable where it can be. Half precision is
lifted to float32 first.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from monai_acdr.geometry.coordinates import at_least_float32

__all__ = [
    "bounding_box",
    "centroid",
    "check_vertices",
    "circle",
    "ellipse",
    "is_simple",
    "keep_open",
    "offset_contour",
    "perimeter",
    "resample",
    "signed_area",
]

COLLAPSED_SHARE = 0.25
"""Smallest share of the area that a step after the first may leave without being a collapse: see :func:`keep_open`."""


def check_vertices(vertices: Tensor, minimum: int = 3) -> None:
    """Raise a ValueError unless ``vertices`` is a floating (..., K, 2) tensor with K >= ``minimum``."""
    if vertices.ndim < 2 or vertices.shape[-1] != 2 or vertices.shape[-2] < minimum:
        raise ValueError(f"Expected `vertices` to be (..., K >= {minimum}, 2), but got {tuple(vertices.shape)}.")
    if not vertices.is_floating_point():
        raise ValueError(f"Expected `vertices` to be floating point, but got {vertices.dtype}: use .float().")


def ellipse(center: Tensor, radii: Tensor, num_vertices: int) -> Tensor:
    """Points on axis-parallel ellipses, equally spaced in the angle.

    Args:
        center: (..., 2) centers (x, y) in pixels.
        radii: (..., 2) half axes along x and y in pixels.
        num_vertices: K, at least 3.

    Returns:
        (..., K, 2) vertices; the first lies on the positive x-axis, the next ones toward positive y, so that
        :func:`signed_area` is positive.
    """
    if num_vertices < 3:
        raise ValueError(f"Expected `num_vertices` to be at least 3, but got {num_vertices}.")
    center, radii = at_least_float32(center), at_least_float32(radii)
    angles = torch.arange(num_vertices, dtype=center.dtype, device=center.device) * (2 * math.pi / num_vertices)
    directions = torch.stack([torch.cos(angles), torch.sin(angles)], dim=-1)
    return center[..., None, :] + radii[..., None, :] * directions


def circle(center: Tensor, radius: Tensor | float, num_vertices: int) -> Tensor:
    """Regular polygons: (..., 2) centers and (...) radii in pixels to (..., K, 2) vertices. See :func:`ellipse`."""
    center = at_least_float32(center)
    radii = torch.as_tensor(radius, dtype=center.dtype, device=center.device)[..., None].expand_as(center)
    return ellipse(center, radii, num_vertices)


def signed_area(vertices: Tensor) -> Tensor:
    """Shoelace area (...) in square pixels of (..., K, 2); positive where the contour turns from +x toward +y.

    With y pointing down, as in images, positive is clockwise to the eye.
    """
    check_vertices(vertices, minimum=1)
    vertices = at_least_float32(vertices)
    local = vertices - vertices[..., :1, :]  # keeps float32 exact enough far from the origin
    following = torch.roll(local, -1, dims=-2)
    return 0.5 * (local[..., 0] * following[..., 1] - local[..., 1] * following[..., 0]).sum(-1)


def perimeter(vertices: Tensor) -> Tensor:
    """Length (...) in pixels of the closed polygons (..., K, 2)."""
    check_vertices(vertices, minimum=1)
    vertices = at_least_float32(vertices)
    return torch.linalg.vector_norm(torch.roll(vertices, -1, dims=-2) - vertices, dim=-1).sum(-1)


def centroid(vertices: Tensor) -> Tensor:
    """Center of gravity (..., 2) of the enclosed area; the mean of the vertices where that area is zero."""
    check_vertices(vertices, minimum=1)
    vertices = at_least_float32(vertices)
    mean = vertices.mean(-2, keepdim=True)
    local = vertices - mean
    following = torch.roll(local, -1, dims=-2)
    cross = local[..., 0] * following[..., 1] - local[..., 1] * following[..., 0]
    doubled_area = cross.sum(-1, keepdim=True)
    moment = ((local + following) * cross[..., None]).sum(-2)
    flat = doubled_area.abs() <= torch.finfo(vertices.dtype).eps * local.square().sum((-2, -1))[..., None]
    offset = moment / (3 * torch.where(flat, torch.ones_like(doubled_area), doubled_area))
    return mean[..., 0, :] + torch.where(flat, torch.zeros_like(offset), offset)


def bounding_box(vertices: Tensor) -> Tensor:
    """(..., 4) boxes (x0, y0, x1, y1) in pixels of (..., K, 2)."""
    check_vertices(vertices, minimum=1)
    vertices = at_least_float32(vertices)
    return torch.cat([vertices.amin(-2), vertices.amax(-2)], dim=-1)


def resample(vertices: Tensor, num_vertices: int) -> Tensor:
    """Place ``num_vertices`` points at equal arc length along closed polygons, starting at the first vertex.

    Args:
        vertices: (..., K, 2) polygons, K >= 1.
        num_vertices: number of points of the result, at least 1.

    Returns:
        (..., num_vertices, 2), of the dtype of ``vertices``; differentiable. A polygon of zero length is repeated.
    """
    check_vertices(vertices, minimum=1)
    if num_vertices < 1:
        raise ValueError(f"Expected `num_vertices` to be at least 1, but got {num_vertices}.")
    vertices = at_least_float32(vertices)
    closed = torch.cat([vertices, vertices[..., :1, :]], dim=-2)
    lengths = torch.linalg.vector_norm(closed.diff(dim=-2), dim=-1)
    arc = torch.cat([torch.zeros_like(lengths[..., :1]), lengths.cumsum(-1)], dim=-1)
    fractions = torch.arange(num_vertices, dtype=vertices.dtype, device=vertices.device) / num_vertices
    targets = arc[..., -1:] * fractions
    edge = (torch.searchsorted(arc.contiguous(), targets.contiguous(), right=True) - 1).clamp(0, lengths.shape[-1] - 1)
    length = lengths.gather(-1, edge)
    fraction = (targets - arc.gather(-1, edge)) / torch.where(length > 0, length, torch.ones_like(length))
    index = edge[..., None].expand(*edge.shape, 2)
    start, end = closed[..., :-1, :].gather(-2, index), closed[..., 1:, :].gather(-2, index)
    return torch.lerp(start, end, fraction.clamp(0, 1)[..., None])


def is_simple(vertices: Tensor) -> Tensor:
    """Whether closed polygons (..., K, 2) neither cross nor touch themselves: bool tensor (...).

    Repeated consecutive vertices are allowed. Compares all pairs of edges, so memory grows with K squared.
    """
    check_vertices(vertices, minimum=1)
    start = vertices.detach().to(torch.float64)
    end = torch.roll(start, -1, dims=-2)
    return ~_pairs_meet(start, end).flatten(-2).any(-1)


def _pairs_meet(start: Tensor, end: Tensor) -> Tensor:
    """(..., K, K) True where edges i < j share a point that is not the joint of consecutive edges."""
    num_edges = start.shape[-2]
    a, b, c = start[..., :, None, :], end[..., :, None, :], start[..., None, :, :]
    # Entry (i, j): the side of edge i on which vertex j lies, where edge j starts; the next column is where it ends.
    side_start = (b[..., 0] - a[..., 0]) * (c[..., 1] - a[..., 1]) - (b[..., 1] - a[..., 1]) * (c[..., 0] - a[..., 0])
    side_end = side_start.roll(-1, dims=-1)
    apart = side_start * side_end < 0
    crossing = apart & apart.transpose(-1, -2)
    on_edge = (side_start == 0) & ((c >= torch.minimum(a, b)) & (c <= torch.maximum(a, b))).all(-1)
    touched = on_edge | on_edge.roll(-1, dims=-1)
    touching = touched | touched.transpose(-1, -2)
    # The joint of neighbors is not a contact, a neighbor folding back onto its edge is.
    edges = end - start
    folding = (side_end == 0) & (edges[..., :, None, :] * edges[..., None, :, :]).sum(-1).lt(0)
    joined = _joined(start, end)
    contact = torch.where(joined, folding, crossing | touching)
    upper = torch.ones(num_edges, num_edges, dtype=torch.bool, device=start.device).triu(1)
    degenerate = (start == end).all(-1)
    counted = joined | (upper & ~joined.transpose(-1, -2))
    return contact & counted & ~degenerate[..., :, None] & ~degenerate[..., None, :]


def _joined(start: Tensor, end: Tensor) -> Tensor:
    """(..., K, K) True where edge j follows edge i once edges of zero length are left out."""
    num_edges = start.shape[-2]
    kept = (start != end).any(-1)
    order = kept.cumsum(-1)  # 1-based rank of the edge among those of positive length
    count = order[..., -1:]
    following = (order % count.clamp(min=1) + 1)[..., :, None] == order[..., None, :]
    return following & kept[..., :, None] & kept[..., None, :] & (num_edges > 1)


def keep_open(contours: Tensor) -> Tensor:
    """Keep a contour where it was before a step that collapses it.

    A field that points inwards everywhere, learned for ventricles of few pixels, can contract a contour until it
    is a line, whose mask is empty. The first step, from a start of any size, may shrink it by any factor.

    Args:
        contours: (T, K, 2), or (T, N, K, 2) of N structures, after each of T steps, in any pixels: ratios of areas do
            not depend on them. Each structure is treated on its own.

    Returns:
        The same shape; a step that leaves less than :data:`COLLAPSED_SHARE` of the area repeats the contour before it.
    """
    kept = list(contours.unbind(0))
    for step in range(1, len(kept)):
        collapsed = signed_area(kept[step]).abs() < COLLAPSED_SHARE * signed_area(kept[step - 1]).abs()
        kept[step] = torch.where(collapsed[..., None, None], kept[step - 1], kept[step])
    return torch.stack(kept)


def offset_contour(vertices: Tensor, distance: Tensor | float) -> Tensor:
    """Move closed polygons outwards along the normals at their vertices; inwards where the distance is negative.

    The normal at a vertex is that of the line through its two neighbors. Meant for distances much smaller than the
    contour: corners are not rounded, and a bay narrower than twice the distance crosses itself. Inwards no vertex goes
    farther than half of area / perimeter, a quarter of a circle's radius, so that small contours stay open.

    Args:
        vertices: (..., K, 2) polygons of either orientation, K >= 3, in units that are equal along x and y.
        distance: in the same units, a number or (...), one for each polygon.

    Returns:
        (..., K, 2); differentiable. Vertices whose neighbors coincide, and polygons without area, stay where they are.
    """
    check_vertices(vertices)
    vertices = at_least_float32(vertices)
    chord = torch.roll(vertices, -1, dims=-2) - torch.roll(vertices, 1, dims=-2)
    length = torch.linalg.vector_norm(chord, dim=-1, keepdim=True)
    unit = chord / torch.where(length > 0, length, torch.ones_like(length))
    area, around = signed_area(vertices), perimeter(vertices)
    farthest = area.abs() / (2 * torch.where(around > 0, around, torch.ones_like(around)))
    step = torch.as_tensor(distance, dtype=vertices.dtype, device=vertices.device).expand_as(area)
    step = torch.maximum(step, -farthest) * area.sign()
    return vertices + step[..., None, None] * torch.stack([unit[..., 1], -unit[..., 0]], dim=-1)
