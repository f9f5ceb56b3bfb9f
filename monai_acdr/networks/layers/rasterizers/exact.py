# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Exact area coverage of polygons, in plain torch: the value of a pixel is the area of the polygon inside it.

Forward: each piece of an edge within a pixel adds its signed height, split by its mean horizontal position, to the
pixel and to its right neighbour; a cumulative sum along x turns this into the signed coverage w (the integral of the
winding number over the pixel), and a fill rule folds w into [0, 1].

Backward: Reynolds' transport theorem. With G = dL/dw at the crossed pixels and e = P1 - P0,

    dL/dP0 += (-e_y, e_x) sum G int (1 - t) dt        dL/dP1 += (-e_y, e_x) sum G int t dt

over the edge's pieces: nothing is taped over pixels. The tangent of the mask (forward mode) is the transpose of that,
and second derivatives come from the plain form, :func:`rasterize_plain`.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F

from monai_acdr.networks.layers.rasterizers.pieces import EdgePieces, cut_edges

__all__ = [
    "FILL_RULES",
    "KINK_TOLERANCE",
    "NUDGE",
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

NUDGE = 1e-3
"""Step from one side of a grid line towards the other at which the slope of the fill rule is read."""


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
    ``pieces`` are those of :func:`cut_polygons` if they are at hand, here and in :func:`rasterize_backward`.
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

    An edge that lies exactly on a grid line takes the mean of both sides, which is what a central difference sees.
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
    """Integrals of 1 - t and of t over each piece, (N,): what its edge's two vertices have of its motion."""
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
    """Scatter the pieces and sum along x; a margin takes what lies outside the frame, so that nothing is tested for it.

    The margin is one column on the left, whose sum enters the frame as it should, two on the right and one row below.
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
    """Where each piece changes the mask, and how much: (N,) indices of pixels and slopes of the fill rule there.

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
    towards = torch.where(on_line, (there - here) * NUDGE, 0)
    share = torch.where(on_line, 0.5, 1.0).to(dtype)
    return [
        (index, fold_slope(here + towards, fill_rule) * share),
        (other, fold_slope(there - towards, fill_rule) * (1 - share)),
    ]
