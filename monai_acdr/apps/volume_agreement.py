# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Volumes of a set of hearts against their references: the function behind ``monai-acdr agreement``."""

from __future__ import annotations

import csv
import io
import json
import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import torch

from monai_acdr import __version__
from monai_acdr.apps.inputs import volume_inputs
from monai_acdr.apps.measurements import find_grid, measure_contours
from monai_acdr.apps.model import ContourModel, load_model
from monai_acdr.apps.outlines import Outline, Progress, outline_frames
from monai_acdr.apps.regions import RegionRequest, parse_region
from monai_acdr.data.cardiac_nifti import PHASES, CardiacCase, find_cardiac_cases
from monai_acdr.data.nifti import NiftiVolume, read_nifti
from monai_acdr.dicom import LV_ENDOCARDIUM
from monai_acdr.dicom.seg import THRESHOLD
from monai_acdr.files import output_folder, write_text_atomically
from monai_acdr.measures import Finding, PhaseVolume, compute_agreement, phase_volumes
from monai_acdr.transforms import contour_to_mask

__all__ = ["agreement"]

RESULT_NAMES = ("agreement.csv", "agreement.json")
MEASURES = {
    "edv_ml": "end-diastolic volume, mL",
    "esv_ml": "end-systolic volume, mL",
    "sv_ml": "stroke volume, mL",
    "ef_percent": "ejection fraction, %",
}
"""What is compared, by its column in agreement.csv."""
SAME_PLACE = 1e-3
"""Largest difference in mm of the affines of a patient's two phases."""


@dataclass(frozen=True)
class _Stack:
    """Both phases of a patient as one volume, and where the reference has the cavity, (X, Y, Z, 2) bool."""

    volume: NiftiVolume
    cavity: np.ndarray
    findings: tuple[Finding, ...] = ()


def agreement(
    studies: str | os.PathLike[str],
    output: str | os.PathLike[str],
    model: str | os.PathLike[str] = "sunnybrook_lv_acdr",
    roi: str = "auto",
    *,
    label: int = 3,
    checkpoint: str | os.PathLike[str] | None = None,
    device: str | None = None,
    batch_size: int = 32,
    overwrite: bool = False,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Outline the hearts of a folder, and compare their volumes with those of their label maps.

    Reference volumes are voxels times their size; measured ones the disc sum of contour areas, as in ``segment``.

    Args:
        studies: folder of patients, ``PATIENT/{ED,ES}.nii.gz`` with ``{ED,ES}_gt.nii.gz``: see
            :mod:`monai_acdr.data.cardiac_nifti`.
        output: folder for ``agreement.csv``, a row per patient, and ``agreement.json``, statistics per measure.
        model: a bundle's name or folder, of the endocardium of the left ventricle.
        roi: ``auto``, ``centre``, or ``label``, a region about the reference: its position is known then.
        label: of the left ventricle's cavity in the label maps; 3 in ACDC, 1 in M&Ms.
        checkpoint: other weights than the bundle's.
        device: as in :func:`monai_acdr.apps.segment`.
        batch_size: frames at once.
        overwrite: replace earlier results.
        progress: told (step, done, all).

    Returns:
        The content of ``agreement.json``. A patient of whom a phase has no contour has no volumes; it is counted in
        ``failed``, and so are the lost slices of all patients: no statistics hide them.

    Raises:
        FileNotFoundError, ValueError: for a folder, a file, a region or weights that cannot be used.
        FileExistsError, OSError: when results cannot be written.
    """
    request = None if roi == "label" else parse_region(roi)
    if request is not None and request.kind not in ("auto", "centre"):
        raise ValueError(f"Expected `roi` to be auto, centre or label for many patients, but got {roi!r}.")
    with output_folder(output, RESULT_NAMES, overwrite) as folder:
        contour_model = load_model(model, checkpoint, device, batch_size)
        if LV_ENDOCARDIUM not in contour_model.structures:
            raise ValueError(
                f"Expected a bundle that outlines {LV_ENDOCARDIUM.label}, but {contour_model.name} outlines "
                f"{contour_model.label}: choose another model."
            )
        cases, left_out = find_cardiac_cases(studies)
        rows, findings = [], []
        for number, case in enumerate(cases, start=1):
            try:
                stack = _read(case, label)
                rows.append({"patient": case.name, **_compare(stack, contour_model, request)})
                findings += [f"{case.name}: {finding.kind}: {finding.text}" for finding in stack.findings]
            except ValueError as error:
                left_out.append(f"{case.name}: {error}")
            if progress is not None:
                progress("outline", number, len(cases))
        if not rows:
            raise ValueError(f"Expected a patient that can be compared, but got none: {'; '.join(left_out[:3])}")
        weights = {"name": contour_model.name, "weights_sha256": contour_model.checkpoint_sha256}
        settings = {"model": weights, "roi": roi, "label": label, "left_out": left_out, "findings": findings}
        result = {"program": "monai-acdr agreement", "version": __version__, **settings, **_summary(rows)}
        write_text_atomically(folder / "agreement.csv", _table(rows))
        write_text_atomically(folder / "agreement.json", json.dumps(result, indent=1, allow_nan=False) + "\n")
    return result


def _read(case: CardiacCase, label: int) -> _Stack:
    volumes = [read_nifti(path) for path in case.images]
    maps = [read_nifti(path) for path in case.labels]
    labels = [volume.voxels[..., 0] for volume in maps]
    first, second = volumes
    if first.num_phases > 1 or second.num_phases > 1:
        raise ValueError(f"Expected one phase in each image of {case.name}, but got {first.shape} and {second.shape}.")
    if first.voxels.shape != second.voxels.shape or not np.allclose(first.affine, second.affine, atol=SAME_PLACE):
        raise ValueError(
            f"Expected {' and '.join(PHASES)} of {case.name} on one grid, but their shapes are {first.shape} and "
            f"{second.shape}, or their affines differ: resample one of them."
        )
    for path, voxels, volume in zip(case.labels, labels, maps, strict=True):
        if voxels.shape != first.voxels.shape[:3]:
            raise ValueError(f"Expected {path} to have the shape of its image, {first.shape}, but got {volume.shape}.")
        if not np.allclose(volume.affine, first.affine, atol=SAME_PLACE):
            raise ValueError(f"Expected {path} on the grid of its image, but its affine differs: resample it.")
        if not (voxels == label).any():
            values = np.unique(voxels).tolist()
            raise ValueError(
                f"Expected the label {label} in {path}, but its values are {values[:8]}: choose the left ventricle's "
                "cavity with --label."
            )
    joined = np.concatenate([volume.voxels for volume in volumes], axis=3)
    cavity = np.stack([voxels == label for voxels in labels], axis=3)
    findings = tuple(dict.fromkeys(finding for volume in volumes for finding in volume.findings))
    return _Stack(NiftiVolume.from_voxels(joined, first.affine), cavity, findings)


def _compare(stack: _Stack, model: ContourModel, request: RegionRequest | None) -> dict[str, Any]:
    """One row of the table."""
    inputs = volume_inputs(stack.volume)
    grid, reason = find_grid(inputs.frames)
    if grid is None:
        raise ValueError(f"Expected a short-axis stack, but {reason}.")
    with _region(stack, request) as region:
        try:
            outlines = outline_frames(region, inputs, model, grid)
        except ValueError as error:
            if "no frame has a contour" not in str(error):
                raise
            outlines = [Outline(None, None)] * len(inputs.frames)
    cavity = model.structures.index(LV_ENDOCARDIUM)
    contours = [None if outline.final is None else outline.final[cavity] for outline in outlines]
    found = [None if vertices is None else vertices[None] for vertices in contours]
    shapes = [shape for (shape,) in measure_contours(inputs.frames, found, [LV_ENDOCARDIUM], grid).shapes]
    areas = {index: shape.area_mm2 for index, shape in enumerate(shapes) if shape is not None}
    volumes: dict[int, PhaseVolume] = {}
    if areas:
        volume_list, _, _ = phase_volumes(grid.contour_areas(areas), grid.positions_mm)
        volumes = {volume.phase: volume for volume in volume_list}
    voxel_ml = abs(float(np.linalg.det(stack.volume.affine[:3, :3]))) / 1000
    reference = [float(stack.cavity[..., phase].sum()) * voxel_ml for phase in range(len(PHASES))]
    drawn = np.zeros_like(stack.cavity)
    for (z, t), frame, vertices in zip(stack.volume.places, inputs.frames, contours, strict=True):
        if vertices is not None:
            drawn[:, :, z, t] = (
                contour_to_mask(torch.from_numpy(vertices)[None], frame.size, THRESHOLD)[0].numpy().T > 0
            )
    row: dict[str, Any] = {}
    measured = [volumes[phase].volume_ml if phase in volumes else None for phase in range(len(PHASES))]
    for name, value in _function(measured).items():
        row[name] = value
    for name, value in _function(reference).items():
        row[f"reference_{name}"] = value
    for phase, name in enumerate(PHASES):
        one, other = drawn[..., phase], stack.cavity[..., phase]
        row[f"dice_{name.lower()}"] = 2 * float((one & other).sum()) / float(one.sum() + other.sum())
    in_drawn, in_reference = drawn.any(axis=(0, 1)), stack.cavity.any(axis=(0, 1))
    row["slices"] = int(in_reference.sum())
    row["lost_slices"] = int((in_reference & ~in_drawn).sum())
    row["added_slices"] = int((in_drawn & ~in_reference).sum())
    return row


@contextmanager
def _region(stack: _Stack, request: RegionRequest | None) -> Iterator[RegionRequest]:
    """The region that was asked for; about the reference it is a file of masks, as users give one."""
    if request is not None:
        yield request
        return
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "label.nii"
        nib.save(nib.Nifti1Image(stack.cavity.astype(np.uint8), stack.volume.affine), path)
        yield RegionRequest("contours", path=path)


def _function(volumes: list[float | None] | list[float]) -> dict[str, float | None]:
    """Volumes and what follows from them; None where one is missing."""
    diastole, systole = volumes
    if diastole is None or systole is None or not diastole > 0:
        return dict.fromkeys(MEASURES)
    stroke = diastole - systole
    return dict(zip(MEASURES, (diastole, systole, stroke, 100 * stroke / diastole), strict=True))


def _summary(rows: list[dict[str, Any]]) -> dict[str, Any]:
    complete = [row for row in rows if row["ef_percent"] is not None]
    slices, lost = (sum(row[name] for row in rows) for name in ("slices", "lost_slices"))
    return {
        "patients": len(rows),
        "failed": [row["patient"] for row in rows if row["ef_percent"] is None],
        "slices": slices,
        "lost_slices": lost,
        "added_slices": sum(row["added_slices"] for row in rows),
        "mean_dice": {name: float(np.mean([row[f"dice_{name.lower()}"] for row in rows])) for name in PHASES},
        "measures": {
            name: {
                "name": text,
                **compute_agreement(
                    [row[name] for row in complete], [row[f"reference_{name}"] for row in complete]
                ).as_dict(),
            }
            for name, text in MEASURES.items()
            if complete
        },
    }


def _table(rows: list[Mapping[str, Any]] | list[dict[str, Any]]) -> str:
    stream = io.StringIO()
    writer = csv.DictWriter(stream, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    for row in rows:
        writer.writerow({name: f"{value:.4f}" if isinstance(value, float) else value for name, value in row.items()})
    return stream.getvalue()
