# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Pictures of one run: contact sheet, overlays, evolution, curve of volumes, and the page that shows them."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from monai_acdr.apps.inputs import Frame, Inputs
from monai_acdr.apps.measurements import Measurements
from monai_acdr.apps.outlines import Outline
from monai_acdr.apps.segment_report import SegmentReport, in_words
from monai_acdr.dicom.elements import text
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

__all__ = ["Pictures", "write_html", "write_overlays", "write_pictures"]

MAX_SHEET = 48
"""Frames on a contact sheet."""
CELL = 224
"""Side of a cell, in picture pixels, as far as whole scales allow."""
MARGIN = 0.6
"""Shown around the contours of a sheet, as a share of their common box."""
COLUMNS = 8


class Pictures:
    """The pictures of one run, each drawn when it is first asked for, and once."""

    def __init__(self, inputs: Inputs, outlines: Sequence[Outline], measured: Measurements) -> None:
        self.inputs = inputs
        self.outlines = outlines
        self.measured = measured
        self.shown = _shown(outlines, measured)

    @cached_property
    def sheet(self) -> np.ndarray:
        """Contact sheet."""
        frames = self.inputs.frames
        sizes = {frames[index].size for index in self.shown}
        common = _box([self.outlines[index] for index in self.shown], sizes.pop()) if len(sizes) == 1 else None
        pictures = []
        for index in self.shown:
            frame, outline = frames[index], self.outlines[index]
            pictures.append(_overlay(frame, outline, common or _box([outline], frame.size)))
        return contact_sheet(pictures, columns=COLUMNS if len(pictures) > 6 else max(len(pictures), 1))

    @cached_property
    def curve(self) -> np.ndarray | None:
        """Volume over the cycle; None where there are no volumes."""
        volumes, grid = self.measured.volumes, self.measured.grid
        if volumes is None or grid is None:
            return None
        marks = volumes.end_diastole_phase, volumes.end_systole_phase
        return volume_curve(volumes.curve(len(grid.times_ms)), grid.times_ms, *marks)


def write_pictures(folder: Path, pictures: Pictures) -> None:
    """Write ``contact_sheet.png``, ``evolution.gif`` and, for a ventricle with volumes, ``volume_curve.png``.

    Without any contour there is nothing to show, and nothing is written.
    """
    if not pictures.shown:
        return
    save_png(folder / "contact_sheet.png", pictures.sheet)
    middle = pictures.shown[len(pictures.shown) // 2]
    frame, outline = pictures.inputs.frames[middle], pictures.outlines[middle]
    box = _box([outline], frame.size)
    save_evolution_gif(folder / "evolution.gif", frame.image, outline.evolution, scale=_scale(box), crop_box=box)
    if pictures.curve is not None:
        save_png(folder / "volume_curve.png", pictures.curve)


def write_overlays(folder: Path, inputs: Inputs, outlines: Sequence[Outline]) -> None:
    """Write ``NAME.png`` for each frame that has a contour."""
    folder.mkdir()
    for frame, outline in zip(inputs.frames, outlines, strict=True):
        if outline.final is not None:
            save_png(folder / f"{frame.name}.png", _overlay(frame, outline, _box([outline], frame.size)))


def write_html(folder: Path, pictures: Pictures, report: SegmentReport, identity: bool = False) -> None:
    """Write ``report.html``, which holds its pictures in itself; with the patient's name and ID only if asked for."""
    measured = pictures.measured
    shown: list[tuple[str, Any]] = []
    if pictures.curve is not None:
        shown.append(("Volume over the cycle", pictures.curve))
    caption = "End-diastole and end-systole of each slice" if measured.volumes is not None else "Contours"
    if pictures.shown:
        shown.append((caption, pictures.sheet))
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
        pictures=shown,
        measures=rows,
        volumes=None if measured.volumes is None else _volumes(measured.volumes),
        notes=notes,
        identity=_identity(pictures.inputs) if identity else None,
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
    return {"Patient": text(header, "PatientName"), "Patient ID": text(header, "PatientID")}


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


def _overlay(frame: Frame, outline: Outline, box: tuple[int, int, int, int]) -> np.ndarray:
    return draw_contours(frame.image, [(outline.final, FINAL_COLOR)], _scale(box), box)


def _box(outlines: Sequence[Outline], size: tuple[int, int]) -> tuple[int, int, int, int]:
    contours = [outline.final for outline in outlines if outline.final is not None]
    points = np.concatenate(contours)
    return contour_crop_box(contours, size, MARGIN * float(np.ptp(points, axis=0).max()) + 4)


def _scale(box: tuple[int, int, int, int]) -> int:
    return max(1, CELL // max(box[2] - box[0], box[3] - box[1]))
