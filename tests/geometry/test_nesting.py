# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Nesting of contours: a property of every result, checked by point-in-polygon and segment tests of its own."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from torch import Tensor

from monai_acdr.geometry import NESTING_MARGIN, circle, is_nested, is_simple, nest_contours, signed_area

SLACK = 1e-7
"""Pixels by which the checks below let a point lie outside: they compute angles and distances, not signs."""


# --- An independent check -------------------------------------------------------------------------------------------


def winding(point: np.ndarray, polygon: np.ndarray) -> int:
    """Sum of the angles under which the edges are seen, in turns."""
    rays = polygon - point
    angles = np.arctan2(rays[:, 1], rays[:, 0])
    turns = np.diff(np.append(angles, angles[0]))
    return round(float(((turns + math.pi) % (2 * math.pi) - math.pi).sum()) / (2 * math.pi))


def gap(point: np.ndarray, polygon: np.ndarray) -> float:
    """Distance of a point from a closed polyline."""
    best = math.inf
    for start, end in zip(polygon, np.roll(polygon, -1, 0), strict=True):
        edge = end - start
        length = float(edge @ edge)
        along = 0.0 if length == 0 else min(max(float((point - start) @ edge) / length, 0.0), 1.0)
        best = min(best, float(np.linalg.norm(point - start - along * edge)))
    return best


def contains(outer: np.ndarray, inner: np.ndarray) -> bool:
    """Whether the boundary of the inner polygon, sampled densely and at all its meetings with the outer, is inside."""
    for start, end in zip(inner, np.roll(inner, -1, 0), strict=True):
        cuts = [0.0, 1.0]
        for a, b in zip(outer, np.roll(outer, -1, 0), strict=True):
            matrix = np.stack([end - start, a - b], axis=1)
            if abs(np.linalg.det(matrix)) > 1e-12:
                along, other = np.linalg.solve(matrix, a - start)
                if 0 < along < 1 and 0 <= other <= 1:
                    cuts.append(float(along))
        cuts.sort()
        middles = [(one + two) / 2 for one, two in zip(cuts, cuts[1:], strict=False)]
        for along in [*cuts, *middles]:
            point = start + along * (end - start)
            if gap(point, outer) > SLACK and winding(point, outer) == 0:
                return False
    return True


def all_contained(contours: Tensor) -> bool:
    rings = contours.double().numpy()
    return all(contains(outer, inner) for inner, outer in zip(rings, rings[1:], strict=False))


# --- Shapes ---------------------------------------------------------------------------------------------------------

COORDINATES = st.floats(0, 100, width=32)


def star(draw: st.DrawFn, number: int, roughness: float) -> Tensor:
    """A polygon that is star-shaped about its own point."""
    center = torch.tensor([draw(st.floats(20, 80)), draw(st.floats(20, 80))])
    radii = torch.tensor(draw(st.lists(st.floats(1 - roughness, 1), min_size=number, max_size=number)))
    angles = torch.arange(number) * (2 * math.pi / number)
    rays = torch.stack([angles.cos(), angles.sin()], dim=-1)
    return center + draw(st.floats(2, 30)) * radii[:, None] * rays


def slit(draw: st.DrawFn, number: int) -> Tensor:
    """A polygon that is almost, or exactly, a line."""
    width = draw(st.sampled_from([0.0, 1e-6, 1e-3, 0.1]))
    ring = circle(torch.zeros(2), 1.0, number) * torch.tensor([draw(st.floats(1, 40)), width])
    angle = draw(st.floats(0, 3.2))
    turn = torch.tensor([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
    return ring @ turn.T + torch.tensor([draw(COORDINATES), draw(COORDINATES)])


def crescent(draw: st.DrawFn, number: int) -> Tensor:
    """A concave polygon: a bent band, out along one arc and back along another."""
    half = number // 2
    angles = torch.linspace(0, draw(st.floats(1, 5.5)), half)
    rays = torch.stack([angles.cos(), angles.sin()], dim=-1)
    inner, outer = draw(st.floats(3, 20)), draw(st.floats(21, 40))
    band = torch.cat([outer * rays, inner * rays.flip(0), inner * rays[:1].expand(number - 2 * half, 2)])
    return band + torch.tensor([draw(COORDINATES), draw(COORDINATES)])


def tangle(draw: st.DrawFn, number: int) -> Tensor:
    """Any vertices at all, often with common coordinates: crossings, touching edges, repeated vertices."""
    coordinate = st.one_of(st.integers(0, 6).map(float), COORDINATES)
    return torch.tensor(draw(st.lists(st.tuples(coordinate, coordinate), min_size=number, max_size=number)))


@st.composite
def contours(draw: st.DrawFn) -> Tensor:
    """(N, K, 2) contours of any kind, overlapping, disjoint, swapped or nested."""
    number = draw(st.integers(3, 16))
    kinds = draw(st.lists(st.sampled_from(["smooth", "rough", "slit", "crescent", "tangle"]), min_size=2, max_size=3))
    rings = []
    for kind in kinds:
        if kind in ("smooth", "rough"):
            rings.append(star(draw, number, 0.3 if kind == "smooth" else 0.95))
        else:
            rings.append({"slit": slit, "crescent": crescent, "tangle": tangle}[kind](draw, number))
    dtype = draw(st.sampled_from([torch.float32, torch.float64]))
    return torch.stack([ring if draw(st.booleans()) else ring.flip(0) for ring in rings]).to(dtype)


# --- Properties -----------------------------------------------------------------------------------------------------


@settings(max_examples=150, deadline=None)
@given(contours())
def test_every_result_is_nested_and_what_was_nested_is_unchanged(given_contours: Tensor) -> None:
    result = nest_contours(given_contours)
    assert bool(is_nested(result))
    assert all_contained(result)
    assert result.shape == given_contours.shape and result.dtype == given_contours.dtype
    assert torch.equal(result[0], given_contours[0])
    assert torch.equal(nest_contours(result), result)
    if bool(is_nested(given_contours)):
        assert torch.equal(result, given_contours)


@settings(max_examples=100, deadline=None)
@given(contours())
def test_the_check_agrees_with_the_independent_one(given_contours: Tensor) -> None:
    pair = given_contours[:2].double()
    inner, outer = pair.numpy()
    # A point within the slack of the other contour may be inside for one check and outside for the other.
    assume(min(gap(point, outer) for point in inner) > SLACK and min(gap(point, inner) for point in outer) > SLACK)
    assert bool(is_nested(pair)) == contains(outer, inner)


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_smooth_contours_that_overlap_a_little_change_a_little(data: st.DataObject) -> None:
    number, shift = 24, data.draw(st.floats(0, 4))
    angle = data.draw(st.floats(0, 6.3))
    cavity = circle(torch.tensor([50.0, 50.0]), 20.0, number)
    wall = circle(torch.tensor([50 + shift * math.cos(angle), 50 + shift * math.sin(angle)]), 22.0, number)
    result = nest_contours(torch.stack([cavity, wall]))
    assert all_contained(result)
    moved = (result[1] - wall).norm(dim=-1)
    assert moved.max() <= max(0.0, shift - 2) * 1.1 + 0.25  # of the overlap; edges of 24 vertices sag by 0.2
    assert bool(is_simple(result[1]))
    outward = (result[1] - cavity.mean(0)).norm(dim=-1) - (wall - cavity.mean(0)).norm(dim=-1)
    assert (outward > -1e-4).all()


# --- Cases ----------------------------------------------------------------------------------------------------------


def pair(inner: Tensor, outer: Tensor) -> Tensor:
    return torch.stack([inner, outer])


CAVITY = circle(torch.tensor([30.0, 30.0]), 10.0, 16)


def test_only_vertices_next_to_the_overlap_move() -> None:
    wall = circle(torch.tensor([33.0, 30.0]), 12.0, 16)
    result = nest_contours(pair(CAVITY, wall))
    assert torch.equal(result[0], CAVITY)
    moved = (result[1] != wall).any(-1)
    assert moved.any()
    assert not moved[wall[:, 0] > 33].any()


def test_the_repaired_contour_clears_the_inner_one_by_the_margin() -> None:
    wall = circle(torch.tensor([33.0, 30.0]), 12.0, 16).double()
    result = nest_contours(pair(CAVITY.double(), wall)).numpy()
    assert min(gap(point, result[1]) for point in result[0]) == pytest.approx(NESTING_MARGIN, rel=0.2)
    rounded = torch.from_numpy(result.round(4))
    assert bool(is_nested(rounded))


@pytest.mark.parametrize(
    "outer",
    [
        circle(torch.tensor([30.0, 30.0]), 4.0, 16),  # swapped
        circle(torch.tensor([70.0, 30.0]), 12.0, 16),  # disjoint
        torch.full((16, 2), 30.0),  # collapsed to a point of the inner one
        torch.full((16, 2), 90.0),
        torch.linspace(0, 60, 16)[:, None].expand(16, 2),  # a line
        CAVITY.roll(3, 0) * torch.tensor([1.0, -1.0]) + torch.tensor([0.0, 62.0]),  # turns the other way
    ],
    ids=["swapped", "disjoint", "point", "point beside", "line", "reversed"],
)
def test_outer_contours_that_contain_nothing_of_the_inner(outer: Tensor) -> None:
    result = nest_contours(pair(CAVITY, outer))
    assert torch.equal(result[0], CAVITY)
    assert bool(is_nested(result))
    assert all_contained(result)
    assert bool(signed_area(result[1]).abs() > signed_area(CAVITY).abs())
    assert signed_area(result[1]).abs() < 8 * signed_area(CAVITY)


def test_a_collapsed_contour_is_drawn_closely_about_the_inner_one() -> None:
    result = nest_contours(pair(CAVITY, torch.full((16, 2), 90.0)))
    radii = (result[1] - 30).norm(dim=-1)
    expected = (10 + NESTING_MARGIN) / math.cos(math.pi / 16)
    assert radii.max() < expected * 1.03
    assert signed_area(result[1]) > 0


def test_touching_contours_are_nested_and_left_alone() -> None:
    square = torch.tensor([[0.0, 0.0], [4.0, 0.0], [4.0, 4.0], [0.0, 4.0]])
    inside = torch.tensor([[0.0, 0.0], [2.0, 0.0], [4.0, 2.0], [2.0, 2.0]])  # two edges on the border
    for contours_ in (pair(square, square), pair(inside, square), pair(CAVITY, CAVITY)):
        assert bool(is_nested(contours_))
        assert nest_contours(contours_) is contours_


def test_an_edge_that_leaves_through_two_vertices_is_seen() -> None:
    notched = torch.tensor([[0.0, 0.0], [6.0, 0.0], [6.0, 4.0], [4.0, 2.0], [2.0, 2.0], [0.0, 4.0]])
    # Its upper edge runs along the floor of the notch, as it may; with a deeper notch it bridges the gap.
    along = torch.tensor([[1.0, 2.0], [1.0, 1.0], [3.0, 1.0], [5.0, 1.0], [5.0, 2.0], [4.5, 2.0]])
    assert bool(is_nested(pair(along, notched)))
    deeper = torch.tensor([[0.0, 0.0], [6.0, 0.0], [6.0, 4.0], [4.0, 2.0], [3.0, 1.5], [2.0, 2.0]])
    bridging = torch.tensor([[2.0, 2.0], [2.2, 1.0], [3.0, 1.0], [4.0, 1.0], [4.5, 1.0], [4.0, 2.0]])
    assert not bool(is_nested(pair(bridging, deeper)))
    assert all_contained(nest_contours(pair(bridging, deeper)))


def test_only_samples_that_violate_are_touched() -> None:
    good = torch.stack([circle(torch.tensor([30.0, 30.0]), radius, 16) for radius in (5.0, 8.0, 13.0)])
    bad = torch.stack([good[1], good[0], good[2]])
    batch = torch.stack([good, bad, good + 0.1])
    assert is_nested(batch).tolist() == [True, False, True]
    result = nest_contours(batch)
    assert torch.equal(result[0], batch[0]) and torch.equal(result[2], batch[2])
    assert is_nested(result).all()
    assert torch.equal(result[1, 2], bad[2])  # the outermost was large enough for both
    assert torch.equal(result[1], nest_contours(bad))


def test_one_structure_is_nested() -> None:
    assert is_nested(CAVITY[None]).item() is True
    assert is_nested(torch.stack([CAVITY[None]] * 3)).tolist() == [True] * 3
    assert is_nested(torch.zeros(0, 2, 5, 2)).shape == (0,)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
@pytest.mark.parametrize("scale", [1e-3, 1.0, 200.0])
def test_precision_and_scale(dtype: torch.dtype, scale: float) -> None:
    wall = circle(torch.tensor([35.0, 30.0]), 11.0, 16)
    given_contours = (pair(CAVITY, wall) * scale).to(dtype)
    result = nest_contours(given_contours)
    assert result.dtype == (dtype if dtype in (torch.float32, torch.float64) else torch.float32)
    assert bool(is_nested(result))
    assert torch.equal(result[0], given_contours[0].to(result.dtype))


def test_wrong_contours() -> None:
    with pytest.raises(ValueError, match=r"Expected `contours` to be \(N, K, 2\), or \(B, N, K, 2\).*got \(16, 2\)"):
        nest_contours(CAVITY)
    with pytest.raises(ValueError, match=r"Expected `vertices` to be .*but got \(2, 16, 3\)"):
        is_nested(torch.zeros(2, 16, 3))
    broken = pair(CAVITY, CAVITY).clone()
    broken[1, 3, 0] = torch.nan
    assert not bool(is_nested(broken))
    with pytest.raises(ValueError, match="Expected finite contours, but got NaN or infinity"):
        nest_contours(broken)
