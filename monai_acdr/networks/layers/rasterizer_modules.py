# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""The rasterizers as modules without parameters, for bundle configurations and ``torch.nn.Sequential``."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from monai_acdr.networks.layers.rasterizer import rasterize_polygons

__all__ = ["ExactRasterizer", "MeshRasterizer", "PolygonRasterizer", "Pytorch3dRasterizer", "SoftRasterizer"]


class PolygonRasterizer(nn.Module):
    """:func:`rasterize_polygons` with all but the vertices set: (B, K, 2) vertices to (B, 1, H, W) masks.

    Args:
        size: (H, W) of the masks.
        fill_rule: as there.
        method: as there.
        settings: anything else that :func:`rasterize_polygons` takes: ``backend``, ``rings``, ``softness`` ...
    """

    def __init__(
        self, size: tuple[int, int], fill_rule: str = "nonzero", method: str = "exact", **settings: Any
    ) -> None:
        super().__init__()
        self.size = (int(size[0]), int(size[1]))
        self.fill_rule = fill_rule
        self.method = method
        self.settings = settings

    def forward(self, vertices: Tensor, lengths: Tensor | None = None) -> Tensor:
        """See :func:`rasterize_polygons`."""
        return rasterize_polygons(vertices, self.size, self.fill_rule, lengths, method=self.method, **self.settings)

    def extra_repr(self) -> str:
        """Settings shown by ``print(module)``."""
        settings = {"size": self.size, "fill_rule": self.fill_rule, "method": self.method, **self.settings}
        return ", ".join(f"{name}={value!r}" for name, value in settings.items())


class ExactRasterizer(PolygonRasterizer):
    """Area of the polygon inside each pixel, with its true derivative.

    Args:
        size: (H, W) of the masks.
        fill_rule: ``nonzero``, ``evenodd`` or ``signed``.
        backend: ``auto``, ``torch``, ``numba``, ``triton`` or ``dense``.
        rings: True where the vertices are (B, R, K, 2), R rings for each mask.
    """

    def __init__(
        self, size: tuple[int, int], fill_rule: str = "nonzero", backend: str = "auto", rings: bool = False
    ) -> None:
        super().__init__(size, fill_rule, "exact", backend=backend, rings=rings)


class SoftRasterizer(PolygonRasterizer):
    """Sigmoid of the signed distance to the polygon.

    Args:
        size: (H, W) of the masks.
        softness: distance in pixels at which the mask is sigmoid(1) = 0.73.
        fill_rule: ``nonzero`` or ``evenodd``.
        rings: True where the vertices are (B, R, K, 2), R rings for each mask.
    """

    def __init__(
        self, size: tuple[int, int], softness: float = 0.25, fill_rule: str = "nonzero", rings: bool = False
    ) -> None:
        super().__init__(size, fill_rule, "soft", softness=softness, rings=rings)


class MeshRasterizer(PolygonRasterizer):
    """The paper's renderer: silhouettes of the triangles of the initial contour, moved with its vertices.

    Args:
        size: (H, W) of the masks.
        faces: (M, 3) vertex indices of the triangles; those of a circle's Delaunay triangulation if None.
        anti_aliasing: samples of a pixel along x and along y.
    """

    def __init__(self, size: tuple[int, int], faces: Tensor | None = None, anti_aliasing: int = 2) -> None:
        super().__init__(size, "nonzero", "mesh", faces=faces, anti_aliasing=anti_aliasing)


class Pytorch3dRasterizer(PolygonRasterizer):
    """The soft silhouette of pytorch3d, which has to be installed, of the triangles of :class:`MeshRasterizer`.

    Args:
        size: (H, W) of the masks.
        faces: (M, 3) vertex indices of the triangles; those of a circle's Delaunay triangulation if None.
        sigma: softness of the silhouette, in squared units of pytorch3d's normalized coordinates.
    """

    def __init__(self, size: tuple[int, int], faces: Tensor | None = None, sigma: float = 1e-4) -> None:
        super().__init__(size, "nonzero", "pytorch3d", faces=faces, sigma=sigma)
