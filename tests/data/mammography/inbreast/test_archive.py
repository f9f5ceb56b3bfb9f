# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Finding and listing the archive."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from monai_acdr.data.mammography.inbreast import open_archive
from monai_acdr.data.report import QualityReport


def test_found_above_and_joined_by_number(archive: Path) -> None:
    report = QualityReport()
    found = open_archive(archive.parent, report)
    assert found.root == archive
    assert found.numbers == ["11", "12", "13", "14"]
    image = found.images["12"]
    assert (image.patient, image.laterality, image.view) == ("6c613a14b80a8591", "L", "ML")
    assert sorted(found.outlines) == ["11", "12", "13"]
    assert found.rows["13"].birads == "6"
    assert not report.findings


def test_strange_and_doubled_names_are_reported(archive: Path) -> None:
    images = archive / "AllDICOMs"
    (images / "copy.dcm").touch()
    (images / "readme.txt").touch()
    (archive / "AllXML" / "pectoral.xml").touch()
    shutil.copytree(images, images / "again")
    report = QualityReport()
    assert len(open_archive(archive, report).images) == 4
    assert report.kinds() == {"duplicate_image": 4, "unknown_image_name": 2}


def test_folders_in_another_case(archive: Path) -> None:
    (archive / "AllXML").rename(archive / "ALLXML")
    (archive / "INbreast.csv").rename(archive / "inbreast.CSV")
    assert len(open_archive(archive, QualityReport()).outlines) == 3


def test_what_is_absent_is_named(archive: Path, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="nowhere is not one"):
        open_archive(tmp_path / "nowhere", QualityReport())
    with pytest.raises(FileNotFoundError, match="no folder AllDICOMs"):
        open_archive(archive / "AllXML", QualityReport())
    (archive / "INbreast.csv").unlink()
    with pytest.raises(FileNotFoundError, match=r"INbreast\.csv or INbreast\.xls beside"):
        open_archive(archive, QualityReport())


def test_entries_that_are_no_files_are_reported(archive: Path) -> None:
    for name in ("11.xml", "12.xml"):
        (archive / "AllXML" / name).unlink()
    os.mkfifo(archive / "AllXML" / "11.xml")
    (archive / "AllXML" / "12.xml").mkdir()
    (archive / "AllDICOMs" / "15_6c613a14b80a8591_MG_L_CC_ANON.dcm").symlink_to(os.devnull)
    report = QualityReport()
    assert sorted(open_archive(archive, report).outlines) == ["13"]
    assert {(finding.kind, finding.subject) for finding in report.findings} == {
        ("not_a_file", "11.xml"),
        ("not_a_file", "12.xml"),
        ("not_a_file", "15_6c613a14b80a8591_MG_L_CC_ANON.dcm"),
    }
