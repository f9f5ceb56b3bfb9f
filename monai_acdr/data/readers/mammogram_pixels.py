# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Stored pixel values of a DICOM mammogram, with every doubt about them as an error."""

from __future__ import annotations

from typing import Any

import numpy as np

__all__ = ["MAX_PIXELS", "stored_pixels", "stored_range"]

MAX_PIXELS = 120_000_000
"""Images of more pixels are refused; the largest mammograms have about 26 million."""

INSTALL = "pip install 'monai_acdr[dicom]'"
"""Installs the decoders of compressed transfer syntaxes."""

_NATIVE = ("", "1.2.840.10008.1.2", "1.2.840.10008.1.2.1")
"""Uncompressed, little endian; a file that does not say is one of them."""
_MONOCHROME = ("MONOCHROME1", "MONOCHROME2")


def stored_pixels(dataset: Any, path: str) -> np.ndarray:
    """Stored values, (H, W), of the file's integer type; read-only and without a copy where the file allows it.

    Args:
        dataset: ``pydicom.Dataset``.
        path: for messages.

    Raises:
        ValueError: when there are no pixels, several frames, colours, odd bit depths, missing or excess bytes, or a
            transfer syntax that cannot be decoded here.
    """
    size = _check_image(dataset, path)
    syntax = str(getattr(getattr(dataset, "file_meta", None), "TransferSyntaxUID", ""))
    if syntax in _NATIVE:
        return _native(dataset, path, size)
    return _decoded(dataset, path, size, syntax)


def stored_range(bits: int, signed: bool) -> tuple[int, int]:
    """Lowest and highest value that ``bits`` can hold."""
    return (-(1 << (bits - 1)), (1 << (bits - 1)) - 1) if signed else (0, (1 << bits) - 1)


def _check_image(dataset: Any, path: str) -> tuple[int, int]:
    """(H, W), after everything that can be told without pixels was checked."""
    rows, columns = _integer(dataset, "Rows"), _integer(dataset, "Columns")
    if rows < 1 or columns < 1 or "PixelData" not in dataset:
        raise ValueError(
            f"Expected a DICOM image, but {path} has no PixelData, Rows or Columns: it is a report, a presentation "
            "state or a truncated file; leave it out or copy it again."
        )
    if rows * columns > MAX_PIXELS:
        raise ValueError(f"Expected at most {MAX_PIXELS} pixels, but {path} has {rows} x {columns}: is it a mammogram?")
    frames = max(_integer(dataset, "NumberOfFrames"), 1)
    if frames > 1:
        raise ValueError(
            f"Expected one image a file, but {path} has {frames} frames: it is tomosynthesis or a cine; read the "
            "2-D (or synthesised 2-D) mammogram of the study, or split the file first."
        )
    photometric = str(dataset.get("PhotometricInterpretation") or "")
    samples = _integer(dataset, "SamplesPerPixel") or 1
    if photometric not in _MONOCHROME or samples != 1:
        raise ValueError(
            f"Expected a grey mammogram, {' or '.join(_MONOCHROME)}, but {path} is {photometric or 'unspecified'} with "
            f"{samples} sample(s) a pixel: colours and palettes are screenshots; read the original image."
        )
    allocated, stored = _integer(dataset, "BitsAllocated"), _integer(dataset, "BitsStored")
    high = _integer(dataset, "HighBit") if "HighBit" in dataset else stored - 1
    if allocated not in (8, 16, 32) or not 2 <= stored <= allocated or high != stored - 1:
        raise ValueError(
            f"Expected BitsAllocated 8, 16 or 32 that hold BitsStored from bit 0, but {path} has {allocated}, {stored} "
            f"and HighBit {high}: have it rewritten, for example with `gdcmconv --raw IN OUT`."
        )
    return rows, columns


def _native(dataset: Any, path: str, size: tuple[int, int]) -> np.ndarray:
    kind = "i" if _integer(dataset, "PixelRepresentation") else "u"
    dtype = np.dtype(f"<{kind}{int(dataset.BitsAllocated) // 8}")
    expected = size[0] * size[1] * dtype.itemsize
    data = dataset.PixelData or b""
    if len(data) < expected:
        raise ValueError(
            f"Expected {expected} bytes of pixels for {size[0]} x {size[1]} (H x W), but {path} holds {len(data)}: "
            "the file is truncated; copy it again."
        )
    if len(data) >= expected + size[1] * dtype.itemsize:
        raise ValueError(
            f"Expected {expected} bytes of pixels for {size[0]} x {size[1]} (H x W), but {path} holds {len(data)}: "
            "Rows and Columns do not fit the pixels; export the file again."
        )
    return np.frombuffer(data, dtype, count=size[0] * size[1]).reshape(size)


def _decoded(dataset: Any, path: str, size: tuple[int, int], syntax: str) -> np.ndarray:
    try:
        pixels = np.asarray(dataset.pixel_array)
    except Exception as error:  # each plug-in of pydicom has its own
        reason = " ".join(str(error).split())[:300]
        raise ValueError(
            f"Expected pixels that can be decoded here, but {path} has the transfer syntax {_name(syntax)} ({syntax}): "
            f"install its decoder with `{INSTALL}`; if that is installed, the file is damaged or truncated, copy it "
            f"again. pydicom says: {reason}"
        ) from error
    if pixels.shape != size or pixels.dtype.kind not in "iu":
        raise ValueError(
            f"Expected integers of {size[0]} x {size[1]} (H x W), but the compressed pixels of {path} are "
            f"{pixels.dtype} of {pixels.shape}: Rows and Columns do not fit; export the file again."
        )
    return pixels


def _name(syntax: str) -> str:
    from pydicom.uid import UID

    return UID(syntax).name


def _integer(dataset: Any, keyword: str) -> int:
    """An integer element; 0 when it is absent, empty or nonsense."""
    try:
        return int(dataset.get(keyword) or 0)
    except (TypeError, ValueError):
        return 0
