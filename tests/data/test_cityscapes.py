# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Instances of Cityscapes as a data list."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from monai_acdr.data.cityscapes import HDF5ImageReader, cityscapes_data_list
from monai_acdr.data.report import QualityReport
from monai_acdr.read_budget import read_budget

SQUARE = [[10, 10], [29, 10], [29, 29], [10, 29]]


def _instance(file: str, *components: Any, size: tuple[int, int] = (64, 128)) -> dict[str, Any]:
    return {"img": {"height": size[0], "width": size[1], "file_name": file}, "segmentation": list(components)}


def _write(root: Path, data: Any, images: tuple[str, ...] = ("b_1.png", "a_1.png")) -> Path:
    (root / "val" / "images").mkdir(parents=True, exist_ok=True)
    for name in images:
        (root / "val" / "images" / name).touch()
    path = root / "val" / "all_classes_instances.json"
    path.write_text(json.dumps({"classes_names": list(data), "data": data}))
    return path


def test_components(tmp_path: Path) -> None:
    flat = [value for point in SQUARE for value in point]
    data = {
        "car": [_instance("val/b/b_1.png", flat, [[100, 50], [200, 50], [200, 63.5], [100, 63.5]], [1, 1, 5, 1, 5, 5])],
        "bus": [_instance("a_1.png", [*SQUARE, SQUARE[0]])],
    }
    report = QualityReport()
    items = cityscapes_data_list(_write(tmp_path, data), report=report)
    assert [item["name"] for item in items] == ["a_1-bus-0-1", "b_1-car-0-1", "b_1-car-0-2"]
    assert items[0] | {"contour": None} == {
        "image": str(tmp_path / "val" / "images" / "a_1.png"),
        "contour": None,
        "class_name": "bus",
        "name": "a_1-bus-0-1",
        "patient": "a_1",
        "group": "test",
        "component": 1,
        "laterality": None,
        "view": None,
        "has_spacing": False,
    }
    for item in items[:2]:
        assert np.array_equal(item["contour"], np.array(SQUARE) + 0.5)
    assert items[2]["contour"].max(axis=0).tolist() == [128, 64]
    assert report.kinds() == {"small_object": 1}
    assert report.counts == {"images": 2, "components": 3}
    (bus,) = cityscapes_data_list(
        tmp_path / "val" / "all_classes_instances.json", class_name="bus", pixel_centers=False
    )
    assert np.array_equal(bus["contour"], SQUARE)


def test_area_is_of_the_polygon(tmp_path: Path) -> None:
    path = _write(tmp_path, {"car": [_instance("a_1.png", [[0, 0], [10, 0], [10, 10], [0, 10]], SQUARE)]})
    assert [item["component"] for item in cityscapes_data_list(path)] == [2]
    assert [item["component"] for item in cityscapes_data_list(path, min_area=99)] == [1, 2]


def test_what_is_left_out(tmp_path: Path) -> None:
    instances = [
        _instance("a_1.png", SQUARE, [1, 2, 3], [[1, float("nan")], [2, 3], [4, 5]]),
        _instance("../../a_1.png", SQUARE),
        _instance("c.png", SQUARE),
        _instance("a_1.png", SQUARE, size=(0, 5)),
        _instance("a_1.png", "text"),
        {"img": {}},
        None,
    ]
    report = QualityReport()
    assert len(cityscapes_data_list(_write(tmp_path, {"car": instances}), report=report)) == 1
    assert report.kinds() == {"annotation_without_image": 1, "invalid_annotation": 5, "invalid_contour": 2}


def test_hdf5(tmp_path: Path) -> None:
    h5py = pytest.importorskip("h5py")
    path = _write(tmp_path, {"car": [_instance("a/a_1.png", SQUARE), _instance("z.png", SQUARE)]}, ())
    pixels = np.arange(64 * 128 * 3, dtype=np.uint32).astype(np.uint8).reshape(64, 128, 3)
    with h5py.File(path.parent / "images.h5", "w") as file:
        file["a_1.png"] = pixels
    report = QualityReport()
    (item,) = cityscapes_data_list(path, report=report)
    assert item["image"] == f"{path.parent}/images.h5::a_1.png"
    assert np.array_equal(HDF5ImageReader().read(item["image"]), pixels)
    assert report.kinds() == {"annotation_without_image": 1}
    (path.parent / "more.hdf5").touch()
    with pytest.raises(ValueError, match=r"Expected one HDF5 file .*'images.h5', 'more.hdf5'"):
        cityscapes_data_list(path)


@pytest.mark.parametrize("text", ["{", "[" * 100_000])
def test_files_that_are_no_json(tmp_path: Path, text: str) -> None:
    path = _write(tmp_path, {})
    path.write_text(text)
    with pytest.raises(ValueError, match=r"Expected instances as JSON, but .*all_classes_instances\.json is not"):
        cityscapes_data_list(path)


@pytest.mark.parametrize("text", ["[]", '{"data": 3}', "{}", '{"data": {"car": 1}}', '{"data": [["car", 1]]}'])
def test_files_of_other_content(tmp_path: Path, text: str) -> None:
    path = _write(tmp_path, {})
    path.write_text(text)
    with pytest.raises(ValueError, match=r"Expected {'data': {class: \[instances\]}} in .*prepare the file again"):
        cityscapes_data_list(path)


def test_folder_of_groups(tmp_path: Path) -> None:
    for folder, name in (("train", "a_1.png"), ("val", "b_1.png")):
        path = _write(tmp_path / folder, {"car": [_instance(name, SQUARE)]})
        path.parent.rename(tmp_path / "moved")
        (tmp_path / folder).rmdir()
        (tmp_path / "moved").rename(tmp_path / folder)
    items = cityscapes_data_list(tmp_path)
    assert [(item["patient"], item["group"]) for item in items] == [("a_1", "training"), ("b_1", "test")]
    assert [item["patient"] for item in cityscapes_data_list(tmp_path, group="train")] == ["a_1"]
    with pytest.raises(ValueError, match=r"'validation', but found groups \['training', 'test'\]"):
        cityscapes_data_list(tmp_path, group="validation")


def test_errors(tmp_path: Path) -> None:
    path = _write(tmp_path, {"car": [_instance("c.png", SQUARE)]})
    with pytest.raises(ValueError, match=r"found none .*'annotation_without_image': 1"):
        cityscapes_data_list(path)
    with pytest.raises(ValueError, match=r"`class_name` to be of \['car'\] .*but got \['bus'\]"):
        cityscapes_data_list(path, class_name=["bus"])
    with pytest.raises(FileNotFoundError, match="x.h5 is absent: pass `images`"):
        cityscapes_data_list(path, images=tmp_path / "x.h5")
    with pytest.raises(FileNotFoundError, match="check `json_path`"):
        cityscapes_data_list(tmp_path / "none.json")
    with read_budget(0.0001), pytest.raises(ValueError, match="all_classes_instances.json to need at most"):
        cityscapes_data_list(path)


def test_messages_do_not_quote_the_file(tmp_path: Path) -> None:
    """What is not a number would be in the report at full length."""
    wrong = [_instance("a_1.png", ["x" * 100_000] * 8), _instance("b_1.png", SQUARE)]
    report = QualityReport()
    assert len(cityscapes_data_list(_write(tmp_path, {"car": wrong}), report=report)) == 1
    assert len(report.of("invalid_annotation")[0].text) <= 200


def test_a_group_whose_json_is_no_file(tmp_path: Path) -> None:
    _write(tmp_path, {"car": [_instance("a_1.png", SQUARE)]})
    (tmp_path / "train" / "all_classes_instances.json").mkdir(parents=True)
    with pytest.raises(ValueError, match=r"train/all_classes_instances\.json is not a regular file"):
        cityscapes_data_list(tmp_path)
    assert len(cityscapes_data_list(tmp_path, group="test")) == 1
