# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Gray values of any modality, against pydicom's functions and numbers worked out manually.

Padding, tables and windows are tested with mammograms, in tests/data/readers.
"""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pydicom
import pytest
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from monai_acdr.dicom import read_gray_frames, read_gray_image

try:
    from pydicom.pixels import apply_color_lut
except ImportError:  # pydicom 2
    from pydicom.pixel_data_handlers.util import apply_color_lut


def numbers(made: SimpleNamespace, dtype: str = "<u2", high: int = 4096) -> np.ndarray:
    low = -high if "i" in dtype else 0
    return np.random.default_rng(0).integers(low, high, made.SIZE).astype(dtype)


@pytest.mark.parametrize("signed", [0, 1])
def test_monochrome1_is_inverted(made: SimpleNamespace, tmp_path: Path, signed: int) -> None:
    """The highest value that 16 bits hold becomes the lowest, whatever the modality."""
    pixels = numbers(made, "<i2" if signed else "<u2")
    changes = {"PixelRepresentation": signed, "PixelData": pixels.tobytes()}
    path = made.image(tmp_path / "a.dcm", PhotometricInterpretation="MONOCHROME1", **changes)
    expected = -1.0 - pixels if signed else 65535.0 - pixels
    assert np.array_equal(read_gray_image(path), expected)
    assert np.array_equal(read_gray_image(made.image(tmp_path / "b.dcm", **changes)), pixels)


def palette(entries: np.ndarray, first: int) -> dict[str, Any]:
    """(N, 3) of 16 bits."""
    values: dict[str, Any] = {"PhotometricInterpretation": "PALETTE COLOR"}
    for number, color in enumerate(("Red", "Green", "Blue")):
        values[f"{color}PaletteColorLookupTableDescriptor"] = [len(entries), first, 16]
        values[f"{color}PaletteColorLookupTableData"] = entries[:, number].astype("<u2").tobytes()
    return values


@pytest.mark.parametrize("first", [0, 100])
def test_palettes_become_luminance(made: SimpleNamespace, tmp_path: Path, first: int) -> None:
    """As pydicom colors the pixels; values outside of the palette take its ends."""
    pixels, colors = numbers(made, high=400), np.random.default_rng(1).integers(0, 1 << 16, (256, 3))
    path = made.image(tmp_path / "a.dcm", PixelData=pixels.tobytes(), **palette(colors, first))
    rgb = apply_color_lut(pixels, pydicom.dcmread(path)).astype(np.float64)
    assert np.abs(read_gray_image(path) - rgb @ [0.299, 0.587, 0.114]).max() < 0.02


def test_a_gray_palette_gives_back_what_it_was_made_from(made: SimpleNamespace, tmp_path: Path) -> None:
    """Shuffled indices, as in the phantom of the fault: the palette alone knows which is bright."""
    image, order = np.arange(117) % 64, np.random.default_rng(0).permutation(64)
    indices = np.argsort(order)[image].astype("<u2")
    path = made.image(tmp_path / "a.dcm", PixelData=indices.tobytes(), **palette(np.repeat(order[:, None], 3, 1), 0))
    assert np.abs(read_gray_image(path).ravel() - image).max() < 1e-4


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"GreenPaletteColorLookupTableData": None}, "GreenPalette.*segmented palettes are not read"),
        ({"RedPaletteColorLookupTableDescriptor": [300, 0, 16]}, "table of 300 entries"),
        ({"BluePaletteColorLookupTableDescriptor": None}, "malformed"),
        ({"BluePaletteColorLookupTableDescriptor": [255, 0, 16]}, "palettes of one size"),
    ],
)
def test_broken_palettes(made: SimpleNamespace, tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    path = made.image(tmp_path / "a.dcm", **{**palette(np.zeros((256, 3)), 0), **changes})
    with pytest.raises(ValueError, match=message):
        read_gray_image(path)


@pytest.mark.parametrize("where", ["frame", "shared", "top"])
def test_rescale_of_frames(made: SimpleNamespace, tmp_path: Path, where: str) -> None:
    """Philips gives each frame a separate slope."""
    stack = np.stack([numbers(made), numbers(made)[::-1]])
    own = [
        {"PixelValueTransformationSequence": {"RescaleSlope": s, "RescaleIntercept": i}} for s, i in ((2, 5), (3, -7))
    ]
    changes: dict[str, Any] = {"PixelData": stack.tobytes()}
    if where == "top":
        changes |= {"RescaleSlope": 2, "RescaleIntercept": 5}
    frames = own if where == "frame" else [{}, {}]
    path = made.grouped(tmp_path / "a.dcm", own[0] if where == "shared" else {}, frames, **changes)
    expected = [2 * stack[0] + 5, 3.0 * stack[1] - 7 if where == "frame" else 2 * stack[1] + 5]
    assert np.array_equal(np.stack(list(read_gray_frames(path))), np.stack(expected))
    assert np.array_equal(next(read_gray_frames(path, [2])), expected[1])


@pytest.mark.parametrize(
    ("vr", "value"),
    [
        *[("DS", "0"), ("FD", float("nan")), ("FD", float("inf")), ("FD", 1e-60), ("FD", 1e60), ("LO", "one")],
        *[("DS", ["1", "1"]), ("SQ", Sequence([Dataset()])), ("DS", "")],
    ],
)
def test_slopes_that_are_none(made: SimpleNamespace, tmp_path: Path, vr: str, value: object) -> None:
    dataset = pydicom.dcmread(made.image(tmp_path / "a.dcm", RescaleIntercept=-1024))
    dataset.add(DataElement("RescaleSlope", vr, value))
    made.write(dataset, tmp_path / "a.dcm")
    with pytest.raises(ValueError, match=r"RescaleSlope.* .*a\.dcm"):
        read_gray_image(tmp_path / "a.dcm")


def test_a_negative_slope_and_none_at_all(made: SimpleNamespace, tmp_path: Path) -> None:
    pixels = numbers(made)
    path = made.image(tmp_path / "a.dcm", PixelData=pixels.tobytes(), RescaleSlope=-1, RescaleIntercept=10)
    assert np.array_equal(read_gray_image(path), 10.0 - pixels)
    path = made.image(tmp_path / "b.dcm", PixelData=pixels.tobytes(), RescaleSlope="", RescaleIntercept="")
    assert np.array_equal(read_gray_image(path), pixels)


def test_modality_table_of_an_mr_image(made: SimpleNamespace, tmp_path: Path) -> None:
    item = Dataset()
    item.add_new("LUTDescriptor", "US", [4096, 0, 12])
    table = np.sort(np.random.default_rng(1).integers(0, 4096, 4096))
    item.add_new("LUTData", "US", table.tolist())
    item.ModalityLUTType = "US"
    pixels = numbers(made)
    path = made.image(tmp_path / "a.dcm", PixelData=pixels.tobytes(), ModalityLUTSequence=Sequence([item]))
    assert np.array_equal(read_gray_image(path), table[pixels])


def test_overlays_in_high_bits_of_an_mr_image(made: SimpleNamespace, tmp_path: Path) -> None:
    pixels = numbers(made)
    marked = pixels | np.where(np.arange(13) % 2, 0x8000, 0).astype("<u2")
    path = made.image(tmp_path / "a.dcm", PixelData=marked.tobytes(), BitsStored=12, HighBit=11)
    assert np.array_equal(read_gray_image(path), pixels)


@pytest.mark.parametrize("kind", ["palette", "palette of 8 bits", "modality"])
def test_tables_of_big_endian_files(made: SimpleNamespace, tmp_path: Path, kind: str) -> None:
    """Words of VR OW are in the byte order of the file; 8-bit entries are packed in words."""
    table = np.random.default_rng(1).permutation(256) * (1 if "8" in kind else 200)
    pixels = numbers(made, high=256)
    words = table.astype("u1").view("<u2").astype(">u2") if "8" in kind else table.astype(">u2")
    if kind == "modality":
        item = Dataset()
        item.add_new("LUTDescriptor", "US", [256, 0, 16])
        item.add_new("LUTData", "OW", words.tobytes())
        item.ModalityLUTType = "US"
        changes: dict[str, Any] = {"ModalityLUTSequence": Sequence([item])}
    else:
        changes = palette(np.zeros((256, 3)), 0)
        for color in ("Red", "Green", "Blue"):
            changes[f"{color}PaletteColorLookupTableDescriptor"] = [256, 0, 8 if "8" in kind else 16]
            changes[f"{color}PaletteColorLookupTableData"] = words.tobytes()
    dataset = pydicom.dcmread(made.image(tmp_path / "a.dcm", **changes))
    dataset.PixelData = pixels.astype(">u2").tobytes()
    dataset.file_meta.TransferSyntaxUID = pydicom.uid.ExplicitVRBigEndian
    dataset.decode()  # what is still raw would keep the bytes of little endian
    if int(pydicom.__version__.split(".")[0]) < 3:
        dataset.is_little_endian = False
        dataset.save_as(str(tmp_path / "b.dcm"), write_like_original=False)
    else:
        plain = pydicom.dataset.Dataset(dataset)
        plain.file_meta = dataset.file_meta
        pydicom.dcmwrite(tmp_path / "b.dcm", plain, little_endian=False, implicit_vr=False, enforce_file_format=True)
    assert np.abs(read_gray_image(tmp_path / "b.dcm") - table[pixels]).max() < 0.01


@pytest.mark.parametrize(
    ("signed", "vr", "padding", "bits_of_padding"),
    [
        (1, "SS", -2000, 0x0830),  # without the extension of the sign
        (1, "US", 63536, 0x0830),
        (1, "US", 0x0830, 0xF830),
        (1, "SS", -2000, 0xF830),
        (0, "US", 4095, 0x8FFF),  # an overlay above
        (0, "US", 4095, 0x0FFF),
        (0, "US", 63536, 0xF830),  # more than the stored bits hold
    ],
)
def test_padding_is_looked_for_in_the_stored_bits(
    made: SimpleNamespace, tmp_path: Path, signed: int, vr: str, padding: int, bits_of_padding: int
) -> None:
    values = np.arange(117).reshape(made.SIZE) + 5
    is_padding = np.arange(117).reshape(made.SIZE) % 5 == 0
    stored = np.where(is_padding, bits_of_padding, values).astype("<u2")
    changes = {"BitsStored": 12, "HighBit": 11, "PixelRepresentation": signed}
    dataset = pydicom.dcmread(made.image(tmp_path / "a.dcm", PixelData=stored.tobytes(), **changes))
    dataset.add(DataElement("PixelPaddingValue", vr, padding))
    path = made.write(dataset, tmp_path / "a.dcm")
    assert np.array_equal(read_gray_image(path), np.where(is_padding, values[~is_padding].min(), values))


def test_pixels_that_share_their_bits_with_padding_are_none(made: SimpleNamespace, tmp_path: Path) -> None:
    """63536 is beyond 12 bits, whose part of it, 2096, is a value as any other."""
    stored = np.arange(2040, 2157).reshape(made.SIZE).astype("<u2")
    changes = {"BitsStored": 12, "HighBit": 11, "PixelPaddingValue": 63536}
    assert np.array_equal(
        read_gray_image(made.image(tmp_path / "a.dcm", PixelData=stored.tobytes(), **changes)), stored
    )


def test_overlays_above_a_palette(made: SimpleNamespace, tmp_path: Path) -> None:
    pixels, order = numbers(made, high=256), np.random.default_rng(0).permutation(256)
    changes = palette(np.repeat(order[:, None], 3, 1), 0) | {"BitsStored": 8, "HighBit": 7}
    path = made.image(tmp_path / "a.dcm", PixelData=(pixels | 0x8000).astype("<u2").tobytes(), **changes)
    assert np.abs(read_gray_image(path) - order[pixels]).max() < 0.01
