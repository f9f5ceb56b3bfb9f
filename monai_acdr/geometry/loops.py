# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Self-intersections of contours, and their repair after the evolution."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from monai_acdr.geometry.coordinates import at_least_float32
from monai_acdr.geometry.polygons import check_vertices, keep_open

__all__ = ["REPAIRS", "SMALL_LOOP", "SettledContours", "cut_loops", "settle_contours"]

REPAIRS = ("collapse", "self_intersection", "nesting", "neighbors")
"""Names of the repairs of a contour that a network gives: a step that collapsed it was not taken
(:func:`keep_open`), a small loop was cut off (:func:`cut_loops`), vertices were pushed outward to contain the structure
within (:func:`monai_acdr.geometry.nest_contours`), an implausibly wide cavity was outlined like those of the
neighboring slices (:func:`monai_acdr.measures.cavities_too_wide`)."""

SMALL_LOOP = 0.05
"""Largest area of a small loop, as a share of the rest of the contour: neighbors that changed places."""


class SettledContours(NamedTuple):
    """Contours of an evolution after repair, and which of the last ones were repaired.

    Attributes:
        contours: (T, K, 2), or (T, N, K, 2) of N structures.
        collapsed: bool, () or (N,), whether the last contour is that of an earlier step, because a step collapsed it.
        looped: bool, () or (N,), whether small loops of the last contour were cut off.
    """

    contours: Tensor
    collapsed: Tensor
    looped: Tensor


class _Loop(NamedTuple):
    """The vertices after ``start``, ``number`` of them, which lie beyond the crossing ``point``."""

    start: int
    number: int
    point: Tensor
    share: float


def settle_contours(contours: Tensor) -> SettledContours:
    """Contours of an evolution after repair: :func:`keep_open` at each step, the last contour without small loops.

    Where the field draws vertices together, neighbors may change places; programs do not agree about the inside of such
    a loop. Either side of a loop above :data:`SMALL_LOOP` may be the object: it is left for the user to see.

    Args:
        contours: (T, K, 2), or (T, N, K, 2) of N structures, after each of T steps, in any pixels.

    Returns:
        Contours of the same shape, and which of the last ones were repaired. Structures are treated one by one: they
        are nested by :func:`monai_acdr.geometry.nest_contours`, not here.
    """
    contours = at_least_float32(contours)
    kept = keep_open(contours)
    last = kept[-1].reshape(-1, *kept.shape[-2:])  # (1, K, 2) or (N, K, 2)
    settled = torch.stack([cut_loops(contour, SMALL_LOOP) for contour in last]).reshape(kept[-1].shape)
    collapsed, looped = ((a != b).flatten(-2).any(-1) for a, b in ((contours[-1], kept[-1]), (kept[-1], settled)))
    return SettledContours(torch.cat([kept[:-1], settled[None]]), collapsed, looped)


def cut_loops(vertices: Tensor, largest: float = 1.0) -> Tensor:
    """Cut off the loops where a contour crosses itself, the smallest first.

    Args:
        vertices: (K, 2) in any pixels.
        largest: loops with at most this share of the area of the rest are cut; the smaller side of a crossing is the
            loop, so 1 cuts all.

    Returns:
        (K, 2), the same vertices in the same order; the vertices of a loop lie on the two edges that crossed, one of
        them on the crossing. ``vertices`` itself if it has no loop.

    Raises:
        ValueError: when ``vertices`` is not (K, 2).
    """
    check_vertices(vertices)
    if vertices.ndim != 2:
        raise ValueError(f"Expected one contour (K, 2), but got {tuple(vertices.shape)}: cut one after the other.")
    vertices = at_least_float32(vertices)
    # On the CPU: a few thousand numbers, looked at one crossing after the other, and not every device has float64.
    points = vertices.detach().to("cpu", torch.float64)
    cut = False
    for _ in range(len(points)):
        loop = _smallest_loop(points)
        if loop is None or loop.share > largest:
            break
        points, cut = _straighten(points, loop), True
    return points.to(vertices) if cut else vertices


def _smallest_loop(points: Tensor) -> _Loop | None:
    following = points.roll(-1, dims=0)
    edges = following - points
    # turns[i, j]: the side of edge i on which vertex j lies
    turns = _cross(edges[:, None], points[None] - points[:, None])
    apart = turns * turns.roll(-1, dims=1) < 0
    pairs = (apart & apart.T).triu(1).nonzero()
    if len(pairs) == 0:
        return None
    i, j = pairs.unbind(1)
    along = turns[j, i] / (turns[j, i] - turns[j, (i + 1) % len(points)])
    crossings = points[i] + along[:, None] * edges[i]
    # The shoelace formula along the contour from one crossing edge to the other, twice each area.
    swept = torch.cat([points.new_zeros(1), _cross(points, following).cumsum(0)])
    inner = _cross(crossings, following[i]) + swept[j] - swept[i + 1] + _cross(points[j], crossings)
    outer = swept[-1] - inner
    smaller, larger = torch.minimum(inner.abs(), outer.abs()), torch.maximum(inner.abs(), outer.abs())
    at = int(smaller.argmin())
    share = float(smaller[at] / larger[at]) if float(larger[at]) > 0 else 1.0
    first, second = pairs[at].tolist()
    if float(inner[at].abs()) <= float(outer[at].abs()):
        return _Loop(first, second - first, crossings[at], share)
    return _Loop(second, len(points) - (second - first), crossings[at], share)


def _straighten(points: Tensor, loop: _Loop) -> Tensor:
    """Lay the loop's vertices on the way from the vertex before it over the crossing to the vertex after it."""
    size = len(points)
    before, after = points[loop.start], points[(loop.start + loop.number + 1) % size]
    way = (loop.point - before).norm(), (after - loop.point).norm()
    ahead = round((loop.number - 1) * float(way[0] / (way[0] + way[1])))
    behind = loop.number - 1 - ahead
    laid = torch.cat([_between(before, loop.point, ahead + 1), _between(loop.point, after, behind + 1)[:-1]])
    result = points.clone()
    result[(loop.start + 1 + torch.arange(loop.number)) % size] = laid
    return result


def _between(start: Tensor, end: Tensor, number: int) -> Tensor:
    """(number, 2) points, evenly on the way to ``end``, which is the last of them."""
    return torch.lerp(start, end, torch.arange(1, number + 1).to(start)[:, None] / number)


def _cross(one: Tensor, other: Tensor) -> Tensor:
    return one[..., 0] * other[..., 1] - one[..., 1] * other[..., 0]
