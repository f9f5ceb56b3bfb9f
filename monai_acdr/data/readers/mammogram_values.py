# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""From stored values of a mammogram to what a reader sees: modality, VOI, inversion, padding (DICOM PS3.3 C.11).

One float32 image is made and worked on in place: mammograms are large.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from monai_acdr.data.readers.mammogram_pixels import stored_range

__all__ = ["VOI", "mammogram_values"]

VOI = ("none", "window", "lut", "auto")
"""Choices of the VOI transformation."""


@dataclass
class _Grey:
    """An image (H, W), float32, and the lowest and highest value that it could have."""

    values: np.ndarray
    low: float
    high: float


def mammogram_values(dataset: Any, path: str, stored: np.ndarray, voi: str, modality: bool) -> np.ndarray:
    """Apply what the file says to its stored values.

    Args:
        dataset: ``pydicom.Dataset``.
        path: for messages.
        stored: (H, W) integers.
        voi: one of ``VOI``.
        modality: whether to apply the modality LUT or rescale.

    Returns:
        (H, W) float32, bright means dense; see :class:`~monai_acdr.data.readers.MammogramReader`.

    Raises:
        ValueError: when the wanted VOI is not in the file, or a table or number of the file is unusable.
    """
    padding = _padding(dataset, stored)
    bits, signed = int(dataset.BitsStored), stored.dtype.kind == "i"
    grey = _Grey(_within(stored, bits, signed).astype(np.float32), *map(float, stored_range(bits, signed)))
    if modality:
        _apply_modality(dataset, path, grey)
    if voi != "none":
        _apply_voi(dataset, path, grey, voi)
    if str(dataset.PhotometricInterpretation) == "MONOCHROME1":
        np.subtract(np.float32(grey.low + grey.high), grey.values, out=grey.values)
    if padding is not None:
        darkest = np.min(grey.values, where=~padding, initial=np.float32(np.inf))
        grey.values[padding] = darkest if np.isfinite(darkest) else grey.low
    return grey.values


def _padding(dataset: Any, stored: np.ndarray) -> np.ndarray | None:
    """Where PixelPaddingValue, or the range to PixelPaddingRangeLimit, stands (PS3.3 C.7.5.1.1.2); None if nowhere."""
    first = _stored_number(dataset, "PixelPaddingValue", stored.dtype)
    if first is None:
        return None
    last = _stored_number(dataset, "PixelPaddingRangeLimit", stored.dtype)
    if last is None or last == first:
        mask = stored == first
    else:
        mask = (stored >= min(first, last)) & (stored <= max(first, last))
    return mask if mask.any() else None


def _stored_number(dataset: Any, keyword: str, dtype: np.dtype[Any]) -> int | None:
    """An element of VR US or SS, whichever way it was written, as the pixels' own type has it."""
    try:
        value = int(dataset.get(keyword))
    except (TypeError, ValueError):
        return None
    modulus, (low, high) = 1 << (8 * dtype.itemsize), stored_range(8 * dtype.itemsize, dtype.kind == "i")
    # Negative numbers written as US, and -1 in unsigned images: both are met.
    return value if low <= value <= high else (value - low) % modulus + low


def _within(stored: np.ndarray, bits: int, signed: bool) -> np.ndarray:
    """Drop what stands above the stored bits (overlays of old files), and extend the sign."""
    low, high = stored_range(bits, signed)
    if stored.min() >= low and stored.max() <= high:
        return stored
    if not signed:
        return stored & stored.dtype.type(high)
    shift = 8 * stored.dtype.itemsize - bits
    return np.right_shift(np.left_shift(stored, shift), shift)


def _apply_modality(dataset: Any, path: str, grey: _Grey) -> None:
    if dataset.get("ModalityLUTSequence"):
        _apply_table(dataset.ModalityLUTSequence[0], path, grey)
        return
    slope, intercept = _number(dataset, "RescaleSlope", 1.0), _number(dataset, "RescaleIntercept", 0.0)
    if slope == 0 or not math.isfinite(slope * intercept):
        raise ValueError(
            f"Expected a finite RescaleSlope other than 0, but {path} has slope {slope} and intercept {intercept}: "
            "pass modality=False to read stored values."
        )
    if slope != 1:
        np.multiply(grey.values, np.float32(slope), out=grey.values)
    if intercept != 0:
        np.add(grey.values, np.float32(intercept), out=grey.values)
    grey.low, grey.high = sorted((grey.low * slope + intercept, grey.high * slope + intercept))


def _apply_voi(dataset: Any, path: str, grey: _Grey, voi: str) -> None:
    tables, window = dataset.get("VOILUTSequence"), _window(dataset)
    if voi != "window" and tables:
        _apply_table(tables[0], path, grey)
        _scale(grey)
    elif voi != "lut" and window:
        _apply_window(path, grey, *window)
    elif voi == "auto":
        _scale(grey)
    else:
        wanted = "VOILUTSequence" if voi == "lut" else "WindowCenter and WindowWidth"
        raise ValueError(f"Expected {wanted} for voi={voi!r}, but {path} has none: pass voi='auto' or voi='none'.")


def _apply_window(path: str, grey: _Grey, center: float, width: float, function: str) -> None:
    """PS3.3 C.11.2.1.2 and C.11.2.1.3, to [0, 1]."""
    linear = function in ("", "LINEAR")
    if not (width >= 1 if linear else width > 0) or function not in ("", "LINEAR", "LINEAR_EXACT", "SIGMOID"):
        raise ValueError(
            f"Expected a WindowWidth of at least 1 and a VOILUTFunction of LINEAR, LINEAR_EXACT or SIGMOID, but {path} "
            f"has {width} and {function or 'none'}: pass voi='none'."
        )
    values = grey.values
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
    grey.low, grey.high = 0.0, 1.0


def _scale(grey: _Grey) -> None:
    """To [0, 1]."""
    np.subtract(grey.values, np.float32(grey.low), out=grey.values)
    np.multiply(grey.values, np.float32(1 / (grey.high - grey.low)), out=grey.values)
    grey.low, grey.high = 0.0, 1.0


def _apply_table(item: Any, path: str, grey: _Grey) -> None:
    """A modality or VOI LUT (PS3.3 C.11.1.1): values before the first entry take the first, those after it the last."""
    try:
        entries, first, bits = (int(value) for value in item.LUTDescriptor)
        entries = entries or 1 << 16
        data = item.LUTData
        if isinstance(data, bytes):
            table = np.frombuffer(data, "<u1" if len(data) < 2 * entries else "<u2")
        else:
            table = np.asarray(data, dtype=np.int64).ravel() & 0xFFFF
    except (AttributeError, TypeError, ValueError) as error:
        raise ValueError(f"Expected a look-up table in {path}, but it is malformed: pass voi='none'.") from error
    if len(table) < entries or not 8 <= bits <= 16:
        raise ValueError(
            f"Expected a look-up table of {entries} entries of 8 to 16 bits, but {path} holds {len(table)} of {bits}: "
            "pass voi='none', and modality=False if it is the modality's."
        )
    if grey.low < 0 and first > 0x7FFF:
        first -= 1 << 16  # a signed number, written as US
    indices = np.subtract(grey.values, np.float32(first), out=grey.values)
    np.clip(np.rint(indices, out=indices), 0, entries - 1, out=indices)
    grey.values = table[:entries].astype(np.float32)[indices.astype(np.int32)]
    grey.low, grey.high = 0.0, float((1 << bits) - 1)


def _window(dataset: Any) -> tuple[float, float, str] | None:
    """(center, width, function) of the first window."""
    center, width = _number(dataset, "WindowCenter", math.nan), _number(dataset, "WindowWidth", math.nan)
    if not math.isfinite(center * width):
        return None
    return center, width, str(dataset.get("VOILUTFunction") or "").strip().upper()


def _number(dataset: Any, keyword: str, default: float) -> float:
    """The first value of a decimal element; NaN when it is no number."""
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
