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

__all__ = ["EdgePieces", "cut_edges"]

_FAR = float(2**20)
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
    base = start.detach().clamp(-_FAR, _FAR).floor()
    start, end = start - base, end - base
    base = base.long()
    (x0, y0), delta = start.unbind(-1), end - start
    dx, dy = delta.unbind(-1)

    # Rows: an edge meets rows floor(low) .. floor(high); those outside the frame are left out. Where it ends on a grid
    # line, the last piece is empty but has a derivative, the one that balances the next edge's in that row.
    low, high = torch.minimum(y0, end[:, 1]).detach(), torch.maximum(y0, end[:, 1]).detach()
    on_row_line = (low == high) & (low == low.floor())
    first = (low.clamp(-2 * _FAR, 2 * _FAR).floor().long() + base[:, 1]).clamp(min=0)
    last = high.clamp(-2 * _FAR, 2 * _FAR).floor().long() + base[:, 1]
    last = torch.minimum(last, height - 1 + on_row_line.long())
    leftmost = torch.minimum(x0, end[:, 0]).detach() + base[:, 0]
    counts = torch.where(leftmost <= width, (last - first + 1).clamp(min=0), 0)
    edge, within = _expand(counts)
    row = first[edge] + within
    top = (row - base[edge, 1]).to(y0.dtype)
    y_start = _clip(y0[edge], top)
    y_end = _clip(end[edge, 1], top)
    steep = (dy != 0)[edge]
    divisor = torch.where(steep, dy[edge], torch.ones_like(y_start))  # 1 / dy would overflow for the tiniest dy
    t_start = torch.where(steep, ((y_start - y0[edge]) / divisor).clamp(0, 1), torch.zeros_like(y_start))
    t_end = torch.where(steep, ((y_end - y0[edge]) / divisor).clamp(0, 1), torch.ones_like(y_end))

    # Columns: the same within each row; beyond the frame one piece stands for all columns.
    x_start = torch.where(t_start > 0, x0[edge] + t_start * dx[edge], x0[edge])
    x_end = torch.where(t_end < 1, x0[edge] + t_end * dx[edge], end[edge, 0])
    low, high = torch.minimum(x_start, x_end).detach(), torch.maximum(x_start, x_end).detach()
    shift = base[edge, 0]
    first = (low.clamp(-2 * _FAR, 2 * _FAR).floor().long() + shift).clamp(-1, width)
    last = (high.clamp(-2 * _FAR, 2 * _FAR).ceil().long() + shift - 1).clamp(-1, width)
    on_column_line = (low == high) & (low == low.floor()) & steep
    piece, within = _expand((last - first).clamp(min=0) + 1)
    forward = dx[edge] >= 0
    column = torch.where(forward, first, torch.maximum(first, last))[piece]
    column = torch.where(forward[piece], column + within, column - within)

    edge, row, shift = edge[piece], row[piece], shift[piece]
    t_low, t_high = t_start[piece], t_end[piece]
    left = (column - shift).to(x0.dtype)
    entry, exit_ = torch.where(forward[piece], left, left + 1), torch.where(forward[piece], left + 1, left)
    is_first = within == 0
    is_last = torch.cat([is_first[1:], is_first.new_ones(min(1, is_first.shape[0]))])
    divisor = torch.where(dx != 0, dx, torch.ones_like(dx))[edge]
    t_from = torch.where(is_first, t_low, _between((entry - x0[edge]) / divisor, t_low, t_high))
    t_to = torch.where(is_last, t_high, _between((exit_ - x0[edge]) / divisor, t_low, t_high))
    y_from = torch.where(is_first, y_start[piece], y0[edge] + t_from * dy[edge])
    y_to = torch.where(is_last, y_end[piece], y0[edge] + t_to * dy[edge])
    x_mean = (x0[edge] + 0.5 * (t_from + t_to) * dx[edge] - left).clamp(0, 1)
    return EdgePieces(edge, row, column, t_from, t_to, y_to - y_from, x_mean, on_column_line[piece], on_row_line[edge])


def _expand(counts: Tensor) -> tuple[Tensor, Tensor]:
    """Repeat each index counts[i] times: (N,) owners and (N,) running numbers 0 .. counts[i] - 1 within the owner."""
    owner = torch.repeat_interleave(counts)
    before = counts.cumsum(0) - counts
    return owner, torch.arange(owner.shape[0], device=owner.device) - before[owner]


def _clip(y: Tensor, top: Tensor) -> Tensor:
    """Clamp y to the row below ``top``; a vertex on a grid line moves with the row below it."""
    return torch.where(y < top, top, torch.where(y >= top + 1, top + 1, y))


def _between(t: Tensor, low: Tensor, high: Tensor) -> Tensor:
    return torch.minimum(torch.maximum(t, low), high)
