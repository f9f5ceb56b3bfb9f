# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Grey values to 8 bits, robust against a few very bright pixels."""

from __future__ import annotations

from typing import Any

import numpy as np

__all__ = ["window_image"]

PERCENTILES = (1.0, 99.0)
"""Shown as black and as white."""


def window_image(image: Any, percentiles: tuple[float, float] = PERCENTILES) -> np.ndarray:
    """Map an image to uint8 between two of its percentiles.

    Args:
        image: (H, W) or (1, H, W), array or tensor, any real dtype; values that are not finite become black.
        percentiles: (low, high) within 0 .. 100, shown as 0 and 255.

    Returns:
        (H, W) uint8; all 0 for a constant image.

    Raises:
        ValueError: for another shape, for percentiles out of order, or when no value is finite.
    """
    array = _grey(image)
    low, high = percentiles
    if not 0 <= low < high <= 100:
        raise ValueError(f"Expected `percentiles` to be 0 <= low < high <= 100, but got {percentiles}.")
    finite = np.isfinite(array)
    if not finite.any():
        raise ValueError("Expected `image` to have finite values, but all are NaN or infinite: check how it was read.")
    bottom, top = np.percentile(array[finite], [low, high])
    if top <= bottom:
        # A nearly empty image, such as a mask of a small object: its percentiles coincide.
        bottom, top = array[finite].min(), array[finite].max()
    shown = (np.where(finite, array, bottom) - bottom) / max(top - bottom, np.finfo(np.float64).tiny)
    return np.round(255 * np.clip(shown, 0, 1)).astype(np.uint8)


def _grey(image: Any) -> np.ndarray:
    if hasattr(image, "detach"):
        image = image.detach().cpu()
    array = np.asarray(image, dtype=np.float64)
    if array.ndim == 3 and array.shape[0] == 1:
        array = array[0]
    if array.ndim != 2 or array.size == 0:
        raise ValueError(f"Expected `image` to be (H, W) or (1, H, W), but got {array.shape}: pass one grey image.")
    return array
