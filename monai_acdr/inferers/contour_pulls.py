# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Local deformation of a closed contour: one point is moved to its target, and its surroundings follow smoothly."""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["SAMPLES", "points_at", "pull_contour"]

SAMPLES = 6
"""Vertices that a pull adds on each side, so that coarse contours can bend; fewer where the contour has its own."""
SAME = 1e-9
"""Places nearer than this share of the contour's length are one: a vertex and its duplicate would touch each other."""


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
    requested = gap > half_width / SAMPLES / 3
    requested[SAMPLES] = gap[SAMPLES] > SAME * length  # the place itself goes all the way
    arcs, order = torch.cat([old, new[requested]]).sort(stable=True)
    points = torch.cat([contour, points_at(contour, new[requested])])[order]
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


def _gap(one: Tensor, other: Tensor, length: float) -> Tensor:
    """Distance along the closed contour."""
    direct = (one - other).abs()
    return torch.minimum(direct, length - direct)
