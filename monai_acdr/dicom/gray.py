# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Conversion of stored pixel values to gray values in which larger is brighter (PS3.3 C.7.6.3, C.11.1 and C.11.2).

All modalities take one path, so that every command, bundle and server gets the same pixels from a file. A single
float32 image is allocated and modified in place, because mammograms are large.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from monai_acdr.dicom.elements import code, functional_group, is_present, items, number, text
from monai_acdr.dicom.files import load_dataset
from monai_acdr.dicom.pixels import BIG_ENDIAN, PALETTE, pixel_format, stored_frames, stored_range

__all__ = ["VOI", "GrayImage", "apply_voi", "gray_values", "read_gray_frames", "read_gray_image"]

VOI = ("none", "window", "lut", "auto")
"""Choices of the VOI transformation."""

LUMINANCE = (0.299, 0.587, 0.114)
"""Of red, green and blue, as Pillow turns pictures gray (ITU-R BT.601)."""

_PALETTE = "PaletteColorLookupTable"


@dataclass
class GrayImage:
    """An image and its range.

    Attributes:
        values: (H, W) float32.
        low: lowest possible value.
        high: highest possible value.
    """

    values: np.ndarray
    low: float
    high: float


def read_gray_frames(path: str | os.PathLike[str], frames: Iterable[int] | None = None) -> Iterator[np.ndarray]:
    """Read and decode the frames of a file, one at a time.

    Args:
        path: DICOM file.
        frames: numbers of the wanted frames, from 1, ascending; None for all.

    Yields:
        (H, W) float32; see :func:`gray_values`.

    Raises:
        OSError: when the file cannot be opened.
        ValueError: when it is not a gray image, is damaged, or larger than the memory budget.
    """
    dataset = load_dataset(path, force=True)
    requested = list(range(1, pixel_format(dataset, path).frames + 1) if frames is None else frames)
    for index, stored in zip(requested, stored_frames(dataset, path, requested), strict=True):
        yield gray_values(dataset, path, stored, index)


def read_gray_image(path: str | os.PathLike[str]) -> np.ndarray:
    """Read and decode a file of one frame: (H, W) float32; see :func:`gray_values`.

    Raises:
        OSError, ValueError: as :func:`read_gray_frames`, and for several frames.
    """
    dataset = load_dataset(path, force=True)
    form = pixel_format(dataset, path)
    if form.frames > 1:
        raise ValueError(f"Expected one image, but {path} has {form.frames} frames: split it into single-frame files.")
    return gray_values(dataset, path, next(stored_frames(dataset, path)))


def gray_values(
    dataset: Any,
    name: object,
    stored: np.ndarray,
    frame: int = 1,
    modality: bool = True,
    voi: Callable[[GrayImage], None] | None = None,
) -> np.ndarray:
    """Convert stored values to gray values, as the file specifies.

    In this order: padding is found, bits above BitsStored are dropped, the modality LUT or rescale slope and intercept
    are applied (of multi-frame objects those of the frame), then the VOI transformation if wanted, then MONOCHROME1 is
    inverted, within the range that BitsStored allows, so that the same stored value always gives the same result; then
    padding becomes the darkest value of the rest of the image. PALETTE COLOR becomes the luminance of its colors.

    Args:
        dataset: ``pydicom.Dataset``.
        name: of the file, for messages.
        stored: (H, W) integers, as :func:`~monai_acdr.dicom.pixels.stored_frames` gives them.
        frame: number of the frame, from 1.
        modality: whether to apply the modality LUT or rescale.
        voi: changes the image in place after that.

    Returns:
        (H, W) float32.

    Raises:
        ValueError: when a table or number of the file is unusable.
    """
    bits, signed = int(dataset.BitsStored), stored.dtype.kind == "i"
    if code(dataset, "PhotometricInterpretation") == PALETTE:
        return _palette_luminance(dataset, name, stored)
    within = _within(stored, bits, signed)
    padding = _padding(dataset, stored, within, bits)
    image = GrayImage(within.astype(np.float32), *map(float, stored_range(bits, signed)))
    if modality:
        _apply_modality(dataset, name, image, frame)
    if voi is not None:
        voi(image)
    if code(dataset, "PhotometricInterpretation") == "MONOCHROME1":
        np.subtract(np.float32(image.low + image.high), image.values, out=image.values)
    if padding is not None:
        darkest = np.min(image.values, where=~padding, initial=np.float32(np.inf))
        image.values[padding] = darkest if np.isfinite(darkest) else image.low
    return image.values


def _padding(dataset: Any, stored: np.ndarray, within: np.ndarray, bits: int) -> np.ndarray | None:
    """Pixels with PixelPaddingValue, or in the range to PixelPaddingRangeLimit (PS3.3 C.7.5.1.1.2); None if none.

    A padding value that fits into the stored bits is compared with these bits alone. One that does not fit, such as
    -2000 in unsigned images, is compared with all bits of a pixel, where some writers put it.

    Args:
        dataset: ``pydicom.Dataset``.
        stored: (H, W) pixels with all their bits.
        within: the same, the stored bits only.
        bits: their number.
    """
    first = _stored_number(dataset, "PixelPaddingValue", stored.dtype)
    if first is None:
        return None
    last = _stored_number(dataset, "PixelPaddingRangeLimit", stored.dtype)
    ends, signed = [first, first if last is None else last], stored.dtype.kind == "i"
    low, high = stored_range(bits, signed)
    if signed and all(low <= end < 1 << bits for end in ends):  # a negative number may be without its sign's extension
        ends = [end - (1 << bits) if end > high else end for end in ends]
    pixels = within if all(low <= end <= high for end in ends) else stored
    mask = pixels == ends[0] if ends[0] == ends[1] else (pixels >= min(ends)) & (pixels <= max(ends))
    return mask if mask.any() else None


def _stored_number(dataset: Any, keyword: str, dtype: np.dtype[Any]) -> int | None:
    """An element of VR US or SS, written as either of them, converted to the type of the pixels."""
    try:
        value = int(dataset.get(keyword))
    except (TypeError, ValueError):
        return None
    modulus, (low, high) = 1 << (8 * dtype.itemsize), stored_range(8 * dtype.itemsize, dtype.kind == "i")
    # Negative numbers written as US, and -1 in unsigned images: both are met.
    return value if low <= value <= high else (value - low) % modulus + low


def _within(stored: np.ndarray, bits: int, signed: bool) -> np.ndarray:
    """Drop the bits above the stored ones (overlays of old files), and extend the sign."""
    low, high = stored_range(bits, signed)
    if stored.min() >= low and stored.max() <= high:
        return stored
    if not signed:
        return stored & stored.dtype.type(high)
    shift = 8 * stored.dtype.itemsize - bits
    return np.right_shift(np.left_shift(stored, shift), shift)


def _apply_modality(dataset: Any, name: object, image: GrayImage, frame: int) -> None:
    tables = items(dataset, "ModalityLUTSequence", name)
    if tables:
        _apply_table(tables[0], name, image, _is_big_endian(dataset))
        return
    slope, intercept = _rescale(dataset, name, frame)
    low, high = sorted((image.low * slope + intercept, image.high * slope + intercept))
    smallest, largest = float(np.finfo(np.float32).tiny), float(np.finfo(np.float32).max)
    if abs(slope) < smallest or max(abs(low), abs(high)) > largest:
        raise ValueError(
            f"Expected a finite RescaleSlope other than 0, but {name} has slope {slope:g} and intercept "
            f"{intercept:g}: correct the header."
        )
    if slope != 1:
        np.multiply(image.values, np.float32(slope), out=image.values)
    if intercept != 0:
        np.add(image.values, np.float32(intercept), out=image.values)
    image.low, image.high = low, high


def _rescale(dataset: Any, name: object, frame: int) -> tuple[float, float]:
    """Slope and intercept: the frame's own, the shared ones, or the instance's; (1, 0) where there are none."""
    holder = functional_group(dataset, frame, "PixelValueTransformationSequence", name) or dataset
    slope, intercept = number(holder, "RescaleSlope", name), number(holder, "RescaleIntercept", name)
    if slope is None and "RescaleSlope" in holder and is_present(holder, "RescaleIntercept"):
        raise ValueError(
            f"Expected RescaleSlope beside RescaleIntercept, but that of {name} is empty: correct the header."
        )
    return 1.0 if slope is None else slope, 0.0 if intercept is None else intercept


def _palette_luminance(dataset: Any, name: object, stored: np.ndarray) -> np.ndarray:
    """(H, W) float32 luminance of the colors that a palette gives to stored values (PS3.3 C.7.6.3.1.5)."""
    channels = [_palette(dataset, name, color, stored.dtype.kind == "i") for color in ("Red", "Green", "Blue")]
    if len({(table.size, first) for table, first in channels}) > 1:
        raise ValueError(f"Expected palettes of one size, but those of {name} differ: the file is damaged.")
    gray = sum(np.float32(weight) * table for weight, (table, _) in zip(LUMINANCE, channels, strict=True))
    table, first = np.asarray(gray, dtype=np.float32), channels[0][1]
    within = _within(stored, int(dataset.BitsStored), stored.dtype.kind == "i")
    return table[np.clip(within.astype(np.int32) - first, 0, table.size - 1)]


def _palette(dataset: Any, name: object, color: str, signed: bool) -> tuple[np.ndarray, int]:
    """(N,) float32 of one color, and the stored value of its first entry."""
    if not is_present(dataset, f"{color}{_PALETTE}Data"):
        raise ValueError(
            f"Expected {color}{_PALETTE}Data for PALETTE COLOR, but {name} has none (segmented palettes are not read): "
            "export it as a gray image."
        )
    item = {"LUTDescriptor": dataset.get(f"{color}{_PALETTE}Descriptor"), "LUTData": dataset[f"{color}{_PALETTE}Data"]}
    item["LUTData"] = item["LUTData"].value
    table, first, _ = _table(item, name, signed, _is_big_endian(dataset))
    return table.astype(np.float32), first


def apply_voi(image: GrayImage, dataset: Any, name: object, voi: str) -> None:
    """Apply a VOI transformation of the file, to [0, 1] (PS3.3 C.11.2).

    Args:
        image: modality values, changed in place.
        dataset: ``pydicom.Dataset``.
        name: of the file, for messages.
        voi: "window", "lut" or "auto": see :class:`monai_acdr.data.readers.MammogramReader`.

    Raises:
        ValueError: when the wanted transformation is not in the file, or is unusable.
    """
    tables, window = dataset.get("VOILUTSequence"), _window(dataset)
    if voi != "window" and tables:
        _apply_table(tables[0], name, image, _is_big_endian(dataset))
        _scale(image)
    elif voi != "lut" and window:
        _apply_window(name, image, *window)
    elif voi == "auto":
        _scale(image)
    else:
        requested = "VOILUTSequence" if voi == "lut" else "WindowCenter and WindowWidth"
        raise ValueError(f"Expected {requested} for voi={voi!r}, but {name} has none: pass voi='auto' or voi='none'.")


def _apply_window(name: object, image: GrayImage, center: float, width: float, function: str) -> None:
    """PS3.3 C.11.2.1.2 and C.11.2.1.3, to [0, 1]."""
    linear = function in ("", "LINEAR")
    if not (width >= 1 if linear else width > 0) or function not in ("", "LINEAR", "LINEAR_EXACT", "SIGMOID"):
        raise ValueError(
            f"Expected a WindowWidth of at least 1 and a VOILUTFunction of LINEAR, LINEAR_EXACT or SIGMOID, but {name} "
            f"has {width} and {function or 'none'}: pass voi='none'."
        )
    values = image.values
    if linear:
        # A window of one value is a step; a vanishing width gives it without a division by zero.
        center, width = center - 0.5, max(width - 1, 1e-6)
    np.subtract(values, np.float32(center), out=values)
    if function == "SIGMOID":
        np.multiply(values, np.float32(-4 / width), out=values)
        np.exp(np.clip(values, -80, 80, out=values), out=values)
        np.reciprocal(np.add(values, np.float32(1), out=values), out=values)
    else:
        np.multiply(values, np.float32(1 / width), out=values)
        np.clip(np.add(values, np.float32(0.5), out=values), 0, 1, out=values)
    image.low, image.high = 0.0, 1.0


def _scale(image: GrayImage) -> None:
    """To [0, 1]."""
    np.subtract(image.values, np.float32(image.low), out=image.values)
    np.multiply(image.values, np.float32(1 / (image.high - image.low)), out=image.values)
    image.low, image.high = 0.0, 1.0


def _apply_table(item: Any, name: object, image: GrayImage, big_endian: bool) -> None:
    """A modality or VOI LUT (PS3.3 C.11.1.1): values before the first entry take the first, those after it the last."""
    table, first, bits = _table(item, name, image.low < 0, big_endian)
    indices = np.subtract(image.values, np.float32(first), out=image.values)
    np.clip(np.rint(indices, out=indices), 0, table.size - 1, out=indices)
    image.values = table.astype(np.float32)[indices.astype(np.int32)]
    image.low, image.high = 0.0, float((1 << bits) - 1)


def _table(item: Any, name: object, signed: bool, big_endian: bool) -> tuple[np.ndarray, int, int]:
    """Entries of a look-up table, the value of its first entry, and the bits of an entry.

    Args:
        item: the item with LUTDescriptor and LUTData.
        name: of the file, for messages.
        signed: whether the values that are looked up may be negative.
        big_endian: whether the file is; pydicom leaves the words of VR OW as they are.

    Raises:
        ValueError: when it is malformed or shorter than declared.
    """
    try:
        entries, first, bits = (int(value) for value in item.get("LUTDescriptor"))
        entries, data = entries or 1 << 16, item.get("LUTData")
        if isinstance(data, bytes):
            if big_endian:
                data = np.frombuffer(data, ">u2").astype("<u2").tobytes()
            # Entries of 8 bits are packed, with a byte for an even length; a shorter table of 16 bits is cut.
            table = np.frombuffer(data, "<u1" if len(data) in (entries, entries + 1) else "<u2")
        else:
            table = np.asarray(data, dtype=np.int64).ravel() & 0xFFFF
    except Exception:  # whatever type a damaged element has; its values are not quoted
        raise ValueError(
            f"Expected a look-up table in {name}, but it is malformed: the file is damaged, export it again."
        ) from None
    if not 0 < entries <= len(table) or not 8 <= bits <= 16:
        raise ValueError(
            f"Expected a look-up table of {entries} entries of 8 to 16 bits, but {name} holds {len(table)} of {bits}: "
            "the file is damaged, export it again."
        )
    return table[:entries], first - (1 << 16) if signed and first > 0x7FFF else first, bits


def _is_big_endian(dataset: Any) -> bool:
    return text(getattr(dataset, "file_meta", None), "TransferSyntaxUID") == BIG_ENDIAN


def _window(dataset: Any) -> tuple[float, float, str] | None:
    """(center, width, function) of the first window."""
    center, width = _number(dataset, "WindowCenter", math.nan), _number(dataset, "WindowWidth", math.nan)
    if not math.isfinite(center * width):
        return None
    return center, width, code(dataset, "VOILUTFunction")


def _number(dataset: Any, keyword: str, default: float) -> float:
    """The first value of a decimal element; NaN when it is not a number."""
    try:
        value = dataset.get(keyword)
    except (TypeError, ValueError):
        return math.nan
    if value is None or value == "":
        return default
    try:
        return float(value[0]) if hasattr(value, "__getitem__") and not isinstance(value, str) else float(value)
    except (IndexError, TypeError, ValueError):
        return math.nan
