# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Cases of DDSM on disk: an ``.ics`` file and, beside it, films and outlines that share its name; lists of cases."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from monai_acdr.data.ddsm.files import VIEWS, DDSMName, open_name, parse_name, read_text
from monai_acdr.data.files import natural_key, walk_data_set
from monai_acdr.data.report import QualityReport

__all__ = ["CaseFiles", "find_cases", "read_case_list", "select_cases"]

CASES_HELP = (
    "DDSM does not come with one. For the BCRP subset (malignant spiculated masses, 39 training and 40 test cases) the "
    "list was never part of the archive and its address is gone: take it from somebody who has it, or write your own, "
    "one case folder a line, relative to cancers/, as in cancer_01/case3013"
)

_SUFFIXES = (".ics", ".ljpeg", ".overlay", ".gz")
"""Files of a case."""


@dataclass
class CaseFiles:
    """The files of one case.

    Attributes:
        name: as in ``"A_1509_1"``.
        patient: as in ``"A_1509"``.
        folder: where they lie.
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

    Outlines of other cases that lie in a case's folder are not used and recorded, as is a second copy of a case.

    Raises:
        FileNotFoundError: when ``root`` is no folder.
        ValueError: when there are no ``.ics`` files.
    """
    if not root.is_dir():
        raise FileNotFoundError(f"Expected the folder of DDSM, but {root} is none: check `dataset_dir`.")
    cases: dict[str, CaseFiles] = {}
    for folder, names in walk_data_set(root, _SUFFIXES, report):
        for name in names:
            if not open_name(name).endswith(".ics"):
                continue
            found = parse_name(f"{Path(open_name(name)).stem}.{VIEWS[0]}.LJPEG")
            where = (folder / name).relative_to(root).as_posix()
            if found is None:
                report.add("invalid_case", where, "the name is not as in A-1509-1.ics")
            elif found.case in cases:
                report.add("duplicate_image", where, f"{found.case} is in {cases[found.case].folder} too")
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
    """Read a list of case folders, one a line; empty lines and what follows ``#`` do not count.

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
    """Those of the found cases that a list names; all without a list.

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
            f"of its {len(lines)} is there, first {lines[:1]}: write one folder a line, relative to cancers/, as in "
            "cancer_01/case3013."
        )
    return [case for case in found if case in chosen]


def _is_named(case: CaseFiles, parts: tuple[str, ...]) -> bool:
    folder = tuple(part.lower() for part in case.folder.parts)
    return folder[-len(parts) :] == parts or parts[0].replace("-", "_") == case.name.lower()
