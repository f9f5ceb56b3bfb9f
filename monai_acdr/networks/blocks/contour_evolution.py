# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""One step of the contour through the displacement field: equations 2 and 3."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from monai_acdr.geometry import at_least_float32, pixel_to_normalized

__all__ = ["evolve_contour", "sample_displacement"]


def sample_displacement(displacement: Tensor, vertices: Tensor, size: tuple[int, int]) -> Tensor:
    """Read the field at the vertices by bilinear interpolation; beyond the border its edge values continue.

    Positions are never rounded to the field's precision: a field of half precision is lifted to theirs instead.

    Args:
        displacement: (B, 2, h, w) field, channels (x, y), of any resolution.
        vertices: (B, K, 2) in pixels of the image.
        size: (H, W) of the image, which the field covers.

    Returns:
        (B, K, 2) displacements, in the field's unit, float32 or float64.
    """
    grid = pixel_to_normalized(vertices, size)[:, None]
    field = displacement.to(grid.dtype)
    sampled = F.grid_sample(field, grid, mode="bilinear", padding_mode="border", align_corners=False)
    return sampled[:, :, 0].transpose(1, 2)


def evolve_contour(vertices: Tensor, displacement: Tensor, size: tuple[int, int], clamp: bool = True) -> Tensor:
    """Move each vertex by the field at its place, eq. 2, and truncate it to the image, eq. 3.

    Args:
        vertices: (B, K, 2) in pixels of the image.
        displacement: (B, 2, h, w) in half image sizes: 1 is W / 2 pixels along x and H / 2 along y, the unit of the
            normalised [-1, 1] square, so that a network's range does not depend on the size of its input.
        size: (H, W) of the image.
        clamp: keep the vertices within [0, W] x [0, H]. A coordinate that was moved back passes no gradient; one that
            lies exactly on a border passes all of it, on each of the four.

    Returns:
        (B, K, 2) moved vertices in pixels, of the dtype of ``vertices``; half precision becomes float32.
    """
    vertices = at_least_float32(vertices)
    extent = torch.tensor([size[1], size[0]], dtype=vertices.dtype, device=vertices.device)
    moved = vertices + sample_displacement(displacement, vertices, size) * (extent / 2)
    return torch.clamp(moved, min=torch.zeros_like(extent), max=extent) if clamp else moved
