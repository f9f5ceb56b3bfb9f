# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

from pathlib import Path

import pytest

from monai_acdr.data.cardiac_nifti import find_cardiac_cases

NAMES = ("ED.nii.gz", "ED_gt.nii.gz", "ES.nii.gz", "ES_gt.nii.gz")


def make(folder: Path, names: tuple[str, ...] = NAMES) -> Path:
    folder.mkdir(parents=True)
    for name in names:
        (folder / name).touch()
    return folder


def test_patients_in_natural_order_and_what_is_left_out(tmp_path: Path) -> None:
    make(tmp_path / "patient10")
    make(tmp_path / "patient9", tuple(name.removesuffix(".gz") for name in NAMES))
    make(tmp_path / "patient2", NAMES[:3])
    (tmp_path / "readme.txt").touch()
    cases, left_out = find_cardiac_cases(tmp_path)
    assert [case.name for case in cases] == ["patient9", "patient10"]
    assert [path.name for path in cases[1].images] == ["ED.nii.gz", "ES.nii.gz"]
    assert [path.name for path in cases[0].labels] == ["ED_gt.nii", "ES_gt.nii"]
    assert left_out == ["patient2: ES_gt missing"]


def test_a_folder_of_one_patient(tmp_path: Path) -> None:
    ((case,), left_out) = find_cardiac_cases(make(tmp_path / "p"))
    assert case.name == "p" and not left_out


def test_nothing_there(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="does not exist"):
        find_cardiac_cases(tmp_path / "none")
    make(tmp_path / "p", NAMES[:1])
    with pytest.raises(ValueError, match=r"found none in 1 folder\(s\): p: ED_gt, ES, ES_gt missing"):
        find_cardiac_cases(tmp_path)
