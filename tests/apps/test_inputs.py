# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from PIL import Image

from monai_acdr.apps.inputs import read_inputs

Edit = Callable[..., Path]


def test_dicom(study: Path) -> None:
    inputs = read_inputs(study)
    assert inputs.kind == "dicom"
    assert len(inputs.frames) == len(inputs.sources) == 12
    frame = inputs.frames[0]
    assert frame.size == (100, 112)
    assert frame.spacing == pytest.approx((1.3, 1.3))
    assert frame.header is not None
    assert frame.header.position is not None
    assert len({frame.name for frame in inputs.frames}) == 12


def test_spacing_where_the_file_tells_none(own_study: Path, edit: Edit) -> None:
    path = edit(sorted(own_study.iterdir())[0], PixelSpacing=None)
    assert read_inputs(path).frames[0].spacing is None
    assert read_inputs(path, spacing=(1.5, 2)).frames[0].spacing == (1.5, 2.0)
    assert read_inputs(own_study / sorted(own_study.iterdir())[1], spacing=(9, 9)).frames[0].spacing[0] == 1.3
    with pytest.raises(ValueError, match="two positive numbers in mm"):
        read_inputs(path, spacing=(1.5, 0))


def test_laterality(mammogram: Path) -> None:
    assert read_inputs(mammogram).frames[0].laterality == "R"


def test_pictures(tmp_path: Path, study: Path) -> None:
    pixels = np.arange(12, dtype=np.uint8).reshape(3, 4)
    Image.fromarray(pixels).save(tmp_path / "b.png")
    Image.fromarray(np.stack([pixels] * 3, -1)).save(tmp_path / "a.bmp")
    (tmp_path / "readme.txt").write_text("no picture")
    inputs = read_inputs(tmp_path, spacing=(2, 3))
    assert inputs.kind == "pictures"
    assert [frame.name for frame in inputs.frames] == ["a", "b"]
    np.testing.assert_array_equal(inputs.frames[1].image[0], pixels)
    assert inputs.frames[0].spacing == (2.0, 3.0)
    assert [entry.file for entry in inputs.skipped] == ["readme.txt"]
    Image.fromarray(pixels).save(tmp_path / "a.png")
    assert [frame.name for frame in read_inputs(tmp_path).frames] == ["frame-0001", "frame-0002", "frame-0003"]
    shutil.copy(sorted(study.iterdir())[0], tmp_path / "image.dcm")
    mixed = read_inputs(tmp_path)
    assert mixed.kind == "dicom"
    assert {entry.kind for entry in mixed.skipped} == {"not_dicom"}


def test_nifti(tmp_path: Path) -> None:
    affine = np.diag([-1.5, -2.0, 8.0, 1.0])
    path = tmp_path / "cine.nii.gz"
    nib.save(nib.Nifti1Image(np.random.default_rng(0).random((6, 5, 3, 2)).astype(np.float32), affine), path)
    inputs = read_inputs(path)
    assert inputs.kind == "nifti"
    assert inputs.volume is not None
    assert [frame.name for frame in inputs.frames[:3]] == [
        "slice-001-phase-001",
        "slice-001-phase-002",
        "slice-002-phase-001",
    ]
    frame = inputs.frames[2]
    assert frame.size == (5, 6)
    assert frame.spacing == pytest.approx((2.0, 1.5))
    assert frame.header.position == pytest.approx((0, 0, 8))  # LPS of voxel (0, 0, 1)
    assert frame.header.orientation == pytest.approx((1, 0, 0, 0, 1, 0))


def test_refused(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="does not exist"):
        read_inputs(tmp_path / "absent")
    with pytest.raises(ValueError, match="found none among 0 file"):
        read_inputs(tmp_path)
    (tmp_path / "x.png").write_text("no picture")
    with pytest.raises(ValueError, match=r"cannot be read \(UnidentifiedImageError\)"):
        read_inputs(tmp_path / "x.png")
