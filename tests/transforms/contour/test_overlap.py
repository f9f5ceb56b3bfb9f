# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import pytest
import torch
from monai.data.meta_tensor import MetaTensor

from monai_acdr.transforms import ContourDiced, RoiCropd, roi_from_box, vertices_in

EYE = torch.eye(4, dtype=torch.float64)
SQUARE = torch.tensor([[[24.0, 14.0], [44.0, 14.0], [44.0, 34.0], [24.0, 34.0]]])


def test_dice_in_the_crop() -> None:
    data = {"image": MetaTensor(torch.zeros(1, 60, 80), affine=EYE), "roi": roi_from_box((20, 10, 60, 50))}
    data = RoiCropd("image", size=(20, 20))(data)  # two image pixels are one of the crop
    data["reference"] = vertices_in(SQUARE, EYE)
    data["pred"] = (SQUARE - torch.tensor([20.0, 10.0])) / 2 + torch.tensor([5.0, 0.0])  # half of it beside
    assert ContourDiced("pred")(data)["roi_dice"] == pytest.approx(0.5)
    data["pred"] = (SQUARE - torch.tensor([20.0, 10.0])) / 2
    assert ContourDiced("pred")(data)["roi_dice"] == 1.0


def test_without_a_reference() -> None:
    data = {"image": MetaTensor(torch.zeros(1, 8, 8), affine=EYE), "pred": SQUARE}
    assert "roi_dice" not in ContourDiced("pred")(data)


def test_two_empty_contours() -> None:
    point = torch.full((1, 3, 2), 2.0)
    data = {"image": MetaTensor(torch.zeros(1, 8, 8), affine=EYE), "pred": point, "reference": vertices_in(point, EYE)}
    assert ContourDiced("pred")(data)["roi_dice"] == 1.0


def test_several_structures_and_a_missing_reference() -> None:
    image = MetaTensor(torch.zeros(1, 60, 80), affine=EYE)
    shifted = torch.cat([SQUARE, SQUARE + torch.tensor([10.0, 0.0])])
    data = {"image": image, "pred": SQUARE.expand(2, -1, -1), "reference": vertices_in(shifted, EYE)}
    assert ContourDiced("pred")(data)["roi_dice"].tolist() == pytest.approx([1.0, 0.5])
    missing = shifted.clone()
    missing[1] = torch.nan
    dice = ContourDiced("pred")({**data, "reference": vertices_in(missing, EYE)})["roi_dice"]
    assert dice[0] == 1.0 and dice[1].isnan()
    with pytest.raises(ValueError, match="Expected a reference contour for each structure, but got 2 contours and 1"):
        ContourDiced("pred")({**data, "reference": vertices_in(SQUARE, EYE)})
