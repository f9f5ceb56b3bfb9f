# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""What was found in a data set: every file left out, with its reason, and every doubt about the ones kept."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from monai_acdr.atomic_files import write_text_atomically

__all__ = ["KINDS", "Finding", "QualityReport"]

KINDS: dict[str, str] = {
    "contour_without_frame": "a contour names a frame whose image is absent; copy the missing image files",
    "duplicate_patient": "a patient is listed twice; the first entry was used",
    "empty_mask": "the mask or contour marks no pixel; draw it again or delete it",
    "epicardium_not_around": "the epicardial contour does not enclose the endocardial one; do not use the former",
    "frame_without_mask": "an image has no mask of the same name; add the mask",
    "group_incomplete": "official patients are absent; figures are not those of the whole group",
    "invalid_contour": "the contour file cannot be read; see the message",
    "invalid_image": "the image cannot be used; see the message",
    "invalid_mask": "the mask cannot be used; see the message",
    "mask_displaced": "the masks do not lie on the bright blood pool, they look shifted; look at them, then exclude",
    "mask_size": "mask and image differ in size; convert them again",
    "no_contours": "a patient has images but no contours; unpack the contour archive",
    "no_pixel_spacing": "PixelSpacing is missing, so mm figures are impossible; pass spacing='allow' to keep the frame",
    "no_unique_name": "two files would get the same name; the second was renamed",
    "not_an_image": "neither a DICOM image nor a PNG file",
    "patient_absent": "a listed patient's files are absent; copy them or drop the row",
    "patient_excluded": "a patient was left out on request or by default; pass exclude=() to keep all",
    "patient_in_two_groups": "one patient's frames are in two groups; figures would be too good",
    "several_series": "a patient has several series; the one that holds the contours was used",
    "unknown_contour_name": "the name is not IM-0001-<frame>-icontour-manual.txt; rename the file",
    "unknown_patient": "the folder is no patient of any table; name it in the table",
}
"""Kinds of findings, what each means and the next step."""

SHOWN = 5
"""Subjects listed for each kind in a summary."""


@dataclass(frozen=True)
class Finding:
    """One observation.

    Attributes:
        kind: a key of ``KINDS``.
        subject: file or patient of the data set, relative to its folder; never from a DICOM header.
        detail: what was seen.
    """

    kind: str
    subject: str
    detail: str = ""


@dataclass
class QualityReport:
    """Findings and counts of one data set; functions that read data sets fill a report that they are given.

    Attributes:
        layout: recognised layout, empty before reading.
        counts: what is there, for example ``frames`` and ``patients``.
        findings: in the order in which they were made.
    """

    layout: str = ""
    counts: dict[str, int] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)

    def add(self, kind: str, subject: str, detail: str = "") -> None:
        """Record one finding.

        Raises:
            ValueError: when ``kind`` is not a key of ``KINDS``.
        """
        if kind not in KINDS:
            raise ValueError(f"Expected a kind of {sorted(KINDS)}, but got {kind!r}.")
        self.findings.append(Finding(kind, subject, detail))

    def of(self, kind: str) -> list[Finding]:
        """Findings of one kind."""
        return [finding for finding in self.findings if finding.kind == kind]

    def kinds(self) -> dict[str, int]:
        """Number of findings of each kind that occurred, sorted by kind."""
        return dict(sorted(Counter(finding.kind for finding in self.findings).items()))

    def as_dict(self) -> dict[str, Any]:
        """Plain dicts, lists, strings and numbers for JSON."""
        return {**asdict(self), "kinds": self.kinds()}

    def summary(self) -> str:
        """Text for people: counts, then each kind of finding with its meaning and its first subjects."""
        lines = [f"layout: {self.layout or 'unknown'}"]
        lines += [f"{name.replace('_', ' ')}: {count}" for name, count in self.counts.items()]
        for kind, number in self.kinds().items():
            lines.append(f"[{number}] {kind}: {KINDS[kind]}")
            lines += [f"    {finding.subject}: {finding.detail}".rstrip(": ") for finding in self.of(kind)[:SHOWN]]
            if number > SHOWN:
                lines.append(f"    ... and {number - SHOWN} more")
        if not self.findings:
            lines.append("no findings")
        return "\n".join(lines)

    def write(self, path: str | Path) -> None:
        """Write the report as JSON; the file appears whole or not at all."""
        write_text_atomically(path, json.dumps(self.as_dict(), indent=2, sort_keys=True, allow_nan=False) + "\n")
