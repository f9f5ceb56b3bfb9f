# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Measures of polygons against shapely, and the properties of resampling."""

from __future__ import annotations

import math
from collections.abc import Callable

import hypothesis.strategies as st
import pytest
import shapely
import torch
from hypothesis import assume, given
from torch import Tensor

from monai_acdr.geometry import (
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

COORDINATE = st.floats(-100, 100)
VERTICES = st.lists(st.tuples(COORDINATE, COORDINATE), min_size=3, max_size=9)
SIXTEENTHS = st.lists(st.tuples(*[st.integers(-900, 900).map(lambda n: n / 16)] * 2), min_size=3, max_size=9)
SMALL_GRID = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=4, max_size=6)
L_SHAPE = [[0.0, 0.0], [4.0, 0.0], [4.0, 1.0], [1.0, 1.0], [1.0, 3.0], [0.0, 3.0]]
MEASURES = [signed_area, perimeter, centroid, bounding_box, is_simple]


def as_tensor(vertices: list[tuple[float, float]] | list[list[float]]) -> Tensor:
    return torch.tensor(vertices, dtype=torch.float64)


# --- Making ---------------------------------------------------------------------------------------------------------


def test_circle_and_ellipse_by_hand() -> None:
    vertices = ellipse(torch.tensor([10.0, 20.0]), torch.tensor([4.0, 2.0]), 4)
    torch.testing.assert_close(vertices, torch.tensor([[14.0, 20.0], [10.0, 22.0], [6.0, 20.0], [10.0, 18.0]]))
    round_one = circle(torch.tensor([10.0, 20.0], dtype=torch.float64), 3.0, 32)
    radii = torch.linalg.vector_norm(round_one - torch.tensor([10.0, 20.0]), dim=-1)
    torch.testing.assert_close(radii, torch.full((32,), 3.0, dtype=torch.float64))
    expected = 0.5 * 32 * 9 * math.sin(2 * math.pi / 32)  # area of a regular polygon
    assert signed_area(round_one).item() == pytest.approx(expected)
    assert is_simple(round_one)


def test_circle_of_a_batch() -> None:
    centers, radii = torch.rand(2, 3, 2, dtype=torch.float64) * 50, torch.rand(2, 3, dtype=torch.float64) + 1
    vertices = circle(centers, radii, 16)
    assert vertices.shape == (2, 3, 16, 2)
    assert vertices.dtype == torch.float64
    torch.testing.assert_close(vertices[1, 2], circle(centers[1, 2], radii[1, 2].item(), 16))
    torch.testing.assert_close(centroid(vertices), centers)
    assert torch.autograd.gradcheck(lambda c, r: circle(c, r, 5), (centers.requires_grad_(), radii.requires_grad_()))


def test_circle_of_too_few_vertices() -> None:
    with pytest.raises(ValueError, match="Expected `num_vertices` to be at least 3, but got 2"):
        circle(torch.zeros(2), 1.0, 2)


# --- Measuring ------------------------------------------------------------------------------------------------------


@given(vertices=VERTICES)
def test_measures_are_shapely_s(vertices: list[tuple[float, float]]) -> None:
    ring = shapely.LinearRing(vertices)
    tensor = as_tensor(vertices)
    assert perimeter(tensor).item() == pytest.approx(ring.length, rel=1e-12, abs=1e-9)
    assert bounding_box(tensor).tolist() == list(ring.bounds)
    polygon = shapely.Polygon(vertices)
    assume(polygon.is_valid and polygon.area > 1e-3)
    sign = 1 if ring.is_ccw else -1  # counter-clockwise with y up: from +x toward +y
    assert signed_area(tensor).item() == pytest.approx(sign * polygon.area, rel=1e-9)
    expected = [polygon.centroid.x, polygon.centroid.y]
    assert centroid(tensor).tolist() == pytest.approx(expected, rel=1e-6, abs=1e-6)


def test_measures_by_hand() -> None:
    shape = as_tensor(L_SHAPE)
    assert signed_area(shape).item() == 6
    assert signed_area(shape.flip(0)).item() == -6
    assert perimeter(shape).item() == 14
    assert bounding_box(shape).tolist() == [0, 0, 4, 3]
    assert centroid(shape).tolist() == pytest.approx([(4 * 2 + 2 * 0.5) / 6, (4 * 0.5 + 2 * 2) / 6])


def test_measures_far_from_the_origin_in_float32() -> None:
    shape = torch.tensor(L_SHAPE) + 100_000
    assert signed_area(shape).item() == 6
    assert centroid(shape).tolist() == pytest.approx([100_001.5, 100_001], abs=0.01)


@pytest.mark.parametrize("points", [[[2.0, 3.0]] * 4, [[0.0, 0.0], [1.0, 1.0], [5.0, 5.0]], [[1.0, 2.0]]])
def test_the_centroid_of_a_flat_polygon_is_the_mean_of_its_vertices(points: list[list[float]]) -> None:
    flat = as_tensor(points).requires_grad_()
    torch.testing.assert_close(centroid(flat), flat.mean(0))
    (gradient,) = torch.autograd.grad(centroid(flat).sum(), flat)
    assert gradient.isfinite().all()


@pytest.mark.parametrize("measure", MEASURES)
def test_measures_of_a_batch(measure: Callable[[Tensor], Tensor]) -> None:
    batch = torch.rand(2, 3, 6, 2) * 10
    together = measure(batch)
    assert together.shape[:2] == (2, 3)
    torch.testing.assert_close(together[1, 2], measure(batch[1, 2]))
    assert together.dtype == (torch.bool if measure is is_simple else torch.float32)


@pytest.mark.parametrize("measure", [signed_area, perimeter, centroid, bounding_box])
def test_gradcheck_of_the_measures(measure: Callable[[Tensor], Tensor]) -> None:
    assert torch.autograd.gradcheck(measure, as_tensor(L_SHAPE).add(torch.rand(2, 6, 2)).requires_grad_())


def test_a_perimeter_with_repeated_vertices_has_a_finite_gradient() -> None:
    vertices = as_tensor([[0.0, 0.0], [0.0, 0.0], [1.0, 0.0], [1.0, 1.0]]).requires_grad_()
    (gradient,) = torch.autograd.grad(perimeter(vertices), vertices)
    assert gradient.isfinite().all()


# --- Resampling -----------------------------------------------------------------------------------------------------


def test_resample_a_square_by_hand() -> None:
    square = torch.tensor([[0.0, 0.0], [4.0, 0.0], [4.0, 4.0], [0.0, 4.0]])
    expected = [[0, 0], [2, 0], [4, 0], [4, 2], [4, 4], [2, 4], [0, 4], [0, 2]]
    torch.testing.assert_close(resample(square, 8), torch.tensor(expected, dtype=torch.float32))
    torch.testing.assert_close(resample(square, 4), square)
    torch.testing.assert_close(resample(square, 3)[1], torch.tensor([4.0, 4 / 3]))


@given(vertices=VERTICES, num_vertices=st.integers(1, 40))
def test_resampled_points_lie_at_equal_arc_length(vertices: list[tuple[float, float]], num_vertices: int) -> None:
    ring = shapely.LinearRing(vertices)
    assume(ring.length > 1e-6)
    resampled = resample(as_tensor(vertices), num_vertices)
    assert resampled.shape == (num_vertices, 2)
    for index, point in enumerate(resampled.tolist()):
        expected = ring.interpolate(index / num_vertices * ring.length)
        assert point == pytest.approx([expected.x, expected.y], abs=1e-7)


@given(vertices=VERTICES, repeats=st.lists(st.integers(1, 3), min_size=9, max_size=9), fraction=st.floats(0, 1))
def test_resampling_does_not_see_how_a_contour_is_divided(
    vertices: list[tuple[float, float]], repeats: list[int], fraction: float
) -> None:
    plain = as_tensor(vertices)
    between = torch.lerp(plain, torch.roll(plain, -1, dims=0), fraction)
    divided = torch.stack([plain, between], dim=1).flatten(0, 1)
    repeated = plain.repeat_interleave(torch.tensor(repeats[: len(vertices)]), dim=0)
    torch.testing.assert_close(resample(divided, 12), resample(plain, 12), rtol=0, atol=1e-7)
    torch.testing.assert_close(resample(repeated, 12), resample(plain, 12), rtol=0, atol=1e-7)


def test_resampling_turns_and_moves_with_the_contour() -> None:
    vertices = torch.rand(7, 2, dtype=torch.float64) * 20
    angle = torch.tensor(0.7, dtype=torch.float64)
    turn = torch.stack([torch.stack([angle.cos(), -angle.sin()]), torch.stack([angle.sin(), angle.cos()])])
    moved = resample(3 * vertices @ turn + 5, 11)
    torch.testing.assert_close(moved, 3 * resample(vertices, 11) @ turn + 5)
    backwards = resample(torch.roll(vertices.flip(0), 1, dims=0), 11)  # from the same first vertex
    torch.testing.assert_close(torch.roll(backwards, -1, dims=0).flip(0), resample(vertices, 11))


def test_resample_keeps_dtype_and_batch() -> None:
    batch = torch.rand(2, 3, 6, 2)
    assert resample(batch, 9).shape == (2, 3, 9, 2)
    assert resample(batch, 9).dtype == torch.float32
    torch.testing.assert_close(resample(batch, 9)[1, 2], resample(batch[1, 2], 9))


def test_gradcheck_of_resample() -> None:
    vertices = torch.rand(2, 6, 2, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda v: resample(v, 7), vertices)


def test_resample_a_point() -> None:
    point = torch.full((4, 2), 3.5, dtype=torch.float64, requires_grad=True)
    resampled = resample(point, 5)
    assert torch.equal(resampled, torch.full((5, 2), 3.5, dtype=torch.float64))
    (gradient,) = torch.autograd.grad(resampled.sum(), point)
    assert gradient.isfinite().all()


def test_resample_to_nothing() -> None:
    with pytest.raises(ValueError, match="Expected `num_vertices` to be at least 1, but got 0"):
        resample(torch.rand(4, 2), 0)


# --- Simple or not --------------------------------------------------------------------------------------------------


@given(vertices=SMALL_GRID)
def test_is_simple_is_shapely_s_on_a_small_grid_full_of_touches(vertices: list[tuple[int, int]]) -> None:
    assume(len(set(vertices)) >= 3)
    expected = shapely.LinearRing(vertices).is_simple
    assert bool(is_simple(as_tensor([(float(x), float(y)) for x, y in vertices]))) == expected


@given(vertices=SIXTEENTHS)
def test_is_simple_is_shapely_s_in_general(vertices: list[tuple[float, float]]) -> None:
    assume(len(set(vertices)) >= 3)
    assert bool(is_simple(as_tensor(vertices))) == shapely.LinearRing(vertices).is_simple


@pytest.mark.parametrize(
    ("vertices", "expected"),
    [
        ([[0.0, 0.0], [4.0, 0.0], [4.0, 4.0], [0.0, 4.0]], True),
        ([[0.0, 0.0], [4.0, 4.0], [4.0, 0.0], [0.0, 4.0]], False),
        ([[0.0, 0.0], [0.0, 0.0], [4.0, 0.0], [4.0, 4.0], [4.0, 4.0], [4.0, 4.0], [0.0, 0.0]], True),
        ([[0.0, 0.0], [4.0, 0.0], [2.0, 0.0], [2.0, 3.0]], False),
        ([[0.0, 0.0], [4.0, 0.0], [4.0, 4.0], [2.0, 0.0], [0.0, 4.0]], False),
        ([[0.0, 0.0], [2.0, 2.0], [4.0, 0.0], [4.0, 4.0], [2.0, 2.0], [0.0, 4.0]], False),
        ([[0.0, 0.0], [2.0, 0.0], [4.0, 0.0], [4.0, 4.0]], True),
    ],
    ids=["square", "bow-tie", "repeated", "fold back", "vertex on an edge", "vertex on a vertex", "straight on"],
)
def test_is_simple_by_hand(vertices: list[list[float]], expected: bool) -> None:
    assert bool(is_simple(as_tensor(vertices))) == expected
    assert bool(is_simple(as_tensor(vertices).flip(0))) == expected


# --- Errors ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("measure", [*MEASURES, lambda v: resample(v, 4)])
def test_measures_check_their_vertices(measure: Callable[[Tensor], Tensor]) -> None:
    with pytest.raises(ValueError, match=r"Expected `vertices` to be \(\.\.\., K >= 1, 2\), but got \(4, 3\)"):
        measure(torch.rand(4, 3))
    with pytest.raises(ValueError, match=r"Expected `vertices` to be floating point, but got torch.int64"):
        measure(torch.ones(4, 2, dtype=torch.int64))


def test_check_vertices() -> None:
    check_vertices(torch.rand(5, 3, 2))
    with pytest.raises(ValueError, match=r"Expected `vertices` to be \(\.\.\., K >= 3, 2\), but got \(2, 2\)"):
        check_vertices(torch.rand(2, 2))
    with pytest.raises(ValueError, match=r"Expected `vertices` to be .*but got \(2,\)"):
        check_vertices(torch.rand(2))


def test_a_contour_does_not_shut() -> None:
    center = torch.tensor([20.0, 20.0], dtype=torch.float64)
    rings = [circle(center, radius, 16) for radius in (5.0, 4.0, 1.0, 0.1)]
    kept = keep_open(torch.stack(rings))
    torch.testing.assert_close(kept[:2], torch.stack(rings[:2]))
    torch.testing.assert_close(kept[2:], torch.stack([rings[1]] * 2))


# --- Offsets --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("turned", [False, True])
def test_the_offset_of_a_circle_is_a_circle(turned: bool) -> None:
    ring = circle(torch.tensor([7.0, -3.0], dtype=torch.float64), 10.0, 48)
    ring = ring.flip(0) if turned else ring
    radii = (offset_contour(ring, 0.5) - torch.tensor([7.0, -3.0])).norm(dim=-1)
    torch.testing.assert_close(radii, torch.full((48,), 10.5, dtype=torch.float64))
    both = offset_contour(torch.stack([ring, ring]), torch.tensor([-0.5, 2.0]))
    torch.testing.assert_close(both, torch.stack([offset_contour(ring, -0.5), offset_contour(ring, 2.0)]))


@given(st.floats(4, 20), st.floats(0.5, 1.0), st.floats(0, math.pi), st.floats(-0.5, 0.5))
def test_the_area_of_an_offset_is_that_of_a_buffer(radius: float, flat: float, angle: float, distance: float) -> None:
    x, y = (ellipse(torch.zeros(2, dtype=torch.float64), as_tensor([[radius, flat * radius]])[0], 64)).unbind(-1)
    turned = torch.stack([math.cos(angle) * x - math.sin(angle) * y, math.sin(angle) * x + math.cos(angle) * y], dim=-1)
    expected = shapely.Polygon(turned.numpy()).buffer(distance).area
    assert float(signed_area(offset_contour(turned, distance))) == pytest.approx(expected, rel=5e-3)


def test_an_offset_inwards_leaves_something() -> None:
    ring = circle(torch.tensor([0.0, 0.0], dtype=torch.float64), 1.0, 256)
    left = offset_contour(ring, -5.0).norm(dim=-1)
    torch.testing.assert_close(left, torch.full((256,), 0.75, dtype=torch.float64), atol=1e-3, rtol=0)
    line = as_tensor([[0.0, 0.0], [4.0, 0.0], [2.0, 0.0]])
    torch.testing.assert_close(offset_contour(line, 1.0), line)  # no inside


def test_the_gradient_of_an_offset() -> None:
    ring = circle(torch.tensor([0.0, 0.0], dtype=torch.float64), 3.0, 8).requires_grad_()
    assert torch.autograd.gradcheck(lambda v: offset_contour(v, 0.3), (ring,))
