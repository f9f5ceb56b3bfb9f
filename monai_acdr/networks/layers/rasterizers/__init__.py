# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""The ways of turning polygons into masks; :func:`monai_acdr.networks.layers.rasterize_polygons` is their face."""
