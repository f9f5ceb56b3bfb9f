# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import itertools
from pathlib import Path

import monai.transforms as mt
import numpy as np
import pydicom
import pytest
import torch
from monai.data import MetaTensor
from monai.data.image_reader import PydicomReader
from PIL import Image
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian

from monai_acdr.data import PictureReader
from monai_acdr.geometry import pixel_spacing, pixel_to_world, world_to_pixel
from monai_acdr.transforms.image_check import CheckImage, CheckImageD, CheckImaged, CheckImageDict

PIXELS = np.arange(6 * 9, dtype=np.uint16).reshape(6, 9)  # 6 rows, 9 columns


def write_dicom(path: Path, **attributes: object) -> Path:
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.MediaStorageSOPClassUID = pydicom.uid.UID("1.2.840.10008.5.1.4.1.1.4")
    meta.MediaStorageSOPInstanceUID = pydicom.uid.UID("1.2.3")
    dataset = FileDataset(str(path), {}, file_meta=meta, preamble=b"\0" * 128)
    dataset.SOPClassUID, dataset.SOPInstanceUID = meta.MediaStorageSOPClassUID, "1.2.3"
    dataset.Modality = "MR"
    dataset.Rows, dataset.Columns = PIXELS.shape
    dataset.BitsAllocated = dataset.BitsStored = 16
    dataset.HighBit, dataset.PixelRepresentation, dataset.SamplesPerPixel = 15, 0, 1
    dataset.PhotometricInterpretation = "MONOCHROME2"
    dataset.PixelData = PIXELS.tobytes()
    for name, value in attributes.items():
        setattr(dataset, name, value)
    if int(pydicom.__version__.split(".")[0]) >= 3:
        dataset.save_as(path, enforce_file_format=True)
    else:
        dataset.is_little_endian, dataset.is_implicit_VR = True, False
        dataset.save_as(path, write_like_original=False)
    return path


def load(path: Path) -> MetaTensor:
    reader = [PydicomReader(swap_ij=False), PictureReader()]
    pipeline = mt.Compose(
        [mt.LoadImaged("image", reader=reader), mt.EnsureChannelFirstd("image"), CheckImaged("image")]
    )
    return pipeline({"image": str(path)})["image"]


def orientations() -> list[tuple[np.ndarray, np.ndarray]]:
    """Row and column directions: both signs of an axis-parallel and an oblique pair, and the pair exchanged."""
    oblique = np.linalg.qr(np.array([[0.8, 0.3, 0.1], [-0.2, 0.7, 0.6], [0.5, -0.4, 0.9]]))[0]
    pairs = [(np.eye(3)[i], np.eye(3)[j]) for i, j in itertools.permutations(range(3), 2)]
    pairs += [(oblique[0], oblique[1]), (oblique[1], oblique[0])]
    return [(a * row, b * column) for row, column in pairs for a in (1, -1) for b in (1, -1)]


@pytest.mark.parametrize(("along_row", "along_column"), orientations())
def test_dicom_follows_the_standard(tmp_path: Path, along_row: np.ndarray, along_column: np.ndarray) -> None:
    """PS3.3 C.7.6.2.1.1: P = S + X * spacing between columns * i + Y * spacing between rows * j, to pixel centers."""
    position = np.array([-101.5, 33.25, 12.0])
    path = write_dicom(
        tmp_path / "a.dcm",
        ImageOrientationPatient=[f"{v:.10f}" for v in (*along_row, *along_column)],
        ImagePositionPatient=position.tolist(),
        PixelSpacing=[1.4, 0.7],  # between rows, between columns
    )
    image = load(path)
    np.testing.assert_array_equal(image.numpy()[0], PIXELS)
    assert tuple(image.meta["spatial_shape"]) == (6, 9)
    np.testing.assert_allclose(image.meta["original_affine"], image.affine)
    corners = torch.tensor([[0.5, 0.5], [8.5, 0.5], [8.5, 5.5], [3.0, 2.0]], dtype=torch.float64)
    steps = (corners - 0.5).numpy()
    expected = position + steps[:, :1] * 0.7 * along_row + steps[:, 1:] * 1.4 * along_column
    np.testing.assert_allclose(pixel_to_world(corners, image.affine), expected, atol=1e-6)
    np.testing.assert_allclose(world_to_pixel(torch.from_numpy(expected), image.affine), corners, atol=1e-6)
    np.testing.assert_allclose(pixel_spacing(image.affine), [1.4, 0.7], atol=1e-8)


def test_png(tmp_path: Path) -> None:
    Image.fromarray(PIXELS.astype(np.uint8)).save(tmp_path / "a.png")
    image = load(tmp_path / "a.png")
    np.testing.assert_array_equal(image.numpy()[0], PIXELS)
    assert tuple(image.meta["spatial_shape"]) == (6, 9)
    torch.testing.assert_close(image.meta["original_affine"], torch.eye(4, dtype=torch.float64))


def test_png_of_16_bits_and_of_color(tmp_path: Path) -> None:
    values = PIXELS * 1000
    Image.fromarray(values).save(tmp_path / "deep.png")
    np.testing.assert_array_equal(load(tmp_path / "deep.png").numpy()[0], values)
    color = np.repeat(PIXELS.astype(np.uint8)[..., None], 3, axis=2)
    Image.fromarray(color).save(tmp_path / "color.png")
    np.testing.assert_array_equal(load(tmp_path / "color.png").numpy()[0], PIXELS)


def test_refusals_name_the_file() -> None:
    meta = {"filename_or_obj": "/data/Jane Doe/frame.dcm"}
    bad = torch.ones(1, 4, 5)
    bad[0, 1, 1] = float("nan")
    for image, message in (
        (torch.ones(4, 5), r"frame\.dcm to be one 2-D frame \(C, H, W\), but got \(4, 5\)"),
        (torch.ones(1, 8, 4, 5), r"frame\.dcm to be one 2-D frame .* one frame of a multi-frame"),
        (torch.ones(3, 4, 5), r"frame\.dcm to have 1 channel.*PictureReader\(\)"),
        (torch.ones(1, 0, 5), r"frame\.dcm to have pixels, but got \(1, 0, 5\)"),
        (bad, r"frame\.dcm to be finite, but it has NaN or Inf"),
        (bad.nan_to_num() / 0, r"frame\.dcm to be finite"),
    ):
        with pytest.raises(ValueError, match=message) as caught:
            CheckImage()(MetaTensor(image, meta=dict(meta)))
        assert "Jane" not in str(caught.value)
    assert CheckImage(channels=None)(torch.ones(3, 4, 5)).shape == (3, 4, 5)


def test_multi_frame_dicom_is_refused(tmp_path: Path) -> None:
    path = write_dicom(
        tmp_path / "cine.dcm", NumberOfFrames=2, PixelData=np.stack([PIXELS, PIXELS]).tobytes(), PixelSpacing=[1, 1]
    )
    with pytest.raises(RuntimeError, match="CheckImage") as caught:  # Compose wraps what a transform raises
        load(path)
    assert "cine.dcm to be one 2-D frame" in str(caught.value.__cause__.__cause__ or caught.value.__cause__)


def test_grid_is_kept_after_a_spatial_transform() -> None:
    image = CheckImage()(MetaTensor(torch.ones(1, 6, 9), meta={"spatial_shape": (9, 6)}))
    assert image.meta["spatial_shape"] == (6, 9)
    cropped = CheckImage()(mt.CenterSpatialCrop((4, 4))(image))
    assert tuple(cropped.meta["spatial_shape"]) == (6, 9)


def test_aliases() -> None:
    assert CheckImaged is CheckImageD is CheckImageDict


def test_real_frames(shared_data: Path) -> None:
    dicom = sorted((shared_data / "sunnybrook_dicom" / "dicoms").glob("*/*.dcm"))[0]
    png = sorted((shared_data / "sunnybrook_png" / "training" / "images").glob("*.png"))[0]
    assert load(dicom).shape == load(png).shape == (1, 256, 256)
    assert 1.2 < float(pixel_spacing(load(dicom).affine)[0]) < 1.4
