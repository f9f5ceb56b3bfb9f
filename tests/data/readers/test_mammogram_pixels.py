# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Stored pixels: bit depths, sizes, transfer syntaxes, and refusals."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate
from pydicom.uid import RLELossless

from monai_acdr.data.readers import _stored_pixels as stored_pixels
from monai_acdr.dicom import pixels as pixels_module
from monai_acdr.dicom.pixels import stored_range

Make = Callable[..., Dataset]


@pytest.mark.parametrize("dtype", ["u1", "i1", "<u2", "<i2", "<u4", "<i4"])
def test_every_integer_type(mammogram: Make, dtype: str) -> None:
    pixels = np.arange(24).astype(dtype).reshape(4, 6) - (12 if "i" in dtype else 0)
    found = stored_pixels(mammogram(pixels.astype(dtype)), "x")
    assert found.dtype == np.dtype(dtype)
    assert np.array_equal(found, pixels)


def test_stored_range() -> None:
    assert stored_range(14, False) == (0, 16383)
    assert stored_range(12, True) == (-2048, 2047)


def test_odd_sizes_and_the_padding_byte(mammogram: Make) -> None:
    pixels = np.arange(15, dtype="u1").reshape(3, 5)
    assert np.array_equal(stored_pixels(mammogram(pixels, PixelData=pixels.tobytes() + b"\0"), "x"), pixels)


def test_rle_is_decoded(mammogram: Make) -> None:
    pixels = np.arange(24, dtype="<u2").reshape(4, 6)
    dataset = mammogram(pixels)
    dataset.compress(RLELossless)
    assert np.array_equal(stored_pixels(dataset, "x"), pixels)


def compressed(mammogram: Make, syntax: str, frame: bytes) -> Dataset:
    dataset = mammogram(syntax=syntax, PixelData=encapsulate([frame]))
    dataset["PixelData"].VR = "OB"
    dataset["PixelData"].is_undefined_length = True
    return dataset


@pytest.mark.parametrize(
    ("syntax", "name"),
    [
        ("1.2.840.10008.1.2.4.70", "JPEG Lossless"),
        ("1.2.840.10008.1.2.4.80", "JPEG-LS"),
        ("1.2.840.10008.1.2.4.51", "JPEG Extended"),
        ("1.2.3.4", "1.2.3.4"),
    ],
)
def test_an_unreadable_transfer_syntax_is_named(
    mammogram: Make, monkeypatch: pytest.MonkeyPatch, syntax: str, name: str
) -> None:
    monkeypatch.setattr(pixels_module, "_has_decoder", lambda _: False)
    dataset = compressed(mammogram, syntax, b"\xff\xd8\xff\xc3 no jpeg ")
    with pytest.raises(
        ValueError, match=rf"x has the transfer syntax {name}.*with 14 bits, for which no decoder.*gdcmconv"
    ) as caught:
        stored_pixels(dataset, "x")
    assert ("monai_acdr[jpeg-lossless]" in str(caught.value)) == (syntax != "1.2.3.4")


def test_decoders_are_blamed_only_when_they_are_the_cause(mammogram: Make) -> None:
    dataset = mammogram(np.arange(24, dtype="<u2").reshape(4, 6))
    dataset.compress(RLELossless)
    form = pixels_module.pixel_format(dataset, "x")
    assert pixels_module._has_decoder(form)
    assert not pixels_module._has_decoder(replace(form, syntax="1.2.3.4"))
    (frame,) = pixels_module._encapsulated(dataset, form, "x")
    with pytest.raises(ValueError, match=r"those of x, in the transfer syntax RLE Lossless.*are damaged") as caught:
        stored_pixels(compressed(mammogram, RLELossless, frame[:-8]), "x")
    assert "install" not in str(caught.value)


@pytest.mark.parametrize(
    ("elements", "message"),
    [
        ({"PixelData": None}, "no PixelData"),
        ({"Rows": None}, "no PixelData, Rows or Columns"),
        ({"NumberOfFrames": 3}, "x has 3 frames"),
        ({"PhotometricInterpretation": "RGB", "SamplesPerPixel": 3}, r"x is RGB with 3 sample"),
        ({"PhotometricInterpretation": "PALETTE COLOR"}, "x is PALETTE COLOR"),
        ({"PhotometricInterpretation": None}, "x is unspecified"),
        ({"BitsAllocated": 12}, "has 12, 14"),
        ({"HighBit": 15}, "HighBit 15"),
        ({"BitsStored": 0}, "has 16, 0"),
        ({"Rows": 5}, "holds 48: the file is truncated"),
        ({"Rows": 3}, "Rows and Columns do not fit"),
        ({"Rows": 60000, "Columns": 60000}, "x to need at most 512 MiB"),
    ],
)
def test_refusals(mammogram: Make, elements: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        stored_pixels(mammogram(**elements), "x")


def test_compressed_pixels_of_another_size_are_refused(mammogram: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    dataset = mammogram(np.arange(24, dtype="<u2").reshape(4, 6))
    dataset.compress(RLELossless)
    monkeypatch.setattr(Dataset, "pixel_array", np.zeros((4, 4), np.uint16))
    with pytest.raises(ValueError, match=r"uint16 of \(1, 4, 4\)"):
        stored_pixels(dataset, "x")
