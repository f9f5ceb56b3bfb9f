# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Maps of known objects are read back, and the network has the shapes that it says."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from monai_acdr.networks.nets import RegionLocalizer, center_errors, decode_regions


def maps_of(center: tuple[float, float], radius: float, logit: float, size: tuple[int, int] = (64, 64)) -> Tensor:
    """(1, 3, h, w) with a Gaussian of one cell about a center in sides of the frame."""
    y, x = torch.meshgrid(torch.arange(size[0]) + 0.5, torch.arange(size[1]) + 0.5, indexing="ij")
    distance = (x - center[0] * size[1]) ** 2 + (y - center[1] * size[0]) ** 2
    rest = torch.ones(size)
    return torch.stack([-distance / 2, math.log(2 * radius) * rest, logit * rest])[None]


@settings(deadline=None, max_examples=30)
@given(x=st.floats(0.1, 0.9), y=st.floats(0.1, 0.9), radius=st.floats(0.02, 0.5), logit=st.floats(-5, 5))
def test_known_maps(x: float, y: float, radius: float, logit: float) -> None:
    """The center is found between the cells: the Gaussian is cut at 2 to 3 standard deviations, hence the tolerance."""
    found = decode_regions(maps_of((x, y), radius, logit))
    assert found.center[0].tolist() == pytest.approx([x, y], abs=0.1 / 64)
    assert float(found.radius) == pytest.approx(radius, rel=1e-5)
    assert float(found.presence_logit) == pytest.approx(logit, abs=1e-4)


def test_radius_and_presence_are_read_where_the_heat_is() -> None:
    maps = maps_of((0.25, 0.5), 0.1, 3.0)
    maps[0, 1, :, 32:], maps[0, 2, :, 32:] = math.log(2 * 0.4), -3.0
    left = decode_regions(maps)
    right = decode_regions(maps, maps_of((0.75, 0.5), 0.1, 0.0)[:, 0].exp())
    assert (float(left.radius), float(left.presence_logit)) == pytest.approx((0.1, 3.0), rel=1e-4)
    assert (float(right.radius), float(right.presence_logit)) == pytest.approx((0.4, -3.0), rel=1e-4)
    assert right.center[0].tolist() == pytest.approx([0.75, 0.5], abs=0.1 / 64)


def test_heat_without_any_is_finite() -> None:
    found = decode_regions(maps_of((0.5, 0.5), 0.1, 1.0), torch.zeros(1, 64, 64))
    assert bool(torch.isfinite(found.center).all()) and bool(torch.isfinite(found.radius).all())


def test_errors_of_centers_count_present_objects_in_radii() -> None:
    maps = torch.cat([maps_of((0.5, 0.5), 0.1, 1.0), maps_of((0.5, 0.5), 0.1, 1.0)])
    target = torch.tensor([[0.5, 0.3, 0.1, 1.0], [0.1, 0.1, 0.1, 0.0]])
    assert center_errors(maps, target).tolist() == pytest.approx([2.0], abs=0.02)  # between cells


@pytest.mark.parametrize(("channels", "width"), [(1, 4), (2, 12)])
def test_shapes(channels: int, width: int) -> None:
    network = RegionLocalizer(channels, width).eval()
    with torch.no_grad():
        assert network(torch.zeros(2, channels, 64, 96)).shape == (2, 3, 32, 48)


def test_its_size_is_that_of_the_card() -> None:
    assert sum(weights.numel() for weights in RegionLocalizer().parameters()) == 505515


def test_refused() -> None:
    with pytest.raises(ValueError, match="`in_channels` and `width` of at least 1, but got 0 and 4"):
        RegionLocalizer(0, 4)
    for shape in ((1, 1, 64, 64), (1, 2, 60, 64), (2, 64, 64)):
        with pytest.raises(ValueError, match=r"multiples of 32, but got \("):
            RegionLocalizer(2, 4)(torch.zeros(shape))
    for maps, heat in ((torch.zeros(1, 2, 8, 8), None), (torch.zeros(1, 3, 8, 8), torch.zeros(1, 8, 9))):
        with pytest.raises(ValueError, match=r"Expected `maps` \(B, 3, h, w\)"):
            decode_regions(maps, heat)
