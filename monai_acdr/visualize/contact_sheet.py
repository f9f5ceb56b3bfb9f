# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Many pictures on one sheet."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

__all__ = ["contact_sheet"]

GAP = 4
BACKGROUND = 24


def contact_sheet(images: Sequence[np.ndarray], columns: int = 4, gap: int = GAP) -> np.ndarray:
    """Put pictures into a grid, row by row.

    Args:
        images: uint8 pictures (H, W, 3) or grey (H, W); smaller ones are centred in the cell of the largest.
        columns: pictures in a row, fewer if there are fewer pictures.
        gap: dark pixels between cells and around the sheet.

    Returns:
        uint8 (rows * (H + gap) + gap, columns * (W + gap) + gap, 3), H and W of the largest pictures.

    Raises:
        ValueError: without pictures, for a wrong shape or dtype, or for `columns` below 1.
    """
    if columns < 1 or gap < 0:
        raise ValueError(f"Expected `columns` to be at least 1 and `gap` at least 0, but got {columns} and {gap}.")
    if len(images) == 0:
        raise ValueError("Expected at least one picture in `images`, but got none.")
    pictures = [_rgb(image, index) for index, image in enumerate(images)]
    height = max(picture.shape[0] for picture in pictures)
    width = max(picture.shape[1] for picture in pictures)
    columns = min(columns, len(pictures))
    rows = -(-len(pictures) // columns)
    sheet = np.full((rows * (height + gap) + gap, columns * (width + gap) + gap, 3), BACKGROUND, dtype=np.uint8)
    for index, picture in enumerate(pictures):
        row, column = divmod(index, columns)
        top = gap + row * (height + gap) + (height - picture.shape[0]) // 2
        left = gap + column * (width + gap) + (width - picture.shape[1]) // 2
        sheet[top : top + picture.shape[0], left : left + picture.shape[1]] = picture
    return sheet


def _rgb(image: np.ndarray, index: int) -> np.ndarray:
    array = np.asarray(image)
    if array.dtype != np.uint8:
        raise ValueError(f"Expected picture {index} to be uint8, but got {array.dtype}: use window_image first.")
    if array.ndim == 2:
        array = np.repeat(array[:, :, None], 3, axis=2)
    if array.ndim != 3 or array.shape[2] != 3:
        raise ValueError(f"Expected picture {index} to be (H, W, 3) or (H, W), but got {array.shape}.")
    return array
