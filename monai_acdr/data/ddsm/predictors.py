# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Predictors of lossless JPEG (ITU-T T.81, table H.1), and the repair of what the Stanford PVRG codec did otherwise.

The standard predicts the first line from the left neighbour, whatever predictor the scan names. PVRG applies the
scan's predictor there too, over a virtual line of 2^(P - 1). Predictors 1, 4 and 5 give the same either way; 2, 3, 6
and 7 come out wrong from every decoder that follows the standard, all over the image. The differences that such a
decoder read are right, though: they follow from its result, and PVRG's rule turns them into the true samples.
"""

from __future__ import annotations

import numpy as np

__all__ = ["PREDICTORS", "REPAIRED", "predict", "pvrg_samples", "standard_differences"]

PREDICTORS = range(1, 8)
REPAIRED = (2, 3, 6, 7)
"""Predictors whose first line PVRG codes unlike the standard."""

_BLOCK_ROWS = 256


def predict(predictor: int, left: np.ndarray, above: np.ndarray, corner: np.ndarray) -> np.ndarray:
    """Prediction from the three neighbours, signed integers of at least 32 bits, not yet taken modulo 65536.

    Args:
        predictor: 1 to 7.
        left: Ra.
        above: Rb.
        corner: Rc, above the left neighbour.
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

    A sample needs its left and upper neighbours, so the diagonals from lower left to upper right are computed one
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
