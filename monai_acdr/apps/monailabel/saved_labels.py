# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Labels from clients: reading, checks against their image, and writing as a DICOM segmentation."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from monai_acdr.apps.documents import structure_of
from monai_acdr.apps.label_values import overlap_in_part, stack_masks
from monai_acdr.apps.monailabel.answers import write_labels
from monai_acdr.apps.monailabel.images import LabelImage, is_nrrd, read_nrrd
from monai_acdr.data.nifti import is_nifti, read_nifti_voxels
from monai_acdr.data.pictures import SUFFIXES, read_label_picture
from monai_acdr.dicom import Algorithm, MaskRegion, Structure, write_seg
from monai_acdr.dicom.seg import read_segmentation

__all__ = [
    "check_label",
    "frame_labels",
    "frame_masks",
    "labels_of_seg",
    "raw_label",
    "read_label",
    "write_seg_of_labels",
]

MAX_LABELS = 255
FRACTIONAL_THRESHOLD = 0.5
"""A pixel of a fractional segmentation belongs to the label from this value on."""


def read_label(path: Path) -> np.ndarray:
    """Read a label map.

    Args:
        path: NIfTI, NRRD or picture.

    Returns:
        (X, Y), (X, Y, Z) or (X, Y, Z, T) voxels, uint8.

    Raises:
        ValueError: when it cannot be read, or has values other than whole numbers from 0 to 255.
    """
    try:
        if is_nifti(path):
            values = read_nifti_voxels(path)
        elif is_nrrd(path):
            values = read_nrrd(path)[0]
        elif path.name.lower().endswith(SUFFIXES):
            values = read_label_picture(path).T
        else:
            raise ValueError(f"its suffix is none of .nii.gz, .nii, .nrrd, {', '.join(SUFFIXES)}")
    except (OSError, ValueError) as error:
        raise ValueError(f"Expected a label map, but {path} cannot be read: {error}") from None
    if not np.isfinite(values).all() or values.min() < 0 or values.max() > MAX_LABELS or (values % 1 != 0).any():
        raise ValueError(f"Expected a label map of whole numbers from 0 to {MAX_LABELS}, but {path} has others.")
    return values.astype(np.uint8)


def check_label(path: Path, image: LabelImage) -> np.ndarray:
    """Read a label map and check that it is on its image's grid.

    Raises:
        ValueError: when it is not on the grid, or as :func:`read_label`.
    """
    labels = read_label(path)
    if _plain(labels.shape) != _plain(image.shape):
        raise ValueError(
            f"Expected a label of the shape of its image, {image.shape} voxels, but got {labels.shape}: does it belong "
            "to this image?"
        )
    return labels.reshape(image.shape)


def raw_label(path: Path, image: LabelImage) -> Path:
    """A NIfTI file beside `path`, made from voxels without a header: uint8, columns fastest, as OHIF sends them.

    Raises:
        ValueError: when their number is not that of the image's voxels.
    """
    number = path.stat().st_size
    if number != math.prod(image.shape):
        raise ValueError(
            f"Expected a label of the shape of its image, {image.shape} voxels of 1 byte, but got {number} bytes: "
            "does it belong to this image?"
        )
    voxels = np.fromfile(path, dtype=np.uint8)
    return write_labels(path.with_suffix(".nii.gz"), voxels.reshape(image.shape, order="F"), image)


def labels_of_seg(path: Path, image: LabelImage) -> np.ndarray:
    """A DICOM segmentation of the image's frames as a label map on its grid: 1 for the first segment, 2 for the next.

    A segment within another one, such as an endocardium within its epicardium, leaves a ring of the outer one.

    Raises:
        ValueError: when it refers to other images, as :func:`monai_acdr.dicom.read_seg`, or when a label map cannot
            hold all of it: a segment that cannot be read, too many segments, or two that overlap in part.
    """
    full = np.zeros((*image.shape, 1)[:4], dtype=np.uint8)
    found = read_segmentation(path, image.sources)
    if found.left_out or len(found.regions) > MAX_LABELS:
        problem = found.left_out[0] if found.left_out else f"there are {len(found.regions)}"
        raise ValueError(f"Expected at most {MAX_LABELS} segments, all of them readable, in {path}, but {problem}")
    for index, (z, t) in enumerate(image.places):
        masks = {
            value: np.asarray(region.masks[index]) >= FRACTIONAL_THRESHOLD
            for value, region in enumerate(found.regions, start=1)
            if region.masks[index] is not None
        }
        pair = overlap_in_part(masks)
        if pair is not None:
            one, other = (found.regions[value - 1].number for value in pair)
            raise ValueError(
                "Expected disjoint or nested segments, because a label map has one label for each pixel, but in "
                f"{path} segments #{one} and #{other} overlap in part: store them in separate files."
            )
        full[:, :, z, t] = stack_masks(masks, image.inputs.frames[index].size).T
    return full.reshape(image.shape)


def frame_masks(labels: np.ndarray, image: LabelImage, value: int | None = None) -> list[np.ndarray | None]:
    """Mask (H, W) bool of a label, or of all labels (None), for each frame of the image; None where it is empty."""
    full = labels.reshape((*image.shape, 1)[:4])
    masks: list[np.ndarray | None] = []
    for z, t in image.places:
        plane = full[:, :, z, t].T
        mask = plane > 0 if value is None else plane == value
        masks.append(mask if mask.any() else None)
    return masks


def frame_labels(labels: np.ndarray, image: LabelImage) -> list[np.ndarray]:
    """The label map (H, W) of each frame of the image."""
    full = labels.reshape((*image.shape, 1)[:4])
    return [full[:, :, z, t].T for z, t in image.places]


def write_seg_of_labels(
    path: Path,
    labels: np.ndarray,
    image: LabelImage,
    structures: Sequence[Structure],
    label_info: Sequence[Any] = (),
    algorithm: Algorithm | None = None,
) -> Path:
    """Write a label map as a DICOM segmentation of the image's frames, one segment per label.

    Args:
        path: file to write.
        labels: label map on the image's grid.
        image: image of DICOM frames.
        structures: structures of the labels 1, 2, ... that have no name; higher labels are of the last structure.
        label_info: as sent by clients: for each label, in ascending order, a dictionary that may have a ``name``.
        algorithm: algorithm that made the labels.

    Raises:
        ValueError: when the label map is empty, or the image is not DICOM.
    """
    if not image.sources:
        raise ValueError("Expected a DICOM image for a DICOM segmentation, which refers to it, but it is not one.")
    values = [int(value) for value in np.unique(labels) if value > 0]
    regions = []
    for number, value in enumerate(values):
        info = label_info[number] if number < len(label_info) else None
        name = str(info.get("name") or "")[:64].strip() if isinstance(info, dict) else ""
        masks = tuple(None if mask is None else mask.astype(np.float32) for mask in frame_masks(labels, image, value))
        regions.append(MaskRegion(structure_of(name) if name else structures[min(value, len(structures)) - 1], masks))
    if not regions:
        raise ValueError("Expected a label with at least one voxel, but it is empty: there is nothing to write.")
    return write_seg(path, regions, image.sources, algorithm=algorithm)


def _plain(shape: Sequence[int]) -> tuple[int, ...]:
    """A shape without trailing axes of one voxel."""
    sizes = list(shape)
    while len(sizes) > 2 and sizes[-1] == 1:
        sizes.pop()
    return tuple(sizes)
