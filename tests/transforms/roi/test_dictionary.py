# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import monai.transforms as mt
import pytest
import torch
from monai.data import DataLoader, Dataset, MetaTensor, decollate_batch

from monai_acdr.geometry import centroid, circle
from monai_acdr.transforms import roi as package
from monai_acdr.transforms.roi import (
    PAPER_ANGLES,
    PAPER_SCALES,
    RandRoiJitterd,
    RoiCropd,
    RoiFromBoxd,
    RoiFromCenterd,
    RoiFromLabeld,
    roi_from_box,
)

AFFINE = torch.diag(torch.tensor([1.2, 0.8, 1.0, 1.0], dtype=torch.float64))


def item() -> dict:
    contour = circle(torch.tensor([[30.0, 40.0]], dtype=torch.float64), 8.0, 32)
    return {
        "image": MetaTensor(torch.rand(1, 80, 100), affine=AFFINE),
        "reference": MetaTensor(contour, affine=AFFINE),
        "box": (10, 20, 30, 60),
    }


def test_makers_write_the_roi() -> None:
    assert RoiFromCenterd("image", side=20)(item())["roi"].tolist() == [50, 40, 20, 20, 0]
    torch.testing.assert_close(
        RoiFromLabeld("reference", side=30)(item())["roi"], torch.tensor([30.0, 40, 30, 30, 0]).double()
    )
    assert RoiFromBoxd("image")(item())["roi"].tolist() == [20, 40, 20, 40, 0]
    assert RoiFromBoxd("image", box=(0, 0, 4, 8), roi_key="other")(item())["other"].tolist() == [2, 4, 4, 8, 0]
    assert RoiFromBoxd("image", box=(-4, 0, 4, 8), inside=True)(item())["roi"].tolist() == [4, 4, 8, 8, 0]


def test_label_roi_is_given_in_the_present_pixels() -> None:
    flipped = mt.Flipd("image", spatial_axis=1)(item())
    torch.testing.assert_close(
        RoiFromLabeld("reference", side=30)(flipped)["roi"][:2], torch.tensor([70.0, 40.0]).double()
    )
    lazy = mt.Flipd("image", spatial_axis=1, lazy=True)(item())
    torch.testing.assert_close(
        RoiFromLabeld("reference", side=30)(lazy)["roi"][:2], torch.tensor([70.0, 40.0]).double()
    )
    assert RoiFromLabeld("reference", side=30, image_key=None)(flipped)["roi"][0].item() == pytest.approx(30)


def test_jitter_is_one_config_line_and_reproducible() -> None:
    jitter = RandRoiJitterd("roi", scales=PAPER_SCALES, angles=PAPER_ANGLES)
    pipeline = mt.Compose([RoiFromCenterd("image", side=40), jitter])
    first = [pipeline.set_random_state(3)(item())["roi"] for _ in range(3)]
    assert all(torch.equal(roi, first[0]) for roi in first)
    others = [pipeline.set_random_state(seed)(item())["roi"] for seed in range(10)]
    assert len({tuple(roi.tolist()) for roi in others}) > 3


def test_crop_and_inverse_of_several_keys() -> None:
    data = item() | {"label": MetaTensor((torch.rand(1, 80, 100) > 0.5).float(), affine=AFFINE)}
    crop = RoiCropd(("image", "label"), size=(32, 24), mode=("bilinear", "nearest"))
    cropped = crop(RoiFromCenterd("image", side=40)(data))
    assert cropped["image"].shape == cropped["label"].shape == (1, 32, 24)
    assert set(cropped["label"].unique().tolist()) == {0.0, 1.0}
    back = crop.inverse(cropped)
    assert back["label"].shape == (1, 80, 100)
    assert set(back["label"].unique().tolist()) == {0.0, 1.0}
    assert data["image"].shape == (1, 80, 100)


def test_missing_keys() -> None:
    data = RoiFromCenterd("image", side=40)(item())
    assert "label" not in RoiCropd(("image", "label"), allow_missing_keys=True)(data)
    with pytest.raises(KeyError, match="label"):
        RoiCropd(("image", "label"))(data)


def test_invertd_brings_a_batch_of_predictions_back() -> None:
    pipeline = mt.Compose(
        [RoiFromCenterd("image", side=40), RoiCropd("image", size=(20, 20)), mt.Flipd("image", spatial_axis=0)]
    )
    dataset = Dataset([item(), item()], pipeline)
    (batch,) = DataLoader(dataset, batch_size=2)
    batch["pred"] = torch.zeros_like(batch["image"])
    batch["pred"][:, :, :5, :] = 1  # upper quarter of the flipped crop: the lowest 10 rows of the ROI
    invert = mt.Invertd("pred", pipeline, "image", nearest_interp=True)
    for sample in (invert(one) for one in decollate_batch(batch)):
        expected = torch.zeros(1, 80, 100)
        expected[:, 50:60, 30:70] = 1
        torch.testing.assert_close(torch.as_tensor(sample["pred"]), expected)
        torch.testing.assert_close(sample["pred"].affine, AFFINE)


def test_lazy_compose_finishes_pending_work_first() -> None:
    eager = mt.Compose(
        [mt.Flipd("image", spatial_axis=0), RoiFromLabeld("reference", side=30), RoiCropd("image", size=(30, 30))]
    )
    lazy = mt.Compose(
        [mt.Flipd("image", spatial_axis=0), RoiFromLabeld("reference", side=30), RoiCropd("image", size=(30, 30))],
        lazy=True,
    )
    data = item()
    torch.testing.assert_close(eager(data)["image"].as_tensor(), lazy(data)["image"].as_tensor(), rtol=0, atol=1e-5)


def test_roi_of_a_crop_of_a_crop() -> None:
    data = RoiCropd("image", size=(40, 40))(RoiFromCenterd("image", side=40)(item()))  # pixels shift by (30, 20)
    inner = RoiFromLabeld("reference", side=10)(data)
    torch.testing.assert_close(inner["roi"][:2], torch.tensor([0.0, 20.0]).double(), rtol=0, atol=1e-9)
    assert torch.allclose(centroid(data["reference"].as_tensor())[0], torch.tensor([30.0, 40.0]).double())
    data["roi"] = roi_from_box((10, 10, 20, 20))
    twice = RoiCropd("image", size=(10, 10))(data)
    torch.testing.assert_close(twice["image"].as_tensor(), data["image"].as_tensor()[:, 10:20, 10:20])


@pytest.mark.parametrize("name", ["RoiFromBox", "RoiFromCenter", "RoiCrop", "RoiFromLabel", "RandRoiJitter"])
def test_aliases(name: str) -> None:
    assert getattr(package, f"{name}d") is getattr(package, f"{name}D") is getattr(package, f"{name}Dict")
