# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Animated evolution of a contour: a GIF, from the initial contours (blue) to the final ones."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from monai_acdr.files import MissingFolderError, replace_file
from monai_acdr.visualize.pictures import (
    FINAL_COLOR,
    INITIAL_COLOR,
    REFERENCE_COLOR,
    Color,
    CropBox,
    draw_contours,
    structure_color,
)

__all__ = ["evolution_color", "evolution_frames", "save_evolution_gif", "save_gif"]

FRAME_MS = 300
LAST_FRAME_MS = 1500
"""The last frame stays longer, so that the result can be seen before the animation restarts."""
GRAYS = 128
"""Number of grays among the 256 colors of a GIF frame; the others mix gray with the frame's line colors."""
MAX_ERROR, MAX_SHARE = 40, 0.002
"""A picture has colors of its own where more than this share of its pixels is further than this from all mixes."""
MIXES = (1.0, 0.75, 0.5, 0.25)
"""Shares of the line color in the mixed colors."""


def evolution_color(index: int, count: int, structure: int = 0) -> Color:
    """Color of contour `index` of `count`: the first is blue, the last that of its structure, linear in between."""
    if not 0 <= index < count:
        raise ValueError(f"Expected `index` to be within 0 .. {count - 1}, but got {index}.")
    share = index / (count - 1) if count > 1 else 1.0
    red, green, blue = (
        round(first + share * (last - first))
        for first, last in zip(INITIAL_COLOR, structure_color(structure), strict=True)
    )
    return red, green, blue


def evolution_frames(
    image: Any,
    contours: Sequence[Any] | Any,
    reference: Any | None = None,
    scale: int = 4,
    crop_box: CropBox | None = None,
    line_width: float = 2.0,
) -> list[np.ndarray]:
    """One picture for each contour of an evolution.

    Args:
        image: (H, W), (1, H, W), or (3, H, W) for red, green and blue, array or tensor.
        contours: (T + 1, K, 2) vertices in pixels of the image, array, tensor or list: the initial contour and the
            result of each of T iterations; (T + 1, N, K, 2) of N structures, each in a separate color.
        reference: (P, 2) contour of the expert, drawn in green below the others, or a list of them.
        scale: picture pixels per image pixel.
        crop_box: part of the image to show, see :func:`~monai_acdr.visualize.pictures.contour_crop_box`.
        line_width: in picture pixels.

    Returns:
        T + 1 uint8 pictures (h, w, 3).

    Raises:
        ValueError: when there is no contour, and as `draw_contours`.
    """
    count = len(contours)
    if count == 0:
        raise ValueError("Expected at least one contour in `contours`, (T + 1, K, 2), but got none.")
    below: list[tuple[Any, Color]] = [] if reference is None else [(reference, REFERENCE_COLOR)]
    return [
        draw_contours(image, [*below, *_colored(contours[index], index, count)], scale, crop_box, line_width)
        for index in range(count)
    ]


def _colored(contours: Any, index: int, count: int) -> list[tuple[Any, Color]]:
    """The contour (K, 2), or those (N, K, 2) of several structures, of one step, with their colors."""
    if np.ndim(contours) < 3:
        return [(contours, evolution_color(index, count))]
    return [(vertices, evolution_color(index, count, number)) for number, vertices in enumerate(contours)]


def save_evolution_gif(path: str | Path, image: Any, contours: Sequence[Any] | Any, **options: Any) -> Path:
    """Draw an evolution and write it as an animated GIF of T + 1 frames.

    Args:
        path: file name ending in .gif; its folder must exist. It must not hold a patient's identity.
        image: see :func:`evolution_frames`.
        contours: see :func:`evolution_frames`.
        **options: further arguments of :func:`evolution_frames`.

    Raises:
        ValueError, FileNotFoundError: as :func:`evolution_frames` and :func:`save_gif`.
    """
    frames = evolution_frames(image, contours, **options)
    lines = [[color for _, color in _colored(contours[index], index, len(frames))] for index in range(len(frames))]
    return save_gif(path, frames, colors=[[*line, REFERENCE_COLOR] for line in lines])


def save_gif(
    path: str | Path,
    frames: Sequence[np.ndarray],
    frame_ms: int = FRAME_MS,
    last_frame_ms: int = LAST_FRAME_MS,
    colors: Sequence[Sequence[Color]] | None = None,
) -> Path:
    """Write pictures as an animated GIF that loops forever; an earlier file is replaced when this one is complete.

    Args:
        path: file name ending in .gif; its folder must exist.
        frames: uint8 pictures (H, W, 3), all of one size. Equal consecutive frames are merged, with the time of both.
        frame_ms: how long a frame is shown, in ms; GIF counts in steps of 10 ms.
        last_frame_ms: how long the last frame is shown.
        colors: colors of the lines of each frame, which its palette then holds; None for the two of an evolution.

    Raises:
        ValueError: for another ending, no frames, another shape or dtype, or a time below 10 ms.
        FileNotFoundError: when the folder does not exist.
    """
    path = Path(path)
    if path.suffix.lower() != ".gif":
        raise ValueError(f"Expected a file name ending in .gif, but got {path.name}.")
    _check_frames(frames)
    if min(frame_ms, last_frame_ms) < 10:
        raise ValueError(f"Expected frames of at least 10 ms, but got {frame_ms} and {last_frame_ms}.")
    if not path.parent.is_dir():
        raise MissingFolderError(f"Expected the folder {path.parent} to exist: create it first.")
    lines = [(INITIAL_COLOR, FINAL_COLOR)] * len(frames) if colors is None else colors
    images = [_to_palette(frame, own) for frame, own in zip(frames, lines, strict=True)]
    times = [frame_ms] * (len(images) - 1) + [last_frame_ms]
    with replace_file(path) as temporary:
        images[0].save(
            temporary, format="GIF", save_all=True, append_images=images[1:], duration=times, loop=0, optimize=False
        )
    return path


def _check_frames(frames: Sequence[np.ndarray]) -> None:
    if len(frames) == 0:
        raise ValueError("Expected at least one picture in `frames`, but got none.")
    shape = np.shape(frames[0])
    for index, frame in enumerate(frames):
        if frame.dtype != np.uint8 or frame.ndim != 3 or frame.shape != shape or shape[2] != 3:
            raise ValueError(
                f"Expected all `frames` to be uint8 (H, W, 3) of one size, but frame {index} is {frame.dtype} "
                f"{frame.shape} and the first one {shape}."
            )


def _to_palette(frame: np.ndarray, colors: Sequence[Color]) -> Image.Image:
    """A picture in 256 colors that are sure to hold the lines': adaptive palettes lose lines that are thin."""
    gray = _quantized(frame, np.repeat(np.linspace(0, 255, GRAYS)[:, None], 3, axis=1), colors)
    errors = np.abs(np.asarray(gray.convert("RGB")).astype(np.int16) - frame).max(axis=2)
    if np.mean(errors > MAX_ERROR) <= MAX_SHARE:
        return gray
    found = Image.fromarray(frame).quantize(GRAYS, dither=Image.Dither.NONE).getpalette("RGB") or []
    return _quantized(frame, np.array(found).reshape(-1, 3), colors)


def _quantized(frame: np.ndarray, picture: np.ndarray, colors: Sequence[Color]) -> Image.Image:
    """A frame in the colors of its picture, at most :data:`GRAYS`, those of its lines, and mixes of lines with gray."""
    entries = [picture.astype(np.float64)]
    mixes = list(itertools.product(colors, MIXES))
    for color, share in mixes:
        under = np.linspace(0, 255, (256 - GRAYS) // len(mixes)) if share < 1 else np.zeros(1)
        entries.append(share * np.array(color, dtype=np.float64) + (1 - share) * under[:, None])
    table = np.round(np.concatenate(entries)).astype(np.uint8)
    holder = Image.new("P", (1, 1))
    holder.putpalette(np.pad(table, ((0, 256 - len(table)), (0, 0)), mode="edge").tobytes())
    return Image.fromarray(frame).quantize(palette=holder, dither=Image.Dither.NONE)
