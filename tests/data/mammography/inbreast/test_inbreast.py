# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""The data list: what is kept, what is left out, and why."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from monai_acdr.data.mammography import inbreast_data_list
from monai_acdr.data.masses import mass_data_list
from monai_acdr.data.report import QualityReport

PATIENT_A, PATIENT_B = "6c613a14b80a8591", "0123456789abcdef"
Outlines = Callable[..., Path]


def listed(archive: Path, **options: Any) -> tuple[list[dict[str, Any]], QualityReport]:
    report = QualityReport()
    return inbreast_data_list(archive, report=report, **options), report


def test_masses_only_with_what_is_known_of_them(archive: Path) -> None:
    items, report = listed(archive)
    assert [item["name"] for item in items] == ["11-mass1", "11-mass2", "13-mass1"]
    first, _, last = items
    assert first["image"] == str(archive / "AllDICOMs" / f"11_{PATIENT_A}_MG_R_CC_ANON.dcm")
    assert first["contour"].dtype == np.float64
    assert first["contour"].tolist() == [[10, 20], [30, 20], [30, 40], [10, 40]]
    assert [first[key] for key in ("patient", "laterality", "view", "birads")] == [PATIENT_A, "R", "CC", "4a"]
    # The table's MLO wins over ML in the file's name.
    assert [last[key] for key in ("patient", "laterality", "view", "birads")] == [PATIENT_B, "L", "MLO", "6"]
    assert not report.findings
    counts = {"images": 4, "normal_images": 1, "mass_images": 2, "masses": 3, "patients": 2}
    assert report.counts == counts


def test_groups_are_by_patient(archive: Path) -> None:
    whole = inbreast_data_list(archive)
    groups = {item["patient"]: item["group"] for item in whole}
    assert sorted(groups.values()) == ["test", "training"]
    parts = [inbreast_data_list(archive, group) for group in ("training", "test")]
    assert sorted(item["name"] for part in parts for item in part) == [item["name"] for item in whole]
    with pytest.raises(ValueError, match=r"one of \['test', 'training'\], but got 'trainig'"):
        inbreast_data_list(archive, "trainig")


def test_split_files(archive: Path, tmp_path: Path) -> None:
    path = tmp_path / "split.csv"
    path.write_text(f"patient,group\n{PATIENT_A},test\nsomebody,training\n")
    items, report = listed(archive, split=path)
    assert {item["patient"] for item in items} == {PATIENT_A}
    assert report.kinds() == {"not_in_split": 1, "patient_absent": 1}
    path.write_text("13\n")  # an image's number; the rest is test
    assert [item["group"] for item in inbreast_data_list(archive, split=path)] == ["test", "test", "training"]
    path.write_text("name,group\n11-mass1,test\n11-mass2,training\n")
    with pytest.raises(ValueError, match=f"puts \\['{PATIENT_A}'\\] into several"):
        inbreast_data_list(archive, split=path)
    path.write_text("patient,group\nnobody,test\n")
    with pytest.raises(ValueError, match="names none of them"):
        inbreast_data_list(archive, split=path)


def test_outlines_that_enclose_nothing_are_counted(archive: Path, make_outlines: Outlines, make_region: Any) -> None:
    regions = [
        make_region("Mass", [(1, 1), (2, 2)]),
        make_region("Mass", [(1, 1), (2, 2), (1, 1), (2, 2)]),
        make_region("Mass", []),
        make_region("Mass", [(100, 1), (120, 1), (110, 9)]),
        make_region("Mass", [(1, 1), "(1, oops)", (3, 1)]),
        make_region("Mass", [(5, 5), (9, 5), (9, 9)]),
    ]
    make_outlines(archive / "AllXML" / "13.xml", regions)
    items, report = listed(archive)
    assert [item["name"] for item in items if item["patient"] == PATIENT_B] == ["13-mass6"]
    assert report.kinds() == {"contour_outside": 1, "invalid_contour": 1, "too_few_points": 3}


def test_outlines_with_flaws_are_kept_and_reported(archive: Path, make_outlines: Outlines, make_region: Any) -> None:
    regions = [
        make_region("Mass", [(5, 5), (9, 5), (9, 9), (5, 5)], NumberOfPoints=7),
        make_region("Mass", [(-10, 10), (10, 10), (10, 70), (-10, 70)]),
    ]
    make_outlines(archive / "AllXML" / "13.xml", regions)
    items, report = listed(archive)
    closed, outside = (item["contour"] for item in items if item["patient"] == PATIENT_B)
    assert closed.tolist() == [[5, 5], [9, 5], [9, 9]]
    assert sorted(map(tuple, outside.tolist())) == [(0, 10), (0, 60), (10, 10), (10, 60)]
    assert report.kinds() == {"contour_clipped": 1, "point_count": 1}
    assert report.of("contour_clipped")[0].text == "3 of 4 points were outside"


def test_missing_and_damaged_files_are_counted(
    archive: Path, make_image: Callable[..., Path], caplog: pytest.LogCaptureFixture
) -> None:
    images = archive / "AllDICOMs"
    (images / f"11_{PATIENT_A}_MG_R_CC_ANON.dcm").unlink()
    (archive / "AllXML" / "12.xml").write_text('<!DOCTYPE plist [<!ENTITY a "b">]><plist/>')
    shutil.copy(archive / "AllXML" / "13.xml", archive / "AllXML" / "15.xml")
    damaged = make_image(images / f"15_{PATIENT_A}_MG_L_CC_ANON.dcm")
    damaged.write_bytes(damaged.read_bytes()[:-100])
    items, report = listed(archive)
    assert [item["name"] for item in items] == ["13-mass1"]
    expected = {"annotation_without_image": 1, "image_without_row": 1, "invalid_annotation": 1, "invalid_image": 1}
    assert report.kinds() == expected
    assert len(caplog.records) == 1
    assert "1 annotation_without_image" in caplog.text


def test_a_side_that_disagrees_is_reported(archive: Path) -> None:
    table = archive / "INbreast.csv"
    table.write_text(table.read_text().replace("L;MLO;201001;13", "R;MLO;201001;13"))
    items, report = listed(archive)
    assert items[-1]["laterality"] == "L"
    assert report.kinds() == {"laterality_conflict": 1}


def test_without_masses_it_says_what_was_expected(archive: Path) -> None:
    for number in ("11", "13"):
        (archive / "AllXML" / f"{number}.xml").unlink()
    with pytest.raises(ValueError, match="Expected outlines named 'Mass'"):
        inbreast_data_list(archive)


def test_through_the_common_door(archive: Path) -> None:
    assert [item["name"] for item in mass_data_list(archive)] == ["11-mass1", "11-mass2", "13-mass1"]


def test_fixture(shared_data: Path, tmp_path: Path, make_image: Callable[..., Path]) -> None:
    fixture = shared_data / "inbreast_fixture"
    make_image(tmp_path / "AllDICOMs" / f"99999901_{PATIENT_A}_MG_R_CC_ANON.dcm", size=(512, 400))
    (tmp_path / "AllXML").mkdir()
    shutil.copy(fixture / "99999901.xml", tmp_path / "AllXML")
    shutil.copy(fixture / "INbreast.csv", tmp_path)
    items, report = listed(tmp_path)
    assert [item["name"] for item in items] == [f"99999901-mass{number}" for number in (1, 2, 3)]
    assert {item["birads"] for item in items} == {"5"}
    assert report.kinds() == {"annotation_without_image": 1, "contour_clipped": 1}
    assert min(item["contour"].min() for item in items) == 0
