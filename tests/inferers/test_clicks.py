# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import pytest
import torch
from monai.data import MetaTensor
from torch import Tensor, nn

from monai_acdr.geometry import centroid, circle
from monai_acdr.inferers import ContourInferer, contour_from_clicks
from monai_acdr.inferers.corrections import SECOND_REGION_SCALE
from monai_acdr.networks.blocks import CenteredCircle
from monai_acdr.networks.nets import ActiveContourNet
from monai_acdr.transforms import AlignLaterality, CheckImage, RoiCropd


class Shift(nn.Module):
    """The circle moves by a share of half the region to the right."""

    def __init__(self, share: float) -> None:
        super().__init__()
        self.share = share

    def forward(self, image: Tensor) -> Tensor:
        return torch.tensor([self.share, 0.0])[None, :, None, None].expand(len(image), 2, 8, 8)


def make_inferer(share: float = 0.0) -> ContourInferer:
    network = ActiveContourNet(Shift(share), CenteredCircle(32, 0.25), 1, bound=None)
    return ContourInferer(network.eval(), [RoiCropd("image", "roi", (32, 32))])


def make_image() -> MetaTensor:
    image = MetaTensor(torch.rand(1, 80, 100), affine=torch.eye(4), meta={"spatial_shape": [80, 100]})
    image.meta["original_affine"] = torch.eye(4)
    return CheckImage()(image)


def points(*places: tuple[float, float]) -> Tensor:
    return torch.tensor(places, dtype=torch.float64)


def test_first_click_says_where() -> None:
    contour = contour_from_clicks(make_inferer(), make_image(), points((30, 40), (31, 40)), sides=(40, 40))
    torch.testing.assert_close(centroid(contour), torch.tensor([30.0, 40.0], dtype=torch.float64), atol=1e-4, rtol=0)
    assert len(contour) == 32


def test_a_contour_that_misses_the_click_is_bent() -> None:
    contour = contour_from_clicks(make_inferer(0.4), make_image(), points((30, 40)), sides=(40, 40))  # at x = 38
    assert 28 < contour[:, 0].min() < 30
    contour = contour_from_clicks(make_inferer(), make_image(), points((30, 40)), points((33, 40)), sides=(40, 40))
    assert 31 < contour[contour[:, 1].sub(40).abs() < 1, 0].max() < 33


def test_second_look_in_a_smaller_region() -> None:
    """A network that is wrong by 8 pixels, but only in the larger region."""

    class Confused(ContourInferer):
        def __call__(self, images: list[MetaTensor], rois: list[Tensor]) -> list[Tensor]:
            x, y, side, _, _ = rois[0].tolist()
            asked.append(side)
            return [circle(torch.tensor([x + 8 * (side > 35), y], dtype=torch.float64), 5.0, 32)[None]]

    asked: list[float] = []
    confused = Confused(make_inferer().network, [])
    contour = contour_from_clicks(confused, make_image(), points((30, 40)), sides=(40, 40))
    assert asked == [40, 40 * SECOND_REGION_SCALE]
    torch.testing.assert_close(centroid(contour), torch.tensor([30.0, 40.0], dtype=torch.float64))
    assert len(contour) == 32


def test_clicks_are_in_pixels_of_the_file() -> None:
    flipped = AlignLaterality("L")(make_image(), "R")
    contour = contour_from_clicks(make_inferer(), flipped, points((30, 40)), points((32, 40)), sides=(40, 40))
    assert float(centroid(contour)[0]) == pytest.approx(28.5, abs=1.5)
    assert contour[contour[:, 1].sub(40).abs() < 1, 0].max() < 32


def test_region_without_foreground() -> None:
    roi = torch.tensor([50.0, 30.0, 40.0, 40.0, 0.0], dtype=torch.float64)
    contour = contour_from_clicks(make_inferer(), make_image(), None, points((50, 26)), roi=roi)
    assert 50 - 5.1 < contour[:, 0].min()
    assert contour[contour[:, 0].sub(50).abs() < 0.5, 1].min() > 26


def test_refused() -> None:
    with pytest.raises(ValueError, match="Expected a foreground click"):
        contour_from_clicks(make_inferer(), make_image(), None, points((1, 1)), sides=(40, 40))
    with pytest.raises(ValueError, match="Expected a foreground click"):
        contour_from_clicks(make_inferer(), make_image(), points((1, 1)))
    with pytest.raises(ValueError, match=r"inside the image of 100 x 80 \(x, y\) pixels, but got \(200, 5\)"):
        contour_from_clicks(make_inferer(), make_image(), points((200, 5)), sides=(40, 40))
