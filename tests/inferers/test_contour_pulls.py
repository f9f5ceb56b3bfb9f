# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import math

import pytest
import torch

from monai_acdr.geometry import circle, is_simple, perimeter, signed_area
from monai_acdr.inferers.contour_pulls import SAMPLES, cut_loops, points_at, pull_contour

SQUARE = torch.tensor([[0.0, 0.0], [8.0, 0.0], [8.0, 8.0], [0.0, 8.0]], dtype=torch.float64)


def test_a_coarse_contour_bends() -> None:
    pulled = pull_contour(SQUARE, 4.0, torch.tensor([0.0, -2.0], dtype=torch.float64), 3.0)
    assert len(pulled) == 4 + 2 * SAMPLES + 1
    new = pulled[1:-3]
    assert new[SAMPLES].tolist() == [4.0, -2.0]
    u = (torch.arange(-SAMPLES, SAMPLES + 1, dtype=torch.float64) / SAMPLES).abs()
    torch.testing.assert_close(new[:, 0], 4 + torch.linspace(-3, 3, 2 * SAMPLES + 1, dtype=torch.float64))
    torch.testing.assert_close(new[:, 1], -2 * (1 - u) ** 3 * (3 * u + 1))
    assert torch.equal(pulled[[0, -3, -2, -1]], SQUARE)


def test_a_pull_goes_round_the_first_vertex() -> None:
    pulled = pull_contour(SQUARE, 0.0, torch.tensor([-1.0, -1.0], dtype=torch.float64), 4.0)
    assert pulled[0].tolist() == [-1.0, -1.0]
    torch.testing.assert_close(pulled[1:], pulled[1:].flip(0).flip(1))  # as much on either side of the diagonal


def test_fine_contours_get_few_vertices() -> None:
    fine = circle(torch.zeros(2, dtype=torch.float64), 10.0, 400)
    assert len(pull_contour(fine, 5.0, torch.ones(2, dtype=torch.float64), 6.0)) <= 401


def test_points_at_arc_lengths() -> None:
    found = points_at(SQUARE, torch.tensor([0.0, 12.0, 30.0, 33.0, -1.0], dtype=torch.float64))
    assert found.tolist() == [[0, 0], [8, 4], [0, 2], [1, 0], [0, 1]]


def test_loops_are_cut() -> None:
    """A circle with a small loop that turns the other way."""
    angle = torch.linspace(0, 2 * math.pi, 41, dtype=torch.float64)[:-1]
    points = 10 * torch.stack([angle.cos(), angle.sin()], dim=-1)
    points[[3, 4, 5, 6]] = points[[6, 5, 4, 3]]
    assert not bool(is_simple(points))
    cut = cut_loops(points)
    assert bool(is_simple(cut))
    assert float(signed_area(cut)) == pytest.approx(float(signed_area(circle(torch.zeros(2), 10.0, 40))), rel=0.03)
    assert float(perimeter(cut)) < float(perimeter(points))
    assert torch.equal(cut_loops(SQUARE), SQUARE)


def test_what_only_touches_itself_is_left() -> None:
    doubled = torch.cat([SQUARE, SQUARE])
    assert torch.equal(cut_loops(doubled), doubled)
