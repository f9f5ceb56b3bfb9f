# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from monai_acdr.data import QualityReport, image_data_list

Writer = Callable[..., Path]


def test_one_file(tmp_path: Path, write_dicom: Writer) -> None:
    path = write_dicom(tmp_path / "a" / "59.dcm")
    assert image_data_list(path) == [{"image": str(path), "name": "59", "has_spacing": True}]


def test_folder_in_natural_order(tmp_path: Path, write_dicom: Writer, write_png: Writer) -> None:
    for name in ("s/10.dcm", "s/9", "s/2.dcm"):
        write_dicom(tmp_path / name, PixelSpacing=None if name == "s/9" else [1, 1])
    write_png(tmp_path / "a" / "b" / "x y.png", np.zeros((4, 4), np.uint8))
    items = image_data_list(tmp_path)
    assert [item["name"] for item in items] == ["a-b-x_y", "s-2", "s-9", "s-10"]
    assert [item["has_spacing"] for item in items] == [False, True, False, True]
    assert not any("SECRET" in value.upper() for item in items for value in (item["name"], item["image"]))


def test_names_are_unique(tmp_path: Path, write_dicom: Writer, write_png: Writer) -> None:
    for name in ("a-b/1.dcm", "a/b-1.dcm", "A/B-1.DCM", "a/b-1", "a-b-1-2.dcm", "é" * 100 + ".dcm", "é" * 99 + "à.dcm"):
        write_dicom(tmp_path / name)
    write_png(tmp_path / "a" / "b-1.png", np.zeros((4, 4), np.uint8))
    report = QualityReport()
    names = [item["name"] for item in image_data_list(tmp_path, report=report)]
    assert len({name.casefold() for name in names}) == len(names) == 8
    assert all("/" not in name and len(name.encode()) < 130 for name in names)
    assert len(report.of("no_unique_name")) == 4


def test_what_is_no_image_is_counted(tmp_path: Path, write_dicom: Writer, caplog: pytest.LogCaptureFixture) -> None:
    write_dicom(tmp_path / "good.dcm")
    write_dicom(tmp_path / "report.dcm", PixelData=None)
    cut = write_dicom(tmp_path / "cut.dcm")
    cut.write_bytes(cut.read_bytes()[:-5])
    (tmp_path / "notes.txt").write_text("hello")
    (tmp_path / ".DS_Store").write_text("hidden")
    (tmp_path / "empty.dcm").touch()
    (tmp_path / "broken_link.dcm").symlink_to(tmp_path / "nowhere")
    report = QualityReport()
    with caplog.at_level(logging.WARNING):
        items = image_data_list(tmp_path, report=report)
    assert [item["name"] for item in items] == ["good"]
    assert report.kinds() == {"invalid_image": 3, "not_an_image": 2}
    assert {finding.subject for finding in report.of("not_an_image")} == {"empty.dcm", "notes.txt"}
    assert report.counts == {"images": 1}
    assert "3 invalid_image, 2 not_an_image" in caplog.text


def test_pattern(tmp_path: Path, write_dicom: Writer) -> None:
    for name in ("p/CINESAX_300/1.dcm", "p/OTHER/1.dcm"):
        write_dicom(tmp_path / name)
    assert [i["name"] for i in image_data_list(tmp_path, pattern="*CINESAX_*/*.dcm")] == ["p-CINESAX_300-1"]
    with pytest.raises(ValueError, match="found none .*check the folder and `pattern`"):
        image_data_list(tmp_path, pattern="*.png")


def test_no_image(tmp_path: Path, write_dicom: Writer) -> None:
    with pytest.raises(FileNotFoundError, match="does not exist"):
        image_data_list(tmp_path / "absent")
    with pytest.raises(ValueError, match=r"found none \(left out: nothing\)"):
        image_data_list(tmp_path)
    path = write_dicom(tmp_path / "a.dcm", PixelData=None)
    with pytest.raises(ValueError, match="First reason: .*has no PixelData"):
        image_data_list(path)


@pytest.mark.real_data
def test_real_files(shared_data: Path) -> None:
    items = image_data_list(shared_data / "sunnybrook_dicom" / "dicoms" / "SCD0000101")
    assert len(items) == len({item["name"] for item in items}) > 200
    assert all(item["has_spacing"] for item in items)
    assert [item["name"] for item in items[:3]] == ["1", "2", "3"]
