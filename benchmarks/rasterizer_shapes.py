# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""The polygons that rasterizers are compared on: smooth blobs, and bands bent to a C."""

from __future__ import annotations

import torch
from torch import Tensor


def make_blobs(batch_size: int, size: int, num_vertices: int, generator: torch.Generator | None = None) -> Tensor:
    """Smooth star-shaped polygons (B, K, 2) in pixels, of about half the frame, well inside it."""
    angles = torch.arange(num_vertices) * (2 * torch.pi / num_vertices)
    waves = torch.arange(2, 5)[:, None] * angles
    amplitudes = 0.12 * torch.rand(2, batch_size, 3, generator=generator)
    radius = 1 + amplitudes[0] @ waves.cos() + amplitudes[1] @ waves.sin()
    directions = torch.stack([angles.cos(), angles.sin()], dim=-1)
    center = size * (0.5 + 0.05 * (torch.rand(batch_size, 1, 2, generator=generator) - 0.5))
    return center + 0.25 * size * radius[..., None] * directions


def make_bands(batch_size: int, size: int, num_vertices: int, generator: torch.Generator | None = None) -> Tensor:
    """C-shapes (B, K, 2) in pixels: arcs of 180 to 270 degrees, a sixth of the frame wide, turned at random.

    The first half of the vertices is the outer arc, the second half the inner arc in reverse. The triangulation of a
    circle whose vertices move here covers more than this polygon.
    """
    draw = torch.rand(4, batch_size, 1, generator=generator)
    sweep = torch.pi * (1 + 0.5 * draw[0])
    steps = torch.linspace(0, 1, num_vertices // 2)
    outer_angles = 2 * torch.pi * draw[1] + sweep * steps
    inner_angles = outer_angles.flip(-1)
    radius = torch.full_like(outer_angles, 0.35 * size)
    angles = torch.cat([outer_angles, inner_angles], dim=-1)
    radii = torch.cat([radius, radius - size / 6], dim=-1)
    center = size / 2 + torch.stack([draw[2], draw[3]], dim=-1) - 0.5
    return center + radii[..., None] * torch.stack([angles.cos(), angles.sin()], dim=-1)
