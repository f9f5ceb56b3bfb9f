# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Pictures of one run: contact sheet, overlays, evolution, curve of volumes, and the page that shows them."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from monai_acdr.apps.inputs import Frame, Inputs
from monai_acdr.apps.measurements import Measurements
from monai_acdr.apps.outlines import Outline
from monai_acdr.apps.segment_report import FrameReport, SegmentReport, heart_measures, in_words
from monai_acdr.dicom import Structure
from monai_acdr.dicom.elements import text
from monai_acdr.visualize import (
    contact_sheet,
    contour_crop_box,
    draw_contours,
    save_evolution_gif,
    save_html_report,
    save_png,
    structure_color,
    volume_curve,
)

__all__ = ["Pictures", "write_html", "write_overlays", "write_pictures"]

MAX_SHEET = 48
"""Frames on a contact sheet."""
CELL = 224
"""Side of a cell, in picture pixels, as far as whole scales allow."""
MAX_UNCERTAIN = 12
"""Frames that the report shows first, those of the lowest confidence."""
DOUBTFUL_COLOR = (255, 90, 60)
"""Captions of doubtful frames."""
COLOR_NAMES = ("yellow", "pink", "cyan", "orange", "violet")
"""Words for :data:`monai_acdr.visualize.STRUCTURE_COLORS`."""
MARGIN = 0.6
"""Shown around the contours of a sheet, as a share of their common box."""
COLUMNS = 8


class Pictures:
    """The pictures of one run, each drawn when it is first asked for, and once."""

    def __init__(
        self,
        inputs: Inputs,
        outlines: Sequence[Outline],
        measured: Measurements,
        structures: Sequence[Structure],
    ) -> None:
        self.inputs = inputs
        self.outlines = outlines
        self.measured = measured
        self.structures = structures
        self.shown = _shown(outlines, measured)

    @cached_property
    def sheet(self) -> np.ndarray:
        """Contact sheet, each tile with its slice and phase, and its confidence where that is doubtful."""
        frames = self.inputs.frames
        sizes = {frames[index].size for index in self.shown}
        common = _box([self.outlines[index] for index in self.shown], sizes.pop()) if len(sizes) == 1 else None
        pictures = []
        for index in self.shown:
            frame, outline = frames[index], self.outlines[index]
            pictures.append(_overlay(frame, outline, common or _box([outline], frame.size)))
        return contact_sheet(
            pictures,
            columns=COLUMNS if len(pictures) > 6 else max(len(pictures), 1),
            captions=[self._caption(index) for index in self.shown],
            caption_colors=[
                DOUBTFUL_COLOR if self.outlines[index].doubtful else (210, 210, 210) for index in self.shown
            ],
        )

    def tile(self, index: int) -> np.ndarray:
        """One frame with its contours, the names of several structures, and a line below where it is doubtful."""
        frame, outline = self.inputs.frames[index], self.outlines[index]
        labels = [structure.label for structure in self.structures]
        picture = _overlay(frame, outline, _box([outline], frame.size), labels if len(labels) > 1 else None)
        if not outline.doubtful:
            return picture
        return contact_sheet([picture], gap=0, captions=[self._caption(index)], caption_colors=[DOUBTFUL_COLOR])

    @property
    def legend(self) -> str:
        """The colors of the contours in words; empty where there is one structure."""
        if len(self.structures) == 1:
            return ""
        colors = itertools.cycle(COLOR_NAMES)
        return ", ".join(
            f"{structure.label} {color}" for structure, color in zip(self.structures, colors, strict=False)
        )

    def _caption(self, index: int) -> str:
        grid, outline = self.measured.grid, self.outlines[index]
        name = self.inputs.frames[index].name
        place = name if grid is None else f"slice {grid.slice_index[index]}, phase {grid.phase[index]}"
        return place + (f": doubtful {outline.confidence:.2f}" if outline.doubtful else "")

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


def write_overlays(folder: Path, pictures: Pictures) -> None:
    """Write ``NAME.png`` for each frame that has a contour."""
    folder.mkdir()
    for index, (frame, outline) in enumerate(zip(pictures.inputs.frames, pictures.outlines, strict=True)):
        if outline.final is not None:
            save_png(folder / f"{frame.name}.png", pictures.tile(index))


def write_html(folder: Path, pictures: Pictures, report: SegmentReport, identity: bool = False) -> None:
    """Write ``report.html``, which holds its pictures in itself; with the patient's name and ID only if asked for.

    Frames come worst first: by confidence, then by the spread of the ensemble.
    """
    measured = pictures.measured
    shown: list[tuple[str, Any]] = []
    if pictures.curve is not None:
        shown.append(("Volume over the cycle", pictures.curve))
    caption = "End-diastole and end-systole of each slice" if measured.volumes is not None else "Contours"
    if pictures.shown:
        legend = f"; {pictures.legend}" if pictures.legend else ""
        shown.append((f"{caption}; slices and phases count from 0{legend}", pictures.sheet))
    left_out = [f"frame {frame.name} is left out: {frame.reason}" for frame in report.frames if not frame.outlined]
    notes = [
        f"{report.label}: {report.num_outlined} of {len(report.frames)} frames outlined by {report.model['name']} "
        f"{report.model['version']}, region of interest: {report.roi}",
        *(in_words(finding) for finding in report.findings),
        *(f"file {entry.file} is left out: {entry.reason}" for entry in report.skipped),
        *left_out,
    ]
    volumes = _volumes(report)
    if volumes is not None and report.agreement is not None:
        notes.insert(1, f"Limits of agreement: measured minus reference, {report.agreement.source}")
    save_html_report(
        folder / "report.html",
        f"{report.label}: contours and measures",
        pictures=shown,
        measures=[row for frame in report.worst_first() for row in _rows(frame, report)],
        volumes=volumes,
        notes=notes,
        identity=_identity(pictures.inputs) if identity else None,
        uncertain=_uncertain(pictures, report),
    )


def _uncertain(pictures: Pictures, report: SegmentReport) -> list[tuple[str, np.ndarray]]:
    """Captions and pictures of the frames to check first; none where the model does not tell how sure it is."""
    worst = [frame for frame in report.worst_first() if frame.confidence is not None or frame.spread]
    index = {frame.name: number for number, frame in enumerate(report.frames)}
    return [(_certainty(frame), pictures.tile(index[frame.name])) for frame in worst[:MAX_UNCERTAIN]]


def _certainty(frame: FrameReport) -> str:
    """Caption of a frame: its place, how sure the model is of it, and whether it is doubtful."""
    words = [frame.place if frame.place == frame.name else f"{frame.place} ({frame.name})"]
    if frame.confidence is not None:
        words.append(f"confidence {frame.confidence:.2f}")
    for unit in ("mm", "px"):
        spread = frame.mean_spread(unit)
        if spread is not None:
            words.append(f"spread {spread:.2f} {unit}")
            break
    return ", ".join([*words, *(["doubtful"] if frame.doubtful else [])])


def _rows(frame: FrameReport, report: SegmentReport) -> list[dict[str, Any]]:
    """Rows of the table, one per structure."""
    rows = []
    for label in report.structures:
        row: dict[str, Any] = {"frame": frame.name, "slice": frame.slice_index, "phase": frame.phase}
        if len(report.structures) > 1:
            row["structure"] = label
        if frame.confidence is not None:
            row["confidence"] = float(frame.confidence)
        if report.doubtful_below is not None:
            row["doubtful"] = frame.doubtful
        row |= {f"spread_{key[len('mean_') :]}": value for key, value in frame.spread.get(label, {}).items()}
        rows.append(row | _numbers(frame.measures.get(label, {})))
    return rows


def _volumes(report: SegmentReport) -> dict[str, Any] | None:
    """Measures of the heart, with limits of agreement beside the number where the bundle states them."""
    measures = heart_measures(report)
    return {f"{name} ({unit})": f"{value:.1f}{report.limits_of(key)}" for key, name, value, unit in measures} or None


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


def _overlay(
    frame: Frame, outline: Outline, box: tuple[int, int, int, int], names: Sequence[str] | None = None
) -> np.ndarray:
    """The contours of a frame, each structure in its color; `names` are written in the corner."""
    assert outline.final is not None
    drawn = [(vertices, structure_color(index)) for index, vertices in enumerate(outline.final)]
    if names is None:
        return draw_contours(frame.image, drawn, _scale(box), box)
    return draw_contours(frame.image, dict(zip(names, drawn, strict=True)), _scale(box), box, legend=True)


def _box(outlines: Sequence[Outline], size: tuple[int, int]) -> tuple[int, int, int, int]:
    contours = [outline.final for outline in outlines if outline.final is not None]
    points = np.concatenate(contours).reshape(-1, 2)
    return contour_crop_box([points], size, MARGIN * float(np.ptp(points, axis=0).max()) + 4)


def _scale(box: tuple[int, int, int, int]) -> int:
    return max(1, CELL // max(box[2] - box[0], box[3] - box[1]))
