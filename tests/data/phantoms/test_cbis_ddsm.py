# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""The twin of CBIS-DDSM: the same bytes each time, and every oddity in it."""

from __future__ import annotations

import csv
from pathlib import Path

import pydicom
import pytest

from monai_acdr.data.phantoms.mammograms import COLUMNS, write_cbis_ddsm_cases


def _digest(root: Path) -> dict[str, bytes]:
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in root.rglob("*") if path.is_file()}


@pytest.fixture(scope="module")
def twin(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_cbis_ddsm_cases(tmp_path_factory.mktemp("cbis"), num_patients=3, size=(64, 52))


def _rows(path: Path) -> list[dict[str, str]]:
    with open(path, newline="") as stream:
        return list(csv.DictReader(stream))


def test_same_bytes(twin: Path, tmp_path: Path) -> None:
    assert _digest(write_cbis_ddsm_cases(tmp_path / "a", num_patients=3, size=(64, 52))) == _digest(twin)
    assert _digest(write_cbis_ddsm_cases(tmp_path / "a", num_patients=3, size=(64, 52), seed=1)) != _digest(twin)


def test_oddities(twin: Path) -> None:
    train, test = (_rows(twin / f"mass_case_description_{split}_set.csv") for split in ("train", "test"))
    assert tuple(train[0]) == COLUMNS
    assert [row["patient_id"] for row in train + test] == ["P_00001"] * 2 + ["P_00002"] * 4 + ["P_00003"] * 2
    bits = []
    for row in train + test:
        for column in ("cropped image file path", "ROI mask file path"):
            stated = twin / row[column].strip()
            actual = stated if row["patient_id"] == "P_00001" else stated.with_name(f"1-{int(stated.stem) + 1}.dcm")
            bits.append(pydicom.dcmread(actual, stop_before_pixels=True).BitsAllocated)
    assert bits == [16, 8, 8, 16] * 4
    assert sum(row["ROI mask file path"].endswith("\n") for row in train + test) == 3
    (path,) = (p for p in twin.glob("Mass-Test_P_00003_LEFT_CC_1/*/*/*.dcm") if pydicom.dcmread(p).BitsAllocated == 8)
    assert pydicom.dcmread(path).pixel_array.shape == (51, 42)


def test_arguments(tmp_path: Path) -> None:
    path = write_cbis_ddsm_cases(tmp_path / "a", num_patients=2, size=(64, 52), spacing=0.05)
    assert list(pydicom.dcmread(next(path.rglob("*.dcm"))).PixelSpacing) == [0.05, 0.05]
    with pytest.raises(ValueError, match="Expected `num_patients` >= 2"):
        write_cbis_ddsm_cases(tmp_path / "b", num_patients=1)
    (tmp_path / "c").mkdir()
    (tmp_path / "c" / "mine.txt").touch()
    with pytest.raises(FileExistsError, match=r"mine.txt was not written by this generator"):
        write_cbis_ddsm_cases(tmp_path / "c", num_patients=2, size=(64, 52))
