# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from monai_acdr.apps.layers import FORMATS, source_files, source_format, target_format
from monai_acdr.dicom import SourceFrame, write_rtstruct, write_seg


@pytest.mark.parametrize(
    ("name", "expected"),
    [("a.txt", "txt"), ("a.JSON", "json"), ("a.png", "png"), ("a.nii", "nifti"), ("a.nii.gz", "nifti")],
)
def test_names_tell_the_format(tmp_path: Path, name: str, expected: str) -> None:
    (tmp_path / name).write_text("x", encoding="utf-8")
    assert source_format(tmp_path / name).name == expected
    assert target_format(Path(name), None) == (FORMATS[expected], False)


def test_dicom_is_told_by_its_content(
    tmp_path: Path, images: Path, sources: list[SourceFrame], shape: np.ndarray
) -> None:
    path = write_rtstruct(tmp_path / "contour.png", [shape, None, None, None], sources)
    assert source_format(path).name == "rtstruct"
    with pytest.raises(ValueError, match="SOP class 1.2.840.10008.5.1.4.1.1.4: an image is given with --ima"):
        source_format(images / "1.dcm")
    broken = tmp_path / "broken"
    broken.write_bytes(b"\0" * 128 + b"DICM" + b"\x02\0\0\0UL\x04\0\xff\xff\xff\x7f\x02\0")
    with pytest.raises(ValueError, match="DICOM file, but|SOP class"):
        source_format(broken)


@pytest.mark.parametrize("name", ["a.dcm", "a.jpg", "a", "nii.gz.zip"])
def test_other_files(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("x", encoding="utf-8")
    with pytest.raises(ValueError, match="none of them"):
        source_format(tmp_path / name)


def test_missing_sources(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="does not exist"):
        source_format(tmp_path / "a.txt")


def test_folders_have_one_kind(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"0 \.txt, 0 \.png, 0 \.dcm"):
        source_format(tmp_path)
    for name in ("b10.txt", "b9.txt", "a.csv", ".hidden.txt"):
        (tmp_path / name).write_text("1 2", encoding="utf-8")
    assert source_format(tmp_path).name == "txt"
    assert [path.name for path in source_files(tmp_path, FORMATS["txt"])] == ["b9.txt", "b10.txt"]
    Image.new("L", (3, 3)).save(tmp_path / "a.png")
    with pytest.raises(ValueError, match=r"2 \.txt, 1 \.png, 0 \.dcm: name one file"):
        source_format(tmp_path)


def test_targets(tmp_path: Path) -> None:
    assert target_format(tmp_path / "seg.dcm", None)[0].name == "seg"
    assert target_format(tmp_path / "LV_RTSTRUCT.dcm", None)[0].name == "rtstruct"
    assert target_format(tmp_path / "x.dcm", "seg")[0].name == "seg"
    assert target_format(tmp_path / "seg.dcm", "rtstruct")[0].name == "rtstruct"
    assert target_format(tmp_path, "txt") == (FORMATS["txt"], True)
    assert target_format(tmp_path / "new", "png") == (FORMATS["png"], True)
    assert target_format(tmp_path / "new", "seg") == (FORMATS["seg"], True)


def test_folders_of_segmentations(tmp_path: Path, images: Path, sources: list[SourceFrame], shape: np.ndarray) -> None:
    write_seg(tmp_path / "a.dcm", [shape, None, None, None], sources)
    assert source_format(tmp_path) == FORMATS["seg"]
    write_rtstruct(tmp_path / "b.dcm", [shape, None, None, None], sources)
    with pytest.raises(ValueError, match=r"segmentations, but .*b\.dcm is an RT structure set"):
        source_format(tmp_path)
    (tmp_path / "c.txt").write_text("1 2", encoding="utf-8")
    with pytest.raises(ValueError, match=r"has 1 \.txt, 0 \.png, 2 \.dcm: name one file"):
        source_format(tmp_path)
    for name in ("a.dcm", "b.dcm"):
        shutil.copy(images / "1.dcm", tmp_path / name)
    (tmp_path / "d.dcm").write_bytes(b"no DICOM")
    assert source_format(tmp_path).name == "txt"  # images may lie beside their contours


@pytest.mark.parametrize(
    ("name", "to", "message"),
    [
        ("x.dcm", None, "which DICOM object"),
        ("x.jpg", None, "a name that ends with one of"),
        ("x", None, "several files for the folder"),
        ("x", "json", "several files for the folder"),
        ("x.png", "json", "to end with .json"),
        ("x.json", "seg", "to end with .dcm"),
        ("x.json", "dicom", "one of txt, .*json"),
    ],
)
def test_targets_that_do_not_tell(name: str, to: str | None, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        target_format(Path(name), to)
