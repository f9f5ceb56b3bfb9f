# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

from importlib import import_module

import pytest
import torch
from monai.data import MetaTensor
from monai.losses import DiceCELoss

from monai_acdr.transforms import roi_about_center


def test_the_loss_sees_the_first_channel_at_every_depth() -> None:
    loss = import_module("pixel_wise").PixelLoss()
    logits, target = torch.randn(2, 2, 8, 8), (torch.rand(2, 1, 8, 8) > 0.5).float()
    plain = DiceCELoss(sigmoid=True)
    torch.testing.assert_close(loss(logits, target), plain(logits[:, :1], target))
    depths = torch.randn(2, 3, 1, 8, 8)
    expected = sum(0.5**depth * plain(depths[:, depth], target) for depth in range(3))
    torch.testing.assert_close(loss(depths, target), expected)


def test_a_mask_comes_back_to_the_image() -> None:
    transform = import_module("pixel_wise").CropMaskToImaged("pred")
    logits = torch.full((2, 16, 16), -9.0)
    logits[0, 4:12, 2:10] = 9.0
    label = MetaTensor(torch.zeros(1, 64, 64), affine=torch.diag(torch.tensor([2.0, 2.0, 1.0, 1.0])))
    found = transform({"pred": logits, "label": label, "roi": roi_about_center((64, 64), 32)})
    expected = torch.zeros(1, 64, 64)
    expected[0, 24:40, 20:36] = 1
    assert (found["pred_mask"].as_tensor() != expected).sum() <= 4  # bilinear corners
    torch.testing.assert_close(found["pred_mask"].affine, label.affine)
    assert found["pred"].mean((0, 1)).tolist() == pytest.approx([28, 32], abs=0.5)
    assert found["pred_window"] is found["pred"]


def test_an_empty_mask_has_no_contour() -> None:
    transform = import_module("pixel_wise").CropMaskToImaged("pred")
    label = MetaTensor(torch.zeros(1, 64, 64))
    found = transform({"pred": torch.full((1, 16, 16), -9.0), "label": label, "roi": roi_about_center((64, 64), 32)})
    assert found["pred"] is None
    assert not found["pred_mask"].any()
