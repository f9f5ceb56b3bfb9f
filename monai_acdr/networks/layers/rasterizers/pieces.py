# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Cut the edges of polygons at the grid lines: one piece for each pixel that an edge crosses.

This is the geometry that the exact rasterizer's forward and backward passes share. The number of pieces follows the
length of the contour in pixels, not the area of the image.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

__all__ = ["FAR", "EdgePieces", "cut_edges"]

FAR = float(2**20)
"""Edges start from an integer base point within this many pixels, so that indices of any finite input fit int64."""


@dataclass(frozen=True)
class EdgePieces:
    """Pieces of directed edges, in the order of the edges; each lies within one pixel. All tensors are (N,).

    Attributes:
        edge: index into the flattened (B * K) edges.
        row: pixel row; 0..H - 1, or H for an edge along the lower border of the frame.
        column: pixel column; -1 stands for everything left of the frame and W for everything right of it.
        t_start: edge parameter in [0, 1] where the piece begins.
        t_end: edge parameter where it ends.
        dy: signed height of the piece.
        x_mean: mean offset in [0, 1] of the piece from the pixel's left side.
        on_column_line: the edge lies exactly on the grid line left of ``column``.
        on_row_line: the edge lies exactly on the grid line above ``row``.
    """

    edge: Tensor
    row: Tensor
    column: Tensor
    t_start: Tensor
    t_end: Tensor
    dy: Tensor
    x_mean: Tensor
    on_column_line: Tensor
    on_row_line: Tensor


def cut_edges(vertices: Tensor, size: tuple[int, int]) -> EdgePieces:
    """Cut all edges of (B, K, 2) finite polygons at the pixel grid of a frame of ``size`` (H, W).

    Everything is computed relative to the whole pixel in which an edge starts: float32 input loses nothing far from
    the origin, and a translation by whole pixels changes no bit. Differentiable in ``vertices``.
    """
    height, width = size
    start = vertices.flatten(0, 1)
    end = torch.roll(vertices, -1, dims=1).flatten(0, 1)
    base = start.detach().clamp(-FAR, FAR).floor()
    x0, y0 = (start - base).T
    x1, y1 = (end - base).T
    base_x, base_y = base.long().T
    dx, dy = x1 - x0, y1 - y0

    # Rows: an edge meets rows floor(low) .. floor(high); those outside the frame are left out. Where it ends on a grid
    # line, the last piece is empty but has a derivative, the one that balances the next edge's in that row.
    low, high = torch.minimum(y0, y1).detach(), torch.maximum(y0, y1).detach()
    on_row_line = (low == high) & (low == low.floor())
    first = (_floor(low) + base_y).clamp(min=0)
    last = torch.minimum(_floor(high) + base_y, height - 1 + on_row_line.long())
    leftmost = torch.minimum(x0, x1).detach() + base_x
    counts = torch.where(leftmost <= width, (last - first + 1).clamp(min=0), 0)
    edge, within = _expand(counts)
    first, base_x, base_y, on_row_line = _take(edge, first, base_x, base_y, on_row_line)
    x0, y0, x1, y1, dx, dy, divisor_x, divisor_y = _take(edge, x0, y0, x1, y1, dx, dy, _divisor(dx), _divisor(dy))
    row = first + within
    top = (row - base_y).to(y0.dtype)
    y_start, y_end = _clip(y0, top), _clip(y1, top)
    flat = dy == 0
    t_start = ((y_start - y0) / divisor_y).clamp(0, 1)
    t_end = torch.where(flat, torch.ones_like(y_end), ((y_end - y0) / divisor_y).clamp(0, 1))

    # Columns: the same within each row; beyond the frame one piece stands for all columns.
    x_start = torch.where(t_start > 0, x0 + t_start * dx, x0).detach()
    x_end = torch.where(t_end < 1, x0 + t_end * dx, x1).detach()
    low, high = torch.minimum(x_start, x_end), torch.maximum(x_start, x_end)
    first = (_floor(low) + base_x).clamp(-1, width)
    last = torch.maximum((_floor(-high).neg() + base_x - 1).clamp(-1, width), first)
    on_column_line = (low == high) & (low == low.floor()) & ~flat
    forward = dx >= 0
    piece, within = _expand(last - first + 1)
    edge, row, column, step, base_x, on_column_line, on_row_line = _take(
        piece, edge, row, torch.where(forward, first, last), 2 * forward - 1, base_x, on_column_line, on_row_line
    )
    x0, y0, dx, dy, divisor_x, t_low, t_high, y_start, y_end = _take(
        piece, x0, y0, dx, dy, divisor_x, t_start, t_end, y_start, y_end
    )
    column = column + step * within
    left = (column - base_x).to(x0.dtype)
    entry = left + (step < 0)
    exit_ = left + (step > 0)
    is_first = within == 0
    is_last = torch.cat([is_first[1:], is_first.new_ones(min(1, is_first.shape[0]))])
    t_from = torch.where(is_first, t_low, _between((entry - x0) / divisor_x, t_low, t_high))
    t_to = torch.where(is_last, t_high, _between((exit_ - x0) / divisor_x, t_low, t_high))
    y_from = torch.where(is_first, y_start, y0 + t_from * dy)
    y_to = torch.where(is_last, y_end, y0 + t_to * dy)
    x_mean = (x0 + 0.5 * (t_from + t_to) * dx - left).clamp(0, 1)
    return EdgePieces(edge, row, column, t_from, t_to, y_to - y_from, x_mean, on_column_line, on_row_line)


def _expand(counts: Tensor) -> tuple[Tensor, Tensor]:
    """Repeat each index counts[i] times: (N,) owners and (N,) running numbers 0 .. counts[i] - 1 within the owner."""
    owner = torch.repeat_interleave(counts)
    before = counts.cumsum(0) - counts
    return owner, torch.arange(owner.shape[0], device=owner.device) - before.index_select(0, owner)


def _take(index: Tensor, *columns: Tensor) -> list[Tensor]:
    """The rows ``index`` of several columns."""
    return [column.index_select(0, index) for column in columns]


def _floor(values: Tensor) -> Tensor:
    """Whole pixels as int64, of any finite input."""
    return values.clamp(-2 * FAR, 2 * FAR).floor().long()


def _divisor(values: Tensor) -> Tensor:
    """The values, and 1 where they are 0. Their reciprocals would overflow for the tiniest ones."""
    return torch.where(values == 0, torch.ones_like(values), values)


def _clip(y: Tensor, top: Tensor) -> Tensor:
    """Clamp y to the row below ``top``; a vertex on a grid line moves with the row below it."""
    return torch.where(y < top, top, torch.where(y >= top + 1, top + 1, y))


def _between(t: Tensor, low: Tensor, high: Tensor) -> Tensor:
    return torch.minimum(torch.maximum(t, low), high)
