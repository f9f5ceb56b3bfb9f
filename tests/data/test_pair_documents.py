# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Data lists, dataset.json, COCO and GeoJSON as data sets of pairs or outlines."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given
from PIL import Image

from monai_acdr.data.pair_sources import decode_run_lengths, stated_labels
from monai_acdr.data.pairs import pair_folder_data_list
from monai_acdr.data.report import QualityReport

SIZE = (40, 48)


def _save(path: Path, values: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(values.astype(np.uint8)).save(path)


def _image(path: Path, seed: int = 0) -> None:
    _save(path, np.random.default_rng(seed).integers(0, 255, SIZE))


def _disc(radius: float, center: tuple[float, float] = (20, 24)) -> np.ndarray:
    rows, columns = np.indices(SIZE)
    return np.hypot(rows - center[0], columns - center[1]) <= radius


def _write(path: Path, content: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))


def _coco(**changes: Any) -> dict[str, Any]:
    square = [10.0, 12.0, 30.0, 12.0, 30.0, 20.0, 10.0, 20.0]
    content: dict[str, Any] = {
        "images": [{"id": 7, "file_name": "a.png", "height": SIZE[0], "width": SIZE[1]}],
        "categories": [{"id": 3, "name": "nucleus"}],
        "annotations": [{"id": 1, "image_id": 7, "category_id": 3, "segmentation": [square]}],
    }
    return content | changes


def test_a_data_list(tmp_path: Path) -> None:
    for name in "abc":
        _image(tmp_path / "scans" / f"{name}.png")
        _save(tmp_path / "truth" / f"{name}.png", _disc(8) * 255)
    entry = {"image": "./scans/a.png", "label": "truth/a.png", "patient": "P1", "age": 40}
    content = {
        "training": [
            entry,
            {"image": "../a.png", "label": "truth/a.png"},
            {"image": "/etc/a.png", "label": "truth/a.png"},
            {"image": "scans/b.png"},
            {"image": "x" * 400, "label": "truth/a.png"},
            7,
        ],
        "validation": [{"image": "scans/b.png", "label": "truth/b.png"}],
        "testing": ["scans/c.png", {"image": "scans/c.png"}],
    }
    _write(tmp_path / "datalist.json", content)
    report = QualityReport()
    items = pair_folder_data_list(tmp_path, report=report)
    assert [(item["name"], item["patient"], item["group"]) for item in items] == [
        ("a", "P1", "training"),
        ("b", "b", "validation"),
    ]
    assert items[0]["age"] == "40"
    assert items[0]["label"] == str(tmp_path / "truth" / "a.png")
    assert report.kinds() == {"annotation_without_image": 1, "frame_without_mask": 1, "invalid_annotation": 3}
    assert {finding.subject for finding in report.of("invalid_annotation")} == {
        f"datalist.json, training, entry {number}" for number in (2, 3, 6)
    }
    assert report.notes == ["datalist.json: 2 test images without labels"]


def test_json_errors_name_the_line(tmp_path: Path) -> None:
    _image(tmp_path / "images" / "a.png")
    (tmp_path / "dataset.json").write_text('{"labels": {"lesion": 1},\n "training": [}\n')
    with pytest.raises(ValueError, match=r"dataset\.json is not \(line 2, column 15\)"):
        pair_folder_data_list(tmp_path)


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        ({"background": 0, "tumor": 1, "all": [1, 2]}, {"tumor": (1,), "all": (1, 2)}),
        ({"0": "background", "1": "cavity", "2": "wall"}, {"cavity": (1,), "wall": (2,)}),
        ({"background": 0, "7": 3, "8": [3, 4]}, {"7": (3,), "8": (3, 4)}),
    ],
)
def test_stated_labels(labels: Any, expected: Any) -> None:
    assert stated_labels(labels, Path("dataset.json")) == expected


@pytest.mark.parametrize("labels", [{"background": 0}, ["lesion"], {"lesion": -1}, {"lesion": "x"}])
def test_labels_that_cannot_be_used(labels: Any) -> None:
    with pytest.raises(ValueError, match="Expected .* labels"):
        stated_labels(labels, Path("dataset.json"))


def test_coco(tmp_path: Path) -> None:
    _image(tmp_path / "images" / "a.png")
    _image(tmp_path / "images" / "b.png", 1)
    mask = np.zeros(SIZE, dtype=bool)
    mask[25:30, 2:9] = True
    flat = mask.T.ravel().astype(int)
    starts = np.flatnonzero(np.diff(np.r_[0, flat])).tolist()
    runs = np.diff([0, *starts, flat.size]).tolist()
    content = _coco()
    content["annotations"] += [
        {"image_id": 7, "category_id": 3, "segmentation": {"size": list(SIZE), "counts": runs}},
        {"image_id": 7, "category_id": 3, "iscrowd": 1, "segmentation": {"size": list(SIZE), "counts": runs}},
        {"image_id": 9, "category_id": 3, "segmentation": [[0, 0, 4, 0, 4, 4]]},
        {"image_id": 7, "category_id": 3, "segmentation": [[0, 0, 4, 0]]},
        {"image_id": 7, "category_id": 3, "segmentation": [[-9, 30, 6, 30, 6, 36, -9, 36]]},
        {"image_id": 7, "category_id": 3, "segmentation": [["x", 0, 4, 0, 1, 1]]},
        {"image_id": 7, "category_id": 3, "segmentation": {"size": [9, 9], "counts": [81]}},
    ]
    _write(tmp_path / "annotations" / "instances_val2017.json", content)
    report = QualityReport()
    items = pair_folder_data_list(tmp_path, report=report)
    assert [(item["name"], item["component"], item["structures"], item["group"]) for item in items] == [
        (f"a-{number}", number, ("nucleus",), "validation") for number in (1, 2, 3)
    ]
    assert items[0]["contour"].tolist() == [[10, 12], [30, 12], [30, 20], [10, 20]]
    low, high = items[2]["contour"].min(0), items[2]["contour"].max(0)
    traced = next(item for item in items if np.isclose(item["contour"].min(0)[1], 25, atol=0.01))["contour"]
    assert np.allclose([traced.min(0), traced.max(0)], [[2, 25], [9, 30]], atol=0.01)
    assert (low >= 0).all()
    assert (high <= (48, 40)).all()
    assert report.kinds() == {
        "annotation_without_image": 1,
        "contour_clipped": 1,
        "crowd_region": 1,
        "image_not_listed": 1,
        "invalid_annotation": 1,
        "invalid_contour": 1,
        "object_at_border": 1,
        "too_few_points": 1,
    }
    assert report.layout == "coco"


def test_coco_of_several_classes(tmp_path: Path) -> None:
    """Objects of all classes are used together, which is said, with their numbers."""
    _image(tmp_path / "a.png")
    content = _coco(categories=[{"id": 3, "name": "nucleus"}, {"id": 4, "name": "debris"}])
    content["annotations"] += [content["annotations"][0], content["annotations"][0] | {"category_id": 4}]
    _write(tmp_path / "instances.json", content)
    report = QualityReport()
    items = pair_folder_data_list(tmp_path, report=report)
    assert [item["class_name"] for item in items] == ["nucleus", "nucleus", "debris"]
    assert report.notes == [
        "objects of 2 classes ('nucleus' 2, 'debris' 1): one item per object, one kind in a training; `structures` "
        "takes some of them"
    ]
    report = QualityReport()
    (item,) = pair_folder_data_list(tmp_path, report=report, structures=["Debris"])
    assert (item["class_name"], item["structures"]) == ("debris", ("debris",))
    assert report.notes == ["2 objects of other classes than Debris left out"]
    for wrong in (["dirt"], ["cell", "dirt"], ["nucleus", "dirt"]):
        with pytest.raises(ValueError, match=r"among the classes \['debris', 'nucleus'\].*'dirt'\]: choose"):
            pair_folder_data_list(tmp_path, structures=wrong)
    with pytest.raises(ValueError, match="Expected names"):
        pair_folder_data_list(tmp_path, structures=[" "])
    content["annotations"] = content["annotations"][:1]
    _write(tmp_path / "instances.json", content)
    report = QualityReport()
    (item,) = pair_folder_data_list(tmp_path, report=report, structures="cell")
    assert (item["class_name"], item["structures"]) == ("cell", ("cell",))
    assert report.notes == ["the only class, 'nucleus', is called 'cell'"]
    for wrong in ([1], [None], ["cell", 2.0]):
        with pytest.raises(ValueError, match="Expected names for `structures`"):
            pair_folder_data_list(tmp_path, structures=wrong)  # type: ignore[arg-type]


def test_spaces_around_the_names_of_classes(tmp_path: Path) -> None:
    _image(tmp_path / "a.png")
    content = _coco(categories=[{"id": 3, "name": " nucleus "}, {"id": 4, "name": "debris"}])
    content["annotations"] += [content["annotations"][0] | {"category_id": 4}]
    _write(tmp_path / "instances.json", content)
    assert len(pair_folder_data_list(tmp_path, structures=["nucleus"])) == 1


def test_classes_that_differ_by_case(tmp_path: Path) -> None:
    """As with label maps: the name itself first, and both only where neither is meant more than the other."""
    _image(tmp_path / "a.png")
    content = _coco(categories=[{"id": 3, "name": "LV"}, {"id": 4, "name": "lv"}])
    content["annotations"] = [content["annotations"][0], content["annotations"][0] | {"category_id": 4}]
    _write(tmp_path / "instances.json", content)
    for name in ("LV", "lv"):
        (item,) = pair_folder_data_list(tmp_path, structures=[name])
        assert item["class_name"] == name
    assert len(pair_folder_data_list(tmp_path, structures=["Lv"])) == 2


def test_coco_of_another_size_or_place(tmp_path: Path) -> None:
    _image(tmp_path / "a.png")
    images = [{"id": 7, "file_name": "a.png", "height": 20, "width": 48}, {"id": 8, "file_name": "../../a.png"}]
    _write(tmp_path / "instances.json", _coco(images=images))
    with pytest.raises(ValueError, match=r"'invalid_annotation': 1, 'mask_size': 1"):
        pair_folder_data_list(tmp_path)
    _write(tmp_path / "instances.json", _coco(images=7))
    with pytest.raises(ValueError, match="Expected lists of objects `images`"):
        pair_folder_data_list(tmp_path)


def _compressed(runs: list[int]) -> str:
    """COCO's text, as its documentation describes it: written down once more, from the number to the letters."""
    text = ""
    for index, run in enumerate(runs):
        value = run - runs[index - 2] if index > 2 else run
        while True:
            bits, value = value & 31, value >> 5
            done = value == (-1 if bits & 16 else 0)
            text += chr(48 + (bits if done else bits | 32))
            if done:
                break
    return text


@given(st.lists(st.integers(1, 300), min_size=1, max_size=12), st.booleans())
def test_run_lengths(runs: list[int], starts_inside: bool) -> None:
    runs = [0, *runs] if starts_inside else runs
    size = (1, sum(runs))
    expected = np.concatenate([np.full(run, index % 2 == 1) for index, run in enumerate(runs)])
    for counts in (runs, _compressed(runs)):
        decoded = decode_run_lengths({"size": list(size), "counts": counts}, size)
        assert np.array_equal(decoded[0], expected)


@pytest.mark.parametrize("counts", [[3, -1], [5, 4], "zz~", [1.5], None, [[1], [2]]])
def test_run_lengths_that_cannot_be(counts: Any) -> None:
    with pytest.raises((ValueError, TypeError), match="Expected run lengths"):
        decode_run_lengths({"size": [2, 4], "counts": counts}, (2, 4))


def test_geojson(tmp_path: Path) -> None:
    for index, name in enumerate("abc"):
        _image(tmp_path / f"{name}.png", index)

    def feature(*rings: Any, kind: str = "Polygon", **properties: Any) -> dict[str, Any]:
        return {"type": "Feature", "geometry": {"type": kind, "coordinates": list(rings)}, "properties": properties}

    outer = [[5, 5], [20, 5], [20, 20], [5, 20], [5, 5]]
    hole = [[8, 8], [9, 8], [9, 9], [8, 8]]
    features = [
        feature(outer, hole, classification={"name": "Tumor"}),
        feature(
            [[[22, 22], [30, 22], [30, 30], [22, 22]]], [[[31, 5], [40, 5], [40, 9], [31, 5]]], kind="MultiPolygon"
        ),
        feature(3, 4, kind="Point"),
        feature([], kind="MultiPolygon"),
    ]
    _write(tmp_path / "a.geojson", {"type": "FeatureCollection", "features": features})
    _write(tmp_path / "b.geojson", [feature(outer)])
    _write(tmp_path / "z.geojson", [feature(outer)])
    report = QualityReport()
    items = pair_folder_data_list(tmp_path, report=report)
    assert [(item["name"], item["class_name"], len(item["contour"])) for item in items] == [
        ("a-1", "Tumor", 4),
        ("a-2", "object", 3),
        ("a-3", "object", 3),
        ("b-1", "object", 4),
    ]
    assert report.kinds() == {
        "annotation_without_image": 1,
        "frame_without_mask": 1,
        "hole_ignored": 1,
        "invalid_annotation": 2,
    }
    assert report.layout == "geojson"


def test_masks_go_before_polygons(tmp_path: Path) -> None:
    _image(tmp_path / "images" / "a.png")
    _save(tmp_path / "labels" / "a.png", _disc(8) * 255)
    _write(tmp_path / "instances.json", _coco())
    report = QualityReport()
    (item,) = pair_folder_data_list(tmp_path, report=report)
    assert item["label"] == str(tmp_path / "labels" / "a.png")
    assert report.notes == ["masks were found, so polygons were not used: 1 files such as instances.json"]
    assert not report.findings
