# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Contours and masks in any format, as layers."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from monai_acdr.apps.contour_document import FrameContours
from monai_acdr.apps.contour_document_reader import read_contour_document
from monai_acdr.apps.conversion.content import Frame, Layer, attached
from monai_acdr.apps.conversion.formats import Format, source_files
from monai_acdr.apps.conversion.volumes import read_volume
from monai_acdr.apps.frame_names import SUNNYBROOK_NAME, check_name, frame_names
from monai_acdr.data import read_contour
from monai_acdr.data.mask_values import foreground
from monai_acdr.data.pictures import read_picture
from monai_acdr.dicom import (
    LV_ENDOCARDIUM,
    LV_EPICARDIUM,
    TISSUE,
    MaskRegion,
    Region,
    SourceFrame,
    Structure,
)
from monai_acdr.dicom.rtstruct import read_structure_set
from monai_acdr.dicom.seg import Segmentation, read_segmentation
from monai_acdr.read_budget import ReadBudget

__all__ = ["read_layers"]

_SUNNYBROOK = {"i": LV_ENDOCARDIUM, "o": LV_EPICARDIUM}


def read_layers(
    path: Path, kind: Format, sources: Sequence[SourceFrame], structure: str | None = None
) -> tuple[list[Layer], list[str]]:
    """Read a file or a folder.

    Args:
        path: what to read.
        kind: its format.
        sources: the images that it belongs to; needed for DICOM objects, may be empty otherwise.
        structure: label or number of the only structure to read of a DICOM object, whose other structures may be
            broken; by default all that can be read.

    Returns:
        The layers, and what was left out, in words.

    Raises:
        OSError: when a file cannot be opened.
        ValueError: when a file is broken, or does not belong to the images.
    """
    if kind.name == "json":
        return _read_document(path), []
    if kind.name == "nifti":
        return read_volume(path, sources), []
    if kind.name in ("rtstruct", "seg"):
        read = read_structure_set if kind.name == "rtstruct" else read_segmentation
        found = read(path, sources, structure)
        notes = found.notes if isinstance(found, Segmentation) else ()
        return [_from_region(region, sources) for region in found.regions], [*found.left_out, *notes]
    layers: dict[Structure, list[Frame]] = {}
    budget = ReadBudget(path)
    for file in source_files(path, kind):
        name = check_name(file.name[: -len(".txt")])  # .png has as many letters
        sunnybrook = SUNNYBROOK_NAME.fullmatch(name) if kind.name == "txt" else None
        shown = _SUNNYBROOK[sunnybrook[2].lower()] if sunnybrook else TISSUE
        layers.setdefault(shown, []).append(
            _read_contour(file, name) if kind.name == "txt" else _read_png(file, name, budget)
        )
    return [Layer(shown, tuple(frames)) for shown, frames in layers.items()], []


def _read_document(path: Path) -> list[Layer]:
    """A layer for each structure; one that is on none of the frames is empty."""
    document = read_contour_document(path)
    layers = []
    for number, structure in enumerate(document.structures):
        frames = [frame for frame in document.frames if not frame.contours or number in frame.indices]
        items = [frame.of_structure(number) for frame in frames]
        layers.append(Layer(structure, tuple(map(_document_frame, items)), document.algorithm, number=number + 1))
    return layers


def _document_frame(item: FrameContours) -> Frame:
    return Frame(
        item.name,
        item.size,
        item.contours,
        spacing=item.spacing,
        world=item.world,
        sop_instance_uid=item.sop_instance_uid,
        frame=item.frame,
        holes=item.holes,
    )


def _from_region(region: Any, sources: Sequence[SourceFrame]) -> Layer:
    """The layer of a :class:`Region` or :class:`MaskRegion`; frames with nothing in them are left out."""
    names, frames = frame_names(sources), []
    for index in range(len(sources)):
        contours = region.contours[index] or None if isinstance(region, Region) else None
        mask = region.masks[index] if isinstance(region, MaskRegion) else None
        if contours is not None or mask is not None:
            holes = region.holes_of(index) if isinstance(region, Region) and region.has_holes else ()
            frame = Frame(names[index], None, contours, mask, holes=holes if any(holes) else ())
            frames.append(attached(frame, sources, index))
    tracking = str(region.tracking_uid) if isinstance(region, MaskRegion) else None
    return Layer(region.structure, tuple(frames), tracking_uid=tracking, number=region.number)


def _read_contour(path: Path, name: str) -> Frame:
    return Frame(name, None, (read_contour(path).numpy(),))


def _read_png(path: Path, name: str, budget: ReadBudget) -> Frame:
    """A mask of two values; it may be empty."""
    values = read_picture(path)
    budget.add_pixels(values.shape)
    mask = foreground(values, path) if values.any() else np.zeros(values.shape, dtype=bool)
    return Frame(name, (mask.shape[0], mask.shape[1]), mask=mask.astype(np.float32))
