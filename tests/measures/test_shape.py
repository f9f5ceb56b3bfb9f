# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Shape measures against closed forms, shapely, and the invariances that they must have."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from shapely.affinity import rotate
from shapely.geometry import LineString, Polygon

from monai_acdr.measures import ShapeMeasures, measure_shape, solidity

VALUES = ("area_mm2", "perimeter_mm", "longest_diameter_mm", "perpendicular_diameter_mm", "circularity")

seeds = st.integers(0, 2**32 - 1)


def star(seed: int, roughness: float = 0.7) -> np.ndarray:
    """A star-shaped polygon without symmetries, (K, 2), K from 4 to 24."""
    rng = np.random.default_rng(seed)
    count = int(rng.integers(4, 25))
    angles = 2 * np.pi * (np.arange(count) + rng.uniform(0, 0.8, count)) / count
    radii = 20 * (1 - roughness * rng.uniform(0, 1, count))
    return np.array([40.0, 35.0]) + radii[:, None] * np.stack([np.cos(angles), np.sin(angles)], axis=1)


def values(measures: ShapeMeasures) -> np.ndarray:
    return np.array([getattr(measures, name) for name in VALUES])


def longest_chord(polygon: Polygon, degrees: float) -> float:
    """Longest chord in the direction `degrees`, by shapely, just beside each vertex."""
    turned = rotate(polygon, -degrees, origin=(0, 0))
    left, _, right, _ = turned.bounds
    best = 0.0
    for y in {y for _, y in turned.exterior.coords}:
        for offset in (-1e-7, 1e-7):
            cut = turned.intersection(LineString([(left - 1, y + offset), (right + 1, y + offset)]))
            parts = [part.length for part in getattr(cut, "geoms", [cut])]
            best = max(best, max(parts, default=0.0))
    return best


def test_rectangle_with_anisotropic_pixels() -> None:
    # 10 columns of 0.5 mm by 4 rows of 2 mm: 5 mm by 8 mm.
    measures = measure_shape([[1.0, 2.0], [11.0, 2.0], [11.0, 6.0], [1.0, 6.0]], (2.0, 0.5))
    assert measures.area_mm2 == pytest.approx(40)
    assert measures.perimeter_mm == pytest.approx(26)
    assert measures.longest_diameter_mm == pytest.approx(math.hypot(5, 8))
    assert set(measures.longest_diameter_ends_px) in ({(1, 2), (11, 6)}, {(11, 2), (1, 6)})
    # Across the shorter side, at a right angle to the diagonal.
    assert measures.perpendicular_diameter_mm == pytest.approx(5 * math.hypot(5, 8) / 8)
    assert measures.circularity == pytest.approx(4 * math.pi * 40 / 26**2)
    assert measures.self_crossing is False


def test_circle_and_ellipse() -> None:
    angles = 2 * np.pi * np.arange(400) / 400
    circle = 50 + 20 * np.stack([np.cos(angles), np.sin(angles)], axis=1)
    round_ = measure_shape(torch.from_numpy(circle), torch.tensor([0.5, 0.5]))
    assert round_.circularity == pytest.approx(1, abs=1e-4)
    assert round_.longest_diameter_mm == pytest.approx(20)
    assert round_.perpendicular_diameter_mm == pytest.approx(20, rel=1e-3)
    long = measure_shape(circle, (0.5, 1.0))
    assert long.area_mm2 == pytest.approx(math.pi * 20 * 10, rel=1e-3)
    assert (long.longest_diameter_mm, long.perpendicular_diameter_mm) == pytest.approx((40, 20), rel=1e-3)


def test_chord_stays_inside() -> None:
    # A U: its arms are 2 wide, 10 high, 6 apart; the chord runs across one arm or the bar, never across the gap.
    points = np.array([[0, 0], [2, 0], [2, 8], [8, 8], [8, 0], [10, 0], [10, 10], [0, 10]], dtype=float)
    measures = measure_shape(points, (1.0, 1.0))
    assert measures.longest_diameter_mm == pytest.approx(math.hypot(10, 10))
    assert measures.perpendicular_diameter_mm == pytest.approx(longest_chord(Polygon(points), 45), rel=1e-6)
    ends = LineString(measures.perpendicular_diameter_ends_px)
    assert ends.difference(Polygon(points).buffer(1e-9)).length == pytest.approx(0, abs=1e-6)


@settings(max_examples=25)
@given(seeds)
def test_against_shapely(seed: int) -> None:
    points = star(seed)
    polygon, measures = Polygon(points), measure_shape(points, (1.0, 1.0))
    assert measures.area_mm2 == pytest.approx(polygon.area)
    assert measures.perimeter_mm == pytest.approx(polygon.length)
    assert measures.longest_diameter_mm == pytest.approx(max(math.dist(a, b) for a in points for b in points))
    (x0, y0), (x1, y1) = measures.longest_diameter_ends_px
    assert math.dist((x0, y0), (x1, y1)) == pytest.approx(measures.longest_diameter_mm)
    across = math.degrees(math.atan2(y1 - y0, x1 - x0)) + 90
    assert measures.perpendicular_diameter_mm == pytest.approx(longest_chord(polygon, across), abs=1e-4)
    (u0, v0), (u1, v1) = measures.perpendicular_diameter_ends_px
    assert math.dist((u0, v0), (u1, v1)) == pytest.approx(measures.perpendicular_diameter_mm)
    assert (x1 - x0) * (u1 - u0) + (y1 - y0) * (v1 - v0) == pytest.approx(0, abs=1e-6)
    assert LineString([(u0, v0), (u1, v1)]).difference(polygon.buffer(1e-6)).length == pytest.approx(0, abs=1e-4)


@settings(max_examples=25)
@given(seeds, st.floats(0, 6.2), st.floats(-1e3, 1e3), st.integers(0, 30), st.booleans())
def test_invariances(seed: int, angle: float, offset: float, shift: int, reverse: bool) -> None:
    points = star(seed)
    matrix = np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
    moved = np.roll(points @ matrix.T + offset, shift, axis=0)
    moved = moved[::-1] if reverse else moved
    before, after = measure_shape(points, (0.7, 0.7)), measure_shape(moved, (0.7, 0.7))
    np.testing.assert_allclose(values(after), values(before), rtol=1e-6)


@settings(max_examples=25)
@given(seeds, st.floats(0.1, 10), st.floats(0.1, 3), st.floats(0.1, 3))
def test_scaling_and_anisotropy(seed: int, factor: float, row: float, column: float) -> None:
    points = star(seed)
    base = measure_shape(points, (row, column))
    powers = np.array([2, 1, 1, 1, 0])
    np.testing.assert_allclose(
        values(measure_shape(points, (factor * row, factor * column))), values(base) * factor**powers, rtol=1e-6
    )
    # The same contour in millimeters.
    np.testing.assert_allclose(values(measure_shape(points * [column, row], (1.0, 1.0))), values(base), rtol=1e-6)
    assert base.perpendicular_diameter_mm <= base.longest_diameter_mm * (1 + 1e-9)
    assert 0 < base.circularity <= 1


def test_many_vertices_need_little_time_and_memory() -> None:
    angles = 2 * np.pi * np.arange(1500) / 1500
    points = 2000 + (1000 + 50 * np.sin(7 * angles))[:, None] * np.stack([np.cos(angles), np.sin(angles)], axis=1)
    measures = measure_shape(points, (0.07, 0.07))
    assert measures.self_crossing is None
    assert measures.perpendicular_diameter_mm < measures.longest_diameter_mm < 0.07 * 2100


def test_crossing_contours_say_so() -> None:
    assert measure_shape([[0.0, 0.0], [4.0, 4.0], [4.0, 0.0], [0.0, 3.0]], (1, 1)).self_crossing is True


def test_flat_contours_have_no_area() -> None:
    flat = measure_shape([[0.0, 0.0], [3.0, 4.0], [1.5, 2.0]], (1.0, 1.0))
    assert flat.area_mm2 == flat.circularity == 0
    assert flat.longest_diameter_mm == 5
    assert flat.perpendicular_diameter_mm == pytest.approx(0, abs=1e-12)
    point = measure_shape([[2.0, 2.0]] * 3, (1.0, 1.0))
    assert values(point).tolist() == [0] * 5


def test_as_dict_is_json() -> None:
    written = json.loads(json.dumps(measure_shape(star(1), (1.0, 1.0)).as_dict(), allow_nan=False))
    assert set(VALUES) < set(written)


@pytest.mark.parametrize(
    ("points", "spacing", "message"),
    [
        (np.zeros((2, 2)), (1, 1), r"\(K >= 3, 2\), but got \(2, 2\)"),
        (np.zeros((1, 4, 2)), (1, 1), "one contour at a time"),
        (np.full((3, 2), np.nan), (1, 1), "finite `vertices`"),
        (np.zeros((3, 2)), (1, 0), "two positive numbers"),
        (np.zeros((3, 2)), 1.0, "two positive numbers"),
        (np.zeros((3, 2)), (1, math.inf), "two positive numbers"),
    ],
)
def test_wrong_input(points: np.ndarray, spacing: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        measure_shape(points, spacing)


@settings(max_examples=40, deadline=None)
@given(seeds, st.floats(0.1, 100.0), st.floats(-180, 180), st.booleans())
def test_solidity_is_that_of_shapely_at_any_size_and_turn(
    seed: int, scale: float, degrees: float, turned: bool
) -> None:
    points = star(seed)
    polygon = Polygon(points)
    expected = polygon.area / polygon.convex_hull.area
    moved = np.array(rotate(Polygon(scale * points), degrees).exterior.coords)[:-1]
    assert solidity(moved[::-1] if turned else moved) == pytest.approx(expected, rel=1e-9)


def test_solidity_of_a_disk_with_a_dent() -> None:
    angles = 2 * np.pi * np.arange(64) / 64
    disk = 20 * np.stack([np.cos(angles), np.sin(angles)], axis=1)
    assert solidity(disk) == pytest.approx(1, abs=1e-12)
    dented = disk.copy()
    dented[0] *= 0.5  # half of its radius inwards: two triangles of 1/2 r^2 sin(2 pi / 64), each half gone
    lost = 0.5 * 400 * (np.sin(2 * np.pi / 64) - 0.5 * np.sin(4 * np.pi / 64))
    hull = 0.5 * 400 * (62 * np.sin(2 * np.pi / 64) + np.sin(4 * np.pi / 64))
    inner = 0.5 * 400 * 63 * np.sin(2 * np.pi / 64)
    assert lost > 0 and solidity(dented) == pytest.approx(inner / hull, rel=1e-9)
    assert math.isnan(solidity([[0, 0], [1, 1], [2, 2]]))
    with pytest.raises(ValueError, match="finite"):
        solidity([[0, 0], [1, math.nan], [2, 2]])
