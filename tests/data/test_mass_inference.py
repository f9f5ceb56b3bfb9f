# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""What a mass bundle infers on."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from monai_acdr.data import mass_inference_list, read_boxes
from monai_acdr.data.phantoms import write_inbreast_cases


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("a.png", "b.png"):
        Image.fromarray(np.zeros((20, 30), np.uint8)).save(tmp_path / name)
    return tmp_path


def write(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


def test_images_with_boxes(folder: Path) -> None:
    table = write(folder / "boxes.csv", "file,x0,y0,x1,y1\na.png,1,2,11,12\nb,3,4,8,9.5\na.png,0,0,5,5\n")
    items = mass_inference_list(folder, boxes=table)
    assert [item["name"] for item in items] == ["a-mass1", "b-mass1", "a-mass2"]
    assert [item["box"] for item in items] == [[1, 2, 11, 12], [3, 4, 8, 9.5], [0, 0, 5, 5]]
    assert not any(item["has_spacing"] for item in items)


def test_names_of_other_structures(folder: Path) -> None:
    table = write(folder / "boxes.csv", "file,x0,y0,x1,y1\na.png,1,2,11,12\n")
    names = {
        text: mass_inference_list(folder, boxes=table, structure=text)[0]["name"] for text in ("left kidney", "../")
    }
    assert names == {"left kidney": "a-left-kidney1", "../": "a-object1"}


def test_images_without_boxes_and_a_single_one(folder: Path) -> None:
    assert [item["name"] for item in mass_inference_list(folder)] == ["a", "b"]
    assert [item["name"] for item in mass_inference_list(folder / "b.png")] == ["b"]


def test_pictures_of_the_types_that_training_takes(tmp_path: Path) -> None:
    for name in ("a.jpg", "b.JPEG", "c.tif", "d.tiff", "e.bmp", "f.png"):
        Image.fromarray(np.zeros((20, 30), np.uint8)).save(tmp_path / name)
    (tmp_path / "notes.txt").write_text("no image")
    assert [item["name"] for item in mass_inference_list(tmp_path)] == list("abcdef")
    table = write(tmp_path / "boxes.csv", "file,x0,y0,x1,y1\na.jpg,1,2,11,12\nb,3,4,8,9.5\n")
    assert [item["name"] for item in mass_inference_list(tmp_path, boxes=table)] == ["a-mass1", "b-mass1"]


def test_a_data_set(tmp_path: Path) -> None:
    write_inbreast_cases(tmp_path, num_patients=2, size=(96, 80))
    items = mass_inference_list(tmp_path)
    named = mass_inference_list(tmp_path, "inbreast", "all")
    assert [item["name"] for item in items] == [item["name"] for item in named]
    assert {"image", "contour", "patient"} <= set(items[0])
    images = mass_inference_list(tmp_path / "AllDICOMs")
    assert len(images) == 8
    assert all(item["has_spacing"] for item in images)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("file,x0,y0,x1\n", r"Expected the columns file,x0,y0,x1,y1 in .*but \['y1'\] are not there"),
        ("file,x0,y0,x1,y1\na.png,5,2,1,12\n", r"Expected numbers x0 < x1 and y0 < y1 in line 2"),
        ("file,x0,y0,x1,y1\na.png,1,2,3,4\na.png,1,x,3,4\n", r"in line 3 of .*but got \['1', 'x', '3', '4'\]"),
        ("file,x0,y0,x1,y1\nc.png,1,2,3,4\n", r"to name images of the folder, but \['c.png'\] are not there"),
        ("file,x0,y0,x1,y1\n", r"Expected boxes in .*but it has no row"),
    ],
)
def test_tables_that_are_none(folder: Path, text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        mass_inference_list(folder, boxes=write(folder / "boxes.csv", text))


def test_a_table_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="check `boxes`"):
        read_boxes(tmp_path / "boxes.csv")
