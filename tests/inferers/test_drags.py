# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Drags: the place goes along, contours stay simple and nested, and what is far stays where it was."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from monai_acdr.geometry import circle, is_simple, perimeter, signed_area
from monai_acdr.inferers import drag_contours, push_contours
from monai_acdr.inferers.corrections import WIDTH, nearest_on_contour, points_at

shapely = pytest.importorskip("shapely")

seeds = st.integers(0, 100_000)


def blob(generator: torch.Generator, radius: float, number: int) -> Tensor:
    radii = radius * (0.9 + 0.1 * torch.rand(number, 1, generator=generator, dtype=torch.float64))
    middle = torch.tensor([40.0, 30.0], dtype=torch.float64)
    return middle + (circle(middle, 1.0, number) - middle) * radii


def rings(seed: int) -> tuple[list[Tensor], int, float, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    contours = [blob(generator, radius, 20 + 5 * number) for number, radius in enumerate((10.0, 15.0, 21.0))]
    index = int(torch.randint(0, 3, (1,), generator=generator))
    arc = float(perimeter(contours[index]) * torch.rand(1, generator=generator, dtype=torch.float64))
    pull = 12 * torch.randn(2, generator=generator, dtype=torch.float64)
    return contours, index, arc, pull


@settings(max_examples=40, deadline=None)
@given(seed=seeds)
def test_nested_contours_make_room_and_stay_simple(seed: int) -> None:
    contours, index, arc, pull = rings(seed)
    moved = drag_contours(contours, index, arc, pull, nested=True)
    if moved is None:  # it goes no farther: only for long ways, which would turn a contour inside out
        assert float(pull.norm()) > 5
        return
    polygons = [shapely.Polygon(vertices.numpy()) for vertices in moved]
    assert all(polygon.is_valid for polygon in polygons) and all(map(is_simple, moved))
    assert all(outer.contains(inner) for inner, outer in zip(polygons, polygons[1:], strict=False))
    assert [torch.sign(signed_area(vertices)) for vertices in moved] == [torch.sign(signed_area(v)) for v in contours]
    target = points_at(contours[index], torch.tensor([arc], dtype=torch.float64))[0] + pull
    assert float((moved[index] - target).norm(dim=-1).min()) < 1e-9


@settings(max_examples=40, deadline=None)
@given(seed=seeds)
def test_a_drag_alone_bends_what_is_near_only(seed: int) -> None:
    contours, index, arc, pull = rings(seed)
    moved = drag_contours(contours, index, arc, 0.2 * pull)
    assert moved is not None
    length = float(perimeter(contours[index]))
    reach = min(WIDTH[0] * length + WIDTH[1] * float((0.2 * pull).norm()), length / 2)
    arcs = nearest_on_contour(contours[index], contours[index]).arc
    away = (arcs - arc).abs()
    far = contours[index][torch.minimum(away, length - away) >= reach]
    assert all(bool((moved[index] == vertex).all(-1).any()) for vertex in far)
    others = [number for number in range(3) if number != index]
    assert all(torch.equal(moved[number], contours[number]) for number in others)


def test_a_drag_of_nothing_keeps_the_outline() -> None:
    ring = circle(torch.tensor([40.0, 30.0], dtype=torch.float64), 10.0, 24)
    (moved,) = drag_contours([ring], 0, 3.0, torch.zeros(2)) or []
    assert float(signed_area(moved)) == pytest.approx(float(signed_area(ring)), abs=1e-9)
    assert len(moved) > len(ring)


def test_contours_that_have_room_stay_as_they_are() -> None:
    middle = torch.tensor([40.0, 30.0], dtype=torch.float64)
    pair = [circle(middle, 10.0, 24), circle(middle, 20.0, 24)]
    moved = push_contours(pair, 0)
    assert moved is not None and all(one is other for one, other in zip(moved, pair, strict=True))


def test_a_way_that_would_turn_the_contour_inside_out_is_none() -> None:
    thin = torch.tensor([[0.0, 0.0], [40.0, 0.0], [40.0, 0.1], [0.0, 0.1]], dtype=torch.float64)
    assert drag_contours([thin], 0, 20.0, torch.tensor([0.0, 5.0])) is None


@pytest.mark.parametrize(
    ("contour", "pull", "message"),
    [
        (torch.zeros(3, 2), torch.zeros(2), "to enclose an area"),
        (torch.full((3, 2), float("nan")), torch.zeros(2), "`vertices` to be finite"),
        (torch.eye(3)[:, :2], torch.zeros(3), r"\(N, 2\) points"),
        (torch.eye(3)[:, :2], torch.tensor([float("inf"), 0]), "`pull` to be finite"),
    ],
)
def test_bad_input_is_refused(contour: Tensor, pull: Tensor, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        drag_contours([contour], 0, 0.0, pull)
