# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Headers of lossless JPEG, honest and hostile."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from monai_acdr.data.mammography.ddsm_film import parse_header
from monai_acdr.data.phantoms.mammograms import encode_ljpeg

PATH = Path("a.LJPEG")
IMAGE = np.random.default_rng(0).integers(0, 4096, (20, 30)).astype(np.uint16)
DATA = encode_ljpeg(IMAGE, 12, 7)
FRAME = DATA.index(b"\xff\xc3")
SCAN = DATA.index(b"\xff\xda")


def changed(position: int, *values: int) -> bytes:
    return DATA[:position] + bytes(values) + DATA[position + len(values) :]


def test_fields() -> None:
    header = parse_header(DATA, PATH)
    assert (header.precision, header.size, header.predictor) == (12, (20, 30), 7)
    assert header.code_lengths.tolist() == [4, 3, 2, 2, 2, *range(5, 17)]
    assert header.scan_start == SCAN + 10


def test_other_segments_are_skipped() -> None:
    comment = b"\xff\xff\xfe\x00\x06text" + b"\xff\xdd\x00\x04\x00\x00"
    header = parse_header(DATA[:2] + comment + DATA[2:], PATH)
    assert header.size == (20, 30)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "a.LJPEG does not begin like one"),
        (b"\x89PNG" + DATA[4:], "a.LJPEG does not begin like one"),
        (DATA[:10], "ends within its header: it is truncated"),
        (DATA[:2], "ends within its header"),
        (b"\xff\xd8" + bytes(100), "has no marker at byte 2"),
        (changed(FRAME + 1, 0xC0), "another JPEG process"),
        (changed(FRAME + 9, 3), "lossless JPEG of one component"),
        (changed(FRAME + 4, 1), "has 1 bits, predictor 7"),
        (changed(FRAME + 4, 17), "has 17 bits, predictor 7"),
        (changed(FRAME + 5, 0, 0), "declares 0 x 30"),
        (changed(FRAME + 5, 255, 255, 255, 255), r"a\.LJPEG to need at most 512 MiB of memory, but it asks for 16,384"),
        (changed(FRAME + 5, 32, 0, 32, 0), r"declares 8192 x 8192 pixels but has \d+ bytes: it is truncated"),
        (changed(SCAN + 7, 0), "predictor 0"),
        (changed(SCAN + 7, 8), "predictor 8"),
        (changed(SCAN + 9, 1), "point transform 1"),
        (changed(SCAN + 6, 0x10), "and a Huffman table"),
        (DATA[:2] + b"\xff\xdd\x00\x04\x00\x08" + DATA[2:], "Expected no restart intervals"),
        (DATA[:2] + b"\xff\xc4\x00\x06\x00\xff\xff\xff" + DATA[2:], "Huffman table that is none of lossless JPEG"),
    ],
)
def test_refusals(data: bytes, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        parse_header(data, PATH)
