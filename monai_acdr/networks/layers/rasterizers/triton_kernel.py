# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Exact area coverage on CUDA, compiled by triton: one launch forward and one backward, no atomics, no tape.

Results do not depend on the order in which programs run, nor on the blocks into which the work is cut.

This module imports triton: see ``backends.py``, which imports it where it is wanted. Where ``TRITON_INTERPRET=1`` was
set before that, the same programs run on the CPU, slowly: for tests.
"""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext

import torch
import triton
from torch import Tensor

from monai_acdr.networks.layers.rasterizers import triton_programs as programs
from monai_acdr.networks.layers.rasterizers.exact import FILL_RULES

__all__ = ["is_available", "rasterize_backward", "rasterize_forward"]

_ROWS = 2
"""Rows of a program, a single warp; twice as many in tall images. Few rows meet few edges."""

_COLUMNS = 128
"""Columns of a program at most: an edge costs next to nothing in blocks that lie left or right of it."""

_VERTICES = 16
"""Vertices of a program of the backward pass: with two edges each, one for each lane of a warp."""

_OPTIONS = {"num_warps": 1, "enable_fp_fusion": True}


def is_available(device: torch.device | str = "cuda") -> bool:
    """True where these kernels run on tensors of a device: CUDA, or any in triton's interpreter."""
    return programs.INTERPRETED or torch.device(device).type == "cuda"


def rasterize_forward(
    vertices: Tensor, size: tuple[int, int], fill_rule: str, rings: int = 1, keep_winding: bool = True
) -> tuple[Tensor, Tensor]:
    """See :func:`monai_acdr.networks.layers.rasterizers.exact.rasterize_forward`, of which this is the CUDA form.

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
        programs.forward[grid](
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
    """See :func:`monai_acdr.networks.layers.rasterizers.exact.rasterize_backward`, of which this is the CUDA form."""
    result = torch.empty(vertices.shape, dtype=vertices.dtype, device=vertices.device)
    if result.numel() == 0 or grad.numel() == 0:
        return result.zero_()
    count = vertices.shape[0] * vertices.shape[1]
    with _on(vertices.device):
        programs.backward[(triton.cdiv(count, _VERTICES),)](
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
