# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import torch

from monai_acdr.geometry import circle
from monai_acdr.inferers.corrections import SAMPLES_PER_SIDE, points_at, pull_contour

SQUARE = torch.tensor([[0.0, 0.0], [8.0, 0.0], [8.0, 8.0], [0.0, 8.0]], dtype=torch.float64)


def test_a_coarse_contour_bends() -> None:
    pulled = pull_contour(SQUARE, 4.0, torch.tensor([0.0, -2.0], dtype=torch.float64), 3.0)
    assert len(pulled) == 4 + 2 * SAMPLES_PER_SIDE + 1
    new = pulled[1:-3]
    assert new[SAMPLES_PER_SIDE].tolist() == [4.0, -2.0]
    u = (torch.arange(-SAMPLES_PER_SIDE, SAMPLES_PER_SIDE + 1, dtype=torch.float64) / SAMPLES_PER_SIDE).abs()
    torch.testing.assert_close(new[:, 0], 4 + torch.linspace(-3, 3, 2 * SAMPLES_PER_SIDE + 1, dtype=torch.float64))
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
