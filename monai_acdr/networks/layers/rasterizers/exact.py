# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Exact area coverage of polygons, in plain torch: the value of a pixel is the area of the polygon inside it.

Forward: each piece of an edge within a pixel adds its signed height, split by its mean horizontal position, to the
pixel and to its right neighbor; a cumulative sum along x turns this into the signed coverage w (the integral of the
winding number over the pixel), and a fill rule folds w into [0, 1].

Backward: Reynolds' transport theorem. With G = dL/dw at the crossed pixels and e = P1 - P0,

    dL/dP0 += (-e_y, e_x) sum G int (1 - t) dt        dL/dP1 += (-e_y, e_x) sum G int t dt

over the edge's pieces: no tape is kept over pixels. The tangent of the mask (forward mode) is the transpose of that,
and second derivatives come from the plain form, :func:`rasterize_plain`.

Both passes share the geometry: edges are cut at the grid lines, one piece per pixel that an edge crosses, so that the
cost follows the length of the contour in pixels, not the area of the image.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

__all__ = [
    "FAR",
    "FILL_RULES",
    "KINK_TOLERANCE",
    "SIDE_STEP",
    "EdgePieces",
    "cut_edges",
    "cut_polygons",
    "fold",
    "fold_slope",
    "rasterize_backward",
    "rasterize_forward",
    "rasterize_plain",
    "rasterize_second_order",
    "rasterize_tangent",
    "signed_coverage",
]

FILL_RULES = ("nonzero", "evenodd", "signed")
"""``nonzero``: min(|w|, 1). ``evenodd``: a triangle wave of w. ``signed``: w itself, unbounded."""

KINK_TOLERANCE = 1e-6
"""Coverage this far above 1 still counts as 1: float32 sums of a pixel that is just full."""

SIDE_STEP = 1e-3
"""Step from one side of a grid line toward the other at which the slope of the fill rule is read."""

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


def signed_coverage(
    vertices: Tensor, size: tuple[int, int], rings: int = 1, dtype: torch.dtype | None = None
) -> Tensor:
    """Signed coverage w (B, H, W) of finite polygons (B * R, K, 2), by operations that autograd differentiates twice.

    This is the plain form: slower to differentiate than :func:`rasterize_backward`, and its reference. At a kink,
    where an edge lies exactly on a grid line, autograd takes one side and the analytic form their mean.

    Args:
        vertices: polygons in pixels; computed in their own dtype.
        size: (H, W).
        rings: R polygons that follow each other are the rings of one mask: their signed coverages are added.
        dtype: of the result; that of ``vertices`` if None.
    """
    return _accumulate(cut_edges(vertices, size), _shape(vertices, rings), size, dtype or vertices.dtype)


def fold(winding: Tensor, fill_rule: str) -> Tensor:
    """Turn signed coverage into a mask by one of :data:`FILL_RULES`."""
    if fill_rule == "nonzero":
        return winding.abs().clamp(max=1)
    if fill_rule == "evenodd":
        return 1 - (winding.abs().remainder(2) - 1).abs()
    if fill_rule == "signed":
        return winding.clone()
    raise ValueError(f"Expected `fill_rule` to be one of {FILL_RULES}, but got {fill_rule!r}.")


def fold_slope(winding: Tensor, fill_rule: str) -> Tensor:
    """Derivative of :func:`fold`; a pixel that is just full still has slope 1, an empty one 0."""
    if fill_rule == "nonzero":
        return winding.sign() * (winding.abs() <= 1 + KINK_TOLERANCE)
    if fill_rule == "evenodd":
        rising = winding.abs().remainder(2) <= 1 + KINK_TOLERANCE
        return winding.sign() * torch.where(rising, 1.0, -1.0).to(winding.dtype)
    return torch.ones_like(winding)


def cut_polygons(vertices: Tensor, size: tuple[int, int]) -> EdgePieces:
    """Pieces of polygons (B * R, K, 2); one with a coordinate that is not finite is shrunk to a point."""
    return cut_edges(_working(_finite(vertices)[1]), size)


def rasterize_forward(
    vertices: Tensor, size: tuple[int, int], fill_rule: str, rings: int = 1, pieces: EdgePieces | None = None
) -> tuple[Tensor, Tensor]:
    """Mask and signed coverage, both (B, H, W), of polygons (B * R, K, 2) float32 or float64, R rings for each mask.

    A mask with a coordinate that is not finite is all NaN; the others of the batch are not affected.
    ``pieces``, here and in :func:`rasterize_backward`, are those of :func:`cut_polygons` if already computed.
    """
    pieces = cut_polygons(vertices, size) if pieces is None else pieces
    winding = _accumulate(pieces, _shape(vertices, rings), size, vertices.dtype)
    finite = _of_masks(_finite(vertices)[0], rings)
    if finite is not None:
        winding.masked_fill_(~finite[:, None, None], float("nan"))
    return fold(winding, fill_rule), winding


def rasterize_plain(vertices: Tensor, size: tuple[int, int], fill_rule: str, rings: int = 1) -> Tensor:
    """The mask (B, H, W) of :func:`rasterize_forward` by operations that autograd can differentiate twice."""
    finite, clean = _finite(vertices)
    winding = signed_coverage(_working(clean), size, rings, vertices.dtype)
    mask = fold(winding, fill_rule)
    finite = _of_masks(finite, rings)
    return mask if finite is None else mask.masked_fill(~finite[:, None, None], float("nan"))


def rasterize_backward(
    grad: Tensor,
    vertices: Tensor,
    winding: Tensor,
    fill_rule: str,
    rings: int = 1,
    pieces: EdgePieces | None = None,
) -> Tensor:
    """Gradient (B * R, K, 2) with respect to the vertices, given that of the mask (B, H, W) and the signed coverage.

    An edge that lies exactly on a grid line takes the mean of both sides, as a central difference does.
    Masks that are not finite give zero.
    """
    if pieces is None:
        pieces = cut_polygons(vertices, (int(grad.shape[-2]), int(grad.shape[-1])))
    density = _density(pieces, grad, winding, rings * vertices.shape[1], fill_rule)
    start_share, end_share = _shares(pieces)
    finite, normals = _normals(vertices, density.dtype)
    at_start = normals * _sum_by_edge(density * start_share, pieces.edge, vertices)
    at_end = normals * _sum_by_edge(density * end_share, pieces.edge, vertices)
    gradient = (at_start + torch.roll(at_end, 1, dims=1)).to(vertices.dtype)
    finite = _of_masks(finite, rings)
    return gradient if finite is None else gradient.masked_fill(~finite.repeat_interleave(rings)[:, None, None], 0)


def rasterize_tangent(tangent: Tensor, vertices: Tensor, winding: Tensor, fill_rule: str, rings: int = 1) -> Tensor:
    """Derivative (B, H, W) of the mask along a motion (B * R, K, 2) of the vertices: forward mode.

    The transpose of :func:`rasterize_backward`, grid lines included: <grad, tangent of the mask> is
    <gradient of the vertices, motion>. Masks that are not finite give zero.
    """
    size = (int(winding.shape[-2]), int(winding.shape[-1]))
    pieces = cut_polygons(vertices, size)
    start_share, end_share = _shares(pieces)
    finite, normals = _normals(vertices, start_share.dtype)
    motion = tangent.to(normals.dtype)
    start_speed = (normals * motion).sum(-1).reshape(-1).index_select(0, pieces.edge)
    end_speed = (normals * torch.roll(motion, -1, dims=1)).sum(-1).reshape(-1).index_select(0, pieces.edge)
    flow = start_share * start_speed + end_share * end_speed
    padded = (winding.shape[0], size[0] + 2, size[1] + 2)
    flat = flow.new_zeros(math.prod(padded))
    for index, slope in _slopes(pieces, winding, rings * vertices.shape[1], fill_rule):
        flat = _scatter_add(flat, index, slope * flow)
    result = flat.view(padded)[:, 1:-1, 1:-1].to(winding.dtype)
    finite = _of_masks(finite, rings)
    return result if finite is None else result.masked_fill(~finite[:, None, None], 0)


def rasterize_second_order(grad: Tensor, vertices: Tensor, direction: Tensor, fill_rule: str, rings: int) -> Tensor:
    """Gradient (B * R, K, 2) of <direction, gradient of the vertices given ``grad``>: the Hessian times a direction.

    By the plain form, so at a kink, where an edge lies exactly on a grid line, one side is taken.
    """
    size = (int(grad.shape[-2]), int(grad.shape[-1]))
    with torch.enable_grad():
        variable = vertices.detach().requires_grad_()
        mask = rasterize_plain(variable, size, fill_rule, rings)
        (first,) = torch.autograd.grad(mask, variable, grad.to(mask.dtype), create_graph=True)
        (second,) = torch.autograd.grad(first, variable, direction.to(first.dtype), materialize_grads=True)
    return second


def _shape(vertices: Tensor, rings: int) -> tuple[int, int]:
    """(B, E): masks, and edges of each mask."""
    return vertices.shape[0] // rings, rings * vertices.shape[1]


def _shares(pieces: EdgePieces) -> tuple[Tensor, Tensor]:
    """Integrals of 1 - t and of t over each piece, (N,): shares of the edge's two vertices in its motion."""
    end = 0.5 * (pieces.t_end.square() - pieces.t_start.square())
    return pieces.t_end - pieces.t_start - end, end


def _normals(vertices: Tensor, dtype: torch.dtype) -> tuple[Tensor | None, Tensor]:
    """(P,) which polygons are finite, None if all are, and (P, K, 2) the vectors (-e_y, e_x) of all edges."""
    finite, clean = _finite(vertices)
    clean = clean.to(dtype)
    edges = torch.roll(clean, -1, dims=1) - clean
    return finite, torch.stack([-edges[..., 1], edges[..., 0]], dim=-1)


def _sum_by_edge(values: Tensor, edge: Tensor, vertices: Tensor) -> Tensor:
    """Sum (N,) values of pieces over their edges: one column for vertices (P, K, 2), (P, K, 1)."""
    sums = values.new_zeros(vertices.shape[0] * vertices.shape[1])
    return _scatter_add(sums, edge, values).view(*vertices.shape[:2], 1)


def _finite(vertices: Tensor) -> tuple[Tensor | None, Tensor]:
    """(P,) which polygons are finite, None if all are, and the vertices with the others set to zero."""
    if bool(torch.isfinite(vertices.sum())):  # one NaN or Inf spoils the sum: the usual case costs one pass
        return None, vertices
    finite = torch.isfinite(vertices).flatten(1).all(1)
    return finite, torch.where(finite[:, None, None], vertices, torch.zeros_like(vertices))


def _of_masks(finite: Tensor | None, rings: int) -> Tensor | None:
    """(B,) which masks have finite rings only, from (P,) which polygons are; None if all are."""
    return None if finite is None else finite.view(-1, rings).all(1)


def _working(vertices: Tensor) -> Tensor:
    """Geometry is computed in float64 where the device has it: there are few pieces and many pixels."""
    return vertices if vertices.device.type == "mps" else vertices.to(torch.float64)


def _accumulate(pieces: EdgePieces, shape: tuple[int, int], size: tuple[int, int], dtype: torch.dtype) -> Tensor:
    """Scatter the pieces and sum along x; a margin takes pieces outside the frame, so that none needs a test.

    The margin is one column on the left, whose sum enters the frame, two on the right and one row below.
    """
    batch, num_edges = shape
    height, width = size
    rows, columns = height + 1, width + 3
    index = ((pieces.edge // num_edges) * rows + pieces.row) * columns + pieces.column + 1
    to_right = pieces.dy * pieces.x_mean
    accumulator = torch.zeros(batch * rows * columns, dtype=dtype, device=to_right.device)
    accumulator = _scatter_add(accumulator, index, (pieces.dy - to_right).to(dtype))
    accumulator = _scatter_add(accumulator, index + 1, to_right.to(dtype))
    visible = accumulator.view(batch, rows, columns)[:, :height, : width + 1]
    return visible.cumsum(-1)[..., 1:].clone(memory_format=torch.contiguous_format)


def _scatter_add(target: Tensor, index: Tensor, values: Tensor) -> Tensor:
    """Add in place, in a fixed order on the CPU (index_add_) and by sorting on CUDA (index_put_): no float atomics."""
    if target.device.type == "cpu":
        return target.index_add_(0, index, values)
    return target.index_put_((index,), values, accumulate=True)


def _density(pieces: EdgePieces, grad: Tensor, winding: Tensor, num_edges: int, fill_rule: str) -> Tensor:
    """dL/dw (N,) at each piece: that of its pixel, or the mean of both sides for an edge on a grid line."""
    flat = F.pad(grad, (1, 1, 1, 1)).reshape(-1)
    sides = _slopes(pieces, winding, num_edges, fill_rule)
    values = [flat.index_select(0, index).to(slope.dtype) * slope for index, slope in sides]
    return values[0] if len(values) == 1 else values[0] + values[1]


def _slopes(pieces: EdgePieces, winding: Tensor, num_edges: int, fill_rule: str) -> list[tuple[Tensor, Tensor]]:
    """Pixels at which each piece changes the mask: (N,) indices of pixels and slopes of the fill rule there.

    Pixels are those of masks with a margin of one pixel of zeros on all sides, (B, H + 2, W + 2) flattened, which
    stands for everything outside. An edge on a grid line has two sides with half of the slope each.
    """
    rows, columns = winding.shape[-2] + 2, winding.shape[-1] + 2
    flat = F.pad(winding, (1, 1, 1, 1)).reshape(-1)
    dtype = winding.dtype if winding.device.type == "mps" else torch.float64
    index = ((pieces.edge // num_edges) * rows + pieces.row + 1) * columns + pieces.column + 1
    here = flat.index_select(0, index).to(dtype)
    on_line = pieces.on_column_line | pieces.on_row_line
    if not bool(on_line.any()):
        return [(index, fold_slope(here, fill_rule))]
    other = index - pieces.on_row_line.long() * columns - pieces.on_column_line.long()
    there = flat.index_select(0, other).to(dtype)
    toward = torch.where(on_line, (there - here) * SIDE_STEP, 0)
    share = torch.where(on_line, 0.5, 1.0).to(dtype)
    return [
        (index, fold_slope(here + toward, fill_rule) * share),
        (other, fold_slope(there - toward, fill_rule) * (1 - share)),
    ]
