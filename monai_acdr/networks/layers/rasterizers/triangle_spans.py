# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Scan conversion: which pixel centers of each row a triangle covers, and where its edges cross the row.

A triangle meets a row of pixel centers in one span or not at all. The number of spans follows the heights of the
triangles, not the area of the image. Rows and spans are half open, so that triangles that share an edge share no pixel.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

__all__ = ["Crossings", "Spans", "cut_triangles", "expand_ranges", "first_center"]

_MOST_ROWS = 2**20
"""Rows of triangles, those outside them included, that are worked on at a time: it bounds the memory."""


@dataclass(frozen=True)
class Crossings:
    """Where edges cross rows of pixel centers. All tensors are (N,).

    Attributes:
        x: position of the crossing.
        start: index of the edge's vertex with lower y.
        end: index of its other vertex.
        t: share of the way from ``start`` to ``end``, in [0, 1).
    """

    x: Tensor
    start: Tensor
    end: Tensor
    t: Tensor

    def where(self, condition: Tensor, other: Crossings) -> Crossings:
        """These crossings where ``condition`` holds, else the ``other`` ones."""
        pairs = zip(vars(self).values(), vars(other).values(), strict=True)
        return Crossings(*(torch.where(condition, mine, theirs) for mine, theirs in pairs))

    def __getitem__(self, index: Tensor) -> Crossings:
        return Crossings(*(values[index] for values in vars(self).values()))


@dataclass(frozen=True)
class Spans:
    """Rows of triangles. All tensors are (N,).

    Attributes:
        face: index of the triangle.
        line: row of the batch, image * H + row.
        first: first column whose center is covered.
        stop: column after the last one; both are within -1 .. W + 1 and equal where no center is covered.
        left: where the left edge crosses the row.
        right: where the right edge crosses it.
    """

    face: Tensor
    line: Tensor
    first: Tensor
    stop: Tensor
    left: Crossings
    right: Crossings


def cut_triangles(points: Tensor, faces: Tensor, size: tuple[int, int]) -> Iterator[Spans]:
    """Spans of triangles at the rows of pixel centers of frames of ``size`` (H, W), some triangles at a time.

    Args:
        points: (P, 2) finite vertices of all contours.
        faces: (B, M, 3) indices into ``points``, in either orientation.
        size: (H, W).
    """
    step = max(1, _MOST_ROWS // size[0])
    faces_per_image, triangles = faces.shape[1], faces.flatten(0, 1)
    for begin in range(0, len(triangles), step):
        yield _cut_some(points, triangles[begin : begin + step], begin, faces_per_image, size)


def first_center(position: Tensor, limits: tuple[int, int]) -> Tensor:
    """Number of the first pixel along an axis whose center is not before a position, clamped."""
    return (position - 0.5).ceil().clamp(*limits).long()


def expand_ranges(first: Tensor, stop: Tensor) -> tuple[Tensor, Tensor]:
    """Index into and value of all whole numbers first .. stop - 1 of each of (F,) ranges, one after the other."""
    counts = stop - first
    owner = torch.repeat_interleave(counts)
    offset = counts.cumsum(0) - counts
    return owner, torch.arange(len(owner), device=counts.device) + (first - offset)[owner]


def _cut_some(points: Tensor, faces: Tensor, begin: int, faces_per_image: int, size: tuple[int, int]) -> Spans:
    height, width = size
    heights = points[:, 1][faces]
    order = heights.argsort(dim=1, stable=True)
    rows = first_center(heights.gather(1, order), (0, height))
    face, row = expand_ranges(rows[:, 0], rows[:, 2])
    low, middle, high = faces.gather(1, order)[face].unbind(1)
    y = row.to(points.dtype) + 0.5
    is_upper = y < points[:, 1][middle]
    long = _cross(points, low, high, y)
    short = _cross(points, torch.where(is_upper, low, middle), torch.where(is_upper, middle, high), y)
    swapped = short.x < long.x
    left, right = short.where(swapped, long), long.where(swapped, short)
    first, stop = (first_center(end.x, (-1, width + 1)) for end in (left, right))
    face = face + begin
    line = face.div(faces_per_image, rounding_mode="floor") * height + row
    return Spans(face, line, first, stop, left, right)


def _cross(points: Tensor, start: Tensor, end: Tensor, y: Tensor) -> Crossings:
    """Crossings at heights ``y`` that edges meet; their bits are the same for both triangles at an edge."""
    x0, y0 = points[start].unbind(1)
    x1, y1 = points[end].unbind(1)
    t = (y - y0) / (y1 - y0)
    return Crossings(x0 + t * (x1 - x0), start, end, t)
