# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""The radial warp against circles, whose image under it is known, and against itself: pixels and vertices agree."""

from __future__ import annotations

import pytest
import torch
from monai.data.meta_tensor import MetaTensor

from monai_acdr.geometry import centroid, circle, ellipse, is_simple, signed_area
from monai_acdr.transforms import RadialScale, RandRadialScale, RandRadialScaled, contour_to_mask
from monai_acdr.transforms.contour.radial import STRENGTHS

CENTER = torch.tensor([31.0, 33.0], dtype=torch.float64)


@pytest.mark.parametrize("scale", [0.6, 0.8, 1.0, 1.15])
def test_a_circle_gets_the_size_that_was_asked(scale: float) -> None:
    moved = RadialScale(CENTER, 12.0, scale, 24.0).vertices(circle(CENTER, 12.0, 64))
    torch.testing.assert_close(moved, circle(CENTER, 12.0 * scale, 64), rtol=1e-3, atol=1e-3)


def test_far_points_stay() -> None:
    far = circle(CENTER, 24.5, 32)
    warp = RadialScale(CENTER, 12.0, 0.5, 24.0)
    torch.testing.assert_close(warp.vertices(far), far)
    image = torch.rand(1, 64, 64)
    corner = warp.image(image)[:, :8, :8]
    torch.testing.assert_close(corner, image[:, :8, :8], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("scale", [0.05, 20.0])
def test_no_scale_folds_the_image(scale: float) -> None:
    warp = RadialScale(CENTER, 12.0, scale, 21.0)
    assert warp.strength in STRENGTHS
    distances = torch.linspace(0.01, 22.0, 400, dtype=torch.float64)
    points = CENTER + torch.stack([distances, torch.zeros_like(distances)], dim=-1)
    moved = (warp.vertices(points) - CENTER).norm(dim=-1)
    assert bool((moved.diff() > 0).all())


def test_image_and_vertices_agree() -> None:
    outline = ellipse(CENTER, torch.tensor([14.0, 9.0], dtype=torch.float64), 128)
    image = contour_to_mask(outline, (64, 64)).float()
    warp = RadialScale(CENTER, 11.0, 0.6, 20.0)
    expected = contour_to_mask(warp.vertices(outline), (64, 64)).float()
    assert float((warp.image(image) - expected).abs().sum()) < 0.1 * float(expected.sum())
    assert abs(float(warp.image(image).sum() / expected.sum()) - 1) < 0.03


def test_random_warps() -> None:
    outline = circle(CENTER, 10.0, 48)[None]
    image = MetaTensor(torch.rand(1, 64, 64), affine=torch.diag(torch.tensor([2.0, 2.0, 1.0, 1.0])))
    vertices = MetaTensor(outline, affine=image.affine)
    never, always = RandRadialScale(prob=0.0), RandRadialScale((0.5, 0.9), prob=1.0).set_random_state(3)
    assert never(image, vertices)[0] is image and never(image, vertices)[1] is vertices
    areas = []
    for _ in range(20):
        warped, moved = always(image, vertices)
        assert isinstance(warped, MetaTensor) and torch.equal(warped.affine, image.affine)
        assert isinstance(moved, MetaTensor) and torch.equal(moved.affine, image.affine)
        assert warped.shape == image.shape and warped.dtype == image.dtype and moved.shape == vertices.shape
        assert bool(is_simple(moved.as_tensor()).all())
        torch.testing.assert_close(centroid(moved.as_tensor())[0], CENTER, rtol=0, atol=1e-3)
        areas.append(float(signed_area(moved.as_tensor()) / signed_area(outline)))
    assert 0.25 <= min(areas) < 0.5 and 0.6 < max(areas) <= 0.82
    point = torch.zeros(1, 4, 2)
    assert always(image, point)[1] is point


def test_dictionary_draws_as_the_array_does() -> None:
    image, vertices = torch.rand(1, 64, 64), circle(CENTER, 10.0, 48)[None]
    data = {"image": image, "second": image.clone(), "reference": vertices, "name": "a"}
    result = RandRadialScaled(["image", "second"], prob=1.0).set_random_state(5)(data)
    array = RandRadialScale(prob=1.0).set_random_state(5)
    warped, moved = array(image, vertices)
    assert torch.equal(result["image"], warped) and torch.equal(result["second"], warped)
    assert torch.equal(result["reference"], moved)
    assert result["name"] == "a" and data["reference"] is vertices


def test_wrong_arguments() -> None:
    with pytest.raises(ValueError, match=r"0 < radius < reach and scale > 0, but got 5.0, 4.0 and 1.0"):
        RadialScale(CENTER, 5.0, 1.0, 4.0)
    with pytest.raises(ValueError, match=r"0 < scale\[0\] <= scale\[1\] and reach > 1"):
        RandRadialScale(reach=1.0)
    with pytest.raises(ValueError, match=r"0 < scale\[0\] <= scale\[1\]"):
        RandRadialScale((0.9, 0.5))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_a_warp_of_half_precision_reads_where_float32_does(dtype: torch.dtype) -> None:
    warp = RadialScale(torch.tensor([1400.0, 1500.0]), 300, 0.6, 700)
    y, x = torch.meshgrid(torch.arange(0.5, 2048), torch.arange(0.5, 2048), indexing="ij")
    image = (100 * torch.sin(x / 30) + 100 * torch.cos(y / 20))[None].to(dtype)
    warped = warp.image(image)
    assert warped.dtype == dtype
    assert torch.equal(warped, warp.image(image.float()).to(dtype))
    vertices = (torch.rand(1, 9, 2) * 2048).to(dtype)
    assert torch.equal(warp.vertices(vertices), warp.vertices(vertices.float()))
