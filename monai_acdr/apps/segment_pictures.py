# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Pictures of one run: contact sheet, overlays, evolution, curve of volumes, and the page that shows them."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from monai_acdr.apps.inputs import Frame, Inputs
from monai_acdr.apps.measurements import Measurements
from monai_acdr.apps.outlines import Outline
from monai_acdr.apps.segment_report import SegmentReport, in_words
from monai_acdr.measures import VentricleVolumes
from monai_acdr.visualize import (
    FINAL_COLOR,
    contact_sheet,
    contour_crop_box,
    draw_contours,
    save_evolution_gif,
    save_html_report,
    save_png,
    volume_curve,
)

__all__ = ["write_html", "write_overlays", "write_pictures"]

MAX_SHEET = 48
"""Frames on a contact sheet."""
CELL = 224
"""Side of a cell, in picture pixels, as far as whole scales allow."""
MARGIN = 0.6
"""Shown around the contours of a sheet, as a share of their common box."""
COLUMNS = 8


def write_pictures(folder: Path, inputs: Inputs, outlines: Sequence[Outline], measured: Measurements) -> None:
    """Write ``contact_sheet.png``, ``evolution.gif`` and, for a ventricle with volumes, ``volume_curve.png``."""
    shown = _shown(outlines, measured)
    save_png(folder / "contact_sheet.png", _sheet(inputs, outlines, measured, shown))
    middle = inputs.frames[shown[len(shown) // 2]], outlines[shown[len(shown) // 2]]
    box = _box([middle[1]], middle[0].size)
    save_evolution_gif(folder / "evolution.gif", middle[0].image, middle[1].evolution, scale=_scale(box), crop_box=box)
    if measured.volumes is not None and measured.grid is not None:
        save_png(folder / "volume_curve.png", _curve(measured))


def write_overlays(folder: Path, inputs: Inputs, outlines: Sequence[Outline]) -> None:
    """Write ``NAME.png`` for each frame that has a contour."""
    folder.mkdir()
    for frame, outline in zip(inputs.frames, outlines, strict=True):
        if outline.final is not None:
            save_png(folder / f"{frame.name}.png", _overlay(frame, outline, _box([outline], frame.size)))


def write_html(
    folder: Path,
    inputs: Inputs,
    outlines: Sequence[Outline],
    measured: Measurements,
    report: SegmentReport,
    identity: bool = False,
) -> None:
    """Write ``report.html``, which holds its pictures in itself; with the patient's name and ID only if asked for."""
    pictures: list[tuple[str, Any]] = []
    if measured.volumes is not None:
        pictures.append(("Volume over the cycle", _curve(measured)))
    caption = "End-diastole and end-systole of each slice" if measured.volumes is not None else "Contours"
    pictures.append((caption, _sheet(inputs, outlines, measured, _shown(outlines, measured))))
    rows = [
        {"frame": frame.name, "slice": frame.slice_index, "phase": frame.phase, **_numbers(frame.measures)}
        for frame in report.frames
        if frame.outlined
    ]
    left_out = [f"frame {frame.name} is left out: {frame.reason}" for frame in report.frames if not frame.outlined]
    notes = [
        f"{report.structure}: {report.num_outlined} of {len(report.frames)} frames outlined by {report.model['name']} "
        f"{report.model['version']}, region of interest: {report.roi}",
        *(in_words(finding) for finding in report.findings),
        *(f"file {entry.file} is left out: {entry.reason}" for entry in report.skipped),
        *left_out,
    ]
    save_html_report(
        folder / "report.html",
        f"{report.structure}: contours and measures",
        pictures=pictures,
        measures=rows,
        volumes=None if measured.volumes is None else _volumes(measured.volumes),
        notes=notes,
        identity=_identity(inputs) if identity else None,
    )


def _volumes(volumes: VentricleVolumes) -> dict[str, Any]:
    """The numbers, without the phases and slices that they come from."""
    return {name: value for name, value in dataclasses.asdict(volumes).items() if isinstance(value, (int, float))}


def _numbers(measures: Any) -> dict[str, Any]:
    names = ("area_mm2", "longest_diameter_mm", "perpendicular_diameter_mm", "perimeter_mm", "circularity")
    return {name: round(float(measures[name]), 2) for name in names if name in measures}


def _identity(inputs: Inputs) -> dict[str, str]:
    if not inputs.sources:
        return {}
    header = inputs.sources[0].header
    return {"Patient": str(header.get("PatientName") or ""), "Patient ID": str(header.get("PatientID") or "")}


def _shown(outlines: Sequence[Outline], measured: Measurements) -> list[int]:
    """Frames of the sheet: end-diastole and end-systole of each slice, else frames spread over the series."""
    drawn = [index for index, outline in enumerate(outlines) if outline.final is not None]
    if measured.volumes is not None and measured.grid is not None:
        phases = (measured.volumes.end_diastole_phase, measured.volumes.end_systole_phase)
        grid = measured.grid
        chosen = [index for index in drawn if grid.phase[index] in phases]
        drawn = sorted(chosen, key=lambda i: (grid.slice_index[i], phases.index(grid.phase[i]))) or drawn
    if len(drawn) <= MAX_SHEET:
        return drawn
    return [drawn[round(i)] for i in np.linspace(0, len(drawn) - 1, MAX_SHEET)]


def _sheet(inputs: Inputs, outlines: Sequence[Outline], measured: Measurements, shown: Sequence[int]) -> np.ndarray:
    sizes = {inputs.frames[index].size for index in shown}
    common = _box([outlines[index] for index in shown], sizes.pop()) if len(sizes) == 1 else None
    pictures = []
    for index in shown:
        frame, outline = inputs.frames[index], outlines[index]
        pictures.append(_overlay(frame, outline, common or _box([outline], frame.size)))
    return contact_sheet(pictures, columns=COLUMNS if len(pictures) > 6 else max(len(pictures), 1))


def _overlay(frame: Frame, outline: Outline, box: tuple[int, int, int, int]) -> np.ndarray:
    return draw_contours(frame.image, [(outline.final, FINAL_COLOR)], _scale(box), box)


def _box(outlines: Sequence[Outline], size: tuple[int, int]) -> tuple[int, int, int, int]:
    contours = [outline.final for outline in outlines if outline.final is not None]
    points = np.concatenate(contours)
    return contour_crop_box(contours, size, MARGIN * float(np.ptp(points, axis=0).max()) + 4)


def _scale(box: tuple[int, int, int, int]) -> int:
    return max(1, CELL // max(box[2] - box[0], box[3] - box[1]))


def _curve(measured: Measurements) -> np.ndarray:
    assert measured.volumes is not None and measured.grid is not None
    volumes, times = measured.volumes, measured.grid.times_ms
    return volume_curve(volumes.curve(len(times)), times, volumes.end_diastole_phase, volumes.end_systole_phase)
