# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn import functional as F

from monai_acdr.read_budget import read_budget
from monai_acdr.transforms.roi import crop_roi, paste_roi, roi_about_center, roi_from_box, roi_matrix

rois = st.builds(
    lambda *values: torch.tensor(values, dtype=torch.float64),
    *(st.floats(40, 80), st.floats(40, 60), st.floats(4, 40), st.floats(4, 40), st.floats(-7, 7)),
)


def ramps(height: int, width: int) -> torch.Tensor:
    """(2, H, W) float64: at each pixel the x and y of its center."""
    y, x = torch.meshgrid(torch.arange(height) + 0.5, torch.arange(width) + 0.5, indexing="ij")
    return torch.stack([x, y]).double()


def test_whole_pixels_are_a_slice() -> None:
    image = torch.rand(2, 20, 30)
    torch.testing.assert_close(crop_roi(image, roi_from_box((4, 3, 16, 11)), (8, 12)), image[:, 3:11, 4:16])
    torch.testing.assert_close(crop_roi(image, roi_about_center((20, 30)), (20, 30)), image)


def test_halving_is_an_average_of_areas() -> None:
    image = torch.rand(1, 20, 30)
    crop = crop_roi(image, roi_from_box((4, 2, 20, 14)), (6, 4))  # factor 2 along y, 4 along x
    torch.testing.assert_close(crop, F.avg_pool2d(image[:, 2:14, 4:20], (2, 4)))


def test_quarter_turn() -> None:
    image = torch.rand(1, 20, 30)
    roi = torch.tensor([10.0, 8.0, 6.0, 12.0, math.pi / 2], dtype=torch.float64)
    # The ROI is turned counter-clockwise, so that its content turns clockwise.
    torch.testing.assert_close(crop_roi(image, roi, (12, 6)), torch.rot90(image[:, 5:11, 4:16], -1, (1, 2)))


@given(rois, st.booleans())
def test_crop_samples_where_the_matrix_says(roi: torch.Tensor, antialias: bool) -> None:
    size = (9, 7)
    crop = crop_roi(ramps(100, 120), roi, size, antialias=antialias)
    matrix = roi_matrix(roi, size)
    rows, columns = torch.meshgrid(torch.arange(9.0), torch.arange(7.0), indexing="ij")
    index = torch.stack([rows, columns, torch.ones(9, 7)], -1).double() @ matrix.T
    torch.testing.assert_close(crop, torch.stack([index[..., 1], index[..., 0]]) + 0.5, rtol=0, atol=1e-9)


@given(rois)
def test_matrix_maps_outer_corners_to_corners(roi: torch.Tensor) -> None:
    x, y, width, height, angle = roi.tolist()
    corner = roi_matrix(roi, (9, 7)) @ torch.tensor([8.5, -0.5, 1.0], dtype=torch.float64)  # lower left, outer edge
    along = complex(-width / 2, height / 2) * complex(math.cos(angle), -math.sin(angle))
    assert corner[:2].tolist() == pytest.approx([y + along.imag - 0.5, x + along.real - 0.5])


@pytest.mark.parametrize(("padding_mode", "value"), [("border", 1.0), ("zeros", 0.0), ("reflection", 1.0)])
def test_padding(padding_mode: str, value: float) -> None:
    crop = crop_roi(torch.ones(1, 10, 10), roi_from_box((-4, 2, 4, 10)), (8, 8), padding_mode=padding_mode)
    assert crop[0, 4, 1] == value


def test_outside_is_refused() -> None:
    with pytest.raises(ValueError, match="meets the image"):
        crop_roi(torch.ones(1, 10, 10), roi_from_box((-9, 2, -1, 10)), (8, 8))
    with pytest.raises(ValueError, match="meets the image"):
        paste_roi(torch.ones(1, 8, 8), roi_from_box((-9, 2, -1, 10)), (10, 10))


def test_regions_of_a_wrong_scale_are_refused_before_anything_is_allocated() -> None:
    image = torch.zeros(1, 100, 80)
    with pytest.raises(ValueError, match="ROI with sides of at most 800 pixels, but got .* sides 80000 x 80000"):
        crop_roi(image, roi_about_center((100, 80), 80_000), (64, 64))
    with read_budget(1), pytest.raises(ValueError, match="Expected the region of interest to need at most 1 MiB"):
        crop_roi(image, roi_about_center((100, 80), 700), (64, 64))
    with pytest.raises(ValueError, match="Expected the region of interest to need at most 512 MiB"):
        paste_roi(torch.zeros(1, 64, 64), roi_about_center((100, 80), 1e-3), (100, 80))


def test_paste_of_whole_pixels_is_exact() -> None:
    crop = torch.rand(2, 8, 12)
    expected = torch.zeros(2, 20, 30)
    expected[:, 3:11, 4:16] = crop
    torch.testing.assert_close(paste_roi(crop, roi_from_box((4, 3, 16, 11)), (20, 30)), expected)


def test_paste_beyond_the_border() -> None:
    crop = torch.rand(1, 8, 8)
    image = paste_roi(crop, roi_from_box((-4, 6, 4, 14)), (10, 10))
    torch.testing.assert_close(image[:, 6:10, 0:4], crop[:, 0:4, 4:8])
    assert image.count_nonzero() == 16


def test_pasted_area_is_the_roi_area() -> None:
    roi = torch.tensor([40.3, 31.7, 20.5, 13.25, 0.6], dtype=torch.float64)
    area = paste_roi(torch.ones(1, 64, 64), roi, (60, 80)).sum()  # finer than the image: shares of pixels
    assert area.item() == pytest.approx(20.5 * 13.25, rel=2e-3)


@given(rois)
def test_crop_and_paste_keep_a_smooth_image(roi: torch.Tensor) -> None:
    x, y = ramps(100, 120)
    image = (torch.sin(x / 9) * torch.cos(y / 11))[None]
    back = paste_roi(crop_roi(image, roi, (64, 64)), roi, (100, 120))
    width, height, angle = roi[2:].tolist()
    along = torch.complex(x - roi[0], y - roi[1]) * complex(math.cos(angle), math.sin(angle))
    inside = (along.real.abs() < width / 2 - 1.5) & (along.imag.abs() < height / 2 - 1.5)
    outside = (along.real.abs() > width / 2 + 1) | (along.imag.abs() > height / 2 + 1)
    # Twice a bilinear interpolation: 2 * h^2 / 8 * (1 / 9^2 + 1 / 11^2) with h = 1.
    assert (back - image)[0][inside].abs().amax().item() < 0.01 if bool(inside.any()) else True
    assert not bool(back[0][outside].any())


def test_nearest_keeps_labels() -> None:
    image = (torch.rand(1, 40, 40) > 0.5).float() * 3
    roi = torch.tensor([20.0, 20.0, 24.0, 24.0, 0.4], dtype=torch.float64)
    crop = crop_roi(image, roi, (8, 8), mode="nearest")
    assert set(crop.unique().tolist()) <= {0.0, 3.0}
    assert set(paste_roi(crop, roi, (40, 40), mode="nearest").unique().tolist()) <= {0.0, 3.0}


def test_dtype_is_kept() -> None:
    roi = roi_from_box((1, 1, 7, 7))
    for dtype in (torch.float32, torch.float64):
        assert crop_roi(torch.ones(1, 8, 8, dtype=dtype), roi, (4, 4)).dtype == dtype
        assert paste_roi(torch.ones(1, 4, 4, dtype=dtype), roi, (8, 8)).dtype == dtype


def mammogram(rows: int, columns: int) -> torch.Tensor:
    """(1, rows, columns) float32 waves of 0 .. 4000, whose steps float16 can tell apart."""
    y, x = torch.meshgrid(torch.arange(0.5, rows), torch.arange(0.5, columns), indexing="ij")
    return (2000 + 1000 * (torch.sin(x / 40) + torch.cos(y / 55)))[None]


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("mode", ["bilinear", "nearest", "bicubic"])
@pytest.mark.parametrize("center", [(300.0, 250.0), (2800.0, 3900.0)])
def test_a_crop_of_half_precision_is_that_of_float32_to_its_own_step(
    dtype: torch.dtype, mode: str, center: tuple[float, float]
) -> None:
    image = mammogram(4096, 3072).to(dtype)
    roi = torch.tensor([*center, 300.0, 260.0, 0.3], dtype=torch.float64)
    crop = crop_roi(image, roi, (128, 128), mode)
    assert crop.dtype == dtype
    expected = crop_roi(image.float(), roi, (128, 128), mode)
    assert expected.std() > 300  # there is something to see
    assert torch.equal(crop, expected.to(dtype))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_a_paste_of_half_precision_is_that_of_float32(dtype: torch.dtype) -> None:
    crop = mammogram(64, 64).to(dtype)
    roi = torch.tensor([2900.0, 3900.0, 200.0, 150.0, -0.4], dtype=torch.float64)
    pasted = paste_roi(crop, roi, (4096, 3072))
    assert pasted.dtype == dtype
    expected = paste_roi(crop.float(), roi, (4096, 3072))
    assert expected.max() > 2000
    assert torch.equal(pasted, expected.to(dtype))


def test_integers_are_refused() -> None:
    pixels = torch.zeros(1, 8, 8, dtype=torch.uint8)
    roi = roi_from_box((1, 1, 5, 5))
    with pytest.raises(ValueError, match="`image` to be floating point, but got torch.uint8"):
        crop_roi(pixels, roi, (4, 4))
    with pytest.raises(ValueError, match="`crop` to be floating point, but got torch.uint8"):
        paste_roi(pixels, roi, (8, 8))
