# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import math
from importlib import import_module
from pathlib import Path

import pytest
import torch
from monai.data import MetaTensor
from monai.losses import DiceCELoss

from monai_acdr.geometry import circle, signed_area
from monai_acdr.networks.layers import rasterize_polygons
from monai_acdr.transforms import draw_mask, mask_rule, roi_about_center


def test_the_loss_sees_the_first_channel_at_every_depth() -> None:
    loss = import_module("pixel_wise").PixelLoss()
    logits, target = torch.randn(2, 2, 8, 8), (torch.rand(2, 1, 8, 8) > 0.5).float()
    plain = DiceCELoss(sigmoid=True)
    torch.testing.assert_close(loss(logits, target), plain(logits[:, :1], target))
    depths = torch.randn(2, 3, 1, 8, 8)
    expected = sum(0.5**depth * plain(depths[:, depth], target) for depth in range(3))
    torch.testing.assert_close(loss(depths, target), expected)


def test_each_structure_is_a_class_and_missing_references_are_left_out() -> None:
    loss, plain = import_module("pixel_wise").PixelLoss(), DiceCELoss(sigmoid=True)
    logits, target = torch.randn(3, 4, 8, 8, requires_grad=True), (torch.rand(3, 2, 8, 8) > 0.5).float()
    each = torch.stack([plain(logits[b, n][None, None], target[b, n][None, None]) for b in range(3) for n in range(2)])
    torch.testing.assert_close(loss(logits, target), each.mean())
    target[1, 1] = torch.nan
    value = loss(logits, target)
    torch.testing.assert_close(value, each[[0, 1, 2, 4, 5]].mean())
    value.backward()
    gradient = logits.grad
    assert gradient is not None and bool(gradient.isfinite().all())
    assert not gradient[1, 1].any() and not gradient[:, 2:].any() and gradient[1, 0].any()
    nothing = loss(logits, torch.full((3, 2, 8, 8), torch.nan))
    nothing.backward()
    assert float(nothing) == 0 and bool(gradient.isfinite().all())


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


def test_two_structures_come_back_as_readers_draw_them() -> None:
    """Drawn masks with the shift of readers, from probabilities of two disks; a third case has lost its inner one."""
    transform = import_module("pixel_wise").CropMaskToImaged("pred")
    inner, outer = (circle(torch.tensor([33.0, 31.0]), radius, 64) for radius in (8.0, 14.0))
    covered = rasterize_polygons(torch.stack([inner, outer]), (64, 64))[:, 0]
    logits = torch.logit(covered.clamp(1e-4, 1 - 1e-4))
    label = MetaTensor(torch.full((2, 64, 64), torch.nan), meta={"mask_rule": "drawn"})
    roi = roi_about_center((64, 64), 64)
    item = {"pred": logits, "label": label, "roi": roi, "reader_shift": [-1.0, 2.0]}
    found = transform(item)
    assert torch.equal(roi, roi_about_center((64, 64), 64))
    assert mask_rule(found["pred_mask"]) == "drawn"
    expected = draw_mask(torch.stack([inner, outer]) - torch.tensor([-1.0, 2.0]), (64, 64))
    difference = (found["pred_mask"].as_tensor() - expected).abs().sum((1, 2))
    assert bool((difference <= 0.03 * expected.sum((1, 2))).all())
    for contour, true in zip(found["pred"], (inner, outer), strict=True):
        torch.testing.assert_close(contour.mean(0), true.double().mean(0) - torch.tensor([-1.0, 2.0]), atol=0.2, rtol=0)
        assert float(signed_area(contour)) == pytest.approx(float(signed_area(true)), rel=0.04)
    logits[0] = -9.0
    found = transform(item)
    assert not found["pred_mask"][0].any() and found["pred_mask"][1].any()
    assert bool(found["pred"][0].isnan().all()) and bool(found["pred"][1].isfinite().all())


def test_a_hole_stays_in_a_drawn_mask() -> None:
    drawn = import_module("pixel_wise")._drawn
    ring = rasterize_polygons(circle(torch.tensor([32.0, 32.0]), 20.0, 64)[None], (64, 64))[0, 0]
    ring -= rasterize_polygons(circle(torch.tensor([32.0, 32.0]), 10.0, 64)[None], (64, 64))[0, 0]
    found = drawn(ring)
    assert not found[32, 32] and found[32, 46]
    assert 0.98 < float(found.sum()) / (math.pi * (20.524**2 - 10**2)) < 1.02


def test_an_empty_mask_has_no_contour() -> None:
    transform = import_module("pixel_wise").CropMaskToImaged("pred")
    label = MetaTensor(torch.zeros(1, 64, 64))
    found = transform({"pred": torch.full((1, 16, 16), -9.0), "label": label, "roi": roi_about_center((64, 64), 32)})
    assert found["pred"] is None
    assert not found["pred_mask"].any()
