# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Many pictures on one sheet."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from monai_acdr.visualize.legend import draw_line
from monai_acdr.visualize.overlay import Color

__all__ = ["contact_sheet"]

GAP = 4
BACKGROUND = 24
CAPTION_HEIGHT = 18
CAPTION_COLOR: Color = (210, 210, 210)


def contact_sheet(
    images: Sequence[np.ndarray],
    columns: int = 4,
    gap: int = GAP,
    captions: Sequence[str] | None = None,
    caption_colors: Sequence[Color] | None = None,
) -> np.ndarray:
    """Put pictures into a grid, row by row.

    Args:
        images: uint8 pictures (H, W, 3) or grey (H, W); smaller ones are centerd in the cell of the largest.
        columns: pictures in a row, fewer if there are fewer pictures.
        gap: dark pixels between cells and around the sheet.
        captions: a short line below each picture, cut at the width of the cell.
        caption_colors: of each caption; light grey by default.

    Returns:
        uint8 (rows * (H + gap) + gap, columns * (W + gap) + gap, 3), H and W of the largest pictures; H is 18 larger
        with captions.

    Raises:
        ValueError: without pictures, for a wrong shape or dtype, for `columns` below 1, or unless there is a caption
            and a color for each picture.
    """
    if columns < 1 or gap < 0:
        raise ValueError(f"Expected `columns` to be at least 1 and `gap` at least 0, but got {columns} and {gap}.")
    if len(images) == 0:
        raise ValueError("Expected at least one picture in `images`, but got none.")
    for name, values in (("captions", captions), ("caption_colors", caption_colors)):
        if values is not None and len(values) != len(images):
            raise ValueError(f"Expected `{name}` for each of {len(images)} pictures, but got {len(values)}.")
    pictures = [_rgb(image, index) for index, image in enumerate(images)]
    height = max(picture.shape[0] for picture in pictures)
    width = max(picture.shape[1] for picture in pictures)
    line = 0 if captions is None else CAPTION_HEIGHT
    columns = min(columns, len(pictures))
    rows = -(-len(pictures) // columns)
    shape = rows * (height + line + gap) + gap, columns * (width + gap) + gap, 3
    sheet = np.full(shape, BACKGROUND, dtype=np.uint8)
    for index, picture in enumerate(pictures):
        row, column = divmod(index, columns)
        corner = gap + row * (height + line + gap), gap + column * (width + gap)
        top = corner[0] + (height - picture.shape[0]) // 2
        left = corner[1] + (width - picture.shape[1]) // 2
        sheet[top : top + picture.shape[0], left : left + picture.shape[1]] = picture
        if captions is not None:
            color = CAPTION_COLOR if caption_colors is None else caption_colors[index]
            below = slice(corner[0] + height, corner[0] + height + line), slice(corner[1], corner[1] + width)
            sheet[below] = draw_line(sheet[below], captions[index], color)
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
