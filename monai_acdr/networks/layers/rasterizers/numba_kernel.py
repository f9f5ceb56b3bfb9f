# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Exact area coverage on the CPU, compiled by numba: the passes of ``exact.py`` without tensors in between.

The geometry is that of :func:`exact.cut_edges`, one edge at a time, in float64. The forward pass sums and folds only
the columns between a row's first and last crossing; outside them the mask is constant.

The machine code is kept in numba's cache, so that only the first process waits for the compiler. It releases the GIL,
and large batches are divided among as many threads as torch may use, mask by mask: results do not depend on the number
of threads.
This module imports numba; ``operator.py`` imports it when it is needed.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numba
import numpy as np
import torch
from torch import Tensor

from monai_acdr.networks.layers.rasterizers.exact import FAR, FILL_RULES, KINK_TOLERANCE, SIDE_STEP

__all__ = ["backward_pass", "forward_pass", "rasterize_backward", "rasterize_forward"]

_SERIAL_PIXELS = 100_000
"""Batches of fewer pixels stay in the calling thread: on a busy machine it takes 8 to 16 ms to wake another one."""

# numba caches the values of imported constants: touch this file when they change.
_ON_COLUMN_LINE, _ON_ROW_LINE = 1, 2
_NONZERO, _EVENODD = FILL_RULES.index("nonzero"), FILL_RULES.index("evenodd")


def rasterize_forward(
    vertices: Tensor, size: tuple[int, int], fill_rule: str, rings: int = 1, keep_winding: bool = True
) -> tuple[Tensor, Tensor]:
    """Compiled form of :func:`monai_acdr.networks.layers.rasterizers.exact.rasterize_forward`.

    Args:
        vertices: (B * R, K, 2) float32 or float64 on the CPU.
        size: (H, W).
        fill_rule: one of ``exact.FILL_RULES``.
        rings: R rings of each mask.
        keep_winding: False saves the memory of the signed coverage, which is then empty, where no gradient is needed.
    """
    batch, num_vertices = vertices.shape[0] // rings, vertices.shape[1]
    mask = vertices.new_empty((batch, *size))
    winding = vertices.new_empty((batch, *size) if keep_winding else (0, 0, 0))
    polygons = _array(vertices).reshape(batch, rings, num_vertices, 2)
    rule, masks, windings = FILL_RULES.index(fill_rule), mask.numpy(), winding.numpy()
    threads = _num_threads(batch, size)
    if threads < 2:
        forward_pass(polygons, rule, masks, windings)
    else:
        _share_out(lambda part: forward_pass(polygons[part], rule, masks[part], windings[part]), batch, threads)
    return mask, winding


def rasterize_backward(grad: Tensor, vertices: Tensor, winding: Tensor, fill_rule: str, rings: int = 1) -> Tensor:
    """Compiled form of :func:`monai_acdr.networks.layers.rasterizers.exact.rasterize_backward`."""
    batch, num_vertices = vertices.shape[0] // rings, vertices.shape[1]
    result = torch.empty((batch, rings, num_vertices, 2), dtype=vertices.dtype)
    polygons = _array(vertices).reshape(batch, rings, num_vertices, 2)
    rule, grads, windings, results = FILL_RULES.index(fill_rule), _array(grad), _array(winding), result.numpy()
    threads = _num_threads(batch, (int(grad.shape[-2]), int(grad.shape[-1])))
    if threads < 2:
        backward_pass(grads, polygons, windings, rule, results)
    else:
        _share_out(
            lambda part: backward_pass(grads[part], polygons[part], windings[part], rule, results[part]),
            batch,
            threads,
        )
    return result.view(vertices.shape)


def _array(tensor: Tensor) -> np.ndarray[Any, Any]:
    """Values of a tensor in C order: one layout, one compiled form."""
    return tensor.detach().contiguous().numpy()


def _num_threads(batch: int, size: tuple[int, int]) -> int:
    """Threads for a batch of masks; less than 2 where waking a second one costs more than it saves."""
    return min(torch.get_num_threads(), batch, batch * size[0] * size[1] // _SERIAL_PIXELS)


def _share_out(compute: Callable[[slice], None], batch: int, threads: int) -> None:
    """Divide the masks of a batch among threads."""
    bounds = [batch * part // threads for part in range(threads + 1)]
    list(_pool(threads).map(compute, map(slice, bounds[:-1], bounds[1:])))


_pools: dict[tuple[int, int], ThreadPoolExecutor] = {}


def _pool(threads: int) -> ThreadPoolExecutor:
    """Threads of this process: those of a parent do not live on in a forked data loader worker."""
    key = (os.getpid(), threads)
    if key not in _pools:
        _pools[key] = ThreadPoolExecutor(threads, thread_name_prefix="monai_acdr_rasterize")
    return _pools[key]


def _compile(function: Callable[..., Any]) -> Callable[..., Any]:
    """Compile at the first call, without the GIL; keep the machine code, where there is a folder to keep it in."""
    try:
        return numba.njit(cache=True, nogil=True, error_model="numpy")(function)
    except RuntimeError:  # "no locator available": neither the package's folder nor the user's can be written
        return numba.njit(nogil=True, error_model="numpy")(function)


@_compile
def forward_pass(polygons, rule, masks, windings):  # type: ignore[no-untyped-def]
    """Fill masks and windings (B, H, W) from polygons (B, R, K, 2); windings may be empty."""
    batch, rings, num_vertices, _ = polygons.shape
    height, width = masks.shape[1], masks.shape[2]
    keep_winding = windings.shape[0] == batch
    # A margin as in exact.py: one column on the left, two on the right, one row below. Rows go back to zero after use.
    accumulator = np.zeros((height + 1, width + 3))
    first, last = np.full(height + 1, width + 3), np.full(height + 1, -1)
    cells, pieces = np.empty((2 * (height + width) + 16, 3), np.int64), np.empty((2 * (height + width) + 16, 4))
    for sample in range(batch):
        if not _is_finite(polygons[sample]):
            masks[sample] = np.nan
            if keep_winding:
                windings[sample] = np.nan
            continue
        for ring in range(rings):
            for start in range(num_vertices):
                count = _cut_edge(polygons[sample, ring], start, height, width, cells, pieces)
                for piece in range(count):
                    row, column = cells[piece, 0], cells[piece, 1] + 1
                    to_right = pieces[piece, 2] * pieces[piece, 3]
                    accumulator[row, column] += pieces[piece, 2] - to_right
                    accumulator[row, column + 1] += to_right
                    first[row], last[row] = min(first[row], column), max(last[row], column + 1)
        for row in range(height + 1):
            if row < height:
                mask = masks[sample, row]
                winding = windings[sample, row] if keep_winding else mask[:0]
                _sum_row(accumulator[row], first[row], last[row], rule, mask, winding)
            if last[row] >= 0:
                accumulator[row, first[row] : last[row] + 1] = 0
            first[row], last[row] = width + 3, -1


@_compile
def _sum_row(accumulator, first, last, rule, mask, winding):  # type: ignore[no-untyped-def]
    """Sum one row along x from its first to its last crossing and fold it."""
    width = mask.shape[0]
    keep_winding = winding.shape[0] == width
    begin, end = min(max(first - 1, 0), width), min(max(last, 0), width)
    if last < 0:
        begin = end = width
    running = accumulator[0] if first == 0 else 0.0
    mask[:begin] = 0
    if keep_winding:
        winding[:begin] = 0
    for column in range(begin, end):
        running += accumulator[column + 1]
        mask[column] = _fold(running, rule)
        if keep_winding:
            winding[column] = running
    mask[end:] = _fold(running, rule)
    if keep_winding:
        winding[end:] = running


@_compile
def backward_pass(grads, polygons, windings, rule, results):  # type: ignore[no-untyped-def]
    """Fill results (B, R, K, 2) by Reynolds' transport theorem, see exact.py."""
    batch, rings, num_vertices, _ = polygons.shape
    height, width = grads.shape[1], grads.shape[2]
    cells, pieces = np.empty((2 * (height + width) + 16, 3), np.int64), np.empty((2 * (height + width) + 16, 4))
    sums = np.empty((num_vertices, 2))
    for sample in range(batch):
        if not _is_finite(polygons[sample]):
            results[sample] = 0
            continue
        for ring in range(rings):
            vertices = polygons[sample, ring]
            sums[:] = 0
            for start in range(num_vertices):
                end = start + 1 if start + 1 < num_vertices else 0
                at_start, at_end = 0.0, 0.0
                for piece in range(_cut_edge(vertices, start, height, width, cells, pieces)):
                    density = _density(
                        grads[sample], windings[sample], cells[piece, 0], cells[piece, 1], cells[piece, 2], rule
                    )
                    t_start, t_end = pieces[piece, 0], pieces[piece, 1]
                    moment = density * 0.5 * (t_end * t_end - t_start * t_start)
                    at_end += moment
                    at_start += density * (t_end - t_start) - moment
                edge_x = np.float64(vertices[end, 0]) - np.float64(vertices[start, 0])
                edge_y = np.float64(vertices[end, 1]) - np.float64(vertices[start, 1])
                sums[start, 0] -= edge_y * at_start
                sums[start, 1] += edge_x * at_start
                sums[end, 0] -= edge_y * at_end
                sums[end, 1] += edge_x * at_end
            results[sample, ring] = sums


@_compile
def _cut_edge(vertices, start, height, width, cells, pieces):  # type: ignore[no-untyped-def]
    """Cut the edge from vertex ``start`` to the next as exact.cut_edges does; the number of pieces.

    ``where`` takes (row, column, flags) and ``what`` (t_start, t_end, dy, x_mean) of each piece.
    """
    end = start + 1 if start + 1 < vertices.shape[0] else 0
    x0, y0 = np.float64(vertices[start, 0]), np.float64(vertices[start, 1])
    base_x, base_y = np.floor(min(max(x0, -FAR), FAR)), np.floor(min(max(y0, -FAR), FAR))
    x0, y0 = x0 - base_x, y0 - base_y
    x1, y1 = np.float64(vertices[end, 0]) - base_x, np.float64(vertices[end, 1]) - base_y
    dx, dy = x1 - x0, y1 - y0
    if min(x0, x1) + base_x > width:
        return 0
    low, high = min(y0, y1), max(y0, y1)
    on_row_line = low == high and low == np.floor(low)
    first_row = max(_whole(low) + int(base_y), 0)
    last_row = min(_whole(high) + int(base_y), height if on_row_line else height - 1)
    count = 0
    for row in range(first_row, last_row + 1):
        top = row - base_y
        y_start, y_end = min(max(y0, top), top + 1), min(max(y1, top), top + 1)
        t_start, t_end = 0.0, 1.0
        if dy != 0:
            t_start = min(max((y_start - y0) / dy, 0.0), 1.0)
            t_end = min(max((y_end - y0) / dy, 0.0), 1.0)
        x_start = x0 + t_start * dx if t_start > 0 else x0
        x_end = x0 + t_end * dx if t_end < 1 else x1
        left, right = min(x_start, x_end), max(x_start, x_end)
        first_column = min(max(_whole(left) + int(base_x), -1), width)
        last_column = max(min(max(-_whole(-right) + int(base_x) - 1, -1), width), first_column)
        flags = _ON_ROW_LINE if on_row_line else 0
        if left == right and left == np.floor(left) and dy != 0:
            flags += _ON_COLUMN_LINE
        step = 1 if dx >= 0 else -1
        column, stop = (first_column, last_column) if dx >= 0 else (last_column, first_column)
        t_from, y_from = t_start, y_start
        while True:
            offset = column - base_x
            t_to, y_to = t_end, y_end
            if column != stop:
                line = offset + 1 if step > 0 else offset
                t_to = min(max((line - x0) / dx, t_start), t_end)
                y_to = y0 + t_to * dy
            cells[count, 0], cells[count, 1], cells[count, 2] = row, column, flags
            pieces[count, 0], pieces[count, 1], pieces[count, 2] = t_from, t_to, y_to - y_from
            pieces[count, 3] = min(max(x0 + 0.5 * (t_from + t_to) * dx - offset, 0.0), 1.0)
            count += 1
            if column == stop:
                break
            column, t_from, y_from = column + step, t_to, y_to
    return count


@_compile
def _density(grad, winding, row, column, flags, rule):  # type: ignore[no-untyped-def]
    """dL/dw at one piece, see exact.py."""
    inside = 0 <= row < grad.shape[0] and 0 <= column < grad.shape[1]
    here_grad = np.float64(grad[row, column]) if inside else 0.0
    here = np.float64(winding[row, column]) if inside else 0.0
    if flags == 0:
        return here_grad * _slope(here, rule)
    row -= 1 if flags & _ON_ROW_LINE else 0
    column -= 1 if flags & _ON_COLUMN_LINE else 0
    inside = 0 <= row < grad.shape[0] and 0 <= column < grad.shape[1]
    there_grad = np.float64(grad[row, column]) if inside else 0.0
    there = np.float64(winding[row, column]) if inside else 0.0
    toward = (there - here) * SIDE_STEP
    return 0.5 * (here_grad * _slope(here + toward, rule) + there_grad * _slope(there - toward, rule))


@_compile
def _fold(winding, rule):  # type: ignore[no-untyped-def]
    if rule == _NONZERO:
        return min(abs(winding), 1.0)
    if rule == _EVENODD:
        return 1 - abs(abs(winding) % 2.0 - 1)
    return winding


@_compile
def _slope(winding, rule):  # type: ignore[no-untyped-def]
    sign = np.sign(winding)
    if rule == _NONZERO:
        return sign if abs(winding) <= 1 + KINK_TOLERANCE else 0.0
    if rule == _EVENODD:
        return sign if abs(winding) % 2.0 <= 1 + KINK_TOLERANCE else -sign
    return 1.0


@_compile
def _whole(value):  # type: ignore[no-untyped-def]
    return int(np.floor(min(max(value, -2 * FAR), 2 * FAR)))


@_compile
def _is_finite(values):  # type: ignore[no-untyped-def]
    for value in values.flat:
        if not np.isfinite(value):
            return False
    return True
