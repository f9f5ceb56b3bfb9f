# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Nested contours: each structure inside the next one, such as the endocardium inside the epicardium.

A network moves the contours of several structures independently, so the outer one can cut into the inner one. The
repair keeps every inner contour as it is and pushes vertices of the outer one outward, along rays from a point inside.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from monai_acdr.geometry.coordinates import at_least_float32
from monai_acdr.geometry.polygons import centroid, check_vertices, signed_area

__all__ = ["NESTING_MARGIN", "is_nested", "nest_contours"]

NESTING_MARGIN = 0.01
"""Distance in pixels by which a repaired contour clears the one inside it: more than the rounding error of four
decimals or float32."""

_ROUNDS = 8
"""Rounds in which only edges that cut into the inner contour are moved; after them all edges are."""

_LARGEST_GROWTH = 4.0
"""Largest distance of a pushed vertex from the center, in units of the farthest vertex of the two contours."""

_CLEARANCE = 0.05
"""Distance of a good center from the outer contour, in units of the square root of that contour's area."""

_TOUCHING = 1e-9
"""Distance, in units of the largest coordinate, at which the middle of an edge counts as lying on another edge."""

_CHUNK = 2**20
"""Pairs of edges that are compared at once."""


def is_nested(contours: Tensor) -> Tensor:
    """Whether each contour lies within the next one. Contours may touch.

    A contour that crosses itself encloses the points of nonzero winding number, as in
    :func:`monai_acdr.networks.layers.rasterize_polygons`.

    Args:
        contours: (N, K, 2) or (B, N, K, 2) in pixels, from the innermost to the outermost.

    Returns:
        bool tensor () or (B,): no edge crosses one of the next contour and all vertices are inside of it. False where a
        coordinate is not finite, unless there is one structure only.

    Raises:
        ValueError: for another shape.
    """
    batch = _as_batch(contours)
    points = batch.detach().to("cpu", torch.float64)
    number, structures, size = points.shape[:3]
    nested = torch.ones(number, dtype=torch.bool)
    step = max(1, _CHUNK // max(1, (structures - 1) * size * size))
    for start in range(0, number if structures > 1 else 0, step):
        chunk = points[start : start + step]
        nested[start : start + step] = _within(chunk[:, :-1], chunk[:, 1:]).all(1)
    nested = nested.to(contours.device)
    return nested if contours.ndim == 4 else nested[0]


def nest_contours(contours: Tensor) -> Tensor:
    """Repair contours so that each lies within the next one: :func:`is_nested` holds for the result.

    Each contour is compared with the next one, from the innermost on. Where they cross, or the next one does not
    contain it, the inner one is kept, and vertices of the outer one are pushed outward along rays from a point inside,
    until it clears the inner one by :data:`NESTING_MARGIN`: first only those next to where it cuts in, and all of them
    when that is not enough. An outer contour that encloses nothing, or would have to be stretched to a multiple of its
    size, is replaced by a convex polygon drawn closely about the inner one (and about itself, if it encloses anything).
    The repair always ends, and keeps the number of vertices. It is not differentiable.

    Args:
        contours: (N, K, 2) or (B, N, K, 2) in pixels, from the innermost to the outermost.

    Returns:
        The same shape and dtype; half precision becomes float32. Samples that are nested come back as they are, bit for
        bit, and so does the innermost contour of every sample.

    Raises:
        ValueError: for another shape, or coordinates that are not finite.

    Example:
        >>> from monai_acdr.geometry import circle, is_nested, nest_contours
        >>> cavity = circle(torch.tensor([30.0, 32.0]), 10.0, 32)
        >>> wall = circle(torch.tensor([33.0, 32.0]), 11.0, 32)
        >>> is_nested(torch.stack([cavity, wall])), is_nested(nest_contours(torch.stack([cavity, wall])))
        (tensor(False), tensor(True))
    """
    batch = at_least_float32(_as_batch(contours))
    if not bool(torch.isfinite(batch).all()):
        raise ValueError(
            "Expected finite contours, but got NaN or infinity: leave out missing structures, and nest the others."
        )
    violated = (~is_nested(batch)).nonzero()[:, 0].tolist()
    if not violated:
        return at_least_float32(contours)
    repaired = batch.detach().clone()
    for index in violated:
        rings = list(batch[index].detach().to("cpu", torch.float64))
        for outer in range(1, len(rings)):
            rings[outer] = _enclose(rings[outer - 1], rings[outer], batch.dtype)
        repaired[index] = torch.stack(rings).to(repaired)
    return repaired if contours.ndim == 4 else repaired[0]


def _as_batch(contours: Tensor) -> Tensor:
    """(N, K, 2) or (B, N, K, 2) to (B, N, K, 2)."""
    check_vertices(contours)
    if contours.ndim not in (3, 4):
        raise ValueError(
            "Expected `contours` to be (N, K, 2), or (B, N, K, 2), from the innermost structure to the outermost, "
            f"but got {tuple(contours.shape)}."
        )
    return contours if contours.ndim == 4 else contours[None]


# --- The check ------------------------------------------------------------------------------------------------------


def _within(inner: Tensor, outer: Tensor) -> Tensor:
    """(...) bool: whether the contours (..., K, 2) lie within others, (..., L, 2); both float64."""
    turns = _turns(outer, inner)  # (..., K, L): on which side of outer edge l inner vertex k lies
    inside = (_winding(inner, outer, turns) != 0) | _on(inner, outer, turns).any(-1)
    back = _turns(inner, outer)  # (..., L, K)
    crossing = _parts(turns) & _parts(back).transpose(-1, -2)
    fits = inside.all(-1) & ~crossing.flatten(-2).any(-1)
    # An edge that touches vertices of the other contour may leave it from one to the next and cross nothing properly.
    touched = _on(outer, inner, back).any(-1).any(-1) | _on(inner, outer, turns).any(-1).any(-1)
    for index in (fits & touched).nonzero():
        at = tuple(index.tolist())
        fits[at] = _pieces_within(inner[at], outer[at])
    return fits


def _turns(edges: Tensor, points: Tensor) -> Tensor:
    """(..., P, E): twice the signed area of each edge of a contour (..., E, 2) with each point (..., P, 2)."""
    vectors = (edges.roll(-1, dims=-2) - edges)[..., None, :, :]
    return _cross(vectors, points[..., :, None, :] - edges[..., None, :, :])


def _parts(turns: Tensor) -> Tensor:
    """(..., K, L) bool: whether the ends of contour edge k lie on the two sides of line l, by (..., K, L) turns."""
    sides = turns.sign()
    return sides * sides.roll(-1, dims=-2) < 0


def _winding(points: Tensor, contour: Tensor, turns: Tensor) -> Tensor:
    """(..., P) winding number of a contour (..., L, 2) about points (..., P, 2), with their (..., P, L) turns."""
    low, y = contour[..., None, :, 1], points[..., :, None, 1]
    high = low.roll(-1, dims=-1)
    upward = (low <= y) & (y < high) & (turns > 0)
    downward = (high <= y) & (y < low) & (turns < 0)
    return upward.sum(-1) - downward.sum(-1)


def _on(points: Tensor, contour: Tensor, turns: Tensor) -> Tensor:
    """(..., P, L) bool: whether a point lies on an edge of a contour."""
    start, end = contour[..., None, :, :], contour.roll(-1, dims=-2)[..., None, :, :]
    points = points[..., :, None, :]
    box = (points >= torch.minimum(start, end)) & (points <= torch.maximum(start, end))
    return (turns == 0) & box.all(-1)


def _pieces_within(inner: Tensor, outer: Tensor) -> bool:
    """Whether each piece of the edges of (K, 2), cut at vertices of (L, 2) that lie on them, is within that contour."""
    starts, ends = inner, inner.roll(-1, dims=0)
    touching = _on(outer, inner, _turns(inner, outer))  # (L, K)
    middles = []
    for index in range(len(inner)):
        vector = ends[index] - starts[index]
        length = vector.square().sum()
        cuts = ((outer[touching[:, index]] - starts[index]) @ vector) / torch.where(length > 0, length, 1)
        cuts = torch.cat([cuts.new_zeros(1), cuts.sort().values.clamp(0, 1), cuts.new_ones(1)])
        middles.append(starts[index] + ((cuts[:-1] + cuts[1:]) / 2)[:, None] * vector)
    points = torch.cat(middles)
    inside = _winding(points, outer, _turns(outer, points)) != 0
    near = _distance(points, outer) <= _TOUCHING * float(torch.cat([inner, outer]).abs().max())
    return bool((inside | near).all())


def _distance(points: Tensor, contour: Tensor) -> Tensor:
    """(P,) distances of points (P, 2) from the edges of a contour (L, 2)."""
    edges = contour.roll(-1, dims=0) - contour
    offsets = points[:, None] - contour
    length = edges.square().sum(-1)
    along = ((offsets * edges).sum(-1) / torch.where(length > 0, length, 1)).clamp(0, 1)
    return (offsets - along[..., None] * edges).norm(dim=-1).amin(-1)


def _cross(one: Tensor, other: Tensor) -> Tensor:
    return one[..., 0] * other[..., 1] - one[..., 1] * other[..., 0]


# --- The repair -----------------------------------------------------------------------------------------------------


def _enclose(inner: Tensor, outer: Tensor, dtype: torch.dtype) -> Tensor:
    """The outer contour (K, 2), changed where it does not contain the inner one, (K, 2); with values of ``dtype``."""
    if bool(_within(inner, outer)):
        return outer
    largest = float(torch.cat([inner, outer]).abs().max())
    margin = max(NESTING_MARGIN, 32 * torch.finfo(dtype).eps * largest)
    center = _center(inner, outer)
    if center is not None:
        pushed = _push(inner, outer, center, margin, dtype)
        if pushed is not None:
            return pushed
    around = inner if center is None else torch.cat([inner, outer])
    return _circumscribe(around, outer, margin).to(dtype).to(torch.float64)


def _center(inner: Tensor, outer: Tensor) -> Tensor | None:
    """A point that the outer contour winds around, away from its edges and inside the inner contour where possible."""
    candidates = torch.cat(
        [centroid(inner)[None], inner.mean(0)[None], _chords(inner), centroid(outer)[None], _chords(outer)]
    )
    candidates = candidates[_winding(candidates, outer, _turns(outer, candidates)) != 0]
    if len(candidates) == 0:
        return None
    distances = _distance(candidates, outer)
    requested = _CLEARANCE * math.sqrt(float(signed_area(outer).abs()))
    good = (distances >= requested).nonzero()
    chosen = int(good[0]) if len(good) > 0 else int(distances.argmax())
    return candidates[chosen] if float(distances[chosen]) > 0 else None


def _chords(contour: Tensor) -> Tensor:
    """(P, 2) middles of the longest horizontal chords of a contour (K, 2), at several heights; none if it is flat."""
    low, high = float(contour[:, 1].min()), float(contour[:, 1].max())
    middles = []
    for height in torch.linspace(low, high, 9, dtype=contour.dtype)[1:-1]:
        start, end = contour, contour.roll(-1, dims=0)
        rising = (start[:, 1] <= height).to(torch.int64) - (end[:, 1] <= height).to(torch.int64)
        crossed = rising != 0
        start, end, rising = start[crossed], end[crossed], rising[crossed]
        along = (height - start[:, 1]) / (end[:, 1] - start[:, 1])
        x, order = (start[:, 0] + along * (end[:, 0] - start[:, 0])).sort()
        lengths = torch.where(rising[order].cumsum(0)[:-1] != 0, x.diff(), 0)
        if len(lengths) > 0 and float(lengths.max()) > 0:
            at = int(lengths.argmax())
            middles.append(torch.stack([(x[at] + x[at + 1]) / 2, height]))
    return torch.stack(middles) if middles else contour.new_zeros(0, 2)


def _push(inner: Tensor, outer: Tensor, center: Tensor, margin: float, dtype: torch.dtype) -> Tensor | None:
    """The outer contour pushed outward from ``center`` until it contains the inner one; None if it grows too far."""
    points, vertices = inner - center, outer - center
    limit = _LARGEST_GROWTH * float(torch.cat([points, vertices]).norm(dim=-1).max())
    current = outer
    for attempt in range(_ROUNDS + 1):
        cutting = _cutting_edges(inner, current)
        if attempt == _ROUNDS or not bool(cutting.any()):
            cutting = torch.ones_like(cutting)
        vertices = _grow(points, vertices, cutting, margin)
        if not float(vertices.norm(dim=-1).max()) <= limit:
            return None
        current = (vertices + center).to(dtype).to(torch.float64)
        if bool(_within(inner, current)):
            return current
    return None


def _cutting_edges(inner: Tensor, outer: Tensor) -> Tensor:
    """(K,) bool: which edges of the outer contour cross the inner one, or have an end inside of it."""
    back = _turns(inner, outer)
    crossing = _parts(_turns(outer, inner)) & _parts(back).T
    inside = _winding(outer, inner, back) != 0
    return crossing.any(0) | inside | inside.roll(-1)


def _grow(points: Tensor, vertices: Tensor, edges: Tensor, margin: float) -> Tensor:
    """Push the ends of edges outward, so that no point of the inner contour lies beyond them as seen from the origin.

    An edge and the origin span a triangle. It is made to contain the part of the inner contour in its sector: on the
    two rays, by making both at least as long as the farthest crossing of each, and between them, where the farthest
    points from the edge are vertices. The two ends are scaled alike, or raised to one radius, whichever moves less.

    Args:
        points: (P, 2) inner contour, about the origin.
        vertices: (K, 2) outer contour.
        edges: (K,) bool, edges k from vertex k to vertex k + 1 to treat.
        margin: clearance, in units of the vertices.

    Returns:
        (K, 2) outer contour. Each vertex stays on its ray and moves outward only.
    """
    radii = vertices.norm(dim=-1).clamp(min=torch.finfo(vertices.dtype).tiny)
    rays = vertices / radii[:, None]
    ends = edges | edges.roll(1)
    start = torch.where(ends, torch.maximum(radii, _reach(points, rays) + margin), radii)
    moved = start[:, None] * rays
    following = moved.roll(-1, dims=0)
    turn = _cross(moved, following)
    sign = turn.sign()[:, None]
    sector = (sign * _cross(moved[:, None], points[None]) >= 0) & (sign * _cross(points[None], following[:, None]) >= 0)
    sector &= edges[:, None] & (sign != 0) & ((points[None] * (moved + following)[:, None]).sum(-1) > 0)
    # The edge's distance from the origin, and that of the inner vertices along the same normal.
    chord = following - moved
    normal = turn.sign()[:, None] * torch.stack([chord[:, 1], -chord[:, 0]], dim=-1)
    normal = normal / chord.norm(dim=-1).clamp(min=torch.finfo(chord.dtype).tiny)[:, None]
    distance = (normal * moved).sum(-1)
    beyond = torch.where(sector, (normal[:, None] * points[None]).sum(-1), -math.inf).amax(1) + margin
    short = beyond > distance
    scale = torch.where(short, beyond / distance.clamp(min=torch.finfo(distance.dtype).tiny), 1)
    farthest = torch.where(sector, points.norm(dim=-1)[None], 0).amax(1) + margin
    half = 0.5 * torch.atan2(turn.abs(), (moved * following).sum(-1))
    radius = torch.where(short, farthest / half.cos().clamp(min=torch.finfo(half.dtype).tiny), 0)
    first, second = start, start.roll(-1)
    scaled = (scale - 1) * (first + second)
    raised = (radius - first).clamp(min=0) + (radius - second).clamp(min=0)
    by_scale = scaled <= raised
    near = torch.where(by_scale, scale * first, torch.maximum(first, radius))
    far = torch.where(by_scale, scale * second, torch.maximum(second, radius))
    grown = torch.maximum(near, far.roll(1))
    return torch.where((grown > radii)[:, None], grown[:, None] * rays, vertices)


def _reach(points: Tensor, rays: Tensor) -> Tensor:
    """(K,) largest distance at which rays (K, 2) from the origin meet the edges of a contour (P, 2); 0 if they miss."""
    following = points.roll(-1, dims=0)
    start, end = _cross(rays[:, None], points[None]), _cross(rays[:, None], following[None])
    meets = start * end <= 0
    along = torch.where(meets, start / torch.where(start == end, 1, start - end), 0)
    crossings = points[None] + along[..., None] * (following - points)[None]
    distances = (crossings * rays[:, None]).sum(-1)
    ends = torch.maximum((points[None] * rays[:, None]).sum(-1), (following[None] * rays[:, None]).sum(-1))
    distances = torch.where(start == end, ends, distances)  # an edge along the ray
    return torch.where(meets, distances, 0).amax(1).clamp(min=0)


def _circumscribe(points: Tensor, like: Tensor, margin: float) -> Tensor:
    """A convex polygon about points (P, 2), ``margin`` away from their hull, with as many vertices as ``like``.

    It runs in the direction of ``like``. Each edge lies on the tangent of one of K directions; a vertex is where two
    tangents next to each other meet.
    """
    number = len(like)
    angles = torch.arange(number, dtype=points.dtype) * (2 * math.pi / number)
    center = points.mean(0)
    normals = torch.stack([angles.cos(), angles.sin()], dim=-1)
    support = ((points - center) @ normals.T).amax(0) + margin
    following, next_support = normals.roll(-1, dims=0), support.roll(-1)
    sine = math.sin(2 * math.pi / number)
    x = (support * following[:, 1] - next_support * normals[:, 1]) / sine
    y = (next_support * normals[:, 0] - support * following[:, 0]) / sine
    vertices = center + torch.stack([x, y], dim=-1)
    return vertices if float(signed_area(like)) >= 0 else vertices.flip(0)
