# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Loops of contours against shapely's polygons."""

from __future__ import annotations

import math

import pytest
import shapely
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from monai_acdr.geometry import SMALL_LOOP, circle, cut_loops, is_simple, perimeter, settle_contours, signed_area

SQUARE = torch.tensor([[0.0, 0.0], [8.0, 0.0], [8.0, 8.0], [0.0, 8.0]], dtype=torch.float64)


def _swapped(number: int, at: int, length: int) -> Tensor:
    """A circle on which ``length`` neighbors from ``at`` on are in reverse order."""
    points = circle(torch.tensor([20.0, 30.0], dtype=torch.float64), 10.0, number)
    index = (at + torch.arange(length)) % number
    points[index] = points[index.flip(0)]
    return points


def _bow_tie(height: float) -> Tensor:
    """Two triangles of height 4 and ``height`` that meet at the origin, one vertex on each of the crossing edges."""
    return torch.tensor([[-4, -4], [height, height], [height, -height], [-4, 4]], dtype=torch.float64)


@given(st.integers(24, 80), st.integers(0, 79), st.integers(2, 5))
def test_neighbors_that_changed_places(number: int, at: int, length: int) -> None:
    points = _swapped(number, at, length)
    assert not bool(is_simple(points))
    cut = cut_loops(points)
    assert bool(is_simple(cut))
    assert cut.shape == points.shape
    whole = shapely.make_valid(shapely.Polygon(points.tolist()))
    largest = max(
        (part for part in shapely.get_parts(whole) if part.geom_type == "Polygon"), key=lambda part: part.area
    )
    assert shapely.Polygon(cut.tolist()).symmetric_difference(largest).area < 1e-9
    assert float(perimeter(cut)) < float(perimeter(points))
    moved = (cut != points).any(-1)
    assert moved.sum() <= length + 2  # of the loops' vertices, no others


@pytest.mark.parametrize("shift", range(4))
def test_the_larger_side_of_a_crossing_stays(shift: int) -> None:
    """The loop may hold the first vertex or not."""
    points = _bow_tie(1.0).roll(shift, dims=0)
    cut = cut_loops(points)
    assert bool(is_simple(cut))
    assert float(signed_area(cut).abs()) == pytest.approx(16)
    expected = shapely.Polygon([(-4, -4), (0, 0), (-4, 4)])
    assert shapely.Polygon(cut.tolist()).symmetric_difference(expected).area < 1e-12


def test_large_loops_are_left_on_request() -> None:
    height = 4 * math.sqrt(SMALL_LOOP)
    small, large = _bow_tie(height - 1e-6), _bow_tie(height + 1e-6)
    assert not torch.equal(cut_loops(small, SMALL_LOOP), small)
    assert cut_loops(large, SMALL_LOOP) is large


def test_what_needs_no_cut_is_returned_itself() -> None:
    doubled = torch.cat([SQUARE, SQUARE])  # touches itself all along
    for points in (SQUARE, SQUARE.flip(0), doubled, torch.zeros(5, 2), circle(torch.zeros(2), 3.0, 64)):
        assert cut_loops(points) is points


@given(st.lists(st.tuples(st.floats(-50, 50), st.floats(-50, 50)), min_size=3, max_size=12))
def test_any_polygon_comes_to_an_end(vertices: list[tuple[float, float]]) -> None:
    points = torch.tensor(vertices, dtype=torch.float64)
    cut = cut_loops(points)
    assert cut.shape == points.shape
    assert bool(torch.isfinite(cut).all())
    low, high = points.amin(0), points.amax(0)
    assert bool(((cut >= low - 1e-9) & (cut <= high + 1e-9)).all())


def test_single_precision_stays_simple() -> None:
    cut = cut_loops(_swapped(64, 10, 4).float())
    assert cut.dtype == torch.float32
    assert bool(is_simple(cut))


def test_one_contour_at_a_time() -> None:
    with pytest.raises(ValueError, match=r"Expected one contour \(K, 2\), but got \(2, 4, 2\)"):
        cut_loops(torch.stack([SQUARE, SQUARE]))


def test_an_evolution_settles() -> None:
    """The last contour loses its loop, those before it do not; a step that shuts it is not taken."""
    looped, shut = _swapped(32, 4, 3), circle(torch.tensor([20.0, 30.0], dtype=torch.float64), 0.5, 32)
    settled, collapsed, cut = settle_contours(torch.stack([looped, looped]))
    assert torch.equal(settled[0], looped)
    assert torch.equal(settled[1], cut_loops(looped))
    assert (bool(collapsed), bool(cut)) == (False, True)
    settled, collapsed, cut = settle_contours(torch.stack([looped, shut]))
    assert torch.equal(settled[1], cut_loops(looped)) and bool(collapsed) and bool(cut)
    assert not any(map(bool, settle_contours(torch.stack([shut, shut]))[1:]))


def test_several_structures_settle_one_by_one() -> None:
    looped, shut = _swapped(32, 4, 3), circle(torch.tensor([20.0, 30.0], dtype=torch.float64), 0.5, 32)
    wide = circle(torch.tensor([20.0, 30.0], dtype=torch.float64), 12.0, 32)
    one, other = torch.stack([looped, shut, shut]), torch.stack([wide, wide, looped])
    settled, collapsed, cut = settle_contours(torch.stack([one, other], dim=1))
    assert torch.equal(settled, torch.stack([settle_contours(one).contours, settle_contours(other).contours], dim=1))
    assert (collapsed.tolist(), cut.tolist()) == ([True, False], [True, True])
    assert torch.equal(settled[2], torch.stack([cut_loops(looped), cut_loops(looped)]))
