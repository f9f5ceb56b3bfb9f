# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Volumes, mass and wall thickness of a set of hearts against references: the function of ``monai-acdr agreement``."""

from __future__ import annotations

import csv
import io
import json
import os
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from monai_acdr import __version__
from monai_acdr.apps.label_values import draw_pixels
from monai_acdr.apps.model import ContourModel, load_model
from monai_acdr.apps.outlines import Outline, Progress, outline_frames
from monai_acdr.apps.reference_hearts import MEASURES, Contours, ReferenceHeart, find_hearts, measure_heart
from monai_acdr.apps.regions import RegionRequest, parse_region
from monai_acdr.data.cardiac_nifti import PHASES
from monai_acdr.dicom import LV_ENDOCARDIUM, LV_EPICARDIUM
from monai_acdr.files import output_folder, write_text_atomically
from monai_acdr.measures import Finding, compute_agreement
from monai_acdr.visualize import bland_altman, save_png

__all__ = ["agreement"]

RESULT_NAMES = ("agreement.csv", "agreement.json", "agreement.png")
WALL_MEASURES = ("mass_g", "wall_mm")
"""Measures that need an epicardium."""


def agreement(
    studies: str | os.PathLike[str],
    output: str | os.PathLike[str],
    model: str | os.PathLike[str] | ContourModel = "sunnybrook_lv_acdr",
    roi: str = "auto",
    *,
    label: int = 3,
    myocardium: int = 2,
    checkpoint: str | os.PathLike[str] | None = None,
    device: str | None = None,
    batch_size: int = 32,
    overwrite: bool = False,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Outline the hearts of a folder, and compare their volumes with those of their references.

    Measured volumes are the disc sum of contour areas, as in ``segment``. Reference volumes are voxels times their size
    for label maps, and the disc sum of the contours for contour files, where measured contours count on the same frames
    only. With a model that outlines the epicardium as well, left ventricular mass and mean wall thickness at
    end-diastole are compared, where the reference has a myocardium.

    Args:
        studies: folder of patients, ``PATIENT/{ED,ES}.nii.gz`` with ``{ED,ES}_gt.nii.gz``
            (:mod:`monai_acdr.data.cardiac_nifti`), or DICOM files with contour files in one of Sunnybrook's layouts.
        output: folder for ``agreement.csv``, a row per patient, ``agreement.json``, statistics per measure, and
            ``agreement.png``, Bland-Altman plots.
        model: a bundle's name or folder, of the endocardium of the left ventricle, or a model that is loaded already;
            ``checkpoint``, ``device`` and ``batch_size`` do not count then.
        roi: ``auto``, ``center``, or ``label``, a region about the reference: its position is known then.
        label: of the left ventricle's cavity in label maps; 3 in ACDC, 1 in M&Ms.
        myocardium: of the myocardium in label maps; 2 in both.
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
    if request is not None and request.kind not in ("auto", "center"):
        raise ValueError(f"Expected `roi` to be auto, center or label for many patients, but got {roi!r}.")
    with output_folder(output, RESULT_NAMES, overwrite) as folder:
        loaded = isinstance(model, ContourModel)
        contour_model = model if loaded else load_model(model, checkpoint, device, batch_size)
        if LV_ENDOCARDIUM not in contour_model.structures:
            raise ValueError(
                f"Expected a bundle that outlines {LV_ENDOCARDIUM.label}, but {contour_model.name} outlines "
                f"{contour_model.label}: choose another model."
            )
        hearts = find_hearts(studies, label, myocardium)
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
        settings = {"model": weights, "layout": hearts.layout, "roi": roi, "label": label, "myocardium": myocardium}
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
    """One row of the table, and what is odd about the measured contours."""
    contours = _outline(heart, model, request)
    # Readers contour some frames of a cine: the others do not count.
    contours = [(None, None) if cavity is None else pair for pair, cavity in zip(contours, heart.cavity, strict=True)]
    if heart.inputs.kind == "dicom":
        contours = [
            (inner, outer if wall is not None else None)
            for (inner, outer), wall in zip(contours, heart.myocardium, strict=True)
        ]
    measured, findings = measure_heart(heart.inputs.frames, contours, heart.grid, heart.phases)
    if heart.inputs.kind == "dicom":  # epicardia that were not drawn are no finding
        findings = [finding for finding in findings if finding.kind != "no_epicardium"]
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
    there = np.array([bool(np.any(heart.cavity[i])) for i in in_phases])
    row["slices"] = int(there.sum())
    row["lost_slices"] = int((there & ~found).sum())
    row["added_slices"] = int((found & ~there).sum())
    return row, findings


def _outline(heart: ReferenceHeart, model: ContourModel, request: RegionRequest | None) -> list[Contours]:
    """Endocardium and epicardium of each frame, as the model draws them."""
    inner = model.structures.index(LV_ENDOCARDIUM)
    outer = model.structures.index(LV_EPICARDIUM) if LV_EPICARDIUM in model.structures else None
    try:
        if request is None:
            with heart.region() as region:
                outlines = outline_frames(region, heart.inputs, model, heart.grid)
        else:
            outlines = outline_frames(request, heart.inputs, model, heart.grid)
    except ValueError as error:
        if "no frame has a contour" not in str(error):
            raise
        outlines = [Outline(None, None)] * len(heart.inputs.frames)
    finals = [outline.final for outline in outlines]
    return [
        (None, None) if final is None else (final[inner], None if outer is None else final[outer]) for final in finals
    ]


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
    """Measured and reference values of each measure, of the patients that have both."""
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
