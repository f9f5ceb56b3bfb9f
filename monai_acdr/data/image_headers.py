# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Fast checks of image headers: format (DICOM or picture), completeness, pixel spacing.

Only headers are read. Sunnybrook's files have odd UIDs, dates and group lengths, which are ignored here; pydicom's
warnings about them are silenced.
"""

from __future__ import annotations

import math
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from monai.utils import optional_import

from monai_acdr.data.files import check_regular_file
from monai_acdr.data.pictures import PICTURE_FORMATS, is_picture_file, verify_picture
from monai_acdr.dicom.elements import quiet_values
from monai_acdr.dicom.files import dicom_stream, end_of_data, find_refusal
from monai_acdr.dicom.plane import NO_ANATOMY, frame_component
from monai_acdr.plausibility import check_spacing, image_kind
from monai_acdr.read_budget import check_pixels

__all__ = ["ImageHeader", "check_complete", "is_dicom_file", "read_image_header"]

_PREAMBLE = 128
_FIRST_GROUPS = (b"\x02\x00", b"\x08\x00")
"""A DICOM file without preamble starts with group 0002 or 0008, little endian in practice."""

_UNDEFINED_LENGTH = 0xFFFFFFFF
_PIXEL_DATA = 0x7FE00010


@dataclass(frozen=True)
class ImageHeader:
    """Header values of a usable image.

    Attributes:
        size: (H, W) in pixels.
        has_spacing: whether DICOM's PixelSpacing has two positive numbers; always False for pictures.
        spacing: PixelSpacing in mm, between rows and between columns; None where it is absent.
    """

    size: tuple[int, int]
    has_spacing: bool
    spacing: tuple[float, float] | None = None


def is_dicom_file(path: str | Path) -> bool:
    """True when the content begins like DICOM, with or without preamble and whatever the file's suffix."""
    check_regular_file(Path(path), "an image")
    with open(path, "rb") as stream:
        start = stream.read(_PREAMBLE + 4)
    return start[_PREAMBLE:] == b"DICM" or start[:2] in _FIRST_GROUPS


def read_image_header(path: str | Path) -> ImageHeader:
    """Check one image file without decoding its pixels.

    Args:
        path: DICOM file, with or without suffix and preamble, or picture.

    Raises:
        FileNotFoundError: when there is no such file.
        ValueError: when the file is not an image, is truncated, has several frames or a PixelSpacing that is not
            plausible (:mod:`monai_acdr.plausibility`); the message says which.
    """
    path = Path(path)
    if is_picture_file(path):
        return ImageHeader(verify_picture(path), has_spacing=False)
    if is_dicom_file(path):
        return _read_dicom_header(path)
    raise ValueError(
        f"Expected a DICOM file or a picture ({', '.join(PICTURE_FORMATS)}), but {path} is neither: convert it, or "
        "leave it out."
    )


def check_complete(path: str | Path) -> None:
    """Check that a DICOM image, of one or several frames, has all of its pixels; they are not decoded.

    Raises:
        OSError: when the file cannot be opened.
        ValueError: when the file has no pixels, or ends before they do.
    """
    path = Path(path)
    with dicom_stream(path) as stream:
        _check_complete(stream, path, *_read_dataset(stream, path))


def _read_dicom_header(path: Path) -> ImageHeader:
    with dicom_stream(path) as stream:
        dataset, pixels = _read_dataset(stream, path)
        rows, columns = _number(dataset, "Rows"), _number(dataset, "Columns")
        frames = max(_number(dataset, "NumberOfFrames"), 1)
        if frames > 1:
            raise ValueError(
                f"Expected one image per file, but {path} has {frames} frames: split it into single-frame files first."
            )
        check_pixels(path, (rows, columns))
        _check_complete(stream, path, dataset, pixels)
    component = frame_component(dataset, 1, str(path))
    if component in NO_ANATOMY:
        raise ValueError(f"Expected an image of the anatomy, but {path} is {NO_ANATOMY[component]}: leave it out.")
    spacing = _spacing(dataset)
    if spacing is not None:
        check_spacing(
            path, spacing, (rows, columns), image_kind(getattr(dataset, "Modality", "")), "correct its header"
        )
    known = None if spacing is None else (spacing[0], spacing[1])
    return ImageHeader((rows, columns), spacing is not None, known)


@dataclass(frozen=True)
class _PixelData:
    """Offset of the pixel data in the file, in bytes, and their stated length."""

    start: int
    length: int


def _read_dataset(stream: BinaryIO, path: Path) -> tuple[Any, _PixelData]:
    filereader, _ = optional_import("pydicom.filereader")
    found: list[_PixelData] = []

    at_end = end_of_data(path, stream, header_only=True)

    def at_pixel_data(tag: Any, vr: str | None, length: int) -> bool:
        if tag == _PIXEL_DATA:
            found.append(_PixelData(stream.tell(), length))
        return at_end(tag, vr, length) or bool(tag >= _PIXEL_DATA)

    try:
        with quiet_values():
            dataset = filereader.read_partial(stream, stop_when=at_pixel_data, force=True)
    except Exception as error:  # a damaged file makes pydicom raise nearly anything; its messages quote values
        refusal = find_refusal(error)
        if refusal is not None:
            raise ValueError(str(refusal)) from None
        raise ValueError(
            f"Expected a DICOM file, but {path} cannot be parsed ({type(error).__name__}): copy it again."
        ) from None
    if not found or _number(dataset, "Rows") < 1 or _number(dataset, "Columns") < 1:
        raise ValueError(
            f"Expected a DICOM image, but {path} has no PixelData, Rows or Columns: it is a report, a DICOMDIR or "
            "a truncated file; leave it out or copy it again."
        )
    return dataset, found[0]


def _number(dataset: Any, keyword: str) -> int:
    """An integer element; 0 when it is absent, empty or nonsense."""
    try:
        with quiet_values():
            return int(getattr(dataset, keyword, 0) or 0)
    except Exception:  # conversion of a damaged value
        return 0


def _spacing(dataset: Any) -> list[float] | None:
    try:
        with quiet_values():
            spacing = [float(value) for value in dataset.PixelSpacing]
    except Exception:  # absent, empty, one number only, or no number
        return None
    return spacing if len(spacing) == 2 and all(math.isfinite(value) and value > 0 for value in spacing) else None


def _check_complete(stream: BinaryIO, path: Path, dataset: Any, pixels: _PixelData) -> None:
    """Raise a ValueError when the file ends before its pixel data do."""
    size = stream.seek(0, os.SEEK_END)
    counts = ("Rows", "Columns", "NumberOfFrames", "SamplesPerPixel")
    bits = math.prod(max(_number(dataset, count), 1) for count in counts) * _number(dataset, "BitsAllocated")
    expected = (bits + 7) // 8
    if pixels.length != _UNDEFINED_LENGTH:
        available = min(pixels.length, size - pixels.start)
        if available < expected or available < pixels.length:
            raise ValueError(
                f"Expected {max(expected, pixels.length)} bytes of pixel data, but {path} holds {available}: "
                "the file is truncated; copy it again."
            )
    elif not _fragments_end(stream, pixels.start, size):
        raise ValueError(
            f"Expected encapsulated pixel data with an end mark, but {path} stops before it: "
            "the file is truncated; copy it again."
        )


def _fragments_end(stream: BinaryIO, start: int, size: int) -> bool:
    """Follow the items of encapsulated pixel data (PS3.5 A.4) to the sequence delimiter; nothing is decoded."""
    position = start
    while position + 8 <= size:
        stream.seek(position)
        header = stream.read(8)
        if header[:4] == b"\xfe\xff\xdd\xe0":
            return True
        if header[:4] != b"\xfe\xff\x00\xe0":
            return False
        position += 8 + int.from_bytes(header[4:], "little")
    return False
