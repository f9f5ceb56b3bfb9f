# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""The phantom's heart: walls of positive thickness, shrinking toward the apex and at systole."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monai_acdr.data.phantoms.heart import MINIMUM_WALL, NUM_ANGLES, Heart, Outline

hearts = st.integers(0, 10_000).map(lambda seed: Heart.draw(np.random.default_rng(seed), field_of_view=166.4))
shares = st.floats(0, 1)


@given(heart=hearts, level=shares, contraction=shares)
def test_wall_surrounds_the_cavity(heart: Heart, level: float, contraction: float) -> None:
    inner, outer = heart.endocardium(level, contraction), heart.epicardium(level, contraction)
    assert inner.radii.min() > 1
    assert np.array_equal(inner.center, outer.center)
    assert (outer.radii - inner.radii).min() >= MINIMUM_WALL - 1e-9
    assert (heart.epicardial_fat(level, contraction).radii >= outer.radii).all()


@given(heart=hearts, level=st.floats(0, 0.95), contraction=shares)
def test_cavity_shrinks_toward_apex_and_at_systole(heart: Heart, level: float, contraction: float) -> None:
    assert heart.cavity_radius(level + 0.05, contraction) < heart.cavity_radius(level, contraction)
    assert heart.cavity_radius(level, 1.0) <= heart.cavity_radius(level, contraction)


@given(heart=hearts, level=shares, contraction=shares)
def test_myocardium_keeps_its_area(heart: Heart, level: float, contraction: float) -> None:
    def area(at: float) -> float:
        return heart.wall_radius(level, at) ** 2 - heart.cavity_radius(level, at) ** 2

    assert area(contraction) == pytest.approx(area(0.0))


@given(heart=hearts, level=shares, contraction=shares)
def test_papillary_muscles_lie_inside_the_cavity(heart: Heart, level: float, contraction: float) -> None:
    inner = heart.endocardium(level, contraction)
    for muscle in heart.papillary_muscles(level, contraction):
        center = muscle.center - inner.center
        reach = np.interp(np.arctan2(center[1], center[0]), *_profile(inner), period=2 * np.pi)
        assert np.hypot(*center) < reach


def test_no_papillary_muscles_at_base_and_apex_and_no_right_ventricle_at_apex() -> None:
    heart = Heart.draw(np.random.default_rng(0), field_of_view=166.4)
    assert all(muscle.radii.max() == 0 for level in (0.0, 1.0) for muscle in heart.papillary_muscles(level, 0.5))
    assert all(muscle.radii.min() > 1 for muscle in heart.papillary_muscles(0.5, 0.0))
    assert heart.right_ventricle(1.0, 0.0).radii.max() == 0
    assert heart.right_ventricle(0.2, 0.0).radii.min() > 5


def test_small_field_of_view_gives_small_hearts() -> None:
    radii = [Heart.draw(np.random.default_rng(seed), field_of_view=120.0).radius for seed in range(50)]
    assert 23 <= min(radii) and max(radii) <= 31.5


def test_outline_points_and_growth() -> None:
    outline = Outline(np.array([1.0, 2.0]), np.full(NUM_ANGLES, 3.0))
    points = outline.points()
    assert points.shape == (NUM_ANGLES, 2)
    assert np.allclose(points[0], [4, 2])
    assert np.allclose(points[NUM_ANGLES // 4], [1, 5])  # y points down the rows
    assert np.allclose(outline.grown(-5.0).radii, 0)


def _profile(outline: Outline) -> tuple[np.ndarray, np.ndarray]:
    return 2 * np.pi * np.arange(NUM_ANGLES) / NUM_ANGLES, outline.radii
