# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import torch
from monai.data.meta_tensor import MetaTensor

from monai_acdr.networks.blocks import CenteredCircle
from monai_acdr.transforms import InitialContourd, RoiCropd, roi_from_box


def test_the_initial_contour_lives_in_the_crop() -> None:
    image = MetaTensor(torch.rand(1, 60, 80), affine=torch.eye(4, dtype=torch.float64))
    data = {"image": image, "roi": roi_from_box((20, 10, 60, 50))}
    data = RoiCropd("image", size=(20, 20))(data)
    data = InitialContourd("image", CenteredCircle(16, 0.5))(data)
    contour = data["initial"]
    assert contour.shape == (1, 16, 2)
    torch.testing.assert_close(contour.as_tensor().mean(1), torch.tensor([[10.0, 10.0]]))
    torch.testing.assert_close(contour.affine, data["image"].affine)


def test_an_oracle_that_reads_the_image() -> None:
    data = {"image": MetaTensor(torch.full((1, 4, 4), 2.0))}
    data = InitialContourd("image", lambda images: images.mean() * torch.ones(images.shape[0], 3, 2), "start")(data)
    assert data["start"].unique().tolist() == [2.0]


def test_several_structures() -> None:
    image = MetaTensor(torch.zeros(1, 20, 30), affine=torch.eye(4))
    initial = InitialContourd("image", CenteredCircle(8, (0.3, 0.6)))({"image": image})["initial"]
    assert initial.shape == (2, 8, 2)
    torch.testing.assert_close(initial.as_tensor(), CenteredCircle(8, (0.3, 0.6))(torch.zeros(1, 1, 20, 30))[0])
