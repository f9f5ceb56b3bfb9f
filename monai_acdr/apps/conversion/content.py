# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""What is converted: layers, each a structure with its contours or its masks on frames, and the steps between them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from scipy import ndimage

from monai_acdr.apps.contour_document import match_frames
from monai_acdr.dicom import Algorithm, SourceFrame, Structure
from monai_acdr.dicom.seg import THRESHOLD
from monai_acdr.transforms.contour import TRACING_LEVEL, contour_to_mask, mask_to_contours

__all__ = [
    "Frame",
    "Layer",
    "attach",
    "choose_layers",
    "is_partial",
    "rasterize_layer",
    "trace_layer",
    "used_sources",
    "with_size",
]


@dataclass(frozen=True, eq=False)
class Frame:
    """One frame of a layer: contours, a mask, or both.

    Attributes:
        name: of the frame, a plain file name.
        size: (H, W), None where it is not known.
        contours: (K, 2) polygons in pixels, float64, None before a mask was traced.
        mask: (H, W) float32, the covered share of each pixel; None before contours were rasterized.
        spacing: (between rows, between columns) in mm, or None.
        affine: (4, 4) MONAI affine of a frame with a place in the patient, or None.
        world: the contours (K, 3) in mm, LPS, as far as the source has them.
        sop_instance_uid: of its DICOM image, or None.
        frame: number within the instance, from 1.
        source: index of its DICOM image, or None.
    """

    name: str
    size: tuple[int, int] | None
    contours: tuple[np.ndarray, ...] | None = None
    mask: np.ndarray | None = None
    spacing: tuple[float, float] | None = None
    affine: np.ndarray | None = None
    world: tuple[np.ndarray, ...] | None = None
    sop_instance_uid: str | None = None
    frame: int = 1
    source: int | None = None

    @property
    def is_empty(self) -> bool:
        """Whether nothing is outlined."""
        return not self.contours and (self.mask is None or not self.mask.any())


@dataclass(frozen=True, eq=False)
class Layer:
    """A structure on its frames.

    Attributes:
        structure: what it is.
        frames: at most one for each image.
        algorithm: what made it, None when it is not known.
        tracking_uid: of DICOM objects that show the same thing, or None.
    """

    structure: Structure
    frames: tuple[Frame, ...]
    algorithm: Algorithm | None = None
    tracking_uid: str | None = None

    @property
    def is_empty(self) -> bool:
        """Whether nothing is outlined in any frame."""
        return all(frame.is_empty for frame in self.frames)


def choose_layers(layers: Sequence[Layer], label: str | None, many: bool) -> list[Layer]:
    """The layers to convert, without empty ones.

    Args:
        layers: of the source.
        label: of the wanted structure, upper and lower case alike; None for all.
        many: whether the target can hold several.

    Raises:
        ValueError: when nothing is outlined, nothing has the label, or the choice is open.
    """
    filled = [layer for layer in layers if not layer.is_empty]
    if not filled:
        raise ValueError(
            "Expected at least one contour or object, but the source is empty: there is nothing to convert."
        )
    labels = ", ".join(repr(layer.structure.label) for layer in filled)
    if label is not None:
        found = [layer for layer in filled if layer.structure.label.casefold() == label.strip().casefold()]
        if not found:
            raise ValueError(f"Expected the `structure` to be one of {labels}, but got {label!r}.")
        filled = found
    if len(filled) > 1 and not many:
        raise ValueError(f"Expected one structure, but the source has {labels}: choose one as `structure`.")
    return filled


def attach(layer: Layer, sources: Sequence[SourceFrame]) -> Layer:
    """Find the image of each frame, by UID or name, and take size, spacing and place from it.

    Raises:
        ValueError: when a frame has no image, or another size.
    """
    if all(frame.source is not None for frame in layer.frames):
        return layer
    indices = match_frames(layer.frames, sources)
    frames = [attached(frame, sources, index) for frame, index in zip(layer.frames, indices, strict=True)]
    return replace(layer, frames=tuple(frames))


def attached(frame: Frame, sources: Sequence[SourceFrame], index: int, name: str | None = None) -> Frame:
    """The frame, on the image of that index."""
    source = sources[index]
    return replace(
        frame,
        name=name or frame.name,
        size=source.size,
        spacing=source.spacing,
        affine=source.affine.numpy() if source.has_place else None,
        world=None,
        sop_instance_uid=source.key[0],
        frame=source.frame,
        source=index,
    )


def used_sources(layers: Sequence[Layer], sources: Sequence[SourceFrame]) -> list[int]:
    """Indices of the images that a DICOM object refers to: all of the series that have anything outlined.

    Of images without a place in the patient, such as mammograms, only those with something outlined.
    """
    used = {frame.source for layer in layers for frame in layer.frames if not frame.is_empty}
    series = {str(sources[i].header.SeriesInstanceUID) for i in used if i is not None}
    return [
        index
        for index, source in enumerate(sources)
        if index in used or (source.has_place and str(source.header.SeriesInstanceUID) in series)
    ]


def with_size(layer: Layer, size: tuple[int, int] | None) -> Layer:
    """Frames of a known size.

    Raises:
        ValueError: when a frame has another size, or none.
    """
    frames = []
    for frame in layer.frames:
        if size is not None and frame.size not in (None, size):
            raise ValueError(
                f"Expected `size` to be that of frame {frame.name!r}, {frame.size} (H, W), but got {size}."
            )
        if frame.size is None and size is None:
            raise ValueError(
                f"Expected to know the size of frame {frame.name!r}, but a contour does not tell it: pass its "
                "`images`, or its `size` in pixels, rows and columns."
            )
        frames.append(replace(frame, size=frame.size or size))
    return replace(layer, frames=tuple(frames))


def rasterize_layer(layer: Layer) -> tuple[Layer, list[str]]:
    """Masks from contours, by the exact share of each pixel; the contours of a frame are united.

    Returns:
        The layer, and what was lost, in words.
    """
    frames, lost = [], []
    for frame in layer.frames:
        if frame.mask is None and frame.size is not None:
            frame = replace(frame, mask=_rasterize(frame.contours or (), frame.size))
            if frame.contours and not (np.asarray(frame.mask) >= THRESHOLD).any():
                lost.append(f"Frame {frame.name!r}: no pixel is covered by half; the contour is too small or outside.")
        frames.append(frame)
    return replace(layer, frames=tuple(frames)), lost


def trace_layer(layer: Layer) -> tuple[Layer, list[str]]:
    """Contours from masks, by marching squares.

    Returns:
        The layer, and what was lost, in words: contours have no holes.
    """
    frames, lost = [], []
    for frame in layer.frames:
        if frame.contours is None and frame.mask is not None:
            holes, pixels = _holes(frame.mask)
            frame = replace(frame, contours=_trace(frame.mask))
            if pixels:
                lost.append(
                    f"Frame {frame.name!r}: {holes} hole(s), {pixels} pixel(s) in all, were filled, as contours have "
                    "none; keep a mask (SEG, NIfTI, PNG) where they matter."
                )
        frames.append(frame)
    return replace(layer, frames=tuple(frames)), lost


def is_partial(layer: Layer) -> bool:
    """Whether a mask of the source has pixels that are covered in part."""
    masks = [frame.mask for frame in layer.frames if frame.mask is not None and frame.contours is None]
    return any(bool(((mask > 0) & (mask < 1)).any()) for mask in masks)


def _rasterize(contours: Sequence[np.ndarray], size: tuple[int, int]) -> np.ndarray:
    """(H, W) float32 in [0, 1]."""
    mask = np.zeros(size, dtype=np.float32)
    for vertices in contours:
        mask += contour_to_mask(torch.from_numpy(vertices), size)[0].numpy()
    return np.minimum(mask, 1)


def _trace(mask: np.ndarray) -> tuple[np.ndarray, ...]:
    """Polygons (K, 2), largest first; empty for an empty mask. Only the box around the object is looked at."""
    rows, columns = np.nonzero(mask.any(1))[0], np.nonzero(mask.any(0))[0]
    if not len(rows) or mask.max() <= TRACING_LEVEL:
        return ()
    top, left = int(rows[0]), int(columns[0])
    part = mask[top : rows[-1] + 1, left : columns[-1] + 1]
    return tuple(ring.numpy() + [left, top] for ring in mask_to_contours(torch.from_numpy(part)))


def _holes(mask: np.ndarray) -> tuple[int, int]:
    """Number of the holes in a mask's objects, and of their pixels."""
    objects = mask > TRACING_LEVEL
    holes = ndimage.binary_fill_holes(objects) & ~objects
    return int(ndimage.label(holes)[1]), int(holes.sum())
