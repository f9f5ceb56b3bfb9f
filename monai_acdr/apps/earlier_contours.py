# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Contours of an earlier run, or masks of anybody's, on the frames of this one."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from monai_acdr.apps.conversion.content import Frame, Layer, attach, choose_layers, trace_layer
from monai_acdr.apps.conversion.formats import source_format
from monai_acdr.apps.conversion.readers import read_layers
from monai_acdr.apps.inputs import Inputs
from monai_acdr.dicom import Structure
from monai_acdr.dicom.reading import shown_labels

__all__ = ["earlier_contours"]


def earlier_contours(path: Path, inputs: Inputs, structures: Sequence[Structure] = ()) -> list[list[np.ndarray]]:
    """Read contours or masks and find the frame of each.

    Of a file with several structures those of the model count, which are told by their labels; a frame has the contours
    of the innermost one that is there, since regions of training lie about that.

    Args:
        path: anything that :func:`monai_acdr.apps.convert` reads.
        inputs: the frames; of DICOM they are found by UID or name, of others by name or, where there are as many, by
            their order.
        structures: of the model, from the innermost to the outermost.

    Returns:
        For each frame its outer contours (K, 2) in pixels, without holes; empty where there is none.

    Raises:
        FileNotFoundError: when there is no such path.
        ValueError: when it cannot be read, has several structures of which none is the model's, or does not belong to
            these frames.
    """
    if not path.exists():
        raise FileNotFoundError(
            f"Expected a region (auto, center, point X Y, box X0 Y0 X1 Y1) or a file of masks or contours, but {path} "
            "does not exist."
        )
    layers, _ = read_layers(path, source_format(path), inputs.sources)
    found: list[list[np.ndarray]] = [[] for _ in inputs.frames]
    for layer in _usable(choose_layers(layers, None, many=True), structures, path):
        layer = trace_layer(layer)
        if inputs.sources:
            layer = attach(layer, inputs.sources)
        for frame, index in zip(layer.frames, _indices(layer.frames, inputs), strict=True):
            size = inputs.frames[index].size
            if frame.size is not None and tuple(frame.size) != size:
                raise ValueError(
                    f"Expected the contours or masks in {path} to have the size of their image, {size} (H, W), but got "
                    f"{tuple(frame.size)}."
                )
            if not found[index]:
                contours = frame.contours or ()
                holes = frame.holes or (False,) * len(contours)
                found[index] = [ring for ring, hole in zip(contours, holes, strict=True) if not hole]
    return found


def _usable(layers: list[Layer], structures: Sequence[Structure], path: Path) -> list[Layer]:
    """The only layer, or those of the model's structures in the order of these."""
    if len(layers) == 1:
        return layers
    labels = [layer.structure.label.casefold() for layer in layers]
    chosen = [
        layers[labels.index(structure.label.casefold())]
        for structure in structures
        if labels.count(structure.label.casefold()) == 1
    ]
    if not chosen:
        numbers = [place if layer.number is None else layer.number for place, layer in enumerate(layers, start=1)]
        shown = [(number, layer.structure.label) for number, layer in zip(numbers, layers, strict=True)]
        raise ValueError(
            f"Expected contours or masks of one structure in {path}, or of the model's, but it has "
            f"{shown_labels(shown)}: take one out of it first, with monai-acdr convert {path.name} one.json "
            f"--structure '#{shown[0][0]}' --images STUDY."
        )
    return chosen


def _indices(frames: tuple[Frame, ...], inputs: Inputs) -> list[int]:
    if inputs.sources:
        return [frame.source for frame in frames if frame.source is not None]
    names = {frame.name: index for index, frame in enumerate(inputs.frames)}
    if all(frame.name in names for frame in frames):
        return [names[frame.name] for frame in frames]
    if len(frames) == len(inputs.frames):
        return list(range(len(frames)))
    raise ValueError(
        f"Expected contours or masks for these {len(inputs.frames)} images, by name or as many, but got {len(frames)} "
        f"whose names differ, such as {frames[0].name!r}."
    )
