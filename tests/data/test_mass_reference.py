# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""References of masses: from vertices or from a mask file, drawn where they are wanted."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import shapely
import torch
from monai.data.meta_tensor import MetaTensor
from PIL import Image

from monai_acdr.data import DrawLabeld, LoadMassReferenced
from monai_acdr.transforms import AlignLateralityd, CropWindowd, RoiFromLabeld, contour_to_mask

SIZE = (60, 50)
POLYGON = np.array([[20.3, 30.1], [31.0, 29.0], [33.7, 41.2], [24.0, 44.9]])


def image() -> MetaTensor:
    affine = torch.diag(torch.tensor([-0.07, -0.07, 1.0, 1.0], dtype=torch.float64))
    meta = {"spatial_shape": SIZE, "original_affine": affine, "filename_or_obj": "folder/scan.dcm"}
    return MetaTensor(torch.rand(1, *SIZE), affine=affine, meta=meta)


def test_vertices_of_the_data_list() -> None:
    item = LoadMassReferenced("label")({"image": image(), "contour": POLYGON})
    assert "contour" not in item
    assert "label" not in item
    np.testing.assert_array_equal(item["reference"][0].numpy(), POLYGON)
    assert torch.equal(item["reference"].affine, image().affine)


def test_a_label_map_of_several_structures(tmp_path: Path) -> None:
    values = np.zeros(SIZE, np.uint8)
    values[20:40, 10:40], values[25:35, 20:30] = 2, 1
    Image.fromarray(values).save(tmp_path / "label.png")
    known = {"image": image(), "label": str(tmp_path / "label.png"), "label_values": ((1,), (1, 2), (3,))}
    item = LoadMassReferenced("label")(known)
    assert item["label"].shape == (3, *SIZE)
    assert item["label"][:2].sum((1, 2)).tolist() == [100, 600]
    assert bool(item["label"][2].isnan().all()) and bool(item["reference"][2].isnan().all())
    np.testing.assert_allclose(item["reference"][1].amax(0), [40, 40], atol=0.01)


def test_a_mask_file(tmp_path: Path) -> None:
    mask = np.zeros(SIZE, np.uint8)
    mask[10:20, 30:45] = 255
    Image.fromarray(mask).save(tmp_path / "mask.png")
    item = LoadMassReferenced("label")({"image": image(), "label": str(tmp_path / "mask.png")})
    np.testing.assert_array_equal(item["label"][0].numpy(), mask > 0)
    assert shapely.Polygon(item["reference"][0].numpy()).area == pytest.approx(150, rel=0.02)
    assert DrawLabeld("label")(item)["label"] is item["label"]


def test_drawn_in_a_window_of_a_flipped_image() -> None:
    item: dict[Any, Any] = {"image": image(), "contour": POLYGON, "laterality": "R"}
    for transform in (
        LoadMassReferenced("label"),
        AlignLateralityd(["image", "label"], allow_missing_keys=True),
        RoiFromLabeld("reference", side=None, scale=1.2),
        CropWindowd(["image", "label"], scale=1.0, allow_missing_keys=True),
        DrawLabeld("label"),
    ):
        item = transform(item)
    # By hand: the whole mask, flipped, and the box about the flipped polygon, square and 1.2 times as large.
    whole = contour_to_mask(torch.from_numpy(POLYGON), SIZE, threshold=0.5)[0].numpy()
    mirrored = np.stack([SIZE[1] - POLYGON[:, 0], POLYGON[:, 1]], 1)
    low, high = mirrored.min(0), mirrored.max(0)
    reach = 0.6 * (high - low).max()
    left, top = np.floor((low + high) / 2 - reach).astype(int)
    right, bottom = np.ceil((low + high) / 2 + reach).astype(int)
    np.testing.assert_array_equal(item["label"][0].numpy(), np.fliplr(whole)[top:bottom, left:right])
    assert item["label"].sum() == pytest.approx(shapely.Polygon(POLYGON).area, rel=0.05)


@pytest.mark.parametrize(
    ("item", "message"),
    [
        ({}, "Expected scan.dcm to come with 'contour' or 'label', but it has neither"),
        ({"contour": POLYGON[:2]}, r"Expected the mass of scan.dcm to have \(N >= 3, 2\) vertices, but got \(2, 2\)"),
        ({"contour": POLYGON * np.nan}, "Expected the mass of scan.dcm to have finite vertices"),
        ({"contour": POLYGON + 100}, r"to lie inside 60 x 50 \(H x W\), but it spans .*does it belong to this image"),
    ],
)
def test_references_that_are_none(item: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        LoadMassReferenced("label")({"image": image(), **item})


def test_images_without_reference_may_pass() -> None:
    item = {"image": image()}
    assert set(LoadMassReferenced("label", allow_missing_keys=True)(item)) == {"image"}
    assert set(DrawLabeld("label", allow_missing_keys=True)(item)) == {"image"}
