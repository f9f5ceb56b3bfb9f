# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Data list of Sunnybrook Cardiac Data in any of its four layouts: matching of images and contours.

Cite Radau et al., "Evaluation framework for algorithms segmenting short axis cardiac MRI", MIDAS Journal 2009,
hdl 10380/3070. The data are in the public domain (CC0).
"""

from __future__ import annotations

import dataclasses
import logging
import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from monai_acdr.data.files import natural_key
from monai_acdr.data.frame_checks import (
    check_epicardium,
    check_image,
    check_label,
    is_contour_file,
    load_gray,
    load_mask,
)
from monai_acdr.data.mask_alignment import judge_masks, mask_contrast
from monai_acdr.data.report import QualityReport
from monai_acdr.data.sunnybrook.cases import (
    UNASSIGNED,
    LinkedPatient,
    contour_folder,
    find_case,
    parse_group,
    patient_name,
    read_link_table,
)
from monai_acdr.data.sunnybrook.layouts import (
    ATLAS_FOLDER,
    CINE_FOLDER,
    CONTOUR_NAME,
    LAYOUTS,
    PATIENT_FOLDER,
    FrameFiles,
    Keep,
    PngFolder,
    Tree,
    find_layout,
    has_suffix,
    path_part,
    png_folders,
    scan_tree,
)
from monai_acdr.transforms.contour import MASK_RULE
from monai_acdr.transforms.contour.functional import check_mask_rule

__all__ = [
    "DISPLACED_EPICARDIA",
    "DISPLACED_PATIENTS",
    "DicomCase",
    "READER_SHIFT_PX",
    "STRUCTURES",
    "Series",
    "choose_series",
    "scan_atlas",
    "scan_link",
    "scan_miccai",
    "scan_png",
    "sunnybrook_data_list",
]

Series = dict[int, Path]
"""Files by frame number."""

_COMPARED_FRAMES = 8
"""Frames whose pixels are compared when frame numbers alone do not decide."""


def choose_series(series: dict[str, Series], contours: Series, patient: str, report: QualityReport) -> Series:
    """Pick the series that holds most of the contoured frames; of equals, the one whose images fit the contours best.

    The fit is the contrast of :mod:`monai_acdr.data.mask_alignment`. Published tables name two series for SC-N-6, so
    this is not left to a table. A choice among several that hold contoured frames is recorded as a finding.
    """
    held = {label: len(frames.keys() & contours.keys()) for label, frames in series.items()}
    most = max(held.values(), default=0)
    if not most:
        return max(series.values(), key=len, default={})
    equal = sorted(label for label, number in held.items() if number == most)
    chosen, reason = equal[0], f"it holds {most} contoured frames"
    if len(equal) > 1:
        fits = {label: _fit(series[label], contours) for label in equal}
        chosen = max(equal, key=lambda label: fits[label])
        reason += " and fits them best: " + ", ".join(f"{label} {fit:.2f}" for label, fit in fits.items())
    if sum(number > 0 for number in held.values()) > 1:
        report.add("several_series", patient, f"chose {chosen}, {reason}")
    return series[chosen]


def _fit(series: Series, contours: Series) -> float:
    """Mean contrast of the contours on the images of one series; minus infinity when no image can be read."""
    maps = []
    for frame in sorted(series.keys() & contours.keys())[:_COMPARED_FRAMES]:
        try:
            image = load_gray(series[frame])
            mask = load_mask(contours[frame], (image.shape[0], image.shape[1]))
        except (OSError, ValueError):
            continue
        if bool((mask >= 0.5).any()):
            maps.append(mask_contrast(image, mask))
    return judge_masks(maps).contrast if maps else float("-inf")


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
                f"Expected {missing} beside {base / 'link.csv'}, but it is missing: unpack the images there."
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
    """Report folders of contours that no row of the table names, as after a table was cut off."""
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
                location = folder.relative_to(root).as_posix()
                label = f"{location}/IM-{match[1]}" if match[1] else location
                series.setdefault(label, {}).setdefault(int(match[2]), folder / name)
    return series


_FRAME = re.compile(r"(\d{1,9})\D*$")


def scan_png(root: Path, tree: Tree, keep: Keep, report: QualityReport) -> list[FrameFiles]:
    """Pair images and masks by name; images without mask and masks without image become findings.

    The patient is the part of the name before ``-IM-``, or the whole name in other data sets. The group is the folder's
    name; for a folder of another name it is the patient's official group.
    """
    frames = []
    for folder in png_folders(tree):
        frames += _pairs(root, tree, folder, keep, report)
    return frames


def _pairs(root: Path, tree: Tree, folder: PngFolder, keep: Keep, report: QualityReport) -> list[FrameFiles]:
    images, masks, outer = (_png_files(tree, folder.folder / kind) for kind in ("images", "endo_masks", "epi_masks"))
    frames = []
    for stem in sorted(images.keys() | masks.keys()):
        patient = patient_name(stem.split("-IM-")[0])
        case = find_case(patient)
        group = folder.group or (case.group if case else UNASSIGNED)
        if not keep(patient, group):
            continue
        if stem not in masks:
            report.add("frame_without_mask", _relative(images[stem], root))
        elif stem not in images:
            report.add("contour_without_frame", _relative(masks[stem], root))
        else:
            number = _FRAME.search(stem)
            frame = int(number[1]) if number else 0
            frames.append(FrameFiles(stem, patient, group, frame, images[stem], masks[stem], outer.get(stem)))
    return frames


def _png_files(tree: Tree, folder: Path) -> dict[str, Path]:
    return {name[:-4]: folder / name for name in tree.get(folder, []) if name.lower().endswith(".png")}


def _relative(path: Path, root: Path) -> str:
    return path.relative_to(root).as_posix()


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
        spacing: ``require`` leaves out DICOM frames without PixelSpacing, since values in mm would be wrong; ``allow``
            keeps them with ``has_spacing`` False. PNG files have no spacing and are kept in either case.
        layout: ``link``, ``png``, ``miccai`` or ``atlas``; None recognizes it.
        report: filled with findings and counts when given.
        structures: ``("endocardium",)``, or ``("endocardium", "epicardium")`` for ``label_epi`` as well.
        mask_rule: how PNG masks follow from their contours, ``covered`` or ``drawn``; None means ``drawn`` for the 45
            Sunnybrook patients, whose public masks are (:mod:`monai_acdr.transforms.contour.functional`), and
            ``covered`` for others.

    Returns:
        One dict per frame: ``image`` and ``label`` (paths; the label is a PNG mask, or a contour file for
        :func:`~monai_acdr.data.contour_files.read_contour`), ``mask_rule`` (contour files are ``covered``),
        ``reader_shift`` ((x, y) pixels, :data:`READER_SHIFT_PX` for the 45 Sunnybrook patients, otherwise 0), ``name``
        (unique, ``SC-HF-I-01-IM-0001-0059``), ``patient`` (``SC-HF-I-1``), ``group`` (``unassigned`` where no table
        gives one), ``frame`` (int), ``has_spacing`` and, with the structure epicardium and where there is one,
        ``label_epi`` (path of the epicardial contour or mask): readers drew it mostly at end-diastole.
        ``LoadReferenced(["label", "label_epi"])`` reads both.

    Raises:
        FileNotFoundError: when ``dataset_dir`` does not exist.
        ValueError: when no layout is recognized or no frame remains; the message says what was looked for.
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
        raise FileNotFoundError(f"Expected the folder of a data set, but {root} is not one: check `dataset_dir`.")
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
    """Selects the wanted patients, and records those that occurred."""

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
        """Raise a ValueError for names that are not patients at all, most likely misspelled."""
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
        requested = (
            "frames" if selection.groups is None else f"frames of the group {'+'.join(sorted(selection.groups))!r}"
        )
        unassigned = UNASSIGNED in selection.count_by_group()
        hint = (
            "give patients of other data a `group` column in link.csv" if unassigned else "check `group` and `exclude`"
        )
        raise ValueError(
            f"Expected {requested} in {root} (layout {report.layout!r}), but none can be used. Patients by group: "
            f"{selection.count_by_group() or 'none'}. {report.summary()}\nNext step: {hint}, or repair the files above."
        )
