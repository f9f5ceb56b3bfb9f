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
        displacement: (B, 2, h, w) field, channels (x, y), of any resolution; (B, 2 N, h, w) for N structures, channels
            (x_1, y_1, x_2, y_2, ...).
        vertices: (B, K, 2) in pixels of the image, or (B, N, K, 2): each structure reads its own two channels.
        size: (H, W) of the image, which the field covers.

    Returns:
        (B, K, 2) or (B, N, K, 2) displacements, in the field's unit, float32 or float64.

    Raises:
        ValueError: for a field without 2 channels per structure.
    """
    channels = 2 * vertices.shape[1] if vertices.ndim == 4 else 2
    if displacement.ndim != 4 or displacement.shape[1] != channels:
        raise ValueError(
            f"Expected `displacement` to be (B, {channels}, h, w), two channels for each structure of `vertices`, "
            f"but got {list(displacement.shape)}."
        )
    contours = vertices.flatten(0, -3)  # (B N, K, 2): one contour and one field of two channels for each structure
    grid = pixel_to_normalized(contours, size)[:, None]
    field = displacement.to(grid.dtype).reshape(-1, 2, displacement.shape[2], displacement.shape[3])
    sampled = F.grid_sample(field, grid, mode="bilinear", padding_mode="border", align_corners=False)
    return sampled[:, :, 0].transpose(1, 2).reshape(vertices.shape)


def evolve_contour(vertices: Tensor, displacement: Tensor, size: tuple[int, int], clamp: bool = True) -> Tensor:
    """Move each vertex by the field at its place, eq. 2, and truncate it to the image, eq. 3.

    Args:
        vertices: (B, K, 2) in pixels of the image, or (B, N, K, 2) for N structures.
        displacement: (B, 2, h, w), or (B, 2 N, h, w) for N structures, in half image sizes: 1 is W / 2 pixels along x
            and H / 2 along y, the unit of the normalized [-1, 1] square, so that a network's range does not depend on
            the size of its input.
        size: (H, W) of the image.
        clamp: keep the vertices within [0, W] x [0, H]. A coordinate that was moved back passes no gradient; one that
            lies exactly on a border passes all of it, on each of the four.

    Returns:
        Moved vertices in pixels, of the shape and the dtype of ``vertices``; half precision becomes float32.
    """
    vertices = at_least_float32(vertices)
    extent = torch.tensor([size[1], size[0]], dtype=vertices.dtype, device=vertices.device)
    moved = vertices + sample_displacement(displacement, vertices, size) * (extent / 2)
    return torch.clamp(moved, min=torch.zeros_like(extent), max=extent) if clamp else moved
