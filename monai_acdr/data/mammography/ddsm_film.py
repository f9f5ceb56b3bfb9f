# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Films of DDSM: lossless JPEG files, their optical density, and a MONAI image reader.

The files were written by the PVRG codec; some headers have height and width swapped. The standard predicts the first
line from the left neighbor, whatever predictor the scan names, but PVRG applies the scan's predictor there too, over a
virtual line of 2^(P - 1). Predictors 1, 4 and 5 give the same either way; with 2, 3, 6 and 7 every decoder that follows
the standard gives wrong samples all over the image. The differences that it decodes are correct, though: they follow
from its result, and PVRG's rule turns them into the true samples. The optional package imagecodecs does the Huffman
decoding.

Optical density of gray level g, by digitizer:

    DBA                      g in [4, 64064]      (log10 g - 4.80662) / -1.07553
    HOWTEK, institution A    g <= 4006            3.789 - 0.00094568 g
    HOWTEK, institution D    g <= 4003            3.96604096 - 0.000990558 g
    LUMISYS                  g in [61, 4097]      (g - 4096.99) / -1009.01

Gray levels are clamped to the range first. Dense tissue transmits less light: low optical density, bright on the film,
high gray level.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from monai.config import PathLike
from monai.data.image_reader import ImageReader
from monai.utils import ensure_tuple
from monai.utils.enums import MetaKeys, SpaceKeys

from monai_acdr.data.mammography.ddsm_files import find_ics, open_name, parse_name, read_beginning, read_bytes, read_ics
from monai_acdr.read_budget import check_pixels

__all__ = [
    "DDSMFilmImage",
    "DDSMReader",
    "LosslessHeader",
    "OUTPUTS",
    "PREDICTORS",
    "REPAIRED",
    "check_ljpeg_header",
    "optical_density",
    "parse_header",
    "predict",
    "pvrg_samples",
    "read_ljpeg",
    "standard_differences",
]

_SOF3, _DHT, _SOI, _EOI, _SOS, _DRI = 0xC3, 0xC4, 0xD8, 0xD9, 0xDA, 0xDD
_OTHER_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC3, 0xC4, 0xC8, 0xCC}


@dataclass(frozen=True)
class LosslessHeader:
    """Declarations of a file.

    Attributes:
        precision: bits of a sample, 2 to 16.
        size: (lines, samples per line) as the header says; swapped in some files of DDSM.
        predictor: 1 to 7.
        code_lengths: (17,) bits of the Huffman code of each category of differences; 0 for unused categories.
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


def _damaged(path: Path, description: str) -> ValueError:
    return ValueError(f"Expected a complete lossless JPEG file, but {path} {description}; copy or download it again.")


PREDICTORS = range(1, 8)
REPAIRED = (2, 3, 6, 7)
"""Predictors whose first line PVRG codes unlike the standard."""

_BLOCK_ROWS = 256


def predict(predictor: int, left: np.ndarray, above: np.ndarray, corner: np.ndarray) -> np.ndarray:
    """Prediction from the three neighbors, signed integers of at least 32 bits, not yet taken modulo 65536.

    Args:
        predictor: 1 to 7.
        left: Ra.
        above: Rb.
        corner: Rc, above the left neighbor.
    """
    if predictor == 1:
        return left
    if predictor == 2:
        return above
    if predictor == 3:
        return corner
    if predictor == 4:
        return left + above - corner
    if predictor == 5:
        return left + ((above - corner) >> 1)
    if predictor == 6:
        return above + ((left - corner) >> 1)
    if predictor == 7:
        return (left + above) >> 1
    raise ValueError(f"Expected a predictor of 1 to 7, but got {predictor}.")


def standard_differences(samples: np.ndarray, predictor: int, precision: int) -> np.ndarray:
    """Differences that a decoder of the standard read, from the samples it gave.

    Args:
        samples: (H, W) uint16.
        predictor: of the scan, 1 to 7.
        precision: bits of a sample, P.

    Returns:
        (H, W) uint16, modulo 65536.
    """
    differences = np.empty_like(samples)
    differences[0, :1] = samples[0, :1] - np.uint16(1 << (precision - 1))
    differences[0, 1:] = samples[0, 1:] - samples[0, :-1]
    differences[1:, 0] = samples[1:, 0] - samples[:-1, 0]
    for start in range(1, len(samples), _BLOCK_ROWS):
        rows = samples[start - 1 : start + _BLOCK_ROWS].astype(np.int32)
        prediction = predict(predictor, rows[1:, :-1], rows[:-1, 1:], rows[:-1, :-1])
        differences[start : start + _BLOCK_ROWS, 1:] = (rows[1:, 1:] - prediction) & 0xFFFF
    return differences


def pvrg_samples(differences: np.ndarray, predictor: int, precision: int) -> np.ndarray:
    """Samples from differences by PVRG's rule, in place.

    A sample needs its left and upper neighbors, so the diagonals from lower left to upper right are computed one
    after the other, each at once.

    Args:
        differences: (H, W) uint16, contiguous; overwritten.
        predictor: of the scan, 1 to 7.
        precision: bits of a sample, P.

    Returns:
        (H, W) uint16, the same memory.
    """
    height, width = differences.shape
    if width == 1:
        differences[0] += np.uint16(1 << (precision - 1))
        return np.cumsum(differences, axis=0, dtype=np.uint16, out=differences)
    flat, step = differences.reshape(-1), width - 1
    # Row r of a diagonal is at index r + 1; index 0 is the virtual line.
    current, last, before = np.full((3, height + 1), 1 << (precision - 1), dtype=np.int32)
    for diagonal in range(height + width - 1):
        low, high = max(0, diagonal - width + 1), min(diagonal, height - 1) + 1
        place = flat[diagonal + low * step : diagonal + (high - 1) * step + 1 : step]
        above = last[low:high]
        values = predict(predictor, last[low + 1 : high + 1], above, before[low:high]) + place
        if high == diagonal + 1:  # the first column is predicted from above
            values[-1] = above[-1] + place[-1]
        values &= 0xFFFF
        current[low + 1 : high + 1] = values
        place[:] = values
        current, last, before = before, current, last
    return differences


_BLOCKS = 32


def read_ljpeg(path: str | Path, shape: tuple[int, int] | None = None) -> np.ndarray:
    """Read an image of DDSM, gzipped or not.

    Args:
        path: ``.LJPEG`` or ``.LJPEG.gz`` file.
        shape: true (H, W), as the case's ``.ics`` file gives it (LINES, PIXELS_PER_LINE). None takes the header's,
            which is swapped in some files: the image then looks like noise along slanted lines.

    Returns:
        (H, W) uint16 gray levels.

    Raises:
        FileNotFoundError: when there is no such file.
        ImportError: when imagecodecs is not installed.
        ValueError: when it is not such a file, is truncated or damaged, or has another number of pixels than ``shape``.
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
    """Check by its header that a file is an ``.LJPEG`` file, without reading the 10 MB of a film.

    Files that are cut off later are refused only by :func:`read_ljpeg`.

    Raises:
        FileNotFoundError: when there is no such file.
        ValueError: when it is not such a file, or far too short for the pixels that it declares.
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
    # The codec reads on behind the end of a file that is cut, up to 32 bits for each sample (T.81 annex H): with zeros
    # there, what it makes up is found below; without, versions for Python 3.10 end the process.
    padded = data + bytes(4 * header.size[0] * header.size[1])
    try:
        samples = np.asarray(ljpeg_decode(padded))
    except Exception as error:  # the codec's own error class, ValueError, MemoryError ...
        raise ValueError(
            f"Expected a complete lossless JPEG file, but {path} cannot be decoded ({error}): copy or "
            "download it again."
        ) from error
    if samples.shape != header.size or samples.dtype.kind != "u":
        raise ValueError(f"Expected {header.size} samples from {path}, but got {samples.shape}: update imagecodecs.")
    return np.ascontiguousarray(samples, dtype=np.uint16)


def _check_length(differences: np.ndarray, data: bytes, header: LosslessHeader, path: Path) -> None:
    """Refuse images whose code needs more bits than the file has: the decoder would silently invent the rest."""
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


_LINEAR: dict[tuple[str, str], tuple[int, int, float, float]] = {
    ("HOWTEK", "A"): (0, 4006, 3.789, -0.00094568),
    ("HOWTEK", "D"): (0, 4003, 3.96604096, -0.000990558),
    ("LUMISYS", ""): (61, 4097, 4096.99 / 1009.01, -1 / 1009.01),
}
"""By digitizer and institution: lowest and highest gray level, offset, slope."""


def optical_density(gray: np.ndarray, digitizer: str, institution: str = "") -> np.ndarray:
    """Optical density of gray levels.

    Args:
        gray: gray levels of any shape, unsigned integers as stored.
        digitizer: ``"DBA"``, ``"HOWTEK"`` or ``"LUMISYS"``.
        institution: first letter of the file names, ``"A"`` to ``"D"``; only HOWTEK's calibration depends on it.

    Returns:
        float32 optical densities of the same shape, about 0 to 4.

    Raises:
        ValueError: for a combination that has no calibration.
    """
    gray = np.asarray(gray)
    if digitizer == "DBA":
        clamped = np.clip(gray, 4, 64064).astype(np.float32)
        return (np.log10(clamped) - np.float32(4.80662)) / np.float32(-1.07553)
    key = (digitizer, institution if digitizer == "HOWTEK" else "")
    if key not in _LINEAR:
        raise ValueError(
            "Expected the digitizer DBA, LUMISYS, or HOWTEK of institution A or D, but got "
            f"{digitizer!r} of institution {institution!r}: correct DIGITIZER in the .ics file, or read gray levels."
        )
    lowest, highest, offset, slope = _LINEAR[key]
    clamped = np.clip(gray, lowest, highest).astype(np.float32)
    return np.float32(offset) + np.float32(slope) * clamped


OUTPUTS = ("gray_level", "optical_density")


class DDSMFilmImage:
    """Result of :meth:`DDSMReader.read`: pixels and their values in the ``.ics`` file.

    Args:
        pixels: (H, W), row first.
        meta: metadata without affine.
        spacing: (row, column) in mm; None when unknown.
    """

    def __init__(self, pixels: np.ndarray, meta: dict[str, Any], spacing: tuple[float, float] | None) -> None:
        self.pixels, self.meta, self.spacing = pixels, meta, spacing


class DDSMReader(ImageReader):
    """Read one film of DDSM, ``.LJPEG`` or ``.LJPEG.gz``; the case's ``.ics`` file must lie beside it.

    The array is (H, W) float32 in the file's own orientation: gray levels, in which dense tissue is bright, or optical
    densities, which are comparable among digitizers and in which dense tissue is dark. The metadata hold ``affine`` and
    ``original_affine`` ((4, 4), RAS mm, rows along the first array axis, as MONAI's readers give it for images without
    orientation), ``spacing`` (row, column) in mm, NaN when unknown (the affine then counts pixels), ``has_spacing``,
    ``digitizer``, ``institution``, ``laterality`` ("L" or "R"), ``view`` ("CC" or "MLO"), ``breast_density``,
    ``bits_stored``, ``spatial_shape``, ``original_channel_dim`` and ``space``.

    Args:
        output: ``"gray_level"`` or ``"optical_density"``.

    Raises:
        FileNotFoundError: when the image or the ``.ics`` file is absent.
        ImportError: when the optional package imagecodecs is not installed.
        ValueError: when a file is damaged, they contradict one another, or the digitizer has no calibration.

    Example:
        ``LoadImaged(keys="image", reader=DDSMReader("optical_density"), image_only=True)``
    """

    def __init__(self, output: str = "gray_level") -> None:
        super().__init__()
        if output not in OUTPUTS:
            raise ValueError(f"Expected `output` to be one of {OUTPUTS}, but got {output!r}.")
        self.output = output

    def verify_suffix(self, filename: Sequence[PathLike] | PathLike) -> bool:
        """True when every file ends in ``.LJPEG`` or ``.LJPEG.gz``, in whatever case."""
        return all(open_name(Path(name).name).endswith(".ljpeg") for name in ensure_tuple(filename))

    def read(self, data: Sequence[PathLike] | PathLike, **kwargs: Any) -> DDSMFilmImage:
        """Decode one file.

        Raises:
            FileNotFoundError, ImportError, ValueError: see the class.
        """
        paths = ensure_tuple(data)
        if len(paths) != 1:
            raise ValueError(f"Expected one film, but got {len(paths)} files: make one data item of each.")
        path = Path(paths[0])
        name = parse_name(path.name)
        if name is None or name.kind != "LJPEG":
            raise ValueError(
                f"Expected a file name as A_1509_1.LEFT_CC.LJPEG, but got {path}: keep the names of the archive, since "
                "institution, view and .ics file follow from them."
            )
        ics_path = find_ics(path, name.ics)
        case = read_ics(ics_path)
        if name.view not in case.films:
            raise ValueError(
                f"Expected a line {name.view} with LINES and PIXELS_PER_LINE in {ics_path}, but it is missing: "
                "copy the .ics file again."
            )
        film = case.films[name.view]
        pixels = read_ljpeg(path, film.size)
        if self.output == "optical_density":
            values = optical_density(pixels, case.digitizer, name.institution)
        else:
            values = pixels.astype(np.float32)
        side, view = name.view.split("_")
        meta = {
            "digitizer": case.digitizer,
            "institution": name.institution,
            "laterality": side[0],
            "view": view,
            "breast_density": case.density,
            "bits_stored": film.bits or 0,
        }
        return DDSMFilmImage(values, meta, case.spacing(name.view))

    def get_data(self, img: DDSMFilmImage) -> tuple[np.ndarray, dict[str, Any]]:
        """Pixels (H, W) float32 and metadata of a film that :meth:`read` gave."""
        affine = np.diag([*(img.spacing or (1.0, 1.0)), 1.0, 1.0])
        meta = {
            **img.meta,
            "spacing": np.array(img.spacing or (np.nan, np.nan)),
            "has_spacing": img.spacing is not None,
            MetaKeys.AFFINE: affine,
            MetaKeys.ORIGINAL_AFFINE: affine.copy(),
            MetaKeys.SPACE: SpaceKeys.RAS,
            MetaKeys.SPATIAL_SHAPE: np.array(img.pixels.shape),
            MetaKeys.ORIGINAL_CHANNEL_DIM: "no_channel",
        }
        return img.pixels, meta
