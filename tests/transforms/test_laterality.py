# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Right breasts look like left ones, and everything finds its way back."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from monai.data.meta_tensor import MetaTensor
from monai.transforms import Compose

from monai_acdr.transforms import (
    AlignLaterality,
    AlignLateralityd,
    ContourToImaged,
    FollowImaged,
    vertices_in,
)

AFFINE = torch.diag(torch.tensor([-0.07, -0.09, 1.0, 1.0], dtype=torch.float64))


def image() -> MetaTensor:
    pixels = torch.arange(12.0).view(1, 3, 4)
    return MetaTensor(pixels, affine=AFFINE, meta={"spatial_shape": (3, 4), "original_affine": AFFINE})


@pytest.mark.parametrize(
    ("laterality", "flipped"), [("R", True), ("right ", True), ("L", False), (None, False), ("", False)]
)
def test_only_the_other_side_is_flipped(laterality: str | None, flipped: bool) -> None:
    aligned = AlignLaterality()(image(), laterality)
    expected = np.fliplr(image()[0].numpy()) if flipped else image()[0].numpy()
    np.testing.assert_array_equal(aligned[0].numpy(), expected)
    restored = AlignLaterality().inverse(aligned, laterality)
    assert torch.equal(restored.as_tensor(), image().as_tensor())
    torch.testing.assert_close(restored.affine, AFFINE)


def test_to_the_right() -> None:
    assert torch.equal(AlignLaterality("R")(image(), "R").as_tensor(), image().as_tensor())
    assert torch.equal(AlignLaterality("R")(image(), "L").as_tensor(), image().as_tensor().flip(-1))


def test_contours_follow_and_come_back() -> None:
    vertices = torch.tensor([[[0.5, 0.5], [2.5, 0.5], [1.0, 2.5]]], dtype=torch.float64)
    item = {"image": image(), "reference": vertices_in(vertices, AFFINE), "laterality": "R"}
    aligned = Compose([AlignLateralityd("image"), FollowImaged("reference")])(item)
    expected = torch.stack([4 - vertices[..., 0], vertices[..., 1]], -1)
    torch.testing.assert_close(aligned["reference"].as_tensor(), expected)
    restored = ContourToImaged("reference")(aligned)["reference"]
    torch.testing.assert_close(restored.as_tensor(), vertices)


def test_dictionary_inverse_and_missing_keys() -> None:
    transform = AlignLateralityd(["image", "label"], allow_missing_keys=True)
    item = {"image": image(), "laterality": "R"}
    restored = transform.inverse(transform(item))
    assert torch.equal(restored["image"].as_tensor(), image().as_tensor())
    assert torch.equal(transform({"image": image()})["image"].as_tensor(), image().as_tensor())


def test_the_reader_s_laterality_counts_where_the_item_has_none() -> None:
    right = image()
    right.meta["laterality"] = "R"
    flipped = AlignLateralityd("image")({"image": right, "laterality": ""})
    assert torch.equal(flipped["image"].as_tensor(), image().as_tensor().flip(-1))
    assert torch.equal(AlignLateralityd("image").inverse(flipped)["image"].as_tensor(), image().as_tensor())
    kept = AlignLateralityd("image")({"image": right, "laterality": "L"})
    assert torch.equal(kept["image"].as_tensor(), image().as_tensor())


def test_a_laterality_that_is_none() -> None:
    with pytest.raises(ValueError, match="Expected a laterality 'L' or 'R', but got 'B'"):
        AlignLaterality()(image(), "B")
