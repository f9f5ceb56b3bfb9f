# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""The results of a review: measures, and a new version of contours and DICOM objects, the old ones kept."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import numpy as np

from monai_acdr import __version__
from monai_acdr.apps.documents import ContourDocument, FrameContours, write_contour_document
from monai_acdr.apps.measurements import Measurements, listed, measure_contours, scale_findings
from monai_acdr.apps.review.contours import Contour
from monai_acdr.apps.review.state import Review
from monai_acdr.apps.review.study import Study
from monai_acdr.apps.segment_results import DicomResults, write_dicom_results
from monai_acdr.dicom import Algorithm, Region
from monai_acdr.files import replace_folder
from monai_acdr.plausibility import Finding

__all__ = ["VersionReport", "check_reader", "measure_review", "write_version"]

MAX_READER = 64
REPORT = "review.json"


@dataclass(frozen=True)
class VersionReport:
    """The version that Finish wrote.

    Attributes:
        version: its number, from 1.
        folder: its folder.
        files: names of the files in the folder.
        skipped: files that were not written, and why.
        stored: number of instances that were sent to a server.
        findings: findings to check, as text.
    """

    version: int
    folder: Path
    files: tuple[str, ...]
    skipped: tuple[str, ...]
    stored: int = 0
    findings: tuple[str, ...] = ()


def check_reader(name: Any) -> str:
    """The name of a reader as given, stripped.

    Raises:
        ValueError: for a name that a DICOM person name cannot hold: over 64 characters, not printable, or with a
            backslash or an equals sign.
    """
    text = name.strip() if isinstance(name, str) else None
    if text is None or len(text) > MAX_READER or not (text.isprintable() or not text) or set(text) & set("\\="):
        raise ValueError(
            f"Expected the reader's name to have at most {MAX_READER} printable characters, none of them a backslash "
            "or an equals sign: shorten it."
        )
    return text


def measure_review(review: Review, study: Study) -> Measurements:
    """Measures of the present contours, with the findings of their images.

    Frames with several contours of a structure count as not having it.
    """
    contours = [_by_structure(frame, len(review.structures)) for frame in review.contours]
    measured = measure_contours(study.frames, contours, review.structures, study.grid, review.phases)
    scales = scale_findings(list(review.frames.values()), [review.scale(index) for index in review.frames])
    measured = replace(measured, findings=(*study.findings, *scales, *measured.findings))
    several = [
        frame.name
        for frame, own in zip(study.frames, review.contours, strict=True)
        if len({contour.structure for contour in own}) < len(own)
    ]
    if not several:
        return measured
    text = f"{len(several)} frame(s) with several contours of a structure, which were not measured: {listed(several)}"
    return replace(measured, findings=(*measured.findings, Finding("several_contours", text)))


def _by_structure(frame: Sequence[Contour], number: int) -> tuple[np.ndarray | None, ...] | None:
    own = [[contour for contour in frame if contour.structure == index] for index in range(number)]
    found = tuple(each[0].vertices if len(each) == 1 and not each[0].hole else None for each in own)
    return None if all(vertices is None for vertices in found) else found


def write_version(review: Review, study: Study, folder: Path, reader: str) -> VersionReport:
    """Write contours.json, and of DICOM images SEG, RTSTRUCT and SR, as a new version.

    Args:
        review: the contours.
        study: their images.
        folder: folder of the review; ``version-NNNN`` is made in it, whole or not at all.
        reader: name of the person who accepts the contours, as given; empty for nobody.

    Returns:
        A report of the version.

    Raises:
        OSError: when the version cannot be written.
        ValueError: when there is no contour.
    """
    if not any(review.contours):
        raise ValueError("Expected at least one contour to write, but all are deleted: restore one.")
    taken = [int(path.name[8:]) for path in folder.glob("version-*") if path.name[8:].isdigit()]
    number = max([review.versions, *taken], default=0) + 1
    measured = measure_review(review, study)
    algorithm = replace(review.document.algorithm or Algorithm("monai_acdr review"), reader=reader)
    skipped: list[str] = []
    target = folder / f"version-{number:04d}"
    with replace_folder(target) as new:
        write_contour_document(new / "contours.json", _document(review, study))
        if study.inputs.kind == "dicom":
            skipped = _write_objects(new, review, study, measured, algorithm)
        else:
            skipped.append("SEG, RTSTRUCT, SR: the images are not DICOM")
        record = _record(review, study, measured, number, reader, skipped)
        (new / REPORT).write_text(json.dumps(record, indent=1, allow_nan=False) + "\n", encoding="utf-8")
        files = sorted(path.relative_to(new).as_posix() for path in new.rglob("*") if path.is_file())
    review.note_version(number, reader)
    findings = tuple(f"{finding.kind}: {finding.text}" for finding in measured.findings)
    return VersionReport(number, target, tuple(files), tuple(skipped), findings=findings)


def _document(review: Review, study: Study) -> ContourDocument:
    frames = []
    for index, (frame, contours) in enumerate(zip(study.frames, review.contours, strict=True)):
        if not contours:
            continue
        known, source = review.frames.get(index), frame.source
        numbers = [contour.original for contour in contours]
        kept = known is not None and None not in numbers
        confidence: tuple[float | None, ...] = ()
        if known is not None and known.confidence:
            confidence = tuple(None if number is None else known.confidence[number] for number in numbers)
        frames.append(
            FrameContours(
                frame.name if known is None else known.name,
                frame.size,
                tuple(contour.vertices for contour in contours),
                frame.spacing,
                sop_instance_uid=None if source is None else source.key[0],
                frame=1 if source is None else source.frame,
                world=frame.to_world([contour.vertices for contour in contours]),
                spread=tuple(known.spread[number] for number in numbers)  # type: ignore[index]
                if kept and known is not None and known.spread is not None
                else None,
                holes=tuple(contour.hole for contour in contours),
                structures=tuple(contour.structure for contour in contours),
                confidence=confidence,
                doubtful=tuple(number is not None and known.doubtful[number] for number in numbers)
                if known is not None and known.doubtful
                else (),
                repairs=tuple(() if number is None else known.repairs[number] for number in numbers)
                if known is not None and known.repairs
                else (),
                scale=review.scale(index),
            )
        )
    return ContourDocument(review.structures, tuple(frames), review.document.algorithm)


def _write_objects(
    folder: Path, review: Review, study: Study, measured: Measurements, algorithm: Algorithm
) -> list[str]:
    """Write SEG, RTSTRUCT and SR as far as the images and contours allow; returns the objects left out, and why."""
    regions = [
        Region(
            structure,
            tuple(tuple(c.vertices for c in frame if c.structure == number) for frame in review.contours),
            holes=tuple(tuple(c.hole for c in frame if c.structure == number) for frame in review.contours),
            generation=review.generation(number),
        )
        for number, structure in enumerate(review.structures)
    ]
    names = [frame.name for frame in study.frames]
    results = DicomResults(regions, study.inputs.sources, names, measured, algorithm)
    skipped = []
    for label, options in (("SEG", {"seg": "BINARY"}), ("RTSTRUCT", {"rtstruct": True}), ("SR", {"sr": True})):
        try:
            write_dicom_results(folder, results, **options)
        except (ImportError, ValueError) as error:  # the reader's work is kept
            skipped.append(f"{label}: {error}")
    return skipped


def _record(
    review: Review, study: Study, measured: Measurements, number: int, reader: str, skipped: Sequence[str]
) -> dict[str, Any]:
    changed = set(review.changed)
    return {
        "program": "monai-acdr review",
        "version": __version__,
        "review": number,
        "reader": reader,
        "time": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "structures": [
            {"label": structure.label, "generation": review.generation(index)}
            for index, structure in enumerate(review.structures)
        ],
        "frames": [
            {
                "name": frame.name,
                "changed": index in changed,
                "seen": index in review.seen,
                "contours": [
                    {"structure": review.structures[c.structure].label, "generation": c.generation}
                    for c in review.contours[index]
                ],
            }
            for index, frame in enumerate(study.frames)
            if review.contours[index] or index in changed or index in review.seen
        ],
        "volumes": None if measured.volumes is None else measured.volumes.as_dict(),
        "wall": None if measured.wall is None else measured.wall.as_dict(),
        "findings": [finding.as_dict() for finding in measured.findings],
        "skipped": list(skipped),
    }
