# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Findings about a data set: every omitted file with its reason, and doubts about the others."""

from __future__ import annotations

import json
import logging
from collections import Counter
from collections.abc import Collection
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from monai_acdr.files import write_text_atomically
from monai_acdr.plausibility import Finding

__all__ = ["KINDS", "Finding", "QualityReport"]

KINDS: dict[str, str] = {
    "ambiguous_pair": "two files have the name of one pair; the first one was used, remove the other",
    "annotation_without_image": "an annotation or row names an absent image; copy the missing DICOM files",
    "case_absent": "a listed case folder is absent; copy it or drop the line",
    "color_mask": "the values of a mask are the brightness of colors, and which color is which structure is "
    "unknown; it was left out, save labels as whole numbers 0, 1, 2, ...",
    "contour_clipped": "a part of the contour outside the image was cut off; nothing to do",
    "contour_open": "the gap between the last point and the first is far longer than any step, as in a file cut off; "
    "it was left out, export the contour again",
    "contour_outside": "the contour lies outside its image; it was left out",
    "contour_without_frame": "a contour names a frame whose image is absent; copy the missing image files",
    "crowd_region": "an annotation stands for a crowd or a group, not for one object; it was left out, nothing to do",
    "dithered_mask": "a mask was dithered to two values, so its edge is noise; it was left out, convert it "
    "again by a threshold",
    "duplicate_across_groups": "the same picture is in two groups, so results would be too good; remove one of them",
    "duplicate_image": "two files or rows have the same image number; the first one was used",
    "duplicate_patient": "a patient is listed twice; the first entry was used",
    "duplicate_picture": "two images have the same pixels; remove one of them, or give both the same patient "
    "in a table",
    "empty_mask": "the mask or contour marks no pixel; draw it again or delete it",
    "epicardium_displaced": "the epicardial contours of this patient are displaced in this copy; they were left out",
    "epicardium_not_around": "the epicardial contour does not enclose the endocardial one; do not use the former",
    "film_without_case": "a film has no .ics file of its case beside it; it was left out, copy that file",
    "format_not_read": "an image of a format that is not read, such as WebP; it was left out, convert it to PNG, "
    "TIFF or NIfTI",
    "frame_without_mask": "an image has no mask of the same name, or no annotation; add it, or move the image out "
    "of the data set",
    "group_incomplete": "official patients are absent; metrics are not those of the whole group",
    "hole_ignored": "an outline has a hole, which a contour cannot have; the hole was filled",
    "image_not_listed": "an image is not named in the annotations; it was left out, annotate it or remove it",
    "image_without_row": "an image has no row in the table; its BI-RADS is unknown",
    "invalid_annotation": "the annotation file cannot be used; see the message",
    "invalid_case": "the case's .ics file cannot be used; see the message",
    "invalid_contour": "the contour file cannot be read; see the message",
    "invalid_image": "the image cannot be used; see the message",
    "invalid_mask": "the mask cannot be used; see the message",
    "invalid_row": "a row of the table cannot be used; see the message",
    "inverted_mask": "a mask is probably inverted, so that the background is the object; it was used, swap its values",
    "jpeg_mask": "a mask in a JPEG file has artifacts of compression; values above half of the largest are the "
    "object, save masks as PNG",
    "laterality_conflict": "file name and table disagree about the side; the file name was used",
    "mask_displaced": "the masks do not lie on the bright blood pool, they look shifted; look at them, then exclude",
    "mask_format": "a mask has another value for the object, or another file format, than most; it was used, "
    "convert it like the others",
    "mask_resized": "mask and image differ in size; the mask is resized to the image with nearest neighbors",
    "mask_size": "mask and image differ in size; convert them again",
    "mask_values": "a mask has more than two values where the others have two; it was left out, correct it or "
    "name the labels in dataset.json",
    "mask_without_image": "a mask has no image of the same name; add the image",
    "no_group": "an image has no value in the column by which images belong together; it was left out, add the value",
    "no_contours": "a patient has images but no contours; unpack the contour archive",
    "no_pixel_spacing": "PixelSpacing is missing, so there are no values in mm; pass spacing='allow' to keep the frame",
    "no_unique_name": "two files would get the same name; the second was renamed",
    "not_a_file": "a named pipe, device, folder or link to nothing in the place of a file, or a folder that cannot be "
    "listed; it was left out, copy the data again",
    "not_an_image": "neither a DICOM image nor a picture (PNG, JPEG, TIFF, BMP)",
    "not_in_split": "the split file names neither patient nor image; it was left out, add it to the file",
    "not_in_subset": "a mass of a BCRP case is not malignant and spiculated; it was left out",
    "not_in_table": "an image or mask has no row in the table; it was left out, add a row",
    "numbered_objects": "the values of a mask number its objects; it was left out, pass split_components=True",
    "object_at_border": "an object touches the border of its image, where it may be cut off; it was used, look "
    "at some of them",
    "other_channel": "a further channel of an image (nnU-Net's _0001 and so on) was not used; nothing to do",
    "other_lesion": "the lesion is not a mass but, for example, a calcification; it was left out",
    "outline_absent": "the .ics file says OVERLAY, but there is no outline of that film; copy it",
    "outline_open": "an outline does not return to its start; a straight line closes it",
    "overlay_count": "TOTAL_ABNORMALITIES is not the number of lesions in the file; those that are there were used",
    "paired_by_order": "no names agree, so images and masks were paired in their order; look at some of them",
    "patient_absent": "a listed patient's files are absent; copy them or drop the row",
    "patient_excluded": "a patient was left out on request or by default; pass exclude=() to keep all",
    "patient_in_two_groups": "one patient's frames are in two groups; metrics would be too optimistic",
    "point_count": "an outline has another number of points than it says; the points were used",
    "resolution_unknown": "the .ics file has neither RESOLUTION nor a known DIGITIZER; values in mm are impossible",
    "several_objects": "a mask has several objects; the contour is that of the largest, or pass split_components=True",
    "several_series": "a patient has several series; the one that holds the contours was used",
    "small_object": "an object of a mask is smaller than min_area; it was left out",
    "smooth_mask": "a mask has gray values at its edges, as from smoothing or resizing; values above half of "
    "the largest are the object, save two values",
    "specks": "objects of a few pixels lie beside far larger ones; they were not used as objects, erase them",
    "stray_outline": "an .OVERLAY file belongs to no case of its folder; it was not used",
    "structures_apart": "the structures of a label map are outlined together, one around the other, in one region, but "
    "here they lie side by side; it was used, but classes of objects need a training "
    "of each class alone (train --structure NAME)",
    "subset_size": "the numbers of cases and masses are not the published ones; compare the list of cases",
    "too_few_points": "an outline has fewer than 3 points; it was left out, draw it again",
    "trained_on": "the network was trained on a patient of this name; it was left out, rename it if it is another one",
    "unknown_contour_name": "the name is not IM-0001-<frame>-icontour-manual.txt; rename the file",
    "unknown_image_name": "the name is not <image>_<patient>_MG_<side>_<view>_ANON.dcm; rename the file",
    "unknown_patient": "the folder is not a patient of any table; name it in the table",
    "unstated_value": "a mask has values that no list of labels states; it was left out, correct the mask or the list",
}
"""Kinds of findings, what each means and the next step."""

MAX_LISTED_SUBJECTS = 5
"""Subjects listed for each kind in a summary."""


@dataclass
class QualityReport:
    """Findings and counts of one data set, filled by the functions that read data sets.

    Attributes:
        layout: recognized layout, empty before reading.
        counts: number of each kind of entry, for example ``frames`` and ``patients``.
        findings: in the order in which they were recorded.
        notes: assumptions and usual omissions, such as patients that were guessed from names.
    """

    layout: str = ""
    counts: dict[str, int] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def add(self, kind: str, subject: str, detail: str = "") -> None:
        """Record one finding.

        Raises:
            ValueError: when ``kind`` is not a key of ``KINDS``.
        """
        if kind not in KINDS:
            raise ValueError(f"Expected a kind of {sorted(KINDS)}, but got {kind!r}.")
        self.findings.append(Finding(kind, detail, subject))

    def note(self, text: str) -> None:
        """Record an assumption; the same text only once."""
        if text not in self.notes:
            self.notes.append(text)

    def of(self, kind: str) -> list[Finding]:
        """Findings of one kind."""
        return [finding for finding in self.findings if finding.kind == kind]

    def kinds(self) -> dict[str, int]:
        """Number of findings of each kind that occurred, sorted by kind."""
        return dict(sorted(Counter(finding.kind for finding in self.findings).items()))

    def as_dict(self) -> dict[str, Any]:
        """Plain dicts, lists, strings and numbers for JSON."""
        findings = [{"kind": each.kind, "subject": each.subject, "detail": each.text} for each in self.findings]
        return {**asdict(self), "findings": findings, "kinds": self.kinds()}

    def log(self, logger: logging.Logger, root: Path, kept: Collection[str] = ()) -> None:
        """Log one line with the content of a data set and the number of omissions, as a warning if there are any.

        Args:
            logger: of the module that read the data set.
            root: its folder.
            kept: kinds of findings that are not omissions.
        """
        skipped = {kind: number for kind, number in self.kinds().items() if kind not in kept}
        counts = ", ".join(f"{number} {name.replace('_', ' ')}" for name, number in self.counts.items())
        left_out = ", ".join(f"{number} {kind}" for kind, number in skipped.items()) or "nothing"
        logger.log(logging.WARNING if skipped else logging.INFO, "%s: %s; left out: %s.", root, counts, left_out)

    def summary(self) -> str:
        """Readable text: counts, then each kind of finding with its meaning and its first subjects."""
        lines = [f"layout: {self.layout or 'unknown'}"]
        lines += [f"{name.replace('_', ' ')}: {count}" for name, count in self.counts.items()]
        lines += [f"note: {text}" for text in self.notes]
        for kind, number in self.kinds().items():
            lines.append(f"[{number}] {kind}: {KINDS[kind]}")
            lines += [
                f"    {finding.subject}: {finding.text}".rstrip(": ") for finding in self.of(kind)[:MAX_LISTED_SUBJECTS]
            ]
            if number > MAX_LISTED_SUBJECTS:
                lines.append(f"    ... and {number - MAX_LISTED_SUBJECTS} more")
        if not self.findings:
            lines.append("no findings")
        return "\n".join(lines)

    def write(self, path: str | Path) -> None:
        """Write the report as JSON; the file appears whole or not at all."""
        write_text_atomically(path, json.dumps(self.as_dict(), indent=2, sort_keys=True, allow_nan=False) + "\n")
