# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""NRRD volumes (http://teem.sourceforge.net/nrrd/format.html), as 3D Slicer and OHIF read and write label maps.

Raw or gzip data in the same file; spaces of three dimensions, LPS or RAS.
"""

from __future__ import annotations

import gzip
import math
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from monai_acdr.data.files import check_regular_file
from monai_acdr.files import replace_file
from monai_acdr.read_budget import check_bytes, check_pixels

__all__ = ["is_nrrd", "read_nrrd", "write_nrrd"]

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
    """Whether the name ends like NRRD's."""
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
        ValueError: when it is no such file, is damaged, or is larger than the budget.
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
            # deflate makes data a few bytes in a thousand longer at most; what follows is not theirs
            data = _unpack(stream.read(number + number // 64 + 4096), fields.get("encoding", "raw"), number)
            return np.frombuffer(data, dtype).reshape(shape, order="F").astype(dtype.newbyteorder("=")), affine


def _header(stream: BinaryIO) -> tuple[dict[str, str], tuple[int, ...], np.dtype[Any], int]:
    """Fields, shape, type and place of the data."""
    start = stream.read(MAX_HEADER)
    head, gap, _ = start.partition(b"\n\n")
    if not start.startswith(b"NRRD000") or not gap:
        raise ValueError("it does not begin like one")
    fields = _fields(head.decode("ascii"))
    shape = tuple(int(size) for size in fields["sizes"].split())
    if not 2 <= len(shape) <= 4 or min(shape) < 1:
        raise ValueError(f"its sizes are {shape}, expected 2 to 4")
    order = "<" if fields.get("endian", "little") == "little" else ">"
    return fields, shape, np.dtype(order + _TYPES[fields["type"]]), len(head) + 2


@contextmanager
def _refusal(path: Path) -> Iterator[None]:
    """What is wrong with a file becomes an error that names it."""
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
        data = zlib.decompressobj(wbits=31).decompress(data, expected + 1)  # never more, whatever it unpacks to
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
    """Of ``space units: "mm" "mm" "mm"``; without the field a unit is a mm."""
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
