# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import math

import pytest
import torch

from monai_acdr.inferers.heart_axis import Vote, find_axis, motion_map, moving_centers


def test_motion_is_the_amplitude_of_the_first_harmonic() -> None:
    phases = torch.arange(20)
    still, beating = torch.full((20,), 3.0), 5 + 2 * torch.cos(2 * math.pi * phases / 20 + 0.7)
    odd = torch.zeros(20)
    odd[4] = 2.0  # a single odd frame
    frames = torch.stack([still, beating, odd], dim=1)[:, None]
    found = motion_map(frames)[0]
    assert found[0] == pytest.approx(0, abs=1e-5)
    assert found[1] == pytest.approx(2, abs=1e-5)
    assert found[2] == pytest.approx(0.2, abs=1e-5)


def test_where_something_moves() -> None:
    motion = torch.zeros(60, 80)
    motion[20:30, 50:60] = 1
    centers = torch.tensor([[10.0, 10.0], [55.0, 25.0], [70.0, 50.0]])
    torch.testing.assert_close(moving_centers(motion, centers, (30, 30)), centers[1:2])
    torch.testing.assert_close(moving_centers(torch.zeros(60, 80), centers, (30, 30)), centers)


def test_a_line_wins_over_stronger_candidates_off_it() -> None:
    votes = []
    for number in range(6):
        votes.append(Vote(number, number, (1.0 + 0.05 * number, 2.0 - 0.02 * number), 3.0))
        votes.append(Vote(number, number, (3.0 * (number % 2), 0.5 * number), 5.0))  # jumps about
    axis = find_axis(votes, 6)
    assert axis is not None
    for number in range(6):
        expected = torch.tensor([1.0 + 0.05 * number, 2.0 - 0.02 * number], dtype=torch.float64)
        torch.testing.assert_close(axis(number), expected, atol=0.02, rtol=0)


def test_few_votes() -> None:
    assert find_axis([], 5) is None
    axis = find_axis([Vote(2, 0, (1.0, 2.0), 0.0)], 5)
    assert axis is not None
    torch.testing.assert_close(axis(4), torch.tensor([1.0, 2.0], dtype=torch.float64))
