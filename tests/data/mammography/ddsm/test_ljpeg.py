# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""``.LJPEG`` files: exact on files of the PVRG codec itself; damaged files."""

from __future__ import annotations

import gzip
import sys
from pathlib import Path

import numpy as np
import pytest

from monai_acdr.data.mammography.ddsm_film import read_ljpeg
from monai_acdr.data.phantoms.mammograms import encode_ljpeg

IMAGE = np.random.default_rng(0).integers(0, 4096, (20, 30)).astype(np.uint16)


@pytest.fixture
def codec() -> None:
    pytest.importorskip("imagecodecs")


@pytest.mark.real_data
@pytest.mark.parametrize("view", ["LEFT_CC", "LEFT_MLO", "RIGHT_CC", "RIGHT_MLO"])
def test_fixture_views(codec: None, shared_data: Path, view: str) -> None:
    folder = shared_data / "ddsm_ljpeg_fixture"
    truth = np.load(folder / f"A_9999_1.{view}.truth.npy")
    pixels = read_ljpeg(folder / f"A_9999_1.{view}.LJPEG", truth.shape)
    assert pixels.dtype == np.uint16
    assert np.array_equal(pixels, truth)


@pytest.mark.real_data
def test_fixture_sweep(codec: None, shared_data: Path) -> None:
    paths = sorted((shared_data / "ddsm_ljpeg_fixture").glob("sweep_*.LJPEG"))
    assert len(paths) >= 13
    for path in paths:
        truth = np.load(path.with_name(path.name.partition("_pred")[0] + ".truth.npy"))
        assert np.array_equal(read_ljpeg(path, truth.shape), truth), path.name
        assert np.array_equal(read_ljpeg(path), truth), path.name


@pytest.mark.real_data
def test_every_lost_byte_is_noticed(codec: None, shared_data: Path, tmp_path: Path) -> None:
    # The codec returns a picture without a word; the number of bits that its differences need gives it away.
    data = (shared_data / "ddsm_ljpeg_fixture" / "sweep_12_pred3.LJPEG").read_bytes()
    path = tmp_path / "a.LJPEG"
    for lost in (3, 4, 50, 1000):
        path.write_bytes(data[:-lost])
        with pytest.raises(ValueError, match="a.LJPEG need .* bits and it has .*: it is truncated or damaged"):
            read_ljpeg(path)
    path.write_bytes(data[:2000] + data[2500:])
    with pytest.raises(ValueError, match="it is truncated or damaged|cannot be decoded"):
        read_ljpeg(path)


def test_shape(codec: None, tmp_path: Path) -> None:
    path = tmp_path / "a.LJPEG.gz"
    path.write_bytes(gzip.compress(encode_ljpeg(IMAGE, 12, 7, swap_header=True)))
    assert read_ljpeg(path).shape == (30, 20)
    assert np.array_equal(read_ljpeg(path, (20, 30)), IMAGE)
    with pytest.raises(ValueError, match=r"to have 20 x 31 pixels, but its header says 30 x 20, .*compare LINES"):
        read_ljpeg(path, (20, 31))
    with pytest.raises(ValueError, match="to have 0 x 30 pixels"):
        read_ljpeg(path, (0, 30))


def test_noise_is_no_image(codec: None, tmp_path: Path) -> None:
    data = encode_ljpeg(IMAGE, 12, 7)
    rng = np.random.default_rng(1)
    path = tmp_path / "a.LJPEG"
    for _ in range(20):
        start = data.index(b"\xff\xda") + 10
        path.write_bytes(data[:start] + rng.integers(0, 255, rng.integers(80, 300)).astype(np.uint8).tobytes())
        with pytest.raises(ValueError, match="Expected a complete lossless JPEG file"):
            read_ljpeg(path)


def test_without_the_codec(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "imagecodecs", None)
    path = tmp_path / "a.LJPEG"
    path.write_bytes(encode_ljpeg(IMAGE, 12, 7))
    with pytest.raises(ImportError, match=r"imagecodecs, which decodes the lossless JPEG .*monai_acdr\[ddsm\]"):
        read_ljpeg(path)


def test_absent_file(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="Expected an .LJPEG file, but .* does not exist"):
        read_ljpeg(tmp_path / "a.LJPEG")


def test_many_blocks(codec: None, tmp_path: Path) -> None:
    film = np.random.default_rng(0).integers(0, 256, (600, 500)).astype(np.uint16)
    path = tmp_path / "a.LJPEG"
    path.write_bytes(encode_ljpeg(film, 12, 7))
    assert np.array_equal(read_ljpeg(path, film.shape), film)
