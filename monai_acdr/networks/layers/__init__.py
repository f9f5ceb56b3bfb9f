# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Layers without parameters."""

from __future__ import annotations

from monai_acdr.networks.layers.rasterizer import RASTERIZER_METHODS, rasterize_polygons
from monai_acdr.networks.layers.rasterizer_modules import (
    ExactRasterizer,
    MeshRasterizer,
    PolygonRasterizer,
    Pytorch3dRasterizer,
    SoftRasterizer,
)
from monai_acdr.networks.layers.rasterizers.operator import available_backends, rasterizer_backend

__all__ = [
    "RASTERIZER_METHODS",
    "ExactRasterizer",
    "MeshRasterizer",
    "PolygonRasterizer",
    "Pytorch3dRasterizer",
    "SoftRasterizer",
    "available_backends",
    "rasterize_polygons",
    "rasterizer_backend",
]
