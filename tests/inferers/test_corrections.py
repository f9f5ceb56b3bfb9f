# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Clicks bend a contour: properties on random blobs and clicks, then examples."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from monai_acdr.geometry import circle, is_simple, perimeter, signed_area
from monai_acdr.inferers import contradicted_clicks, correct_contour, corrections

shapely = pytest.importorskip("shapely")

TOLERANCE = 1e-6  # of 20 pixels and more
seeds = st.integers(0, 100_000)


def make_blob(seed: int, roughness: float = 0.3, num_vertices: int = 24) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    radii = 1 + roughness * torch.rand(num_vertices, 1, generator=generator, dtype=torch.float64)
    return circle(torch.tensor([40.0, 30.0], dtype=torch.float64), 20.0, num_vertices) * radii - 20 * (radii - 1)


def make_clicks(seed: int, most: int = 5) -> tuple[Tensor, Tensor]:
    """Anywhere in the neighborhood, in any mixture, sometimes one of both kinds at one place."""
    generator = torch.Generator().manual_seed(seed + 1)
    numbers = torch.randint(0, most + 1, (2,), generator=generator).tolist()
    places = [torch.rand(n, 2, generator=generator, dtype=torch.float64) * 80 + torch.tensor([0, -10]) for n in numbers]
    if min(numbers) > 0 and seed % 3 == 0:
        places[1][0] = places[0][-1]
    return places[0], places[1]


def depth(contour: Tensor, points: Tensor) -> list[float]:
    """Distance to the contour, positive inside, by shapely."""
    polygon = shapely.Polygon(contour.numpy())
    places = [shapely.Point(point) for point in points.tolist()]
    return [(1 if polygon.contains(place) else -1) * polygon.exterior.distance(place) for place in places]


@settings(max_examples=60, deadline=None)
@given(seed=seeds)
def test_clicks_are_obeyed_by_a_simple_contour_of_the_same_orientation(seed: int) -> None:
    blob = make_blob(seed)
    contour = blob.flip(0) if seed % 2 else blob
    foreground, background = make_clicks(seed)
    bent = correct_contour(contour, foreground, background)
    assert min(depth(bent, foreground), default=0) >= -TOLERANCE
    assert max(depth(bent, background), default=0) <= TOLERANCE
    assert bool(is_simple(bent))
    assert torch.sign(signed_area(bent)) == torch.sign(signed_area(contour))
    again = correct_contour(bent, foreground, background)
    assert torch.equal(again, bent)  # what agrees changes nothing


@settings(max_examples=40, deadline=None)
@given(seed=seeds, share=st.floats(0.02, 0.2))
def test_far_vertices_stay(seed: int, share: float) -> None:
    contour = make_blob(seed)
    generator = torch.Generator().manual_seed(seed + 2)
    index = int(torch.randint(0, len(contour), (1,), generator=generator))
    click = contour[index] * 1.1 - torch.tensor([40.0, 30.0]) * 0.1
    bent = correct_contour(contour, click[None], width=(share, 0.0))
    lengths = (contour.roll(-1, 0) - contour).norm(dim=-1)
    arcs = lengths.cumsum(0) - lengths
    length = float(perimeter(contour))
    away = (arcs - arcs[index]).abs()
    away = torch.minimum(away, length - away)
    # the nearest place of the contour is at most as far along it as these blobs are rough
    far = contour[away > (share + 0.1) * length]
    assert len(far) > 5
    assert float((far[:, None] - bent).norm(dim=-1).amin(1).max()) <= 1e-9
    assert len(bent) >= len(contour)


def turned(points: Tensor) -> Tensor:
    angle = 0.7
    matrix = [[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]]
    return points @ torch.tensor(matrix, dtype=torch.float64).T


@pytest.mark.parametrize(
    ("move", "scale"),
    [(lambda points: points + torch.tensor([300.0, -7.0]), 1), (turned, 1), (lambda points: points * 3, 3)],
    ids=["translation", "rotation", "scale"],
)
@settings(max_examples=12, deadline=None)
@given(seed=seeds)
def test_moving_everything_moves_the_result(move: Callable[[Tensor], Tensor], scale: float, seed: int) -> None:
    contour, (foreground, background) = make_blob(seed), make_clicks(seed, most=2)
    bent = correct_contour(contour, foreground, background)
    other = correct_contour(move(contour), move(foreground), move(background), margin=0.5 * scale)
    assert_same_shape(other, move(bent))


@settings(max_examples=25, deadline=None)
@given(seed=seeds)
def test_order_does_not_matter(seed: int) -> None:
    contour, (foreground, background) = make_blob(seed), make_clicks(seed, most=2)
    bent = correct_contour(contour, foreground, background)
    assert_same_shape(correct_contour(contour, foreground.flip(0), background.flip(0)), bent)
    assert_same_shape(correct_contour(contour.roll(5, 0), foreground, background), bent)
    assert_same_shape(correct_contour(contour.flip(0), foreground, background), bent)


def assert_same_shape(one: Tensor, other: Tensor) -> None:
    difference = shapely.Polygon(one.numpy()).symmetric_difference(shapely.Polygon(other.numpy()))
    assert difference.area <= 1e-5 * float(signed_area(other).abs())


def test_the_contour_goes_a_little_beyond_the_click() -> None:
    contour = circle(torch.zeros(2, dtype=torch.float64), 20.0, 64)
    outside, inside = torch.tensor([[26.0, 0.0]]), torch.tensor([[0.0, 10.0]])
    assert correct_contour(contour, outside, overshoot=0.5)[:, 0].max() == pytest.approx(29)
    assert correct_contour(contour, None, inside, overshoot=0.5)[:, 1].max() < 20
    assert depth(correct_contour(contour, None, inside, overshoot=0.5), inside)[0] == pytest.approx(-5, abs=1)
    near = torch.tensor([[20.2, 0.0]])
    assert correct_contour(contour, near)[:, 0].max() == pytest.approx(20.7)  # by the margin
    assert correct_contour(contour, near, margin=0.1, overshoot=0)[:, 0].max() == pytest.approx(20.3)


def test_both_kinds_at_one_place_are_the_boundary() -> None:
    contour = circle(torch.zeros(2, dtype=torch.float64), 20.0, 32)
    places = torch.tensor([[25.0, 3.0], [-12.0, 2.0]], dtype=torch.float64)
    bent = correct_contour(contour, places, places)
    assert depth(bent, places) == pytest.approx([0, 0], abs=1e-9)
    assert bool(is_simple(bent))


def test_clicks_on_top_of_each_other() -> None:
    """Foreground, background, foreground on one ray: the contour has to go round the middle one."""
    contour = circle(torch.zeros(2, dtype=torch.float64), 20.0, 32)
    foreground = torch.tensor([[23.0, 0.0], [33.0, 0.0]], dtype=torch.float64)
    background = torch.tensor([[28.0, 0.0], [23.2, 0.0]], dtype=torch.float64)
    bent = correct_contour(contour, foreground, background)
    assert min(depth(bent, foreground)) >= -TOLERANCE
    assert max(depth(bent, background)) <= TOLERANCE
    assert bool(is_simple(bent))


def test_contour_far_from_the_click() -> None:
    contour = circle(torch.zeros(2), 5.0, 32)
    bent = correct_contour(contour, torch.tensor([[100.0, 80.0]]), torch.tensor([[0.0, 0.0]]))
    assert depth(bent, torch.tensor([[100.0, 80.0]]))[0] > 0
    assert depth(bent, torch.zeros(1, 2))[0] < 0
    assert bool(is_simple(bent))


def test_loops_go_when_a_click_bends_a_crossing_contour() -> None:
    contour = circle(torch.zeros(2, dtype=torch.float64), 20.0, 32)
    contour[[3, 4, 5]] = contour[[5, 4, 3]]
    inside, outside = torch.zeros(1, 2), torch.tensor([[-25.0, 0.0]])
    assert torch.equal(correct_contour(contour, inside), contour)
    assert bool(is_simple(correct_contour(contour, outside)))


def test_types_and_no_clicks() -> None:
    contour = circle(torch.zeros(2), 20.0, 16)
    for none in (None, [], torch.zeros(0, 2)):
        same = correct_contour(contour, none, none)
        assert torch.equal(same, contour)
        assert same is not contour
    bent = correct_contour(contour, torch.tensor([[25, 1]]))
    assert bent.dtype == torch.float32
    assert depth(bent, torch.tensor([[25.0, 1.0]]))[0] > 0


def test_a_click_that_cannot_be_served_is_left_out_and_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(corrections, "pull_contour", lambda contour, *_: contour)
    contour = circle(torch.zeros(2), 20.0, 16)
    inside, outside = torch.tensor([[30.0, 0.0], [1.0, 2.0]]), torch.tensor([[3.0, 0.0], [0.0, 40.0]])
    assert torch.equal(correct_contour(contour, inside, outside), contour)
    assert sorted(contradicted_clicks(contour, inside, outside).tolist()) == [[3.0, 0.0], [30.0, 0.0]]
    assert contradicted_clicks(contour, inside[1:], outside[1:]).shape == (0, 2)
    assert contradicted_clicks(contour).shape == (0, 2)


@pytest.mark.parametrize(
    ("vertices", "foreground", "message"),
    [
        (torch.zeros(2, 2), None, r"`vertices` to be \(..., K >= 3, 2\)"),
        (torch.zeros(1, 4, 2), None, r"one contour \(K, 2\)"),
        (torch.full((4, 2), math.nan), None, "`vertices` to be finite"),
        (torch.ones(4, 2), None, "enclose an area"),
        (circle(torch.zeros(2), 5.0, 8), torch.zeros(3), r"`foreground` to be \(N, 2\)"),
        (circle(torch.zeros(2), 5.0, 8), torch.tensor([[math.inf, 0.0]]), "`foreground` to be finite"),
    ],
)
def test_wrong_input(vertices: Tensor, foreground: Tensor | None, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        correct_contour(vertices, foreground)


def test_wrong_options() -> None:
    with pytest.raises(ValueError, match=r"width\[0\] to be positive"):
        correct_contour(circle(torch.zeros(2), 5.0, 8), width=(0.0, 1.0))
    with pytest.raises(ValueError, match="not to be negative"):
        correct_contour(circle(torch.zeros(2), 5.0, 8), overshoot=-1)
