# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Stored pixels of several frames, against pydicom's decoding of the whole object, and what is refused undecoded."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate
from pydicom.uid import ExplicitVRBigEndian, JPEGLSLossless, RLELossless

from monai_acdr.dicom import read_gray_frames, read_gray_image
from monai_acdr.dicom.pixels import pixel_format, stored_frames
from monai_acdr.read_budget import read_budget

FRAMES = 3


@pytest.fixture()
def stack(made: SimpleNamespace) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 1 << 16, (FRAMES, *made.SIZE)).astype("<u2")


def cine(made: SimpleNamespace, path: Path, stack: np.ndarray, **changes: Any) -> Path:
    return Path(made.image(path, NumberOfFrames=len(stack), PixelData=stack.tobytes(), **changes))


@pytest.mark.parametrize("wanted", [None, [1], [2, 3], [3]])
@pytest.mark.parametrize("syntax", ["native", "rle"])
def test_frames(
    made: SimpleNamespace, tmp_path: Path, stack: np.ndarray, syntax: str, wanted: list[int] | None
) -> None:
    dataset = pydicom.dcmread(cine(made, tmp_path / "a.dcm", stack))
    if syntax == "rle":
        dataset.compress(RLELossless)
        dataset = pydicom.dcmread(made.write(dataset, tmp_path / "a.dcm"))
    expected = stack if wanted is None else stack[np.array(wanted) - 1]
    assert np.array_equal(np.stack(list(stored_frames(dataset, "x", wanted))), expected)
    assert np.array_equal(np.stack(list(read_gray_frames(tmp_path / "a.dcm", wanted))), expected.astype(np.float32))


def test_one_frame_is_decoded_at_a_time(
    made: SimpleNamespace, tmp_path: Path, stack: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    dataset = pydicom.dcmread(cine(made, tmp_path / "a.dcm", stack))
    dataset.compress(RLELossless)
    sizes = []
    whole = Dataset.pixel_array.fget  # type: ignore[attr-defined]
    monkeypatch.setattr(Dataset, "pixel_array", property(lambda one: sizes.append(whole(one).size) or whole(one)))
    assert len(list(stored_frames(dataset, "x"))) == FRAMES
    assert sizes == [stack[0].size] * FRAMES


def test_single_bits_run_on_from_frame_to_frame(made: SimpleNamespace, tmp_path: Path) -> None:
    bits = np.random.default_rng(0).integers(0, 2, (FRAMES, *made.SIZE)).astype(np.uint8)
    packed = np.packbits(bits.ravel(), bitorder="little").tobytes()
    path = made.image(
        tmp_path / "a.dcm",
        **{"NumberOfFrames": FRAMES, "BitsAllocated": 1, "BitsStored": 1, "HighBit": 0, "PixelData": packed},
    )
    assert np.array_equal(np.stack(list(stored_frames(pydicom.dcmread(path), "x"))), bits)


def test_padding_behind_the_pixels_is_no_row(made: SimpleNamespace, tmp_path: Path, stack: np.ndarray) -> None:
    dataset = pydicom.dcmread(cine(made, tmp_path / "a.dcm", stack))
    dataset.PixelData += bytes(4096)
    assert np.array_equal(np.stack(list(stored_frames(dataset, "x"))), stack)


def test_big_endian(made: SimpleNamespace, tmp_path: Path, stack: np.ndarray) -> None:
    dataset = pydicom.dcmread(cine(made, tmp_path / "a.dcm", stack))
    dataset.file_meta.TransferSyntaxUID = ExplicitVRBigEndian
    dataset.PixelData = stack.astype(">u2").tobytes()
    if int(pydicom.__version__.split(".")[0]) < 3:
        dataset.is_little_endian = False
    assert np.array_equal(np.stack(list(stored_frames(dataset, "x", [2]))), stack[1:2])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"NumberOfFrames": 4}, "4 frames of 9 x 13 .* truncated"),
        ({"NumberOfFrames": 2}, "2 frames of 9 x 13 .* do not fit the pixels, or NumberOfFrames"),
        ({"PhotometricInterpretation": "RGB", "SamplesPerPixel": 3}, "gray image, .* x is RGB with 3"),
        ({"PhotometricInterpretation": "YBR_FULL"}, "x is YBR_FULL"),
        ({"Modality": "MG", "PresentationLUTShape": "INVERSE"}, "x has MONOCHROME2 with INVERSE"),
        (
            {"Modality": "MG", "PhotometricInterpretation": "MONOCHROME1", "PresentationLUTShape": "IDENTITY"},
            "x has MONOCHROME1 with IDENTITY",
        ),
        ({"BitsAllocated": 64, "BitsStored": 64, "HighBit": 63}, "has 64, 64"),
        ({"PixelData": None, "FloatPixelData": b"\0" * 468}, "floating point numbers"),
    ],
)
def test_refused(
    made: SimpleNamespace, tmp_path: Path, stack: np.ndarray, changes: dict[str, Any], message: str
) -> None:
    path = cine(made, tmp_path / "a.dcm", stack)
    dataset = pydicom.dcmread(path)
    for keyword, value in changes.items():
        if value is None:
            del dataset[keyword]
        else:
            setattr(dataset, keyword, value)
    with pytest.raises(ValueError, match=message):
        list(stored_frames(dataset, "x"))


@pytest.mark.parametrize(
    "changes",
    [
        {"Modality": "CR", "PhotometricInterpretation": "MONOCHROME1", "PresentationLUTShape": "IDENTITY"},
        {"Modality": "MR", "PresentationLUTShape": "INVERSE"},
        {"NumberOfFrames": "0"},
    ],
)
def test_odd_headers_of_good_images_are_read(
    made: SimpleNamespace, tmp_path: Path, stack: np.ndarray, changes: dict[str, Any]
) -> None:
    dataset = pydicom.dcmread(cine(made, tmp_path / "a.dcm", stack[:1]))
    for keyword, value in changes.items():
        setattr(dataset, keyword, value)
    assert next(iter(stored_frames(dataset, "x"))).shape == stack.shape[1:]


def test_several_frames_are_no_image(made: SimpleNamespace, tmp_path: Path, stack: np.ndarray) -> None:
    with pytest.raises(ValueError, match=r"one image, but .*a\.dcm has 3 frames"):
        read_gray_image(cine(made, tmp_path / "a.dcm", stack))


def test_inverse_with_monochrome1_is_one_inversion(made: SimpleNamespace, tmp_path: Path) -> None:
    path = made.image(tmp_path / "a.dcm", PhotometricInterpretation="MONOCHROME1", PresentationLUTShape="INVERSE")
    assert (read_gray_image(path) == 65535).all()


def jpeg_ls(made: SimpleNamespace, path: Path, claim: tuple[int, int]) -> Path:
    """A JPEG-LS file of 9 x 13 pixels whose frame claims another size."""
    imagecodecs = pytest.importorskip("imagecodecs")
    frame = bytearray(imagecodecs.jpegls_encode(np.zeros(made.SIZE, np.uint8)))
    start = frame.index(b"\xff\xf7") + 5
    frame[start : start + 4] = claim[0].to_bytes(2, "big") + claim[1].to_bytes(2, "big")
    dataset = pydicom.dcmread(made.image(path, BitsAllocated=8, BitsStored=8, HighBit=7))
    dataset.file_meta.TransferSyntaxUID, dataset.PixelData = JPEGLSLossless, encapsulate([bytes(frame)])
    dataset["PixelData"].VR, dataset["PixelData"].is_undefined_length = "OB", True
    return Path(made.write(dataset, path))


def test_a_frame_that_claims_more_is_not_decoded(
    made: SimpleNamespace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("jpeg_ls")
    assert not read_gray_image(jpeg_ls(made, tmp_path / "a.dcm", made.SIZE)).any()
    path = jpeg_ls(made, tmp_path / "b.dcm", (31000, 31000))
    monkeypatch.setattr(Dataset, "pixel_array", property(lambda _: pytest.fail("decoded")))
    with pytest.raises(ValueError, match=r"of 9 x 13 .*b\.dcm.* of 31000 x 31000"):
        read_gray_image(path)


def test_the_header_is_held_to_the_budget(made: SimpleNamespace, tmp_path: Path) -> None:
    dataset = pydicom.dcmread(made.image(tmp_path / "a.dcm"))
    dataset.Rows = dataset.Columns = 31000
    with pytest.raises(ValueError, match="x to need at most 512 MiB of memory, but it asks for 3,666 MiB"):
        pixel_format(dataset, "x")
    with read_budget(4000):
        assert pixel_format(dataset, "x").size == (31000, 31000)
