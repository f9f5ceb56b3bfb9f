# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Windows of whole pixels: what they hold, and that nothing moves."""

from __future__ import annotations

import math

import hypothesis.strategies as st
import pytest
import torch
from hypothesis import given
from monai.data.meta_tensor import MetaTensor

from monai_acdr.transforms import ContourToImage, CropWindow, CropWindowd, RoiCrop, roi_window
from monai_acdr.transforms.roi.functional import jitter_roi

AFFINE = torch.tensor([[-0.1, 0, 0, 3.0], [0, -0.2, 0, 5.0], [0, 0, 1, 0], [0, 0, 0, 1]], dtype=torch.float64)


def roi(x: float, y: float, width: float, height: float, angle: float = 0.0) -> torch.Tensor:
    return torch.tensor([x, y, width, height, angle], dtype=torch.float64)


def image(height: int = 40, width: int = 50) -> MetaTensor:
    pixels = torch.rand(1, height, width)
    return MetaTensor(pixels, affine=AFFINE, meta={"spatial_shape": (height, width), "original_affine": AFFINE})


def test_whole_pixels_inside_the_image() -> None:
    assert roi_window(roi(10.2, 8.0, 4.0, 6.0), (40, 50), 1.0) == (8, 5, 13, 11)
    assert roi_window(roi(2.0, 39.0, 4.0, 6.0), (40, 50), 2.0) == (0, 33, 6, 40)


def test_a_roi_outside() -> None:
    with pytest.raises(ValueError, match="Expected a ROI that meets the image"):
        roi_window(roi(80.0, 8.0, 4.0, 6.0), (40, 50))
    with pytest.raises(ValueError, match="Expected `scale` to be at least 1, but got 0.5"):
        CropWindow(0.5)


def test_pixels_stay_and_the_affine_says_where() -> None:
    full = image()
    window = CropWindow(2.0)(full, roi(20.0, 15.0, 8.0, 6.0))
    assert torch.equal(window.as_tensor(), full.as_tensor()[:, 9:21, 12:28])
    vertices = torch.tensor([[1.5, 2.0]], dtype=torch.float64)
    torch.testing.assert_close(ContourToImage()(vertices, window).as_tensor(), vertices + torch.tensor([12.0, 9.0]))
    assert window.untyped_storage().nbytes() < full.untyped_storage().nbytes()  # the large image can be forgotten


def test_dictionary_moves_the_roi_and_the_crop_is_the_same() -> None:
    full, where = image(), roi(20.3, 15.1, 9.0, 7.0, 0.4)
    item = CropWindowd(["image", "label"], allow_missing_keys=True)({"image": full, "roi": where})
    expected = RoiCrop((16, 16))(full, where)
    torch.testing.assert_close(
        RoiCrop((16, 16))(item["image"], item["roi"]).as_tensor(), expected.as_tensor(), rtol=1e-4, atol=1e-4
    )


@given(shift=st.floats(0, 0.3), scale=st.floats(0.7, 1.5), angle=st.floats(-math.pi, math.pi), side=st.floats(4, 20))
def test_a_jittered_roi_stays_inside_the_window(shift: float, scale: float, angle: float, side: float) -> None:
    size, where = (400, 400), roi(200.0, 200.0, side, side)
    left, top, right, bottom = roi_window(where, size, 2 * shift + math.sqrt(2) * max(scale, 1))
    jittered = roi_window(jitter_roi(where, (shift, -shift), scale, angle), size, 1.0)
    assert jittered[0] >= left
    assert jittered[1] >= top
    assert jittered[2] <= right
    assert jittered[3] <= bottom
