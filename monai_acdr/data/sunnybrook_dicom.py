# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Frames of the three DICOM layouts: where images and contours of a patient lie, and which belong together."""

from __future__ import annotations

import logging
import re
from dataclasses import dataclass, field
from pathlib import Path

from monai_acdr.data.report import QualityReport
from monai_acdr.data.series_choice import Series, choose_series
from monai_acdr.data.sunnybrook_cases import UNASSIGNED, contour_folder, find_case, patient_name
from monai_acdr.data.sunnybrook_layouts import (
    ATLAS_FOLDER,
    CINE_FOLDER,
    CONTOUR_NAME,
    PATIENT_FOLDER,
    FrameFiles,
    Keep,
    Tree,
    has_suffix,
    path_part,
)
from monai_acdr.data.sunnybrook_tables import LinkedPatient, read_link_table

__all__ = ["DicomCase", "scan_atlas", "scan_link", "scan_miccai"]

_IMAGE_NAME = re.compile(r"(?:IM-(\d{1,9})-)?(\d{1,9})\.dcm", re.IGNORECASE)
_logger = logging.getLogger(__name__)


@dataclass
class DicomCase:
    """The folders of one patient; `images` and `contours` may each be several or none."""

    patient: str
    group: str
    images: list[Path] = field(default_factory=list)
    contours: list[Path] = field(default_factory=list)


def scan_miccai(root: Path, tree: Tree, keep: Keep, report: QualityReport) -> list[FrameFiles]:
    """Frames of the MICCAI 2009 layout."""
    cases: dict[str, DicomCase] = {}
    for folder, names in tree.items():
        part = path_part(folder, PATIENT_FOLDER)
        if part and has_suffix(names, ".dcm"):
            _case(cases, part).images.append(folder)
    _add_contours(tree, cases)
    return _pair_all(root, tree, cases, keep, report)


def scan_atlas(root: Path, tree: Tree, keep: Keep, report: QualityReport) -> list[FrameFiles]:
    """Frames of the Cardiac Atlas Project's layout; ``scd_patientdata.csv`` is used when it is there."""
    table = _atlas_table(tree)
    cases: dict[str, DicomCase] = {}
    unknown = set()
    for folder, names in tree.items():
        atlas_id = path_part(folder, ATLAS_FOLDER)
        if not atlas_id or not path_part(folder, CINE_FOLDER) or not has_suffix(names, ".dcm"):
            continue
        known = find_case(atlas_id.upper())
        patient = table.get(atlas_id.upper()) or (known.patient if known else None)
        if patient:
            _case(cases, patient).images.append(folder)
        else:
            unknown.add(atlas_id)
    for atlas_id in sorted(unknown):
        report.add("unknown_patient", atlas_id, "in neither scd_patientdata.csv nor the built-in table")
    _add_contours(tree, cases)
    return _pair_all(root, tree, cases, keep, report)


def scan_link(root: Path, tree: Tree, keep: Keep, report: QualityReport) -> list[FrameFiles]:
    """Frames of the ``link.csv`` layout.

    Raises:
        ValueError: when a table cannot be read or stands in a folder without ``dicoms`` and ``contourfiles``.
    """
    cases: dict[str, DicomCase] = {}
    for base in [folder for folder, names in tree.items() if "link.csv" in names]:
        missing = [name for name in ("dicoms", "contourfiles") if base / name not in tree]
        if missing:
            raise ValueError(
                f"Expected {missing} beside {base / 'link.csv'}, but there is none: unpack the images there."
            )
        linked: set[Path] = set()
        for row in read_link_table(base / "link.csv"):
            patient = patient_name(row.original_id)
            case = _linked_case(base, tree, row, patient)
            linked.update(case.contours)
            if patient in cases:
                report.add("duplicate_patient", patient, f"again with patient_id {row.patient_id}")
            else:
                cases[patient] = case
        _report_unlinked(base / "contourfiles", root, tree, linked, report)
    return _pair_all(root, tree, cases, keep, report)


def _report_unlinked(contours: Path, root: Path, tree: Tree, linked: set[Path], report: QualityReport) -> None:
    """Folders of contours that no row of the table names: what a table cut off shows."""
    for folder, names in tree.items():
        if contours in folder.parents and folder not in linked and any(map(CONTOUR_NAME.fullmatch, names)):
            report.add("unknown_patient", folder.relative_to(root).as_posix(), "no row of link.csv names it")


def _linked_case(base: Path, tree: Tree, row: LinkedPatient, patient: str) -> DicomCase:
    names = dict.fromkeys((row.original_id, patient, contour_folder(patient)))
    folders = [base / "contourfiles" / name / kind for name in names for kind in ("i-contours", "o-contours")]
    images = base / "dicoms" / row.patient_id
    return DicomCase(
        patient, row.group, [images] if tree.get(images) else [], [folder for folder in folders if tree.get(folder)]
    )


def _case(cases: dict[str, DicomCase], name: str) -> DicomCase:
    patient = patient_name(name)
    known = find_case(patient)
    return cases.setdefault(patient, DicomCase(patient, known.group if known else UNASSIGNED))


def _add_contours(tree: Tree, cases: dict[str, DicomCase]) -> None:
    for folder, names in tree.items():
        part = path_part(folder, PATIENT_FOLDER)
        if part and any(CONTOUR_NAME.fullmatch(name) for name in names):
            _case(cases, part).contours.append(folder)


def _atlas_table(tree: Tree) -> dict[str, str]:
    patients: dict[str, str] = {}
    for folder, names in tree.items():
        for name in names:
            if name.lower() == "scd_patientdata.csv":
                try:
                    rows = read_link_table(folder / name)
                except ValueError as error:
                    _logger.warning("The built-in table of patients is used instead: %s", error)
                    continue
                patients.update({row.patient_id.upper(): row.original_id for row in rows})
    return patients


def _pair_all(
    root: Path, tree: Tree, cases: dict[str, DicomCase], keep: Keep, report: QualityReport
) -> list[FrameFiles]:
    frames = []
    for case in sorted(cases.values(), key=lambda case: case.patient):
        if keep(case.patient, case.group):
            frames += _pair(root, tree, case, report)
    return frames


def _pair(root: Path, tree: Tree, case: DicomCase, report: QualityReport) -> list[FrameFiles]:
    """Join images and contours of one patient by frame number."""
    if not case.images:
        report.add("patient_absent", case.patient, "contours but no images" if case.contours else "no files")
        return []
    endo, epi = _contours(root, tree, case, report)
    if not endo:
        report.add("no_contours", case.patient)
        return []
    series = choose_series(_series(root, tree, case.images), endo, case.patient, report)
    frames = []
    for frame, label in sorted(endo.items()):
        if frame not in series:
            report.add("contour_without_frame", label.relative_to(root).as_posix(), f"no image of frame {frame}")
            continue
        name = f"{contour_folder(case.patient)}-IM-0001-{frame:04d}"
        frames.append(FrameFiles(name, case.patient, case.group, frame, series[frame], label, epi.get(frame)))
    without = len(series) - len(frames)
    report.counts["frames_without_contour"] = report.counts.get("frames_without_contour", 0) + without
    return frames


def _contours(root: Path, tree: Tree, case: DicomCase, report: QualityReport) -> tuple[Series, Series]:
    """Endocardial and epicardial contours by frame."""
    found: dict[str, Series] = {"i": {}, "o": {}}
    for folder in case.contours:
        for name in tree[folder]:
            match = CONTOUR_NAME.fullmatch(name)
            if match:
                found[match[2].lower()].setdefault(int(match[1]), folder / name)
            elif "contour-manual" in name.lower() and not re.search(r"-p\d", name.lower()):
                report.add("unknown_contour_name", (folder / name).relative_to(root).as_posix())
    return found["i"], found["o"]


def _series(root: Path, tree: Tree, folders: list[Path]) -> dict[str, Series]:
    """Images by series (folder and number in the name) and frame, the last number in the name."""
    series: dict[str, Series] = {}
    for folder in folders:
        for name in tree[folder]:
            match = _IMAGE_NAME.fullmatch(name)
            if match:
                where = folder.relative_to(root).as_posix()
                label = f"{where}/IM-{match[1]}" if match[1] else where
                series.setdefault(label, {}).setdefault(int(match[2]), folder / name)
    return series
