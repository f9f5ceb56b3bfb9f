# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""What a run of `segment` did, for people and for programs."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from monai_acdr import __version__
from monai_acdr.apps.study_files import Skipped
from monai_acdr.measures import Finding, VentricleVolumes

__all__ = ["FrameReport", "SegmentReport", "in_words"]


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
        region: (centre x, centre y, width, height) in pixels, where there was one.
        measures: numbers of :class:`monai_acdr.measures.ShapeMeasures`, in mm and mm2; empty without spacing.
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
    measures: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class SegmentReport:
    """One run.

    Attributes:
        model: name, version and SHA-256 of the weights.
        device: where the network ran.
        kind: of the input: ``dicom``, ``pictures`` or ``nifti``.
        roi: what was asked for.
        structure: what was outlined.
        frames: one entry a frame, in spatial and temporal order.
        volumes: of the ventricle, None where they cannot be told.
        skipped: files that were left out.
        findings: what was not as it should be.
        files: what was written, relative to the output folder.
        stored: instances that were sent to a server.
        seconds: time of each step.
    """

    model: Mapping[str, str]
    device: str
    kind: str
    roi: str
    structure: str
    frames: Sequence[FrameReport]
    volumes: VentricleVolumes | None
    skipped: Sequence[Skipped]
    findings: Sequence[Finding]
    files: Sequence[str] = ()
    stored: int = 0
    seconds: Mapping[str, float] = field(default_factory=dict)

    @property
    def num_outlined(self) -> int:
        """Frames with a contour."""
        return sum(frame.outlined for frame in self.frames)

    def as_dict(self) -> dict[str, Any]:
        """Everything by name, ready for JSON."""
        return {"program": "monai-acdr segment", "version": __version__, **dataclasses.asdict(self)}

    def summary(self) -> list[str]:
        """Lines for a terminal: a result that may not be right says so, with every kind of finding."""
        lines = [f"{self.num_outlined} of {len(self.frames)} frame(s) outlined: {self.structure}"]
        if self.volumes is not None:
            v = self.volumes
            lines.append(
                f"EDV {v.end_diastolic_volume_ml:.1f} mL, ESV {v.end_systolic_volume_ml:.1f} mL, stroke volume "
                f"{v.stroke_volume_ml:.1f} mL, ejection fraction {v.ejection_fraction_percent:.1f} %"
            )
        if self.skipped:
            lines.append(
                f"{len(self.skipped)} file(s) left out; the first is {self.skipped[0].file}: {self.skipped[0].reason}"
            )
        first: dict[str, Finding] = {}
        for finding in self.findings:
            first.setdefault(finding.kind, finding)
        counts = Counter(finding.kind for finding in self.findings)
        for kind, finding in first.items():
            more = f" (and {counts[kind] - 1} more of this kind in report.json)" if counts[kind] > 1 else ""
            lines.append(f"Finding: {in_words(finding)}{more}")
        return lines
