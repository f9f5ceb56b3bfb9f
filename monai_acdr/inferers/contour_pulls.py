# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Pulling a closed contour at one place: that place goes where it is wanted, what lies beside it follows halfway."""

from __future__ import annotations

import torch
from torch import Tensor

from monai_acdr.geometry import is_simple, signed_area

__all__ = ["SAMPLES", "cut_loops", "points_at", "pull_contour"]

SAMPLES = 6
"""Vertices that a pull adds on each side, so that coarse contours can bend; fewer where the contour has its own."""
SAME = 1e-9
"""Places nearer than this share of the contour's length are one: a vertex and its twin would touch each other."""


def pull_contour(contour: Tensor, arc: float, pull: Tensor, half_width: float) -> Tensor:
    """Move the contour by ``pull`` at ``arc``, by less beside it, and not at all from ``half_width`` on.

    The share of the pull at a distance of u half widths along the contour is Wendland's function (1 - u)^3 (3 u + 1),
    twice differentiable at 0 and at 1 (Wendland, Advances in Computational Mathematics 4, 1995).

    Args:
        contour: (K, 2) float64 pixels.
        arc: length along the contour from its first vertex.
        pull: (2,) pixels.
        half_width: in pixels, positive, at most half the contour's length.

    Returns:
        (K', 2): the vertices of ``contour``, in their order, and new ones near ``arc``.
    """
    lengths = (contour.roll(-1, dims=0) - contour).norm(dim=-1)
    length = float(lengths.sum())
    old = lengths.cumsum(0) - lengths
    new = (arc + torch.arange(-SAMPLES, SAMPLES + 1, dtype=contour.dtype) / SAMPLES * half_width) % length
    gap = _gap(new[:, None], old, length).amin(1)
    wanted = gap > half_width / SAMPLES / 3
    wanted[SAMPLES] = gap[SAMPLES] > SAME * length  # the place itself goes all the way
    arcs, order = torch.cat([old, new[wanted]]).sort(stable=True)
    points = torch.cat([contour, points_at(contour, new[wanted])])[order]
    away = (_gap(arcs, arcs.new_tensor(arc), length) / half_width).clamp(max=1)
    return points + ((1 - away) ** 3 * (3 * away + 1))[:, None] * pull


def points_at(contour: Tensor, arcs: Tensor) -> Tensor:
    """Points (N, 2) of the closed contour (K, 2) at lengths (N,) from its first vertex, taken round."""
    closed = torch.cat([contour, contour[:1]])
    lengths = closed.diff(dim=0).norm(dim=-1)
    before = lengths.cumsum(0) - lengths
    arcs = arcs % float(lengths.sum())
    edge = (torch.searchsorted(before, arcs, right=True) - 1).clamp(0, len(contour) - 1)
    fraction = (arcs - before[edge]) / torch.where(lengths > 0, lengths, torch.ones_like(lengths))[edge]
    return torch.lerp(closed[edge], closed[edge + 1], fraction.clamp(0, 1)[:, None])


def cut_loops(contour: Tensor) -> Tensor:
    """A contour (K, 2) that crosses itself without its smaller loops; as it is where it crosses nowhere."""
    for _ in range(len(contour)):
        crossing = None if bool(is_simple(contour)) else _first_crossing(contour)
        if crossing is None:
            break
        first, second, point = crossing
        inner = torch.cat([point[None], contour[first + 1 : second + 1]])
        outer = torch.cat([contour[: first + 1], point[None], contour[second + 1 :]])
        contour = outer if float(signed_area(outer).abs()) >= float(signed_area(inner).abs()) else inner
    return contour


def _first_crossing(contour: Tensor) -> tuple[int, int, Tensor] | None:
    """Two edges that cross, by the numbers of their first vertices, and where."""
    edges = contour.roll(-1, dims=0) - contour
    offsets = contour[None] - contour[:, None]
    turn = _cross(edges[:, None], edges[None])
    along, across = _cross(offsets, edges[None]) / turn, _cross(offsets, edges[:, None]) / turn
    meet = (along > 0) & (along < 1) & (across > 0) & (across < 1) & (turn != 0)
    pairs = meet.triu(1).nonzero()
    if not len(pairs):
        return None
    first, second = pairs[0].tolist()
    return first, second, contour[first] + along[first, second] * edges[first]


def _cross(one: Tensor, other: Tensor) -> Tensor:
    return one[..., 0] * other[..., 1] - one[..., 1] * other[..., 0]


def _gap(one: Tensor, other: Tensor, length: float) -> Tensor:
    """Distance along the closed contour."""
    direct = (one - other).abs()
    return torch.minimum(direct, length - direct)
