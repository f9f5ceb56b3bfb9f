# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""The coordinate rule of this package, and its conversions to and from every other convention.

A point is (x, y) = (column, row) in continuous pixel units. Pixel (c, r) covers [c, c + 1) x [r, r + 1); its center
is (c + 0.5, r + 0.5) and the image covers [0, W] x [0, H]. This is torch's ``align_corners=False``, and the rule of
DICOM's SCOORD (PS3.3 C.10.5.1.2).

World points are (x, y, z) in mm in DICOM's patient system, LPS. MONAI keeps affines in RAS and for array *indices*
(row, column, slice) of pixel *centers*; only the functions here convert between the two.

Coordinates are float32 or wider, whatever the precision of images and networks: float16 is half a pixel off at 1024 and
bfloat16 at 128. Half precision is lifted on its way in by :func:`at_least_float32`, here and in
:mod:`monai_acdr.geometry.polygons`.
"""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = [
    "PIXEL_CENTER",
    "at_least_float32",
    "centers_to_pixel",
    "map_vertices",
    "normalized_to_pixel",
    "pixel_spacing",
    "pixel_to_centers",
    "pixel_to_normalized",
    "pixel_to_world",
    "world_to_pixel",
]

PIXEL_CENTER = 0.5
"""Offset of a pixel's center from its upper left corner, in pixels, along both axes."""

_LPS_FROM_RAS = (-1.0, -1.0, 1.0)


def at_least_float32(values: Tensor) -> Tensor:
    """Half precision as float32; float32 and float64 as they are. For coordinates, and for values sampled at them."""
    return values.float() if values.dtype in (torch.float16, torch.bfloat16) else values


def pixel_to_normalized(vertices: Tensor, size: tuple[int, int]) -> Tensor:
    """Map pixels to the [-1, 1] square that ``torch.nn.functional.grid_sample(align_corners=False)`` reads.

    Args:
        vertices: (..., 2) points (x, y) in pixels.
        size: (H, W) of the image.

    Returns:
        (..., 2) points; the image's outer corners are (-1, -1) and (1, 1).
    """
    vertices = at_least_float32(vertices)
    return vertices * _reciprocal_half_size(vertices, size) - 1


def normalized_to_pixel(vertices: Tensor, size: tuple[int, int]) -> Tensor:
    """Inverse of :func:`pixel_to_normalized`: (..., 2) points in [-1, 1] to pixels."""
    vertices = at_least_float32(vertices)
    return (vertices + 1) / _reciprocal_half_size(vertices, size)


def _reciprocal_half_size(like: Tensor, size: tuple[int, int]) -> Tensor:
    height, width = size
    return torch.tensor([2.0 / width, 2.0 / height], dtype=like.dtype, device=like.device)


def centers_to_pixel(points: Tensor) -> Tensor:
    """Pixel-center coordinates (integers name centers, as in many contour files) to pixels: adds 0.5."""
    return at_least_float32(points) + PIXEL_CENTER


def pixel_to_centers(vertices: Tensor) -> Tensor:
    """Pixels to pixel-center coordinates, for files that use them: subtracts 0.5."""
    return at_least_float32(vertices) - PIXEL_CENTER


def pixel_to_world(vertices: Tensor, affine: Tensor) -> Tensor:
    """Map pixels of a 2-D image to the patient.

    Args:
        vertices: (..., 2) points (x, y) in pixels.
        affine: (4, 4) MONAI affine, index (row, column, slice) to RAS mm, slice index 0; or (3, 3) for a 2-D image.

    Returns:
        (..., 3) points in mm, LPS, float64. A (3, 3) affine lies in the plane z = 0.
    """
    origin, columns = _plane(affine)
    indices = pixel_to_centers(vertices.to(torch.float64))
    return indices @ columns.T.to(indices.device) + origin.to(indices.device)


def world_to_pixel(points: Tensor, affine: Tensor) -> Tensor:
    """Project points (..., 3), mm, LPS, onto the image plane: (..., 2) pixels, float64. See :func:`pixel_to_world`.

    The plane's two direction vectors are inverted by least squares: the third column of a 2-D image's affine is
    ignored, since its values depend on the reader.

    Raises:
        ValueError: when the direction vectors are zero, parallel or not finite.
    """
    origin, columns = _plane(affine)
    relative = points.to(torch.float64) - origin.to(points.device)
    return centers_to_pixel(relative @ _left_inverse(columns).T.to(points.device))


def map_vertices(vertices: Tensor, source_affine: Tensor, target_affine: Tensor) -> Tensor:
    """Map pixels of one image to pixels of another image of the same plane (a crop, a flip, a resampling).

    Args:
        vertices: (..., 2) points in the source image's pixels.
        source_affine: affine of the image in which ``vertices`` are given, (4, 4) or (3, 3).
        target_affine: affine of the image in which the result is given.

    Returns:
        (..., 2) points in the target image's pixels, of the dtype and on the device of ``vertices``; half precision
        becomes float32.
    """
    source_origin, source_columns = _plane(source_affine)
    target_origin, target_columns = _plane(target_affine)
    inverse = _left_inverse(target_columns)
    matrix = (inverse @ source_columns).to(vertices.device)
    offset = (inverse @ (source_origin - target_origin)).to(vertices.device)
    indices = pixel_to_centers(vertices.to(torch.float64))
    return centers_to_pixel(indices @ matrix.T + offset).to(at_least_float32(vertices).dtype)


def pixel_spacing(affine: Tensor) -> Tensor:
    """Distance between neighboring pixels in mm: tensor([between rows, between columns]), DICOM's order, float64."""
    _, columns = _plane(affine)
    return torch.linalg.vector_norm(columns, dim=0).flip(0)


def _plane(affine: Tensor) -> tuple[Tensor, Tensor]:
    """Origin (3,) and direction columns (3, 2) for (column, row) steps, LPS mm, float64 on the CPU."""
    matrix = torch.as_tensor(affine).detach().to("cpu", torch.float64)
    if matrix.shape == (3, 3):
        padded = torch.eye(4, dtype=torch.float64)
        padded[:2, :2], padded[:2, 3] = matrix[:2, :2], matrix[:2, 2]
        matrix = padded
    if matrix.shape != (4, 4):
        raise ValueError(f"Expected `affine` to be (4, 4), or (3, 3) for a 2-D image, but got {tuple(matrix.shape)}.")
    lps = matrix[:3] * torch.tensor(_LPS_FROM_RAS, dtype=torch.float64)[:, None]
    return lps[:, 3], lps[:, [1, 0]]


def _left_inverse(columns: Tensor) -> Tensor:
    """(2, 3) inverse of two direction vectors within their plane."""
    gram = columns.T @ columns
    determinant = torch.linalg.det(gram)
    if not bool(determinant > 1e-12 * gram.trace() ** 2):
        raise ValueError(
            "Expected `affine` to have two independent, finite in-plane directions, but got columns "
            f"{columns.T.tolist()}: check ImageOrientationPatient and PixelSpacing of the image."
        )
    return torch.linalg.solve(gram, columns.T)
