# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from monai_acdr.apps.monailabel.fine_tuning import is_held_out, training_items, write_training_set
from monai_acdr.apps.monailabel.images import LabelImage


@pytest.fixture()
def labels() -> np.ndarray:
    array = np.zeros((112, 100, 3), np.uint8)
    array[10:20, 30:50, 1] = 2
    array[0, 0, 2] = 1  # too few to be an outline
    return array


def test_files(volume: LabelImage, labels: np.ndarray, tmp_path: Path) -> None:
    found = write_training_set(tmp_path, [("a", volume, labels), ("b", volume, labels), ("c", volume, labels * 0)])
    assert found.frames == {"training": 1, "validation": 1} == found.images
    assert found.side == 112
    np.testing.assert_allclose(found.pixel_mm, sum(volume.inputs.frames[0].spacing or ()) / 2)
    (mask,) = (tmp_path / "training" / "masks").iterdir()
    values = np.asarray(Image.open(mask))
    assert set(np.unique(values)) == {0, 255} and (values[30:50, 10:20] == 255).all() and (values > 0).sum() == 200
    pixels = np.asarray(Image.open(tmp_path / "training" / "images" / mask.name)).astype(np.float64)
    assert pixels.min() == 0 and pixels.max() == 65535
    original = volume.inputs.frames[1].image.as_tensor()[0].numpy().astype(np.float64)
    assert np.corrcoef(pixels.ravel(), original.ravel())[0, 1] > 0.9999
    assert "a" not in mask.stem and "b" not in mask.stem


def test_items(volume: LabelImage, labels: np.ndarray, tmp_path: Path) -> None:
    write_training_set(tmp_path, [("a", volume, labels), ("b", volume, labels)])
    (item,) = training_items(tmp_path, "validation")
    assert Path(item["image"]).parent.name == "images" and Path(item["label"]).parent.name == "masks"
    assert None not in item.values()


def test_right_breasts_are_known(mammogram: Path, tmp_path: Path) -> None:
    from monai_acdr.apps.monailabel.images import read_label_image

    image = read_label_image(mammogram)
    labels = np.zeros(image.shape, np.uint8)
    labels[10:30, 10:30] = 1
    write_training_set(tmp_path, [("a", image, labels), ("b", image, labels)])
    (item,) = training_items(tmp_path, "training")
    assert item["laterality"] == "R"


def test_one_image_is_not_enough(volume: LabelImage, labels: np.ndarray, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="saved labels of at least 2 images, one to train and one to validate, but"):
        write_training_set(tmp_path, [("a", volume, labels), ("b", volume, labels * 0)])


def test_images_keep_their_side() -> None:
    held = [is_held_out(f"image-{number}", 0.25) for number in range(1000)]
    assert 0.2 < np.mean(held) < 0.3
    assert held == [is_held_out(f"image-{number}", 0.25) for number in range(1000)]


def test_masks_of_nested_structures(volume: LabelImage, tmp_path: Path) -> None:
    """A ring is the outer structure with what lies within it; a frame without the inner one is left out."""
    labels = np.zeros((112, 100, 3), np.uint8)
    labels[10:20, 30:50, 1:] = 2
    labels[13:17, 35:45, 1] = 1
    data = [("a", volume, labels), ("b", volume, labels)]
    found = write_training_set(tmp_path, data, num_structures=2, nested=True)
    assert found.frames == {"training": 1, "validation": 1}
    (item,) = training_items(tmp_path, "training", ("label", "label_epi"))
    inner, outer = (np.asarray(Image.open(item[key])) > 0 for key in ("label", "label_epi"))
    np.testing.assert_array_equal(inner, labels[..., 1].T == 1)
    np.testing.assert_array_equal(outer, labels[..., 1].T > 0)
