# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Coordinates and polygons: the lowest layer of the package, on torch only."""

from __future__ import annotations

from monai_acdr.geometry.coordinates import (
    PIXEL_CENTER,
    at_least_float32,
    centers_to_pixel,
    map_vertices,
    normalized_to_pixel,
    pixel_spacing,
    pixel_to_centers,
    pixel_to_normalized,
    pixel_to_world,
    world_to_pixel,
)
from monai_acdr.geometry.loops import REPAIRS, SMALL_LOOP, SettledContours, cut_loops, settle_contours
from monai_acdr.geometry.nesting import NESTING_MARGIN, is_nested, nest_contours
from monai_acdr.geometry.polygons import (
    bounding_box,
    centroid,
    check_vertices,
    circle,
    ellipse,
    is_simple,
    keep_open,
    offset_contour,
    perimeter,
    resample,
    signed_area,
)

__all__ = [
    "NESTING_MARGIN",
    "PIXEL_CENTER",
    "REPAIRS",
    "SMALL_LOOP",
    "SettledContours",
    "at_least_float32",
    "bounding_box",
    "centers_to_pixel",
    "centroid",
    "check_vertices",
    "circle",
    "cut_loops",
    "ellipse",
    "is_nested",
    "is_simple",
    "keep_open",
    "map_vertices",
    "nest_contours",
    "normalized_to_pixel",
    "offset_contour",
    "perimeter",
    "pixel_spacing",
    "pixel_to_centers",
    "pixel_to_normalized",
    "pixel_to_world",
    "resample",
    "settle_contours",
    "signed_area",
    "world_to_pixel",
]
