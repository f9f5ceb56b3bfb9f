# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""``.LJPEG`` files of DDSM: lossless JPEG from the Stanford PVRG codec, with its two deviations from the standard.

The header of some files has height and width swapped; and the first line is predicted otherwise, see
:mod:`monai_acdr.data.ddsm.predictors`. The Huffman decoding is that of the optional package imagecodecs.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

from monai_acdr.data.ddsm.files import read_beginning, read_bytes
from monai_acdr.data.ddsm.jpeg_header import LosslessHeader, parse_header
from monai_acdr.data.ddsm.predictors import REPAIRED, pvrg_samples, standard_differences

__all__ = ["check_ljpeg_header", "read_ljpeg"]

_BLOCKS = 32


def read_ljpeg(path: str | Path, shape: tuple[int, int] | None = None) -> np.ndarray:
    """Read an image of DDSM, gzipped or not.

    Args:
        path: ``.LJPEG`` or ``.LJPEG.gz`` file.
        shape: true (H, W), as the case's ``.ics`` file gives it (LINES, PIXELS_PER_LINE). None takes the header's,
            which is swapped in some files: the image then looks like noise along slanted lines.

    Returns:
        (H, W) uint16 grey levels.

    Raises:
        FileNotFoundError: when there is no such file.
        ImportError: when imagecodecs is not installed.
        ValueError: when it is no such file, is truncated or damaged, or has another number of pixels than ``shape``.
    """
    path = Path(path)
    data = read_bytes(path, None, "an .LJPEG file")
    header = parse_header(data, path)
    shape = header.size if shape is None else (int(shape[0]), int(shape[1]))
    if min(shape) < 1 or shape[0] * shape[1] != header.size[0] * header.size[1]:
        raise ValueError(
            f"Expected {path} to have {shape[0]} x {shape[1]} pixels, but its header says {header.size[0]} x "
            f"{header.size[1]}, which is another number: compare LINES and PIXELS_PER_LINE of the case's .ics file, "
            "and copy both files again."
        )
    samples = _decode(data, header, path)
    differences = standard_differences(samples, header.predictor, header.precision)
    _check_length(differences, data, header, path)
    if header.predictor in REPAIRED:
        samples = pvrg_samples(differences, header.predictor, header.precision)
    # Swapped headers are consistent in themselves: the samples follow one another as in the true image.
    return samples.reshape(shape)


def check_ljpeg_header(path: Path) -> None:
    """Look whether a file is an ``.LJPEG`` file by its header, without reading the 10 MB of a film.

    Files cut off later are refused by :func:`read_ljpeg` only.

    Raises:
        FileNotFoundError: when there is no such file.
        ValueError: when it is no such file, or far too short for the pixels that it declares.
    """
    data, num_bytes = read_beginning(path, "an .LJPEG file")
    # The size of a gzipped file says nothing: a sample takes a bit at least, which gzip may pack further.
    parse_header(data, path, sys.maxsize if num_bytes is None else num_bytes)


def _decode(data: bytes, header: LosslessHeader, path: Path) -> np.ndarray:
    """(H, W) uint16 samples of the header's size, by the standard."""
    try:
        from imagecodecs import ljpeg_decode
    except ImportError as error:
        raise ImportError(
            f"Expected the package imagecodecs, which decodes the lossless JPEG of DDSM's .LJPEG files ({path}), but "
            "it is not installed: pip install 'monai_acdr[ddsm]'."
        ) from error
    try:
        samples = np.asarray(ljpeg_decode(data))
    except Exception as error:  # the codec's own error class, ValueError, MemoryError ...
        raise ValueError(
            f"Expected a complete lossless JPEG file, but {path} cannot be decoded ({error}): copy or "
            "download it again."
        ) from error
    if samples.shape != header.size or samples.dtype.kind != "u":
        raise ValueError(f"Expected {header.size} samples from {path}, but got {samples.shape}: update imagecodecs.")
    return np.ascontiguousarray(samples, dtype=np.uint16)


def _check_length(differences: np.ndarray, data: bytes, header: LosslessHeader, path: Path) -> None:
    """Refuse images whose code needs more bits than the file has: the decoder makes up the rest and says nothing."""
    end = data.find(b"\xff\xd9", header.scan_start)
    coded = data[header.scan_start : None if end < 0 else end]
    present = 8 * (len(coded) - coded.count(b"\xff\x00"))  # a zero is stuffed after each 0xFF
    values = np.arange(65536, dtype=np.uint16).view(np.int16).astype(np.int64)
    categories = np.ceil(np.log2(np.abs(values) + 1)).astype(np.int64)
    # Category 16 has no further bits (T.81 table H.2).
    bits = header.code_lengths[categories] + np.where(categories == 16, 0, categories)
    counts = sum(
        (np.bincount(rows.reshape(-1), minlength=65536) for rows in np.array_split(differences, _BLOCKS)),
        start=np.zeros(65536, dtype=np.int64),
    )  # in blocks: bincount makes 64-bit copies
    needed = int(counts @ bits)
    if needed > present or bool(counts[header.code_lengths[categories] == 0].any()):
        raise ValueError(
            f"Expected a complete lossless JPEG file, but the {header.size[0]} x {header.size[1]} pixels of {path} "
            f"need {needed} bits and it has {present}: it is truncated or damaged; copy or download it again."
        )
