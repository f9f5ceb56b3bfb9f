# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Answers of the server: a label map in the format asked for, and the contours as JSON."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import torch

from monai_acdr.apps.contour_document import DECIMALS
from monai_acdr.apps.label_values import draw_label_map
from monai_acdr.apps.monailabel.images import LabelImage
from monai_acdr.apps.monailabel.nrrd_files import write_nrrd
from monai_acdr.apps.monailabel.outlining import Outlined
from monai_acdr.dicom import Algorithm, Region, Structure, write_seg
from monai_acdr.files import replace_file
from monai_acdr.geometry import centroid, pixel_to_world
from monai_acdr.visualize import save_png

__all__ = ["EXTENSIONS", "contour_records", "draw_labels", "extension_of", "write_labels", "write_seg_of_contours"]

EXTENSIONS = (".nii.gz", ".nii", ".nrrd", ".png", ".dcm")
"""Formats that ``result_extension`` may ask for; ``.dcm`` is a DICOM segmentation."""
_TYPES = {"uint8": np.uint8, "uint16": np.uint16, "int16": np.int16, "int32": np.int32, "float32": np.float32}


def extension_of(wanted: str | None, image: LabelImage) -> str:
    """The format of the answer: the one asked for, by default PNG for pictures and NIfTI for all else.

    Raises:
        ValueError: when there is no such format, or the image cannot have it.
    """
    extension = (wanted or (".png" if image.is_picture else ".nii.gz")).lower()
    extension = extension if extension.startswith(".") else f".{extension}"
    if extension == ".seg.nrrd":
        extension = ".nrrd"
    if extension not in EXTENSIONS:
        raise ValueError(f"Expected `result_extension` to be one of {EXTENSIONS}, but got {str(wanted)[:40]!r}.")
    if extension == ".dcm" and not image.sources:
        raise ValueError("Expected a DICOM image for a DICOM segmentation, which refers to it: ask for .nii.gz.")
    if extension == ".png" and image.shape[2:] not in ((1,), (1, 1)):
        raise ValueError("Expected a single slice for a PNG, but the image has several: ask for .nii.gz.")
    return extension


def draw_labels(image: LabelImage, contours: Sequence[Outlined], dtype: str | None = None) -> np.ndarray:
    """The label map, of the shape of the image's grid, with the values of :mod:`monai_acdr.apps.label_values`.

    A voxel is k + 1 where the contour of structure k covers at least half of it and those of the structures before it
    do not, 0 elsewhere.

    Raises:
        ValueError: for an unknown dtype.
    """
    name = str(dtype or "uint8")
    if name not in _TYPES:
        raise ValueError(f"Expected `result_dtype` to be one of {sorted(_TYPES)}, but got {name[:40]!r}.")
    full = np.zeros((*image.shape, 1)[:4], dtype=_TYPES[name])
    for outlined in contours:
        z, t = image.places[outlined.frame]
        size = image.inputs.frames[outlined.frame].size
        full[:, :, z, t] = draw_label_map(outlined.vertices, size).T.astype(full.dtype)
    return full.reshape(image.shape)


def write_labels(path: Path, labels: np.ndarray, image: LabelImage, compress: bool = True) -> Path:
    """Write a label map as NIfTI, NRRD or PNG, by the name of `path`; the affine is that of the image's grid."""
    if path.name.endswith(".nrrd"):
        return write_nrrd(path, labels, image.affine, compress)
    if path.name.endswith(".png"):
        return save_png(path, labels.reshape(labels.shape[:2]).T.astype(np.uint8))
    with replace_file(path) as temporary:
        nib.save(nib.Nifti1Image(labels, image.affine), temporary)
    return path


def write_seg_of_contours(
    path: Path, contours: Sequence[Outlined], image: LabelImage, structures: Sequence[Structure], algorithm: Algorithm
) -> Path:
    """Write contours as a DICOM segmentation of the image's frames, a segment for each structure.

    Raises:
        ImportError: without highdicom.
        ValueError: when the frames cannot be in one segmentation, such as several mammograms.
    """
    by_frame = {outlined.frame: outlined for outlined in contours}
    regions = [
        Region(
            structure,
            tuple((by_frame[i].vertices[number],) if i in by_frame else () for i in range(len(image.inputs.frames))),
        )
        for number, structure in enumerate(structures)
    ]
    return write_seg(path, regions, image.sources, algorithm=algorithm)


def contour_records(
    image: LabelImage, contours: Sequence[Outlined], structures: Sequence[Structure]
) -> list[dict[str, Any]]:
    """The contours for the JSON of the answer, an entry for each frame and structure.

    Vertices are (x, y) in pixels, pixel (c, r) covering [c, c + 1) x [r, r + 1), and (x, y, z) in mm, LPS, where the
    image has a place. A voxel index is the pixel coordinate minus 0.5.
    """
    return [
        _contour_record(image, outlined, number, structure)
        for outlined in contours
        for number, structure in enumerate(structures)
    ]


def _contour_record(image: LabelImage, outlined: Outlined, number: int, structure: Structure) -> dict[str, Any]:
    z, t = image.places[outlined.frame]
    frame = image.inputs.frames[outlined.frame]
    vertices = torch.from_numpy(outlined.vertices[number])
    source = frame.source
    has_place = source.has_place if source is not None else not image.is_picture
    world = pixel_to_world(vertices, torch.as_tensor(frame.image.affine)) if has_place else None
    return {
        "structure": structure.label,
        "slice": z,
        "phase": t,
        "frame": frame.name,
        "sop_instance_uid": source.key[0] if source is not None else None,
        "frame_number": source.key[1] if source is not None else None,
        "prompt": outlined.prompt,
        "confidence": outlined.confidence,
        "doubtful": outlined.doubtful,
        "region": [round(value, 3) for value in outlined.region.tolist()],
        "corrected": not np.array_equal(outlined.vertices[number], outlined.drawn[number]),
        "centroid_px": _rounded(centroid(vertices)),
        "vertices_px": _rounded(vertices),
        "vertices_mm": None if world is None else _rounded(world),
    }


def _rounded(values: torch.Tensor) -> list[Any]:
    return (np.round(values.numpy(), DECIMALS) + 0.0).tolist()
