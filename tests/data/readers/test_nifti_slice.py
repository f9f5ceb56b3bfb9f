# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import torch
from monai.data import MetaTensor

from monai_acdr.data import LoadReference, NiftiSliceReader, parse_slice_name, slice_name

AFFINE = np.diag([1.5, 1.25, 8.0, 1.0])


def save(path: Path, voxels: np.ndarray) -> Path:
    nib.save(nib.Nifti1Image(voxels, AFFINE), path)
    return path


def test_names() -> None:
    assert slice_name("a/ED.nii.gz", 4) == "a/ED.nii.gz#slice=4"
    assert slice_name(Path("a") / "ED_gt.nii", 0, (2, 3)) == "a/ED_gt.nii#slice=0&label=2,3"
    assert parse_slice_name("a/ED_gt.nii#slice=0&label=2,3") == (Path("a/ED_gt.nii"), 0, (2, 3))
    assert parse_slice_name("a#slice=1/ED.nii.gz#slice=12") == (Path("a#slice=1/ED.nii.gz"), 12, ())
    for name in ("ED.nii.gz", "ED.png#slice=1", "ED.nii#slice=", "ED.nii#slice=1&label=", "ED.nii#slice=-1", ""):
        assert parse_slice_name(name) is None
    reader = NiftiSliceReader()
    assert reader.verify_suffix("ED.nii#slice=1") and not reader.verify_suffix(["ED.nii#slice=1", "ED.nii"])


def test_slices_and_masks(tmp_path: Path) -> None:
    voxels = np.random.default_rng(0).integers(0, 4, (6, 5, 3)).astype(np.uint8)
    path, reader = save(tmp_path / "v.nii.gz", voxels), NiftiSliceReader()
    for index in range(3):
        pixels, meta = reader.get_data(reader.read(slice_name(path, index)))
        np.testing.assert_array_equal(pixels, voxels[:, :, index].T)
        assert pixels.dtype == np.float32 and meta["spatial_shape"].tolist() == [5, 6]
        np.testing.assert_allclose(meta["affine"] @ [2, 1, 0, 1], AFFINE @ [1, 2, index, 1])  # row 2, column 1
    mask, _ = reader.get_data(reader.read(slice_name(path, 1, (1, 3))))
    np.testing.assert_array_equal(mask, np.isin(voxels[:, :, 1].T, (1, 3)))
    save(path, voxels[::-1].copy())  # a changed file is read again
    np.testing.assert_array_equal(reader.get_data(reader.read(slice_name(path, 0)))[0], voxels[::-1, :, 0].T)


def test_refused(tmp_path: Path) -> None:
    reader = NiftiSliceReader()
    path = save(tmp_path / "v.nii", np.ones((6, 5, 3), dtype=np.uint8))
    cine = save(tmp_path / "cine.nii", np.ones((6, 5, 3, 2), dtype=np.uint8))
    with pytest.raises(ValueError, match=r"name of one slice, FILE\.nii\.gz#slice=NUMBER, but got \['a\.nii'\]"):
        reader.read("a.nii")
    with pytest.raises(ValueError, match=r"to have a slice 3 of one phase, but its shape is \(6, 5, 3\)"):
        reader.get_data(reader.read(slice_name(path, 3)))
    with pytest.raises(ValueError, match=r"slice 0 of one phase, but its shape is \(6, 5, 3, 2\)"):
        reader.get_data(reader.read(slice_name(cine, 0)))
    with pytest.raises(FileNotFoundError, match="a NIfTI volume, but .* does not exist"):
        reader.get_data(reader.read(slice_name(tmp_path / "none.nii", 0)))
    image = MetaTensor(torch.zeros(1, 5, 6))
    with pytest.raises(FileNotFoundError, match=r"mask file, but .*none\.nii does not exist"):
        LoadReference()(slice_name(tmp_path / "none.nii", 0, (1,)), image)
    with pytest.raises(ValueError, match=r"object in .*v\.nii#slice=0&label=2, but the mask is empty"):
        LoadReference()(slice_name(path, 0, (2,)), image)
