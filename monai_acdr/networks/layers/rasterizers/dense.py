# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Exact area coverage in closed form: every edge gives its share to every pixel, by elementwise operations and a sum.

Nothing depends on the data but the values: no index, no scatter, no loop. ONNX and other exporters, ``vmap``,
``jacrev``, forward-mode derivatives and derivatives of any order all work. The price is memory: several tensors of
batch x vertices x height x width.

The part of a directed edge within a row is a straight piece from x = left to x = right with signed height dy. The area
to its right within pixel c is dy times the mean over the piece of clamp(u, 0, 1), where u = c + 1 - x runs from low to
high. A share ``under`` of the piece has u < 0, a share ``over`` has u > 1, and between them u is linear:

    mean = (1 - under - over) (clamp(low, 0, 1) + clamp(high, 0, 1)) / 2 + over

which neither cancels nor divides by zero where the piece is vertical, and neither do its derivatives.
"""

from __future__ import annotations

import torch
from torch import Tensor

from monai_acdr.networks.layers.rasterizers.exact import FILL_RULES, fold, fold_slope

__all__ = ["rasterize_dense"]

ZERO_LENGTH = 1e-30
"""Lengths in pixels up to this count as zero, since derivatives hold powers of their reciprocals."""


def rasterize_dense(vertices: Tensor, size: tuple[int, int], fill_rule: str = "nonzero", rings: int = 1) -> Tensor:
    """The masks of :mod:`~monai_acdr.networks.layers.rasterizers.exact`, by operations that every exporter supports.

    At the peak, 8 tensors of B * R * K * H * W numbers are in memory, or 17 with a derivative: made for export and
    unusual transforms, not for training. Geometry, which is small, is computed in float64 if the device has it.

    Where an edge lies exactly on a grid line, the derivative is the mean of both sides, as long as all of the mask is
    wound around in the same direction and at most once.

    Args:
        vertices: (B * R, K, 2) polygons in pixels, float32 or float64.
        size: (H, W). In an export this, B and K may be symbolic.
        fill_rule: ``nonzero``, ``evenodd`` or ``signed``.
        rings: R polygons that follow each other are the rings of one mask: their signed coverages are added.

    Returns:
        (B, H, W) of the dtype of ``vertices``. A mask with a coordinate that is not finite is all NaN, without
        gradient; the others of the batch are not affected.

    Example:
        >>> square = torch.tensor([[[0.5, 0.0], [2.0, 0.0], [2.0, 1.0], [0.5, 1.0]]])
        >>> rasterize_dense(square, (1, 3))
        tensor([[[0.5000, 1.0000, 0.0000]]])
    """
    if fill_rule not in FILL_RULES:
        raise ValueError(f"Expected `fill_rule` to be one of {FILL_RULES}, but got {fill_rule!r}.")
    finite = torch.isfinite(vertices).flatten(1).all(1)
    clean = torch.where(finite[:, None, None], vertices, 0.0)
    pieces = _cut_rows(clean if clean.device.type == "mps" else clean.to(torch.float64), size[0])
    winding = _coverage(*pieces, size[1], vertices.dtype)
    if rings != 1:
        winding = winding.unflatten(0, (-1, rings)).sum(1)
        finite = finite.unflatten(0, (-1, rings)).all(1)
    mask = _fold(winding, fill_rule)
    return torch.where(finite[:, None, None], mask, float("nan"))


def _cut_rows(vertices: Tensor, height: int) -> tuple[Tensor, Tensor, Tensor]:
    """Signed height and the x of both ends of the piece of each edge in each row, all (P, K, H)."""
    x0, y0 = vertices[..., None].unbind(2)  # (P, K, 1)
    x1, y1 = torch.roll(x0, -1, dims=1), torch.roll(y0, -1, dims=1)
    rows = torch.arange(height, dtype=vertices.dtype, device=vertices.device)
    start, end = y0 - rows, y1 - rows
    clipped_start, clipped_end = _unit(start), _unit(end)
    slant = _reciprocal(y1 - y0)
    # Shares of the edge cut off before and after the row; 0 for flat edges. An edge that misses the row has height 0.
    # `clamp` passes on the whole derivative at its bounds: that is where a vertex on a grid line has it.
    before = ((clipped_start - start) * slant).clamp(0, 1)
    after = ((end - clipped_end) * slant).clamp(0, 1)
    return clipped_end - clipped_start, x0 + before * (x1 - x0), x1 - after * (x1 - x0)


def _coverage(dy: Tensor, x_start: Tensor, x_end: Tensor, width: int, dtype: torch.dtype) -> Tensor:
    """(P, H, W) signed coverage by pieces (P, K, H). Columns count from the piece's own, so float32 loses no digits."""
    left, right = torch.minimum(x_start, x_end), torch.maximum(x_start, x_end)
    whole, length = right.floor(), right - left
    pieces = torch.stack([dy, whole, 1 - (right - whole), length, _reciprocal(length)])
    dy, whole, rest, length, share = pieces.to(dtype)[..., None].unbind()
    low = torch.arange(width, dtype=dtype, device=dy.device) - whole + rest
    high = low + length
    under, over = _unit(-low * share), _unit((high - 1) * share)
    return (dy * ((1 - under - over) * (0.5 * (_unit(low) + _unit(high))) + over)).sum(1)


def _fold(winding: Tensor, fill_rule: str) -> Tensor:
    """``exact.fold`` with the slope that ``exact.py`` gives to pixels that are just full or, beside the mask, empty.

    In an empty pixel the orientation of the mask beside it is unknown: the sign of the image's sum supplies it.
    """
    mask = fold(winding, fill_rule)
    if fill_rule == "signed" or torch.onnx.is_in_onnx_export():
        return mask
    fixed = winding.detach()
    direction = fixed.sum((-2, -1), keepdim=True).sign()
    noise = 4 * torch.finfo(winding.dtype).eps
    slope = fold_slope(torch.where(fixed.abs() <= noise, noise * direction, fixed), fill_rule)
    return mask.detach() + slope * (winding - fixed)


def _unit(values: Tensor) -> Tensor:
    """Clamp to [0, 1] with half the slope at the bounds: the mean of both sides."""
    return torch.minimum(torch.maximum(values, values.new_zeros(())), values.new_ones(()))


def _reciprocal(values: Tensor) -> Tensor:
    """1 / values, and 0 without derivative where they are nearly 0."""
    flat = values.abs() <= ZERO_LENGTH
    return torch.where(flat, 0.0, 1 / torch.where(flat, 1.0, values))
