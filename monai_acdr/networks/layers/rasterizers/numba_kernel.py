# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Exact area coverage on the CPU, compiled by numba: the passes of ``exact.py`` without tensors in between.

The machine code is kept in numba's cache, so that only the first process waits for it; it releases the GIL, and batches
that are large enough are shared out to as many threads as torch may use, mask by mask, so that results do not depend on
their number. This module imports numba: see ``backends.py``, which imports it where it is wanted.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import torch
from torch import Tensor

from monai_acdr.networks.layers.rasterizers.exact import FILL_RULES
from monai_acdr.networks.layers.rasterizers.numba_passes import backward_pass, forward_pass

__all__ = ["rasterize_backward", "rasterize_forward"]

_SERIAL_PIXELS = 100_000
"""Batches of fewer pixels stay in the calling thread: on a busy machine it takes 8 to 16 ms to wake another one."""


def rasterize_forward(
    vertices: Tensor, size: tuple[int, int], fill_rule: str, rings: int = 1, keep_winding: bool = True
) -> tuple[Tensor, Tensor]:
    """See :func:`monai_acdr.networks.layers.rasterizers.exact.rasterize_forward`, of which this is the fast form.

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

    def work(low: int, high: int) -> None:
        forward_pass(polygons[low:high], rule, masks[low:high], windings[low:high])

    _share_out(work, batch, size)
    return mask, winding


def rasterize_backward(grad: Tensor, vertices: Tensor, winding: Tensor, fill_rule: str, rings: int = 1) -> Tensor:
    """See :func:`monai_acdr.networks.layers.rasterizers.exact.rasterize_backward`, of which this is the fast form."""
    batch, num_vertices = vertices.shape[0] // rings, vertices.shape[1]
    result = torch.empty((batch, rings, num_vertices, 2), dtype=vertices.dtype)
    polygons = _array(vertices).reshape(batch, rings, num_vertices, 2)
    rule, grads, windings, results = FILL_RULES.index(fill_rule), _array(grad), _array(winding), result.numpy()

    def work(low: int, high: int) -> None:
        backward_pass(grads[low:high], polygons[low:high], windings[low:high], rule, results[low:high])

    _share_out(work, batch, (int(grad.shape[-2]), int(grad.shape[-1])))
    return result.view(vertices.shape)


def _array(tensor: Tensor) -> np.ndarray[Any, Any]:
    """The numbers of a tensor in C order: one layout, one compiled form."""
    return tensor.detach().contiguous().numpy()


def _share_out(work: Callable[[int, int], None], batch: int, size: tuple[int, int]) -> None:
    """Call ``work`` for all of ``range(batch)``, in threads where that pays."""
    threads = min(torch.get_num_threads(), batch, batch * size[0] * size[1] // _SERIAL_PIXELS)
    if threads < 2:
        work(0, batch)
        return
    bounds = [batch * part // threads for part in range(threads + 1)]
    list(_pool(threads).map(work, bounds[:-1], bounds[1:]))


_pools: dict[tuple[int, int], ThreadPoolExecutor] = {}


def _pool(threads: int) -> ThreadPoolExecutor:
    """Threads of this process: those of a parent do not live on in a forked data loader worker."""
    key = (os.getpid(), threads)
    if key not in _pools:
        _pools[key] = ThreadPoolExecutor(threads, thread_name_prefix="monai_acdr_rasterize")
    return _pools[key]
