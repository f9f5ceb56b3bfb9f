# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""What one edge covers of a block of pixels: the closed form that the forward program of ``triton_programs.py`` sums.

A directed edge's piece within a row, of signed height dy, adds dy times the mean over the piece of
clamp(c + 1 - x, 0, 1) to the signed coverage of every pixel c of that row.
"""

# mypy: disable-error-code="no-untyped-def"

from __future__ import annotations

import triton
import triton.language as tl

__all__ = ["cover", "unit"]

_FLAT = tl.constexpr(1e-200)  # heights whose reciprocal could overflow; they cover nothing
_HUGE, _TINY = tl.constexpr(1e36), tl.constexpr(1e-20)


@triton.jit
def unit(values):
    """Values clamped to [0, 1]."""
    return tl.minimum(tl.maximum(values, 0.0), 1.0)


@triton.jit
def cover(x_start, y_start, x_end, y_end, top, right):
    """What one edge adds to the signed coverage of rows ``top`` (ROWS, 1) and columns ``right - 1`` (1, COLUMNS)."""
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
