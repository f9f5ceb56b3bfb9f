# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import math
from typing import Any

import pytest
import torch

from monai_acdr.geometry import circle, ellipse
from monai_acdr.inferers.heart_candidates import contour_features, find_candidates, grid_centers, judge_place

SIDES = (60.0, 60.0)


@pytest.mark.parametrize("size", [(200, 260), (64, 300), (30, 40)])
def test_no_place_is_far_from_the_grid(size: tuple[int, int]) -> None:
    centers = grid_centers(size, SIDES, step=0.32)
    assert bool(((centers > 0) & (centers < torch.tensor([size[1], size[0]]))).all())
    rng = torch.Generator().manual_seed(0)
    inner = torch.tensor([size[1], size[0]]) - 2 * 0.32 * 60
    places = (
        torch.rand(500, 2, generator=rng) * inner.clamp_min(0)
        + torch.tensor([size[1], size[0]]) / 2
        - inner.clamp_min(0) / 2
    )
    nearest = torch.cdist(places.double(), centers).amin(1) / 60
    assert float(nearest.max()) <= 0.32 / math.sqrt(2) + 1e-6


def test_features_of_a_disc(draw_discs: Any) -> None:
    image = draw_discs((120, 120), [(60.0, 60.0, 12.0)])
    center = torch.tensor([60.0, 60.0], dtype=torch.float64)
    disc = circle(center, torch.tensor(12.0, dtype=torch.float64), 64)
    flat = ellipse(center, torch.tensor([16.0, 5.0], dtype=torch.float64), 64)
    features = contour_features(image, torch.stack([disc, flat]), SIDES)
    assert features["log_area"][0] == pytest.approx(math.log(math.pi * 12**2 / 60**2), abs=0.02)
    assert features["roundness"][0] > 4 > features["roundness"][1]
    assert features["contrast"][0] > 0.8
    assert features["contrast"][0] > features["contrast"][1]
    assert features["inside"][0] == pytest.approx(1, abs=0.02)


def test_the_disc_is_the_best_candidate(draw_discs: Any, stand_in: Any) -> None:
    image = draw_discs((200, 260), [(200.0, 60.0, 12.0)], noise=0.02)
    candidates = find_candidates(image, stand_in, SIDES)
    torch.testing.assert_close(candidates[0].center, torch.tensor([200.0, 60.0], dtype=torch.float64), atol=0.1, rtol=0)
    assert all(candidates[0].score > other.score for other in candidates[1:])


def test_a_known_place(draw_discs: Any, stand_in: Any) -> None:
    image = draw_discs((200, 260), [(200.0, 60.0, 12.0)])
    near = judge_place(image, stand_in, torch.tensor([192.0, 64.0], dtype=torch.float64), SIDES)
    far = judge_place(image, stand_in, torch.tensor([60.0, 150.0], dtype=torch.float64), SIDES)
    assert near is not None
    assert far is not None
    torch.testing.assert_close(near.center, torch.tensor([200.0, 60.0], dtype=torch.float64), atol=0.1, rtol=0)
    assert near.score > far.score
    blank = draw_discs((50, 50), [])
    assert judge_place(blank, stand_in, torch.tensor([25.0, 25.0], dtype=torch.float64), SIDES) is None


def test_contours_without_area_lead_nowhere_else(draw_discs: Any) -> None:
    """The centroid of a contour that has nearly no area may lie far outside the image."""

    def thin(images: Any, rois: Any) -> list[torch.Tensor]:
        line = torch.linspace(0, 1, 16, dtype=torch.float64)
        bow = torch.stack([line * 40, (line - 0.5).abs() * 1e-7 - 400], dim=-1)
        return [bow[None].repeat(2, 1, 1) + roi[:2] for roi in rois]

    image = draw_discs((100, 120), [(60.0, 50.0, 12.0)])
    for candidate in find_candidates(image, thin, SIDES):
        assert bool(((candidate.center >= 0) & (candidate.center <= torch.tensor([120, 100]))).all())
    judged = judge_place(image, thin, torch.tensor([60.0, 50.0], dtype=torch.float64), SIDES)
    assert judged is not None
    assert float(judged.center[1]) == 0
