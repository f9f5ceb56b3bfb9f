# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Files of CBIS-DDSM by the paths of its tables, masks by content."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from monai_acdr.data.mammography.cbis_ddsm import CbisFiles, DicomFile, choose_mask
from monai_acdr.data.phantoms.mammograms import write_cbis_ddsm_cases
from monai_acdr.data.report import QualityReport


@pytest.fixture(scope="module")
def twin(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_cbis_ddsm_cases(tmp_path_factory.mktemp("cbis") / "manifest" / "twin", num_patients=2, size=(64, 52))


def _one(root: Path, pattern: str) -> Path:
    return sorted(root.glob(pattern))[0]


def test_exact_then_folder_then_subject(twin: Path) -> None:
    files = CbisFiles(twin.parent, QualityReport())
    old = _one(twin, "Mass-Training_P_00001_LEFT_CC_1/*/*/000001.dcm")
    text = old.relative_to(twin).as_posix()
    assert files.find(text) == [old]
    assert files.find(text.replace("000001.dcm", "7.dcm")) == [old.with_name("000000.dcm"), old]
    assert files.find("Mass-Training_P_00001_LEFT_CC_1/01-01-2016/1.0-ROI/1-2.dcm") == [
        old.with_name("000000.dcm"),
        old,
    ]
    assert files.find("Mass-Training_P_00009_LEFT_CC_1/a/b/1-1.dcm") == []
    assert files.find("1-1.dcm") == []
    with pytest.raises(ValueError, match="Expected a path within the data set"):
        files.find("../../1-1.dcm")


def test_headers(twin: Path, tmp_path: Path) -> None:
    files = CbisFiles(twin, QualityReport())
    image = _one(twin, "Mass-Test_P_00002_RIGHT_CC/*/*/1-1.dcm")
    assert files.header(image) == DicomFile(image, (64, 52), 16, False)
    cut = tmp_path / "cut.dcm"
    cut.write_bytes(image.read_bytes()[:-100])
    with pytest.raises(ValueError, match=r"cut.dcm holds .*truncated"):
        files.header(cut)
    (tmp_path / "a.dcm").write_bytes(b"nothing" * 40)
    with pytest.raises(ValueError, match=r"a.dcm is not one"):
        files.header(tmp_path / "a.dcm")


def test_masks_by_content(twin: Path) -> None:
    files = CbisFiles(twin, QualityReport())
    first, second = (files.header(p) for p in sorted(twin.glob("Mass-Training_P_00001_LEFT_CC_1/*/*/*.dcm")))
    crop, mask = (first, second) if first.bits == 16 else (second, first)
    image = files.header(_one(twin, "Mass-Training_P_00001_LEFT_CC/*/*/*.dcm"))
    assert choose_mask([crop, mask], (64, 52)) == choose_mask([mask, crop], (64, 52)) == mask
    assert choose_mask([crop], (64, 52)) is None
    assert choose_mask([], (64, 52)) is None
    # Where bits do not tell, values do.
    claimed = DicomFile(image.path, image.size, 8, False)
    assert choose_mask([claimed, mask], (64, 52)) == mask
    assert choose_mask([crop, DicomFile(mask.path, mask.size, 16, False)], (64, 52)).path == mask.path  # type: ignore
    other = DicomFile(mask.path, (32, 26), 8, False)
    assert choose_mask([other, mask], (64, 52)) == mask


def test_nothing_outside_is_found(twin: Path, tmp_path: Path) -> None:
    inner = tmp_path / "data"
    shutil.copytree(twin / "Mass-Test_P_00002_RIGHT_CC", tmp_path / "Mass-Test_P_00002_RIGHT_CC")
    inner.mkdir()
    assert CbisFiles(inner, QualityReport()).find("Mass-Test_P_00002_RIGHT_CC/a/b/1-1.dcm") == []
