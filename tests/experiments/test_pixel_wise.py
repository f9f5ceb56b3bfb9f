# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

from importlib import import_module
from pathlib import Path

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


def test_logits_of_an_ensemble_are_the_mean_of_those_of_its_networks(tmp_path: Path) -> None:
    networks = [torch.nn.Conv2d(1, 2, 3) for _ in range(2)]
    paths = [tmp_path / "0.pt", tmp_path / "1.pt"]
    torch.save(networks[0].state_dict(), paths[0])
    torch.save({"network": networks[0].state_dict(), "ema": networks[1].state_dict()}, paths[1])
    mean = import_module("pixel_wise").MeanLogits
    mean(torch.nn.Conv2d(1, 2, 3), 2).write(paths, tmp_path / "mean.pt")
    ensemble = mean(torch.nn.Conv2d(1, 2, 3), 2)
    ensemble.load_state_dict(torch.load(tmp_path / "mean.pt", weights_only=True))
    image = torch.randn(3, 1, 8, 8)
    torch.testing.assert_close(ensemble(image), (networks[0](image) + networks[1](image)) / 2)
    with pytest.raises(ValueError, match="shorter"):
        ensemble.write(paths[:1], tmp_path / "one.pt")


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
