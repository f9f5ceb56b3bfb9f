# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Layers without parameters."""

from __future__ import annotations

from monai_acdr.networks.layers.rasterizer import PolygonRasterizer, rasterize_polygons

__all__ = ["PolygonRasterizer", "rasterize_polygons"]
