# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from monai_acdr.geometry import circle, ellipse
from monai_acdr.transforms.batch import RingWarp, polar_radii

CENTER = torch.tensor([[30.0, 40.0]])


def test_radii_of_a_square() -> None:
    square = torch.tensor([[[20.0, 30.0], [40.0, 30.0], [40.0, 50.0], [20.0, 50.0]]])
    radii = polar_radii(square, CENTER, 8)
    diagonal = 10 * math.sqrt(2)
    torch.testing.assert_close(radii, torch.tensor([[10.0, diagonal] * 4]))


def test_radii_of_an_ellipse() -> None:
    radii = polar_radii(ellipse(CENTER, torch.tensor([[12.0, 5.0]]), 4096), CENTER, 72)[0]
    angles = torch.arange(72) * (2 * math.pi / 72)
    expected = 1 / ((torch.cos(angles) / 12) ** 2 + (torch.sin(angles) / 5) ** 2).sqrt()
    torch.testing.assert_close(radii, expected, atol=1e-3, rtol=0)


def test_radii_of_both_orientations_are_the_same() -> None:
    contour = ellipse(CENTER, torch.tensor([[12.0, 5.0]]), 64)
    torch.testing.assert_close(polar_radii(contour.flip(1), CENTER), polar_radii(contour, CENTER))


def test_a_ray_that_leaves_twice_takes_the_farthest() -> None:
    """A C about the center: along +x the ray goes in and out three times."""
    contour = torch.tensor([[[-5.0, -5], [5, -5], [5, 5], [7, 5], [7, -5], [9, -5], [9, 9], [-5, 9]]])
    assert polar_radii(contour, torch.zeros(1, 2), 4)[0, 0] == 9


def test_missing_contours_stay_missing() -> None:
    contours = circle(CENTER.repeat(2, 1), 5.0, 16)
    contours[1] = torch.nan
    radii = polar_radii(contours, CENTER.repeat(2, 1))
    assert bool(torch.isfinite(radii[0]).all()) and bool(radii[1].isnan().all())


def _warp() -> RingWarp:
    before = torch.tensor([[[10.0] * 72, [20.0] * 72]])
    after = torch.tensor([[[4.0] * 72, [18.0] * 72]])
    return RingWarp(before, after, torch.full((1, 72), 30.0))


@pytest.mark.parametrize(("target", "source"), [(2, 5), (4, 10), (11, 15), (18, 20), (24, 25), (30, 30), (45, 45)])
@pytest.mark.parametrize("angle", [0.0, 1.0, -2.5])
def test_distances_are_piecewise_linear(target: float, source: float, angle: float) -> None:
    ray = torch.tensor([math.cos(angle), math.sin(angle)])
    torch.testing.assert_close(_warp().sources((target * ray)[None, None])[0, 0], source * ray, atol=1e-4, rtol=0)
    torch.testing.assert_close(_warp().targets((source * ray)[None, None])[0, 0], target * ray, atol=1e-4, rtol=0)


def test_the_warp_and_its_inverse() -> None:
    rng = np.random.default_rng(0)
    before = torch.from_numpy(np.cumsum(rng.uniform(4, 8, (3, 2, 72)), 1)).float()
    after = torch.from_numpy(np.cumsum(rng.uniform(2, 9, (3, 2, 72)), 1)).float()
    warp = RingWarp(before, after, torch.full((3, 72), 40.0))
    offsets = torch.from_numpy(rng.normal(0, 15, (3, 500, 2))).float()
    torch.testing.assert_close(warp.targets(warp.sources(offsets)), offsets, atol=1e-3, rtol=0)


def test_the_center_stays() -> None:
    torch.testing.assert_close(_warp().sources(torch.zeros(1, 1, 2)), torch.zeros(1, 1, 2))


def test_shapes_are_checked() -> None:
    with pytest.raises(ValueError, match="Expected `before` and `after`"):
        RingWarp(torch.ones(1, 2, 72), torch.ones(1, 1, 72), torch.ones(1, 72))
