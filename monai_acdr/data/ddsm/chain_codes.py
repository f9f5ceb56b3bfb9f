# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Chain codes to masks and contours.

A chain code walks from pixel to pixel. DDSM's mask of it is the walked pixels and all that they enclose. The contour
is the outline of that mask (:func:`monai_acdr.transforms.contour.mask_to_contour`), not the polygon through the centers
of the walked pixels: that would leave half of each border pixel out, and its mask would be smaller than DDSM's.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from scipy.ndimage import label

from monai_acdr.read_budget import check_pixels
from monai_acdr.transforms.contour import mask_to_contour

__all__ = ["chain_contour", "chain_gap", "chain_mask", "follow_chain"]

STEPS = np.array([(0, -1), (1, -1), (1, 0), (1, 1), (0, 1), (-1, 1), (-1, 0), (-1, -1)], dtype=np.int64)
"""(column, row) steps of codes 0 to 7: clockwise from up."""

MAX_COORDINATE = 65535
MAX_TIMES = 4
"""How many times as large as its image the rectangle around an outline may be; a larger one is no lesion's."""

MIN_WINDOW = 1_000_000
"""Pixels of a rectangle around an outline that is never too large."""


def follow_chain(words: Sequence[str], where: str) -> np.ndarray:
    """Walk a chain code.

    Args:
        words: column and row of the first pixel, 0-based, then the codes 0 to 7.
        where: file and lesion, for messages.

    Returns:
        (N, 2) int64 pixels (column, row), the first one included.

    Raises:
        ValueError: when a code is unknown or the start is no pixel.
    """
    if len(words) < 2 or not all(word.isdecimal() and int(word[:9]) <= MAX_COORDINATE for word in words[:2]):
        raise ValueError(
            f"Expected column and row at the beginning of the outline of {where}, but got "
            f"{' '.join(words[:2])[:20]!r}: copy the file again."
        )
    wrong = sorted(set(words[2:]) - set("01234567"))
    if wrong:
        raise ValueError(
            f"Expected codes of 0 to 7 in the outline of {where}, but got {wrong[0][:20]!r}: copy the file again."
        )
    start = np.array([[int(word) for word in words[:2]]], dtype=np.int64)
    codes = np.array([int(word) for word in words[2:]], dtype=np.int64)
    return np.concatenate([start, start + np.cumsum(STEPS[codes], axis=0)])


def chain_gap(walk: np.ndarray) -> int:
    """Steps that are missing between the last and the first pixel of a walk; 0 when it is closed."""
    return max(0, int(np.abs(walk[-1] - walk[0]).max()) - 1)


def chain_mask(walk: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """The walked pixels, filled; what lies outside the image is cut off. An open walk is closed by a straight line.

    Args:
        walk: (N, 2) pixels (column, row).
        size: (H, W) of the image.

    Returns:
        (H, W) bool.

    Raises:
        ValueError: when the walk spans too much.
    """
    mask = np.zeros(size, dtype=bool)
    window, left, top = _clipped(walk, size)
    mask[top : top + window.shape[0], left : left + window.shape[1]] = window
    return mask


def chain_contour(walk: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Outline of :func:`chain_mask`, without drawing it on the whole image.

    Returns:
        (M, 2) float64 vertices (x, y) in pixels, pixel (c, r) covering [c, c + 1) x [r, r + 1), within [0, W] x [0, H],
        not closed. Half coverage by this polygon gives the mask again, pixel by pixel.

    Raises:
        ValueError: when nothing of the walk lies inside the image, or it spans too much.
    """
    window, left, top = _clipped(walk, size)
    if not window.any():
        raise ValueError(f"Expected an outline inside {size[0]} x {size[1]} (H x W), but all of it is outside.")
    vertices = mask_to_contour(torch.from_numpy(window)).numpy() + (left, top)
    return np.clip(vertices, 0, (size[1], size[0]))


def _clipped(walk: np.ndarray, size: tuple[int, int]) -> tuple[np.ndarray, int, int]:
    """The filled walk within the image: mask of a window, and the window's first column and row."""
    low = walk.min(axis=0)
    width, height = (int(side) for side in walk.max(axis=0) - low + 1)
    if width * height > max(MIN_WINDOW, MAX_TIMES * size[0] * size[1]):
        raise ValueError(
            f"Expected the outline of a lesion in an image of {size[1]} x {size[0]} pixels, but it spans {width} x "
            f"{height}: copy it again."
        )
    check_pixels("the outline of a lesion", (height, width))
    # One pixel around, so that all that lies outside is connected.
    walked = np.zeros((height + 2, width + 2), dtype=bool)
    columns, rows = (np.concatenate([walk, _closing(walk)]) - low + 1).T
    walked[rows, columns] = True
    parts, _ = label(~walked)
    window = (parts != parts[0, 0])[1:-1, 1:-1]
    left, top = (int(value) for value in low)
    inside = window[max(0, -top) : max(0, size[0] - top), max(0, -left) : max(0, size[1] - left)]
    return inside, max(0, left), max(0, top)


def _closing(walk: np.ndarray) -> np.ndarray:
    """(M, 2) pixels of a straight line from the last pixel of a walk to its first, both left out."""
    missing = chain_gap(walk)
    share = np.arange(1, missing + 1)[:, None] / (missing + 1)
    return np.rint(walk[-1] + share * (walk[0] - walk[-1])).astype(np.int64)
