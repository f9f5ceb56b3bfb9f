# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""The real study that comes with the package: whole, small, public, and without any identity but the pseudonym."""

from __future__ import annotations

from pathlib import Path

import pydicom
import pytest

from monai_acdr.apps.inputs import read_inputs
from monai_acdr.data import QualityReport, example_study, sunnybrook_data_list
from monai_acdr.data.sunnybrook.pairing import STRUCTURES

FILES = sorted((example_study() / "dicoms").rglob("*.dcm"), key=lambda path: int(path.stem))
FOUR_MB = 4_000_000


def test_it_has_two_phases_of_each_slice() -> None:
    headers = [pydicom.dcmread(path, stop_before_pixels=True) for path in FILES]
    assert {header.Rows for header in headers} == {256}
    positions = [float(header.SliceLocation) for header in headers]
    assert positions[::2] == positions[1::2]
    assert len(set(positions)) == 11
    assert {float(header.TriggerTime) for header in headers} == {315, 976}
    assert len({header.FrameOfReferenceUID for header in headers}) == 1  # DICOM PS3.3 C.7.4.1


def test_reading_it_finds_nothing_to_warn_about(caplog: pytest.LogCaptureFixture) -> None:
    inputs = read_inputs(example_study() / "dicoms")
    assert (len(inputs.frames), inputs.findings, inputs.skipped, caplog.records) == (22, [], [], [])


def test_it_is_a_data_set_with_references() -> None:
    report = QualityReport()
    items = sunnybrook_data_list(example_study(), report=report, structures=STRUCTURES)
    assert len(items) == report.counts["frames"] == 18
    assert sum("label_epi" in item for item in items) == 9
    assert {item["group"] for item in items} == {"validation"}
    assert report.counts["frames_without_contour"] == 4


def test_it_is_small_and_says_where_it_is_from() -> None:
    assert sum(path.stat().st_size for path in example_study().rglob("*") if path.is_file()) < FOUR_MB
    text = (example_study() / "README.md").read_text(encoding="utf-8")
    assert all(word in text for word in ("CC0", "Radau", "10380/3070", "cardiacatlas.org"))


@pytest.mark.filterwarnings("ignore:Invalid value for VR UI")
@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_it_names_nobody(path: Path) -> None:
    header = pydicom.dcmread(path, stop_before_pixels=True)
    names = {str(element.value) for element in header.iterall() if element.VR == "PN"}
    dates = {str(element.value) for element in header.iterall() if element.VR in ("DA", "DT")}
    assert names == {"SCD0000401"} == {header.PatientID}
    assert dates <= {"20120000", "00000000"}
    assert not [element for element in header.iterall() if element.tag.is_private]
    keywords = {element.keyword for element in header.iterall() if not element.is_empty}
    personal = ("Address", "Institution", "Physician", "Operator", "Telephone", "OtherPatient", "Comments", "Ethnic")
    assert not [word for word in keywords if any(part in word for part in personal)]
