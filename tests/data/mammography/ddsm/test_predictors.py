# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Predictors and the first line, against decoders written out sample by sample."""

from __future__ import annotations

import numpy as np
import pytest

from monai_acdr.data.mammography.ddsm_film import PREDICTORS, predict, pvrg_samples, standard_differences

FORMULAS = {
    1: lambda a, b, c: a,
    2: lambda a, b, c: b,
    3: lambda a, b, c: c,
    4: lambda a, b, c: a + b - c,
    5: lambda a, b, c: a + ((b - c) >> 1),
    6: lambda a, b, c: b + ((a - c) >> 1),
    7: lambda a, b, c: (a + b) >> 1,
}


def decode(differences: np.ndarray, predictor: int, precision: int, standard: bool) -> np.ndarray:
    """Sample by sample."""
    height, width = differences.shape
    half, samples = 1 << (precision - 1), np.zeros((height, width), dtype=np.int64)
    for row in range(height):
        for column in range(width):
            above = [half] * width if row == 0 else samples[row - 1].tolist()
            if column == 0:
                prediction = above[0]
            elif row == 0 and standard:
                prediction = int(samples[0, column - 1])
            else:
                prediction = FORMULAS[predictor](int(samples[row, column - 1]), above[column], above[column - 1])
            samples[row, column] = (prediction + int(differences[row, column])) % 65536
    return samples


@pytest.mark.parametrize("size", [(1, 1), (1, 7), (7, 1), (5, 9), (9, 5), (2, 2)])
@pytest.mark.parametrize("predictor", PREDICTORS)
def test_both_rules(predictor: int, size: tuple[int, int]) -> None:
    rng = np.random.default_rng(predictor)
    differences = rng.integers(0, 65536, size).astype(np.uint16)
    for precision in (12, 16):
        standard = decode(differences, predictor, precision, standard=True).astype(np.uint16)
        assert np.array_equal(standard_differences(standard, predictor, precision), differences)
        samples = pvrg_samples(differences.copy(), predictor, precision)
        assert samples.dtype == np.uint16
        assert np.array_equal(samples, decode(differences, predictor, precision, standard=False))
        if predictor in (1, 4, 5):
            assert np.array_equal(samples, standard)


def test_blocks_meet(monkeypatch: pytest.MonkeyPatch) -> None:
    samples = np.random.default_rng(0).integers(0, 65536, (700, 3)).astype(np.uint16)
    whole = standard_differences(samples, 7, 12)
    monkeypatch.setattr("monai_acdr.data.mammography.ddsm_film._BLOCK_ROWS", 7)
    assert np.array_equal(standard_differences(samples, 7, 12), whole)


def test_unknown_predictor() -> None:
    with pytest.raises(ValueError, match="Expected a predictor of 1 to 7, but got 0"):
        predict(0, *np.zeros((3, 1), dtype=np.int32))
