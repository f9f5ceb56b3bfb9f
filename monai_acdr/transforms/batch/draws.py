# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Random numbers for a batch, and sampling grids of its views. Draws from torch's global generator, on the CPU."""

from __future__ import annotations

import math

import torch
from torch import Tensor

__all__ = ["draw_log_uniform", "draw_some", "similarity", "unit_points"]


def draw_log_uniform(batch: int, low: float, high: float) -> Tensor:
    """(B,) numbers whose logarithm is uniform: halving is as likely as doubling."""
    return torch.exp(torch.rand(batch) * (math.log(high) - math.log(low)) + math.log(low))


def draw_some(like: Tensor, low: float, high: float, prob: float) -> Tensor:
    """(B, 1, 1, 1) uniform numbers, 0 in all but a share of the batch; of the type and place of ``like`` (B, ...)."""
    shape = (len(like), 1, 1, 1)
    drawn = torch.rand(shape) * (high - low) + low
    return (drawn * (torch.rand(shape) < prob)).to(like)


def similarity(turn: Tensor, flip: Tensor, stretch: Tensor) -> Tensor:
    """(B, 2, 2) from places in a view to places in its image: a turn, with a mirror image and a little stretch.

    Args:
        turn: (B,) in radians.
        flip: (B,) 1, or -1 for a mirror image.
        stretch: (B,) factor along x, and its inverse along y.
    """
    cos, sin = torch.cos(turn), torch.sin(turn)
    first = torch.stack([cos * flip * stretch, -sin / stretch], -1)
    second = torch.stack([sin * flip * stretch, cos / stretch], -1)
    return torch.stack([first, second], 1)


def unit_points(size: int, like: Tensor) -> Tensor:
    """(1, size * size, 2), (x, y) of the pixels of a view in its sides, from its middle, row by row."""
    line = (torch.arange(size, dtype=like.dtype, device=like.device) + 0.5) / size - 0.5
    y, x = torch.meshgrid(line, line, indexing="ij")
    return torch.stack([x, y], -1).view(1, -1, 2)
