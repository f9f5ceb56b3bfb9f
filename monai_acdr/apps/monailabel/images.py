# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Images of the server: their names and frames, and the voxel grid of the clients' label maps.

NRRD files have raw or gzip data in the same file, and spaces of three dimensions, LPS or RAS.
"""

from __future__ import annotations

import gzip
import logging
import math
import os
import re
import threading
import zlib
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from monai.utils import optional_import

from monai_acdr.apps.inputs import Frame, Inputs, read_inputs, volume_inputs
from monai_acdr.data.files import check_regular_file
from monai_acdr.data.image_headers import is_dicom_file
from monai_acdr.data.nifti import NiftiVolume, check_grid, is_nifti, read_nifti
from monai_acdr.dicom import SourceFrame
from monai_acdr.files import replace_file
from monai_acdr.read_budget import check_bytes, check_pixels

__all__ = [
    "ImageCache",
    "LabelImage",
    "check_id",
    "check_tag",
    "convert_series",
    "is_nrrd",
    "is_series_folder",
    "read_label_image",
    "read_nrrd",
    "series_files",
    "write_nrrd",
]

_CHECKED_FILES = 20
"""Number of files of a folder that are checked to determine its kind."""
_TAG = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")


def check_id(image_id: str) -> str:
    """An image id that stays in its folder.

    Raises:
        ValueError: when it is empty, hidden, or would lead elsewhere.
    """
    bad = {"/", "\\", "\0"} & set(image_id) or image_id.startswith(".") or not 1 <= len(image_id) <= 200
    if bad or os.path.basename(image_id) != image_id:
        raise ValueError(f"Expected an image id that is a plain file name, but got {image_id[:80]!r}.")
    return image_id


def check_tag(tag: Any) -> str:
    """A tag of labels, a folder name: letters, digits, ``_``, ``-`` and ``.``; or an Enum member with such a value.

    Raises:
        ValueError: when it is not one.
    """
    text = str(getattr(tag, "value", tag))
    if not _TAG.fullmatch(text):
        raise ValueError(f"Expected a tag such as final or original, but got {text[:80]!r}.")
    return text


def is_series_folder(folder: Path) -> bool:
    """Whether a folder itself holds DICOM files, not only its subfolders."""
    if folder.name.startswith("."):
        return False
    files = sorted(entry for entry in folder.iterdir() if entry.is_file() and not entry.name.startswith("."))
    return any(is_dicom_file(file) for file in files[:_CHECKED_FILES])


def series_files(folder: Path) -> list[Path]:
    """Files of the only series in a folder, in the order of ITK's series reader, which MONAI Label converts with.

    A cine series, whose frames share their positions, is ordered by instance number.

    Raises:
        ImportError: without SimpleITK.
        ValueError: when there is no series, or several.
    """
    reader, _ = optional_import("SimpleITK", name="ImageSeriesReader")
    series = reader.GetGDCMSeriesIDs(str(folder))
    if len(series) != 1:
        raise ValueError(
            f"Expected one DICOM series in a folder, but got {len(series)}: give each series a separate folder."
        )
    return [Path(name) for name in reader.GetGDCMSeriesFileNames(str(folder), series[0])]


def convert_series(folder: Path, target: Path) -> Path:
    """Write a series as NIfTI, as MONAI Label does, for clients that need a file.

    Args:
        folder: folder of one series.
        target: ``.nii.gz`` file; replaced when it exists.

    Raises:
        ImportError, ValueError: as :func:`series_files`; ValueError also when the series cannot be read.
    """
    files = [str(path) for path in series_files(folder)]
    sitk, _ = optional_import("SimpleITK")
    try:
        image = sitk.ReadImage(files[0] if len(files) == 1 else files)
        sitk.WriteImage(image, str(target))
    except RuntimeError as error:
        reason = str(error).strip().splitlines()[-1:] or ["unknown"]
        raise ValueError(f"Expected a DICOM series that can be read, but {folder} cannot: {reason[0]}") from None
    return target


MAX_HEADER = 1 << 16

_TYPES = {
    **dict.fromkeys(("uchar", "unsigned char", "uint8", "uint8_t"), "u1"),
    **dict.fromkeys(("signed char", "int8", "int8_t"), "i1"),
    **dict.fromkeys(("ushort", "unsigned short", "unsigned short int", "uint16", "uint16_t"), "u2"),
    **dict.fromkeys(("short", "short int", "signed short", "signed short int", "int16", "int16_t"), "i2"),
    **dict.fromkeys(("uint", "unsigned int", "uint32", "uint32_t"), "u4"),
    **dict.fromkeys(("int", "signed int", "int32", "int32_t"), "i4"),
    **{"float": "f4", "double": "f8"},
}
_NAMES = {"u1": "uint8", "i1": "int8", "u2": "uint16", "i2": "int16", "u4": "uint32", "i4": "int32", "f4": "float"}
_MM_PER_UNIT = {"mm": 1.0, "millimeter": 1.0, "cm": 10.0, "m": 1000.0, "meter": 1000.0, "um": 0.001, "micron": 0.001}
_LPS = ("left-posterior-superior", "lps")
_RAS = ("right-anterior-superior", "ras")


def is_nrrd(path: Path) -> bool:
    """Whether the name has NRRD's suffix."""
    return path.name.lower().endswith(".nrrd")


def write_nrrd(path: Path, voxels: np.ndarray, affine: np.ndarray, compress: bool = False) -> Path:
    """Write voxels (X, Y, Z) or (X, Y, Z, T).

    Args:
        path: ``.nrrd`` file; replaced when it exists.
        voxels: integers of up to 32 bits, or float32.
        affine: (4, 4) voxel index to RAS mm.
        compress: gzip the data.
    """
    if voxels.ndim not in (3, 4) or voxels.dtype.str[1:] not in _NAMES:
        raise ValueError(f"Expected (X, Y, Z[, T]) of numbers, but got {voxels.shape} of {voxels.dtype}.")
    lps = np.diag([-1.0, -1.0, 1.0, 1.0]) @ affine
    directions = [_vector(lps[:3, axis]) for axis in range(3)]
    lines = [
        "NRRD0004",
        f"type: {_NAMES[voxels.dtype.str[1:]]}",
        f"dimension: {voxels.ndim}",
        "space: left-posterior-superior",
        f"sizes: {' '.join(map(str, voxels.shape))}",
        f"space directions: {' '.join([*directions, *(['none'] if voxels.ndim == 4 else [])])}",
        f"kinds: domain domain domain{' list' if voxels.ndim == 4 else ''}",
        "endian: little",
        f"encoding: {'gzip' if compress else 'raw'}",
        f"space origin: {_vector(lps[:3, 3])}",
    ]
    data = np.asfortranarray(voxels, dtype=voxels.dtype.newbyteorder("<")).tobytes(order="F")
    with replace_file(path) as temporary:
        head = ("\n".join(lines) + "\n\n").encode("ascii")
        temporary.write_bytes(head + (gzip.compress(data, 6, mtime=0) if compress else data))
    return path


def read_nrrd(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Read voxels (X, Y[, Z[, T]]) and their affine (4, 4), voxel index to RAS mm.

    Raises:
        FileNotFoundError: when there is no such file.
        ValueError: when the file is not NRRD, is damaged, or is larger than the read budget.
    """
    check_regular_file(path, "a NRRD volume")
    with open(path, "rb") as stream:
        with _refusal(path):
            fields, shape, dtype, place = _header(stream)
            affine = _affine(fields, len(shape))
        number = math.prod(shape) * dtype.itemsize
        check_pixels(path, shape)
        check_bytes(path, number)
        with _refusal(path):
            stream.seek(place)
            # deflate makes data at most a few bytes in a thousand longer; anything beyond is not data
            data = _unpack(stream.read(number + number // 64 + 4096), fields.get("encoding", "raw"), number)
            return np.frombuffer(data, dtype).reshape(shape, order="F").astype(dtype.newbyteorder("=")), affine


def _header(stream: BinaryIO) -> tuple[dict[str, str], tuple[int, ...], np.dtype[Any], int]:
    """Fields, and shape, type and offset of the data."""
    start = stream.read(MAX_HEADER)
    head, gap, _ = start.partition(b"\n\n")
    if not start.startswith(b"NRRD000") or not gap:
        raise ValueError("it does not begin with NRRD's signature")
    fields = _fields(head.decode("ascii"))
    shape = tuple(int(size) for size in fields["sizes"].split())
    if not 2 <= len(shape) <= 4 or min(shape) < 1:
        raise ValueError(f"its sizes are {shape}, expected 2 to 4")
    order = "<" if fields.get("endian", "little") == "little" else ">"
    return fields, shape, np.dtype(order + _TYPES[fields["type"]]), len(head) + 2


@contextmanager
def _refusal(path: Path) -> Iterator[None]:
    """Turn errors of reading into a ValueError that names the file."""
    try:
        yield
    except KeyError as error:
        raise ValueError(f"Expected a NRRD volume, but {path} has no or an unknown {error}.") from None
    except (ValueError, OSError, EOFError, OverflowError, zlib.error) as error:
        raise ValueError(f"Expected a NRRD volume with its data, but {path} cannot be used: {error}.") from None


def _vector(values: np.ndarray) -> str:
    return "(" + ",".join(repr(float(value) + 0.0) for value in values) + ")"


def _fields(head: str) -> dict[str, str]:
    pairs = (line.partition(":") for line in head.splitlines()[1:] if not line.startswith("#") and ":=" not in line)
    return {key.strip().lower(): value.strip().lower() for key, _, value in pairs}


def _unpack(data: bytes, encoding: str, expected: int) -> bytes:
    if encoding in ("gzip", "gz"):
        data = zlib.decompressobj(wbits=31).decompress(data, expected + 1)  # a limit on what the data unpack to
    elif encoding != "raw":
        raise ValueError(f"its data are {encoding}, expected raw or gzip")
    if len(data) != expected:
        raise ValueError(f"it has {len(data)} bytes of data, expected {expected}")
    return data


def _affine(fields: dict[str, str], dimension: int) -> np.ndarray:
    affine = np.diag([-1.0, -1.0, 1.0, 1.0])
    if "space directions" in fields and dimension >= 3:
        vectors = [_parse(text) for text in fields["space directions"].split()]
        columns = [vector for vector in vectors if vector is not None][:3]
        origin = _parse(fields.get("space origin", "(0,0,0)"))
        if len(columns) != 3 or origin is None or vectors[:3] != columns:
            raise ValueError("its first three axes are not those of space")
        sign = {**dict.fromkeys(_LPS, [-1, -1, 1]), **dict.fromkeys(_RAS, [1, 1, 1])}[fields["space"]]
        affine[:3, :3] = np.array(columns).T * np.array(sign)[:, None]
        affine[:3, 3] = np.array(origin) * sign
        affine[:3] *= _mm_per_unit(fields.get("space units", ""))
    if not np.isfinite(affine).all() or abs(np.linalg.det(affine)) < 1e-12:
        raise ValueError("its directions are singular")
    return affine


def _mm_per_unit(text: str) -> float:
    """Unit of ``space units: "mm" "mm" "mm"`` in mm; without the field the unit is a mm."""
    units = {unit.strip() for unit in text.split('"') if unit.strip()} or {"mm"}
    if len(units) != 1 or not units <= _MM_PER_UNIT.keys():
        raise ValueError(f"its space units are {text[:60]}, expected one of {', '.join(_MM_PER_UNIT)} for all axes")
    return _MM_PER_UNIT[units.pop()]


def _parse(text: str) -> tuple[float, float, float] | None:
    """A vector ``(x,y,z)``; None for ``none``."""
    if text == "none":
        return None
    x, y, z = (float(part) for part in text.strip("()").split(","))
    return x, y, z


CACHED_PIXELS = 100_000_000
"""Limit of the pixels of decoded images that are kept: 400 MB."""

_logger = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class LabelImage:
    """An image as the server works on it.

    Attributes:
        inputs: its frames.
        places: (slice, phase) of each frame on the grid.
        shape: (X, Y, Z) or (X, Y, Z, T) of the grid, voxels; pictures have Z = 1.
        affine: (4, 4) voxel index (column, row, slice) to RAS mm, as clients understand the file.
        is_picture: whether it is a PNG, JPEG or similar, without a position in a patient.
    """

    inputs: Inputs
    places: tuple[tuple[int, int], ...]
    shape: tuple[int, ...]
    affine: np.ndarray
    is_picture: bool = False

    @property
    def num_phases(self) -> int:
        """T."""
        return self.shape[3] if len(self.shape) > 3 else 1

    def frames_of(self, number: int, phase: int | None) -> list[int]:
        """Indices of the frames of a slice, in one phase or in all (None)."""
        return [i for i, (z, t) in enumerate(self.places) if z == number and phase in (None, t)]

    @property
    def sources(self) -> list[SourceFrame]:
        """The DICOM frames; empty for other images."""
        return self.inputs.sources

    @property
    def num_pixels(self) -> int:
        """Number of pixels of all frames."""
        return sum(frame.size[0] * frame.size[1] for frame in self.inputs.frames)


def read_label_image(path: Path, series: Path | None = None, order: Sequence[Path] = ()) -> LabelImage:
    """Read an image.

    Args:
        path: NIfTI, NRRD, picture or DICOM file, or a folder of one DICOM series.
        series: for a NIfTI volume converted from DICOM, the folder of the series: pixels and positions come from the
            series (mammograms are inverted and cropped as in training, results can refer to the images), the grid from
            the volume.
        order: files of that series, in the order of the volume's slices.

    Raises:
        FileNotFoundError: when there is no such path.
        ValueError: when the image is of another kind, or damaged.
    """
    if series is not None and is_nifti(path):
        return _converted(path, series, order)
    if is_nifti(path):
        inputs = read_inputs(path)
        return _of_volume(inputs)
    if is_nrrd(path):
        voxels, affine = read_nrrd(path)
        findings = tuple(check_grid(path, affine, voxels.shape))
        return _of_volume(volume_inputs(NiftiVolume.from_voxels(voxels, affine, findings=findings)))
    inputs = read_inputs(path)
    frames = inputs.frames
    if len({frame.size for frame in frames}) != 1:
        raise ValueError("Expected images of one size, but got several: give each size a separate folder.")
    (height, width), places = frames[0].size, tuple((index, 0) for index in range(len(frames)))
    affine = _stack_affine(frames)
    return LabelImage(inputs, places, (width, height, len(frames)), affine, inputs.kind == "pictures")


def _of_volume(inputs: Inputs) -> LabelImage:
    volume = inputs.volume
    assert volume is not None
    shape = (*volume.shape, 1)[:3] if len(volume.shape) < 3 else volume.shape
    return LabelImage(inputs, tuple(volume.places), shape, volume.file_affine)


def _converted(path: Path, series: Path, order: Sequence[Path]) -> LabelImage:
    """The grid of the volume, the frames of the series in the order of the grid's slices."""
    volume = read_nifti(path)
    inputs = read_inputs(series)
    by_file: dict[Path, list[Frame]] = {}
    for frame in inputs.frames:
        assert frame.source is not None
        by_file.setdefault(frame.source.path.resolve(), []).append(frame)
    for frames in by_file.values():
        frames.sort(key=lambda frame: frame.source.frame if frame.source else 0)
    files = [file.resolve() for file in order] or list(by_file)
    ordered = [frame for file in files for frame in by_file.get(file, [])]
    width, height, *rest = volume.shape
    if len(ordered) != int(np.prod(rest)) or any(frame.size != (height, width) for frame in ordered):
        _logger.warning("A volume does not have the frames of its DICOM series: only the volume is used.")
        return read_label_image(path)
    inputs = replace(inputs, frames=ordered)
    places = tuple((index, 0) for index in range(len(ordered)))
    return LabelImage(inputs, places, (width, height, len(ordered)), volume.file_affine)


def _stack_affine(frames: Sequence[Frame]) -> np.ndarray:
    """Affine (4, 4) of DICOM frames or pictures: index (column, row, frame) to RAS mm.

    An image without a position is placed as 3D Slicer places pictures: columns to the left, rows to the back.
    """
    source = frames[0].source
    if source is None or not source.has_place:
        rows, columns = frames[0].spacing or (1.0, 1.0)
        return np.diag([-columns, -rows, 1.0, 1.0])
    affine = source.affine.numpy()[:, [1, 0, 2, 3]].astype(np.float64)
    normal = np.cross(affine[:3, 0], affine[:3, 1])
    affine[:3, 2] = normal / np.linalg.norm(normal)
    last = frames[-1].source
    if last is not None and last.has_place:
        step = (last.affine.numpy()[:3, 3] - affine[:3, 3]) / max(len(frames) - 1, 1)
        if np.linalg.norm(step) > 1e-3:
            affine[:3, 2] = step
    return affine


class ImageCache:
    """Cache of the latest decoded images, valid while their files do not change. Thread-safe.

    Args:
        max_pixels: limit for all images that are kept together; a larger image is not kept.
    """

    def __init__(self, max_pixels: int = CACHED_PIXELS) -> None:
        self.max_pixels = max_pixels
        self._images: OrderedDict[tuple[str, int, int], LabelImage] = OrderedDict()
        self._lock = threading.Lock()

    def read(
        self, path: Path, series: Path | None = None, order: Callable[[Path], Sequence[Path]] | None = None
    ) -> LabelImage:
        """Like :func:`read_label_image`; ``order`` is called for the files of ``series`` when they have to be read."""
        status = path.stat()
        key = (str(path), status.st_mtime_ns, status.st_size)
        with self._lock:
            if key in self._images:
                self._images.move_to_end(key)
                return self._images[key]
        files = order(series) if series is not None and order is not None else ()
        image = read_label_image(path, series, files)
        if path.is_dir() or image.num_pixels > self.max_pixels:  # a folder's time does not show changed files
            return image
        with self._lock:
            self._images[key] = image
            while sum(each.num_pixels for each in self._images.values()) > self.max_pixels:
                self._images.popitem(last=False)
        return image
