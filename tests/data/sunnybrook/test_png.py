# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from monai_acdr.data import DISPLACED_PATIENTS, QualityReport, sunnybrook_data_list

Writer = Callable[..., Path]


def _names(items: list[dict]) -> list[str]:
    return [item["name"] for item in items]


def test_png(png_tree: Path) -> None:
    report = QualityReport()
    (item,) = sunnybrook_data_list(png_tree, "validation", report=report)
    assert item == {
        "image": str(png_tree / "validation" / "images" / "SC-N-05-IM-0001-0007.png"),
        "label": str(png_tree / "validation" / "endo_masks" / "SC-N-05-IM-0001-0007.png"),
        "name": "SC-N-05-IM-0001-0007",
        "patient": "SC-N-5",
        "group": "validation",
        "frame": 7,
        "has_spacing": False,
        "mask_rule": "drawn",
        "reader_shift": (-1.0, -1.0),
    }
    assert DISPLACED_PATIENTS == ("SC-N-6",)
    assert [finding.subject for finding in report.of("patient_excluded")] == ["SC-N-6"]
    assert len(sunnybrook_data_list(png_tree, exclude=())) == 3


def test_png_test_folder_and_the_folder_itself(png_tree: Path) -> None:
    (png_tree / "validation").rename(png_tree / "test")
    assert _names(sunnybrook_data_list(png_tree, "online")) == ["SC-N-05-IM-0001-0007"]
    (item,) = sunnybrook_data_list(png_tree / "training")
    assert item["group"] == "training"
    (png_tree / "training").rename(png_tree / "mine")
    (item,) = sunnybrook_data_list(png_tree / "mine")
    assert item["group"] == "training", "the official group when the folder's name says nothing"


def test_png_of_other_data(tmp_path: Path, write_png: Writer, make_heart: Callable, make_disc: Callable) -> None:
    mask = make_disc((36, 32), 8).astype(np.uint8)
    for group in ("train", "test"):
        for name in ("a-IM-1-2", "b10", "b9", "plain"):
            write_png(tmp_path / group / "images" / f"{name}.png", make_heart())
            write_png(tmp_path / group / "endo_masks" / f"{name}.png", mask)
    report = QualityReport()
    items = sunnybrook_data_list(tmp_path, report=report)
    assert [(item["patient"], item["frame"]) for item in items[::2]] == [("a", 2), ("b9", 9), ("b10", 10), ("plain", 0)]
    assert len(set(_names(items))) == 8
    assert {item["mask_rule"] for item in items} == {"covered"}
    assert {item["reader_shift"] for item in items} == {(0.0, 0.0)}
    assert {item["mask_rule"] for item in sunnybrook_data_list(tmp_path, mask_rule="drawn")} == {"drawn"}
    assert len(report.of("patient_in_two_groups")) == len(report.of("no_unique_name")) == 4


def test_epicardium(png_tree: Path, write_png: Writer, make_disc: Callable) -> None:
    mask = write_png(
        png_tree / "training" / "epi_masks" / "SC-HF-I-01-IM-0001-0048.png", make_disc((36, 32), 14).astype(np.uint8)
    )
    both = sunnybrook_data_list(png_tree, structures=["endocardium", "epicardium"])
    assert [item.get("label_epi") for item in both] == [str(mask), None]
    assert "label_epi" not in sunnybrook_data_list(png_tree)[0]
    with pytest.raises(ValueError, match=r"`structures` to be \('endocardium',\) or .* but got \['epicardium'\]"):
        sunnybrook_data_list(png_tree, structures=["epicardium"])
    with pytest.raises(ValueError, match="`mask_rule` to be one of .* but got 'filled'"):
        sunnybrook_data_list(png_tree, mask_rule="filled")


@pytest.mark.real_data
def test_real_png(shared_data: Path) -> None:
    root = shared_data / "sunnybrook_png"
    assert len(sunnybrook_data_list(root, "training")) == 260
    assert len(sunnybrook_data_list(root, "validation")) == 266 - 13
    assert len(sunnybrook_data_list(root, "validation", exclude=())) == 266
    epicardia = [
        sum("label_epi" in item for item in sunnybrook_data_list(root, group, structures=("endocardium", "epicardium")))
        for group in ("training", "validation")
    ]
    assert epicardia == [135, 131]
    names = _names(sunnybrook_data_list(root, "training"))
    dicom = _names(sunnybrook_data_list(shared_data / "sunnybrook_dicom", "training"))
    assert set(dicom) < set(names)
