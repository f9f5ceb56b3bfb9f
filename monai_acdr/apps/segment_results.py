# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""The files of one run of `segment`: report, pictures, contours and masks, and timing of the steps."""

from __future__ import annotations

import dataclasses
import itertools
import json
import os
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from monai_acdr import __version__
from monai_acdr.apps.documents import ContourDocument, FrameContours, write_contour_document
from monai_acdr.apps.inputs import Frame, Inputs
from monai_acdr.apps.label_values import draw_label_map, picture_values
from monai_acdr.apps.measurements import Measurements
from monai_acdr.apps.model import VOLUME_KEYS, VolumeAgreement
from monai_acdr.apps.outlines import Outline
from monai_acdr.apps.study_files import Skipped
from monai_acdr.data.nifti import write_masks
from monai_acdr.dicom import MEASURES, Algorithm, Region, SourceFrame, Structure, write_rtstruct, write_seg, write_sr
from monai_acdr.dicom.elements import text
from monai_acdr.dicom.seg import check_seg_sources, seg_groups, slice_distance
from monai_acdr.dicom.toolkit import require_highdicom
from monai_acdr.files import write_text_atomically
from monai_acdr.geometry import REPAIRS
from monai_acdr.measures import Finding, VentricleVolumes, VentricleWall, stack_place
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

__all__ = [
    "DicomResults",
    "FrameReport",
    "Pictures",
    "RESULT_NAMES",
    "Results",
    "SegmentReport",
    "Stopwatch",
    "SegmentOptions",
    "check_requested",
    "heart_measures",
    "in_words",
    "result_findings",
    "write_dicom_results",
    "write_html",
    "write_overlays",
    "write_pictures",
    "write_report",
    "write_results",
]


class Stopwatch:
    """Adds up wall-clock seconds by the name of a step."""

    def __init__(self) -> None:
        self._seconds: dict[str, float] = {}

    @contextmanager
    def __call__(self, step: str) -> Iterator[None]:
        """Time a block."""
        started = time.perf_counter()
        try:
            yield
        finally:
            self._seconds[step] = self._seconds.get(step, 0.0) + time.perf_counter() - started

    @property
    def seconds(self) -> dict[str, float]:
        """Step -> seconds, rounded to milliseconds."""
        return {step: round(value, 3) for step, value in self._seconds.items()}


_REPAIR_WORDS = {
    "collapse": "collapse undone",
    "self_intersection": "small loop cut off",
    "nesting": "pushed outward to contain the inner structure",
    "neighbors": "outlined like the neighboring slices",
}
_MAX_NAMED_FRAMES = 3
"""Number of the frames with the lowest confidence that are named in the terminal."""
_NUM_VOLUMES = 4
"""Number of the first measures of a heart, volumes and derived ones; the others are of the wall at end-diastole."""


def in_words(finding: Finding) -> str:
    """A readable finding, starting with its kind: the text alone does not state it."""
    return f"{finding.kind.replace('_', ' ')}: {finding.text}"


@dataclass(frozen=True)
class FrameReport:
    """Results of one frame.

    Attributes:
        name: name in the contour document and in file names.
        sop_instance_uid: SOP Instance UID of the image, None where it is not DICOM.
        frame: number within the instance, from 1.
        slice_index, phase: indices in the stack, from 0, None where they are unknown; texts count from 1
            (:meth:`SegmentReport.place`).
        outlined: whether it has a contour in the results.
        reason: why it has none.
        confidence: confidence, 0 to 1, that the frame shows the object, where it was estimated.
        region: (center x, center y, width, height) in pixels, if it has a region.
        measures: values of :class:`monai_acdr.measures.ShapeMeasures` by label of the structure, in mm and mm2; empty
            without spacing.
        spread: mean spread of an ensemble's members over the vertices, by label of the structure: ``mean_px``, and
            ``mean_mm`` where the spacing is known; empty with one network.
        doubtful: whether it is outlined with a confidence below the model's threshold.
        dented: whether its epicardium is not convex (:data:`monai_acdr.measures.SOLID`).
        repairs: repairs from :data:`monai_acdr.geometry.REPAIRS`, by label of each structure whose contour was repaired
            after the network.
        scale: why the scale of an outlined frame, and with it the size of its region, cannot be right; empty if it can.
    """

    name: str
    sop_instance_uid: str | None
    frame: int
    slice_index: int | None
    phase: int | None
    outlined: bool
    reason: str
    confidence: float | None
    region: tuple[float, ...] | None
    measures: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    spread: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    doubtful: bool = False
    dented: bool = False
    repairs: Mapping[str, Sequence[str]] = field(default_factory=dict)
    scale: str = ""

    @property
    def like_neighbors(self) -> bool:
        """Whether a contour was replaced by one like those of the neighboring slices."""
        return any("neighbors" in names for names in self.repairs.values())

    def mean_spread(self, unit: str) -> float | None:
        """Mean spread over its structures in ``px`` or ``mm``; None where it is not known."""
        values = [spread[f"mean_{unit}"] for spread in self.spread.values() if f"mean_{unit}" in spread]
        return sum(values) / len(values) if values else None


@dataclass(frozen=True)
class SegmentReport:
    """Results of one run.

    Attributes:
        model: name, version and SHA-256 of the weights; with ROI ``auto`` also SHA-256 of the localizer's weights.
        device: device of the network.
        kind: kind of the input: ``dicom``, ``pictures`` or ``nifti``.
        roi: the requested region.
        structures: labels of the structures, from the innermost to the outermost.
        frames: one entry per frame, in spatial and temporal order.
        volumes: volumes of the ventricle, None where they are unknown.
        skipped: files that were left out.
        findings: deviations from a complete, regular stack.
        files: files written, relative to the output folder.
        stored: number of instances that were sent to a server.
        seconds: time of each step.
        wall: mass and mean thickness of the left ventricle's wall at end-diastole, None where they are unknown.
        agreement: limits of agreement of the measures, stated by the bundle for its own weights.
        doubtful_below: confidence below which a frame is doubtful; None if the bundle does not state it.
    """

    model: Mapping[str, str]
    device: str
    kind: str
    roi: str
    structures: Sequence[str]
    frames: Sequence[FrameReport]
    volumes: VentricleVolumes | None
    skipped: Sequence[Skipped]
    findings: Sequence[Finding]
    files: Sequence[str] = ()
    stored: int = 0
    seconds: Mapping[str, float] = field(default_factory=dict)
    wall: VentricleWall | None = None
    agreement: VolumeAgreement | None = None
    doubtful_below: float | None = None

    @property
    def label(self) -> str:
        """The labels of its structures."""
        return " and ".join(self.structures)

    @property
    def num_outlined(self) -> int:
        """Number of frames with a contour."""
        return sum(frame.outlined for frame in self.frames)

    @cached_property
    def stack_size(self) -> tuple[int, int]:
        """Number of slices and of phases; 0 where they are unknown."""
        placed = [(frame.slice_index, frame.phase) for frame in self.frames if frame.slice_index is not None]
        return max((s + 1 for s, _ in placed), default=0), max((p + 1 for _, p in placed if p is not None), default=0)

    def place(self, frame: FrameReport) -> str:
        """Slice and phase of one of its frames in words; the frame's name where they are not known."""
        if frame.slice_index is None or frame.phase is None:
            return frame.name
        return stack_place(frame.slice_index, self.stack_size[0], frame.phase, self.stack_size[1])

    @cached_property
    def _spread_unit(self) -> str:
        """Unit in which spreads of frames are compared: ``mm`` where all of them are known in mm, otherwise ``px``."""
        known = [frame for frame in self.frames if frame.spread]
        return "mm" if all(frame.mean_spread("mm") is not None for frame in known) else "px"

    @property
    def repairs(self) -> dict[str, int]:
        """Number of contours with each kind of repair; ``contours`` is the number of repaired contours."""
        names = [repairs for frame in self.frames for repairs in frame.repairs.values() if repairs]
        return {"contours": len(names), **{name: sum(name in each for each in names) for name in REPAIRS}}

    def as_dict(self) -> dict[str, Any]:
        """All values by name, ready for JSON."""
        values = dataclasses.asdict(self)
        values["findings"] = [finding.as_dict() for finding in self.findings]
        values |= {name: part.as_dict() for name in ("volumes", "wall") if (part := getattr(self, name)) is not None}
        return {"program": "monai-acdr segment", "version": __version__, **values, "repairs": self.repairs}

    def summary(self) -> list[str]:
        """Lines for a terminal, with every kind of finding, so that a doubtful result is recognizable."""
        lines = [f"{self.num_outlined} of {len(self.frames)} frame(s) outlined: {self.label}"]
        lines += self._heart_lines()
        lines += self._confidence_lines()
        if self.repairs["contours"]:
            lines.append(self.repair_line())
        if self.skipped:
            damaged = [entry for entry in self.skipped if entry.kind in ("unreadable", "not_a_file")]
            first_file = (damaged or self.skipped)[0]
            which = f"{len(damaged)} of them damaged, the first is" if damaged else "the first is"
            lines.append(f"{len(self.skipped)} file(s) left out; {which} {first_file.file}: {first_file.reason}")
        first: dict[str, Finding] = {}
        for finding in self.findings:
            if finding.kind == "doubtful":  # reported in the line of confidences
                continue
            first.setdefault(finding.kind, finding)
        counts = Counter(finding.kind for finding in self.findings)
        for kind, finding in first.items():
            more = f" (and {counts[kind] - 1} more of this kind in report.json)" if counts[kind] > 1 else ""
            lines.append(f"Finding: {in_words(finding)}{more}")
        return lines

    def worst_first(self) -> list[FrameReport]:
        """Outlined frames, those to check first first.

        That is those whose scale cannot be right, then those outlined like their neighbors or with an epicardium that
        is not convex, then by confidence, lowest first, then by spread.
        """

        def order(frame: FrameReport) -> tuple[bool, bool, float, float]:
            confidence = 2.0 if frame.confidence is None else frame.confidence
            wrong = frame.like_neighbors or frame.dented
            return not frame.scale, not wrong, confidence, -(frame.mean_spread(self._spread_unit) or 0.0)

        return sorted((frame for frame in self.frames if frame.outlined), key=order)

    def limits_of(self, key: str) -> str:
        """Limits of agreement of a measure as text; empty if the bundle does not state them.

        Args:
            key: key of :data:`monai_acdr.apps.model.VOLUME_KEYS`.
        """
        limits = None if self.agreement is None else self.agreement.limits.get(key)
        if limits is None:
            return ""
        return f" (limits of agreement {limits.lower:+.3g} to {limits.upper:+.3g} {VOLUME_KEYS[key]})"

    def repair_line(self) -> str:
        """Line with the number of contours repaired after the network, by kind."""
        counts = self.repairs
        kinds = [f"{_REPAIR_WORDS[name]}: {counts[name]}" for name in REPAIRS if counts[name]]
        total = self.num_outlined * len(self.structures)
        return f"Repaired contours: {counts['contours']} of {total} ({', '.join(kinds)})"

    def _heart_lines(self) -> list[str]:
        if self.volumes is None:
            return []
        measures = heart_measures(self)
        words = [f"{name} {value:.1f} {unit}{self.limits_of(key)}" for key, name, value, unit in measures]
        lines = [", ".join(words[:_NUM_VOLUMES])]
        if words[_NUM_VOLUMES:]:
            lines.append(f"At end-diastole: {', '.join(words[_NUM_VOLUMES:])}")
        if self.agreement is not None and any(self.limits_of(key) for key, *_ in measures):
            lines.append(f"Limits of agreement: measured minus reference, {self.agreement.source}")
        return lines

    def _confidence_lines(self) -> list[str]:
        """Confidence of the model in the outlined frames, where it is known."""
        worst, lines = self.worst_first(), []
        known = sorted((frame.confidence, frame.name) for frame in worst if frame.confidence is not None)
        if known:
            lowest = ", ".join(f"{name} ({confidence:.2f})" for confidence, name in known[:_MAX_NAMED_FRAMES])
            count = sum(frame.doubtful for frame in worst)
            doubtful = (
                ""
                if self.doubtful_below is None
                else f"{count} of {len(known)} outlined frame(s) doubtful (below {self.doubtful_below:g}), "
            )
            lines.append(f"Confidence: {doubtful}lowest: {lowest}")
        spreads = {frame.name: value for frame in worst if (value := frame.mean_spread(self._spread_unit)) is not None}
        if spreads:
            name = max(spreads, key=lambda key: spreads[key])
            unit = self._spread_unit
            mean = sum(spreads.values()) / len(spreads)
            lines.append(
                f"Spread of the ensemble: mean {mean:.2f} {unit}, largest in {name} ({spreads[name]:.2f} {unit})"
            )
        return lines


def heart_measures(report: SegmentReport) -> list[tuple[str, str, float, str]]:
    """Measures of the heart: key of its limits of agreement, name, value and unit of each; empty without volumes."""
    volumes = report.volumes
    if volumes is None:
        return []
    return [
        ("edv_ml", "EDV", volumes.end_diastolic_volume_ml, "mL"),
        ("esv_ml", "ESV", volumes.end_systolic_volume_ml, "mL"),
        ("sv_ml", "stroke volume", volumes.stroke_volume_ml, "mL"),
        ("ef_percent", "ejection fraction", volumes.ejection_fraction_percent, "%"),
        *_wall_measures(report.wall),
    ]


def _wall_measures(wall: VentricleWall | None) -> list[tuple[str, str, float, str]]:
    if wall is None:
        return []
    measures = [("mass_g", "myocardial mass", wall.mass_g, "g")]
    if wall.mean_thickness_mm is not None:
        measures.append(("wall_mm", "mean wall thickness", wall.mean_thickness_mm, "mm"))
    return measures


MAX_SHEET = 48
"""Limit of the frames on a contact sheet."""
CELL = 224
"""Target side of a cell in pixels of the sheet; frames are scaled by whole factors."""
MAX_UNCERTAIN = 12
"""Number of the least certain frames, which the report shows first."""
DOUBTFUL_COLOR = (255, 90, 60)
"""Color of the captions of frames that are doubtful, have a wrong scale or an epicardium that is not convex."""
REPAIRED_COLOR = (240, 190, 80)
"""Color of the captions of other frames with a repaired contour."""
COLOR_NAMES = ("yellow", "pink", "cyan", "orange", "violet")
"""Names of :data:`monai_acdr.visualize.STRUCTURE_COLORS`."""
MARGIN = 0.6
"""Margin around the contours of a sheet, as a share of their common box."""
COLUMNS = 8


class Pictures:
    """The pictures of one run, each drawn once, on first use."""

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
        """Contact sheet, each tile with its slice and phase, its confidence if doubtful, and its repairs."""
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
            caption_colors=[self._color(index) or (210, 210, 210) for index in self.shown],
        )

    def tile(self, index: int) -> np.ndarray:
        """One frame with its contours, the names of several structures, and a caption if it is to be checked.

        That is, where it is doubtful, has a wrong scale, an epicardium that is not convex, or a repaired contour; the
        caption says why.
        """
        frame, outline = self.inputs.frames[index], self.outlines[index]
        labels = [structure.label for structure in self.structures]
        picture = _overlay(frame, outline, _box([outline], frame.size), labels if len(labels) > 1 else None)
        color = self._color(index)
        if color is None:
            return picture
        return contact_sheet([picture], gap=0, captions=[self._caption(index)], caption_colors=[color])

    def _color(self, index: int) -> tuple[int, int, int] | None:
        """Color of the caption of a frame that is to be checked; None for others."""
        outline = self.outlines[index]
        if outline.doubtful or outline.scale or outline.dented:
            return DOUBTFUL_COLOR
        return REPAIRED_COLOR if any(outline.repairs) else None

    @property
    def legend(self) -> str:
        """Names of the contours' colors; empty for a single structure."""
        if len(self.structures) == 1:
            return ""
        colors = itertools.cycle(COLOR_NAMES)
        return ", ".join(
            f"{structure.label} {color}" for structure, color in zip(self.structures, colors, strict=False)
        )

    def _caption(self, index: int) -> str:
        grid, outline = self.measured.grid, self.outlines[index]
        place = self.inputs.frames[index].name if grid is None else grid.place(index)
        labels = [structure.label for structure in self.structures]
        words = _reasons_to_check(outline, dict(zip(labels, outline.repairs, strict=False)), len(labels) > 1)
        return f"{place}: {', '.join(words)}" if words else place

    @cached_property
    def curve(self) -> np.ndarray | None:
        """Plot of the volume over the cycle; None without volumes."""
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
    """Write ``report.html`` with embedded pictures; the patient's name and ID are included only on request.

    The least certain frames come first, see :meth:`SegmentReport.worst_first`.
    """
    measured = pictures.measured
    shown: list[tuple[str, Any]] = []
    if pictures.curve is not None:
        shown.append(("Volume over the cycle", pictures.curve))
    caption = "End-diastole and end-systole of each slice" if measured.volumes is not None else "Contours"
    if pictures.shown:
        legend = f"; {pictures.legend}" if pictures.legend else ""
        shown.append((f"{caption}{legend}", pictures.sheet))
    left_out = [f"frame {frame.name} is left out: {frame.reason}" for frame in report.frames if not frame.outlined]
    notes = [
        f"{report.label}: {report.num_outlined} of {len(report.frames)} frames outlined by {report.model['name']} "
        f"{report.model['version']}, region of interest: {report.roi}",
        *(in_words(finding) for finding in report.findings),
        *(f"file {entry.file} is left out: {entry.reason}" for entry in report.skipped),
        *left_out,
    ]
    if report.repairs["contours"]:
        notes.insert(1, report.repair_line())
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
    """Captions and pictures of the frames to check first.

    None where the model gives neither confidence nor spread, all scales are plausible and no epicardium is dented.
    """
    worst = [f for f in report.worst_first() if f.confidence is not None or f.spread or f.scale or f.dented]
    index = {frame.name: number for number, frame in enumerate(report.frames)}
    return [(_certainty(frame, report), pictures.tile(index[frame.name])) for frame in worst[:MAX_UNCERTAIN]]


def _certainty(frame: FrameReport, report: SegmentReport) -> str:
    """Caption of a frame: its place, confidence and spread, and the reasons to check it."""
    place = report.place(frame)
    words = [place if place == frame.name else f"{place} ({frame.name})"]
    if frame.confidence is not None and not frame.doubtful:  # that reason states it
        words.append(f"confidence {frame.confidence:.2f}")
    for unit in ("mm", "px"):
        spread = frame.mean_spread(unit)
        if spread is not None:
            words.append(f"spread {spread:.2f} {unit}")
            break
    return ", ".join([*words, *_reasons_to_check(frame, frame.repairs, len(report.structures) > 1)])


def _reasons_to_check(frame: FrameReport | Outline, repairs: Mapping[str, Sequence[str]], several: bool) -> list[str]:
    """Reasons to check a frame in words, for all captions, the gravest first.

    Args:
        frame: the result of the frame.
        repairs: repairs of its contours, by label of the structure.
        several: whether there are several structures, which are then named.
    """
    words = ["implausible scale"] if frame.scale else []
    words += [f"doubtful {frame.confidence:.2f}"] if frame.doubtful else []
    words += ["epicardium not convex"] if frame.dented else []
    return words + [
        (f"{label} " if several else "contour ")
        + " and ".join(_REPAIR_WORDS[name] for name in REPAIRS if name in names)
        for label, names in repairs.items()
        if names
    ]


def _rows(frame: FrameReport, report: SegmentReport) -> list[dict[str, Any]]:
    """Rows of the table, one per structure."""
    rows = []
    for label in report.structures:
        row: dict[str, Any] = {"frame": frame.name}
        slices, phases = report.stack_size
        for noun, index, number in (("slice", frame.slice_index, slices), ("phase", frame.phase, phases)):
            row[f"{noun} of {number}" if number else noun] = None if index is None else index + 1
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
    """Measures of the heart, with limits of agreement beside the value if the bundle states them."""
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
    """Frames of the sheet: end-diastole and end-systole of each slice, otherwise evenly spread frames."""
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


RESULT_NAMES = (
    *("contours.json", "mask.nii.gz", "masks"),
    *("seg.dcm", "seg", "rtstruct.dcm", "sr.dcm"),
    *("contact_sheet.png", "evolution.gif", "volume_curve.png", "overlays", "report.html"),
    "report.json",
)
"""Names of all files that a run may write to its folder; the last one is written last, when all others exist."""

SEG_KINDS = ("BINARY", "FRACTIONAL")


@dataclass(frozen=True)
class SegmentOptions:
    """Options of :func:`monai_acdr.apps.segment`: reading, outlining and results.

    Attributes:
        structure: name in all results, one per structure, the innermost first, see :func:`named_structure`; None takes
            the bundle's names, and "Region" in DICOM images of another modality than the bundle's.
        checkpoint: other weights than the bundle's.
        series: SeriesNumber or SeriesInstanceUID, where the study has several series; ``12-21``, ``12,14,15`` or
            ``stack``, where its slices are series of their own (:func:`monai_acdr.apps.study_files.choose_series`).
        spacing: (between rows, between columns) in mm for images that do not state it.
        seg: ``BINARY`` or ``FRACTIONAL`` writes a DICOM segmentation.
        rtstruct: write an RT structure set.
        sr: write a structured report with the measures.
        mask: write masks: one NIfTI for a NIfTI volume, otherwise a PNG for each frame. One structure has the value 1
            in NIfTI and 255 in PNG. With several, structure k without the structures before it has the value k in
            NIfTI; in PNG, of two nested ones, such as endocardium and epicardium, the inner one has 255 and the ring
            around it 128.
        pictures: write a contact sheet, the evolution of one contour, and the curve of volumes.
        overlays: write a picture for each frame.
        html: write a report of one self-contained file.
        identity: put the patient's name and ID into that report.
        all_frames: with ``auto``, keep contours of frames in which no ventricle was found.
        store: URL of a DICOMweb service that the DICOM results are sent to.
        device: ``cpu``, ``cuda``, ``cuda:1`` or ``mps``; None takes CUDA where there is one.
        batch_size: frames per batch.
        overwrite: replace the results of an earlier run.
        strict: refuse a study in which a file has to be left out.
    """

    structure: str | Sequence[str] | None = None
    checkpoint: str | os.PathLike[str] | None = None
    series: str | None = None
    spacing: Sequence[float] | None = None
    seg: str | None = None
    rtstruct: bool = False
    sr: bool = False
    mask: bool = False
    pictures: bool = True
    overlays: bool = False
    html: bool = False
    identity: bool = False
    all_frames: bool = False
    store: str | None = None
    device: str | None = None
    batch_size: int = 16
    overwrite: bool = False
    strict: bool = False


@dataclass(frozen=True, eq=False)
class Results:
    """Results of one run, ready to write."""

    inputs: Inputs
    outlines: Sequence[Outline]
    measured: Measurements
    structures: Sequence[Structure]
    nested: bool
    algorithm: Algorithm


def check_requested(requested: SegmentOptions, inputs: Inputs, store: bool) -> None:
    """Raise an error, before the work, when a result cannot be written for these inputs or with this installation."""
    if requested.seg not in (None, *SEG_KINDS):
        raise ValueError(f"Expected `seg` to be one of {SEG_KINDS} or None, but got {requested.seg!r}.")
    asked = requested.seg is not None or requested.rtstruct or requested.sr
    if store and not asked:
        raise ValueError("Expected a DICOM result to store, but none is requested: add --seg, --rtstruct or --sr.")
    if asked and inputs.kind != "dicom":
        raise ValueError(
            "Expected DICOM images for DICOM results, which refer to them, but got "
            f"{inputs.kind}: leave out --seg, --rtstruct and --sr, and use --mask."
        )
    unplaced = [source for source in inputs.sources if not source.has_place]
    if requested.rtstruct and unplaced:
        raise ValueError(
            f"Expected images with a position in the patient for an RT structure set, but {len(unplaced)} of "
            f"{len(inputs.sources)} frame(s), such as {unplaced[0].path}, lack {', '.join(unplaced[0].lacking)}: "
            f"leave out --rtstruct and use {_allowed_options(inputs.sources)}."
        )
    if requested.seg is not None:
        _check_segs(inputs.sources)
    if requested.seg is not None or requested.sr:
        require_highdicom("Writing a DICOM segmentation or report")


def result_findings(requested: SegmentOptions, inputs: Inputs) -> list[Finding]:
    """Findings about requested results that these inputs do not support."""
    unknown = sum(source.has_place and source.thickness is None for source in inputs.sources)
    if requested.seg is None or not unknown:
        return []
    distance = slice_distance(inputs.sources) if all(source.has_place for source in inputs.sources) else None
    stated = "leaves it out" if distance is None else f"states the distance of slices, {distance:g} mm, in its place"
    text = f"SliceThickness is not known in {unknown} of {len(inputs.sources)} frame(s): the segmentation {stated}"
    return [Finding("no_thickness", text)]


def _check_segs(sources: Sequence[SourceFrame]) -> None:
    for group in seg_groups(sources):
        check_seg_sources([sources[index] for index in group])


def _allowed_options(sources: Sequence[SourceFrame]) -> str:
    """Options that these images allow."""
    try:
        _check_segs(sources)
    except ValueError:
        return "--sr or --mask"
    return "--seg, --sr or --mask"


def write_results(
    folder: Path,
    results: Results,
    requested: SegmentOptions,
    report: SegmentReport,
    watch: Stopwatch,
    progress: Callable[[str, int, int], None],
) -> SegmentReport:
    """Write the requested results, and the report last.

    Returns:
        The report, with the names of all files.
    """
    steps: list[Callable[[], object]] = [lambda: write_contour_document(folder / "contours.json", _document(results))]
    if requested.mask:
        steps.append(lambda: _write_masks(folder, results))
    if requested.seg is not None or requested.rtstruct or requested.sr:
        steps.append(lambda: _write_dicom(folder, results, requested))
    pictures = Pictures(results.inputs, results.outlines, results.measured, results.structures)
    if requested.pictures:
        steps.append(lambda: write_pictures(folder, pictures))
    if requested.overlays:
        steps.append(lambda: write_overlays(folder / "overlays", pictures))
    if requested.html:
        steps.append(lambda: write_html(folder, pictures, report, requested.identity))
    for number, step in enumerate(steps, start=1):
        step()
        progress("write", number, len(steps))
    files = [path.relative_to(folder).as_posix() for path in sorted(folder.rglob("*")) if path.is_file()]
    report = dataclasses.replace(report, files=[*files, "report.json"], seconds=watch.seconds)
    write_report(folder / "report.json", report)
    return report


def write_report(path: Path, report: SegmentReport) -> None:
    """Write a report as JSON, whole or not at all."""
    write_text_atomically(path, json.dumps(report.as_dict(), indent=1, allow_nan=False) + "\n")


def _document(results: Results) -> ContourDocument:
    frames = []
    for frame, outline in zip(results.inputs.frames, results.outlines, strict=True):
        if outline.final is None:
            continue
        source, contours = frame.source, tuple(outline.final)
        frames.append(
            FrameContours(
                frame.name,
                frame.size,
                contours,
                frame.spacing,
                sop_instance_uid=None if source is None else source.key[0],
                frame=1 if source is None else source.frame,
                world=frame.to_world(contours),
                spread=None if outline.spread is None else tuple(outline.spread),
                structures=tuple(range(len(contours))),
                confidence=(outline.confidence,) * len(contours),
                doubtful=(outline.doubtful,) * len(contours),
                repairs=outline.repairs,
                scale=outline.scale,
            )
        )
    return ContourDocument(tuple(results.structures), tuple(frames), results.algorithm)


def _write_masks(folder: Path, results: Results) -> None:
    volume = results.inputs.volume
    drawn = [
        (index, frame, draw_label_map(outline.final, frame.size))
        for index, (frame, outline) in enumerate(zip(results.inputs.frames, results.outlines, strict=True))
        if outline.final is not None
    ]
    if volume is not None:
        write_masks(folder / "mask.nii.gz", volume, {volume.places[index]: mask for index, _, mask in drawn})
        return
    (folder / "masks").mkdir()
    grays = picture_values(len(results.structures))
    for _, frame, mask in drawn:
        save_png(folder / "masks" / f"{frame.name}.png", grays[mask])


def _write_dicom(folder: Path, results: Results, requested: SegmentOptions) -> None:
    regions = [
        Region(structure, tuple(() if o.final is None else (o.final[number],) for o in results.outlines))
        for number, structure in enumerate(results.structures)
    ]
    names = [frame.name for frame in results.inputs.frames]
    objects = DicomResults(regions, results.inputs.sources, names, results.measured, results.algorithm)
    write_dicom_results(folder, objects, requested.seg, requested.rtstruct, requested.sr)


@dataclass(frozen=True, eq=False)
class DicomResults:
    """Content of the DICOM results of one series, or of one stack of several.

    Attributes:
        regions: regions, one per structure, with an entry for each source.
        sources: the frames.
        names: names of the frames, for files of one frame each.
        measured: measures of the regions, with shapes by source and region.
        algorithm: algorithm that made the contours.
    """

    regions: Sequence[Region]
    sources: Sequence[SourceFrame]
    names: Sequence[str]
    measured: Measurements
    algorithm: Algorithm


def write_dicom_results(
    folder: Path, results: DicomResults, seg: str | None = None, rtstruct: bool = False, sr: bool = False
) -> None:
    """Write ``seg.dcm``, ``rtstruct.dcm`` and ``sr.dcm``.

    Images without a position have a segmentation each, ``seg/NAME.dcm``, and so has each slice of a stack of several
    series, ``seg/slice-01.dcm``.

    Args:
        folder: an empty folder.
        results: their content.
        seg: kind of the segmentation, from :data:`SEG_KINDS`; None writes none.
        rtstruct: write an RT structure set.
        sr: write a structured report; for a ventricle with volumes, of the contours at end-diastole and end-systole.

    Raises:
        ImportError: for segmentation or report, when highdicom cannot be imported.
        ValueError: when an object cannot hold these regions or refer to these images.
    """
    if rtstruct:
        write_rtstruct(folder / "rtstruct.dcm", results.regions, results.sources, algorithm=results.algorithm)
    if seg is not None:
        _write_segs(folder, results, seg)
    if sr:
        _write_sr(folder / "sr.dcm", results)


def _write_sr(path: Path, results: DicomResults) -> None:
    """Write measures of every contour; for a ventricle with volumes, only those at end-diastole and end-systole.

    A reader would report these; the others are in ``report.json``.
    """
    measured, grid = results.measured, results.measured.grid
    kept = list(range(len(results.sources)))
    if measured.volumes is not None and grid is not None:
        phases = (measured.volumes.end_diastole_phase, measured.volumes.end_systole_phase)
        kept = [index for index in kept if grid.phase[index] in phases]
    kept = [index for index in kept if any(region.contours[index] for region in results.regions)]
    shapes = [
        measured.shapes[index][number] if len(region.contours[index]) == 1 else None
        for number, region in enumerate(results.regions)
        for index in kept
        for _ in region.contours[index]
    ]
    write_sr(
        path,
        [region.on(kept) for region in results.regions],
        [results.sources[index] for index in kept],
        [None if shape is None else {name: getattr(shape, name) for name in MEASURES} for shape in shapes],
        None if measured.volumes is None else _coded_volumes(measured.volumes),
        _coded_wall(measured.wall),
        algorithm=results.algorithm,
    )


def _coded_volumes(volumes: VentricleVolumes) -> dict[str, float]:
    return {
        "edv_ml": volumes.end_diastolic_volume_ml,
        "esv_ml": volumes.end_systolic_volume_ml,
        "stroke_volume_ml": volumes.stroke_volume_ml,
        "ejection_fraction_percent": volumes.ejection_fraction_percent,
    }


def _coded_wall(wall: VentricleWall | None) -> dict[str, float] | None:
    if wall is None:
        return None
    values = {"mass_g": wall.mass_g, "mean_thickness_mm": wall.mean_thickness_mm}
    return {name: value for name, value in values.items() if value is not None}


def _write_segs(folder: Path, results: DicomResults, kind: str) -> None:
    """One segmentation, or one for each slice or image: see `seg_groups`."""
    groups = seg_groups(results.sources)
    if len(groups) == 1:
        write_seg(folder / "seg.dcm", results.regions, results.sources, kind, algorithm=results.algorithm)
        return
    (folder / "seg").mkdir()
    for slice_, group in enumerate(groups, start=1):
        if not any(region.contours[index] for region in results.regions for index in group):
            continue
        part = [region.on(group) for region in results.regions]
        sources = [results.sources[index] for index in group]
        name = f"slice-{slice_:02d}" if sources[0].has_place else results.names[group[0]]
        write_seg(folder / "seg" / f"{name}.dcm", part, sources, kind, algorithm=results.algorithm)
