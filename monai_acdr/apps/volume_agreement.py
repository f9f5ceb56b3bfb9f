# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Volumes, mass and wall thickness of a set of hearts against references: the function of ``monai-acdr agreement``.

Reference volumes of a label map are voxels times their size, since every slice is labeled. Readers contour only some
frames of a cine, the endocardium at end-diastole and end-systole and the epicardium mostly at end-diastole: then the
volumes are disc sums of the contours' areas, and measured contours count only on the same frames.
"""

from __future__ import annotations

import csv
import io
import json
import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import torch

from monai_acdr import __version__
from monai_acdr.apps.inputs import Frame, Inputs, read_inputs, volume_inputs
from monai_acdr.apps.label_values import draw_pixels
from monai_acdr.apps.measurements import (
    Contours,
    find_grid,
    incomplete_stack_finding,
    join_wall,
    scattered_finding,
    volume_findings,
    wall_slices,
)
from monai_acdr.apps.model import ContourModel, load_model
from monai_acdr.apps.outlines import Progress, outline_frames
from monai_acdr.apps.regions import RegionRequest, parse_region
from monai_acdr.data import QualityReport, read_contour, sunnybrook_data_list
from monai_acdr.data.cardiac_nifti import PHASES, POSITION_TOLERANCE_MM, CardiacCase, find_cardiac_cases
from monai_acdr.data.nifti import NiftiVolume, read_nifti
from monai_acdr.data.sunnybrook.layouts import find_layout, scan_tree
from monai_acdr.data.sunnybrook.pairing import STRUCTURES
from monai_acdr.dicom import LV_ENDOCARDIUM, LV_EPICARDIUM, read_instance
from monai_acdr.files import output_folder, write_text_atomically
from monai_acdr.measures import (
    MYOCARDIUM_G_PER_ML,
    CineGrid,
    Finding,
    compute_agreement,
    measure_shape,
    phase_volumes,
    ventricle_volumes,
)
from monai_acdr.transforms import mask_to_contour
from monai_acdr.visualize import bland_altman, save_png

__all__ = [
    "HeartMeasures",
    "MEASURES",
    "ReferenceHeart",
    "ReferenceSet",
    "AgreementOptions",
    "agreement",
    "find_hearts",
    "measure_heart",
]

MEASURES = {
    "edv_ml": "end-diastolic volume, mL",
    "esv_ml": "end-systolic volume, mL",
    "sv_ml": "stroke volume, mL",
    "ef_percent": "ejection fraction, %",
    "mass_g": "left ventricular mass, g",
    "wall_mm": "mean wall thickness at end-diastole, mm",
}
"""Compared measures, by their column in agreement.csv."""

HeartMeasures = dict[str, float | None]
"""Values of ``MEASURES``, None where they could not be measured."""


@dataclass(frozen=True, eq=False)
class ReferenceHeart:
    """A heart with its reference.

    Attributes:
        name: name of the patient.
        inputs: the frames.
        grid: slice and phase of each frame.
        phases: phases of the grid that are end-diastole and end-systole.
        cavity: (H, W) bool mask of the reference's cavity in each frame; None for a frame without reference.
        myocardium: the same for the myocardium; None where the phase has none.
        measures: measures of the reference.
        findings: suspicious properties of the images or the reference.
    """

    name: str
    inputs: Inputs
    grid: CineGrid
    phases: tuple[int, int]
    cavity: tuple[np.ndarray | None, ...]
    myocardium: tuple[np.ndarray | None, ...]
    measures: HeartMeasures
    findings: tuple[Finding, ...] = ()

    @contextmanager
    def region(self) -> Iterator[RegionRequest]:
        """A region about the reference, given by a file of masks like a user's."""
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            if self.inputs.volume is not None:
                voxels = np.zeros(self.inputs.volume.voxels.shape, dtype=np.uint8)
                for (z, t), mask in zip(self.inputs.volume.places, self.cavity, strict=True):
                    voxels[:, :, z, t] = 0 if mask is None else mask.T
                path = folder / "label.nii"
                nib.save(nib.Nifti1Image(voxels, self.inputs.volume.affine), path)
                yield RegionRequest("contours", path=path)
                return
            for frame, mask in zip(self.inputs.frames, self.cavity, strict=True):
                if mask is not None and mask.any():
                    save_png(folder / f"{frame.name}.png", 255 * mask.astype(np.uint8))
            yield RegionRequest("contours", path=folder)


@dataclass(frozen=True)
class ReferenceSet:
    """The hearts of a folder, read one at a time.

    Attributes:
        layout: ``nifti``, or a DICOM layout of Sunnybrook: ``link``, ``miccai``, ``atlas``.
        cases: one entry per patient, for :meth:`read`.
        left_out: incomplete patients, as text.
        label: value of the cavity in label maps.
        myocardium: value of the myocardium in label maps.
    """

    layout: str
    cases: tuple[Any, ...]
    left_out: tuple[str, ...]
    label: int
    myocardium: int

    def name(self, case: Any) -> str:
        """The patient's name."""
        return str(case.name if isinstance(case, CardiacCase) else case[0]["patient"])

    def read(self, case: Any) -> ReferenceHeart:
        """Read images and reference of one patient.

        Raises:
            FileNotFoundError, ValueError: when files cannot be used, or do not belong together.
        """
        if isinstance(case, CardiacCase):
            return _read_stack(case, self.label, self.myocardium)
        return _read_cine(case)


def find_hearts(folder: str | os.PathLike[str], label: int, myocardium: int) -> ReferenceSet:
    """Find the patients of a folder, in either layout.

    Args:
        folder: ``PATIENT/{ED,ES}.nii.gz`` with ``{ED,ES}_gt.nii.gz``, or DICOM files with contour files in one of
            Sunnybrook's layouts (:func:`monai_acdr.data.sunnybrook_data_list`).
        label: value of the cavity in label maps.
        myocardium: value of the myocardium in label maps.

    Raises:
        FileNotFoundError: when there is no such folder.
        ValueError: when no patient can be used.
    """
    root = Path(folder)
    layout = _sunnybrook_layout(root)
    if not layout:
        cases, left_out = find_cardiac_cases(root)
        return ReferenceSet("nifti", tuple(cases), tuple(left_out), label, myocardium)
    if layout == "png":
        raise ValueError(
            f"Expected DICOM or NIfTI in {root}, but got pictures, which have no spacing and no positions of slices: "
            "volumes need them."
        )
    report = QualityReport()
    patients: dict[str, list[dict[str, Any]]] = {}
    for item in sunnybrook_data_list(root, layout=layout, report=report, structures=STRUCTURES):
        patients.setdefault(item["patient"], []).append(item)
    kinds = ("patient_absent", "no_contours", "unknown_patient", "invalid_contour", "invalid_image", "no_pixel_spacing")
    left_out = [
        ": ".join(filter(None, (finding.subject, finding.kind, finding.text)))
        for kind in kinds
        for finding in report.of(kind)
    ]
    return ReferenceSet(layout, tuple(patients.values()), tuple(left_out), label, myocardium)


def measure_heart(
    frames: Sequence[Frame], contours: Sequence[Contours], grid: CineGrid, phases: tuple[int, int]
) -> tuple[HeartMeasures, list[Finding]]:
    """Volumes, mass and wall thickness of contours at end-diastole and end-systole.

    Args:
        frames: the images, with spacing.
        contours: contours of each frame.
        grid: slice and phase of each frame.
        phases: phases of the grid, end-diastole and end-systole.

    Returns:
        The measures, and findings about the wall.
    """
    areas = _areas(frames, [inner for inner, _ in contours])
    volumes: dict[int, float] = {}
    if areas:
        found, _, _ = phase_volumes(grid.contour_areas(areas), grid.positions_mm)
        volumes = {volume.phase: volume.volume_ml for volume in found}
    measures = _function(*(volumes.get(phase) for phase in phases))
    slices = wall_slices(frames, contours, grid, phases[0])
    if not any(wall.area_mm2 is not None for wall in slices):
        return measures, []
    findings: list[Finding] = []
    joined = join_wall(slices, grid, findings)
    if joined is not None:
        measures |= {"mass_g": joined.mass_g, "wall_mm": joined.mean_thickness_mm}
    return measures, findings


def _areas(frames: Sequence[Frame], contours: Sequence[np.ndarray | None]) -> dict[int, float]:
    """Area in mm2 inside of each contour, by the number of its frame."""
    return {
        index: measure_shape(contour, frame.spacing).area_mm2
        for index, (frame, contour) in enumerate(zip(frames, contours, strict=True))
        if contour is not None and frame.spacing is not None  # all frames of a grid have one
    }


def _function(diastole: float | None, systole: float | None) -> HeartMeasures:
    """Volumes in mL and derived measures; None where a volume is missing."""
    measures: HeartMeasures = dict.fromkeys(MEASURES)
    if diastole is None or systole is None or not diastole > 0:
        return measures
    stroke = diastole - systole
    return measures | {
        "edv_ml": diastole,
        "esv_ml": systole,
        "sv_ml": stroke,
        "ef_percent": 100 * stroke / diastole,
    }


def _sunnybrook_layout(root: Path) -> str:
    """The layout of a folder; "" if it is not one of Sunnybrook's."""
    if not root.is_dir():
        return ""
    try:
        return find_layout(root, scan_tree(root))
    except ValueError as error:
        if "Expected one layout" in str(error):  # several
            raise
        return ""


def _grid(inputs: Inputs) -> CineGrid:
    grid, reason = find_grid(inputs.frames)
    if grid is None:
        raise ValueError(f"Expected a short-axis stack, but {reason}.")
    return grid


def _read_stack(case: CardiacCase, label: int, myocardium: int) -> ReferenceHeart:
    volumes = [read_nifti(path) for path in case.images]
    maps = [read_nifti(path) for path in case.labels]
    labels = [volume.voxels[..., 0] for volume in maps]
    first = _check_stack(case, volumes, maps, label)
    joined = np.concatenate([volume.voxels for volume in volumes], axis=3)
    findings = tuple(dict.fromkeys(finding for volume in volumes for finding in volume.findings))
    inputs = volume_inputs(NiftiVolume.from_voxels(joined, first.affine))
    grid = _grid(inputs)
    assert inputs.volume is not None
    cavity = [labels[t][:, :, z].T == label for z, t in inputs.volume.places]
    wall = [
        labels[t][:, :, z].T == myocardium if (labels[t] == myocardium).any() else None for z, t in inputs.volume.places
    ]
    voxel_ml = abs(float(np.linalg.det(first.affine[:3, :3]))) / 1000
    diastole, systole = (voxel_ml * float((values == label).sum()) for values in labels)
    if systole > diastole:
        raise ValueError(
            f"Expected the larger cavity at end-diastole, but the labels of {case.name} have {diastole:.1f} mL in "
            f"{case.labels[0].name} and {systole:.1f} mL in {case.labels[1].name}: are the files swapped?"
        )
    measures = _function(diastole, systole)
    number = int((labels[0] == myocardium).sum())
    if number:
        measures["mass_g"] = MYOCARDIUM_G_PER_ML * voxel_ml * number
        pairs = [_outlines(inner, outer) for inner, outer in zip(cavity, wall, strict=True)]
        measures["wall_mm"] = measure_heart(inputs.frames, pairs, grid, (0, 1))[0]["wall_mm"]
    return ReferenceHeart(case.name, inputs, grid, (0, 1), tuple(cavity), tuple(wall), measures, findings)


def _check_stack(case: CardiacCase, volumes: list[NiftiVolume], maps: list[NiftiVolume], label: int) -> NiftiVolume:
    """The first of two phases on one grid, with label maps on it that have the cavity."""
    first, second = volumes
    if first.num_phases > 1 or second.num_phases > 1:
        raise ValueError(f"Expected one phase in each image of {case.name}, but got {first.shape} and {second.shape}.")
    same_affine = np.allclose(first.affine, second.affine, atol=POSITION_TOLERANCE_MM)
    if first.voxels.shape != second.voxels.shape or not same_affine:
        raise ValueError(
            f"Expected {' and '.join(PHASES)} of {case.name} on one grid, but their shapes are {first.shape} and "
            f"{second.shape}, or their affines differ: resample one of them."
        )
    for path, volume in zip(case.labels, maps, strict=True):
        voxels = volume.voxels[..., 0]
        if voxels.shape != first.voxels.shape[:3]:
            raise ValueError(f"Expected {path} to have the shape of its image, {first.shape}, but got {volume.shape}.")
        if not np.allclose(volume.affine, first.affine, atol=POSITION_TOLERANCE_MM):
            raise ValueError(f"Expected {path} on the grid of its image, but its affine differs: resample it.")
        if not (voxels == label).any():
            values = np.unique(voxels).tolist()
            raise ValueError(
                f"Expected the label {label} in {path}, but its values are {values[:8]}: choose the left ventricle's "
                "cavity with --label."
            )
    return first


def _outlines(cavity: np.ndarray, wall: np.ndarray | None) -> Contours:
    """Outlines of a cavity and of its wall, each None if it is absent."""
    if wall is None or not (cavity.any() and wall.any()):
        return None, None
    inner, outer = (mask_to_contour(torch.from_numpy(mask)).numpy() for mask in (cavity, cavity | wall))
    return inner, outer


def _read_cine(items: list[dict[str, Any]]) -> ReferenceHeart:
    name, folders = items[0]["patient"], {Path(item["image"]).parent for item in items}
    if len(folders) > 1:
        raise ValueError(f"Expected the images of {name} in one folder, but they are in {len(folders)}.")
    (folder,) = folders
    series = str(read_instance(items[0]["image"])[0].header.SeriesInstanceUID)
    inputs = read_inputs(folder, series)
    grid = _grid(inputs)
    places = {source.path: index for index, source in enumerate(inputs.sources)}
    contours: list[Contours] = [(None, None)] * len(inputs.frames)
    for item in items:
        index = places.get(Path(item["image"]))
        if index is None:
            raise ValueError(f"Expected {item['name']} in the series of the other frames, but it is not: check them.")
        outer = read_contour(item["label_epi"]).numpy() if "label_epi" in item else None
        contours[index] = read_contour(item["label"]).numpy(), outer
    phases = _find_phases(inputs.frames, contours, grid)
    measures, findings = measure_heart(inputs.frames, contours, grid, phases)
    cavity, wall = [], []
    for frame, (inner, outer) in zip(inputs.frames, contours, strict=True):
        mask = None if inner is None else draw_pixels(inner, frame.size)
        cavity.append(mask)
        wall.append(None if mask is None or outer is None else draw_pixels(outer, frame.size) & ~mask)
    return ReferenceHeart(
        name, inputs, grid, phases, tuple(cavity), tuple(wall), measures, (*inputs.findings, *findings)
    )


def _find_phases(frames: Sequence[Frame], contours: Sequence[Contours], grid: CineGrid) -> tuple[int, int]:
    volumes = ventricle_volumes(grid.contour_areas(_areas(frames, [inner for inner, _ in contours])), grid.positions_mm)
    return volumes.end_diastole_phase, volumes.end_systole_phase


RESULT_NAMES = ("agreement.csv", "agreement.json", "agreement.png")
WALL_MEASURES = ("mass_g", "wall_mm")
"""Measures that need an epicardium."""


@dataclass(frozen=True)
class AgreementOptions:
    """Options of :func:`monai_acdr.apps.agreement`.

    Attributes:
        label: value of the left ventricle's cavity in label maps; 3 in ACDC, 1 in M&Ms.
        myocardium: value of the myocardium in label maps; 2 in both.
        checkpoint: other weights than the bundle's.
        device: ``cpu``, ``cuda``, ``cuda:1`` or ``mps``; None takes CUDA where there is one.
        batch_size: frames per batch.
        overwrite: replace earlier results.
    """

    label: int = 3
    myocardium: int = 2
    checkpoint: str | os.PathLike[str] | None = None
    device: str | None = None
    batch_size: int = 16
    overwrite: bool = False


def agreement(
    studies: str | os.PathLike[str],
    output: str | os.PathLike[str],
    model: str | os.PathLike[str] | ContourModel = "sunnybrook_lv_acdr",
    roi: str = "auto",
    *,
    options: AgreementOptions | None = None,
    progress: Progress | None = None,
    **shortcuts: Any,
) -> dict[str, Any]:
    """Outline the hearts of a folder, and compare their volumes with those of their references.

    Measured volumes are the disc sum of contour areas, as in ``segment``. Reference volumes are voxels times their size
    for label maps, and the disc sum of the contours for contour files, where measured contours count only on the same
    frames. With a model that also outlines the epicardium, left ventricular mass and mean wall thickness at
    end-diastole are compared, where the reference has a myocardium.

    Args:
        studies: folder of patients, ``PATIENT/{ED,ES}.nii.gz`` with ``{ED,ES}_gt.nii.gz``
            (:mod:`monai_acdr.data.cardiac_nifti`), or DICOM files with contour files in one of Sunnybrook's layouts.
        output: folder for ``agreement.csv``, a row per patient, ``agreement.json``, statistics per measure, and
            ``agreement.png``, Bland-Altman plots.
        model: a bundle's name or folder that outlines the endocardium of the left ventricle, or a loaded model, for
            which ``checkpoint``, ``device`` and ``batch_size`` of the options are not used.
        roi: ``auto``, ``center``, or ``label``, a region about the reference, which uses its position.
        options: labels of the references, weights, device and so on; by default those of ACDC and of the bundle.
        progress: called with (step, done, all).
        **shortcuts: fields of :class:`AgreementOptions` by their names, which replace those of ``options``.

    Returns:
        The content of ``agreement.json``. A patient without a contour in one of the phases has no volumes and is
        counted in ``failed``; lost slices are counted, too, so that the statistics do not hide them.

    Raises:
        FileNotFoundError, ValueError: for a folder, a file, a region or weights that cannot be used.
        FileExistsError, OSError: when results cannot be written.
        TypeError: for a shortcut that is not a field of AgreementOptions.
    """
    options = replace(options or AgreementOptions(), **shortcuts)
    request = None if roi == "label" else parse_region(roi)
    if request is not None and request.kind not in ("auto", "center"):
        raise ValueError(f"Expected `roi` to be auto, center or label for many patients, but got {roi!r}.")
    with output_folder(output, RESULT_NAMES, options.overwrite) as folder:
        contour_model = model
        if not isinstance(contour_model, ContourModel):
            contour_model = load_model(contour_model, options.checkpoint, options.device, options.batch_size)
        if LV_ENDOCARDIUM not in contour_model.structures:
            raise ValueError(
                f"Expected a bundle that outlines {LV_ENDOCARDIUM.label}, but {contour_model.name} outlines "
                f"{contour_model.label}: choose another model."
            )
        hearts = find_hearts(studies, options.label, options.myocardium)
        rows: list[dict[str, Any]] = []
        findings: list[str] = []
        left_out = list(hearts.left_out)
        for number, case in enumerate(hearts.cases, start=1):
            name = hearts.name(case)
            try:
                heart = hearts.read(case)
                row, odd = _compare(heart, contour_model, request)
                rows.append({"patient": name, **row})
                findings += [f"{name}: {finding.kind}: {finding.text}" for finding in (*heart.findings, *odd)]
            except (OSError, ValueError) as error:
                left_out.append(f"{name}: {error}")
            if progress is not None:
                progress("outline", number, len(hearts.cases))
        if not rows:
            raise ValueError(f"Expected a patient that can be compared, but got none: {'; '.join(left_out[:3])}")
        weights = {"name": contour_model.name, "weights_sha256": contour_model.checkpoint_sha256}
        settings: dict[str, Any] = {"model": weights, "layout": hearts.layout, "roi": roi}
        settings |= {"label": options.label, "myocardium": options.myocardium}
        settings |= {"left_out": left_out, "findings": findings}
        result = {"program": "monai-acdr agreement", "version": __version__, **settings, **_summary(rows)}
        if pairs := {MEASURES[name]: values for name, values in _pairs(rows).items()}:
            save_png(folder / "agreement.png", bland_altman(pairs))
        write_text_atomically(folder / "agreement.csv", _table(rows))
        write_text_atomically(folder / "agreement.json", json.dumps(result, indent=1, allow_nan=False) + "\n")
    return result


def _compare(
    heart: ReferenceHeart, model: ContourModel, request: RegionRequest | None
) -> tuple[dict[str, Any], list[Finding]]:
    """One row of the table, and findings about the measured contours."""
    contours, scattered = _outline(heart, model, request)
    # Readers contour only some frames of a cine: the others are ignored.
    contours = [(None, None) if cavity is None else pair for pair, cavity in zip(contours, heart.cavity, strict=True)]
    if heart.inputs.kind == "dicom":
        contours = [
            (inner, outer if wall is not None else None)
            for (inner, outer), wall in zip(contours, heart.myocardium, strict=True)
        ]
    measured, findings = measure_heart(heart.inputs.frames, contours, heart.grid, heart.phases)
    if heart.inputs.kind == "dicom":  # epicardia that were not drawn are no finding
        findings = [finding for finding in findings if finding.kind != "no_epicardium"]
    else:  # of DICOM files only the frames that readers contoured are measured, of a stack that may be complete
        inner, outer = (_areas(heart.inputs.frames, each) for each in zip(*contours, strict=True))
        findings = [*findings, *incomplete_stack_finding(inner, outer, heart.grid, None)]
    for whose, values in (("", measured), ("reference, ", heart.measures)):
        impossible = volume_findings(values["edv_ml"], values["ef_percent"])
        findings = [*findings, *(replace(finding, text=whose + finding.text) for finding in impossible)]
    findings = [*findings, *scattered]
    has_wall = LV_EPICARDIUM in model.structures
    names = [name for name in MEASURES if has_wall or name not in WALL_MEASURES]
    row: dict[str, Any] = {name: measured[name] for name in names}
    row |= {f"reference_{name}": heart.measures[name] for name in names}
    drawn = [
        (_draw(inner, frame.size), _draw(outer, frame.size))
        for frame, (inner, outer) in zip(heart.inputs.frames, contours, strict=True)
    ]
    for phase, name in zip(heart.phases, PHASES, strict=True):
        frames = [i for i, cavity in enumerate(heart.cavity) if cavity is not None and heart.grid.phase[i] == phase]
        row[f"dice_{name.lower()}"] = _dice([(drawn[i][0], heart.cavity[i]) for i in frames])
        if has_wall and phase == heart.phases[0]:
            frames = [i for i in frames if heart.myocardium[i] is not None]
            row["dice_myocardium_ed"] = _dice([(drawn[i][1] & ~drawn[i][0], heart.myocardium[i]) for i in frames])
    in_phases = [
        i for i, cavity in enumerate(heart.cavity) if cavity is not None and heart.grid.phase[i] in heart.phases
    ]
    found = np.array([bool(drawn[i][0].any()) for i in in_phases])
    present = np.array([bool(np.any(heart.cavity[i])) for i in in_phases])
    row["slices"] = int(present.sum())
    row["lost_slices"] = int((present & ~found).sum())
    row["added_slices"] = int((found & ~present).sum())
    return row, findings


def _outline(
    heart: ReferenceHeart, model: ContourModel, request: RegionRequest | None
) -> tuple[list[Contours], list[Finding]]:
    """Endocardium and epicardium of each frame, drawn by the model, and a finding if they are not of one heart."""
    inner = model.structures.index(LV_ENDOCARDIUM)
    outer = model.structures.index(LV_EPICARDIUM) if LV_EPICARDIUM in model.structures else None
    with heart.region() if request is None else nullcontext(request) as region:
        outlines = outline_frames(region, heart.inputs, model, heart.grid, none_is_an_error=False)
    finals = [outline.final for outline in outlines]
    return [
        (None, None) if final is None else (final[inner], None if outer is None else final[outer]) for final in finals
    ], scattered_finding([outline.scattered for outline in outlines])


def _draw(vertices: np.ndarray | None, size: tuple[int, int]) -> np.ndarray:
    """Pixels of which at least half is covered, (H, W) bool."""
    if vertices is None:
        return np.zeros(size, dtype=bool)
    return draw_pixels(vertices, size)


def _dice(pairs: Sequence[tuple[np.ndarray, np.ndarray | None]]) -> float | None:
    """Dice over all pixels of masks and references; None where both are empty."""
    both = sum(int((one & other).sum()) for one, other in pairs if other is not None)
    total = sum(int(one.sum()) + int(other.sum()) for one, other in pairs if other is not None)
    return 2 * both / total if total else None


def _pairs(rows: Sequence[Mapping[str, Any]]) -> dict[str, tuple[list[float], list[float]]]:
    """Measured and reference values of each measure, for patients with both."""
    pairs = {}
    for name in MEASURES:
        both = [(row.get(name), row.get(f"reference_{name}")) for row in rows]
        known = [(one, other) for one, other in both if one is not None and other is not None]
        if known:
            pairs[name] = [one for one, _ in known], [other for _, other in known]
    return pairs


def _summary(rows: list[dict[str, Any]]) -> dict[str, Any]:
    slices, lost = (sum(row[name] for row in rows) for name in ("slices", "lost_slices"))
    dice = {name: f"dice_{name.lower()}" for name in PHASES}
    if any(row.get("dice_myocardium_ed") is not None for row in rows):
        dice["myocardium_ED"] = "dice_myocardium_ed"
    known = {name: [row[column] for row in rows if row[column] is not None] for name, column in dice.items()}
    return {
        "patients": len(rows),
        "failed": [row["patient"] for row in rows if row["ef_percent"] is None],
        "slices": slices,
        "lost_slices": lost,
        "added_slices": sum(row["added_slices"] for row in rows),
        "mean_dice": {name: float(np.mean(values)) for name, values in known.items() if values},
        "measures": {
            name: {"name": MEASURES[name], **compute_agreement(*values).as_dict()}
            for name, values in _pairs(rows).items()
        },
    }


def _table(rows: Sequence[Mapping[str, Any]]) -> str:
    stream = io.StringIO()
    writer = csv.DictWriter(stream, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    for row in rows:
        writer.writerow({name: f"{value:.4f}" if isinstance(value, float) else value for name, value in row.items()})
    return stream.getvalue()
