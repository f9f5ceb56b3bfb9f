# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Images with contours drawn over them, as uint8 RGB arrays: windowing, overlays, legends, contact sheets, PNG files.

The coordinate rule holds at every zoom: pixel (c, r) covers [c, c + 1) x [r, r + 1), so that at `scale` s the point
(x, y) lies at (x s, y s) of the picture, measured from the picture's upper left corner.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from monai_acdr.files import MissingFolderError, replace_file

__all__ = [
    "Color",
    "CropBox",
    "FINAL_COLOR",
    "INITIAL_COLOR",
    "REFERENCE_COLOR",
    "STRUCTURE_COLORS",
    "contact_sheet",
    "contour_crop_box",
    "draw_contours",
    "draw_legend",
    "draw_line",
    "save_png",
    "structure_color",
    "window_image",
]

PERCENTILES = (1.0, 99.0)
"""Percentiles shown as black and as white."""


def window_image(image: Any, percentiles: tuple[float, float] = PERCENTILES) -> np.ndarray:
    """Map an image to uint8 between two of its percentiles.

    Args:
        image: (H, W), (1, H, W), or (3, H, W) for red, green and blue, array or tensor, any real dtype; values that are
            not finite become black.
        percentiles: (low, high) within 0 .. 100, shown as 0 and 255. Colors of pictures, from 0 to 255, are shown as
            they are, and other colors between the percentiles of all channels together, so that gray stays gray.

    Returns:
        (H, W) uint8, of colors (H, W, 3); all 0 for a constant image.

    Raises:
        ValueError: for another shape, for percentiles out of order, or when no value is finite.
    """
    array = _plane(image)
    low, high = percentiles
    if not 0 <= low < high <= 100:
        raise ValueError(f"Expected `percentiles` to be 0 <= low < high <= 100, but got {percentiles}.")
    finite = np.isfinite(array)
    if not finite.any():
        raise ValueError("Expected `image` to have finite values, but all are NaN or infinite: check how it was read.")
    bottom, top = np.percentile(array[finite], [low, high])
    if array.ndim == 3 and array[finite].min() >= 0 and 1 < array[finite].max() <= 255:
        bottom, top = 0, 255
    if top <= bottom:
        # A nearly empty image, such as a mask of a small object: its percentiles coincide.
        bottom, top = array[finite].min(), array[finite].max()
    shown = (np.where(finite, array, bottom) - bottom) / max(top - bottom, np.finfo(np.float64).tiny)
    return np.round(255 * np.clip(shown, 0, 1)).astype(np.uint8)


def _plane(image: Any) -> np.ndarray:
    """(H, W), or (H, W, 3) of colors, float64."""
    if hasattr(image, "detach"):
        image = image.detach().cpu()
    array = np.asarray(image, dtype=np.float64)
    if array.ndim == 3 and array.shape[0] == 3 and array.size > 0:
        return np.moveaxis(array, 0, -1)
    if array.ndim == 3 and array.shape[0] == 1:
        array = array[0]
    if array.ndim != 2 or array.size == 0:
        raise ValueError(
            f"Expected `image` to be (H, W), (1, H, W) or (3, H, W), but got {array.shape}: pass one image."
        )
    return array


LUMINANCE = (0.299, 0.587, 0.114)
"""Weights of red, green and blue (ITU-R BT.601), by which Pillow makes gray values as well."""


def luminance(image: Any) -> Any:
    """Gray values (1, H, W) of colors (3, H, W), an array or a tensor; gray images stay as they are."""
    if len(image) != 3:
        return image
    red, green, blue = LUMINANCE
    return red * image[0:1] + green * image[1:2] + blue * image[2:3]


FONT_SIZE = 12
PADDING = 4
DARKEN = 0.35
"""The picture behind the names keeps this share of its brightness."""


def draw_legend(picture: np.ndarray, entries: Mapping[str, tuple[int, int, int]]) -> np.ndarray:
    """Write `entries` (name to color) into the upper left corner of a picture (H, W, 3); cut where it is too small.

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
    """Write one line of text on a uint8 picture (H, W, 3), from its left edge; text that does not fit is cut off."""
    image = Image.fromarray(np.ascontiguousarray(picture))
    ImageDraw.Draw(image).text((PADDING, PADDING // 2), text, fill=color, font=_font())
    return np.asarray(image)


def _font() -> ImageFont.ImageFont | ImageFont.FreeTypeFont:
    try:
        return ImageFont.load_default(FONT_SIZE)
    except TypeError:  # Pillow before 10.1 has one size only
        return ImageFont.load_default()


Color = tuple[int, int, int]
"""(red, green, blue), each 0 .. 255."""
CropBox = tuple[int, int, int, int]
"""(left, top, right, bottom) in pixels; right and bottom are not part of the box."""

INITIAL_COLOR: Color = (64, 128, 255)
"""Blue: the contour that the evolution starts from."""
FINAL_COLOR: Color = (255, 215, 0)
"""Yellow: the contour that the evolution ends with."""
REFERENCE_COLOR: Color = (0, 210, 70)
"""Green: the contour of the expert."""
STRUCTURE_COLORS: tuple[Color, ...] = (FINAL_COLOR, (255, 90, 190), (0, 215, 235), (255, 140, 30), (190, 140, 255))
"""Colors of the contours of several structures, from the innermost: yellow, pink, cyan, orange, violet."""


def structure_color(index: int) -> Color:
    """Color of the structure of that index, from 0; colors repeat after the last one."""
    return STRUCTURE_COLORS[index % len(STRUCTURE_COLORS)]


def draw_contours(
    image: Any,
    contours: Mapping[str, tuple[Any, Color]] | Sequence[tuple[Any, Color]],
    scale: int = 4,
    crop_box: CropBox | None = None,
    line_width: float = 2.0,
    percentiles: tuple[float, float] = PERCENTILES,
    smooth: bool = True,
    legend: bool = False,
) -> np.ndarray:
    """Draw closed contours over an image.

    Args:
        image: (H, W), (1, H, W), or (3, H, W) for red, green and blue, array or tensor; shown as
            `window_image` shows the whole of it.
        contours: (vertices, color) pairs, drawn in order, or a mapping from their names to such pairs. Vertices are
            (K, 2) arrays or tensors, (x, y) in pixels of the whole image; they may lie outside of it. A list of them is
            drawn in one color, under one name.
        scale: picture pixels per image pixel.
        crop_box: part of the image to show, (left, top, right, bottom); see `contour_crop_box`.
        line_width: in picture pixels.
        percentiles: see `window_image`.
        smooth: interpolate between pixels (bicubic); otherwise pixels are squares.
        legend: write the names of a mapping into the upper left corner, in their colors.

    Returns:
        (H * scale, W * scale, 3) uint8, H and W those of the crop box if there is one.

    Raises:
        ValueError: for a wrong shape, a contour that is not finite or has fewer than 2 vertices, a box outside the
            image, or a legend without names.
    """
    if isinstance(scale, bool) or int(scale) != scale or scale < 1:
        raise ValueError(f"Expected `scale` to be a positive whole number, but got {scale}.")
    if not line_width > 0:
        raise ValueError(f"Expected `line_width` to be positive, but got {line_width}.")
    if legend and not isinstance(contours, Mapping):
        raise ValueError("Expected `contours` to be a mapping from names to contours for a legend: pass a dict.")
    named = dict(contours) if isinstance(contours, Mapping) else {f"#{i}": pair for i, pair in enumerate(contours)}
    shown = window_image(image, percentiles)
    size = shown.shape[:2]
    box = (0, 0, size[1], size[0]) if crop_box is None else _check_box(crop_box, size)
    picture = _enlarge(shown[box[1] : box[3], box[0] : box[2]], int(scale), smooth)
    for name, (vertices, color) in named.items():
        checked = _check_color(color, name)
        for one in vertices if _is_list_of_contours(vertices) else [vertices]:
            points = (_check_vertices(one, name) - np.array(box[:2])) * scale
            _blend_line(picture, points, checked, line_width)
    if legend:
        picture = draw_legend(picture, {name: color for name, (_, color) in named.items()})
    return np.round(picture).astype(np.uint8)


def contour_crop_box(vertices: Sequence[Any], size: tuple[int, int], margin: float = 8.0) -> CropBox:
    """Smallest box of whole pixels around contours, with a margin, inside the image: for `draw_contours(crop_box=)`.

    Args:
        vertices: one or more (K, 2) contours in pixels.
        size: (H, W) of the image.
        margin: in pixels, on each side.

    Raises:
        ValueError: when there is no contour or the box lies outside the image.
    """
    if len(vertices) == 0:
        raise ValueError("Expected at least one contour in `vertices`, but got none: omit the crop box.")
    points = np.concatenate([_check_vertices(contour, f"#{index}") for index, contour in enumerate(vertices)])
    left, top = (max(0, math.floor(value - margin)) for value in points.min(axis=0))
    right = min(size[1], math.ceil(points[:, 0].max() + margin))
    bottom = min(size[0], math.ceil(points[:, 1].max() + margin))
    return _check_box((left, top, right, bottom), size)


def _enlarge(shown: np.ndarray, scale: int, smooth: bool) -> np.ndarray:
    """(h, w) or (h, w, 3) uint8 to a float32 (h * scale, w * scale, 3) picture."""
    size = (shown.shape[1] * scale, shown.shape[0] * scale)
    method = Image.Resampling.BICUBIC if smooth else Image.Resampling.NEAREST
    enlarged = np.asarray(Image.fromarray(np.ascontiguousarray(shown)).resize(size, method), dtype=np.float32)
    return enlarged if enlarged.ndim == 3 else np.repeat(enlarged[:, :, None], 3, axis=2)


def _blend_line(picture: np.ndarray, points: np.ndarray, color: Color, line_width: float) -> None:
    """Draw the closed line through `points` (K, 2), in picture pixels, into `picture`, in place."""
    coverage = np.zeros(picture.shape[:2], dtype=np.float32)
    for start, end in zip(points, np.roll(points, -1, axis=0), strict=True):
        _cover_segment(coverage, start, end, line_width / 2)
    picture += coverage[:, :, None] * (np.array(color, dtype=np.float32) - picture)


def _cover_segment(coverage: np.ndarray, start: np.ndarray, end: np.ndarray, half_width: float) -> None:
    """Raise `coverage` (h, w) to the share of each pixel that a segment with round ends covers, in place.

    The share follows from the distance of the pixel's center: exact for horizontal and vertical lines at any subpixel
    position, unlike Pillow's lines.
    """
    reach = half_width + 0.5
    height, width = coverage.shape
    left, top = (int(value) for value in np.clip(np.floor(np.minimum(start, end) - reach), 0, (width, height)))
    right, bottom = (int(value) for value in np.clip(np.ceil(np.maximum(start, end) + reach), 0, (width, height)))
    if left >= right or top >= bottom:
        return
    x = np.arange(left, right) + 0.5 - start[0]
    y = (np.arange(top, bottom) + 0.5 - start[1])[:, None]
    across, down = end - start
    length = max(across**2 + down**2, np.finfo(np.float64).tiny)
    along = np.clip((x * across + y * down) / length, 0, 1)
    distance = np.hypot(x - along * across, y - along * down)
    part = coverage[top:bottom, left:right]
    np.maximum(part, np.clip(reach - distance, 0, 1), out=part)


def _is_list_of_contours(vertices: Any) -> bool:
    return isinstance(vertices, (list, tuple)) and len(vertices) > 0 and np.ndim(vertices[0]) == 2


def _check_vertices(vertices: Any, name: str) -> np.ndarray:
    if hasattr(vertices, "detach"):
        vertices = vertices.detach().cpu()
    points = np.asarray(vertices, dtype=np.float64)
    if points.ndim != 2 or points.shape[1] != 2 or points.shape[0] < 2:
        raise ValueError(
            f"Expected the vertices of contour {name} to be (K >= 2, 2), but got {points.shape}: "
            "draw one contour at a time."
        )
    if not np.isfinite(points).all():
        raise ValueError(f"Expected finite vertices of contour {name}, but got NaN or infinity: leave it out.")
    return points


def _check_color(color: Sequence[int], name: str) -> Color:
    if len(color) != 3 or not all(0 <= value <= 255 for value in color):
        raise ValueError(f"Expected the color of contour {name} to be three numbers 0 .. 255, but got {tuple(color)}.")
    return (int(color[0]), int(color[1]), int(color[2]))


def _check_box(box: Sequence[int], size: tuple[int, ...]) -> CropBox:
    left, top, right, bottom = (int(value) for value in box)
    if not (0 <= left < right <= size[1] and 0 <= top < bottom <= size[0]):
        raise ValueError(
            f"Expected the crop box (left, top, right, bottom) to lie inside an image of size {tuple(size)}, (H, W), "
            f"but got {tuple(box)}."
        )
    return (left, top, right, bottom)


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
        images: uint8 pictures (H, W, 3) or gray (H, W); smaller ones are centered in the cell of the largest.
        columns: pictures in a row, fewer if there are fewer pictures.
        gap: dark pixels between cells and around the sheet.
        captions: a text below each picture, in lines of the width of the cell.
        caption_colors: color of each caption; light gray by default.

    Returns:
        uint8 (rows * (H + gap) + gap, columns * (W + gap) + gap, 3), H and W of the largest pictures; with captions
        each row is higher by 18 for each line of its longest one.

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
    lines = [_wrapped(caption, width) for caption in captions or ()]
    columns = min(columns, len(pictures))
    rows = -(-len(pictures) // columns)
    below_row = [max(map(len, lines[row * columns : (row + 1) * columns]), default=0) for row in range(rows)]
    tops = [
        gap,
        *(gap + (row + 1) * (height + gap) + CAPTION_HEIGHT * sum(below_row[: row + 1]) for row in range(rows)),
    ]
    sheet = np.full((tops[-1], columns * (width + gap) + gap, 3), BACKGROUND, dtype=np.uint8)
    for index, picture in enumerate(pictures):
        row, column = divmod(index, columns)
        corner = tops[row], gap + column * (width + gap)
        top = corner[0] + (height - picture.shape[0]) // 2
        left = corner[1] + (width - picture.shape[1]) // 2
        sheet[top : top + picture.shape[0], left : left + picture.shape[1]] = picture
        if captions is not None:
            color = CAPTION_COLOR if caption_colors is None else caption_colors[index]
            for number, text in enumerate(lines[index]):
                start = corner[0] + height + number * CAPTION_HEIGHT
                below = slice(start, start + CAPTION_HEIGHT), slice(corner[1], corner[1] + width)
                sheet[below] = draw_line(sheet[below], text, color)
    return sheet


def _wrapped(text: str, width: int) -> list[str]:
    """Lines of a text that fit into a width in pixels, broken after commas and colons rather than within a part."""
    font, lines = _font(), [""]

    def fits(line: str) -> bool:
        return font.getlength(line) <= width - PADDING

    for part in re.split(r"(?<=[,:]) ", text):
        pieces = [part] if fits(part) else part.split()  # a longer word is cut off
        if lines[-1] and not fits(f"{lines[-1]} {pieces[0]}"):
            lines.append("")
        for piece in pieces:
            longer = f"{lines[-1]} {piece}".strip()
            if lines[-1] and not fits(longer):
                lines.append(piece)
            else:
                lines[-1] = longer
    return lines


def _rgb(image: np.ndarray, index: int) -> np.ndarray:
    array = np.asarray(image)
    if array.dtype != np.uint8:
        raise ValueError(f"Expected picture {index} to be uint8, but got {array.dtype}: use window_image first.")
    if array.ndim == 2:
        array = np.repeat(array[:, :, None], 3, axis=2)
    if array.ndim != 3 or array.shape[2] != 3:
        raise ValueError(f"Expected picture {index} to be (H, W, 3) or (H, W), but got {array.shape}.")
    return array


def save_png(path: str | Path, array: np.ndarray) -> Path:
    """Write a picture; an earlier file of that name is replaced when the new one is complete.

    The name is the caller's: it must not hold a patient's identity.

    Args:
        path: file name ending in .png; its folder must exist.
        array: uint8, (H, W, 3) or (H, W).

    Returns:
        The path.

    Raises:
        ValueError: for another ending, shape or dtype.
        FileNotFoundError: when the folder does not exist.
    """
    path = Path(path)
    if path.suffix.lower() != ".png":
        raise ValueError(f"Expected a file name ending in .png, but got {path.name}.")
    if array.dtype != np.uint8 or array.ndim not in (2, 3) or (array.ndim == 3 and array.shape[2] != 3):
        raise ValueError(f"Expected `array` to be uint8 (H, W, 3) or (H, W), but got {array.dtype} {array.shape}.")
    if not path.parent.is_dir():
        raise MissingFolderError(f"Expected the folder {path.parent} to exist: create it first.")
    with replace_file(path) as temporary:
        Image.fromarray(array).save(temporary, format="PNG")
    return path
