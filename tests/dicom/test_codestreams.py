# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Sizes in compressed frames: real frames of an encoder pass, the same with another size in their header do not."""

from __future__ import annotations

import struct

import numpy as np
import pytest

from monai_acdr.dicom.pixels import check_codestream

JPEG, LOSSLESS, JPEG_LS, JPEG_2000, RLE = (f"1.2.840.10008.1.2.{end}" for end in ("4.50", "4.70", "4.80", "4.90", "5"))
SIZE = (24, 40)
SIZE_AT = {JPEG: b"\xff\xc0", LOSSLESS: b"\xff\xc3", JPEG_LS: b"\xff\xf7", JPEG_2000: b"\xff\x51"}
ENCODERS = {
    JPEG: ("jpeg8_encode", {}),
    LOSSLESS: ("ljpeg_encode", {}),
    JPEG_LS: ("jpegls_encode", {}),
    JPEG_2000: ("jpeg2k_encode", {"codecformat": "J2K"}),
}


def encode(syntax: str) -> bytes:
    imagecodecs = pytest.importorskip("imagecodecs")
    pixels = (np.arange(SIZE[0] * SIZE[1]) % 251).astype(np.uint8).reshape(SIZE)
    name, options = ENCODERS[syntax]
    return bytes(getattr(imagecodecs, name)(pixels, **options))


def resize(data: bytes, syntax: str, size: tuple[int, int]) -> bytes:
    start = data.index(SIZE_AT[syntax])
    if syntax == JPEG_2000:
        return data[: start + 6] + struct.pack(">II", size[1], size[0]) + data[start + 14 :]
    return data[: start + 5] + struct.pack(">HH", *size) + data[start + 9 :]


@pytest.mark.parametrize("syntax", SIZE_AT)
def test_sizes(syntax: str) -> None:
    data = encode(syntax)
    check_codestream(data, syntax, SIZE, 1, 8, "x")
    huge = resize(data, syntax, (31000, 31000))
    with pytest.raises(ValueError, match=r"of 24 x 40 .* the header of x says, but they are of 31000 x 31000 with 1"):
        check_codestream(huge, syntax, SIZE, 1, 8, "x")
    with pytest.raises(ValueError, match=r"with 3 sample\(s\)"):
        check_codestream(data, syntax, SIZE, 3, 8, "x")


@pytest.mark.parametrize("syntax", SIZE_AT)
def test_every_cut_of_the_header_is_refused(syntax: str) -> None:
    data = encode(syntax)
    for length in range(data.index(SIZE_AT[syntax]) + 9):
        with pytest.raises(ValueError, match="have none: the file is damaged"):
            check_codestream(data[:length], syntax, SIZE, 1, 8, "x")


def test_two_sizes_are_none() -> None:
    data = encode(JPEG_LS)
    start = data.index(SIZE_AT[JPEG_LS])
    header = resize(data, JPEG_LS, (31000, 31000))[
        start : start + 2 + int.from_bytes(data[start + 2 : start + 4], "big")
    ]
    with pytest.raises(ValueError, match="have none"):
        check_codestream(data[:start] + header + data[start:], JPEG_LS, SIZE, 1, 8, "x")


def box(kind: bytes, content: bytes, wide: bool = False) -> bytes:
    if wide:
        return struct.pack(">I4sQ", 1, kind, 16 + len(content)) + content
    return struct.pack(">I4s", 8 + len(content), kind) + content


@pytest.mark.parametrize("wide", [False, True])
def test_a_size_in_another_box_is_none(wide: bool) -> None:
    """JP2 files, which have no place in DICOM but are met, may hold anything before what is decoded."""
    imagecodecs = pytest.importorskip("imagecodecs")
    pixels = np.zeros(SIZE, np.uint8)
    file = bytes(imagecodecs.jpeg2k_encode(pixels, codecformat="JP2"))
    check_codestream(file, JPEG_2000, SIZE, 1, 8, "x")
    codestream = encode(JPEG_2000)
    head = file[: file.index(b"jp2c") - 4]
    bait, huge = box(b"uuid", bytes(16) + codestream, wide), resize(codestream, JPEG_2000, (31000, 31000))
    check_codestream(head + bait + box(b"jp2c", codestream, wide), JPEG_2000, SIZE, 1, 8, "x")
    with pytest.raises(ValueError, match="they are of 31000 x 31000"):
        check_codestream(head + bait + box(b"jp2c", huge, wide), JPEG_2000, SIZE, 1, 8, "x")
    for broken in (head + bait, b"\0" + codestream, head + struct.pack(">I4s", 4, b"uuid") + codestream, head):
        with pytest.raises(ValueError, match="have none: the file is damaged"):
            check_codestream(broken, JPEG_2000, SIZE, 1, 8, "x")


def rle(segments: list[bytes]) -> bytes:
    starts = np.cumsum([64, *map(len, segments)])[:-1]
    return struct.pack("<16I", len(segments), *starts, *[0] * (15 - len(segments))) + b"".join(segments)


def test_run_lengths() -> None:
    run = bytes([256 - 127, 9]) * 7 + bytes([256 - 63, 9])  # 7 times 128 and 64: 24 x 40 = 960
    literal = bytes([127]) + bytes(128)
    check_codestream(rle([run, literal * 7 + bytes([63]) + bytes(64)]), RLE, SIZE, 1, 16, "x")
    with pytest.raises(ValueError, match="unpack to more"):
        check_codestream(rle([run, bytes([129, 9]) * 100_000]), RLE, SIZE, 1, 16, "x")
    for wrong in (rle([run]), rle([run, run, run]), b"", rle([run, run])[:20]):
        with pytest.raises(ValueError, match=r"2 run-length segment\(s\)"):
            check_codestream(wrong, RLE, SIZE, 1, 16, "x")


def test_other_syntaxes_are_left_to_their_decoders() -> None:
    check_codestream(b"anything", "1.2.3.4", SIZE, 1, 8, "x")
