# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import pytest
import torch
from monai.data import MetaTensor
from monai.transforms import NormalizeIntensityd
from torch import Tensor, nn

from monai_acdr.inferers import ContourInferer
from monai_acdr.networks.blocks import CenteredCircle
from monai_acdr.networks.nets import ActiveContourNet
from monai_acdr.transforms import AlignLaterality, CheckImage, CropROId, roi_from_box


class Shift(nn.Module):
    """The same displacement everywhere: half an image to the right, a quarter down, split over T steps."""

    def forward(self, image: Tensor) -> Tensor:
        return torch.tensor([0.5, 0.25], device=image.device)[None, :, None, None].expand(len(image), 2, 8, 8)


def make_inferer(num_iterations: int = 2, batch_size: int = 32) -> ContourInferer:
    network = ActiveContourNet(Shift(), CenteredCircle(16, 0.25), num_iterations, clamp=False)
    crop = [CropROId("image", "roi", (32, 32)), NormalizeIntensityd("image")]
    return ContourInferer(network.eval(), crop, batch_size)


def make_image(height: int, width: int, seed: int = 0) -> MetaTensor:
    pixels = torch.rand(1, height, width, generator=torch.Generator().manual_seed(seed))
    image = MetaTensor(pixels, affine=torch.eye(4), meta={"spatial_shape": [height, width]})
    image.meta["original_affine"] = torch.eye(4)
    return CheckImage()(image)


def test_contours_come_back_in_image_pixels() -> None:
    box = (10.0, 20.0, 50.0, 40.0)  # 40 wide, 20 high: a crop pixel is 1.25 x 0.625
    (contours,) = make_inferer()([make_image(70, 90)], [roi_from_box(box)])
    assert contours.shape == (3, 16, 2)
    assert contours.dtype == torch.float64
    middle = contours.mean(dim=1)
    torch.testing.assert_close(middle[0], torch.tensor([30.0, 30.0], dtype=torch.float64), atol=1e-4, rtol=0)
    # in half image sizes: 0.5 is a quarter of the ROI's width, 0.25 an eighth of its height, each step
    torch.testing.assert_close(middle[2] - middle[0], torch.tensor([20.0, 5.0], dtype=torch.float64), atol=1e-4, rtol=0)
    radii = (contours[0] - middle[0]).abs().amax(0)
    torch.testing.assert_close(radii, torch.tensor([5.0, 2.5], dtype=torch.float64), atol=1e-4, rtol=0)


def test_flipped_images_give_contours_of_their_file() -> None:
    image = make_image(64, 64)
    flipped = AlignLaterality("L")(image, "R")
    (contours,) = make_inferer()([flipped], [roi_from_box((8, 8, 40, 40))])
    # middle of the ROI at x = 24 of the flipped image is x = 40 of the file, and right becomes left
    torch.testing.assert_close(contours[0].mean(0), torch.tensor([40.0, 24.0], dtype=torch.float64), atol=1e-4, rtol=0)
    assert contours[-1, :, 0].mean() < 40


def test_batches_do_not_matter() -> None:
    images = [make_image(40 + i, 50, i) for i in range(5)]
    rois = [roi_from_box((5, 5, 25 + i, 30)) for i in range(5)]
    whole, pieces = make_inferer()(images, rois), make_inferer(batch_size=2)(images, rois)
    for one, other in zip(whole, pieces, strict=True):
        torch.testing.assert_close(one, other)


def test_refused() -> None:
    with pytest.raises(ValueError, match="1 images and 0 ROIs"):
        make_inferer()([make_image(8, 8)], [])
    with pytest.raises(ValueError, match="meets the image"):
        make_inferer()([make_image(8, 8)], [roi_from_box((20, 20, 30, 30))])
    with pytest.raises(ValueError, match="batch_size"):
        make_inferer(batch_size=0)
    broken = make_image(40, 40)
    broken[:] = float("nan")
    inferer = make_inferer()
    inferer.network.displacement_net = nn.Conv2d(1, 2, 1)
    with pytest.raises(ValueError, match="NaN or infinity"):
        inferer([broken], [roi_from_box((5, 5, 30, 30))])
