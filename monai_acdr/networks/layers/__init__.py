# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Layers without parameters."""

from __future__ import annotations

from monai_acdr.networks.layers.rasterizer import (
    RASTERIZER_METHODS,
    ExactOptions,
    MeshOptions,
    PolygonRasterizer,
    Pytorch3dOptions,
    RasterizerOptions,
    SoftOptions,
    rasterize_polygons,
    rasterizer_options,
)
from monai_acdr.networks.layers.rasterizers.operator import available_backends, rasterizer_backend

__all__ = [
    "RASTERIZER_METHODS",
    "ExactOptions",
    "MeshOptions",
    "PolygonRasterizer",
    "Pytorch3dOptions",
    "RasterizerOptions",
    "SoftOptions",
    "available_backends",
    "rasterize_polygons",
    "rasterizer_backend",
    "rasterizer_options",
]
