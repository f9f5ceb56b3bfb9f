# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from monai_acdr.data import DISPLACED_EPICARDIA, QualityReport, sunnybrook_data_list
from monai_acdr.data.sunnybrook.pairing import STRUCTURES

Writer = Callable[..., Path]


def _names(items: list[dict]) -> list[str]:
    return [item["name"] for item in items]


def test_miccai(miccai_tree: Path) -> None:
    report = QualityReport()
    items = sunnybrook_data_list(miccai_tree, report=report, structures=STRUCTURES)
    assert report.layout == "miccai"
    assert not report.findings
    assert report.counts == {"frames_without_contour": 3, "frames": 3, "patients": 2}
    contours = miccai_tree / "Sunnybrook ContoursPart3/TrainingDataContours/SC-HF-I-01/contours-manual/IRCCI-expert"
    assert items[0] == {
        "image": str(miccai_tree / "challenge_training/SC-HF-I-1/IM-0004-0002.dcm"),
        "label": str(contours / "IM-0001-0002-icontour-manual.txt"),
        "label_epi": str(contours / "IM-0001-0002-ocontour-manual.txt"),
        "name": "SC-HF-I-01-IM-0001-0002",
        "patient": "SC-HF-I-1",
        "group": "training",
        "frame": 2,
        "has_spacing": True,
        "mask_rule": "covered",
        "reader_shift": (-1.0, -1.0),
    }
    assert "label_epi" not in items[1]
    assert "label_epi" not in sunnybrook_data_list(miccai_tree)[0]
    assert _names(items) == ["SC-HF-I-01-IM-0001-0002", "SC-HF-I-01-IM-0001-0004", "SC-N-05-IM-0001-0001"]
    assert _names(sunnybrook_data_list(miccai_tree, "validation")) == ["SC-N-05-IM-0001-0001"]


def test_atlas(atlas_tree: Path) -> None:
    report = QualityReport()
    items = sunnybrook_data_list(atlas_tree, "training", report=report, structures=STRUCTURES)
    assert report.layout == "atlas"
    assert [(item["patient"], item["frame"]) for item in items] == [("SC-HF-I-1", 59), ("SC-HF-I-40", 7)]
    assert items[0]["image"].endswith("CINESAX_300/IM-0003-0059.dcm".replace("/", str(Path("/"))[-1]))
    assert all(Path(item["label_epi"]).is_file() for item in items)


def test_atlas_names_from_its_table(atlas_tree: Path, write_dicom: Writer, caplog: pytest.LogCaptureFixture) -> None:
    write_dicom(atlas_tree / "SCD_IMAGES_01" / "SCD0999901" / "CINESAX_1" / "IM-0001-0007.dcm")
    report = QualityReport()
    sunnybrook_data_list(atlas_tree, report=report)
    assert [finding.subject for finding in report.of("unknown_patient")] == ["SCD0999901"]
    table = atlas_tree / "scd_patientdata.csv"
    table.write_text("PatientID,OriginalID,Gender\nSCD0999901,SC-HF-I-40,Male\n", encoding="utf-8-sig")
    shutil.rmtree(atlas_tree / "SCD_IMAGES_02")
    items = sunnybrook_data_list(atlas_tree)
    assert "SCD0999901" in items[1]["image"]
    table.write_text("no table")
    with pytest.raises(ValueError, match="none can be used"):
        sunnybrook_data_list(atlas_tree, exclude=["SC-HF-I-1"])
    assert "built-in table of patients is used instead" in caplog.text


def test_link(link_tree: Path) -> None:
    items = sunnybrook_data_list(link_tree, "training", structures=STRUCTURES)
    assert [(item["name"], Path(item["image"]).name) for item in items] == [
        ("SC-HF-I-01-IM-0001-0009", "9.dcm"),
        ("SC-HF-I-01-IM-0001-0059", "59.dcm"),
    ]
    assert [("label_epi" in item) for item in items] == [False, True]
    assert sunnybrook_data_list(link_tree.parent, "training", structures=STRUCTURES) == items


def test_displaced_epicardia_of_the_link_layout_are_left_out(link_tree: Path) -> None:
    (link_tree / "contourfiles" / "SC-HF-I-1").rename(link_tree / "contourfiles" / "SC-HF-I-6")
    (link_tree / "link.csv").write_text("patient_id,original_id\nSCD0000101,SC-HF-I-6\n")
    report = QualityReport()
    items = sunnybrook_data_list(link_tree, report=report, structures=STRUCTURES)
    assert DISPLACED_EPICARDIA == ("SC-HF-I-6",) and len(items) == 2
    assert not any("label_epi" in item for item in items)
    (finding,) = report.of("epicardium_displaced")
    assert finding.subject.endswith("o-contours/IM-0001-0059-ocontour-manual.txt")


def test_link_with_groups_and_own_names(link_tree: Path, write_dicom: Writer, write_circle: Writer) -> None:
    for patient in ("p1", "p2"):
        write_dicom(link_tree / "dicoms" / patient / "1.dcm")
        write_circle(
            link_tree / "contourfiles" / f"phantom-{patient}" / "i-contours" / "IM-0001-0001-icontour-manual.txt"
        )
    (link_tree / "link.csv").write_text(
        "patient_id,original_id,group\nSCD0000101,SC-HF-I-1,online\np1,phantom-p1,training\np2,phantom-p2,\n"
    )
    assert Counter(item["group"] for item in sunnybrook_data_list(link_tree)) == {
        "online": 2,
        "training": 1,
        "unassigned": 1,
    }
    (item,) = sunnybrook_data_list(link_tree, "training")
    assert (item["name"], item["patient"]) == ("phantom-p1-IM-0001-0001", "phantom-p1")
    message = "'validation'.*Patients by group: .*'unassigned': 1.*\n(.*\n)*.*`group` column"
    with pytest.raises(ValueError, match=message):
        sunnybrook_data_list(link_tree, "validation")


def test_link_reports_absent_and_duplicate_patients(link_tree: Path, write_dicom: Writer) -> None:
    write_dicom(link_tree / "dicoms" / "SCD0000301" / "1.dcm")
    (link_tree / "link.csv").write_text(
        "patient_id,original_id\nSCD0000101,SC-HF-I-01\nSCD0000101,SC-HF-I-1\nSCD0000201,SC-HF-I-2\nSCD0000301,SC-HF-I-4\n"
    )
    report = QualityReport()
    assert len(sunnybrook_data_list(link_tree, report=report)) == 2
    assert report.kinds() == {"duplicate_patient": 1, "no_contours": 1, "patient_absent": 1}
    assert report.of("patient_absent")[0].subject == "SC-HF-I-2"


def test_link_without_its_folders(link_tree: Path) -> None:
    shutil.rmtree(link_tree / "contourfiles")
    with pytest.raises(ValueError, match=r"Expected \['contourfiles'\] beside .*link.csv"):
        sunnybrook_data_list(link_tree)


def test_contours_without_images(miccai_tree: Path) -> None:
    shutil.rmtree(miccai_tree / "challenge_validation")
    report = QualityReport()
    sunnybrook_data_list(miccai_tree, report=report)
    assert report.of("patient_absent")[0].text == "contours but no images"


@pytest.mark.real_data
def test_real_dicom(shared_data: Path) -> None:
    report = QualityReport()
    items = sunnybrook_data_list(shared_data / "sunnybrook_dicom", report=report, structures=STRUCTURES)
    assert Counter(item["patient"] for item in items) == {
        "SC-HF-I-1": 18,
        "SC-HF-I-2": 18,
        "SC-HF-I-4": 20,
        "SC-HF-I-5": 18,
    }
    assert Counter(item["group"] for item in items) == {"training": 56, "validation": 18}
    assert sum("label_epi" in item for item in items) == 37
    assert all(item["has_spacing"] for item in items)
    assert [(finding.kind, finding.subject) for finding in report.findings] == [("patient_absent", "SC-HF-I-6")]


def test_contours_that_no_row_links(link_tree: Path) -> None:
    shutil.copytree(link_tree / "contourfiles" / "SC-HF-I-1", link_tree / "contourfiles" / "SC-HF-I-2")
    report = QualityReport()
    assert len(sunnybrook_data_list(link_tree, report=report)) == 2
    assert [(finding.kind, finding.subject) for finding in report.findings] == [
        ("unknown_patient", f"contourfiles/SC-HF-I-2/{kind}-contours") for kind in ("i", "o")
    ]
