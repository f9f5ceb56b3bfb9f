# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""The paper's renderer (R in Algorithm 1, eq. 4): silhouettes of triangles, with a hand-made gradient."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from monai_acdr.networks.layers.rasterizers.first_order import first_derivative_only
from monai_acdr.networks.layers.rasterizers.mesh_gradient import silhouette_gradient
from monai_acdr.networks.layers.rasterizers.triangle_spans import cut_triangles, expand_ranges
from monai_acdr.networks.layers.rasterizers.triangulation import circle_faces

__all__ = ["checked_faces", "rasterize_mesh"]

_MOST_PIXELS = 2**20
"""Pixels of triangles that are painted at a time: it bounds the memory."""

_FARTHEST = 1e30
"""Coordinates are clamped to this: products and differences of them are finite, in float32 as well."""


def rasterize_mesh(
    vertices: Tensor, size: tuple[int, int], faces: Tensor | None = None, anti_aliasing: int = 2
) -> Tensor:
    """Silhouettes of triangles over the vertices of contours, as Kato et al. draw and differentiate them (CVPR 2018).

    An image of ``anti_aliasing`` times the size is 1 where the center of a pixel lies in any triangle, and its average
    over blocks is the mask. The gradient is not that of this image, which has none, but the published approximation:
    see :mod:`~monai_acdr.networks.layers.rasterizers.mesh_gradient`. It reaches vertices far from where the mask should
    change, and is neither as long nor as directed as the derivative of the covered area.

    Limits. What is drawn are the moved triangles of the initial contour, not the polygon: where the contour has become
    concave they reach outside it, by a few per cent of its area on lobed shapes and 10 to 38 % on C-shapes, and where
    triangles have turned over they overlap. Masks have steps of 1 / anti_aliasing ** 2. Edges outside the frame have no
    gradient. For the polygon itself take the exact method.

    Args:
        vertices: (B, K, 2) contours in pixels, float32 or float64.
        size: (H, W).
        faces: (M, 3) or (B, M, 3) vertex indices of the triangles, of either orientation, as
            :func:`~monai_acdr.networks.layers.rasterizers.triangulation.delaunay_faces` gives them for the initial
            contour; they stay the same while it evolves. None: those of a circle with K vertices.
        anti_aliasing: samples of a pixel along each axis; 2 in the paper's renderer, 1 for hard-edged masks.

    Returns:
        (B, H, W) of the dtype of ``vertices``, once differentiable. A contour with NaN or Inf gives NaN and has zero
        gradient.

    Raises:
        ValueError: for faces of the wrong shape or dtype or with indices that are not vertices, or if
            ``anti_aliasing`` is not a positive whole number.

    Example:
        >>> square = torch.tensor([[[1.0, 0.0], [3.0, 0.0], [3.0, 1.0], [1.0, 1.0]]])
        >>> rasterize_mesh(square, (1, 4))
        tensor([[[0., 1., 1., 0.]]])
    """
    if int(anti_aliasing) != anti_aliasing or anti_aliasing < 1:
        raise ValueError(f"Expected `anti_aliasing` to be a positive whole number, but got {anti_aliasing}.")
    faces = checked_faces(faces, vertices)
    finite = torch.isfinite(vertices).flatten(1).all(1)[:, None, None]
    samples = torch.where(finite, vertices, 0).clamp(-_FARTHEST, _FARTHEST) * anti_aliasing
    height, width = size[0] * anti_aliasing, size[1] * anti_aliasing
    first_vertex = vertices.shape[1] * torch.arange(len(vertices), device=vertices.device)[:, None, None]
    silhouette = _Silhouette.apply(samples, faces + first_vertex, (height, width))
    mask = F.avg_pool2d(silhouette[:, None], anti_aliasing)[:, 0]
    return mask.masked_fill(~finite, float("nan"))


def checked_faces(faces: Tensor | None, vertices: Tensor) -> Tensor:
    """(B, M, 3) int64 faces for vertices (B, K, 2), on their device; those of a circle if None.

    Raises:
        ValueError: see :func:`rasterize_mesh`.
    """
    batch, num_vertices = vertices.shape[:2]
    faces = circle_faces(num_vertices) if faces is None else faces
    if faces.shape[-1:] != (3,) or faces.ndim not in (2, 3) or faces.shape[:-2] not in ((), (batch,)):
        raise ValueError(f"Expected `faces` to be (M, 3) or ({batch}, M, 3), but got {tuple(faces.shape)}.")
    if faces.is_floating_point() or faces.is_complex() or faces.dtype == torch.bool:
        raise ValueError(f"Expected `faces` to be integers, but got {faces.dtype}.")
    faces = faces.to(vertices.device, torch.int64).expand(batch, -1, 3)
    if faces.numel() and not (0 <= int(faces.min()) and int(faces.max()) < num_vertices):
        raise ValueError(
            f"Expected `faces` to be indices of {num_vertices} vertices, but got {int(faces.min())} .. "
            f"{int(faces.max())}: triangulate a contour with as many vertices as this one."
        )
    return faces


class _Silhouette(torch.autograd.Function):
    """(B, H, W) of 0 and 1 from vertices (B, K, 2) in samples, and faces (B, M, 3) that index all B * K of them."""

    @staticmethod
    def forward(ctx, vertices, faces, size):  # type: ignore[no-untyped-def]
        owner = _draw(_points(vertices), faces, size)
        ctx.save_for_backward(vertices, faces, owner)
        return (owner < faces.shape[0] * faces.shape[1]).to(vertices.dtype)

    @staticmethod
    @first_derivative_only("mesh")
    def backward(ctx, grad):  # type: ignore[no-untyped-def]
        vertices, faces, owner = ctx.saved_tensors
        gradient = silhouette_gradient(grad, _points(vertices), faces, owner)
        return gradient.view(vertices.shape).to(vertices.dtype), None, None


def _points(vertices: Tensor) -> Tensor:
    """(B * K, 2), in float64 where the device has it: there are few vertices and many pixels."""
    return vertices.flatten(0, 1).to(vertices.dtype if vertices.device.type == "mps" else torch.float64)


def _draw(points: Tensor, faces: Tensor, size: tuple[int, int]) -> Tensor:
    """(B, H, W) int32 number of the triangle that a pixel shows, B * M for none.

    All triangles are equally far away; where they overlap the first one is in front.
    """
    batch, (height, width) = faces.shape[0], size
    background = batch * faces.shape[1]
    owner = torch.full((batch * height * width,), background, dtype=torch.int32, device=points.device)
    for spans in cut_triangles(points, faces, size):
        first, stop = spans.first.clamp(0, width), spans.stop.clamp(0, width)
        for begin, end in _portions(stop - first):
            span, column = expand_ranges(first[begin:end], stop[begin:end])
            index = spans.line[begin:end][span] * width + column
            owner.scatter_reduce_(0, index, spans.face[begin:end][span].int(), "amin")
    return owner.view(batch, height, width)


def _portions(lengths: Tensor) -> list[tuple[int, int]]:
    """Slices of (N,) spans with at most about ``_MOST_PIXELS`` pixels each."""
    total = lengths.cumsum(0)
    pixels = int(total[-1]) if len(total) else 0
    limits = torch.tensor(range(_MOST_PIXELS, pixels, _MOST_PIXELS), dtype=torch.int64, device=total.device)
    bounds = [0, *torch.searchsorted(total, limits).tolist(), len(lengths)]
    return list(zip(bounds[:-1], bounds[1:], strict=True))
