# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Names of contours, in their colours, in the corner of a picture."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from PIL import Image, ImageDraw, ImageFont

__all__ = ["draw_legend", "draw_line"]

FONT_SIZE = 12
PADDING = 4
DARKEN = 0.35
"""The picture behind the names keeps this share of its brightness."""


def draw_legend(picture: np.ndarray, entries: Mapping[str, tuple[int, int, int]]) -> np.ndarray:
    """Write `entries` (name to colour) into the upper left corner of a picture (H, W, 3); cut where it is too small.

    Returns:
        A new array of the dtype of `picture`, values 0 .. 255.
    """
    font = _font()
    line = FONT_SIZE + PADDING
    swatch = FONT_SIZE + PADDING
    text_width = max((font.getbbox(name)[2] for name in entries), default=0)
    width = min(picture.shape[1], int(text_width) + swatch + 3 * PADDING)
    height = min(picture.shape[0], line * len(entries) + PADDING)
    result = picture.copy()
    result[:height, :width] = (result[:height, :width] * DARKEN).astype(picture.dtype)
    corner = Image.fromarray(np.round(result[:height, :width]).astype(np.uint8))
    pen = ImageDraw.Draw(corner)
    for index, (name, color) in enumerate(entries.items()):
        top = PADDING + index * line
        middle = top + FONT_SIZE // 2
        pen.line([(PADDING, middle), (PADDING + FONT_SIZE, middle)], fill=color, width=3)
        pen.text((PADDING + swatch, top - 1), name, fill=color, font=font)
    result[:height, :width] = np.asarray(corner)
    return result


def draw_line(picture: np.ndarray, text: str, color: tuple[int, int, int]) -> np.ndarray:
    """Write one line of text on a uint8 picture (H, W, 3), from its left edge; what does not fit is cut off."""
    image = Image.fromarray(np.ascontiguousarray(picture))
    ImageDraw.Draw(image).text((PADDING, PADDING // 2), text, fill=color, font=_font())
    return np.asarray(image)


def _font() -> ImageFont.ImageFont | ImageFont.FreeTypeFont:
    try:
        return ImageFont.load_default(FONT_SIZE)
    except TypeError:  # Pillow before 10.1 has one size only
        return ImageFont.load_default()
