# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from monai_acdr.apps.study_files import choose_series, find_series
from monai_acdr.dicom import read_sources, write_rtstruct, write_seg
from monai_acdr.geometry import circle

Edit = Callable[..., Path]
CONTOUR = circle(torch.tensor([50.0, 50.0]), torch.tensor(10.0), 16).numpy()


def test_all_files_of_a_folder(study: Path) -> None:
    series, skipped = find_series(study)
    assert not skipped
    assert [len(frames) for frames in series] == [12]
    assert choose_series(series, None) is series[0]
    assert find_series(next(study.iterdir()))[0][0][0].size == (100, 112)


def test_what_is_left_out_has_a_reason(own_study: Path) -> None:
    files = sorted(own_study.iterdir())
    shutil.copy(files[0], own_study / "again.dcm")
    (own_study / "notes.txt").write_text("hello")
    (own_study / "half.dcm").write_bytes(files[1].read_bytes()[:300])
    sources = read_sources(files)
    write_rtstruct(own_study / "rt.dcm", [CONTOUR] + [None] * 11, sources)
    write_seg(own_study / "seg.dcm", [CONTOUR] + [None] * 11, sources)
    series, skipped = find_series(own_study)
    assert [len(frames) for frames in series] == [12]
    kinds = {entry.file: entry.kind for entry in skipped}
    assert kinds.pop("half.dcm") == "unreadable"
    assert kinds.pop("notes.txt") == "not_dicom"
    assert kinds.pop("seg.dcm") == "result"
    assert kinds.pop("rt.dcm") == "result"
    assert list(kinds.values()) == ["duplicate"]
    assert all(entry.reason for entry in skipped)


def test_two_patients(own_study: Path, edit: Edit) -> None:
    edit(sorted(own_study.iterdir())[3], PatientID="somebody else")
    with pytest.raises(ValueError, match="images of one patient, but got 2"):
        find_series(own_study)


def test_an_instance_that_differs_from_its_twin(own_study: Path, edit: Edit) -> None:
    edit(sorted(own_study.iterdir())[0], to=own_study / "twin.dcm", InstanceNumber=77)
    with pytest.raises(ValueError, match="different files of the same one"):
        find_series(own_study)


def test_mixed_series(own_study: Path, edit: Edit) -> None:
    files = sorted(own_study.iterdir())
    for file in files[:5]:
        edit(file, SeriesInstanceUID="1.2.3.4", SeriesNumber=42, SeriesDescription="Doe^Jane")
    series, _ = find_series(own_study)
    with pytest.raises(ValueError, match=r"one series, but got 2 of 2: choose one with --series") as error:
        choose_series(series, None)
    assert "number 42, MR, 5 frame(s) of 100 x 112, UID 1.2.3.4" in str(error.value)
    assert "Doe" not in str(error.value)
    assert len(choose_series(series, "42")) == 5
    assert len(choose_series(series, "1.2.3.4")) == 5
    with pytest.raises(ValueError, match="number or UID '43', but got 0 of 2"):
        choose_series(series, "43")


def test_nothing_to_read(tmp_path: Path, study: Path) -> None:
    with pytest.raises(FileNotFoundError, match="does not exist"):
        find_series(tmp_path / "absent")
    with pytest.raises(ValueError, match="the folder is empty"):
        find_series(tmp_path)
    sources = read_sources(sorted(study.iterdir())[:1])
    write_seg(tmp_path / "seg.dcm", [CONTOUR], sources)
    with pytest.raises(ValueError, match="a segmentation, not an image"):
        find_series(tmp_path / "seg.dcm")
