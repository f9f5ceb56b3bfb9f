# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""The soft silhouette of pytorch3d, an optional library that is built for the installed torch."""

from __future__ import annotations

import math
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import torch
from torch import Tensor

from monai_acdr.networks.layers.rasterizers.first_order import first_derivative_only
from monai_acdr.networks.layers.rasterizers.mesh import checked_faces

__all__ = ["is_available", "pixel_to_ndc", "rasterize_pytorch3d"]

_BLUR_EDGE = 1e-4
"""Pixels to which a triangle would give less than this are left out, as in pytorch3d's own examples."""

_FARTHEST = 1e15
"""Coordinates are clamped to this: areas of triangles are finite in float32."""

_HOW_TO_INSTALL = (
    "The rasterizer 'pytorch3d' needs pytorch3d, which is built for the torch that is installed: "
    "pip install --no-build-isolation 'git+https://github.com/facebookresearch/pytorch3d.git'. "
    "The method 'mesh' draws the same triangles without it."
)


def is_available() -> bool:
    """Whether pytorch3d is installed; it is not imported for this, so it may still be broken."""
    return find_spec("pytorch3d") is not None


def rasterize_pytorch3d(
    vertices: Tensor,
    size: tuple[int, int],
    faces: Tensor | None = None,
    sigma: float = 1e-4,
    faces_per_pixel: int = 50,
) -> Tensor:
    """Soft silhouettes of triangles over the vertices of contours: pytorch3d's MeshRasterizer and SoftSilhouetteShader.

    The camera is orthographic and looks at the plane z = 1. Each triangle is blurred by itself: the mask is
    1 - prod(1 - sigmoid(d / sigma)) over the triangles, d the signed squared distance to the triangle's outline. So
    there are faint cracks along inner edges, and like ``mesh`` it draws moved triangles, not the polygon.

    Args:
        vertices: (B, K, 2) contours in pixels; computed in float32.
        size: (H, W).
        faces: (M, 3) or (B, M, 3) vertex indices of the triangles. None: the triangles of a circle with K vertices.
        sigma: softness, in squared units of pytorch3d's coordinates, of which the short side of the image has two.
        faces_per_pixel: largest number of triangles that count for a pixel; if more lie within the blur, masks of
            overlapping triangles come out too dark.

    Returns:
        (B, H, W) of the dtype of ``vertices``. A contour with NaN or Inf gives NaN and has zero gradient.

    Raises:
        ImportError: if pytorch3d is not installed, or does not work with this torch.
        ValueError: if ``sigma`` or ``faces_per_pixel`` is not positive, or for faces that do not fit: see
            :func:`~monai_acdr.networks.layers.rasterizers.mesh.rasterize_mesh`.
    """
    if not sigma > 0 or faces_per_pixel < 1:
        raise ValueError(
            f"Expected `sigma` > 0 and `faces_per_pixel` >= 1, but got sigma={sigma}, faces_per_pixel={faces_per_pixel}"
        )
    structures, renderer = _import()
    faces = checked_faces(faces, vertices)
    finite = torch.isfinite(vertices).flatten(1).all(1)[:, None, None]
    clean = torch.where(finite, vertices, 0).clamp(-_FARTHEST, _FARTHEST)
    points = pixel_to_ndc(_FirstDerivative.apply(clean).float(), size)
    if faces.numel() == 0:
        masks = (0 * points.sum((1, 2)))[:, None, None].expand(-1, *size)
    else:
        points = torch.cat([points, torch.ones_like(points[..., :1])], dim=-1)
        masks = _render(structures.Meshes(verts=points, faces=faces), size, sigma, faces_per_pixel, renderer)
    return masks.to(vertices.dtype).masked_fill(~finite, float("nan"))


def pixel_to_ndc(vertices: Tensor, size: tuple[int, int]) -> Tensor:
    """Pixels (..., 2) to pytorch3d's normalized coordinates: x to the left, y up, the short side of the image -1 .. 1.

    These end at the outer sides of the border pixels, as ours do.
    """
    height, width = size
    frame = vertices.new_tensor([width, height])
    return (frame - 2 * vertices) / min(size)


class _FirstDerivative(torch.autograd.Function):
    """Identity: pytorch3d's compiled backward pass has no derivative, and does not say so."""

    @staticmethod
    def forward(ctx, vertices):  # type: ignore[no-untyped-def]
        ctx.save_for_backward(vertices)
        return vertices.view_as(vertices)

    @staticmethod
    @first_derivative_only("pytorch3d")
    def backward(ctx, grad):  # type: ignore[no-untyped-def]
        return (grad,)


def _import() -> tuple[Any, Any]:
    try:
        return import_module("pytorch3d.structures"), import_module("pytorch3d.renderer")
    except ImportError as error:
        raise ImportError(f"{_HOW_TO_INSTALL} (the import failed: {error})") from error


def _render(meshes: Any, size: tuple[int, int], sigma: float, faces_per_pixel: int, renderer: Any) -> Tensor:
    """(B, H, W) opacity of meshes in front of an empty background."""
    settings = renderer.RasterizationSettings(
        image_size=(int(size[0]), int(size[1])),
        blur_radius=math.log(1 / _BLUR_EDGE - 1) * sigma,
        faces_per_pixel=faces_per_pixel,
    )
    cameras = renderer.OrthographicCameras(device=meshes.device)
    fragments = renderer.MeshRasterizer(cameras=cameras, raster_settings=settings)(meshes)
    shader = renderer.SoftSilhouetteShader(blend_params=renderer.BlendParams(sigma=sigma))
    return shader(fragments, meshes)[..., 3]
