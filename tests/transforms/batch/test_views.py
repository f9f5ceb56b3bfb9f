# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import itertools
from typing import Any

import pytest
import torch

from monai_acdr.geometry import centroid, circle, signed_area
from monai_acdr.networks.layers import rasterize_polygons
from monai_acdr.transforms.batch import RandAppearance, RandView, ViewOptions, standardize

CENTER = torch.tensor([70.0, 58.0])
STILL: dict[str, Any] = {
    "scale": (1, 1),
    "shift": 0,
    "angle": 0,
    "flip_prob": 0,
    "stretch": 0,
    "warp_prob": 0,
}


def _hearts(batch: int) -> tuple[torch.Tensor, torch.Tensor]:
    """A bright disk in a dark ring on gray, and both outlines."""
    contours = torch.stack([circle(CENTER, radius, 128) for radius in (12.0, 20.0)])
    disk, outer = rasterize_polygons(contours, (120, 128))
    image = 0.5 * (1 - outer) + disk
    return image.expand(batch, 1, -1, -1).clone(), contours.expand(batch, -1, -1, -1).clone()


def test_colors_are_viewed_alike() -> None:
    """The channels of a view are those of the channels alone, whatever the order of channels."""
    image, contours = _hearts(2)
    colors = torch.cat([image, 2 * image + 0.3, image.flip(-1)], 1)
    views = {}
    for order in ((0, 1, 2), (2, 0, 1)):
        torch.manual_seed(3)
        views[order] = RandView(48, 64)(colors[:, list(order)], contours)
    torch.testing.assert_close(views[0, 1, 2].contours, views[2, 0, 1].contours)
    torch.testing.assert_close(views[0, 1, 2].image[:, [2, 0, 1]], views[2, 0, 1].image)
    torch.manual_seed(3)
    alone = RandView(48, 64)(image, contours)
    first = views[0, 1, 2].image[:, :1]
    torch.testing.assert_close(standardize(first), alone.image, atol=1e-4, rtol=0)


def test_a_still_view_is_the_region() -> None:
    image, contours = _hearts(1)
    view = RandView(64, 64, **STILL)(image, contours)
    part = standardize(image[..., 58 - 32 : 58 + 32, 70 - 32 : 70 + 32])
    torch.testing.assert_close(view.image, part, atol=1e-4, rtol=0)
    torch.testing.assert_close(view.contours, contours - CENTER + 32, atol=1e-4, rtol=0)


@pytest.mark.parametrize("seed", range(6))
def test_contours_follow_the_image(seed: int) -> None:
    """Whatever was drawn, the disk lies inside the first contour, and the ring between both."""
    torch.manual_seed(seed)
    image, contours = _hearts(8)
    view = RandView(96, 70, cavity=(0.3, 1.2), shift=0.05)(image, contours)
    masks = rasterize_polygons(view.contours.flatten(0, 1), (96, 96)).view(8, 2, 96, 96)
    core = masks[:, 0] > 0.999
    between = (masks[:, 1] > 0.999) & (masks[:, 0] < 1e-3)
    outside = masks[:, 1] < 1e-3
    for each, inside, ring, rest in zip(view.image[:, 0], core, between, outside, strict=True):
        assert inside.sum() > 20 and ring.sum() > 20
        # a pixel at a border is a mixture: medians tell the materials apart
        assert each[inside].median() > each[rest].median() > each[ring].median()
        assert (each[inside] > each[ring].median()).float().mean() > 0.97


def test_sizes_vary_as_told() -> None:
    torch.manual_seed(0)
    image, contours = _hearts(400)
    still = {**STILL, "warp_prob": 1.0}
    view = RandView(16, 16, **still, cavity=(0.2, 1.1), bend=0.0, tiny=0.5)(image, contours)
    inner, outer = signed_area(view.contours).abs().sqrt().T / signed_area(contours[0]).abs().sqrt()[:, None]
    assert 0.19 < inner.min() < 0.25 and 1.0 < inner.max() < 1.11
    assert 0.87 < outer.min() < 0.9 and 1.1 < outer.max() < 1.13
    assert abs(float((inner < 0.45).float().mean()) - 0.5) < 0.08


def test_the_nest_stays_a_nest() -> None:
    torch.manual_seed(0)
    image, contours = _hearts(64)
    view = RandView(64, 64, warp_prob=1.0, cavity=(1.2, 3.0))(image, contours)
    centers = centroid(view.contours[:, 0])[:, None, None]
    inner, outer = (view.contours - centers).norm(dim=-1).unbind(1)
    assert bool((inner < outer).all())


def test_views_are_shifted_and_scaled_as_told() -> None:
    torch.manual_seed(0)
    image, contours = _hearts(500)
    settings = {**STILL, "shift": 0.2, "shift_prob": 0.4, "scale": (0.5, 2.0)}
    view = RandView(20, 50, **settings)(image, contours)
    shift = (centroid(view.contours[:, 0]) / 20 - 0.5).abs().amax(1)
    assert shift.max() < 0.2 and abs(float((shift > 0.03).float().mean()) - 0.4 * (1 - 0.15**2)) < 0.07
    side = 20 / 50 * (signed_area(contours[:, 1]) / signed_area(view.contours[:, 1])).abs().sqrt()
    assert 0.49 < side.min() < 0.53 and 1.9 < side.max() < 2.01
    assert abs(float((side < 1).float().mean()) - 0.5) < 0.08  # halving is as likely as doubling


def test_scales_and_angles_to_choose_from() -> None:
    torch.manual_seed(0)
    image, contours = _hearts(200)
    view = RandView(20, 50, **{**STILL, "scales": (0.5, 2.0), "angles": (0, 90)})(image, contours)
    side = 20 / 50 * (signed_area(contours[:, 1]) / signed_area(view.contours[:, 1])).abs().sqrt()
    assert set(side.double().round(decimals=3).tolist()) == {0.5, 2.0}
    first = view.contours[:, 1, 0] / 20 - 0.5  # of the circle, on +x before it turned
    angle = torch.rad2deg(torch.atan2(first[:, 1], first[:, 0])).double().round(decimals=2)
    assert set(angle.abs().tolist()) == {0.0, 90.0}


def test_half_the_views_are_mirrored() -> None:
    torch.manual_seed(0)
    image, contours = _hearts(300)
    view = RandView(16, 16)(image, contours)
    mirrored = signed_area(view.contours[:, 0]) * signed_area(contours[:, 0]) < 0
    assert abs(float(mirrored.float().mean()) - 0.5) < 0.09


def test_missing_contours_stay_missing() -> None:
    image, contours = _hearts(3)
    contours[1, 1] = torch.nan
    view = RandView(64, 64, appearance=RandAppearance())(image, contours)
    assert bool(view.contours[1, 1].isnan().all())
    assert bool(torch.isfinite(view.image).all()) and bool(torch.isfinite(view.contours[[0, 2]]).all())
    assert bool(torch.isfinite(view.contours[1, 0]).all())


def test_one_contour_alone() -> None:
    torch.manual_seed(0)
    image, contours = _hearts(4)
    view = RandView(64, 64, appearance=RandAppearance())(image, contours[:, :1])
    assert view.contours.shape == (4, 1, 128, 2) and bool(torch.isfinite(view.image).all())


def test_the_seed_of_torch_decides() -> None:
    image, contours = _hearts(4)
    make = RandView(64, 64, appearance=RandAppearance())
    views = []
    for seed in (3, 3, 4):
        torch.manual_seed(seed)
        views.append(make(image, contours))
    assert torch.equal(views[0].image, views[1].image) and torch.equal(views[0].contours, views[1].contours)
    assert not torch.equal(views[0].image, views[2].image)


def test_half_precision_keeps_its_places() -> None:
    torch.manual_seed(0)
    image, contours = _hearts(2)
    make = RandView(64, 64)
    torch.manual_seed(1)
    whole = make(image, contours)
    torch.manual_seed(1)
    half = make(image.half(), contours)
    torch.testing.assert_close(half.contours, whole.contours)
    torch.testing.assert_close(half.image, whole.image, atol=0.01, rtol=0)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda i, c: (i[:, 0], c), "`image` to be floating point"),
        (lambda i, c: (i.long(), c), "`image` to be floating point"),
        (lambda i, c: (i, c[0]), "`contours` to be"),
        (lambda i, c: (i, c * torch.nan), "first contour"),
    ],
)
def test_refusals(change: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        RandView(64, 64)(*change(*_hearts(2)))


@pytest.mark.parametrize("settings", [{"size": 1}, {"side": 0}, {"scale": (0, 1)}, {"cavity": (1.0, 0.5)}])
def test_settings_are_checked(settings: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="Expected"):
        RandView(**settings)
    with pytest.raises(TypeError, match="unexpected keyword argument 'shifts'"):
        RandView(shifts=0.1)


def test_options_are_the_same_as_keywords() -> None:
    image, contours = _hearts(2)
    options = ViewOptions(scale=(0.5, 2.0), warp_prob=1.0, shift=0.3)
    makers = [
        RandView(32, 64, options=options, shift=0.1),
        RandView(32, 64, scale=(0.5, 2.0), warp_prob=1.0, shift=0.1),
    ]
    views = []
    for make in makers:
        torch.manual_seed(0)
        views.append(make(image, contours))
    assert torch.equal(views[0].image, views[1].image) and torch.equal(views[0].contours, views[1].contours)


def _masks() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    image, contours = _hearts(64)
    disk, outer = rasterize_polygons(contours[0], (120, 128))
    return image, disk.expand(64, 1, -1, -1), (outer - disk).expand(64, 1, -1, -1)


def test_walls_become_as_bright_as_told() -> None:
    torch.manual_seed(0)
    make = RandAppearance(wall=(0.5, 0.5), blood=(0, 0), gamma=0, bias=0, noise=0, prob=1)
    make._blurred = lambda image: image  # type: ignore[method-assign]
    image, disk, ring = _masks()
    out = make(image, disk, ring)
    means = (out * (ring > 0.999)).sum((1, 2, 3)) / (ring > 0.999).sum((1, 2, 3))
    blood, wall = ((image[0] * mask[0]).sum() / mask[0].sum() for mask in (disk, ring))
    half = round(float(blood - wall) / 2, 2)  # in 5 of 6 images
    assert set(means.double().round(decimals=2).tolist()) == {0.0, half} and half > 0.45
    assert abs(float((means > 0.25).float().mean()) - 5 / 6) < 0.15
    torch.testing.assert_close(out[disk > 0.999], image[disk > 0.999], atol=1e-3, rtol=0)


def test_nothing_changes_at_probability_zero() -> None:
    image, disk, ring = _masks()
    out = RandAppearance(prob=0)(image, disk, ring)
    torch.testing.assert_close(out, image.clamp(min=1e-4), atol=1e-5, rtol=0)


@pytest.mark.parametrize("seed", range(3))
def test_appearance_is_finite_for_any_image(seed: int) -> None:
    torch.manual_seed(seed)
    _, disk, ring = _masks()
    for image, scale in itertools.product((torch.zeros(64, 1, 120, 128), torch.randn(64, 1, 120, 128)), (1, 1e4)):
        assert bool(torch.isfinite(RandAppearance(prob=1)(image * scale, disk, ring)).all())


def test_standardize() -> None:
    image = torch.rand(5, 2, 20, 30) * 7 + 3
    out = standardize(image)
    torch.testing.assert_close(out.mean((1, 2, 3)), torch.zeros(5), atol=1e-5, rtol=0)
    torch.testing.assert_close(out.std((1, 2, 3), correction=0), torch.ones(5), atol=1e-5, rtol=0)
    assert bool((standardize(torch.full((1, 1, 4, 4), 3.0)) == 0).all())


def test_views_about_the_middle_of_an_image() -> None:
    """For images that are cut about their regions: no contour is needed, and none is warped."""
    image, contours = _hearts(1)
    still = {**STILL, "warp_prob": 1.0}
    view = RandView(40, 40, anchor="image", **still)(image, contours)
    part = standardize(image[..., 60 - 20 : 60 + 20, 64 - 20 : 64 + 20])
    torch.testing.assert_close(view.image, part, atol=1e-4, rtol=0)
    torch.testing.assert_close(view.contours, contours - torch.tensor([44.0, 40.0]), atol=1e-4, rtol=0)
    contours[:, 0] = torch.nan
    missing = RandView(40, 40, anchor="image", appearance=RandAppearance(), **still)(image, contours)
    assert bool(missing.contours[:, 0].isnan().all()) and bool(missing.image.isfinite().all())
    with pytest.raises(ValueError, match="Expected the first contour"):
        RandView(40, 40, **still)(image, contours)
    with pytest.raises(ValueError, match="Expected `anchor` to be one of"):
        RandView(40, 40, anchor="corner")


def test_moved_views_about_the_middle_carry_their_contours() -> None:
    torch.manual_seed(3)
    image, contours = _hearts(8)
    view = RandView(96, 70, anchor="image", shift=0.05)(image, contours)
    masks = rasterize_polygons(view.contours.flatten(0, 1), (96, 96)).view(8, 2, 96, 96)
    for each, mask in zip(view.image[:, 0], masks, strict=True):
        disk, ring = mask[0] > 0.999, (mask[1] > 0.999) & (mask[0] < 1e-3)
        assert disk.sum() > 20 and ring.sum() > 20
        assert each[disk].median() > each[ring].median() + 1
