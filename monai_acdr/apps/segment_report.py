# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Report of a run of `segment`, for people and for programs."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from monai_acdr import __version__
from monai_acdr.apps.model import VOLUME_KEYS, VolumeAgreement
from monai_acdr.apps.study_files import Skipped
from monai_acdr.measures import Finding, VentricleVolumes, VentricleWall

__all__ = ["FrameReport", "SegmentReport", "heart_measures", "in_words"]

_NAMED = 3
"""Frames of the lowest confidence that a terminal names."""
_NUM_VOLUMES = 4
"""The first measures of a heart are volumes and what follows from them, the others are of the wall at end-diastole."""


def in_words(finding: Finding) -> str:
    """A finding for people: the texts alone do not say what they are about."""
    return f"{finding.kind.replace('_', ' ')}: {finding.text}"


@dataclass(frozen=True)
class FrameReport:
    """One frame.

    Attributes:
        name: as in the contour document and in file names.
        sop_instance_uid: of the image, None where it is no DICOM.
        frame: number within the instance, from 1.
        slice_index, phase: place in the stack, from 0, None where it cannot be told.
        outlined: whether it has a contour in the results.
        reason: why not.
        confidence: that there is something to outline, 0 to 1, where it was estimated.
        region: (center x, center y, width, height) in pixels, where there was one.
        measures: label of each structure to the numbers of its :class:`monai_acdr.measures.ShapeMeasures`, in mm and
            mm2; empty without spacing.
        spread: label of each structure to the mean over its vertices of how far the members of an ensemble disagree:
            ``mean_px``, and ``mean_mm`` where the spacing is known; empty with one network.
        doubtful: whether it is outlined with a confidence below the model's threshold.
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

    @property
    def place(self) -> str:
        """Slice and phase, counted from 0 as in the report; the name where they are not known."""
        return self.name if self.slice_index is None else f"slice {self.slice_index}, phase {self.phase}"

    def mean_spread(self, unit: str) -> float | None:
        """Mean spread over its structures in ``px`` or ``mm``; None where it is not known."""
        values = [spread[f"mean_{unit}"] for spread in self.spread.values() if f"mean_{unit}" in spread]
        return sum(values) / len(values) if values else None


@dataclass(frozen=True)
class SegmentReport:
    """One run.

    Attributes:
        model: name, version and SHA-256 of the weights, with ROI ``auto`` those of the localizer as well.
        device: where the network ran.
        kind: of the input: ``dicom``, ``pictures`` or ``nifti``.
        roi: what was asked for.
        structures: labels of what was outlined, from the innermost to the outermost.
        frames: one entry a frame, in spatial and temporal order.
        volumes: of the ventricle, None where they cannot be told.
        skipped: files that were left out.
        findings: what was not as it should be.
        files: what was written, relative to the output folder.
        stored: instances that were sent to a server.
        seconds: time of each step.
        wall: mass and mean thickness of the left ventricle's wall at end-diastole, None where they cannot be told.
        agreement: limits of agreement of the measures, as the bundle states them for its own weights.
        doubtful_below: confidence below which a frame is doubtful; None where the bundle states none.
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
        """Frames with a contour."""
        return sum(frame.outlined for frame in self.frames)

    def as_dict(self) -> dict[str, Any]:
        """Everything by name, ready for JSON."""
        return {"program": "monai-acdr segment", "version": __version__, **dataclasses.asdict(self)}

    def summary(self) -> list[str]:
        """Lines for a terminal: a result that may not be right says so, with every kind of finding."""
        lines = [f"{self.num_outlined} of {len(self.frames)} frame(s) outlined: {self.label}"]
        lines += self._heart_lines()
        lines += self._confidence_lines()
        if self.skipped:
            lines.append(
                f"{len(self.skipped)} file(s) left out; the first is {self.skipped[0].file}: {self.skipped[0].reason}"
            )
        first: dict[str, Finding] = {}
        for finding in self.findings:
            if finding.kind == "doubtful":  # the line of confidences says it
                continue
            first.setdefault(finding.kind, finding)
        counts = Counter(finding.kind for finding in self.findings)
        for kind, finding in first.items():
            more = f" (and {counts[kind] - 1} more of this kind in report.json)" if counts[kind] > 1 else ""
            lines.append(f"Finding: {in_words(finding)}{more}")
        return lines

    def worst_first(self) -> list[FrameReport]:
        """Outlined frames by confidence, the lowest first, then by spread, the largest first."""
        outlined = [frame for frame in self.frames if frame.outlined]
        return sorted(outlined, key=lambda f: (2.0 if f.confidence is None else f.confidence, -(_spread(f) or 0.0)))

    def limits_of(self, key: str) -> str:
        """Limits of agreement of a measure in words; empty where the bundle states none.

        Args:
            key: of :data:`monai_acdr.apps.model.VOLUME_KEYS`.
        """
        limits = None if self.agreement is None else self.agreement.limits.get(key)
        if limits is None:
            return ""
        return f" (limits of agreement {limits.lower:+.3g} to {limits.upper:+.3g} {VOLUME_KEYS[key]})"

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
        """How sure the model is of the outlined frames, where it tells."""
        worst, lines = self.worst_first(), []
        known = [frame for frame in worst if frame.confidence is not None]
        if known:
            lowest = ", ".join(f"{frame.name} ({frame.confidence:.2f})" for frame in known[:_NAMED])
            count = sum(frame.doubtful for frame in known)
            doubtful = (
                ""
                if self.doubtful_below is None
                else f"{count} of {len(known)} outlined frame(s) doubtful (below {self.doubtful_below:g}), "
            )
            lines.append(f"Confidence: {doubtful}lowest: {lowest}")
        spreads = {frame.name: value for frame in worst if (value := _spread(frame)) is not None}
        if spreads:
            name = max(spreads, key=lambda key: spreads[key])
            unit = "mm" if worst[0].mean_spread("mm") is not None else "px"
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


def _spread(frame: FrameReport) -> float | None:
    """In mm where the spacing is known, otherwise in pixels."""
    in_mm = frame.mean_spread("mm")
    return frame.mean_spread("px") if in_mm is None else in_mm
