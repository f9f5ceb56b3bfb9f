# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Training and test masses of DDSM: by a split file, or halves of the patients."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from monai_acdr.data.report import QualityReport
from monai_acdr.data.splits import halves_by_patient, read_split

__all__ = ["assign_groups"]


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
    """What a split file may name a mass by: itself, its film, its case, the case's folder, its patient."""
    film = item["name"].rpartition("-")[0]
    case = film.partition(".")[0]
    folder = item["case"].rpartition("/")[2]
    return [item["name"], film, case, case.replace("_", "-"), item["case"], folder, item["patient"]]
