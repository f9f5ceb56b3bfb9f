# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Data list of DDSM's masses, and of its BCRP subset: case folders, lesions with their outlines, groups."""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from monai_acdr.data.files import natural_key, walk_data_set
from monai_acdr.data.mammography.ddsm_files import (
    VIEWS,
    DDSMCase,
    DDSMLesion,
    DDSMName,
    chain_contour,
    chain_gap,
    open_name,
    parse_name,
    read_ics,
    read_overlay,
    read_text,
)
from monai_acdr.data.mammography.ddsm_film import check_ljpeg_header
from monai_acdr.data.report import QualityReport
from monai_acdr.data.splits import halves_by_patient, read_split

__all__ = [
    "BCRP_CASES",
    "BCRP_MASSES",
    "CaseFiles",
    "assign_groups",
    "bcrp_data_list",
    "case_items",
    "ddsm_data_list",
    "find_cases",
    "read_case_list",
    "select_cases",
]

CASES_HELP = (
    "DDSM does not come with one. For the BCRP subset (malignant spiculated masses, 39 training and 40 test cases) the "
    "list was never part of the archive and its address is gone: get a copy from its owner, or write your own, "
    "one case folder per line, relative to cancers/, as in cancer_01/case3013"
)

_SUFFIXES = (".ics", ".ljpeg", ".overlay", ".gz")
"""Files of a case."""


@dataclass
class CaseFiles:
    """The files of one case.

    Attributes:
        name: as in ``"A_1509_1"``.
        patient: as in ``"A_1509"``.
        folder: the folder that holds them.
        ics: the ``.ics`` file.
        films: ``.LJPEG`` files by view.
        overlays: ``.OVERLAY`` files by view.
    """

    name: str
    patient: str
    folder: Path
    ics: Path
    films: dict[str, Path] = field(default_factory=dict)
    overlays: dict[str, Path] = field(default_factory=dict)


def find_cases(root: Path, report: QualityReport) -> list[CaseFiles]:
    """All cases below a folder, in natural order of their folders; each case once.

    Outlines of other cases in a case's folder, and second copies of a case, are not used; they are recorded.

    Raises:
        FileNotFoundError: when ``root`` is not a folder.
        ValueError: when there are no ``.ics`` files.
    """
    if not root.is_dir():
        raise FileNotFoundError(f"Expected the folder of DDSM, but {root} is not one: check `dataset_dir`.")
    cases: dict[str, CaseFiles] = {}
    for folder, names in walk_data_set(root, _SUFFIXES, report):
        for name in names:
            if not open_name(name).endswith(".ics"):
                continue
            found = parse_name(f"{Path(open_name(name)).stem}.{VIEWS[0]}.LJPEG")
            location = (folder / name).relative_to(root).as_posix()
            if found is None:
                report.add("invalid_case", location, "the name is not as in A-1509-1.ics")
            elif found.case in cases:
                report.add("duplicate_image", location, f"{found.case} is in {cases[found.case].folder} too")
            else:
                cases[found.case] = CaseFiles(found.case, found.patient, folder, folder / name)
        _join(root, folder, names, cases, report)
    if not cases:
        raise ValueError(
            f"Expected the .ics files of DDSM's cases in {root} or below, as in cancer_01/case3013/B-3013-1.ics, but "
            f"found none (left out: {report.kinds() or 'nothing'}): check `dataset_dir`."
        )
    return sorted(cases.values(), key=lambda case: (natural_key(case.folder.as_posix()), natural_key(case.name)))


def _join(root: Path, folder: Path, names: Sequence[str], cases: dict[str, CaseFiles], report: QualityReport) -> None:
    """Give the files of a folder to the cases that they belong to by name."""
    for name in names:
        parsed = parse_name(name)
        if parsed is None:
            if open_name(name).endswith(".overlay"):
                report.add("stray_outline", _relative(root, folder / name), "the name is not as in DDSM")
            continue
        case = cases.get(parsed.case)
        if case is None or case.folder != folder:
            kind = "stray_outline" if parsed.kind == "OVERLAY" else "film_without_case"
            report.add(kind, _relative(root, folder / name))
            continue
        _files_of(case, parsed).setdefault(parsed.view, folder / name)


def _files_of(case: CaseFiles, name: DDSMName) -> dict[str, Path]:
    return case.overlays if name.kind == "OVERLAY" else case.films


def _relative(root: Path, path: Path) -> str:
    return path.relative_to(root).as_posix()


def read_case_list(path: str | Path) -> list[str]:
    """Read a list of case folders, one per line; empty lines and text after ``#`` are ignored.

    Raises:
        FileNotFoundError: when there is no such file, with what to do about it.
        ValueError: when it names no case.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"Expected a list of DDSM cases, but {path} does not exist. {CASES_HELP}.")
    lines = [line.partition("#")[0].strip() for line in read_text(path, "a list of cases").splitlines()]
    if not any(lines):
        raise ValueError(f"Expected case folders in {path}, but it names none. {CASES_HELP}.")
    return [line for line in lines if line]


def select_cases(
    found: Sequence[CaseFiles], cases: str | Path | Sequence[str] | None, report: QualityReport
) -> list[CaseFiles]:
    """The cases that a list names; all cases without a list.

    A line names a case by the last parts of its folder's path (``cancer_01/case3013``, ``case3013``) or by its name
    (``B_3013_1``, ``B-3013-1``). Nothing is opened by a line's path. Listed cases that are absent are recorded.

    Raises:
        FileNotFoundError, ValueError: when the list cannot be read, or none of its cases is there.
    """
    if cases is None:
        return list(found)
    lines = read_case_list(cases) if isinstance(cases, (str, Path)) else list(cases)
    chosen: list[CaseFiles] = []
    for line in dict.fromkeys(lines):
        parts = tuple(part for part in line.replace("\\", "/").lower().split("/") if part not in ("", "."))
        matches = [case for case in found if parts and _is_named(case, parts)]
        if not matches:
            report.add("case_absent", line)
        chosen += [case for case in matches if case not in chosen]
    if not chosen:
        raise ValueError(
            f"Expected the cases of {cases if isinstance(cases, (str, Path)) else '`cases`'} in the data set, but none "
            f"of its {len(lines)} is there, first {lines[:1]}: write one folder per line, relative to cancers/, as in "
            "cancer_01/case3013."
        )
    return [case for case in found if case in chosen]


def _is_named(case: CaseFiles, parts: tuple[str, ...]) -> bool:
    folder = tuple(part.lower() for part in case.folder.parts)
    return folder[-len(parts) :] == parts or parts[0].replace("-", "_") == case.name.lower()


def assign_groups(
    items: Sequence[dict[str, Any]], path: str | Path | None, report: QualityReport
) -> list[dict[str, Any]]:
    """Write ``group`` into each item and take ``case`` out; items that the split does not name are left out.

    Args:
        items: with ``name``, ``patient`` and ``case`` (the case's folder, ``cancer_01/case3013``).
        path: see :func:`~monai_acdr.data.splits.read_split`; None draws halves of the patients.
        report: gets what was left out, and keys of the split that are absent.

    Raises:
        FileNotFoundError, ValueError: when the split cannot be read, puts a patient into two groups, or names nothing.
    """
    split = halves_by_patient(item["patient"] for item in items) if path is None else read_split(path)
    kept, groups, known = [], defaultdict[str, set[str]](set), set()
    for item in items:
        keys = _keys(item)
        known.update(keys)
        found = split.group_of(keys)
        if found is None:
            report.add("not_in_split", item["name"])
            continue
        groups[item["patient"]].add(found)
        kept.append({key: value for key, value in item.items() if key != "case"} | {"group": found})
    mixed = sorted(patient for patient, found_groups in groups.items() if len(found_groups) > 1)
    if mixed:
        raise ValueError(
            f"Expected each patient in one group, but {path} puts {mixed[:3]} into several: results would be too good; "
            "move all cases of a patient to one group."
        )
    for key in split.groups:
        if key not in known:
            report.add("patient_absent", key, "is in the split file, but has no mass here")
    if not kept:
        raise ValueError(
            f"Expected {path} to name patients (B_3013) or case folders (cancer_01/case3013) of the data set, but it "
            "names none of them."
        )
    return kept


def _keys(item: Mapping[str, Any]) -> list[str]:
    """Names by which a split file may refer to a mass: itself, its film, its case, the case's folder, its patient."""
    film = item["name"].rpartition("-")[0]
    case = film.partition(".")[0]
    folder = item["case"].rpartition("/")[2]
    return [item["name"], film, case, case.replace("_", "-"), item["case"], folder, item["patient"]]


def case_items(
    root: Path, files: CaseFiles, lesion_types: Sequence[str], report: QualityReport
) -> Iterator[dict[str, Any]]:
    """Data items of a case's lesions; see :func:`~monai_acdr.data.mammography.ddsm.ddsm_data_list`.

    Args:
        root: folder of the data set, to which findings are relative.
        files: of the case.
        lesion_types: LESION_TYPE values of which a lesion needs one.
        report: gets what is left out.

    Yields:
        Items without ``group``, but with ``case``, the case's folder as in ``cancer_01/case3013``.
    """
    location = files.ics.relative_to(root).as_posix()
    try:
        case = read_ics(files.ics)
    except (OSError, ValueError) as error:
        report.add("invalid_case", location, str(error))
        return
    for view, film in case.films.items():
        if film.has_overlay and view not in files.overlays:
            report.add("outline_absent", location, view)
    for view, path in sorted(files.overlays.items()):
        subject = path.relative_to(root).as_posix()
        if view not in case.films:
            report.add("invalid_case", location, f"has no size of {view}, so that its masses cannot be used")
        elif view not in files.films:
            report.add("annotation_without_image", subject, f"no {files.name}.{view}.LJPEG")
        else:
            lesions = _lesions(path, subject, report)
            if _is_film(root, files.films[view], report):
                yield from _film_items(files, case, view, lesions, lesion_types, report)


def _is_film(root: Path, path: Path, report: QualityReport) -> bool:
    try:
        check_ljpeg_header(path)
    except (OSError, ValueError) as error:
        report.add("invalid_image", path.relative_to(root).as_posix(), str(error))
        return False
    return True


def _lesions(path: Path, subject: str, report: QualityReport) -> list[DDSMLesion]:
    try:
        lesions, total = read_overlay(path)
    except (OSError, ValueError) as error:
        report.add("invalid_annotation", subject, str(error))
        return []
    if total is not None and total != len(lesions):
        report.add("overlay_count", subject, f"says {total}, has {len(lesions)}")
    return lesions


def _film_items(
    files: CaseFiles,
    case: DDSMCase,
    view: str,
    lesions: Sequence[DDSMLesion],
    lesion_types: Sequence[str],
    report: QualityReport,
) -> Iterator[dict[str, Any]]:
    side, projection = view.split("_")
    spacing = case.spacing(view)
    names: set[str] = set()
    for lesion in lesions:
        name = f"{files.name}.{view}-mass{lesion.number}"
        kind = next((kind for kind in lesion_types if lesion.is_a(kind)), None)
        if kind is None:
            report.add("other_lesion", name, " ".join(entry["LESION_TYPE"] for entry in lesion.types))
            continue
        if name in names:
            report.add("invalid_annotation", name, f"{lesion.location} occurs twice; the first one was used")
            continue
        names.add(name)
        contour = _contour(lesion, name, case.films[view].size, report)
        if contour is None:
            continue
        item: dict[str, Any] = {"image": str(files.films[view]), "contour": contour, "name": name}
        item |= {"patient": files.patient, "case": "/".join(files.folder.parts[-2:])}
        item |= {"laterality": side[0], "view": projection, "birads": lesion.assessment or None}
        item |= {"pathology": lesion.pathology or None, "subtlety": lesion.subtlety or None}
        item |= {key: lesion.attribute(key.upper(), kind) or None for key in ("shape", "margins")}
        item["has_spacing"] = spacing is not None
        if spacing is None:
            report.add("resolution_unknown", name)
        else:
            item["spacing"] = spacing
        yield item


def _contour(lesion: DDSMLesion, name: str, size: tuple[int, int], report: QualityReport) -> np.ndarray | None:
    """Vertices within the image; None, with a finding, when there is no usable outline."""
    try:
        walk = lesion.walk()
        outside = int(np.any((walk < 0) | (walk >= (size[1], size[0])), axis=1).sum())
        if outside == len(walk):
            report.add("contour_outside", name, f"the image has {size[0]} x {size[1]} (H x W)")
            return None
        contour = chain_contour(walk, size)
    except ValueError as error:
        report.add("invalid_annotation", name, str(error))
        return None
    if len(np.unique(walk, axis=0)) < 3:
        report.add("too_few_points", name, f"{len(walk)} pixels")
        return None
    if outside:
        report.add("contour_clipped", name, f"{outside} of {len(walk)} pixels were outside")
    if chain_gap(walk):
        report.add("outline_open", name, f"{chain_gap(walk)} pixels were added")
    return contour


BCRP_CASES = 79
"""Cases of the published BCRP table: 39 training, 40 test."""

BCRP_MASSES = 174
"""Masses of all BCRP cases; the literature disagrees about their split (78 and 88, 87 and 87)."""

_REMARKS = ("contour_clipped", "outline_open", "overlay_count", "resolution_unknown", "subset_size")
"""Findings about masses that were kept."""

_logger = logging.getLogger(__name__)


def ddsm_data_list(
    dataset_dir: str | Path,
    group: str | None = None,
    cases: str | Path | Sequence[str] | None = None,
    split: str | Path | None = None,
    report: QualityReport | None = None,
    lesion_types: Sequence[str] = ("MASS",),
) -> list[dict[str, Any]]:
    """List the masses of DDSM, in natural order of the cases' folders, then by film and lesion.

    Cases are found by their ``.ics`` files anywhere below ``dataset_dir``; films and outlines are joined to them by
    name. BOUNDARY outlines count, CORE outlines do not.

    Args:
        dataset_dir: folder of the archive, or any part of it.
        group: "training" or "test", or a group of the split file; None for all.
        cases: text file of case folders, one per line, relative to ``cancers/``, or the lines themselves; None for all.
        split: split file whose keys are patients (``B_3013``), cases (``B_3013_1``) or case folders
            (``cancer_01/case3013``); None draws halves of the patients that are listed, the same ones everywhere.
        report: filled with what was left out, and why, and with counts.
        lesion_types: LESION_TYPE values of which a lesion needs one; a lesion may be MASS and CALCIFICATION.

    Returns:
        One dict per mass: ``image`` (path), ``contour`` ((N, 2) float64 vertices (x, y) in pixels of the file, pixel
        (c, r) covering [c, c + 1) x [r, r + 1), not closed, within the image; half coverage by it is exactly DDSM's
        mask), ``name`` (``A_1509_1.RIGHT_CC-mass1``, with the lesion's number), ``patient``, ``group``, ``laterality``,
        ``view``, ``birads``, ``pathology``, ``subtlety``, ``shape``, ``margins`` (None where the file says nothing),
        ``has_spacing`` and, where known, ``spacing`` ((row, column) in mm).

    Raises:
        FileNotFoundError: when the folder, or the file of cases or of the split, is absent.
        ValueError: when no mass is found, a patient would be in two groups, or ``group`` does not occur.
    """
    root = Path(dataset_dir)
    report = QualityReport() if report is None else report
    chosen = select_cases(find_cases(root, report), cases, report)
    items = [item for case in chosen for item in case_items(root, case, lesion_types, report)]
    return _finish(root, chosen, items, group, split, report)


def bcrp_data_list(
    dataset_dir: str | Path,
    group: str | None = None,
    cases: str | Path | Sequence[str] | None = None,
    split: str | Path | None = None,
    report: QualityReport | None = None,
) -> list[dict[str, Any]]:
    """List the malignant spiculated masses of the BCRP cases. See :func:`ddsm_data_list`.

    Numbers of cases and masses other than the published ones are recorded as ``subset_size``, no more.

    Raises:
        ValueError: when there is no list of cases, and as :func:`ddsm_data_list`.
    """
    if cases is None:
        raise ValueError(f"Expected `cases`, the list of BCRP's cases, but got None. {CASES_HELP}.")
    root = Path(dataset_dir)
    report = QualityReport() if report is None else report
    chosen = select_cases(find_cases(root, report), cases, report)
    items = []
    for item in (item for case in chosen for item in case_items(root, case, ("MASS",), report)):
        if item["pathology"] == "MALIGNANT" and "SPICULATED" in (item["margins"] or "").split("-"):
            items.append(item)
        else:
            report.add("not_in_subset", item["name"], f"{item['pathology']}, {item['margins']}")
    if (len(chosen), len(items)) != (BCRP_CASES, BCRP_MASSES):
        report.add(
            "subset_size",
            "BCRP",
            f"{len(chosen)} cases and {len(items)} masses, published are {BCRP_CASES} and {BCRP_MASSES}",
        )
    report.layout = "bcrp"
    return _finish(root, chosen, items, group, split, report)


def _finish(
    root: Path,
    cases: Sequence[CaseFiles],
    items: list[dict[str, Any]],
    group: str | None,
    split: str | Path | None,
    report: QualityReport,
) -> list[dict[str, Any]]:
    """Groups, counts, one line in the log."""
    skipped = {kind: number for kind, number in report.kinds().items() if kind not in _REMARKS}
    if not items:
        reason = next((f" First: {finding.subject}: {finding.text}" for finding in report.findings), "")
        raise ValueError(
            f"Expected masses in the .OVERLAY files of {len(cases)} cases in {root}, but found none (left out: "
            f"{skipped or 'nothing'}): copy .ics, .LJPEG and .OVERLAY files of the cases with masses.{reason}"
        )
    items = assign_groups(items, split, report)
    report.layout = report.layout or "ddsm"
    report.counts |= {
        "cases": len(cases),
        "patients": len({item["patient"] for item in items}),
        "mass_images": len({item["image"] for item in items}),
        "masses": len(items),
    }
    report.log(_logger, root, _REMARKS)
    chosen = [item for item in items if group in (None, item["group"])]
    if not chosen:
        raise ValueError(f"Expected `group` to be one of {sorted({i['group'] for i in items})}, but got {group!r}.")
    return chosen
