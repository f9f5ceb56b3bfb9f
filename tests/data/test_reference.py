# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

from pathlib import Path

import monai.transforms as mt
import numpy as np
import pytest
import torch
from monai.data import MetaTensor, list_data_collate
from monai.data.image_reader import PILReader, PydicomReader
from PIL import Image
from scipy import ndimage

from monai_acdr.data.reference import LoadReference, LoadReferenceD, LoadReferenced, LoadReferenceDict
from monai_acdr.geometry import ellipse, signed_area
from monai_acdr.transforms import ContourToMask, FollowImaged, draw_mask, inset_outline
from monai_acdr.transforms.contour import contour_to_mask

AFFINE = torch.diag(torch.tensor([1.2, 0.8, 1.0, 1.0], dtype=torch.float64))


@pytest.fixture
def image() -> MetaTensor:
    return MetaTensor(torch.zeros(1, 20, 30), affine=AFFINE, meta={"filename_or_obj": "/x/image.png"})


def rectangle(value: int = 255, dtype: type = np.uint8) -> np.ndarray:
    mask = np.zeros((20, 30), dtype=dtype)
    mask[4:12, 10:22] = value
    return mask


def save(path: Path, mask: np.ndarray) -> Path:
    Image.fromarray(mask).save(path)
    return path


@pytest.mark.parametrize(("value", "dtype"), [(1, np.uint8), (255, np.uint8), (65535, np.uint16)])
def test_mask(tmp_path: Path, image: MetaTensor, value: int, dtype: type) -> None:
    path = save(tmp_path / "mask.png", rectangle(value, dtype))
    label, reference = LoadReference()(path, image)
    np.testing.assert_array_equal(label.numpy(), rectangle(1)[None])
    assert label.dtype == torch.float32
    assert torch.equal(label.affine, AFFINE) and torch.equal(reference.affine, AFFINE)
    assert label.meta["filename_or_obj"] == str(path)
    assert reference.shape[0] == 1 and reference.shape[2] == 2
    assert torch.equal(contour_to_mask(reference.as_tensor(), (20, 30), 0.5), label.as_tensor())


def test_smeared_and_color_masks(tmp_path: Path, image: MetaTensor) -> None:
    smeared = rectangle()
    smeared[3, 10:22], smeared[12, 10:22] = 100, 120
    label, _ = LoadReference()(save(tmp_path / "mask.png", smeared), image)
    np.testing.assert_array_equal(label.numpy()[0], rectangle(1))
    label, _ = LoadReference()(save(tmp_path / "rgb.png", np.repeat(rectangle()[..., None], 3, 2)), image)
    np.testing.assert_array_equal(label.numpy()[0], rectangle(1))


def test_contour_file(tmp_path: Path, image: MetaTensor) -> None:
    # Pixel-center coordinates of the outer edges of rows 4..11 and columns 10..21.
    (tmp_path / "contour.txt").write_text("9.5 3.5\n21.5 3.5\n21.5 11.5\n9.5 11.5\n")
    label, reference = LoadReference()(tmp_path / "contour.txt", image)
    np.testing.assert_array_equal(label.numpy()[0], rectangle(1))
    assert reference.as_tensor().tolist() == [[[10, 4], [22, 4], [22, 12], [10, 12]]]


def test_refusals(tmp_path: Path, image: MetaTensor) -> None:
    load = LoadReference()
    with pytest.raises(FileNotFoundError, match=r"mask file, but .*none\.png does not exist"):
        load(tmp_path / "none.png", image)
    with pytest.raises(ValueError, match=r"object in .*empty\.png, but the mask is empty"):
        load(save(tmp_path / "empty.png", rectangle(0)), image)
    with pytest.raises(ValueError, match=r"turned\.png to have the size of image\.png, 20 x 30 .* but got 30 x 20"):
        load(save(tmp_path / "turned.png", np.ascontiguousarray(rectangle().T)), image)
    labels = rectangle(2)
    labels[0, 0] = 1
    with pytest.raises(ValueError, match=r"two values in .*labels\.png, but got \[0, 1, 2\]"):
        load(save(tmp_path / "labels.png", labels), image)
    (tmp_path / "far.txt").write_text("100 100\n110 100\n110 120\n")
    with pytest.raises(ValueError, match=r"far\.txt to cover pixels of image\.png, 20 x 30, but it spans \[100\.5"):
        load(tmp_path / "far.txt", image)


def test_dictionary(tmp_path: Path, image: MetaTensor) -> None:
    path = save(tmp_path / "mask.png", rectangle())
    data = LoadReferenced("label")({"image": image, "label": str(path)})
    assert data["label"].shape == (1, 20, 30) and data["reference"].shape[-1] == 2
    assert "reference" not in LoadReferenced("label", allow_missing_keys=True)({"image": image})
    with pytest.raises(KeyError, match="image.png to come with one of .*label.*allow_missing_keys=True"):
        LoadReferenced("label")({"image": image})
    assert LoadReferenced is LoadReferenceD is LoadReferenceDict


def test_drawn_masks(tmp_path: Path, image: MetaTensor) -> None:
    truth = ellipse(torch.tensor([15.3, 9.8], dtype=torch.float64), torch.tensor([7.0, 5.0]), 200)
    mask = draw_mask(truth, (20, 30))[0].numpy().astype(np.uint8)
    path = save(tmp_path / "mask.png", 255 * mask)
    label, reference = LoadReference(mask_rule="drawn")(path, image)
    np.testing.assert_array_equal(label.numpy()[0], mask)  # as in the file
    assert label.meta["mask_rule"] == "drawn"
    assert torch.equal(reference.as_tensor()[0], inset_outline(torch.from_numpy(mask)))
    assert float(signed_area(reference.as_tensor()[0])) == pytest.approx(float(signed_area(truth)), rel=0.05)
    covered, wide = LoadReference()(path, image)
    assert covered.meta["mask_rule"] == "covered"
    assert float(signed_area(wide.as_tensor()[0])) > 1.1 * float(signed_area(truth))
    item = {"image": image, "label": str(path), "mask_rule": "drawn"}
    assert torch.equal(LoadReferenced("label")(item)["reference"], reference)
    assert torch.equal(LoadReferenced("label", rule_key=None)(item)["reference"], wide)
    by_rule = LoadReferenced("label", load=LoadReference(mask_rule="drawn"), rule_key=None)
    assert torch.equal(by_rule(item)["reference"], reference)
    (tmp_path / "contour.txt").write_text("9.5 3.5\n21.5 3.5\n21.5 11.5\n9.5 11.5\n")
    label, reference = LoadReference(mask_rule="drawn")(tmp_path / "contour.txt", image)
    assert label.meta["mask_rule"] == "covered" and reference.shape == (1, 4, 2)  # as it is
    with pytest.raises(ValueError, match=r"`mask_rule` to be one of \['covered', 'drawn'\], but got 'thick'"):
        LoadReference(mask_rule="thick")


def test_several_structures(tmp_path: Path, image: MetaTensor) -> None:
    inner = rectangle(0)
    inner[6:10, 13:19] = 255
    paths = {
        "label": str(save(tmp_path / "endo.png", inner)),
        "label_epi": str(save(tmp_path / "epi.png", rectangle())),
    }
    load = LoadReferenced(["label", "label_epi"], num_vertices=64)
    data = load({"image": image, **paths})
    assert "label_epi" not in data and data["label"].shape == (2, 20, 30) and data["reference"].shape == (2, 64, 2)
    np.testing.assert_array_equal(data["label"].numpy(), np.stack([inner // 255, rectangle(1)]))
    assert torch.equal(data["label"].affine, AFFINE) and torch.equal(data["reference"].affine, AFFINE)
    areas = signed_area(data["reference"].as_tensor())
    assert areas.tolist() == pytest.approx([24, 96], rel=0.05)
    one = load({"image": image, "label": paths["label"]})
    assert bool(torch.isnan(one["label"][1]).all()) and bool(torch.isnan(one["reference"][1]).all())
    assert torch.equal(one["label"][0], data["label"][0]) and torch.equal(one["reference"][0], data["reference"][0])
    outer = load({"image": image, "label_epi": paths["label_epi"]})
    assert bool(torch.isnan(outer["label"][0]).all()) and torch.equal(outer["label"][1], data["label"][1])
    batch = list_data_collate([data, one])
    assert batch["label"].shape == (2, 2, 20, 30) and batch["reference"].shape == (2, 2, 64, 2)
    followed = FollowImaged("reference")(one)["reference"]
    assert bool(torch.isnan(ContourToMask((20, 30))(followed)[1]).all())
    (tmp_path / "epi.txt").write_text("9.5 3.5\n21.5 3.5\n21.5 11.5\n9.5 11.5\n")
    mixed = {"image": image, "label": paths["label"], "label_epi": str(tmp_path / "epi.txt"), "mask_rule": "drawn"}
    with pytest.raises(ValueError, match="references of one kind for an image"):
        load(mixed)
    assert load({**mixed, "mask_rule": "covered"})["label"].shape == (2, 20, 30)
    assert "reference" not in LoadReferenced(["label", "label_epi"], allow_missing_keys=True)({"image": image})
    with pytest.raises(ValueError, match="`num_vertices` to be at least 3, but got 2"):
        LoadReferenced("label", num_vertices=2)


def test_real_masks_and_contours(shared_data: Path) -> None:
    reader = [PydicomReader(swap_ij=False), PILReader(reverse_indexing=False)]
    pipeline = mt.Compose(
        [mt.LoadImaged("image", reader=reader), mt.EnsureChannelFirstd("image"), LoadReferenced("label")]
    )
    folder = shared_data / "sunnybrook_png" / "training"
    for path in sorted((folder / "endo_masks").glob("*.png"))[::26]:
        data = pipeline({"image": str(folder / "images" / path.name), "label": str(path)})
        drawn = contour_to_mask(data["reference"].as_tensor(), data["label"].shape[1:], 0.5).numpy()[0]
        mask = data["label"].numpy()[0]
        labels, count = ndimage.label(mask, np.ones((3, 3)))
        largest = np.argmax(np.bincount(labels.ravel())[1:]) + 1 if count else 0
        np.testing.assert_array_equal(drawn, ndimage.binary_fill_holes(labels == largest))
    root = shared_data / "sunnybrook_dicom"
    contour = root / "contourfiles" / "SC-HF-I-1" / "i-contours" / "IM-0001-0059-icontour-manual.txt"
    data = pipeline({"image": str(root / "dicoms" / "SCD0000101" / "59.dcm"), "label": str(contour)})
    assert 100 < float(data["label"].sum()) < 4000
