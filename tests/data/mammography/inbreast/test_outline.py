# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Cutting outlines off at the image's border, against shapely."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from shapely.geometry import Polygon, box

from monai_acdr.data.mammography.inbreast import clip_to_image, open_outline

SIZE = (20, 30)


def star(center: tuple[float, float], radii: list[float]) -> np.ndarray:
    angles = 2 * np.pi * np.arange(len(radii)) / len(radii)
    return np.array(center) + np.array(radii)[:, None] * np.stack([np.cos(angles), np.sin(angles)], axis=1)


@given(
    center=st.tuples(st.floats(-10, 40), st.floats(-10, 30)),
    radii=st.lists(st.floats(0.5, 25), min_size=4, max_size=12),
)
def test_area_is_that_of_the_part_inside(center: tuple[float, float], radii: list[float]) -> None:
    vertices = star(center, radii)
    clipped = clip_to_image(vertices, SIZE)
    expected = Polygon(vertices).intersection(box(0, 0, SIZE[1], SIZE[0])).area
    x, y = clipped.T if len(clipped) else np.zeros((2, 1))
    area = 0.5 * abs(np.sum(x * np.roll(y, -1) - y * np.roll(x, -1)))
    assert area == pytest.approx(expected, abs=1e-6)
    assert np.all(clipped >= 0)
    assert np.all(clipped <= (SIZE[1], SIZE[0]))


def test_an_outline_inside_is_left_as_it_is() -> None:
    vertices = np.array([[0.0, 0], [30, 0], [30, 20]])
    assert clip_to_image(vertices, SIZE) is vertices


def test_one_outside_vanishes() -> None:
    assert clip_to_image(np.array([[-5.0, 1], [-1, 1], [-1, 5]]), SIZE).shape == (0, 2)


@pytest.mark.parametrize(
    ("points", "expected"),
    [
        ([[1, 1], [2, 1], [2, 2], [1, 1]], [[1, 1], [2, 1], [2, 2]]),
        ([[1, 1], [1, 1], [2, 1], [2, 1], [2, 2]], [[1, 1], [2, 1], [2, 2]]),
        ([[1, 1], [1, 1]], [[1, 1]]),
        ([[1, 1]], [[1, 1]]),
        ([], []),
    ],
)
def test_repeated_points_go(points: list[list[float]], expected: list[list[float]]) -> None:
    assert open_outline(np.array(points, dtype=float).reshape(-1, 2)).tolist() == expected
