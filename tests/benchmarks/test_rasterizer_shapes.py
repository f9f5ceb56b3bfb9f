# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""The polygons that rasterizers are compared on."""

from __future__ import annotations

from importlib import import_module
from types import ModuleType

import pytest
import torch
from shapely import Polygon

from monai_acdr.geometry import is_simple


@pytest.fixture
def script() -> ModuleType:
    return import_module("rasterizer_shapes")


@pytest.mark.parametrize("shape", ["make_blobs", "make_bands"])
def test_shapes_are_simple_inside_and_repeatable(script: ModuleType, shape: str) -> None:
    make = getattr(script, shape)
    first, second = (make(50, 64, 32, torch.Generator().manual_seed(3)) for _ in range(2))
    assert first.shape == (50, 32, 2)
    assert torch.equal(first, second)
    assert bool(is_simple(first).all())
    assert float(first.amin()) >= 0.5
    assert float(first.amax()) <= 63.5


def test_bands_are_far_from_convex(script: ModuleType) -> None:
    for band in script.make_bands(20, 64, 32):
        polygon = Polygon(band.tolist())
        assert polygon.area < 0.75 * polygon.convex_hull.area
