# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from monai.data import MetaTensor

from monai_acdr.geometry import circle, map_vertices, pixel_to_world, world_to_pixel
from monai_acdr.transforms.roi import (
    PAPER_ANGLES,
    PAPER_SCALES,
    RandRoiJitter,
    RoiCrop,
    RoiFromBox,
    RoiFromCenter,
    RoiFromLabel,
    roi_corners,
    roi_from_box,
)

ROI = torch.tensor([50.0, 40.0, 30.0, 20.0, 0.5], dtype=torch.float64)


def oblique() -> torch.Tensor:
    """Affine of a plane whose upper 2 x 2 block is singular, anisotropic pixels."""
    affine = torch.eye(4, dtype=torch.float64)
    affine[:3, 0] = torch.tensor([0.6, 0.0, 0.8]) * 1.4
    affine[:3, 1] = torch.tensor([0.8, 0.0, -0.6]) * 0.7
    affine[:3, 3] = torch.tensor([-110.0, 25.0, 60.0])
    return affine


def make_image(height: int = 80, width: int = 100) -> MetaTensor:
    return MetaTensor(torch.rand(1, height, width), affine=oblique(), meta={"filename_or_obj": "a.dcm"})


def test_makers() -> None:
    image = make_image()
    assert RoiFromCenter(side=30)(image).tolist() == [50, 40, 30, 30, 0]
    contour = circle(torch.tensor([30.0, 40.0]), 8.0, 32)[None]
    torch.testing.assert_close(
        RoiFromLabel(side=60)(contour)[:2], torch.tensor([30.0, 40.0]).double(), rtol=0, atol=1e-4
    )
    assert RoiFromLabel(side=80, inside=True)(contour, (80, 100)).tolist() == pytest.approx(
        [40, 40, 80, 80, 0], abs=1e-4
    )
    assert RoiFromLabel(side=None, scale=1.5)(contour)[2].item() == pytest.approx(24)
    assert RoiFromBox((2, 3, 10, 7), scale=2, margin=1, square=True)().tolist() == [6, 5, 18, 18, 0]
    assert RoiFromBox()((2, 3, 10, 7)).tolist() == [6, 5, 8, 4, 0]


def test_makers_refuse() -> None:
    with pytest.raises(ValueError, match="but got None: pass it to RoiFromBox"):
        RoiFromBox()()
    with pytest.raises(ValueError, match=r"`size` \(H, W\) for inside=True"):
        RoiFromBox((0, 0, 4, 4), inside=True)()


def test_jitter_draws_from_the_paper_sets() -> None:
    jitter = RandRoiJitter(scales=PAPER_SCALES, angles=PAPER_ANGLES).set_random_state(0)
    drawn = [jitter(ROI) for _ in range(200)]
    assert {round(float(roi[2]) / 30, 6) for roi in drawn} == set(PAPER_SCALES)
    assert {round(math.degrees(float(roi[4]) - 0.5), 6) for roi in drawn} == set(PAPER_ANGLES)
    assert all(roi[:2].tolist() == [50, 40] for roi in drawn)


def test_jitter_ranges_and_seed() -> None:
    jitter = RandRoiJitter(shift=0.1, scale=(0.8, 1.2), angle=10)
    first = [jitter.set_random_state(seed)(ROI) for seed in range(50)]
    again = [jitter.set_random_state(seed)(ROI) for seed in range(50)]
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))
    scales = torch.stack(first)[:, 2] / 30
    angles = torch.stack(first)[:, 4] - 0.5
    assert 0.8 <= scales.min() < 0.9 and 1.1 < scales.max() <= 1.2
    assert angles.abs().max() <= math.radians(10) and angles.min() < 0 < angles.max()
    offsets = (torch.stack(first)[:, :2] - ROI[:2]).norm(dim=1)
    assert 1 < offsets.max() <= math.hypot(3, 2)
    assert torch.equal(jitter(ROI, randomize=False), first[-1])


def test_probability_of_a_shift_alone() -> None:
    jitter = RandRoiJitter(shift=0.1, angle=10, shift_prob=0.3).set_random_state(0)
    drawn = torch.stack([jitter(ROI) for _ in range(300)])
    assert 60 < (drawn[:, :2] != ROI[:2]).any(1).sum() < 120
    assert (drawn[:, 4] != ROI[4]).all()


def test_jitter_probability() -> None:
    jitter = RandRoiJitter(shift=0.1, prob=0.5).set_random_state(0)
    unchanged = sum(torch.equal(jitter(ROI), ROI) for _ in range(100))
    assert 30 < unchanged < 70


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"scale": (1, 2), "scales": (1,)}, "`scale` or `scales`"),
        ({"angle": 1, "angles": (1,)}, "`angle` or `angles`"),
        ({"scale": (1, 2, 3)}, r"`scale` to be \(low, high\)"),
        ({"scales": (0, 1)}, "positive scales"),
        ({"shift_prob": 1.5}, "`shift_prob` between 0 and 1, but got 1.5"),
    ],
)
def test_jitter_refuses(settings: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        RandRoiJitter(**settings)


def test_crop_keeps_the_world() -> None:
    image = make_image()
    crop = RoiCrop((64, 48))(image, ROI)
    assert isinstance(crop, MetaTensor)
    assert crop.shape == (1, 64, 48)
    outer = torch.tensor([[0.0, 0.0], [48.0, 0.0], [48.0, 64.0], [0.0, 64.0]], dtype=torch.float64)
    torch.testing.assert_close(pixel_to_world(outer, crop.affine), pixel_to_world(roi_corners(ROI), image.affine))
    torch.testing.assert_close(crop.affine[:, 2], image.affine[:, 2])
    assert crop.meta["filename_or_obj"] == "a.dcm"
    torch.testing.assert_close(image.affine, oblique())  # the input is left alone


@given(st.floats(-20, 120), st.floats(-20, 120), st.floats(2, 90), st.floats(2, 90), st.floats(-7, 7))
def test_vertices_go_into_the_crop_and_back(x: float, y: float, width: float, height: float, angle: float) -> None:
    image = MetaTensor(torch.zeros(1, 8, 8), affine=oblique())
    roi = torch.tensor([4.0, 4.0, width, height, angle], dtype=torch.float64)
    crop = RoiCrop((32, 24), antialias=False)(image, roi)
    vertices = torch.tensor([[x, y], [y, x], [x + 3, y - 2]], dtype=torch.float64)
    for dtype, tolerance in ((torch.float64, 1e-9), (torch.float32, 1e-4)):
        there = map_vertices(vertices.to(dtype), image.affine, crop.affine)
        back = map_vertices(there, crop.affine, image.affine)
        # float32 stores positions in the crop, whose pixels are size / side of the image's.
        slack = tolerance if dtype == torch.float64 else tolerance * max(1.0, width / 24, height / 32)
        torch.testing.assert_close(back, vertices.to(dtype), rtol=0, atol=slack)
    through_world = world_to_pixel(pixel_to_world(vertices, crop.affine), crop.affine)
    torch.testing.assert_close(through_world, vertices, rtol=0, atol=1e-9 * max(1.0, 32 / height, 24 / width))


def test_inverse() -> None:
    image = make_image()
    cropper = RoiCrop((40, 60))
    back = cropper.inverse(cropper(image, ROI))
    assert back.shape == image.shape
    assert torch.equal(back.affine, image.affine)
    assert not back.applied_operations
    far = back.as_tensor().clone()
    far[:, 20:60, 25:75] = 0
    assert not bool(far.any())


def test_inverse_of_a_mask_of_another_size() -> None:
    image = make_image()
    cropper = RoiCrop((40, 60))
    crop = cropper(image, roi_from_box((20, 30, 50, 50)))
    mask = MetaTensor(torch.ones(1, 10, 15)).copy_meta_from(crop)
    back = cropper.inverse(mask)
    expected = torch.zeros(1, 80, 100)
    expected[:, 30:50, 20:50] = 1
    torch.testing.assert_close(back.as_tensor(), expected)
    assert torch.equal(back.affine, image.affine)


def test_plain_tensors_and_integers() -> None:
    crop = RoiCrop((10, 10))(torch.full((1, 80, 100), 7, dtype=torch.int16), ROI)
    assert crop.dtype == torch.float32
    assert crop.unique().tolist() == [7.0]


def test_crop_refuses_other_shapes() -> None:
    with pytest.raises(ValueError, match=r"image \(C, H, W\), but got \(80, 100\): use EnsureChannelFirstd"):
        RoiCrop()(torch.zeros(80, 100), ROI)
