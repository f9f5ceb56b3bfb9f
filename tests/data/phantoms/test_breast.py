# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""The synthetic mammogram: masses where the outlines say, brighter than what surrounds them."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import binary_dilation
from shapely import contains_xy, unary_union
from shapely.geometry import Polygon

from monai_acdr.data.phantoms.mammograms import LARGEST_VALUE, BreastPhantom

SIZE = (128, 104)


@pytest.mark.parametrize(("side", "view"), [("L", "CC"), ("R", "MLO")])
def test_masses_are_brighter_than_their_surroundings(side: str, view: str) -> None:
    for seed in range(3):
        breast = BreastPhantom(np.random.default_rng(seed), SIZE, side, view, 2)
        assert breast.pixels.shape == SIZE
        assert breast.pixels.max() <= LARGEST_VALUE
        polygons = [Polygon(mass) for mass in breast.masses]
        assert all(polygon.is_valid for polygon in polygons)
        rows, columns = np.mgrid[: SIZE[0], : SIZE[1]] + 0.5
        inside = contains_xy(unary_union(polygons), columns, rows)
        ring = binary_dilation(inside, iterations=4) & ~binary_dilation(inside, iterations=1)
        assert breast.pixels[inside].mean() > 1.3 * breast.pixels[ring].mean()


def test_the_chest_wall_is_on_its_side_and_the_background_dark() -> None:
    left, right = (BreastPhantom(np.random.default_rng(0), SIZE, side, "CC", 1) for side in "LR")
    assert np.array_equal(left.pixels, right.pixels[:, ::-1])
    assert np.allclose(left.masses[0][::-1], right.masses[0] * [-1, 1] + [SIZE[1], 0])
    assert left.pixels[SIZE[0] // 2, :3].mean() > 10 * left.pixels[:, -3:].mean()


def test_masses_keep_apart_and_normal_breasts_have_none() -> None:
    breast = BreastPhantom(np.random.default_rng(1), SIZE, "L", "CC", 3)
    polygons = [Polygon(mass) for mass in breast.masses]
    pairs = [(a, b) for index, a in enumerate(polygons) for b in polygons[:index]]
    assert all(not a.intersects(b) for a, b in pairs)
    assert BreastPhantom(np.random.default_rng(1), SIZE, "L", "CC", 0).masses == []
