# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from pydicom.encaps import encapsulate

from monai_acdr.data.image_headers import ImageHeader, is_dicom_file, read_image_header
from monai_acdr.data.pictures import is_picture_file

Writer = Callable[..., Path]


def test_dicom(tmp_path: Path, write_dicom: Writer) -> None:
    path = write_dicom(tmp_path / "no_suffix")
    assert is_dicom_file(path)
    assert not is_picture_file(path)
    assert read_image_header(path) == ImageHeader((64, 72), has_spacing=True, spacing=(1.3, 1.3))


def test_png(tmp_path: Path, write_png: Writer) -> None:
    path = write_png(tmp_path / "a.png", np.zeros((4, 6), np.uint8))
    assert read_image_header(path) == ImageHeader((4, 6), has_spacing=False)


def test_dicom_without_preamble(tmp_path: Path, write_dicom: Writer) -> None:
    path = write_dicom(tmp_path / "a.dcm")
    path.write_bytes(path.read_bytes()[132:])
    assert read_image_header(path).size == (64, 72)


@pytest.mark.parametrize("spacing", [None, [0, 0], [-1.0, 1.0]])
def test_no_spacing(tmp_path: Path, write_dicom: Writer, spacing: list[float] | None) -> None:
    path = write_dicom(tmp_path / "a.dcm", PixelSpacing=spacing)
    assert not read_image_header(path).has_spacing


def test_odd_elements_neither_warn_nor_fail(tmp_path: Path, write_dicom: Writer) -> None:
    path = write_dicom(tmp_path / "a.dcm")
    data = path.read_bytes().replace(b"1.2.826", b"1.2.026")  # a UID with a leading zero in a component
    path.write_bytes(data)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert read_image_header(path).has_spacing


@pytest.mark.parametrize("missing", [1, 64, 9000, 9250])
def test_truncated_pixel_data(tmp_path: Path, write_dicom: Writer, missing: int) -> None:
    path = write_dicom(tmp_path / "a.dcm")
    path.write_bytes(path.read_bytes()[:-missing])
    with pytest.raises(ValueError, match="truncated"):
        read_image_header(path)


def test_every_cut_is_noticed(tmp_path: Path, write_dicom: Writer) -> None:
    path = write_dicom(tmp_path / "a.dcm", pixels=np.zeros((3, 5), np.int16))
    data = path.read_bytes()
    for length in range(0, len(data), 7):
        path.write_bytes(data[:length])
        with pytest.raises(ValueError, match="Expected .*a.dcm"):
            read_image_header(path)


def test_pixel_data_shorter_than_the_header_says(tmp_path: Path, write_dicom: Writer) -> None:
    path = write_dicom(tmp_path / "a.dcm", Rows=65)
    with pytest.raises(ValueError, match=f"Expected {65 * 72 * 2} bytes of pixel data, but .* holds {64 * 72 * 2}"):
        read_image_header(path)


def test_encapsulated_pixel_data(tmp_path: Path, write_dicom: Writer) -> None:
    path = write_dicom(tmp_path / "a.dcm", PixelData=b"\0" * 64)
    plain = path.read_bytes()
    head = plain[: plain.rindex(b"\xe0\x7f\x10\x00")].replace(b"1.2.840.10008.1.2.1\0", b"1.2.840.10008.1.2.5\0")
    fragments = encapsulate([b"\1" * 50])
    element = b"\xe0\x7f\x10\x00OB\0\0\xff\xff\xff\xff" + fragments
    path.write_bytes(head + element + b"\xfe\xff\xdd\xe0\0\0\0\0")
    assert read_image_header(path).size == (64, 72)
    for cut in (head + element, head + element[:-20]):
        path.write_bytes(cut)
        with pytest.raises(ValueError, match="stops before it"):
            read_image_header(path)


def test_several_frames(tmp_path: Path, write_dicom: Writer) -> None:
    path = write_dicom(tmp_path / "a.dcm", pixels=np.zeros((2, 8, 8), np.int16), NumberOfFrames=2)
    with pytest.raises(ValueError, match="has 2 frames: split it"):
        read_image_header(path)


def test_no_pixels(tmp_path: Path, write_dicom: Writer) -> None:
    path = write_dicom(tmp_path / "a.dcm", PixelData=None)
    with pytest.raises(ValueError, match="has no PixelData"):
        read_image_header(path)


@pytest.mark.parametrize("suffix", ["png", "jpg", "tif", "bmp"])
def test_pictures(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a.{suffix}"
    Image.fromarray(np.zeros((5, 7), np.uint8)).save(path)
    assert is_picture_file(path) and not is_dicom_file(path)
    assert read_image_header(path) == ImageHeader((5, 7), has_spacing=False)


def test_dicom_that_is_also_tiff_is_dicom(tmp_path: Path, write_dicom: Writer) -> None:
    path = write_dicom(tmp_path / "a.dcm")
    path.write_bytes(b"II*\0" + path.read_bytes()[4:])
    assert is_dicom_file(path) and not is_picture_file(path)
    assert read_image_header(path).has_spacing


def test_damaged_png(tmp_path: Path, write_png: Writer) -> None:
    path = write_png(tmp_path / "a.png", np.arange(10000, dtype=np.uint8).reshape(100, 100))
    path.write_bytes(path.read_bytes()[:-30])
    with pytest.raises(ValueError, match="a.png cannot be read .* damaged or truncated"):
        read_image_header(path)


def test_not_an_image(tmp_path: Path) -> None:
    path = tmp_path / "a.dcm"
    path.write_text("hello")
    with pytest.raises(ValueError, match="is neither: convert it"):
        read_image_header(path)
    with pytest.raises(FileNotFoundError, match="does not exist"):
        read_image_header(tmp_path / "b.dcm")
    with pytest.raises(ValueError, match="not a regular file"):
        read_image_header(tmp_path)


@pytest.mark.parametrize("start", [b"\x08\x00", b"\x02\x00"])
def test_garbage_that_begins_like_dicom(tmp_path: Path, start: bytes) -> None:
    path = tmp_path / "a"
    for seed in range(20):
        path.write_bytes(start + np.random.default_rng(seed).bytes(300))
        with pytest.raises(ValueError, match="Expected a DICOM"):
            read_image_header(path)


@pytest.mark.parametrize(("modality", "spacing"), [("MR", 0.01), ("MR", 300), ("MG", 70), ("OT", 1e-30)])
def test_an_implausible_spacing_is_refused(tmp_path: Path, write_dicom: Writer, modality: str, spacing: float) -> None:
    path = write_dicom(tmp_path / "a.dcm", Modality=modality, PixelSpacing=[spacing, spacing])
    with pytest.raises(ValueError, match=r"a\.dcm has .* mm, which is not plausible: correct its header"):
        read_image_header(path)
