# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Implementations of polygon rasterization; :func:`monai_acdr.networks.layers.rasterize_polygons` is the facade."""
