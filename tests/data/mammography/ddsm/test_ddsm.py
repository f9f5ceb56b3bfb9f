# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Data lists of DDSM and BCRP."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import pytest
import torch

from monai_acdr.data.mammography import bcrp_data_list, ddsm_data_list
from monai_acdr.data.phantoms.mammograms import encode_ljpeg
from monai_acdr.data.report import QualityReport
from monai_acdr.transforms.contour import contour_to_mask

ICS = "DIGITIZER DBA\n" + "".join(
    f"{view} LINES 30 PIXELS_PER_LINE 20 BITS_PER_PIXEL 16 RESOLUTION 42 {overlay}\n"
    for view, overlay in [("LEFT_CC", "OVERLAY"), ("LEFT_MLO", "NON_OVERLAY"), ("RIGHT_CC", "NON_OVERLAY")]
)
SQUARE = "3 2 2 2 2 4 4 4 6 6 6 0 0 0 #"
FILM = encode_ljpeg(np.zeros((30, 20), dtype=np.uint16))


def lesion(number: int = 1, chain: str = SQUARE, kind: str = "MASS", margins: str = "SPICULATED") -> str:
    return (
        f"ABNORMALITY {number}\nLESION_TYPE {kind} SHAPE OVAL MARGINS {margins}\nASSESSMENT 5\nSUBTLETY 2\n"
        f"PATHOLOGY MALIGNANT\nTOTAL_OUTLINES 7\nBOUNDARY\n{chain}\n"
    )


def write_case(root: Path, number: int, *lesions: str, view: str = "LEFT_CC", ics: str = ICS, total: int = -1) -> Path:
    folder = root / "cancers" / "cancer_01" / f"case{number:04d}"
    folder.mkdir(parents=True)
    (folder / f"A-{number:04d}-1.ics").write_text(ics)
    (folder / f"A_{number:04d}_1.{view}.LJPEG").write_bytes(FILM)
    count = len(lesions) if total < 0 else total
    (folder / f"A_{number:04d}_1.{view}.OVERLAY").write_text(f"TOTAL_ABNORMALITIES {count}\n" + "".join(lesions))
    return folder


def test_item(tmp_path: Path) -> None:
    folder, report = write_case(tmp_path, 7, lesion(2)), QualityReport()
    (item,) = ddsm_data_list(tmp_path, report=report)
    contour = item.pop("contour")
    assert item == {
        "image": str(folder / "A_0007_1.LEFT_CC.LJPEG"),
        "name": "A_0007_1.LEFT_CC-mass2",
        "patient": "A_0007",
        "group": "training",
        "laterality": "L",
        "view": "CC",
        "birads": "5",
        "pathology": "MALIGNANT",
        "subtlety": "2",
        "shape": "OVAL",
        "margins": "SPICULATED",
        "spacing": (0.042, 0.042),
        "has_spacing": True,
    }
    mask = contour_to_mask(torch.from_numpy(contour), (30, 20), threshold=0.5)[0].numpy()
    assert mask.sum() == mask[2:6, 3:7].sum() == 16
    assert report.findings == []
    assert report.counts == {"cases": 1, "patients": 1, "mass_images": 1, "masses": 1}


@pytest.mark.real_data
def test_fixture(shared_data: Path) -> None:
    items = ddsm_data_list(shared_data / "ddsm_ljpeg_fixture")
    assert [item["name"] for item in items] == ["A_9999_1.LEFT_CC-mass1", "A_9999_1.LEFT_MLO-mass1"]
    for item in items:
        truth = np.load(item["image"].replace("LJPEG", "mask_truth.npy"))
        contour = torch.from_numpy(item["contour"])
        assert np.array_equal(contour_to_mask(contour, truth.shape, threshold=0.5)[0].numpy() > 0, truth)
        assert item["spacing"] == (0.0435, 0.0435)


def test_what_is_left_out_is_reported(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    write_case(
        tmp_path,
        1,
        lesion(1),
        lesion(2, kind="CALCIFICATION"),
        lesion(3, chain="3 2 2 2 9 #"),
        lesion(4, chain="3 2 2 2 4 4"),
        lesion(5, chain="300 200 2 2 4 4 6 6 0 0 #"),
        lesion(6, chain="18 2 2 2 2 4 4 4 6 6 6 0 0 0 #"),
        lesion(7, chain="3 2 2 2 2 4 4 4 #"),
        lesion(7),
        lesion(8, chain="3 2 #"),
        total=12,
    )
    (write_case(tmp_path, 2, lesion()) / "A_0002_1.LEFT_CC.LJPEG").unlink()
    (write_case(tmp_path, 3, lesion()) / "A_0003_1.LEFT_CC.OVERLAY").unlink()
    write_case(tmp_path, 4, lesion(), ics="nothing\n")
    write_case(tmp_path, 5, lesion(), ics=ICS.replace("RESOLUTION 42", "").replace("DBA", ""))
    write_case(tmp_path, 6, lesion(), view="RIGHT_MLO")
    (write_case(tmp_path, 8, lesion()) / "A_0008_1.LEFT_CC.OVERLAY").write_text("nothing\n")
    report = QualityReport()
    with caplog.at_level(logging.WARNING):
        items = ddsm_data_list(tmp_path, report=report)
    assert [item["name"].partition(".")[0] + item["name"][-1] for item in items] == [
        "A_0001_11",
        "A_0001_16",
        "A_0001_17",
        "A_0005_11",
    ]
    assert not items[-1]["has_spacing"]
    assert "spacing" not in items[-1]
    assert report.kinds() == {
        "annotation_without_image": 1,
        "contour_clipped": 1,
        "contour_outside": 1,
        "invalid_annotation": 4,
        "invalid_case": 2,
        "other_lesion": 1,
        "outline_absent": 2,
        "outline_open": 1,
        "overlay_count": 1,
        "resolution_unknown": 1,
        "too_few_points": 1,
    }
    (record,) = caplog.records
    assert "4 masses; left out: 1 annotation_without_image" in record.getMessage()
    assert "A_0001" not in record.getMessage()


def test_default_groups_are_halves_of_the_patients(tmp_path: Path) -> None:
    for number in range(1, 6):
        write_case(tmp_path, number, lesion(1), lesion(2))
    items = ddsm_data_list(tmp_path)
    training, test = ddsm_data_list(tmp_path, "training"), ddsm_data_list(tmp_path, "test")
    assert (len(training), len(test), len(items)) == (6, 4, 10)
    assert not {item["patient"] for item in training} & {item["patient"] for item in test}
    with pytest.raises(ValueError, match=r"Expected `group` to be one of \['test', 'training'\], but got 'online'"):
        ddsm_data_list(tmp_path, "online")


@pytest.mark.parametrize("key", ["A_0002", "A_0002_1", "A-0002-1", "cancer_01/case0002", "case0002"])
def test_split_file(tmp_path: Path, key: str) -> None:
    for number in (1, 2):
        write_case(tmp_path, number, lesion())
    split = tmp_path / "training.txt"
    split.write_text(f"{key}\nA_0099\n")
    report = QualityReport()
    items = ddsm_data_list(tmp_path, split=split, report=report)
    assert [(item["patient"], item["group"]) for item in items] == [("A_0001", "test"), ("A_0002", "training")]
    assert [finding.subject for finding in report.of("patient_absent")] == ["A_0099"]


def test_cases_and_other_lesions(tmp_path: Path) -> None:
    for number in (1, 2):
        write_case(tmp_path, number, lesion(), lesion(2, kind="CALCIFICATION"))
    (item,) = ddsm_data_list(tmp_path, cases=["cancer_01/case0002"])
    assert item["patient"] == "A_0002"
    assert len(ddsm_data_list(tmp_path, lesion_types=("MASS", "CALCIFICATION"))) == 4


def test_bcrp(tmp_path: Path) -> None:
    write_case(tmp_path, 1, lesion(1, margins="ILL_DEFINED-SPICULATED"), lesion(2, margins="ILL_DEFINED"))
    write_case(tmp_path, 2, lesion())
    cases = tmp_path / "bcrp.txt"
    cases.write_text("cancer_01/case0001\n")
    report = QualityReport()
    (item,) = bcrp_data_list(tmp_path, cases=cases, report=report)
    assert item["name"] == "A_0001_1.LEFT_CC-mass1"
    assert report.layout == "bcrp"
    assert report.kinds() == {"not_in_subset": 1, "subset_size": 1}
    assert report.of("subset_size")[0].text == "1 cases and 1 masses, published are 79 and 174"
    with pytest.raises(ValueError, match="Expected `cases`, the list of BCRP's cases.*one case folder per line"):
        bcrp_data_list(tmp_path)
    with pytest.raises(FileNotFoundError, match="For the BCRP subset .* the list was never part of the archive"):
        bcrp_data_list(tmp_path, cases=tmp_path / "absent.txt")


def test_nothing_found(tmp_path: Path) -> None:
    write_case(tmp_path, 1, lesion(kind="CALCIFICATION"))
    with pytest.raises(ValueError, match="Expected masses in the .OVERLAY files of 1 cases in .*'other_lesion': 1"):
        ddsm_data_list(tmp_path)
