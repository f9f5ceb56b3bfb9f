# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Data list of DDSM's masses, and of its BCRP subset."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from monai_acdr.data.ddsm.cases import CASES_HELP, CaseFiles, find_cases, select_cases
from monai_acdr.data.ddsm.items import case_items
from monai_acdr.data.ddsm.split import assign_groups
from monai_acdr.data.report import QualityReport

__all__ = ["BCRP_CASES", "BCRP_MASSES", "bcrp_data_list", "ddsm_data_list"]

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
        cases: text file of case folders, one a line, relative to ``cancers/``, or the lines themselves; None for all.
        split: split file whose keys are patients (``B_3013``), cases (``B_3013_1``) or case folders
            (``cancer_01/case3013``); None draws halves of the patients that are listed, the same ones everywhere.
        report: filled with what was left out, and why, and with counts.
        lesion_types: LESION_TYPE values of which a lesion needs one; a lesion may be MASS and CALCIFICATION.

    Returns:
        One dict a mass: ``image`` (path), ``contour`` ((N, 2) float64 vertices (x, y) in pixels of the file, pixel
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
        reason = next((f" First: {finding.subject}: {finding.detail}" for finding in report.findings), "")
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
