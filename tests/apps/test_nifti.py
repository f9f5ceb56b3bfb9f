# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import torch

from monai_acdr.apps import nifti
from monai_acdr.apps.nifti import is_nifti, read_nifti, write_masks
from monai_acdr.geometry import pixel_to_world

AFFINE = np.array([[0.0, -2.0, 0.3, 10], [1.5, 0, 0, -20], [0, 0, 8, 5], [0, 0, 0, 1]])


def save(path: Path, array: np.ndarray, affine: np.ndarray = AFFINE) -> Path:
    nib.save(nib.Nifti1Image(array.astype(np.float32), affine), path)
    return path


@pytest.mark.parametrize("shape", [(5, 4), (5, 4, 3), (5, 4, 3, 2)])
def test_frames_lie_where_the_voxels_lie(tmp_path: Path, shape: tuple[int, ...]) -> None:
    array = np.random.default_rng(0).random(shape)
    volume = read_nifti(save(tmp_path / "v.nii.gz", array))
    full = array.reshape(*shape, *([1] * (4 - len(shape)))).astype(np.float32)
    assert volume.shape == shape
    assert len(volume.places) == full.shape[2] * full.shape[3]
    for z, t in volume.places:
        frame = volume.frame(z, t)
        assert frame.shape == (4, 5)
        assert frame[3, 1] == full[1, 3, z, t]
        # the centre of pixel (column 1, row 3) is voxel (1, 3, z); LPS to RAS turns x and y
        world = pixel_to_world(torch.tensor([[1.5, 3.5]], dtype=torch.float64), volume.frame_affine(z))[0]
        expected = AFFINE @ [1, 3, z, 1]
        np.testing.assert_allclose(world * torch.tensor([-1, -1, 1]), expected[:3], atol=1e-9)


@pytest.mark.parametrize("shape", [(5, 4), (5, 4, 3, 2)])
def test_masks_have_the_grid_of_the_image(tmp_path: Path, shape: tuple[int, ...]) -> None:
    volume = read_nifti(save(tmp_path / "v.nii", np.zeros(shape)))
    mask = np.zeros((4, 5), dtype=np.uint8)
    mask[3, 1] = 1
    written = nib.load(write_masks(tmp_path / "m.nii.gz", volume, {volume.places[-1]: mask}))
    assert written.shape == shape
    np.testing.assert_allclose(written.affine, AFFINE)
    assert np.argwhere(np.asarray(written.dataobj)).tolist() == [[1, 3, *(n - 1 for n in shape[2:])]]


def test_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert is_nifti(Path("a.NII.GZ"))
    assert not is_nifti(Path("a.gz"))
    (tmp_path / "text.nii").write_text("no volume")
    with pytest.raises(ValueError, match="Expected a NIfTI volume"):
        read_nifti(tmp_path / "text.nii")
    flat = nib.Nifti1Image(np.zeros((3, 3), dtype=np.float32), None)
    flat.header.set_sform(np.diag([1.0, 1, 0, 1]), 1)
    nib.save(flat, tmp_path / "flat.nii")
    with pytest.raises(ValueError, match="singular"):
        read_nifti(tmp_path / "flat.nii")
    with pytest.raises(ValueError, match="2 to 4 dimensions"):
        read_nifti(save(tmp_path / "five.nii", np.zeros((2, 2, 2, 2, 2))))
    monkeypatch.setattr(nifti, "MAX_VOXELS", 10)
    with pytest.raises(ValueError, match="at most 10 voxels"):
        read_nifti(save(tmp_path / "large.nii", np.zeros((5, 4))))
