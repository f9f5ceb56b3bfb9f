# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""NRRD volumes (http://teem.sourceforge.net/nrrd/format.html), as 3D Slicer and OHIF read and write label maps.

Raw or gzip data in the same file; spaces of three dimensions, LPS or RAS.
"""

from __future__ import annotations

import gzip
import zlib
from pathlib import Path

import numpy as np

from monai_acdr.atomic_files import replace_file

__all__ = ["is_nrrd", "read_nrrd", "write_nrrd"]

MAX_HEADER = 1 << 16
MAX_VOXELS = 1_000_000_000

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
        ValueError: when it is no such file, or is damaged.
    """
    try:
        with open(path, "rb") as stream:
            start = stream.read(MAX_HEADER)
            head, gap, _ = start.partition(b"\n\n")
            if not start.startswith(b"NRRD000") or not gap:
                raise ValueError("it does not begin like one")
            fields = _fields(head.decode("ascii"))
            shape = tuple(int(size) for size in fields["sizes"].split())
            if not 2 <= len(shape) <= 4 or min(shape) < 1 or int(np.prod(shape)) > MAX_VOXELS:
                raise ValueError(f"its sizes are {shape}, expected 2 to 4 and at most {MAX_VOXELS} voxels")
            dtype = np.dtype(("<" if fields.get("endian", "little") == "little" else ">") + _TYPES[fields["type"]])
            stream.seek(len(head) + 2)
            data = _unpack(stream.read(), fields.get("encoding", "raw"), int(np.prod(shape)) * dtype.itemsize)
        voxels = np.frombuffer(data, dtype).reshape(shape, order="F").astype(dtype.newbyteorder("="))
        affine = _affine(fields, len(shape))
    except KeyError as error:
        raise ValueError(f"Expected a NRRD volume, but {path} has no or an unknown {error}.") from None
    except (ValueError, OSError, EOFError, zlib.error) as error:
        raise ValueError(f"Expected a NRRD volume with its data, but {path} cannot be used: {error}.") from None
    return voxels, affine


def _vector(values: np.ndarray) -> str:
    return "(" + ",".join(repr(float(value) + 0.0) for value in values) + ")"


def _fields(head: str) -> dict[str, str]:
    pairs = (line.partition(":") for line in head.splitlines()[1:] if not line.startswith("#") and ":=" not in line)
    return {key.strip().lower(): value.strip().lower() for key, _, value in pairs}


def _unpack(data: bytes, encoding: str, expected: int) -> bytes:
    if encoding in ("gzip", "gz"):
        data = zlib.decompressobj(wbits=31).decompress(data, expected + 1)
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
    if not np.isfinite(affine).all() or abs(np.linalg.det(affine)) < 1e-12:
        raise ValueError("its directions are singular")
    return affine


def _parse(text: str) -> tuple[float, float, float] | None:
    """A vector ``(x,y,z)``; None for ``none``."""
    if text == "none":
        return None
    x, y, z = (float(part) for part in text.strip("()").split(","))
    return x, y, z
