# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""The images under review: headers at once, pixels frame by frame when the page asks for them."""

from __future__ import annotations

import io
import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from monai.data.meta_tensor import MetaTensor
from PIL import Image

from monai_acdr.apps.documents import ContourDocument, match_frames
from monai_acdr.apps.inputs import Frame, Inputs, load_frames, make_image, read_inputs
from monai_acdr.apps.measurements import find_grid, no_stack_finding

__all__ = ["CELL", "PAGE", "Study", "open_study"]

PAGE = 256
"""Frames per sheet of thumbnails, and per packet of contours."""
CELL = 64
"""Side of a thumbnail in pixels."""
COLUMNS = 16
SHEETS = 8
"""Number of sheets of thumbnails that are kept; others are made again."""
WINDOW = (1.0, 99.5)
"""Percentiles that are initially shown as black and white."""
SAMPLED = 9
"""Number of frames of a cine that its window is computed from."""
MARGIN = 0.6
"""Margin around the contours in a thumbnail, as a share of their common box."""
LEVELS = 65_535


class Study:
    """Images with contours, in the order of their frames.

    Args:
        inputs: frames; those of DICOM may be without pixels.
        document: contours, which determine the region that thumbnails show.
        places: index in ``inputs`` of each frame of the document.

    Attributes:
        inputs: as given.
        grid: slice and phase of each frame; None where they are unknown.
        findings: findings about the images, also why those of a ventricle are no stack.
        box: (left, top, right, bottom) in pixels that thumbnails show; None for all of each frame.
        window: values shown as black and white, in all frames; None where each frame has its own.
    """

    def __init__(self, inputs: Inputs, document: ContourDocument, places: Sequence[int]) -> None:
        self.inputs = inputs
        self._decoding = threading.Lock()  # not all decoders of compressed pixels are thread-safe
        self.grid, reason = find_grid(inputs.frames) if len(inputs.frames) > 1 else (None, "")
        self.findings = [*inputs.findings, *no_stack_finding(inputs.kind, document.structures, reason)]
        self.box = _common_box(inputs.frames, document)
        self.window = self._common_window(places) if self.grid is not None else None
        self.sheet: Callable[[int], bytes] = lru_cache(SHEETS)(self._sheet)

    @property
    def frames(self) -> list[Frame]:
        """The frames."""
        return self.inputs.frames

    def frame(self, index: int, channels: int = 1) -> Frame:
        """A frame with its pixels: gray values, or, with 3 channels, the colors of a picture that has colors.

        Raises:
            ValueError: when the pixels cannot be decoded.
        """
        frame = self.inputs.frames[index]
        if frame.source is None:
            return frame if channels == len(frame.image) or len(frame.image) == 1 else _gray(frame)
        with self._decoding:
            (image,) = load_frames([frame.source]).values()
        return replace(frame, image=image)

    def pixels(self, index: int) -> np.ndarray:
        """The values (H, W) float32 of a frame, larger is brighter, or its colors (H, W, 3), 0 to 255."""
        image: MetaTensor = self.frame(index, 3).image
        values = np.asarray(image.numpy(), dtype=np.float32)
        return values[0] if len(values) == 1 else np.moveaxis(values, 0, -1)

    def packed(self, index: int) -> tuple[bytes, dict[str, Any]]:
        """A frame for the page: uint16, little endian, row by row, colors pixel by pixel, with its scale.

        Returns:
            The bytes; ``height``, ``width``, ``channels``, ``low`` and ``step`` (value = low + step * number), and
            ``window``.
        """
        values = self.pixels(index)
        low, high = float(values.min()), float(values.max())
        whole = 0 <= high - low <= LEVELS and bool((values == np.round(values)).all())
        step = 1.0 if whole else max(high - low, 1e-12) / LEVELS
        numbers = np.round((values - np.float32(low)) / np.float32(step)).clip(0, LEVELS).astype("<u2")
        window = self.window or _window(values)
        height, width = values.shape[:2]
        how = {"height": height, "width": width, "channels": 1 if values.ndim == 2 else 3}
        return numbers.tobytes(), how | {"low": low, "step": step, "window": window}

    def _sheet(self, page: int) -> bytes:
        """PNG of up to :data:`PAGE` thumbnails, row by row."""
        frames = range(page * PAGE, min((page + 1) * PAGE, len(self.frames)))
        rows = -(-len(frames) // COLUMNS)
        has_colors = any(frame.source is None and len(frame.image) == 3 for frame in (self.frames[i] for i in frames))
        sheet = Image.new("RGB" if has_colors else "L", (COLUMNS * CELL, rows * CELL))
        for number, index in enumerate(frames):
            try:
                values = self.pixels(index)
            except ValueError:  # the large view reports the error
                continue
            left, top, right, bottom = self.thumbnail_box(index)
            low, high = self.window or _window(values)
            shown = (values[top:bottom, left:right] - low) / max(high - low, 1e-12)
            picture = Image.fromarray(np.round(255 * shown.clip(0, 1)).astype(np.uint8))
            scale = CELL / max(picture.size)
            size = max(1, round(scale * picture.width)), max(1, round(scale * picture.height))
            place = number % COLUMNS * CELL, number // COLUMNS * CELL
            sheet.paste(picture.resize(size, Image.Resampling.BOX if scale < 1 else Image.Resampling.BILINEAR), place)
        buffer = io.BytesIO()
        sheet.save(buffer, "PNG", compress_level=1)
        return buffer.getvalue()

    def thumbnail_box(self, index: int) -> tuple[int, int, int, int]:
        """(left, top, right, bottom) in pixels of a frame that its thumbnail shows."""
        height, width = self.frames[index].size
        return self.box or (0, 0, width, height)

    def _common_window(self, places: Sequence[int]) -> tuple[float, float]:
        """The median over a few frames, those with contours if there are any."""
        known = sorted(places) or list(range(len(self.frames)))
        chosen = {known[number] for number in np.linspace(0, len(known) - 1, SAMPLED).round().astype(int)}
        windows = []
        for index in chosen:
            try:
                windows.append(_window(self.pixels(index)))
            except ValueError:
                continue
        low, high = np.median(windows, axis=0) if windows else (0.0, 1.0)
        return float(low), float(high)


def open_study(
    path: Path, document: ContourDocument, spacing: Sequence[float] | None = None
) -> tuple[Study, list[int]]:
    """Read the images that contours were drawn on; of DICOM images only the headers.

    Args:
        path: DICOM file or folder, picture or folder of pictures, or NIfTI volume. Of several DICOM series, the series
            of the contours is read.
        document: the contours.
        spacing: (between rows, between columns) in mm for images that do not state it.

    Returns:
        The study, and the index in it of each frame of the document.

    Raises:
        FileNotFoundError: when there is no such path.
        ValueError: when the images cannot be used, or a frame of the document is not among them.
    """
    uids = frozenset(frame.sop_instance_uid for frame in document.frames if frame.sop_instance_uid)
    inputs = read_inputs(path, None, spacing, instances=uids, pixels=False, color=True)
    if inputs.sources:
        places = match_frames(document.frames, inputs.sources)
    else:
        places = _match_names(document, inputs)
    return Study(inputs, document, places), places


def _match_names(document: ContourDocument, inputs: Inputs) -> list[int]:
    index = {frame.name: number for number, frame in enumerate(inputs.frames)}
    places = []
    for frame in document.frames:
        place = index.get(frame.name)
        if place is None and len(document.frames) == len(inputs.frames) == 1:
            place = 0
        if place is None or inputs.frames[place].size != frame.size:
            problem = (
                "is not among them" if place is None else f"is {inputs.frames[place].size} there, not {frame.size}"
            )
            raise ValueError(
                f"Expected each frame to be one of the {len(inputs.frames)} images, by its name and size (H, W), but "
                f"{frame.name!r} {problem}: give the images that the contours were drawn on."
            )
        places.append(place)
    return places


def _gray(frame: Frame) -> Frame:
    """A frame with the gray values that the readers give for its colors."""
    colors = frame.image.movedim(0, -1).numpy().astype(np.uint8)
    return replace(frame, image=make_image(np.asarray(Image.fromarray(colors).convert("L")), frame.image.affine))


def _window(values: np.ndarray) -> tuple[float, float]:
    if values.ndim == 3:
        return 0.0, 255.0  # colors are shown as they are
    step = max(1, int(np.sqrt(values.size / 1e5)))
    low, high = np.percentile(values[::step, ::step], WINDOW)
    return (float(low), float(high)) if high > low else (float(values.min()), float(values.max()) + 1e-6)


def _common_box(frames: Sequence[Frame], document: ContourDocument) -> tuple[int, int, int, int] | None:
    """Square box around all contours, with a margin, inside the frames; None where there is no common one."""
    sizes = {frame.size for frame in frames}
    drawn = [vertices for frame in document.frames for vertices in frame.contours]
    if len(sizes) > 1 or not drawn or len(frames) == 1:
        return None
    height, width = sizes.pop()
    low = np.min([vertices.min(0) for vertices in drawn], axis=0)
    high = np.max([vertices.max(0) for vertices in drawn], axis=0)
    half = (1 + MARGIN) * float((high - low).max()) / 2
    (x, y) = (low + high) / 2
    left, top = int(max(0, x - half)), int(max(0, y - half))
    right, bottom = int(min(width, x + half)) + 1, int(min(height, y + half)) + 1
    right, bottom = min(right, width), min(bottom, height)
    return (left, top, right, bottom) if right - left > 1 and bottom - top > 1 else None
