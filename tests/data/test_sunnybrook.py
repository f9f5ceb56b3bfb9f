# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import logging
import shutil
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from monai_acdr.data import DISPLACED_PATIENTS, QualityReport, sunnybrook_data_list

Writer = Callable[..., Path]


def _names(items: list[dict]) -> list[str]:
    return [item["name"] for item in items]


def test_miccai(miccai_tree: Path) -> None:
    report = QualityReport()
    items = sunnybrook_data_list(miccai_tree, report=report)
    assert report.layout == "miccai"
    assert not report.findings
    assert report.counts == {"frames_without_contour": 3, "frames": 3, "patients": 2}
    contours = miccai_tree / "Sunnybrook ContoursPart3/TrainingDataContours/SC-HF-I-01/contours-manual/IRCCI-expert"
    assert items[0] == {
        "image": str(miccai_tree / "challenge_training/SC-HF-I-1/IM-0004-0002.dcm"),
        "label": str(contours / "IM-0001-0002-icontour-manual.txt"),
        "epi": str(contours / "IM-0001-0002-ocontour-manual.txt"),
        "name": "SC-HF-I-01-IM-0001-0002",
        "patient": "SC-HF-I-1",
        "group": "training",
        "frame": 2,
        "has_spacing": True,
    }
    assert "epi" not in items[1]
    assert _names(items) == ["SC-HF-I-01-IM-0001-0002", "SC-HF-I-01-IM-0001-0004", "SC-N-05-IM-0001-0001"]
    assert _names(sunnybrook_data_list(miccai_tree, "validation")) == ["SC-N-05-IM-0001-0001"]


def test_atlas(atlas_tree: Path) -> None:
    report = QualityReport()
    items = sunnybrook_data_list(atlas_tree, "training", report=report)
    assert report.layout == "atlas"
    assert [(item["patient"], item["frame"]) for item in items] == [("SC-HF-I-1", 59), ("SC-HF-I-40", 7)]
    assert items[0]["image"].endswith("CINESAX_300/IM-0003-0059.dcm".replace("/", str(Path("/"))[-1]))
    assert all(Path(item["epi"]).is_file() for item in items)


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
    items = sunnybrook_data_list(link_tree, "training")
    assert [(item["name"], Path(item["image"]).name) for item in items] == [
        ("SC-HF-I-01-IM-0001-0009", "9.dcm"),
        ("SC-HF-I-01-IM-0001-0059", "59.dcm"),
    ]
    assert [("epi" in item) for item in items] == [False, True]
    assert sunnybrook_data_list(link_tree.parent, "training") == items


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
    with pytest.raises(
        ValueError, match="'validation'.*Patients by group: .*'unassigned': 1.*\n(.*\n)*.*`group` column"
    ):
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
    assert len(report.of("patient_in_two_groups")) == len(report.of("no_unique_name")) == 4


@pytest.mark.parametrize("spelling", ["SC-HF-I-1", "SC-HF-I-01", "sc-hf-i-01"])
def test_exclude_takes_both_spellings(miccai_tree: Path, spelling: str) -> None:
    report = QualityReport()
    assert _names(sunnybrook_data_list(miccai_tree, exclude=[spelling], report=report)) == ["SC-N-05-IM-0001-0001"]
    assert report.kinds() == {"patient_excluded": 1}


def test_exclude_errors(miccai_tree: Path) -> None:
    with pytest.raises(ValueError, match=r"\['SC-N6'\]: write them as 'SC-N-6'"):
        sunnybrook_data_list(miccai_tree, exclude=["SC-N6"])
    with pytest.raises(ValueError, match="list of patients, but got 'SC-N-6'"):
        sunnybrook_data_list(miccai_tree, exclude="SC-N-6")


def test_displaced_patient_is_kept_with_dicom(miccai_tree: Path) -> None:
    (miccai_tree / "challenge_validation" / "SC-N-5").rename(miccai_tree / "challenge_validation" / "SC-N-6")
    contours = miccai_tree / "Part2" / "ValidationDataContours"
    (contours / "SC-N-05").rename(contours / "SC-N-06")
    assert _names(sunnybrook_data_list(miccai_tree, "validation")) == ["SC-N-06-IM-0001-0001"]


def test_series_that_holds_the_contours(miccai_tree: Path, write_dicom: Writer) -> None:
    for frame in (4, 5, 6):
        write_dicom(miccai_tree / "challenge_training" / "SC-HF-I-1" / f"IM-0003-{frame:04d}.dcm")
    report = QualityReport()
    items = sunnybrook_data_list(miccai_tree, "training", report=report)
    assert all("IM-0004" in item["image"] for item in items)
    assert "IM-0004, it holds 2 contoured frames" in report.of("several_series")[0].detail


def test_series_that_fits_the_contours(miccai_tree: Path, write_dicom: Writer, make_heart: Callable) -> None:
    """As SC-N-6, whose tables name 0984 and 0981: both series hold the frames, the hearts lie elsewhere in one."""
    folder = miccai_tree / "challenge_training" / "SC-HF-I-1"
    for frame in (2, 4):
        write_dicom(folder / f"IM-0003-{frame:04d}.dcm", pixels=make_heart((50.0, 30.0)))
    report = QualityReport()
    items = sunnybrook_data_list(miccai_tree, "training", report=report)
    assert all("IM-0004" in item["image"] for item in items)
    assert "fits them best" in report.of("several_series")[0].detail
    for path in folder.glob("IM-0003-*"):
        path.write_bytes(path.read_bytes()[:900])
    assert sunnybrook_data_list(miccai_tree, "training") == items


def test_frames_that_cannot_be_used(
    link_tree: Path, write_dicom: Writer, write_circle: Writer, caplog: pytest.LogCaptureFixture
) -> None:
    images = link_tree / "dicoms" / "SCD0000101"
    contours = link_tree / "contourfiles" / "SC-HF-I-1" / "i-contours"
    for frame in (11, 12, 13, 14, 15, 16):
        write_circle(contours / f"IM-0001-{frame:04d}-icontour-manual.txt")
    write_dicom(images / "11.dcm", PixelSpacing=None)
    cut = write_dicom(images / "12.dcm")
    cut.write_bytes(cut.read_bytes()[:-100])
    write_dicom(images / "13.dcm", PixelData=None)
    for frame, text in ((14, "1 2\n3 4\n"), (15, "900 900\n910 900\n910 910\n")):
        write_dicom(images / f"{frame}.dcm")
        (contours / f"IM-0001-{frame:04d}-icontour-manual.txt").write_text(text)
    (contours / "IM-0001-17-icontour-manual-copy.txt").write_text("")
    (link_tree / "contourfiles/SC-HF-I-1/o-contours/IM-0001-0059-ocontour-manual.txt").write_text("")
    report = QualityReport()
    with caplog.at_level(logging.WARNING):
        items = sunnybrook_data_list(link_tree, report=report)
    assert [item["frame"] for item in items] == [9, 59]
    assert "epi" not in items[1]
    assert report.kinds() == {
        "contour_without_frame": 1,
        "empty_mask": 1,
        "invalid_contour": 2,
        "invalid_image": 2,
        "no_pixel_spacing": 1,
        "unknown_contour_name": 1,
    }
    assert report.of("no_pixel_spacing")[0].subject == "dicoms/SCD0000101/11.dcm"
    assert "2 invalid_contour, 2 invalid_image" in caplog.text
    assert "Secret" not in caplog.text + report.summary()
    kept = sunnybrook_data_list(link_tree, spacing="allow")
    assert [(item["frame"], item["has_spacing"]) for item in kept] == [(9, True), (11, False), (59, True)]


def test_png_masks_that_cannot_be_used(png_tree: Path, write_png: Writer, make_heart: Callable) -> None:
    images, masks = png_tree / "training" / "images", png_tree / "training" / "endo_masks"
    pixels = {"02": (8, 8), "03": (64, 72), "04": (64, 72)}
    for number, size in pixels.items():
        write_png(images / f"SC-N-{number}-IM-0001-0001.png", make_heart())
        write_png(masks / f"SC-N-{number}-IM-0001-0001.png", np.full(size, 255 if number == "04" else 0, np.uint8))
    write_png(images / "SC-N-40-IM-0001-0001.png", make_heart())
    write_png(masks / "SC-N-40-IM-0001-0002.png", make_heart())
    write_png(images / "SC-N-40-IM-0001-0003.png", make_heart())
    (masks / "SC-N-40-IM-0001-0003.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    report = QualityReport()
    assert len(sunnybrook_data_list(png_tree, "training", report=report)) == 1
    assert report.kinds() == {
        "contour_without_frame": 1,
        "empty_mask": 1,
        "frame_without_mask": 1,
        "invalid_mask": 2,
        "mask_size": 1,
    }


def test_contours_without_images(miccai_tree: Path) -> None:
    shutil.rmtree(miccai_tree / "challenge_validation")
    report = QualityReport()
    sunnybrook_data_list(miccai_tree, report=report)
    assert report.of("patient_absent")[0].detail == "contours but no images"


def test_nothing_recognised(tmp_path: Path, miccai_tree: Path) -> None:
    with pytest.raises(FileNotFoundError, match="is none: check `dataset_dir`"):
        sunnybrook_data_list(tmp_path / "absent")
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match="the folder is empty: unpack"):
        sunnybrook_data_list(tmp_path / "empty")
    (tmp_path / "empty" / "notes.txt").write_text("x")
    with pytest.raises(ValueError, match="found none. These were looked for:\n  link.*\n  png.*\n  miccai.*\n  atlas"):
        sunnybrook_data_list(tmp_path / "empty")
    with pytest.raises(ValueError, match="separate archives, unpack both"):
        sunnybrook_data_list(miccai_tree / "challenge_training")


def test_two_layouts_need_a_choice(miccai_tree: Path, png_tree: Path) -> None:
    with pytest.raises(ValueError, match=r"found \['png', 'miccai'\]: .* choose by `layout`"):
        sunnybrook_data_list(png_tree)
    assert len(sunnybrook_data_list(png_tree, layout="png")) == 2
    assert len(sunnybrook_data_list(miccai_tree, layout="miccai")) == 3


def test_arguments(link_tree: Path) -> None:
    with pytest.raises(ValueError, match="'require' or 'allow', but got 'maybe'"):
        sunnybrook_data_list(link_tree, spacing="maybe")
    with pytest.raises(ValueError, match="`layout` to be one of .* but got 'bids'"):
        sunnybrook_data_list(link_tree, layout="bids")
    with pytest.raises(ValueError, match="Expected a group of"):
        sunnybrook_data_list(link_tree, group="dev")
    with pytest.raises(ValueError, match="frames of the group 'online' .* Patients by group: {'training': 1}"):
        sunnybrook_data_list(link_tree, "online")
    assert sunnybrook_data_list(link_tree, "all") == sunnybrook_data_list(link_tree)


@pytest.mark.real_data
def test_real_dicom(shared_data: Path) -> None:
    report = QualityReport()
    items = sunnybrook_data_list(shared_data / "sunnybrook_dicom", report=report)
    assert Counter(item["patient"] for item in items) == {
        "SC-HF-I-1": 18,
        "SC-HF-I-2": 18,
        "SC-HF-I-4": 20,
        "SC-HF-I-5": 18,
    }
    assert Counter(item["group"] for item in items) == {"training": 56, "validation": 18}
    assert sum("epi" in item for item in items) == 37
    assert all(item["has_spacing"] for item in items)
    assert [(finding.kind, finding.subject) for finding in report.findings] == [("patient_absent", "SC-HF-I-6")]


@pytest.mark.real_data
def test_real_png(shared_data: Path) -> None:
    root = shared_data / "sunnybrook_png"
    assert len(sunnybrook_data_list(root, "training")) == 260
    assert len(sunnybrook_data_list(root, "validation")) == 266 - 13
    assert len(sunnybrook_data_list(root, "validation", exclude=())) == 266
    names = _names(sunnybrook_data_list(root, "training"))
    dicom = _names(sunnybrook_data_list(shared_data / "sunnybrook_dicom", "training"))
    assert set(dicom) < set(names)
