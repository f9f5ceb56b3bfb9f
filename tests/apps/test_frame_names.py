# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

from pathlib import Path

import pytest
from pydicom.dataset import Dataset

from monai_acdr.apps.documents import check_name, find_frame, frame_names
from monai_acdr.dicom import SourceFrame


def source(
    path: str, frame: int = 1, num_frames: int = 1, name: str = "Doe^Jane", identity: str = "P-123"
) -> SourceFrame:
    header = Dataset()
    header.PatientName, header.PatientID = name, identity
    return SourceFrame(Path(path), header, frame, num_frames, (4, 4), None, None, None, None)


def test_files_give_the_names() -> None:
    assert frame_names([source("x/0001.dcm"), source("x/IM0002"), source("x/v1.2.IMA")]) == ["0001", "IM0002", "v1.2"]
    assert frame_names([source("cine.dcm", n, 2) for n in (1, 2)]) == ["cine-0001", "cine-0002"]


@pytest.mark.parametrize("path", ["x/Jane_1.dcm", "x/DOE.dcm", "x/p_123_0007.dcm", "x/ja-ne.dcm", "x/a:b.dcm"])
def test_names_that_give_the_patient_away_are_not_used(path: str) -> None:
    assert frame_names([source("x/0001.dcm"), source(path)]) == ["frame-0001", "frame-0002"]


def test_folders_do_not_count_and_short_parts_neither() -> None:
    assert frame_names([source("Doe/0001.dcm", name="Li^X", identity="1")]) == ["0001"]


def test_names_are_unique() -> None:
    assert frame_names([source("a/1.dcm"), source("b/1.dcm")]) == ["frame-0001", "frame-0002"]
    assert frame_names([source("a/A.dcm"), source("b/a.dcm")]) == ["frame-0001", "frame-0002"]


def test_frames_are_found() -> None:
    names = ["0001", "0059", "59a"]
    assert find_frame("0059", names) == 1
    assert find_frame("IM-0001-0059-icontour-manual", names) == 1
    assert find_frame("IM-0001-0060-icontour-manual", names) is None
    assert find_frame("59", names) is None
    assert find_frame("IM-0001-0059-ocontour-manual", ["a-59", "b-59"]) is None


@pytest.mark.parametrize("name", ["", ".", "..", ".a", "a/b", "a\\b", "a\n", "x" * 129, " a", "a.", "C:a", "a\x00"])
def test_bad_names(name: str) -> None:
    with pytest.raises(ValueError, match="plain file name"):
        check_name(name)


def test_good_names() -> None:
    assert check_name("22678622-mass 1.é") == "22678622-mass 1.é"
