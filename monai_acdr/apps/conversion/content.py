# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""What is converted: layers, each a structure with its contours or its masks on frames, and the steps between them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch

from monai_acdr.apps.contour_document import match_frames
from monai_acdr.apps.label_values import overlap_in_part, stack_masks
from monai_acdr.dicom import Algorithm, SourceFrame, Structure
from monai_acdr.dicom.reading import choose_number, shown_labels
from monai_acdr.dicom.regions import rasterize_rings
from monai_acdr.dicom.seg import THRESHOLD
from monai_acdr.read_budget import ReadBudget
from monai_acdr.transforms.contour.tracing import TRACING_LEVEL, mask_to_rings

__all__ = [
    "Frame",
    "Layer",
    "attach",
    "check_different",
    "choose_layers",
    "is_partial",
    "merge_layers",
    "rasterize_layer",
    "trace_layer",
    "used_sources",
    "with_size",
]


MAX_LABELS = 255
"""Structures of a label map, whose pixels are bytes."""


@dataclass(frozen=True, eq=False)
class Frame:
    """One frame of a layer: contours, a mask, or both.

    Attributes:
        name: of the frame, a plain file name.
        size: (H, W), None where it is not known.
        contours: (K, 2) polygons in pixels, float64, None before a mask was traced.
        holes: for each polygon whether it is a hole in those before it (:mod:`monai_acdr.dicom.regions`); empty where
            none is.
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
    holes: tuple[bool, ...] = ()

    @property
    def key(self) -> tuple[str | None, int, str]:
        """What tells frames apart: the DICOM image and frame number, otherwise the name."""
        return (None, 0, self.name) if self.sop_instance_uid is None else (self.sop_instance_uid, self.frame, "")

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
        number: of the ROI or segment, or place in the source from 1: what tells layers of one label apart.
    """

    structure: Structure
    frames: tuple[Frame, ...]
    algorithm: Algorithm | None = None
    tracking_uid: str | None = None
    number: int | None = None

    @property
    def is_empty(self) -> bool:
        """Whether nothing is outlined in any frame."""
        return all(frame.is_empty for frame in self.frames)


def choose_layers(layers: Sequence[Layer], label: str | None, many: bool) -> list[Layer]:
    """The layers to convert, without empty ones.

    Args:
        layers: of the source.
        label: of the wanted structure, upper and lower case alike, or its number, such as ``#2``; None for all.
        many: whether the target can hold several.

    Raises:
        ValueError: when nothing is outlined, nothing or several have the label, or the choice is open.
    """
    numbers = [place if layer.number is None else layer.number for place, layer in enumerate(layers, start=1)]
    filled = {number: layer for number, layer in zip(numbers, layers, strict=True) if not layer.is_empty}
    if not filled:
        raise ValueError(
            "Expected at least one contour or object, but the source is empty: there is nothing to convert."
        )
    labels = [(number, layer.structure.label) for number, layer in filled.items()]
    if label is not None:
        return [filled[choose_number(labels, label, "the source")]]
    if len(filled) > 1 and not many:
        raise ValueError(
            f"Expected one structure, but the source has {shown_labels(labels)}: choose one by its label, or by its "
            f"number, such as --structure '#{labels[0][0]}'."
        )
    return list(filled.values())


def check_different(layers: Sequence[Layer]) -> None:
    """Raise a ValueError when two layers have the same label, by which contour documents tell them apart."""
    numbers = [place if layer.number is None else layer.number for place, layer in enumerate(layers, start=1)]
    labels = [(number, layer.structure.label) for number, layer in zip(numbers, layers, strict=True)]
    if len({label.strip().casefold() for _, label in labels}) < len(labels):
        raise ValueError(
            "Expected structures of different labels for a contour document, but the source has "
            f"{shown_labels(labels)}: choose one by its label, or by its number, such as --structure '#{labels[0][0]}'."
        )


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
                f"Expected --size to be that of frame {frame.name!r}, {frame.size} (H, W), but got {size}."
            )
        if frame.size is None and size is None:
            raise ValueError(
                f"Expected to know the size of frame {frame.name!r}, but a contour does not tell it: name its images "
                "with --images, or its size in pixels with --size ROWS COLUMNS."
            )
        frames.append(replace(frame, size=frame.size or size))
    return replace(layer, frames=tuple(frames))


def rasterize_layer(layer: Layer, budget: ReadBudget | None = None) -> tuple[Layer, list[str]]:
    """Masks from contours, by the exact share of each pixel; the contours of a frame are united, holes are left out.

    Args:
        layer: what to rasterize.
        budget: of the memory that the masks of all layers need; by default of this layer alone.

    Returns:
        The layer, and what was lost, in words.

    Raises:
        ValueError: when the masks need more memory than that; the size of an image is a claim of its file.
    """
    budget = budget or ReadBudget("the masks of this conversion")
    frames, lost = [], []
    for frame in layer.frames:
        if frame.mask is None and frame.size is not None:
            budget.add_pixels(frame.size)
            frame = replace(frame, mask=rasterize_rings(frame.contours or (), frame.holes, frame.size))
            if frame.contours and not (np.asarray(frame.mask) >= THRESHOLD).any():
                lost.append(f"Frame {frame.name!r}: no pixel is covered by half; the contour is too small or outside.")
        frames.append(frame)
    return replace(layer, frames=tuple(frames)), lost


def trace_layer(layer: Layer) -> Layer:
    """Contours from masks, by marching squares; holes are contours of their own."""
    frames = []
    for frame in layer.frames:
        if frame.contours is None and frame.mask is not None:
            contours, holes = _trace(frame.mask)
            frame = replace(frame, contours=contours, holes=holes if any(holes) else ())
        frames.append(frame)
    return replace(layer, frames=tuple(frames))


def merge_layers(layers: Sequence[Layer]) -> tuple[Frame, ...]:
    """Frames whose masks are label maps of all layers; those of a single layer as they are.

    A pixel has the number of a layer, from 1, that covers it by half; of layers within each other that of the inner
    one, so that the outer ones are rings, as in the label maps of :mod:`monai_acdr.apps.label_values`.

    Raises:
        ValueError: when two layers overlap on a frame and neither contains the other, which a label map cannot hold, or
            when there are too many.
    """
    if len(layers) == 1:
        return layers[0].frames
    if len(layers) > MAX_LABELS:
        raise ValueError(
            f"Expected at most {MAX_LABELS} structures for a label map, but got {len(layers)}: choose one with "
            "--structure, or write a format that holds all (.json, SEG, RTSTRUCT)."
        )
    frames: dict[object, Frame] = {}
    masks: dict[object, dict[int, np.ndarray]] = {}
    for value, layer in enumerate(layers, start=1):
        for frame in layer.frames:
            frames.setdefault(frame.key, frame)
            if frame.mask is not None:
                masks.setdefault(frame.key, {})[value] = np.asarray(frame.mask) >= THRESHOLD
    return tuple(replace(frame, mask=_label_map(masks.get(key, {}), layers, frame)) for key, frame in frames.items())


def _label_map(masks: Mapping[int, np.ndarray], layers: Sequence[Layer], frame: Frame) -> np.ndarray:
    size = frame.size or (1, 1)
    if any(mask.shape != size for mask in masks.values()):
        raise ValueError(
            f"Expected the masks of frame {frame.name!r} to have one size, but got "
            f"{sorted({mask.shape for mask in masks.values()})} (H, W): choose one structure (--structure)."
        )
    pair = overlap_in_part(masks)
    if pair is not None:
        one, other = (layers[value - 1].structure.label for value in pair)
        raise ValueError(
            "Expected structures apart or within each other, as a label map has one label for each pixel, but on frame "
            f"{frame.name!r} {one!r} and {other!r} overlap in part: choose one with --structure, or write a format "
            "that holds both (.json, SEG, RTSTRUCT)."
        )
    return stack_masks(masks, size).astype(np.float32)


def is_partial(layer: Layer) -> bool:
    """Whether a mask of the source has pixels that are covered in part."""
    masks = [frame.mask for frame in layer.frames if frame.mask is not None and frame.contours is None]
    return any(bool(((mask > 0) & (mask < 1)).any()) for mask in masks)


def _trace(mask: np.ndarray) -> tuple[tuple[np.ndarray, ...], tuple[bool, ...]]:
    """Polygons (K, 2), largest first, and which are holes. Only the box around the objects is looked at."""
    rows, columns = np.nonzero(mask.any(1))[0], np.nonzero(mask.any(0))[0]
    if not len(rows) or mask.max() <= TRACING_LEVEL:
        return (), ()
    top, left = int(rows[0]), int(columns[0])
    rings, holes = mask_to_rings(torch.from_numpy(mask[top : rows[-1] + 1, left : columns[-1] + 1]))
    return tuple(ring.numpy() + [left, top] for ring in rings), tuple(holes)
