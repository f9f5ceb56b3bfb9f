# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Modality, VOI, inversion and padding, against pydicom's own float64 functions and numbers worked out by hand."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from monai_acdr.dicom.gray import apply_voi, gray_values

try:
    from pydicom.pixels import apply_modality_lut, apply_voi_lut
except ImportError:  # pydicom 2
    from pydicom.pixel_data_handlers.util import apply_modality_lut, apply_voi_lut

Make = Callable[..., Dataset]


def values(dataset: Dataset, voi: str = "none", modality: bool = True) -> np.ndarray:
    kind = "<i2" if dataset.PixelRepresentation else "<u2"
    stored = np.frombuffer(dataset.PixelData, kind).reshape(dataset.Rows, dataset.Columns)
    apply = None if voi == "none" else lambda image: apply_voi(image, dataset, "x", voi)
    return gray_values(dataset, "x", stored, modality=modality, voi=apply)


def lut(first: int, bits: int, table: Any) -> Sequence:
    item = Dataset()
    item.add_new("LUTDescriptor", "US", [len(table), first, bits])
    item.add_new("LUTData", "US", [int(value) for value in table])
    return Sequence([item])


@pytest.fixture
def pixels() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 1 << 14, (9, 7)).astype("<u2")


def test_rescale(mammogram: Make, pixels: np.ndarray) -> None:
    dataset = mammogram(pixels, RescaleSlope="0.5", RescaleIntercept="-100")
    assert np.allclose(values(dataset), apply_modality_lut(pixels, dataset))
    assert np.array_equal(values(dataset, modality=False), pixels)
    dataset.PhotometricInterpretation = "MONOCHROME1"
    # The range [0, 16383] becomes [-100, 8091.5]: the lowest value becomes the highest.
    assert np.allclose(values(dataset), 7991.5 - (0.5 * pixels - 100))


def test_modality_table(mammogram: Make) -> None:
    pixels = np.array([[0, 10, 11], [12, 13, 500]], dtype="<u2")
    dataset = mammogram(pixels, ModalityLUTSequence=lut(10, 12, [5, 900, 4095]))
    assert values(dataset).tolist() == [[5, 5, 900], [4095, 4095, 4095]]
    dataset.PhotometricInterpretation = "MONOCHROME1"
    assert values(dataset).tolist() == [[4090, 4090, 3195], [0, 0, 0]]


@pytest.mark.parametrize("function", ["LINEAR", "LINEAR_EXACT", "SIGMOID", None])
@pytest.mark.parametrize("photometric", ["MONOCHROME1", "MONOCHROME2"])
def test_windows_agree_with_pydicom(mammogram: Make, pixels: np.ndarray, function: str, photometric: str) -> None:
    window = {"WindowCenter": ["6000", "1"], "WindowWidth": ["5000", "1"]}
    dataset = mammogram(pixels, VOILUTFunction=function, PhotometricInterpretation=photometric, **window)
    expected = apply_voi_lut(pixels, dataset, prefer_lut=False) / 16383
    expected = 1 - expected if photometric == "MONOCHROME1" else expected
    for voi in ("window", "auto"):
        assert np.allclose(values(dataset, voi), expected, atol=1e-5)


def test_a_window_of_one_value_is_a_step(mammogram: Make) -> None:
    dataset = mammogram(np.array([[9, 10, 11]], dtype="<u2"), WindowCenter="10.5", WindowWidth="1")
    assert values(dataset, "window").tolist() == [[0, 0.5, 1]]


def test_voi_table_agrees_with_pydicom_and_wins(mammogram: Make, pixels: np.ndarray) -> None:
    table = np.linspace(0, 4095, 5000).astype(int)
    sequence = lut(3000, 12, table)
    dataset = mammogram(pixels, VOILUTSequence=sequence, WindowCenter="1", WindowWidth="10")
    expected = apply_voi_lut(pixels, dataset, prefer_lut=True) / 4095
    for voi in ("lut", "auto"):
        assert np.allclose(values(dataset, voi), expected, atol=1e-6)


def test_a_table_of_bytes_reads_the_same(mammogram: Make, pixels: np.ndarray) -> None:
    table = np.linspace(0, 4095, 5000).astype("<u2")
    dataset = mammogram(pixels, VOILUTSequence=lut(3000, 12, table))
    expected = values(dataset, "lut")
    dataset.VOILUTSequence[0].add_new("LUTData", "OW", table.tobytes())
    assert np.array_equal(values(dataset, "lut"), expected)


def test_auto_without_voi_scales_the_range(mammogram: Make, pixels: np.ndarray) -> None:
    assert np.allclose(values(mammogram(pixels), "auto"), pixels / 16383)


@pytest.mark.parametrize(("voi", "wanted"), [("window", "WindowCenter"), ("lut", "VOILUTSequence")])
def test_a_wanted_voi_must_be_there(mammogram: Make, voi: str, wanted: str) -> None:
    with pytest.raises(ValueError, match=f"Expected {wanted}.*x has none"):
        values(mammogram(), voi)


@pytest.mark.parametrize(
    ("elements", "voi"),
    [
        ({"WindowCenter": "5", "WindowWidth": "0"}, "window"),
        ({"WindowCenter": "5", "WindowWidth": "9", "VOILUTFunction": "CUBIC"}, "window"),
        ({"RescaleSlope": "0"}, "none"),
        ({"VOILUTSequence": lut(0, 40, [1, 2])}, "lut"),
        ({"VOILUTSequence": Sequence([Dataset()])}, "lut"),
    ],
)
def test_unusable_numbers_are_refused(mammogram: Make, elements: dict[str, Any], voi: str) -> None:
    with pytest.raises(ValueError, match=r"Expected .* x\b"):
        values(mammogram(**elements), voi)


@pytest.mark.parametrize("photometric", ["MONOCHROME1", "MONOCHROME2"])
def test_padding_becomes_the_darkest_of_the_rest(mammogram: Make, photometric: str) -> None:
    pixels = np.array([[16383, 50], [70, 16383]], dtype="<u2")
    dataset = mammogram(pixels, PixelPaddingValue=16383, PhotometricInterpretation=photometric)
    inverted = photometric == "MONOCHROME1"
    low, high = (16383 - 70, 16383 - 50) if inverted else (50, 70)
    expected = [[low, high], [low, low]] if inverted else [[low, low], [high, low]]
    assert values(dataset).tolist() == expected


def test_padding_range_and_signs(mammogram: Make) -> None:
    pixels = np.array([[-2000, -1990, 7], [3, -2001, 1]], dtype="<i2")
    dataset = mammogram(pixels, BitsStored=12, HighBit=11)
    dataset.add_new("PixelPaddingValue", "US", 65536 - 2000)
    dataset.add_new("PixelPaddingRangeLimit", "SS", -1990)
    assert values(dataset).tolist() == [[-2001, -2001, 7], [3, -2001, 1]]


def test_negative_padding_of_an_unsigned_image(mammogram: Make) -> None:
    pixels = np.array([[65535, 9]], dtype="<u2")
    dataset = mammogram(pixels, BitsStored=14)
    dataset.add_new("PixelPaddingValue", "SS", -1)
    assert values(dataset).tolist() == [[9, 9]]


def test_nothing_but_padding_is_background(mammogram: Make) -> None:
    dataset = mammogram(np.full((2, 2), 7, dtype="<u2"), PixelPaddingValue=7)
    assert values(dataset).tolist() == [[0, 0], [0, 0]]


def test_bits_above_the_stored_ones_are_dropped(mammogram: Make) -> None:
    # An overlay in bit 15, and a negative number whose sign was not extended.
    assert values(mammogram(np.array([[0x8005, 3]], dtype="<u2"))).tolist() == [[5, 3]]
    signed = mammogram(np.array([[0x3FFF, 3]], dtype="<i2"))
    assert values(signed).tolist() == [[-1, 3]]
