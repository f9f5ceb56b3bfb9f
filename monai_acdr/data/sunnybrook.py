# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Data list of Sunnybrook Cardiac Data, or of any data in one of its four layouts.

Cite Radau et al., "Evaluation framework for algorithms segmenting short axis cardiac MRI", MIDAS Journal 2009,
hdl 10380/3070. The data are in the public domain (CC0).
"""

from __future__ import annotations

import dataclasses
import logging
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from monai_acdr.data.files import natural_key
from monai_acdr.data.frame_checks import check_epicardium, check_image, check_label
from monai_acdr.data.frame_pixels import is_contour_file
from monai_acdr.data.report import QualityReport
from monai_acdr.data.sunnybrook_cases import UNASSIGNED, find_case, parse_group, patient_name
from monai_acdr.data.sunnybrook_dicom import scan_atlas, scan_link, scan_miccai
from monai_acdr.data.sunnybrook_layouts import LAYOUTS, FrameFiles, Keep, Tree, find_layout, scan_tree
from monai_acdr.data.sunnybrook_png import scan_png
from monai_acdr.transforms.contour import MASK_RULE
from monai_acdr.transforms.contour.drawn import check_mask_rule

__all__ = ["DISPLACED_EPICARDIA", "DISPLACED_PATIENTS", "READER_SHIFT_PX", "STRUCTURES", "sunnybrook_data_list"]

READER_SHIFT_PX = (-1.0, -1.0)
"""Way (x, y) in pixels from the readers' contours of Sunnybrook, read as their files are, to the hearts of the images.

Their files count pixel centers from 1, as MATLAB does, it seems: a network trained on views turned by any angle and
mirrored, which cannot learn a direction, puts its contours (-1.0, -0.75) px from them (median of 253 frames of the
validation group), and within 0.2 mm of the references of another hospital's images; the steepest edges lie likewise.
No area depends on it. Networks are trained on the shifted contours, so that theirs lie on the heart, and are shifted
back before they are compared with a reader's (``reader_shift`` of an item).
"""

STRUCTURES = ("endocardium", "epicardium")
"""Structures that have references, innermost first."""

DISPLACED_PATIENTS = ("SC-N-6",)
"""Patients whose masks in the public PNG conversion are displaced against the images: all 13 of SC-N-6, by 7-18 pixels.

They are left out by default in the PNG layout only; the DICOM layouts take the series that fits the contours.
"""

DISPLACED_EPICARDIA = ("SC-HF-I-6",)
"""Patients whose epicardial contour files are displaced in the ``link`` layout's public copy (kwu93's).

Their o-contours enclose 39 to 80 % of the endocardium; the epicardium masks of the PNG layout are right.
"""

_SCANNERS: dict[str, Callable[[Path, Tree, Keep, QualityReport], list[FrameFiles]]] = {
    "link": scan_link,
    "png": scan_png,
    "miccai": scan_miccai,
    "atlas": scan_atlas,
}
_logger = logging.getLogger(__name__)


def sunnybrook_data_list(
    dataset_dir: str | Path,
    group: str | None = None,
    exclude: Sequence[str] | None = None,
    spacing: str = "require",
    layout: str | None = None,
    report: QualityReport | None = None,
    structures: Sequence[str] = ("endocardium",),
    mask_rule: str | None = None,
) -> list[dict[str, Any]]:
    """List the frames that have an endocardial contour or mask, sorted by patient and frame.

    Frames that cannot be used (truncated, no image, invalid contour, ...) are left out; each is recorded in ``report``
    with its reason, and their number is logged.

    Args:
        dataset_dir: folder of the data set, or one that contains it.
        group: ``training``, ``validation``, ``online`` (or ``test``), or several joined by ``+``; None or ``all`` for
            all frames.
        exclude: patients to leave out, ``SC-N-6`` or ``SC-N-06``; None means ``DISPLACED_PATIENTS`` in the PNG layout
            and nobody in the others, ``()`` keeps all.
        spacing: ``require`` leaves out DICOM frames without PixelSpacing, since figures in mm would be wrong; ``allow``
            keeps them with ``has_spacing`` False. PNG files have no spacing and are kept in either case.
        layout: ``link``, ``png``, ``miccai`` or ``atlas``; None recognises it.
        report: filled with findings and counts when given.
        structures: ``("endocardium",)``, or ``("endocardium", "epicardium")`` for ``label_epi`` as well.
        mask_rule: how PNG masks follow from their contours, ``covered`` or ``drawn``; None means ``drawn`` for the 45
            Sunnybrook patients, whose public masks are (:mod:`monai_acdr.transforms.contour.drawn`), and ``covered``
            for others.

    Returns:
        One dict a frame: ``image`` and ``label`` (paths; the label is a PNG mask, or a contour file for
        :func:`~monai_acdr.data.contour_files.read_contour`), ``mask_rule`` (contour files are ``covered``),
        ``reader_shift`` ((x, y) pixels, :data:`READER_SHIFT_PX` for the 45 Sunnybrook patients, else 0), ``name``
        (unique, ``SC-HF-I-01-IM-0001-0059``), ``patient`` (``SC-HF-I-1``), ``group`` (``unassigned`` where no table
        gives one), ``frame`` (int), ``has_spacing`` and, with the structure epicardium and where there is one,
        ``label_epi`` (path of the epicardial contour or mask): readers drew it mostly at end-diastole.
        ``LoadReferenced(["label", "label_epi"])`` reads both.

    Raises:
        FileNotFoundError: when ``dataset_dir`` does not exist.
        ValueError: when no layout is recognised or no frame remains; the message says what was looked for.
    """
    root = Path(dataset_dir)
    report = QualityReport() if report is None else report
    if spacing not in ("require", "allow"):
        raise ValueError(f"Expected `spacing` to be 'require' or 'allow', but got {spacing!r}.")
    if tuple(structures) not in (STRUCTURES[:1], STRUCTURES):
        raise ValueError(
            f"Expected `structures` to be {STRUCTURES[:1]} or {STRUCTURES}, but got {structures!r}: frames without an "
            "endocardium are not listed."
        )
    if mask_rule is not None:
        check_mask_rule(mask_rule, "mask_rule")
    if layout is not None and layout not in LAYOUTS:
        raise ValueError(f"Expected `layout` to be one of {list(LAYOUTS)} or None, but got {layout!r}.")
    if not root.is_dir():
        raise FileNotFoundError(f"Expected the folder of a data set, but {root} is none: check `dataset_dir`.")
    tree = scan_tree(root, report)
    report.layout = layout or find_layout(root, tree)
    selection = _Selection(group, exclude, report)
    frames = _SCANNERS[report.layout](root, tree, selection, report)
    selection.check_exclude()
    if "epicardium" not in structures:
        frames = [dataclasses.replace(frame, epi=None) for frame in frames]
    items = _items(root, frames, spacing, report)
    for item in items:
        is_mask = not is_contour_file(item["label"])
        is_public = find_case(item["patient"]) is not None
        item[MASK_RULE] = (mask_rule or ("drawn" if is_public else "covered")) if is_mask else "covered"
        item["reader_shift"] = READER_SHIFT_PX if is_public else (0.0, 0.0)
    _conclude(root, items, selection, report)
    return items


class _Selection:
    """Decides which patients are wanted, and remembers who was there."""

    def __init__(self, group: str | None, exclude: Sequence[str] | None, report: QualityReport) -> None:
        if isinstance(exclude, str):
            raise ValueError(f"Expected `exclude` to be a list of patients, but got {exclude!r}: write [{exclude!r}].")
        if exclude is None:
            exclude = DISPLACED_PATIENTS if report.layout == "png" else ()
        every = group is None or group.strip().lower() == "all"
        self.groups = None if group is None or every else {parse_group(name) for name in group.split("+")}
        self.patients: dict[str, set[str]] = {}
        self._exclude = {patient_name(name) for name in exclude}
        self._report = report

    def __call__(self, patient: str, group: str) -> bool:
        is_new = group not in self.patients.setdefault(patient, set())
        self.patients[patient].add(group)
        if self.groups is not None and group not in self.groups:
            return False
        if patient in self._exclude:
            if is_new:
                self._report.add("patient_excluded", patient)
            return False
        return True

    def check_exclude(self) -> None:
        """Raise a ValueError for names that are no patients at all, most likely misspelt."""
        wrong = sorted(n for n in self._exclude if n not in self.patients and find_case(n) is None)
        if wrong:
            raise ValueError(
                f"Expected `exclude` to name patients of the data set, but got {wrong}: write them as 'SC-N-6' or as "
                "in the data list's 'patient'."
            )

    def count_by_group(self) -> dict[str, int]:
        """Number of patients present in each group."""
        return dict(sorted(Counter(group for groups in self.patients.values() for group in groups).items()))


def _items(root: Path, frames: list[FrameFiles], spacing: str, report: QualityReport) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = []
    names: Counter[str] = Counter()
    for frame in sorted(frames, key=lambda f: (natural_key(f.patient), f.frame, natural_key(f.name), f.group)):
        header = check_image(root, frame.image, spacing, report)
        if header is None or not check_label(root, frame.label, header.size, report):
            continue
        names[frame.name] += 1
        name = frame.name if names[frame.name] == 1 else f"{frame.name}-{frame.group}"
        if name != frame.name:
            report.add("no_unique_name", frame.image.relative_to(root).as_posix(), f"is called {name}")
        item = {
            "image": str(frame.image),
            "label": str(frame.label),
            "name": name,
            "patient": frame.patient,
            "group": frame.group,
            "frame": frame.frame,
            "has_spacing": header.has_spacing,
        }
        if frame.epi is not None and _is_epicardium_right(root, frame, header.size, report):
            item["label_epi"] = str(frame.epi)
        items.append(item)
    return items


def _is_epicardium_right(root: Path, frame: FrameFiles, size: tuple[int, int], report: QualityReport) -> bool:
    assert frame.epi is not None
    if report.layout == "link" and frame.patient in DISPLACED_EPICARDIA:
        report.add("epicardium_displaced", frame.epi.relative_to(root).as_posix())
        return False
    return check_epicardium(root, frame.epi, size, report)


def _conclude(root: Path, items: list[dict[str, Any]], selection: _Selection, report: QualityReport) -> None:
    for patient in sorted({item["patient"] for item in items}):
        groups = {item["group"] for item in items if item["patient"] == patient}
        if len(groups) > 1:
            report.add("patient_in_two_groups", patient, ", ".join(sorted(groups)))
    report.counts["frames"] = len(items)
    report.counts["patients"] = len({item["patient"] for item in items})
    if report.findings:
        found = ", ".join(f"{number} {kind}" for kind, number in report.kinds().items())
        _logger.warning("Findings in %s: %s. See sunnybrook_quality_report().", root, found)
    if not items:
        wanted = "frames" if selection.groups is None else f"frames of the group {'+'.join(sorted(selection.groups))!r}"
        unassigned = UNASSIGNED in selection.count_by_group()
        hint = (
            "give patients of other data a `group` column in link.csv" if unassigned else "check `group` and `exclude`"
        )
        raise ValueError(
            f"Expected {wanted} in {root} (layout {report.layout!r}), but none can be used. Patients by group: "
            f"{selection.count_by_group() or 'none'}. {report.summary()}\nNext step: {hint}, or repair the files above."
        )
