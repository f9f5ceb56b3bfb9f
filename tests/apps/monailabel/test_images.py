# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import os
import shutil
from pathlib import Path

import nibabel as nib
import numpy as np
import pydicom
import pytest
from PIL import Image

from monai_acdr.apps.monailabel.images import ImageCache, LabelImage, read_label_image, write_nrrd


def test_nifti(volume: LabelImage, volume_file: Path) -> None:
    stored = nib.load(volume_file)
    assert volume.shape == stored.shape == (112, 100, 3) and volume.num_phases == 1 and not volume.is_picture
    np.testing.assert_allclose(volume.affine, stored.affine)
    assert volume.places == ((0, 0), (1, 0), (2, 0)) and volume.frames_of(1, 0) == [1]
    np.testing.assert_array_equal(volume.inputs.frames[2].image.as_tensor()[0].numpy().T, stored.dataobj[:, :, 2])


def test_nrrd_is_as_nifti(volume: LabelImage, volume_file: Path, tmp_path: Path) -> None:
    voxels = np.asarray(nib.load(volume_file).dataobj, dtype=np.float32)
    image = read_label_image(write_nrrd(tmp_path / "a.nrrd", voxels, volume.affine))
    assert (image.shape, image.places) == (volume.shape, volume.places)
    for one, other in zip(image.inputs.frames, volume.inputs.frames, strict=True):
        np.testing.assert_array_equal(one.image.as_tensor(), other.image.as_tensor())
        np.testing.assert_allclose(one.image.affine, other.image.affine)
        assert one.name == other.name and one.header == other.header
        np.testing.assert_allclose(one.spacing, other.spacing)


def test_cine(tmp_path: Path) -> None:
    voxels = np.random.default_rng(0).normal(size=(12, 10, 2, 3)).astype(np.float32)
    nib.save(nib.Nifti1Image(voxels, np.diag([1.0, 2, 3, 1])), tmp_path / "a.nii")
    image = read_label_image(tmp_path / "a.nii")
    assert image.num_phases == 3 and image.frames_of(1, None) == [3, 4, 5] and image.frames_of(1, 2) == [5]
    np.testing.assert_array_equal(image.inputs.frames[5].image.as_tensor()[0].numpy().T, voxels[:, :, 1, 2])


def test_dicom_files(series: LabelImage) -> None:
    assert series.shape == (112, 100, 12) and len(series.sources) == 12
    source = series.sources[0].header
    corner = series.affine @ [0, 0, 0, 1] * [-1, -1, 1, 1]
    np.testing.assert_allclose(corner[:3], source.ImagePositionPatient, atol=1e-4)
    column = (series.affine @ [1, 0, 0, 0])[:3] * [-1, -1, 1]
    wanted = np.array(source.ImageOrientationPatient[:3]) * source.PixelSpacing[1]
    np.testing.assert_allclose(column, wanted, atol=1e-6)


def test_pictures_and_mammograms_have_no_place(mammogram: Path, tmp_path: Path) -> None:
    Image.fromarray(np.arange(200, dtype=np.uint8).reshape(10, 20)).save(tmp_path / "a.png")
    picture = read_label_image(tmp_path / "a.png")
    assert picture.is_picture and picture.shape == (20, 10, 1)
    np.testing.assert_array_equal(picture.affine, np.diag([-1, -1, 1, 1]))
    image = read_label_image(mammogram)
    assert not image.is_picture and image.shape[2] == 1 and image.inputs.frames[0].laterality == "R"


def test_a_converted_series_has_the_grid_of_the_volume(study: Path, tmp_path: Path) -> None:
    """Frames are those of the files, in the order of the volume's slices."""
    files = sorted(study.rglob("*.dcm"), reverse=True)
    pixels = np.stack([pydicom.dcmread(path).pixel_array.T for path in files], axis=-1).astype(np.int16)
    nib.save(nib.Nifti1Image(pixels, np.diag([-1.0, -2, 3, 1])), tmp_path / "a.nii.gz")
    image = read_label_image(tmp_path / "a.nii.gz", study, files)
    assert image.shape == (112, 100, 12) and len(image.sources) == 12
    np.testing.assert_array_equal(image.affine, np.diag([-1, -2, 3, 1]))
    for k, path in enumerate(files):
        assert image.sources[k].header.SOPInstanceUID == pydicom.dcmread(path).SOPInstanceUID
        np.testing.assert_array_equal(image.inputs.frames[k].image.as_tensor()[0].numpy().T, pixels[:, :, k])


def test_a_volume_of_other_frames_is_used_alone(study: Path, volume_file: Path, volume: LabelImage) -> None:
    image = read_label_image(volume_file, study)
    assert image.shape == volume.shape and not image.sources


def test_cache(volume_file: Path, tmp_path: Path) -> None:
    path = tmp_path / "a.nii.gz"
    shutil.copyfile(volume_file, path)
    cache = ImageCache()
    first = cache.read(path)
    assert cache.read(path) is first
    os.utime(path, (1, 1))
    second = cache.read(path)
    assert second is not first
    small = ImageCache(max_pixels=first.num_pixels + 1)
    other = tmp_path / "b.nii.gz"
    shutil.copyfile(volume_file, other)
    kept = small.read(path)
    assert small.read(path) is kept
    small.read(other)
    assert small.read(path) is not kept  # there is room for one
    assert ImageCache(max_pixels=1).read(path) is not None
    with pytest.raises(FileNotFoundError, match="nothing"):
        cache.read(tmp_path / "nothing.nii")
