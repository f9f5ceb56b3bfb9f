# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Depth against shapely, which computes it in another way."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from monai_acdr.geometry import circle
from monai_acdr.inferers.corrections import nearest_on_contour

shapely = pytest.importorskip("shapely")


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_depth_and_foot_are_shapelys(seed: int) -> None:
    rng = np.random.default_rng(seed)
    contour = circle(torch.zeros(2, dtype=torch.float64), 10.0, 12) * torch.from_numpy(rng.uniform(0.4, 1.3, (12, 1)))
    points = torch.from_numpy(rng.uniform(-15, 15, (20, 2)))
    nearest = nearest_on_contour(contour, points)
    polygon = shapely.Polygon(contour.numpy())
    for point, depth, arc, foot in zip(points.numpy(), nearest.depth, nearest.arc, nearest.foot, strict=True):
        place = shapely.Point(point)
        sign = 1 if polygon.contains(place) else -1
        assert float(depth) == pytest.approx(sign * polygon.exterior.distance(place), abs=1e-9)
        on_contour = polygon.exterior.interpolate(float(arc))
        assert on_contour.distance(shapely.Point(foot.tolist())) < 1e-9


def test_repeated_vertices_and_no_points() -> None:
    square = torch.tensor([[0.0, 0.0], [0.0, 0.0], [4.0, 0.0], [4.0, 4.0], [0.0, 4.0]])
    nearest = nearest_on_contour(square, torch.tensor([[2.0, 1.0], [6.0, 2.0], [2.0, 0.0]]))
    assert nearest.depth.tolist() == [1.0, -2.0, 0.0]
    assert nearest.arc.tolist() == [2.0, 6.0, 2.0]
    assert nearest_on_contour(square, torch.zeros(0, 2)).foot.shape == (0, 2)


def test_inside_is_the_nonzero_rule() -> None:
    star = circle(torch.zeros(2), 1.0, 5)[[0, 2, 4, 1, 3]]
    assert float(nearest_on_contour(star, torch.zeros(1, 2)).depth) > 0
