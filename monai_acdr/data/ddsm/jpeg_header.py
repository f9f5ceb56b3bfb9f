# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Headers of lossless JPEG files, checked before anything is allocated or decoded (ITU-T T.81, annexes B and H)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from monai_acdr.read_budget import check_pixels

__all__ = ["LosslessHeader", "parse_header"]

_SOF3, _DHT, _SOI, _EOI, _SOS, _DRI = 0xC3, 0xC4, 0xD8, 0xD9, 0xDA, 0xDD
_OTHER_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC3, 0xC4, 0xC8, 0xCC}


@dataclass(frozen=True)
class LosslessHeader:
    """What a file declares.

    Attributes:
        precision: bits of a sample, 2 to 16.
        size: (lines, samples a line) as the header says; swapped in some files of DDSM.
        predictor: 1 to 7.
        code_lengths: (17,) bits of the Huffman code of each category of differences; 0 where there is none.
        scan_start: offset of the coded data.
    """

    precision: int
    size: tuple[int, int]
    predictor: int
    code_lengths: np.ndarray
    scan_start: int


def parse_header(data: bytes, path: Path, num_bytes: int | None = None) -> LosslessHeader:
    """Parse and check the header of a file.

    Args:
        data: the file, or its beginning with the whole header.
        path: for messages.
        num_bytes: of the whole file; None when ``data`` is the whole.

    Raises:
        ValueError: when it is not a lossless JPEG of one component as PVRG writes it, or declares more than its bytes
            can hold.
    """
    if data[:2] != bytes([0xFF, _SOI]):
        raise ValueError(f"Expected a JPEG file, but {path} does not begin like one: copy it again in binary mode.")
    frame, scan, position = b"", b"", 2
    tables: dict[int, np.ndarray] = {}
    while not scan:
        marker, segment, position = _segment(data, position, path)
        if marker == _SOF3:
            frame = segment
        elif marker in _OTHER_FRAMES:
            raise ValueError(f"Expected lossless JPEG (SOF3), but {path} has another JPEG process: is it of DDSM?")
        elif marker == _DHT:
            tables |= _tables(segment, path)
        elif marker == _DRI and any(segment):
            raise ValueError(f"Expected no restart intervals, but {path} has some: convert it with another program.")
        elif marker == _SOS:
            scan = segment
    return _check(frame, scan, tables, len(data) if num_bytes is None else num_bytes, position, path)


def _segment(data: bytes, position: int, path: Path) -> tuple[int, bytes, int]:
    """Marker, content and end of the segment that begins at ``position``."""
    while data[position : position + 2] == b"\xff\xff":  # fill bytes
        position += 1
    length = int.from_bytes(data[position + 2 : position + 4], "big")
    end = position + 2 + length
    if len(data) < position + 4 or end > len(data):
        raise _damaged(path, "ends within its header: it is truncated")
    if data[position] != 0xFF or length < 2:
        raise _damaged(path, f"has no marker at byte {position}")
    return data[position + 1], data[position + 4 : end], end


def _tables(segment: bytes, path: Path) -> dict[int, np.ndarray]:
    """Code length of each category, by destination."""
    tables = {}
    while segment:
        counts = np.frombuffer(segment[1:17].ljust(16, b"\0"), dtype=np.uint8)
        total = int(counts.sum())
        symbols = np.frombuffer(segment[17 : 17 + total], dtype=np.uint8)
        if len(symbols) < total or total > 17 or (total and symbols.max() > 16):
            raise _damaged(path, "has a Huffman table that is none of lossless JPEG")
        lengths = np.zeros(17, dtype=np.int64)
        lengths[symbols] = np.repeat(np.arange(1, 17), counts)
        tables[segment[0]] = lengths
        segment = segment[17 + total :]
    return tables


def _check(
    frame: bytes, scan: bytes, tables: dict[int, np.ndarray], num_bytes: int, position: int, path: Path
) -> LosslessHeader:
    if len(frame) != 9 or frame[5] != 1 or len(scan) != 6 or scan[0] != 1:
        raise ValueError(f"Expected a lossless JPEG of one component, but {path} differs: is it an image of DDSM?")
    precision, height, width = frame[0], int.from_bytes(frame[1:3], "big"), int.from_bytes(frame[3:5], "big")
    predictor, table = scan[3], tables.get(scan[2] >> 4)
    if not 2 <= precision <= 16 or not 1 <= predictor <= 7 or scan[5] != 0 or table is None:
        raise ValueError(
            f"Expected 2-16 bits, a predictor of 1-7, no point transform and a Huffman table, but {path} has "
            f"{precision} bits, predictor {predictor}, point transform {scan[5]}: is it an image of DDSM?"
        )
    if height * width == 0:
        raise ValueError(f"Expected an image with pixels, but {path} declares {height} x {width}: it is damaged.")
    check_pixels(path, (height, width))
    if height * width > 8 * (num_bytes - position):  # a sample takes a bit at least
        raise _damaged(path, f"declares {height} x {width} pixels but has {num_bytes} bytes: it is truncated")
    return LosslessHeader(precision, (height, width), predictor, table, position)


def _damaged(path: Path, what: str) -> ValueError:
    return ValueError(f"Expected a complete lossless JPEG file, but {path} {what}; copy or download it again.")
