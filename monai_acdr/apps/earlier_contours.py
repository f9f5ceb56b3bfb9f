# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Contours of an earlier run, or masks of anybody's, on the frames of this one."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from monai_acdr.apps.conversion.content import Frame, attach, choose_layers, trace_layer
from monai_acdr.apps.conversion.formats import source_format
from monai_acdr.apps.conversion.readers import read_layers
from monai_acdr.apps.inputs import Inputs
from monai_acdr.dicom.reading import shown_labels

__all__ = ["earlier_contours"]


def earlier_contours(path: Path, inputs: Inputs) -> list[list[np.ndarray]]:
    """Read contours or masks and find the frame of each.

    Args:
        path: anything that :func:`monai_acdr.apps.convert` reads, with one structure.
        inputs: the frames; of DICOM they are found by UID or name, of others by name or, where there are as many, by
            their order.

    Returns:
        For each frame its outer contours (K, 2) in pixels, without holes; empty where there is none.

    Raises:
        FileNotFoundError: when there is no such path.
        ValueError: when it cannot be read, has several structures, or does not belong to these frames.
    """
    if not path.exists():
        raise FileNotFoundError(
            f"Expected a region (auto, centre, point X Y, box X0 Y0 X1 Y1) or a file of masks or contours, but {path} "
            "does not exist."
        )
    layers, _ = read_layers(path, source_format(path), inputs.sources)
    filled = choose_layers(layers, None, many=True)
    if len(filled) > 1:
        numbers = [place if layer.number is None else layer.number for place, layer in enumerate(filled, start=1)]
        labels = [(number, layer.structure.label) for number, layer in zip(numbers, filled, strict=True)]
        raise ValueError(
            f"Expected contours or masks of one structure in {path}, but it has {shown_labels(labels)}: take one out "
            f"of it first, with monai-acdr convert {path.name} one.json --structure '#{labels[0][0]}' --images STUDY."
        )
    layer = trace_layer(filled[0])
    if inputs.sources:
        layer = attach(layer, inputs.sources)
    found: list[list[np.ndarray]] = [[] for _ in inputs.frames]
    for frame, index in zip(layer.frames, _indices(layer.frames, inputs), strict=True):
        size = inputs.frames[index].size
        if frame.size is not None and tuple(frame.size) != size:
            raise ValueError(
                f"Expected the contours or masks in {path} to have the size of their image, {size} (H, W), but got "
                f"{tuple(frame.size)}."
            )
        contours = frame.contours or ()
        found[index] += [
            ring for ring, hole in zip(contours, frame.holes or (False,) * len(contours), strict=True) if not hole
        ]
    return found


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
