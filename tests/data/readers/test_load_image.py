# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from monai_acdr.data import (
    DicomFrameReader,
    LoadImage,
    LoadImageD,
    LoadImaged,
    LoadImageDict,
    NiftiSliceReader,
    PictureReader,
    example_study,
)

READERS = [NiftiSliceReader(), DicomFrameReader(), PictureReader()]


def test_reads_as_monai_s_without_a_warning(tmp_path: Path) -> None:
    values = np.arange(12, dtype=np.uint8).reshape(3, 4)
    Image.fromarray(values).save(tmp_path / "a.png")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        load = LoadImaged("image", reader=PictureReader())
    np.testing.assert_array_equal(load({"image": tmp_path / "a.png"})["image"], values)
    assert LoadImageD is LoadImageDict is LoadImaged


def test_content_decides_which_reader_takes_a_file(tmp_path: Path) -> None:
    values = np.arange(12, dtype=np.uint8).reshape(3, 4)
    for name, kind in (("a.jpg", "PNG"), ("b.PNG", "PNG"), ("c.dcm", "TIFF"), ("d", "BMP")):
        Image.fromarray(values).save(tmp_path / name, format=kind)
        np.testing.assert_array_equal(LoadImage(reader=READERS)(tmp_path / name), values)
    frame = next(example_study().rglob("120.dcm"))
    (tmp_path / "frame.png").write_bytes(frame.read_bytes())
    for readers in (READERS, READERS[::-1]):
        image = LoadImaged("image", reader=readers)({"image": tmp_path / "frame.png"})["image"]
        np.testing.assert_array_equal(image, LoadImage(reader=DicomFrameReader())(frame))
        assert image.pixdim[0] != 1  # its spacing in mm


def test_no_reader_of_monai_takes_what_the_given_ones_refuse(tmp_path: Path) -> None:
    """MONAI's would read the first frame of an animation, and others with rows and columns exchanged."""
    picture = Image.fromarray(np.zeros((3, 4), np.uint8))
    picture.save(tmp_path / "a.png", format="GIF")
    picture.save(tmp_path / "b.jpg", format="WEBP")
    picture.save(tmp_path / "c.tif", save_all=True, append_images=[picture])
    whole = next(example_study().rglob("120.dcm")).read_bytes()
    (tmp_path / "d.dcm").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "e.png").write_bytes(b"text")
    refusals = {
        "a.png": r"Expected a picture \(PNG, JPEG, TIFF, BMP\), but .*a\.png cannot be read",
        "b.jpg": r"Expected a picture \(PNG, JPEG, TIFF, BMP\), but .*b\.jpg cannot be read",
        "c.tif": r"Expected one picture in a file, but .*c\.tif holds several",
        "d.dcm": r"d\.dcm",
        "e.png": r"Expected a picture \(PNG, JPEG, TIFF, BMP\), but .*e\.png cannot be read",
    }
    for name, refusal in refusals.items():
        with pytest.raises(ValueError, match=refusal):
            LoadImage(reader=READERS)(tmp_path / name)
        with pytest.raises(ValueError, match=refusal):
            LoadImaged("image", reader=READERS, ensure_channel_first=True)({"image": tmp_path / name})
    with pytest.raises(FileNotFoundError, match=r"absent\.png"):
        LoadImage(reader=READERS)(tmp_path / "absent.png")
    assert LoadImaged("image", image_only=False)({"image": tmp_path / "b.jpg"})["image"].numel() > 0  # without a reader
