# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Answer to a request for contours: the label map and the JSON."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import torch

from monai_acdr.apps.documents import DECIMALS
from monai_acdr.apps.label_values import draw_label_map, label_structures
from monai_acdr.apps.measurements import MAX_OUTSIDE, outside_share, scattered_finding
from monai_acdr.apps.model import ContourModel
from monai_acdr.apps.monailabel.images import LabelImage, write_nrrd
from monai_acdr.apps.monailabel.outlining import Outlined, Prompts, outline_image, parse_prompts
from monai_acdr.apps.segment_results import in_words
from monai_acdr.dicom import Algorithm, Region, Structure, write_seg
from monai_acdr.files import replace_file
from monai_acdr.geometry import centroid, pixel_to_world
from monai_acdr.measures import stack_place
from monai_acdr.visualize import save_png

__all__ = [
    "EXTENSIONS",
    "answer",
    "contour_records",
    "draw_labels",
    "extension_of",
    "wants",
    "write_labels",
    "write_seg_of_contours",
]

EXTENSIONS = (".nii.gz", ".nii", ".nrrd", ".png", ".dcm")
"""Formats that ``result_extension`` may ask for; ``.dcm`` is a DICOM segmentation."""
_TYPES = {"uint8": np.uint8, "uint16": np.uint16, "int16": np.int16, "int32": np.int32, "float32": np.float32}


def extension_of(requested: str | None, image: LabelImage) -> str:
    """The format of the answer: as requested, by default PNG for pictures and NIfTI for everything else.

    Raises:
        ValueError: when there is no such format, or it does not apply to the image.
    """
    extension = (requested or (".png" if image.is_picture else ".nii.gz")).lower()
    extension = extension if extension.startswith(".") else f".{extension}"
    if extension == ".seg.nrrd":
        extension = ".nrrd"
    if extension not in EXTENSIONS:
        raise ValueError(f"Expected `result_extension` to be one of {EXTENSIONS}, but got {str(requested)[:40]!r}.")
    if extension == ".dcm" and not image.sources:
        raise ValueError("Expected a DICOM image for a DICOM segmentation, which refers to it: ask for .nii.gz.")
    if extension == ".png" and image.shape[2:] not in ((1,), (1, 1)):
        raise ValueError("Expected a single slice for a PNG, but the image has several: ask for .nii.gz.")
    return extension


def draw_labels(image: LabelImage, contours: Sequence[Outlined], dtype: str | None = None) -> np.ndarray:
    """The label map on the image's grid, with the values of :mod:`monai_acdr.apps.label_values`.

    A voxel is k + 1 where the contour of structure k covers at least half of it and no contour of a structure before k
    does, 0 elsewhere.

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
    """Write a label map as NIfTI, NRRD or PNG, by the suffix of `path`, with the affine of the image's grid."""
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
    """Write contours as a DICOM segmentation of the image's frames, one segment per structure.

    Raises:
        ImportError: when highdicom cannot be imported.
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
    """The contours for the JSON of the answer, one entry per frame and structure.

    Vertices are (x, y) in pixels, pixel (c, r) covering [c, c + 1) x [r, r + 1), and (x, y, z) in mm, LPS, where the
    image has a position in space. A voxel index is the pixel coordinate minus 0.5.
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


def wants(value: Any, default: bool) -> bool:
    """A Boolean of a request, which may be text."""
    if value is None:
        return default
    return value.strip().lower() in ("true", "1", "yes", "on") if isinstance(value, str) else bool(value)


def answer(request: Mapping[str, Any], image: LabelImage, model: ContourModel) -> tuple[str | None, dict[str, Any]]:
    """Outline an image.

    Args:
        request: ``foreground``, ``background``, ``roi``, ``slice``, ``phase`` (:mod:`.prompts`), ``result_extension``,
            ``result_dtype``, ``result_compress``, ``result_write_to_file``, as in MONAI Label's own tasks.
        image: the image to outline.
        model: the bundle.

    Returns:
        The path of a temporary file with the label map, None where none was requested, and the values of the JSON:
        ``contours`` (:func:`.contour_records`), ``warnings`` (parts of the request that were not used, and why),
        ``label_names`` (of the label map's values: for nested structures the rings between their contours),
        ``centroids`` (voxel indices of the contour that bounds each label), ``algorithm``, ``image`` and ``latencies``.

    Raises:
        ValueError: for a request that cannot be served.
    """
    start = time.perf_counter()
    requested = request.get("result_extension")
    extension = extension_of(str(requested) if requested else None, image)
    prompts = parse_prompts(request, image.shape)
    contours = outline_image(image, prompts, model)
    outlined = time.perf_counter()
    path: Path | None = None
    if wants(request.get("result_write_to_file"), True):
        with tempfile.NamedTemporaryFile(suffix=extension, delete=False) as file:
            path = Path(file.name)
        try:
            if extension == ".dcm":
                path.unlink()
                write_seg_of_contours(path, contours, image, model.structures, model.algorithm)
            else:
                labels = draw_labels(image, contours, request.get("result_dtype"))
                write_labels(path, labels, image, wants(request.get("result_compress"), False))
        except BaseException:
            path.unlink(missing_ok=True)
            raise
    end = time.perf_counter()
    records = contour_records(image, contours, model.structures)
    names = [structure.label for structure in label_structures(model.structures, model.nested)]
    result = {
        "contours": records,
        "warnings": _warnings(image, prompts, contours),
        "coordinates": "vertices_px: (x, y) = (column, row), pixel (c, r) covers [c, c + 1) x [r, r + 1); a voxel "
        "index is the pixel coordinate minus 0.5; vertices_mm: LPS",
        "label_names": {label: value for value, label in enumerate(names, start=1)},
        "centroids": _centroids(records, names),
        "algorithm": {
            "name": model.name,
            "version": model.version,
            "weights_sha256": model.checkpoint_sha256,
        },
        "image": {"shape": list(image.shape), "kind": image.inputs.kind},
        "latencies": {
            "infer": round(outlined - start, 4),
            "write": round(end - outlined, 4),
            "total": round(end - start, 4),
        },
    }
    return (str(path) if path else None), result


def _centroids(records: Sequence[Mapping[str, Any]], labels: Sequence[str]) -> dict[str, list[str]]:
    """Centroids in the first frame, as MONAI Label's clients show them: voxel indices as text."""
    return {
        label: [str(x - 0.5), str(y - 0.5), str(record["slice"])]
        for label, record in zip(labels, records, strict=False)
        for x, y in [record["centroid_px"]]
    }


def _warnings(image: LabelImage, prompts: Prompts, contours: Sequence[Outlined]) -> list[str]:
    """Warnings about the answer, as text for people: slices and phases count from 1, indices of the request from 0."""
    scattered = scattered_finding([contour.scattered for contour in contours])
    found = [in_words(finding) for finding in (*image.inputs.findings, *scattered)]
    num_slices, num_phases = (*image.shape, 1, 1)[2:4]
    if prompts.left_out and prompts.slice is not None:
        place = stack_place(prompts.slice, num_slices)
        found.append(f"{prompts.left_out} point(s) are not on {place} and were not used.")
    for contour in contours:
        z, t = image.places[contour.frame]
        place = stack_place(z, num_slices, t if num_phases > 1 else (), num_phases).capitalize()
        if contour.scale:
            found.append(f"{place}: implausible scale, {contour.scale}.")
        if contour.doubtful:
            found.append(f"{place}: doubtful, confidence {contour.confidence:.2f}.")
        if contour.warning:
            found.append(f"{place}: {contour.warning}")
        size = image.inputs.frames[contour.frame].size
        share = max(outside_share(vertices, size) for vertices in contour.vertices)
        if share > MAX_OUTSIDE:
            found.append(f"{place}: {100 * share:.0f} % of the contour's area lie outside of the image.")
    return found
