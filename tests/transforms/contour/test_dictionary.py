# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import monai.transforms as mt
import pytest
import torch
from monai.data import MetaTensor

from monai_acdr.geometry import circle, is_nested, nest_contours
from monai_acdr.transforms import contour as package
from monai_acdr.transforms.contour import (
    ContourToImaged,
    ContourToMaskd,
    ContourToWorldd,
    FollowImaged,
    LastContourd,
    MaskToContourd,
    NestContoursd,
    SelectContourd,
    contour_to_mask,
)
from monai_acdr.transforms.roi import RoiCropd, RoiFromCenterd

AFFINE = torch.diag(torch.tensor([1.2, 0.8, 1.0, 1.0], dtype=torch.float64))
CONTOUR = circle(torch.tensor([[45.0, 38.0]], dtype=torch.float64), 8.0, 32)


def item() -> dict:
    meta = {"spatial_shape": (80, 100), "original_affine": AFFINE}
    return {
        "image": MetaTensor(contour_to_mask(CONTOUR, (80, 100)), affine=AFFINE, meta=meta),
        "vertices": MetaTensor(CONTOUR, affine=AFFINE),
    }


def test_training_sample() -> None:
    pipeline = mt.Compose(
        [
            RoiFromCenterd("image", side=40),
            RoiCropd("image", size=(40, 40)),
            mt.RandFlipd("image", prob=1.0, spatial_axis=0),
            FollowImaged("vertices"),
            ContourToMaskd("vertices", output_keys="target"),
        ]
    )
    data = item()
    sample = pipeline(data)
    torch.testing.assert_close(sample["target"].as_tensor(), sample["image"].as_tensor(), rtol=0, atol=1e-5)
    assert torch.equal(sample["target"].affine, sample["image"].affine)
    assert torch.equal(data["vertices"].as_tensor(), CONTOUR)  # the cached item is left alone


def test_prediction_back_to_the_file() -> None:
    sample = RoiCropd("image", size=(20, 20))(RoiFromCenterd("image", side=40)(item()))
    sample["pred"] = ((CONTOUR - torch.tensor([30.0, 20.0])) / 2).expand(3, -1, -1).float()
    post = mt.Compose(
        [
            SelectContourd("pred", index=0, output_keys="first"),
            LastContourd("pred"),
            ContourToWorldd("pred", output_keys="world"),
            ContourToImaged("pred"),
            ContourToMaskd("pred", original=True, output_keys="mask"),
        ]
    )
    result = post(sample)
    torch.testing.assert_close(result["pred"].as_tensor(), CONTOUR.float(), rtol=0, atol=1e-4)
    torch.testing.assert_close(result["mask"].as_tensor(), item()["image"].as_tensor(), rtol=0, atol=1e-4)
    assert torch.equal(result["mask"].affine, AFFINE)
    assert result["first"].shape == (1, 32, 2) and result["world"].shape == (1, 32, 3)
    x, y, z = result["world"][0, 0].tolist()
    # LPS from RAS: index (row, column) = (37.5, 52.5), steps of 1.2 and 0.8 mm, signs of x and y turned.
    assert (x, y, z) == pytest.approx((-37.5 * 1.2, -52.5 * 0.8, 0), abs=1e-4)


def test_drawing_in_the_wrong_frame_is_refused() -> None:
    sample = RoiCropd("image", size=(40, 40))(RoiFromCenterd("image", side=40)(item()))
    with pytest.raises(ValueError, match="use FollowImaged to bring them"):
        ContourToMaskd("vertices")(sample)


def test_drawing_without_an_image() -> None:
    data = {"vertices": CONTOUR}
    assert ContourToMaskd("vertices", like_key=None, size=(80, 100))(data)["vertices"].shape == (1, 80, 100)
    plain = ContourToMaskd("vertices")({**data, "image": item()["image"]})["vertices"]
    assert torch.equal(plain.affine, AFFINE)


def test_tracing() -> None:
    data = ContourToMaskd("vertices", threshold=0.5, output_keys="mask")(item())
    traced = MaskToContourd("mask", num_vertices=16, output_keys="outline")(data)
    assert traced["outline"].shape == (1, 16, 2)
    assert torch.equal(traced["outline"].affine, AFFINE)


def test_keys() -> None:
    with pytest.raises(ValueError, match="one output key for each"):
        FollowImaged(("vertices", "other"), output_keys="one")
    assert FollowImaged(("vertices", "other"), allow_missing_keys=True)(item()).keys() == item().keys()
    with pytest.raises(KeyError, match="other"):
        FollowImaged(("vertices", "other"))(item())


@pytest.mark.parametrize(
    "name",
    [
        "ContourToImage",
        "ContourToMask",
        "ContourToWorld",
        "FollowImage",
        "LastContour",
        "MaskToContour",
        "NestContours",
        "SelectContour",
    ],
)
def test_aliases(name: str) -> None:
    assert getattr(package, f"{name}d") is getattr(package, f"{name}D") is getattr(package, f"{name}Dict")


def test_nesting() -> None:
    pair = torch.stack([circle(torch.tensor([x, 30.0]), radius, 16) for x, radius in ((30.0, 8.0), (33.0, 9.0))])
    data = NestContoursd("pred", output_keys="nested")({"pred": pair})
    assert torch.equal(data["pred"], pair)
    assert torch.equal(data["nested"], nest_contours(pair))
    assert NestContoursd("pred", allow_missing_keys=True)({}) == {}
    assert bool(is_nested(NestContoursd("pred")({"pred": pair})["pred"]))
