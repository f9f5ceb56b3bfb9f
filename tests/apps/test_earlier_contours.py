# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import torch
from PIL import Image

from monai_acdr.apps.documents import ContourDocument, FrameContours, write_contour_document
from monai_acdr.apps.inputs import read_inputs
from monai_acdr.apps.layers import earlier_contours
from monai_acdr.dicom import LV_ENDOCARDIUM, write_rtstruct, write_seg
from monai_acdr.geometry import circle

CIRCLE = circle(torch.tensor([50.0, 40.0]), torch.tensor(10.0), 64).numpy()


@pytest.mark.parametrize("write", [write_rtstruct, write_seg])
def test_dicom_results(study: Path, tmp_path: Path, write: object) -> None:
    inputs = read_inputs(study)
    contours = [None] * 12
    contours[3], contours[7] = CIRCLE, CIRCLE + 5
    write(tmp_path / "result.dcm", contours, inputs.sources)
    found = earlier_contours(tmp_path / "result.dcm", inputs)
    assert [index for index, entry in enumerate(found) if entry] == [3, 7]
    np.testing.assert_allclose(found[7][0].mean(0), [55, 45], atol=0.1)


def test_document_by_uid(study: Path, tmp_path: Path) -> None:
    inputs = read_inputs(study)
    uid, number = inputs.sources[5].key
    frame = FrameContours("whatever", (100, 112), (CIRCLE,), None, uid, number)
    write_contour_document(tmp_path / "c.json", ContourDocument((LV_ENDOCARDIUM,), (frame,)))
    found = earlier_contours(tmp_path / "c.json", inputs)
    np.testing.assert_allclose(found[5][0], CIRCLE, atol=1e-4)


def test_masks_of_pictures_and_volumes(tmp_path: Path) -> None:
    mask = np.zeros((40, 50), dtype=np.uint8)
    mask[10:20, 5:35] = 255
    for name in ("a", "b"):
        Image.fromarray(mask // 2).save(tmp_path / f"{name}.png")
    (tmp_path / "masks").mkdir()
    Image.fromarray(mask).save(tmp_path / "masks" / "b.png")
    inputs = read_inputs(tmp_path / "a.png")
    (one,) = earlier_contours(tmp_path / "masks" / "b.png", inputs)  # one for one, whatever their names
    np.testing.assert_allclose(one[0].min(0), [5, 10], atol=0.51)
    volume = np.zeros((50, 40, 3), dtype=np.float32)
    nib.save(nib.Nifti1Image(volume, np.eye(4)), tmp_path / "v.nii.gz")
    volume[5:35, 10:20, 1] = 1
    nib.save(nib.Nifti1Image(volume, np.eye(4)), tmp_path / "m.nii.gz")
    found = earlier_contours(tmp_path / "m.nii.gz", read_inputs(tmp_path / "v.nii.gz"))
    assert [len(entry) for entry in found] == [0, 1, 0]
    np.testing.assert_allclose(found[1][0].max(0), [35, 20], atol=0.51)


def test_the_labels_of_a_label_map_are_taken_together(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A region is about all of them: here a core of 2 in a rectangle of 1, and a second file with other numbers."""
    labels = np.zeros((40, 50), dtype=np.uint8)
    labels[10:20, 5:35] = 1
    labels[12:16, 10:20] = 2
    labels[20:24, 5:10] = 7
    Image.fromarray(labels).save(tmp_path / "labels.png")
    Image.fromarray(np.full((40, 50), 90, np.uint8)).save(tmp_path / "a.png")
    (found,) = earlier_contours(tmp_path / "labels.png", read_inputs(tmp_path / "a.png"))
    np.testing.assert_allclose([found[0].min(0), found[0].max(0)], [[5, 10], [35, 24]], atol=0.51)
    assert "labels.png has several labels (1, 2, 7)" in caplog.text
    volume = np.zeros((50, 40, 2), dtype=np.uint8)
    volume[..., 1] = labels.T
    nib.save(nib.Nifti1Image(volume.astype(np.float32), np.eye(4)), tmp_path / "v.nii.gz")
    nib.save(nib.Nifti1Image(volume, np.eye(4)), tmp_path / "m.nii.gz")
    found = earlier_contours(tmp_path / "m.nii.gz", read_inputs(tmp_path / "v.nii.gz"))
    assert [len(entry) for entry in found] == [0, 1]
    np.testing.assert_allclose([found[1][0].min(0), found[1][0].max(0)], [[5, 10], [35, 24]], atol=0.51)


def test_refused(study: Path, tmp_path: Path) -> None:
    inputs = read_inputs(study)
    with pytest.raises(FileNotFoundError, match=r"a region \(auto, center"):
        earlier_contours(tmp_path / "absent", inputs)
    mask = np.zeros((40, 50), dtype=np.uint8)
    mask[10:20, 5:35] = 255
    (tmp_path / "masks").mkdir()
    for name in ("a", "b"):
        Image.fromarray(mask).save(tmp_path / f"{name}.png")
        Image.fromarray(mask).save(tmp_path / "masks" / f"{name}.png")
    with pytest.raises(ValueError, match="by name or as many, but got 2"):
        earlier_contours(tmp_path / "masks", read_inputs(tmp_path / "a.png"))
    Image.fromarray(mask[:30]).save(tmp_path / "c.png")
    with pytest.raises(ValueError, match=r"size of their image, \(30, 50\)"):
        earlier_contours(tmp_path / "a.png", read_inputs(tmp_path / "c.png"))
