# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""CBIS-DDSM as a data list, on its twin."""

from __future__ import annotations

import csv
import os
import shutil
from pathlib import Path

import numpy as np
import pydicom
import pytest
from monai.transforms import Compose, EnsureChannelFirstd, LoadImaged
from scipy import ndimage

from monai_acdr.data import LoadMassReferenced, mass_data_list
from monai_acdr.data.mammography.cbis_ddsm import cbis_ddsm_data_list, load_cbis_mask
from monai_acdr.data.phantoms.mammograms import write_cbis_ddsm_cases
from monai_acdr.data.readers import MammogramReader
from monai_acdr.data.report import QualityReport
from monai_acdr.transforms import contour_to_mask

TRAIN = "mass_case_description_train_set.csv"


@pytest.fixture(scope="module")
def twin(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_cbis_ddsm_cases(tmp_path_factory.mktemp("cbis"), num_patients=4, size=(128, 104))


@pytest.fixture
def copy(twin: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(twin, tmp_path / "copy"))


def _edit(path: Path, row: int, column: str, value: str) -> None:
    with open(path, newline="") as stream:
        rows = list(csv.reader(stream))
    rows[row][rows[0].index(column)] = value
    with open(path, "w", newline="") as stream:
        csv.writer(stream).writerows(rows)


def test_items(twin: Path) -> None:
    report = QualityReport()
    items = cbis_ddsm_data_list(twin, report=report)
    assert report.counts == {"images": 8, "masses": 12, "patients": 4}
    assert report.kinds() == {"mask_resized": 1}
    assert report.of("mask_resized")[0].subject == "P_00003_LEFT_CC_1"
    assert [item["group"] for item in items] == ["training"] * 6 + ["test"] * 6
    assert len(cbis_ddsm_data_list(twin, "train")) == 6
    first = {key: value for key, value in items[0].items() if key not in ("image", "contour")}
    assert first == {
        "name": "P_00001_LEFT_CC_1",
        "patient": "P_00001",
        "group": "training",
        "laterality": "L",
        "view": "CC",
        "birads": "5",
        "pathology": "MALIGNANT",
        "subtlety": "1",
        "shape": "LOBULATED",
        "margins": "CIRCUMSCRIBED",
        "density": "1",
        "has_spacing": False,
    }
    assert Path(items[0]["image"]).name == "000000.dcm"
    assert {Path(item["image"]).name for item in items[2:]} == {"1-1.dcm"}
    assert mass_data_list(twin)[3]["name"] == items[3]["name"]


def test_masks_lie_on_bright_masses(twin: Path) -> None:
    """Whichever column names them: each mask is brighter than the tissue around it, in its own image."""
    for item in cbis_ddsm_data_list(twin):
        pixels = pydicom.dcmread(item["image"]).pixel_array.astype(np.float64)
        mask = load_cbis_mask(item)
        assert mask.shape == pixels.shape
        ring = ndimage.binary_dilation(mask, iterations=4) & ~ndimage.binary_dilation(mask)
        assert pixels[mask].mean() > 1.2 * pixels[ring].mean()


def test_through_the_pipeline(twin: Path) -> None:
    item = next(i for i in cbis_ddsm_data_list(twin) if i["name"] == "P_00003_LEFT_CC_1")
    reader = MammogramReader(spacing=0.05)
    loaded = Compose([LoadImaged("image", reader=reader), EnsureChannelFirstd("image"), LoadMassReferenced("label")])(
        item
    )
    drawn = contour_to_mask(loaded["reference"][0].as_tensor(), (128, 104), threshold=0.5)[0].numpy()
    assert np.array_equal(drawn, load_cbis_mask(item))


def test_rows_that_cannot_be_used(copy: Path) -> None:
    table = copy / TRAIN
    _edit(table, 1, "image file path", "../../etc/passwd.dcm")
    _edit(table, 2, "left or right breast", "MIDDLE")
    for path in copy.glob("Mass-Training_P_00002_RIGHT_CC_1/*/*/*.dcm"):
        if pydicom.dcmread(path).BitsAllocated == 8:
            path.unlink()
    shutil.rmtree(next(copy.glob("Mass-Training_P_00002_RIGHT_MLO_1")))
    for path in copy.glob("Mass-Test_P_00004_RIGHT_CC/*/*/*.dcm"):
        path.write_bytes(path.read_bytes()[:-10])
    report = QualityReport()
    items = cbis_ddsm_data_list(copy, report=report)
    kinds = {"annotation_without_image": 1, "invalid_image": 2, "invalid_mask": 1, "invalid_row": 2, "mask_resized": 1}
    # What only the first row names, by a path that is refused, belongs to no row.
    assert report.kinds() == kinds | {"not_in_table": 2}
    assert len(items) == 12 - 6
    assert report.of("invalid_row")[0].subject == f"{TRAIN}, row 1"


def test_a_broken_crop_does_not_matter(copy: Path) -> None:
    for path in copy.glob("Mass-T*_1/*/*/*.dcm"):
        if pydicom.dcmread(path).BitsAllocated == 16:
            path.write_bytes(path.read_bytes()[:-10])
    assert len(cbis_ddsm_data_list(copy)) == 12


def test_a_patient_of_both_tables(copy: Path) -> None:
    _edit(copy / TRAIN, 1, "patient_id", "P_00003")
    report = QualityReport()
    items = cbis_ddsm_data_list(copy, report=report)
    assert [item["group"] for item in items if item["patient"] == "P_00003"] == ["test"] * 2
    assert len(items) == 11
    assert report.of("patient_in_two_groups")[0].subject == "P_00003"


def test_a_row_twice(copy: Path) -> None:
    _edit(copy / TRAIN, 4, "abnormality id", "1")
    report = QualityReport()
    assert len(cbis_ddsm_data_list(copy, report=report)) == 11
    assert report.of("duplicate_image")[0].text == "P_00002_RIGHT_CC_1"


def test_errors(twin: Path, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="check `dataset_dir`"):
        cbis_ddsm_data_list(tmp_path / "absent")
    with pytest.raises(FileNotFoundError, match=r"mass_case_description_train_set.csv .*found neither: download them"):
        cbis_ddsm_data_list(tmp_path)
    shutil.copy(twin / TRAIN, tmp_path / TRAIN)
    with pytest.raises(ValueError, match=r"found no mass .*'annotation_without_image': 6.*download the images"):
        cbis_ddsm_data_list(tmp_path)
    with pytest.raises(ValueError, match="`group` to be one of"):
        cbis_ddsm_data_list(twin, "validation")
    with pytest.raises(ValueError, match="Expected an item of cbis_ddsm_data_list"):
        load_cbis_mask({"contour": None})


def test_a_table_cut_off(copy: Path) -> None:
    path = copy / TRAIN
    with open(path, newline="") as stream:
        rows = list(csv.reader(stream))
    with open(path, "w", newline="") as stream:
        csv.writer(stream).writerows(rows[:4])  # 3 of 6 masses
    report = QualityReport()
    items = cbis_ddsm_data_list(copy, report=report)
    kept, lost = ({cell.split("/")[0] for row in part for cell in row if "/" in cell} for part in (rows[1:4], rows[4:]))
    assert len(items) == 9
    assert {Path(finding.subject).parts[0] for finding in report.of("not_in_table")} == lost - kept


@pytest.mark.parametrize("kind", ["pipe", "folder", "device"])
def test_a_table_that_is_no_file(copy: Path, kind: str) -> None:
    path = copy / TRAIN
    path.unlink()
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    else:
        path.symlink_to(os.devnull)
    report = QualityReport()
    assert len(cbis_ddsm_data_list(copy, report=report)) == 6
    assert [finding.subject for finding in report.of("not_a_file")] == [TRAIN]
    assert len(report.of("not_in_table")) > 0


def test_calcifications_need_no_row(copy: Path) -> None:
    folder = next(path for path in copy.iterdir() if path.name.startswith("Mass-Training_P_00001"))
    shutil.copytree(folder, copy / folder.name.replace("Mass-", "Calc-"))
    shutil.copytree(folder, copy / folder.name.replace("P_00001", "P_09999"))
    report = QualityReport()
    assert len(cbis_ddsm_data_list(copy, report=report)) == 12
    assert {Path(finding.subject).parts[0][:21] for finding in report.of("not_in_table")} == {"Mass-Training_P_09999"}
