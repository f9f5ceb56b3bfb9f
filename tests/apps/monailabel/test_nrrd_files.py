# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import gzip
from pathlib import Path

import nrrd
import numpy as np
import pytest

from monai_acdr.apps.monailabel.images import is_nrrd, read_nrrd, write_nrrd

AFFINE = np.array([[-1.2, 0.3, 1, 6], [0.3, 1.4, 0.5, -7], [0.2, -0.2, -8, 25], [0, 0, 0, 1.0]])


@pytest.mark.parametrize("compress", [False, True])
@pytest.mark.parametrize("shape", [(4, 3, 2), (4, 3, 2, 5)])
@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.float32])
def test_round_trip(tmp_path: Path, compress: bool, shape: tuple[int, ...], dtype: type) -> None:
    voxels = np.arange(np.prod(shape)).reshape(shape).astype(dtype)
    path = write_nrrd(tmp_path / "a.nrrd", voxels, AFFINE, compress)
    found, affine = read_nrrd(path)
    np.testing.assert_array_equal(found, voxels)
    np.testing.assert_allclose(affine, AFFINE, atol=1e-12)
    assert found.dtype == dtype and is_nrrd(path)


def test_against_the_specification(tmp_path: Path) -> None:
    """Big endian, RAS, a list axis, comments and pairs: written by hand."""
    head = (
        "NRRD0005\n# a comment\ntype: unsigned short\ndimension: 3\nspace: right-anterior-superior\nsizes: 2 1 2\n"
        "space directions: (2,0,0) (0,3,0) (0,0,4)\nkinds: domain domain domain\nendian: big\nencoding: gzip\n"
        "space origin: (1,2,3)\nSegment0_Name:=a: b\n\n"
    )
    (tmp_path / "a.nrrd").write_bytes(head.encode() + gzip.compress(bytes([0, 1, 0, 2, 1, 0, 0, 4])))
    voxels, affine = read_nrrd(tmp_path / "a.nrrd")
    assert voxels.tolist() == [[[1, 256]], [[2, 4]]]
    np.testing.assert_array_equal(affine, [[2, 0, 0, 1], [0, 3, 0, 2], [0, 0, 4, 3], [0, 0, 0, 1]])


def test_against_another_program(tmp_path: Path) -> None:
    voxels = np.arange(24, dtype=np.uint8).reshape(4, 3, 2)
    write_nrrd(tmp_path / "a.nrrd", voxels, AFFINE, True)
    found, header = nrrd.read(str(tmp_path / "a.nrrd"))
    np.testing.assert_array_equal(found, voxels)
    np.testing.assert_allclose(header["space directions"].T, np.diag([-1, -1, 1]) @ AFFINE[:3, :3])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ((b"NRRD0004", b"PNG"), "does not begin with NRRD"),
        ((b"sizes: 4 3 2", b"sizes: 4 3 3"), "24 bytes of data, expected 36"),
        ((b"sizes: 4 3 2", b"sizes: 4 3 -2"), "its sizes are"),
        ((b"sizes: 4 3 2", b"sizes: 90000 90000 2"), "at most 512 MiB of memory.*61,798 MiB"),
        ((b"type: uint8", b"type: block"), "no or an unknown 'block'"),
        ((b"sizes", b"saizes"), "no or an unknown 'sizes'"),
        ((b"encoding: raw", b"encoding: bzip2"), "its data are bzip2"),
        ((b"encoding: raw", b"encoding: gzip"), "cannot be used"),
        ((b"left-posterior-superior", b"scanner-xyz"), "no or an unknown 'scanner-xyz'"),
        ((b"space directions: (", b"space directions: none ("), "not those of space"),
        ((b"space origin: (", b"space origin: (nan,nan,nan) ("), "cannot be used"),
    ],
)
def test_damaged_files(tmp_path: Path, change: tuple[bytes, bytes], message: str) -> None:
    path = write_nrrd(tmp_path / "a.nrrd", np.zeros((4, 3, 2), np.uint8), AFFINE)
    path.write_bytes(path.read_bytes().replace(*change))
    with pytest.raises(ValueError, match=message):
        read_nrrd(path)


def test_a_bomb_is_not_unpacked(tmp_path: Path) -> None:
    path = write_nrrd(tmp_path / "a.nrrd", np.zeros((4, 3, 2), np.uint8), AFFINE, True)
    head = path.read_bytes().partition(b"\n\n")[0]
    path.write_bytes(head + b"\n\n" + gzip.compress(bytes(10_000_000)))
    with pytest.raises(ValueError, match="25 bytes of data, expected 24"):
        read_nrrd(path)


def test_what_cannot_be_written(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"Expected \(X, Y, Z\[, T\]\) of numbers"):
        write_nrrd(tmp_path / "a.nrrd", np.zeros((4, 3), np.uint8), AFFINE)


@pytest.mark.parametrize(("unit", "factor"), [("mm", 1), ("um", 0.001), ("m", 1000)])
def test_units_become_mm(tmp_path: Path, unit: str, factor: float) -> None:
    path = write_nrrd(tmp_path / "a.nrrd", np.zeros((4, 3, 2), np.uint8), AFFINE)
    content = path.read_bytes()
    path.write_bytes(content.replace(b"kinds:", f'space units: "{unit}" "{unit}" "{unit}"\nkinds:'.encode()))
    np.testing.assert_allclose(read_nrrd(path)[1][:3], AFFINE[:3] * factor)
    path.write_bytes(content.replace(b"kinds:", b'space units: "mm" "mm" "s"\nkinds:'))
    with pytest.raises(ValueError, match="its space units are"):
        read_nrrd(path)
