# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Masks to contours, by marching squares, and back, by exact area coverage."""

from __future__ import annotations

from collections.abc import Sequence

import contourpy
import numpy as np
import torch
from torch import Tensor

from monai_acdr.geometry import at_least_float32, signed_area
from monai_acdr.networks.layers import ExactOptions, rasterize_polygons

__all__ = ["TRACING_LEVEL", "contour_to_mask", "mask_to_contour", "mask_to_contours", "mask_to_rings"]

TRACING_LEVEL = 0.499
"""Default level of :func:`mask_to_contour`. Marching squares at exactly 0.5 gives a one-pixel object the coverage 0.5,
which rounding decides, and separates pixels that touch by a corner; a thousandth of a pixel below, the smallest
coverage of an object's pixel is 0.502 and the largest of any other pixel 0.26."""


def mask_to_contour(mask: Tensor, level: float = TRACING_LEVEL) -> Tensor:
    """Outline of the largest object of a mask, with sub-pixel vertices.

    ``rasterize_polygons(contour) >= 0.5`` is the traced object again, pixel by pixel, for a binary mask: one object
    (pixels that touch by a corner belong together), its holes filled. The traced edges lie ``0.5 - level`` pixels
    outside the pixels' own edges and cut their corners by 1/8 of a pixel each.

    Args:
        mask: (H, W), bool or number, values in [0, 1]; objects may touch the border.
        level: value that separates object and background.

    Returns:
        (N, 2) float64 vertices in pixels, not closed, with positive :func:`monai_acdr.geometry.signed_area`.

    Raises:
        ValueError: when nothing in ``mask`` exceeds ``level``.
    """
    return mask_to_contours(mask, level)[0]


def mask_to_contours(mask: Tensor, level: float = TRACING_LEVEL) -> list[Tensor]:
    """Outer contours of all objects of a mask, largest area first. See :func:`mask_to_contour`.

    Objects inside the hole of another object count, holes themselves do not.
    """
    rings, holes = mask_to_rings(mask, level)
    return [ring for ring, hole in zip(rings, holes, strict=True) if not hole]


def mask_to_rings(mask: Tensor, level: float = TRACING_LEVEL) -> tuple[list[Tensor], list[bool]]:
    """Outer contours of all objects of a mask and contours of their holes, largest area first.

    Drawn in this order, each outer contour adding what it covers and each hole removing it, they give the mask again:
    a hole comes after the object that it is in, an object within a hole after the hole. Objects are connected by edges
    and corners, holes by edges. Holes of a binary mask are traced at ``1 - level``: they keep their pixels as well.

    Returns:
        (N, 2) float64 vertices in pixels, not closed, with positive :func:`monai_acdr.geometry.signed_area`, holes
        with negative; and for each whether it is a hole.

    Raises:
        ValueError: when nothing in ``mask`` exceeds ``level``.
    """
    if mask.ndim != 2:
        raise ValueError(f"Expected `mask` to be (H, W), but got {tuple(mask.shape)}: take one channel, e.g. mask[0].")
    padded = np.pad(mask.detach().cpu().numpy().astype(np.float64), 1)  # closes objects that touch the border
    binary = bool(np.isin(padded, (0, 1)).all())
    found = []
    for line in contourpy.contour_generator(z=padded, name="serial", line_type="Separate").lines(level):
        vertices = np.asarray(line, dtype=np.float64)[:-1]
        area = float(signed_area(torch.from_numpy(vertices)))
        if area < 0 and binary:  # from `level` to `1 - level`, away from the hole's pixels
            vertices = 2 * np.floor(vertices) + (vertices != np.floor(vertices)) - vertices
        if area != 0:
            # Index i of the padded array is the center of pixel i - 1.
            found.append((area, torch.from_numpy(vertices - 0.5)))
    if not any(area > 0 for area, _ in found):
        raise ValueError(
            f"Expected a mask with values above {level:g}, but its maximum is {float(padded.max()):g}: "
            "an empty mask has no contour; leave this frame out or check its label file."
        )
    found.sort(key=lambda item: -abs(item[0]))
    return [ring for _, ring in found], [area < 0 for area, _ in found]


def contour_to_mask(
    vertices: Tensor, size: Sequence[int], threshold: float | None = None, fill_rule: str = "nonzero"
) -> Tensor:
    """Mask of contours by the area they cover in each pixel.

    Args:
        vertices: (C, N, 2), or (N, 2) for one contour, in pixels. A contour that is NaN everywhere is missing.
        size: (H, W) of the mask.
        threshold: None for the coverage itself; else 1 where the coverage reaches it, 0 elsewhere.
        fill_rule: see :func:`rasterize_polygons`.

    Returns:
        (C, H, W) float32, one channel for each contour; NaN everywhere for one that is missing.
    """
    contours = at_least_float32(vertices[None] if vertices.ndim == 2 else vertices)
    if contours.ndim != 3:
        raise ValueError(
            f"Expected `vertices` to be (N, 2) or (C, N, 2), but got {tuple(vertices.shape)}: "
            "rasterize a batch with rasterize_polygons."
        )
    missing = contours.isnan().flatten(1).all(1) & (contours.shape[1] > 0)
    if bool(missing.any()):
        mask = torch.full((len(contours), int(size[0]), int(size[1])), torch.nan, device=contours.device)
        if not bool(missing.all()):
            mask[~missing] = contour_to_mask(contours[~missing], size, threshold, fill_rule)
        return mask
    mask = torch.zeros(contours.shape[0], int(size[0]), int(size[1]), device=contours.device)
    rows, columns = _covered(contours, mask.shape[1:])
    window = (rows.stop - rows.start, columns.stop - columns.start)
    if min(window) > 0:  # a whole mammogram of float64 would be drawn for a mass of a few pixels else
        corner = torch.tensor([columns.start, rows.start], dtype=contours.dtype, device=contours.device)
        coverage = rasterize_polygons(contours - corner, window, ExactOptions(fill_rule=fill_rule))[:, 0]
        mask[:, rows, columns] = (coverage if threshold is None else coverage >= threshold).to(torch.float32)
    return mask


def _covered(contours: Tensor, size: Sequence[int]) -> tuple[slice, slice]:
    """Rows and columns of an image that contours can cover; all of them where a vertex is not finite."""
    height, width = size
    points = contours.detach().flatten(0, 1)
    if not points.numel() or not bool(torch.isfinite(points).all()):
        return slice(0, height), slice(0, width)
    low, high = points.amin(0).floor().tolist(), points.amax(0).ceil().tolist()
    (left, right), (top, bottom) = (
        (int(min(max(low[axis], 0), limit)), int(min(max(high[axis], 0), limit)))
        for axis, limit in enumerate((width, height))
    )
    return slice(top, bottom), slice(left, right)
