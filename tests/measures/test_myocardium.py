# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Mass and wall thickness against circles, parallel curves, shapely and hand-made stacks."""

from __future__ import annotations

import dataclasses
import json
import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from shapely.geometry import Point, Polygon

from monai_acdr.measures import MYOCARDIUM_G_PER_ML, WallSlice, measure_wall, ventricle_wall


def ellipse(a: float, b: float, number: int = 64, center: tuple[float, float] = (50.0, 40.0)) -> np.ndarray:
    angles = 2 * np.pi * np.arange(number) / number
    return np.array(center) + np.stack([a * np.cos(angles), b * np.sin(angles)], axis=1)


@given(st.floats(5, 30), st.floats(1, 15), st.floats(0.5, 2.0))
def test_concentric_circles(radius: float, thickness: float, spacing: float) -> None:
    outer = radius + thickness
    wall = measure_wall(3.0, ellipse(radius, radius), torch.tensor(ellipse(outer, outer)), (spacing, spacing))
    assert wall.position_mm == 3.0
    assert wall.thickness_mm == pytest.approx(thickness * spacing, rel=2e-3)
    assert wall.area_mm2 == pytest.approx(math.pi * (outer**2 - radius**2) * spacing**2, rel=3e-3)


@given(st.floats(8, 30), st.floats(0.4, 1.0), st.floats(1, 12))
def test_parallel_curve_of_an_ellipse(a: float, ratio: float, thickness: float) -> None:
    inner = ellipse(a, a * ratio, 256)
    outer = np.asarray(Polygon(inner).buffer(thickness, quad_segs=64).exterior.coords)[:-1]
    assert measure_wall(0.0, inner, outer, (1.0, 1.0)).thickness_mm == pytest.approx(thickness, rel=0.01)


def test_ellipses_that_are_not_parallel() -> None:
    inner, outer = ellipse(12, 8), ellipse(24, 14)
    nearest = np.mean([Polygon(outer).exterior.distance(Point(p)) for p in ellipse(12, 8, 720)])
    back = np.mean([Polygon(inner).exterior.distance(Point(p)) for p in ellipse(24, 14, 720)])
    thickness = measure_wall(0.0, inner, outer, (1.0, 1.0)).thickness_mm
    assert thickness is not None and nearest < thickness < back * 1.05


def test_spacing_turn_shift_and_steps_of_pixels() -> None:
    inner, outer = ellipse(20, 20, 200), ellipse(28, 28, 200)
    plain = measure_wall(0.0, inner, outer, (1.0, 1.0)).thickness_mm
    squeezed = measure_wall(0.0, inner / [1, 2], outer / [1, 2], (2.0, 1.0)).thickness_mm
    assert squeezed == pytest.approx(plain, rel=0.01)
    moved = measure_wall(0.0, np.roll(inner + 1000, 7, axis=0), outer[::-1] + 1000, (1.0, 1.0)).thickness_mm
    assert moved == pytest.approx(plain, rel=1e-3)
    chains = []
    for radius in (20, 28):  # as readers' files: neighbors on a grid of half pixels
        points = np.round(2 * ellipse(radius, radius, 2000)) / 2
        chains.append(points[(points != np.roll(points, 1, axis=0)).any(axis=1)])
    assert measure_wall(0.0, *chains, (1.0, 1.0)).thickness_mm == pytest.approx(8, rel=0.02)


def circles(position: float, inner: float | None, outer: float | None) -> WallSlice:
    contours = [None if radius is None else ellipse(radius, radius, 64) for radius in (inner, outer)]
    return measure_wall(position, *contours, (1.0, 1.0))


def test_stack_of_tubes() -> None:
    slices = [circles(10.0 * i, 20, 30) for i in range(8)]
    wall = ventricle_wall(reversed(slices))
    volume = 80 * math.pi * (30**2 - 20**2) / 1000
    assert wall.volume_ml == pytest.approx(volume, rel=2e-3)
    assert wall.mass_g == pytest.approx(MYOCARDIUM_G_PER_ML * wall.volume_ml) and MYOCARDIUM_G_PER_ML == 1.05
    assert wall.mean_thickness_mm == pytest.approx(10, rel=2e-3)
    assert wall.slice_thickness_mm == pytest.approx([10.0] * 8, rel=2e-3)
    assert wall.slice_heights_mm == (10.0,) * 8 and wall.findings == () and wall.slices_missing == ()
    assert json.loads(json.dumps(wall.as_dict()))["mass_g"] == wall.mass_g
    single = ventricle_wall(slices[:1], slice_spacing_mm=10)
    assert single.mass_g == pytest.approx(wall.mass_g / 8)
    assert ventricle_wall(slices[:1], stack_positions_mm=[0.0, 10.0]).mass_g == pytest.approx(single.mass_g)


def test_mean_thickness_is_that_of_the_middle_surface() -> None:
    wall = ventricle_wall([circles(0.0, 20, 30), circles(8.0, 6, 8)])
    expected = (math.pi * 500 + math.pi * 28) / (2 * math.pi * 25 + 2 * math.pi * 7)
    assert wall.mean_thickness_mm == pytest.approx(expected, rel=2e-3)


def test_missing_contours() -> None:
    slices = [circles(0.0, 20, 30), circles(10.0, 20, None), circles(20.0, None, 30), circles(30.0, 20, 30)]
    wall = ventricle_wall([*slices, WallSlice(40.0, None, None)])
    assert wall.slices_missing == (1, 2) and wall.slice_thickness_mm[1:3] == (None, None)
    assert wall.volume_ml == pytest.approx(40 * math.pi * 500 / 1000, rel=3e-3)  # interpolated
    assert wall.mean_thickness_mm == pytest.approx(10, rel=3e-3)
    assert {finding.kind: finding.text for finding in wall.findings} == {
        "no_epicardium": "1 slice(s) have an endocardium but no epicardium: at 10.0 mm; mass is less certain",
        "missing_wall": "no wall in slice(s) [1, 2] between others, its area was interpolated",
    }
    beyond = ventricle_wall([circles(0.0, 20, 30), circles(10.0, 20, 30), circles(20.0, 20, None)])
    assert beyond.volume_ml == pytest.approx(20 * math.pi * 500 / 1000, rel=3e-3)
    assert [finding.kind for finding in beyond.findings] == ["no_epicardium"]
    apex = ventricle_wall([circles(0.0, None, 10), circles(10.0, 20, 30), circles(20.0, 20, 30)])
    assert apex.volume_ml == pytest.approx((20 * 500 + 10 * 100) * math.pi / 1000, rel=3e-3)
    assert apex.slice_thickness_mm[0] is None and apex.findings == ()
    assert apex.mean_thickness_mm == pytest.approx(10, rel=3e-3)


def test_crossed_contours_are_a_finding() -> None:
    wall = ventricle_wall([circles(0.0, 20, 30), circles(10.0, 30, 20), circles(20.0, 20, 30)])
    assert wall.slices_missing == (1,)
    assert [finding.kind for finding in wall.findings] == ["epicardium_not_around", "missing_wall"]


def test_refused() -> None:
    with pytest.raises(ValueError, match="at least one slice with a contour, but got none"):
        ventricle_wall([])
    with pytest.raises(ValueError, match="endocardial contour inside an epicardial one, but got none"):
        ventricle_wall([circles(0.0, 20, None), circles(10.0, 20, None)])
    with pytest.raises(ValueError, match="one entry for each slice of one phase"):
        ventricle_wall([circles(0.0, 20, 30), circles(0.1, 20, 30), circles(10.0, 20, 30)])
    with pytest.raises(ValueError, match="areas of at least 0, but got nan"):
        ventricle_wall([dataclasses.replace(circles(0.0, 20, 30), endocardium_area_mm2=math.nan)])
    with pytest.raises(ValueError, match=r"`vertices` to be \(K >= 3, 2\)"):
        measure_wall(0.0, np.zeros((2, 2)), None, (1.0, 1.0))
    with pytest.raises(ValueError, match="`spacing` to be two positive numbers"):
        measure_wall(0.0, None, ellipse(3, 3), (1.0, 0.0))
