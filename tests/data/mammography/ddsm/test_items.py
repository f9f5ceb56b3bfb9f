# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Data items of one case; what is left out of a whole data set is in `test_ddsm.py`."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from monai_acdr.data.mammography.ddsm import case_items, find_cases
from monai_acdr.data.phantoms.mammograms import write_ddsm_cases
from monai_acdr.data.report import QualityReport


def test_items_of_a_case(tmp_path: Path) -> None:
    report = QualityReport()
    root = write_ddsm_cases(tmp_path / "ddsm", 2, (60, 48))
    case = find_cases(root, report)[1]
    items = list(case_items(root, case, ("MASS",), report))
    assert [item["name"] for item in items] == ["A_9002_1.RIGHT_CC-mass1", "A_9002_1.RIGHT_MLO-mass1"]
    assert {item["case"] for item in items} == {"cancer_01/case9002"}
    assert [item["view"] for item in items] == ["CC", "MLO"]
    assert {item["margins"] for item in items} == {"CIRCUMSCRIBED-SPICULATED"}
    assert report.findings == []


def test_a_film_without_size(tmp_path: Path) -> None:
    report = QualityReport()
    root = write_ddsm_cases(tmp_path / "ddsm", 1, (60, 48))
    (case,) = find_cases(root, report)
    case.ics.write_text(case.ics.read_text().replace("LEFT_CC LINES", "LEFT_CC"))
    assert [item["view"] for item in case_items(root, case, ("MASS",), report)] == ["MLO"]
    (finding,) = report.of("invalid_case")
    assert finding.text == "has no size of LEFT_CC, so that its masses cannot be used"


@pytest.mark.parametrize("content", [b"", b"no film" * 500, b"\x1f\x8bno gzip", gzip.compress(b"no film", mtime=0)])
def test_a_film_that_is_none(tmp_path: Path, content: bytes) -> None:
    report = QualityReport()
    root = write_ddsm_cases(tmp_path / "ddsm", 1, (60, 48))
    (case,) = find_cases(root, report)
    case.films["LEFT_CC"].write_bytes(content)
    packed = gzip.compress(case.films["LEFT_MLO"].read_bytes())
    case.films["LEFT_MLO"].write_bytes(packed)
    assert [item["view"] for item in case_items(root, case, ("MASS",), report)] == ["MLO"]
    assert [(finding.kind, finding.subject) for finding in report.findings] == [
        ("invalid_image", "cancers/cancer_01/case9001/A_9001_1.LEFT_CC.LJPEG")
    ]
