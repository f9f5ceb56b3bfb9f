# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""How large a compressed frame says it is, before a decoder believes it.

JPEG, JPEG-LS and JPEG 2000 carry an image size of their own, for which decoders allocate, and run lengths may unpack to
anything: a file of some kilobytes and 256 x 256 pixels by its header can ask for gigabytes. What does not fit the
header is refused unread.
"""

from __future__ import annotations

__all__ = ["check_codestream"]

_JPEG = tuple(f"1.2.840.10008.1.2.4.{number}" for number in (50, 51, 53, 55, 57, 70, 80, 81))
"""Baseline, extended, spectral selection, full progression, lossless, and JPEG-LS."""
_JPEG_2000 = tuple(f"1.2.840.10008.1.2.4.{number}" for number in (90, 91, 92, 93, 201, 202, 203))
"""JPEG 2000 and High-Throughput JPEG 2000."""
_RLE = "1.2.840.10008.1.2.5"

_FRAME_HEADERS = (*range(0xC0, 0xC4), *range(0xC5, 0xC8), *range(0xC9, 0xCC), *range(0xCD, 0xD0), 0xF7)
"""JPEG's SOF markers, that of JPEG-LS last."""
_ALONE = (0x01, *range(0xD0, 0xD9))
"""Markers without a length."""
_START_OF_SCAN, _END = 0xDA, 0xD9
_SIZE_MARKER = b"\xff\x4f\xff\x51"
"""Start of a JPEG 2000 codestream and its image and tile size (SIZ)."""
_RLE_HEADER = 64
_RLE_SLACK = 1024
"""Bytes by which encoders may run over the end of a segment."""

_Size = tuple[int, int, int]


def check_codestream(frame: bytes, syntax: str, size: tuple[int, int], samples: int, bits: int, name: object) -> None:
    """Raise an error unless a compressed frame is as large as the header says.

    Args:
        frame: the bytes of one frame.
        syntax: UID of the transfer syntax; others than those named above are not looked at.
        size: (H, W) of the header.
        samples: per pixel.
        bits: BitsAllocated.
        name: of the file, for messages.

    Raises:
        ValueError: when the frame claims or unpacks to something else, or cannot be followed.
    """
    if syntax == _RLE:
        _check_runs(frame, size[0] * size[1], samples * (bits // 8), name)
        return
    if syntax in _JPEG:
        claimed = _jpeg_size(frame)
    elif syntax in _JPEG_2000:
        claimed = _jpeg_2000_size(frame)
    else:
        return
    if claimed is None:
        raise ValueError(
            f"Expected compressed pixels with an image size of their own, but those of {name} have none: the file is "
            "damaged or truncated, copy it again."
        )
    if claimed != (*size, samples):
        raise ValueError(
            f"Expected compressed pixels of {size[0]} x {size[1]} (H x W) with {samples} sample(s), as the header of "
            f"{name} says, but they are of {claimed[0]} x {claimed[1]} with {claimed[2]}: the file is damaged, export "
            "it again."
        )


def _jpeg_size(data: bytes) -> _Size | None:
    """(H, W, components) of the frame header (ITU-T T.81 B.2.2); None unless there is exactly one before the scan."""
    found: _Size | None = None
    position = 2
    if data[:2] != b"\xff\xd8":
        return None
    while position + 4 <= len(data):
        if data[position] != 0xFF:
            return None
        marker = data[position + 1]
        if marker == 0xFF:  # fill byte
            position += 1
            continue
        if marker in (_START_OF_SCAN, _END):
            return found
        if marker in _ALONE:
            position += 2
            continue
        length = int.from_bytes(data[position + 2 : position + 4], "big")
        if marker in _FRAME_HEADERS:
            body = data[position + 5 : position + 10]
            if found is not None or len(body) < 5:
                return None
            found = int.from_bytes(body[:2], "big"), int.from_bytes(body[2:4], "big"), body[4]
        position += 2 + max(length, 2)
    return None


def _jpeg_2000_size(data: bytes) -> _Size | None:
    """(H, W, components) of the SIZ marker segment (ITU-T T.800 A.5.1)."""
    start = data.find(_SIZE_MARKER)
    body = data[start + 4 + 4 : start + 4 + 38]
    if start < 0 or len(body) < 34:
        return None
    width, height, left, top = (int.from_bytes(body[i : i + 4], "big") for i in range(0, 16, 4))
    return height - top, width - left, int.from_bytes(body[32:34], "big")


def _check_runs(data: bytes, pixels: int, planes: int, name: object) -> None:
    """Count what the segments of an RLE frame unpack to (PS3.5 annex G), without unpacking them."""
    count = int.from_bytes(data[:4], "little")
    starts = [int.from_bytes(data[4 * i : 4 * i + 4], "little") for i in range(1, min(count, 15) + 1)]
    ends = [*starts[1:], len(data)]
    if len(data) < _RLE_HEADER or count != planes or starts != sorted(starts) or not _RLE_HEADER <= starts[0]:
        raise ValueError(
            f"Expected {planes} run-length segment(s) for each frame, but {name} has other ones: the file is damaged "
            "or truncated, copy it again."
        )
    for start, end in zip(starts, ends, strict=True):
        if _unpacked(data[start:end], pixels + _RLE_SLACK) > pixels + _RLE_SLACK:
            raise ValueError(
                f"Expected run-length segments of {pixels} bytes, but those of {name} unpack to more: the file is "
                "damaged, copy it again."
            )


def _unpacked(segment: bytes, limit: int) -> int:
    """Bytes that a segment unpacks to; counting ends above the limit."""
    position = unpacked = 0
    while position < len(segment) and unpacked <= limit:
        control = segment[position]
        if control < 128:
            position += control + 2
            unpacked += control + 1
        elif control > 128:
            position += 2
            unpacked += 257 - control
        else:
            position += 1
    return unpacked
