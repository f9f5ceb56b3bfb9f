# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""A lossless JPEG encoder that writes files as the Stanford PVRG codec did for DDSM, with both deviations.

ITU-T T.81, process 14, one component, a fixed Huffman code; the first line is predicted as all others, over a virtual
line of 2^(P - 1), and height and width may be swapped in the header. Simple and exact, not small or fast.
"""

from __future__ import annotations

import numpy as np

from monai_acdr.data.ddsm.predictors import predict

__all__ = ["encode_ljpeg"]

_CODE_LENGTHS = np.array([4, 3, 2, 2, 2, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16])
"""Bits of the Huffman code of each category; small differences of smooth images have 2 to 4 bits."""

_BLOCK = 1 << 20


def encode_ljpeg(pixels: np.ndarray, precision: int = 12, predictor: int = 7, swap_header: bool = False) -> bytes:
    """Encode an image.

    Args:
        pixels: (H, W) unsigned integers below 2^precision.
        precision: bits of a sample, 2 to 16; DDSM has 12 and 16.
        predictor: 1 to 7; DDSM has 7.
        swap_header: write W as height and H as width, as some files of DDSM have it.

    Raises:
        ValueError: when the pixels are no such image.
    """
    pixels = np.asarray(pixels)
    if pixels.ndim != 2 or pixels.size == 0 or max(pixels.shape) > 65535 or pixels.dtype.kind != "u":
        raise ValueError(f"Expected `pixels` to be (H, W) unsigned, but got {pixels.dtype} {pixels.shape}.")
    if not 2 <= precision <= 16 or int(pixels.max()) >> precision:
        raise ValueError(f"Expected `pixels` of {precision} bits (2 to 16), but the largest is {int(pixels.max())}.")
    if swap_header:
        # The encoder believes in its header: it predicts in an image of that width.
        pixels = pixels.reshape(pixels.shape[::-1])
    height, width = pixels.shape
    codes, symbols, counts = _huffman()
    table = bytes([0, *counts, *symbols])
    frame = bytes([precision, *height.to_bytes(2, "big"), *width.to_bytes(2, "big"), 1, 1, 0x11, 0])
    scan = bytes([1, 1, 0, predictor, 0, 0])
    head = b"\xff\xd8" + _segment(0xC3, frame) + _segment(0xC4, table) + _segment(0xDA, scan)
    return head + _entropy(_differences(pixels, precision, predictor), codes) + b"\xff\xd9"


def _segment(marker: int, content: bytes) -> bytes:
    return bytes([0xFF, marker]) + (len(content) + 2).to_bytes(2, "big") + content


def _differences(pixels: np.ndarray, precision: int, predictor: int) -> np.ndarray:
    """(H * W,) differences in [-32768, 32767]."""
    padded = np.pad(pixels.astype(np.int32), ((1, 0), (1, 0)), constant_values=1 << (precision - 1))
    left, above, corner = padded[1:, :-1], padded[:-1, 1:], padded[:-1, :-1]
    prediction = predict(predictor, left, above, corner).copy()
    prediction[:, 0] = above[:, 0]
    return (padded[1:, 1:] - prediction).astype(np.uint16).view(np.int16).astype(np.int64).reshape(-1)


def _huffman() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Canonical code (T.81 annex C): code words by category, categories by length, number of codes of each length."""
    symbols = np.argsort(_CODE_LENGTHS, kind="stable")
    codes = np.zeros(17, dtype=np.int64)
    code, last = -1, int(_CODE_LENGTHS.min())
    for symbol in symbols:
        length = int(_CODE_LENGTHS[symbol])
        code = (code + 1) << (length - last)
        codes[symbol], last = code, length
    return codes, symbols, np.bincount(_CODE_LENGTHS, minlength=17)[1:]


def _entropy(differences: np.ndarray, codes: np.ndarray) -> bytes:
    """Code words, each followed by the bits of its difference; filled up with ones; a zero stuffed after each 0xFF."""
    bits = [_bits(differences[start : start + _BLOCK], codes) for start in range(0, len(differences), _BLOCK)]
    total = sum(map(len, bits))
    stream = np.packbits(np.concatenate([*bits, np.ones(-total % 8, dtype=np.uint8)]))
    return stream.tobytes().replace(b"\xff", b"\xff\x00")


def _bits(differences: np.ndarray, codes: np.ndarray) -> np.ndarray:
    """(N,) uint8 of 0 and 1."""
    categories = np.ceil(np.log2(np.abs(differences) + 1)).astype(np.int64)
    extra = np.where(categories == 16, 0, categories)
    # T.81 F.1.2.1: a negative difference is written as its low bits less one.
    tail = (differences - (differences < 0)) & ((1 << extra) - 1)
    words = (codes[categories] << extra) | tail
    lengths = _CODE_LENGTHS[categories] + extra
    ends = np.cumsum(lengths)
    shifts = np.repeat(ends, lengths) - 1 - np.arange(ends[-1])
    return ((np.repeat(words, lengths) >> shifts) & 1).astype(np.uint8)
