# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""The encoder: decoders of the standard read it where PVRG follows the standard."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from monai_acdr.data.mammography.ddsm_film import read_ljpeg
from monai_acdr.data.phantoms.mammograms import encode_ljpeg


@pytest.fixture
def codec() -> None:
    pytest.importorskip("imagecodecs")


@pytest.mark.parametrize("precision", [12, 16])
@pytest.mark.parametrize("predictor", range(1, 8))
def test_round_trip(codec: None, tmp_path: Path, predictor: int, precision: int) -> None:
    from imagecodecs import ljpeg_decode

    rng = np.random.default_rng(predictor)
    pixels = rng.integers(0, 1 << precision, (23, 31)).astype(np.uint16)
    pixels[5:15] = rng.integers(0, 8, (10, 31))  # small differences too
    data = encode_ljpeg(pixels, precision, predictor)
    assert np.array_equal(ljpeg_decode(data), pixels) == (predictor in (1, 4, 5))
    path = tmp_path / "a.LJPEG"
    for swapped in (False, True):
        path.write_bytes(encode_ljpeg(pixels, precision, predictor, swapped))
        assert np.array_equal(read_ljpeg(path, pixels.shape), pixels)


@pytest.mark.real_data
def test_differences_are_those_of_the_codec(shared_data: Path, tmp_path: Path, codec: None) -> None:
    # Our file of the same image decodes, by a decoder of the standard, to the same wrong image as PVRG's.
    from imagecodecs import ljpeg_decode

    folder = shared_data / "ddsm_ljpeg_fixture"
    for precision in (12, 16):
        truth = np.load(folder / f"sweep_{precision}.truth.npy")
        for path in folder.glob(f"sweep_{precision}_pred*.LJPEG"):
            ours = ljpeg_decode(encode_ljpeg(truth, precision, int(path.stem[-1])))
            assert np.array_equal(ours, ljpeg_decode(path.read_bytes())), path.name


@pytest.mark.parametrize(
    ("pixels", "precision", "message"),
    [
        (np.zeros((2, 2)), 12, r"Expected `pixels` to be \(H, W\) unsigned, but got float64"),
        (np.zeros((2, 0), dtype=np.uint16), 12, r"but got uint16 \(2, 0\)"),
        (np.full((2, 2), 4096, dtype=np.uint16), 12, "of 12 bits .*but the largest is 4096"),
        (np.zeros((2, 2), dtype=np.uint16), 17, "of 17 bits"),
    ],
)
def test_wrong_arguments(pixels: np.ndarray, precision: int, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        encode_ljpeg(pixels, precision)
