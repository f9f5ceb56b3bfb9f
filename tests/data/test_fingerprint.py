# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Fingerprints of data sets, against numbers that the data were made from."""

from __future__ import annotations

import json
import math
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from PIL import Image

from monai_acdr.data import dataset_fingerprint, pair_folder_data_list


def _save(path: Path, values: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(values.astype(np.uint8)).save(path)


def _write(root: Path) -> None:
    """Three gray images with rectangles: 10 x 20, 20 x 10 at the border, and both."""
    boxes = [[(10, 20, 5, 25)], [(0, 20, 40, 50)], [(10, 20, 5, 25), (30, 50, 40, 50)]]
    for index, own in enumerate(boxes):
        mask = np.zeros((60, 80))
        for top, bottom, left, right in own:
            mask[top:bottom, left:right] = 255
        _save(root / "images" / f"P{index // 2}_{index}.png", np.full((60, 80), 10 * index))
        _save(root / "masks" / f"P{index // 2}_{index}.png", mask)


def test_objects_and_sizes(tmp_path: Path) -> None:
    _write(tmp_path)
    found = dataset_fingerprint(pair_folder_data_list(tmp_path))
    assert (found.num_items, found.num_images, found.num_patients) == (3, 3, 2)
    assert (found.image_height, found.image_width) == ((60, 60.0, 60), (80, 80.0, 80))
    assert (found.channels, found.dtypes, found.spacing) == ({"1": 3}, {"uint8": 3}, None)
    assert found.objects_per_image == pytest.approx({"p5": 1, "p25": 1, "p50": 1, "p75": 1.5, "p95": 1.9})
    widths, heights = [20, 10, 20, 10], [10, 20, 10, 20]
    assert found.object_width is not None
    assert found.object_width["p50"] == np.median(widths)
    assert found.object_height is not None
    assert found.object_height["p95"] == pytest.approx(np.percentile(heights, 95))
    assert found.object_diameter is not None
    assert found.object_diameter["p5"] == pytest.approx(math.sqrt(4 * 200 / math.pi))
    assert found.object_diameter_mm is None
    assert found.object_x is not None
    assert found.object_x["p5"] == pytest.approx(15 / 80)
    assert found.border_fraction == 0.25
    assert found.intensity["p50"] == 10
    assert found.structure_counts == {"object": 3}
    assert found.unreadable == 0
    assert json.loads(json.dumps(found.as_dict(), allow_nan=False))["structures"] == ["object"]


def test_one_item_for_each_object_is_the_same(tmp_path: Path) -> None:
    _write(tmp_path)
    whole = dataset_fingerprint(pair_folder_data_list(tmp_path)).as_dict()
    split = dataset_fingerprint(pair_folder_data_list(tmp_path, split_components=True)).as_dict()
    assert split["num_items"] == 4
    for key in ("objects_per_image", "object_width", "object_height", "object_diameter", "object_x", "object_y"):
        assert split[key] == pytest.approx(whole[key], abs=0.05), key
    assert split["border_fraction"] == whole["border_fraction"]


def test_color_and_unreadable_files(tmp_path: Path) -> None:
    _write(tmp_path)
    items = pair_folder_data_list(tmp_path)
    color = np.zeros((60, 80, 3))
    color[..., 1] = 200
    _save(Path(items[0]["image"]), color)
    _save(Path(items[1]["image"]), np.repeat(np.full((60, 80, 1), 9), 3, axis=2))
    Path(items[2]["image"]).write_bytes(b"no image")
    found = dataset_fingerprint(items)
    assert found.channels == {"1": 1, "3": 1}
    assert found.unreadable == 1
    assert found.unreadable_examples[0].startswith(f"{items[2]['name']}: Expected a picture")
    with pytest.raises(ValueError, match=r"got 1 items: check the data set .* Expected a picture"):
        dataset_fingerprint(items[2:])


def test_volumes_with_spacing_and_structures(tmp_path: Path) -> None:
    labels = np.zeros((40, 30, 3), dtype=np.int16)
    labels[10:30, 5:21, 1] = 2
    labels[14:24, 8:16, 1] = 1
    for name, values in (("imagesTr/a_0000", labels * 7), ("labelsTr/a", labels)):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        nib.save(nib.Nifti1Image(values, np.diag([2.0, 0.5, 5, 1])), tmp_path / f"{name}.nii.gz")
    found = dataset_fingerprint(pair_folder_data_list(tmp_path))
    assert found.spacing == pytest.approx((0.5, 1.25, 2.0))
    assert found.num_with_spacing == 1
    assert found.object_width == pytest.approx(dict.fromkeys(("p5", "p25", "p50", "p75", "p95"), 20))
    assert found.object_width_mm is not None
    assert found.object_width_mm["p50"] == pytest.approx(40)
    assert found.object_height_mm is not None
    assert found.object_height_mm["p50"] == pytest.approx(8)
    assert found.object_diameter_mm is not None
    assert found.object_diameter_mm["p50"] == pytest.approx(math.sqrt(4 * 320 / math.pi))
    assert found.structures == ("label 1", "label 2")
    assert found.structure_diameter["label 1"]["p50"] == pytest.approx(math.sqrt(4 * 80 / math.pi))
    assert found.structure_diameter["label 2"]["p50"] == pytest.approx(math.sqrt(4 * 320 / math.pi))
