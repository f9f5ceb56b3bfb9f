# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import math

import pytest
import torch
from monai.data.meta_tensor import MetaTensor
from torch import Tensor

from monai_acdr.geometry import circle
from monai_acdr.handlers import PrepareViews
from monai_acdr.transforms import View


def _as_it_is(image: Tensor, contours: Tensor) -> View:
    return View(image, contours)


def _batch() -> dict[str, Tensor]:
    contours = torch.stack([circle(torch.tensor([16.0, 15.0]), radius, 256) for radius in (5.0, 9.0)])[None]
    contours = contours.repeat(2, 1, 1, 1)
    contours[1, 1] = torch.nan
    return {"image": torch.rand(2, 1, 30, 32), "reference": contours}


@pytest.mark.parametrize("kind", [torch.Tensor, MetaTensor])
def test_masks_of_the_views(kind: type[Tensor]) -> None:
    batch = {key: kind(value) for key, value in _batch().items()}
    image, masks = PrepareViews(_as_it_is)(batch, "cpu")
    assert type(image) is Tensor and masks.shape == (2, 2, 30, 32)
    areas = masks.sum((2, 3))
    polygon = 128 * math.sin(math.pi / 128)  # area of the polygon of 256 vertices in a unit circle
    torch.testing.assert_close(areas[0], torch.tensor([25.0, 81.0]) * polygon, rtol=1e-4, atol=0)
    assert bool(masks[1, 1].isnan().all())
    torch.testing.assert_close(masks[1, 0], masks[0, 0])


def test_keys() -> None:
    batch = {"frame": _batch()["image"], "outline": _batch()["reference"]}
    image, _ = PrepareViews(_as_it_is, "frame", "outline")(batch)
    assert torch.equal(image, batch["frame"])
