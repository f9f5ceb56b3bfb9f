# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
import pydicom
import pytest
import torch
from PIL import Image

from monai_acdr.apps.monailabel.answers import (
    contour_records,
    draw_labels,
    extension_of,
    write_labels,
    write_seg_of_contours,
)
from monai_acdr.apps.monailabel.images import LabelImage, read_label_image, read_nrrd
from monai_acdr.apps.monailabel.outlining import Outlined
from monai_acdr.dicom import LV_ENDOCARDIUM, Algorithm

SQUARE = np.array([[20.0, 30], [26, 30], [26, 50], [20, 50]])  # columns 20 to 25, rows 30 to 49


LV = (LV_ENDOCARDIUM,)


def outlined(frame: int, vertices: np.ndarray = SQUARE) -> Outlined:
    return Outlined(frame, (vertices,), vertices[None], torch.tensor([23.0, 40, 30, 30, 0]), "box")


@pytest.fixture()
def picture(tmp_path: Path) -> LabelImage:
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (60, 40), dtype=np.uint8)).save(tmp_path / "p.png")
    return read_label_image(tmp_path / "p.png")


def test_extension(volume: LabelImage, series: LabelImage, picture: LabelImage) -> None:
    assert extension_of(None, volume) == ".nii.gz" and extension_of(None, picture) == ".png"
    assert extension_of("nrrd", volume) == ".nrrd" and extension_of(".seg.nrrd", volume) == ".nrrd"
    assert extension_of(".dcm", series) == ".dcm"
    with pytest.raises(ValueError, match="to be one of"):
        extension_of("../../x", volume)
    with pytest.raises(ValueError, match="Expected a DICOM image"):
        extension_of(".dcm", volume)
    with pytest.raises(ValueError, match="Expected a single slice for a PNG"):
        extension_of(".png", volume)


def test_voxels(volume: LabelImage) -> None:
    """By hand: (x, y) are the first two axes, of voxels whose centers are at + 0.5."""
    labels = draw_labels(volume, [outlined(1)])
    expected = np.zeros((112, 100, 3), np.uint8)
    expected[20:26, 30:50, 1] = 1
    np.testing.assert_array_equal(labels, expected)
    assert draw_labels(volume, [], "int16").dtype == np.int16
    with pytest.raises(ValueError, match="Expected `result_dtype` to be one of"):
        draw_labels(volume, [], "object")


def test_files(volume: LabelImage, picture: LabelImage, tmp_path: Path) -> None:
    labels = draw_labels(volume, [outlined(1)])
    nifti = nib.load(write_labels(tmp_path / "a.nii.gz", labels, volume))
    np.testing.assert_array_equal(nifti.dataobj, labels)
    np.testing.assert_allclose(nifti.affine, volume.affine, atol=1e-5)
    voxels, affine = read_nrrd(write_labels(tmp_path / "a.nrrd", labels, volume))
    np.testing.assert_array_equal(voxels, labels)
    np.testing.assert_allclose(affine, volume.affine)
    drawn = draw_labels(picture, [outlined(0)])
    stored = np.asarray(Image.open(write_labels(tmp_path / "a.png", drawn, picture)))
    assert stored.shape == (60, 40) and stored[30:50, 20:26].all() and stored.sum() == 120


def test_segmentation(series: LabelImage, tmp_path: Path) -> None:
    path = write_seg_of_contours(tmp_path / "a.dcm", [outlined(4)], series, LV, Algorithm("test"))
    seg = pydicom.dcmread(path)
    (group,) = seg.PerFrameFunctionalGroupsSequence
    source = group.DerivationImageSequence[0].SourceImageSequence[0]
    assert source.ReferencedSOPInstanceUID == series.sources[4].key[0]
    assert seg.pixel_array[30:50, 20:26].all() and seg.pixel_array.sum() == 120


def test_records(volume: LabelImage, series: LabelImage, picture: LabelImage) -> None:
    (record,) = contour_records(volume, [outlined(1)], LV)
    assert (record["slice"], record["phase"], record["frame"], record["sop_instance_uid"]) == (1, 0, "slice-002", None)
    assert record["vertices_px"] == SQUARE.tolist() and record["centroid_px"] == [23, 40] and not record["corrected"]
    indices = np.column_stack([SQUARE - 0.5, np.ones(4), np.ones(4)])
    np.testing.assert_allclose(record["vertices_mm"], (volume.affine @ indices.T).T[:, :3] * [-1, -1, 1], atol=1e-3)
    (record,) = contour_records(series, [outlined(4)], LV)
    assert record["sop_instance_uid"] == series.sources[4].key[0]
    np.testing.assert_allclose(record["vertices_mm"], series.sources[4].to_world(SQUARE), atol=1e-4)
    assert contour_records(picture, [outlined(0)], LV)[0]["vertices_mm"] is None
