# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Exact area coverage on CUDA, compiled by triton: one launch forward and one backward, no atomics, no tape.

Forward: a program fills a block of rows and columns of one mask. A directed edge's piece within a row, of signed
height dy, adds dy times the mean over the piece of clamp(c + 1 - x, 0, 1) to the signed coverage of every pixel c of
that row: nothing to its left, all of dy to its right. So there is no sum along x, and the sums stay in registers.

Backward: a lane walks the pixels that an edge crosses, row by row as :func:`exact.cut_edges` does, and gathers dL/dw
there (Reynolds' transport theorem, see ``exact.py``). Each vertex has two lanes, for the edge that starts and the one
that ends there.

Geometry is computed in float64 for each row and edge, pixels in the dtype of the vertices: horizontal positions are
split into whole pixels and a fraction, so that float32 loses nothing far from the origin. Results do not depend on the
order in which programs run, nor on the size of the blocks.

This module imports triton; ``operator.py`` imports it when it is needed. If ``TRITON_INTERPRET=1`` is set before that,
the same programs run on the CPU, slowly: for tests.
"""

# mypy: disable-error-code="no-untyped-def"
# Triton compiles the programs: their arguments are pointers, numbers and blocks, and have no types of Python.

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext

import torch
import triton
import triton.language as tl
from torch import Tensor
from triton.runtime.jit import JITFunction

from monai_acdr.networks.layers.rasterizers.exact import FAR, FILL_RULES, KINK_TOLERANCE, SIDE_STEP

__all__ = ["INTERPRETED", "backward", "forward", "is_available", "rasterize_backward", "rasterize_forward"]

_ROWS = 2
"""Rows of a program, a single warp; twice as many in tall images. Few rows meet few edges."""

_COLUMNS = 128
"""Columns of a program at most: an edge costs next to nothing in blocks that lie left or right of it."""

_VERTICES = 16
"""Vertices of a program of the backward pass: with two edges each, one for each lane of a warp."""

_OPTIONS = {"num_warps": 1, "enable_fp_fusion": True}

_FLAT = tl.constexpr(1e-200)  # heights whose reciprocal could overflow; they cover nothing
_HUGE, _TINY = tl.constexpr(1e36), tl.constexpr(1e-20)
_NONZERO, _EVENODD = tl.constexpr(FILL_RULES.index("nonzero")), tl.constexpr(FILL_RULES.index("evenodd"))
_FULL, _SIDE_STEP = tl.constexpr(1 + KINK_TOLERANCE), tl.constexpr(SIDE_STEP)
_FAR = tl.constexpr(FAR)


@triton.jit
def _smaller(one, other):
    return tl.minimum(one, other)


@triton.jit
def _plus(one, other):
    return one + other


INTERPRETED = not isinstance(_plus, JITFunction)
"""Whether ``TRITON_INTERPRET`` was set when this module was imported: then the programs run on the CPU, slowly."""

if INTERPRETED:  # which reduces by numpy where it knows the operation
    _smaller, _plus = tl.standard._elementwise_min, tl.standard._sum_combine


def is_available(device: torch.device | str = "cuda") -> bool:
    """True where these kernels run on tensors of a device: CUDA, or any in triton's interpreter."""
    return INTERPRETED or torch.device(device).type == "cuda"


def rasterize_forward(
    vertices: Tensor, size: tuple[int, int], fill_rule: str, rings: int = 1, keep_winding: bool = True
) -> tuple[Tensor, Tensor]:
    """CUDA form of :func:`monai_acdr.networks.layers.rasterizers.exact.rasterize_forward`.

    Args:
        vertices: (B * R, K, 2) float32 or float64 on CUDA, of any stride.
        size: (H, W).
        fill_rule: one of ``exact.FILL_RULES``.
        rings: R rings of each mask.
        keep_winding: False saves the memory of the signed coverage, which is then empty, where no gradient is needed.
    """
    batch, (height, width) = vertices.shape[0] // rings, size
    mask = vertices.new_empty((batch, height, width))
    winding = vertices.new_empty((batch, height, width) if keep_winding else (0, 0, 0))
    if mask.numel() == 0:
        return mask, winding
    columns = min(triton.next_power_of_2(width), _COLUMNS)
    rows = _ROWS if height <= 256 else 2 * _ROWS
    grid = (batch, triton.cdiv(height, rows), triton.cdiv(width, columns))
    with _on(vertices.device):
        forward[grid](
            vertices.detach(),
            mask,
            winding if keep_winding else mask,
            height,
            width,
            rings,
            vertices.shape[1],
            *vertices.stride(),
            RULE=FILL_RULES.index(fill_rule),
            KEEP_WINDING=keep_winding,
            ROWS=rows,
            COLUMNS=columns,
            EDGES=min(triton.next_power_of_2(max(vertices.shape[1], 1)), 32),
            **_OPTIONS,
        )
    return mask, winding


def rasterize_backward(grad: Tensor, vertices: Tensor, winding: Tensor, fill_rule: str, rings: int = 1) -> Tensor:
    """CUDA form of :func:`monai_acdr.networks.layers.rasterizers.exact.rasterize_backward`."""
    result = torch.empty(vertices.shape, dtype=vertices.dtype, device=vertices.device)
    if result.numel() == 0 or grad.numel() == 0:
        return result.zero_()
    count = vertices.shape[0] * vertices.shape[1]
    with _on(vertices.device):
        backward[(triton.cdiv(count, _VERTICES),)](
            vertices.detach(),
            grad.detach(),
            winding.detach().contiguous(),
            result,
            grad.shape[-2],
            grad.shape[-1],
            rings,
            vertices.shape[1],
            count,
            *vertices.stride(),
            *grad.stride(),
            RULE=FILL_RULES.index(fill_rule),
            VERTICES=_VERTICES,
            **_OPTIONS,
        )
    return result


def _on(device: torch.device) -> AbstractContextManager[object]:
    """Triton launches on the current device, which need not be that of the tensors."""
    return torch.cuda.device(device) if device.type == "cuda" else nullcontext()


@triton.jit(do_not_specialize=["height", "rings", "num_vertices"])
def forward(
    vertices,
    mask,
    winding,
    height,
    width,
    rings,
    num_vertices,
    ring_stride,
    vertex_stride,
    axis_stride,
    RULE: tl.constexpr,
    KEEP_WINDING: tl.constexpr,
    ROWS: tl.constexpr,
    COLUMNS: tl.constexpr,
    EDGES: tl.constexpr,
):
    """Fill ROWS x COLUMNS of mask and winding (B, H, W), both contiguous, from vertices (B * R, K, 2)."""
    sample = tl.program_id(0).to(tl.int64)
    first_row, first_column = tl.program_id(1) * ROWS, tl.program_id(2) * COLUMNS
    rows, columns = first_row + tl.arange(0, ROWS), first_column + tl.arange(0, COLUMNS)
    dtype = mask.dtype.element_ty
    top, right = rows.to(dtype)[:, None], (columns + 1).to(dtype)[None, :]
    total = tl.full((ROWS, COLUMNS), 0.0, dtype)
    spoiled = tl.full((), 0, tl.int32)
    lanes = tl.arange(0, EDGES)
    for ring in range(0, rings):
        origin = vertices + (sample * rings + ring) * ring_stride
        for chunk in range(0, num_vertices, EDGES):
            # Edges right of the block, above it or below it contribute nothing.
            start = chunk + lanes
            end = tl.where(start + 1 < num_vertices, start + 1, 0)
            valid = start < num_vertices
            x0 = tl.load(origin + start * vertex_stride, mask=valid, other=0.0)
            y0 = tl.load(origin + start * vertex_stride + axis_stride, mask=valid, other=0.0)
            x1 = tl.load(origin + end * vertex_stride, mask=valid, other=0.0)
            y1 = tl.load(origin + end * vertex_stride + axis_stride, mask=valid, other=0.0)
            finite = (tl.abs(x0) < float("inf")) & (tl.abs(y0) < float("inf"))
            finite &= (tl.abs(x1) < float("inf")) & (tl.abs(y1) < float("inf"))
            spoiled += tl.reduce(tl.where(finite, 0, 1), 0, _plus)
            matters = (tl.maximum(y0, y1) > first_row) & (tl.minimum(y0, y1) < first_row + ROWS) & (y0 != y1)
            matters &= finite & (tl.minimum(x0, x1) < first_column + COLUMNS + 1)
            current = tl.reduce(tl.where(matters, lanes, EDGES), 0, _smaller)
            while current < EDGES:
                next_one = tl.where(chunk + current + 1 < num_vertices, chunk + current + 1, 0)
                x_start = tl.load(origin + (chunk + current) * vertex_stride)
                y_start = tl.load(origin + (chunk + current) * vertex_stride + axis_stride)
                x_end = tl.load(origin + next_one * vertex_stride)
                y_end = tl.load(origin + next_one * vertex_stride + axis_stride)
                if tl.maximum(x_start, x_end) + 1 <= first_column:
                    total += unit(y_end - top) - unit(y_start - top)
                else:
                    total += cover(x_start, y_start, x_end, y_end, top, right)
                current = tl.reduce(tl.where(matters & (lanes > current), lanes, EDGES), 0, _smaller)
    total = tl.where(spoiled > 0, float("nan"), total)
    offsets = (sample * height + rows[:, None]) * width + columns[None, :]
    inside = (rows[:, None] < height) & (columns[None, :] < width)
    folded = total
    if RULE == _NONZERO:
        folded = tl.where(tl.abs(total) > 1.0, 1.0, tl.abs(total))  # keeps NaN
    if RULE == _EVENODD:
        turns = tl.abs(total)
        folded = 1.0 - tl.abs(turns - 2.0 * tl.floor(0.5 * turns) - 1.0)
    tl.store(mask + offsets, folded, mask=inside)
    if KEEP_WINDING:
        tl.store(winding + offsets, total, mask=inside)


@triton.jit(do_not_specialize=["height", "rings", "num_vertices", "count"])
def backward(
    vertices,
    grad,
    winding,
    result,
    height,
    width,
    rings,
    num_vertices,
    count,
    ring_stride,
    vertex_stride,
    axis_stride,
    sample_stride,
    row_stride,
    column_stride,
    RULE: tl.constexpr,
    VERTICES: tl.constexpr,
):
    """Fill result (B * R, K, 2), contiguous, for VERTICES of its vertices; grad (B, H, W) of any stride."""
    vertex = tl.program_id(0) * VERTICES + tl.arange(0, VERTICES)
    is_end = tl.arange(0, 2)[None, :] > 0  # second lane: the edge that ends at the vertex
    valid = vertex[:, None] < count
    ring = (vertex // num_vertices).to(tl.int64)
    sample = (ring // rings)[:, None]
    x0, y0, x1, y1 = _load_edges(
        vertices, vertex, ring, is_end, valid, num_vertices, ring_stride, vertex_stride, axis_stride
    )
    # A mask whose vertices are not all finite has no finite signed coverage.
    grads, windings = grad + sample * sample_stride, winding + sample * height * width
    corner = tl.load(windings, mask=valid, other=0.0)
    finite = (tl.abs(x0) + tl.abs(y0) < float("inf")) & (tl.abs(x1) + tl.abs(y1) < float("inf")) & (corner == corner)
    x0, y0 = tl.where(finite, x0, 0.0), tl.where(finite, y0, 0.0)
    x1, y1 = tl.where(finite, x1, 0.0), tl.where(finite, y1, 0.0)

    # From here on as cut_edges in exact.py, one piece at a time.
    base_x = tl.floor(tl.minimum(tl.maximum(x0, -_FAR), _FAR))
    base_y = tl.floor(tl.minimum(tl.maximum(y0, -_FAR), _FAR))
    x0, y0, x1, y1 = x0 - base_x, y0 - base_y, x1 - base_x, y1 - base_y
    whole_x, whole_y = base_x.to(tl.int32), base_y.to(tl.int32)
    dx, dy = x1 - x0, y1 - y0
    flat, rightward = dy == 0.0, dx >= 0.0
    divisor_x = tl.where(dx == 0.0, 1.0, dx)
    low, high = tl.minimum(y0, y1), tl.maximum(y0, y1)
    on_row = flat & (low == tl.floor(low))
    row = tl.maximum(_whole(low) + whole_y, 0)
    last_row = _whole(high) + whole_y
    last_row = tl.minimum(last_row, tl.where(on_row, height, height - 1))
    visible = valid & finite & (tl.minimum(x0, x1) + base_x <= width) & (tl.maximum(x0, x1) + base_x >= 0.0)
    column, t_from = tl.full((VERTICES, 2), 0, tl.int32), tl.full((VERTICES, 2), 0.0, tl.float64)
    moment = tl.full((VERTICES, 2), 0.0, tl.float64)
    enters = visible  # the piece is the first of its row
    active = visible & (row <= last_row)
    while tl.reduce(tl.where(active, 1, 0), None, _plus) > 0:
        t_start, t_end, left, right = _within_row(x0, y0, x1, y1, (row - whole_y).to(tl.float64))
        first = tl.minimum(tl.maximum(_whole(left) + whole_x, -1), width)
        last = tl.maximum(tl.minimum(tl.maximum(-_whole(-right) + whole_x - 1, -1), width), first)
        column = tl.where(enters, tl.where(rightward, first, last), column)
        t_from = tl.where(enters, t_start, t_from)
        leaves = column == tl.where(rightward, last, first)
        line = (column - whole_x + tl.where(rightward, 1, 0)).to(tl.float64)
        t_to = tl.where(leaves, t_end, tl.minimum(tl.maximum((line - x0) / divisor_x, t_start), t_end))

        on_column = (left == right) & (left == tl.floor(left)) & (dy != 0.0)
        density = _density(
            grads, windings, row, column, active, on_row, on_column, height, width, row_stride, column_stride, RULE
        )
        to_end = 0.5 * (t_to * t_to - t_from * t_from)
        moment += tl.where(active, density * tl.where(is_end, to_end, t_to - t_from - to_end), 0.0)
        column += tl.where(rightward, 1, -1)
        row += tl.where(leaves, 1, 0)
        t_from, enters = t_to, leaves
        active &= row <= last_row
    target = result + vertex * 2
    x, y = tl.reduce(-dy * moment, 1, _plus), tl.reduce(dx * moment, 1, _plus)
    tl.store(target, x.to(result.dtype.element_ty), mask=vertex < count)
    tl.store(target + 1, y.to(result.dtype.element_ty), mask=vertex < count)


@triton.jit
def _load_edges(vertices, vertex, ring, is_end, valid, num_vertices, ring_stride, vertex_stride, axis_stride):
    """Ends, in float64, of the edges that start at vertices, or that end there."""
    start = (vertex % num_vertices)[:, None]
    start = tl.where(is_end, tl.where(start > 0, start, num_vertices) - 1, start)
    end = tl.where(start + 1 < num_vertices, start + 1, 0)
    origin = vertices + (ring * ring_stride)[:, None]
    x0 = tl.load(origin + start * vertex_stride, mask=valid, other=0.0).to(tl.float64)
    y0 = tl.load(origin + start * vertex_stride + axis_stride, mask=valid, other=0.0).to(tl.float64)
    x1 = tl.load(origin + end * vertex_stride, mask=valid, other=0.0).to(tl.float64)
    y1 = tl.load(origin + end * vertex_stride + axis_stride, mask=valid, other=0.0).to(tl.float64)
    return x0, y0, x1, y1


@triton.jit
def _within_row(x0, y0, x1, y1, above):
    """The part of edges within the row below ``above``: its range of t, and of x."""
    dx, dy = x1 - x0, y1 - y0
    divisor = tl.where(dy == 0.0, 1.0, dy)
    y_start = tl.minimum(tl.maximum(y0, above), above + 1.0)
    y_end = tl.minimum(tl.maximum(y1, above), above + 1.0)
    t_start = unit((y_start - y0) / divisor)
    t_end = tl.where(dy == 0.0, 1.0, unit((y_end - y0) / divisor))
    x_start = tl.where(t_start > 0.0, x0 + t_start * dx, x0)
    x_end = tl.where(t_end < 1.0, x0 + t_end * dx, x1)
    return t_start, t_end, tl.minimum(x_start, x_end), tl.maximum(x_start, x_end)


@triton.jit
def _whole(values):
    return tl.floor(tl.minimum(tl.maximum(values, -2 * _FAR), 2 * _FAR)).to(tl.int32)


@triton.jit
def _density(
    grads,
    windings,
    row,
    column,
    requested,
    on_row,
    on_column,
    height,
    width,
    row_stride,
    column_stride,
    RULE: tl.constexpr,
):
    """dL/dw at pixels, see ``exact.py``: the mean of both sides for an edge on a grid line."""
    on_line = on_row | on_column
    here_grad, here = _read(grads, windings, row, column, requested, height, width, row_stride, column_stride)
    other_row, other_column = row - tl.where(on_row, 1, 0), column - tl.where(on_column, 1, 0)
    there_grad, there = _read(
        grads, windings, other_row, other_column, requested & on_line, height, width, row_stride, column_stride
    )
    toward = tl.where(on_line, (there - here) * _SIDE_STEP, 0.0)
    density = here_grad * _slope(here + toward, RULE)
    return tl.where(on_line, 0.5 * (density + there_grad * _slope(there - toward, RULE)), density)


@triton.jit
def _read(grads, windings, row, column, requested, height, width, row_stride, column_stride):
    """Gradient and signed coverage at pixels, 0 outside the frame."""
    inside = requested & (row >= 0) & (row < height) & (column >= 0) & (column < width)
    row, column = row.to(tl.int64), column.to(tl.int64)
    grad = tl.load(grads + row * row_stride + column * column_stride, mask=inside, other=0.0)
    winding = tl.load(windings + row * width + column, mask=inside, other=0.0)
    return grad.to(tl.float64), winding.to(tl.float64)


@triton.jit
def _slope(winding, RULE: tl.constexpr):
    """Derivative of the fill rule, see ``exact.fold_slope``."""
    turns = tl.abs(winding)
    slope = tl.where(winding > 0.0, 1.0, tl.where(winding < 0.0, -1.0, 0.0))
    if RULE == _NONZERO:
        slope = tl.where(turns <= _FULL, slope, 0.0)
    elif RULE == _EVENODD:
        slope = tl.where(turns - 2.0 * tl.floor(0.5 * turns) <= _FULL, slope, -slope)
    else:
        slope = tl.full(winding.shape, 1.0, tl.float32)
    return slope


@triton.jit
def unit(values):
    """Values clamped to [0, 1]."""
    return tl.minimum(tl.maximum(values, 0.0), 1.0)


@triton.jit
def cover(x_start, y_start, x_end, y_end, top, right):
    """Share of one edge in the signed coverage of rows ``top`` (ROWS, 1) and columns ``right - 1`` (1, COLUMNS)."""
    # Differences of clipped values telescope to zero round the polygon.
    from_top, to_top = unit(y_start - top), unit(y_end - top)
    # Where the edge enters and leaves the row, relative to the whole pixel in which it starts.
    x_in, y_in = x_start.to(tl.float64), y_start.to(tl.float64)
    base_x, base_y = tl.floor(x_in), tl.floor(y_in)
    x_in, y_in = x_in - base_x, y_in - base_y
    rise = y_end.to(tl.float64) - base_y - y_in
    run = x_end.to(tl.float64) - base_x - x_in
    slope = run / tl.where(tl.abs(rise) > _FLAT, rise, float("inf"))
    below = top.to(tl.float64) - base_y - y_in
    entry = x_in + (below + from_top.to(tl.float64)) * slope
    exit_ = x_in + (below + to_top.to(tl.float64)) * slope
    left = tl.minimum(entry, exit_)
    length = tl.minimum(tl.maximum(entry, exit_) - left, _HUGE).to(right.dtype)
    whole = tl.floor(left)
    fraction = (left - whole).to(right.dtype)
    whole = tl.minimum(tl.maximum(whole + base_x, -_HUGE), _HUGE).to(right.dtype)
    # u = c + 1 - x runs over [lowest, highest]: the shares of it above 1 and below 0, and the rest.
    highest = (right - whole) - fraction
    lowest = highest - length
    scale = 1.0 / tl.maximum(length, _TINY)
    over, under = unit((highest - 1.0) * scale), unit(-lowest * scale)
    between = 0.5 * (unit(lowest) + unit(highest))
    return (to_top - from_top) * (over + (1.0 - over - under) * between)
