# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Splits of a data set by patient: from a file, a number, folds, or halves, and the groups of a data list."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from monai_acdr.data.files import natural_key
from monai_acdr.data.report import QualityReport
from monai_acdr.data.text_files import csv_rows, file_text

__all__ = [
    "GROUPS",
    "Split",
    "assign_groups",
    "check_apart",
    "fold_split",
    "group_name",
    "group_of_unseen",
    "halves_by_patient",
    "is_split_name",
    "items_of_group",
    "read_split",
]

GROUPS = ("training", "test")
"""Groups of the default split, and of a split file without groups."""


@dataclass(frozen=True)
class Split:
    """Groups of cases.

    Attributes:
        groups: a patient, or the name of an image or mass, to its group.
        rest: group of all other cases; None leaves them out.
    """

    groups: dict[str, str]
    rest: str | None = None

    def group_of(self, keys: Sequence[str]) -> str | None:
        """The group of the first of ``keys`` that is named, otherwise ``rest``."""
        return next((self.groups[key] for key in keys if key in self.groups), self.rest)


def halves_by_patient(patients: Iterable[str]) -> Split:
    """Group of each patient: the sorted patients, permuted by ``default_rng(0)``; the first half is training.

    With an odd number, training has one more.
    """
    ordered = sorted(set(patients))
    order = np.random.default_rng(0).permutation(len(ordered))
    training = {ordered[index] for index in order[: (len(ordered) + 1) // 2]}
    return Split({patient: GROUPS[0] if patient in training else GROUPS[1] for patient in ordered})


def read_split(path: str | Path) -> Split:
    """Read a split file, whose keys are patients or names of images or masses.

    Two forms: a table whose header names ``group`` and one of ``patient``, ``name`` or ``image`` (separated by commas,
    semicolons or tabs); or a text file of one key per line, which are the training cases, everything else being test.
    Empty lines and lines that begin with ``#`` are ignored.

    Raises:
        FileNotFoundError: when there is no such file.
        ValueError: for an empty or too large file, a row without group, or a key in two groups.
    """
    path = Path(path)
    lines = [line.strip() for line in file_text(path, "a split file").splitlines()]
    lines = [line for line in lines if line and not line.startswith("#")]
    if not lines:
        raise ValueError(f"Expected patients in {path}, but the file is empty: write one per line, or patient,group.")
    separator = max(",;\t", key=lines[0].count)
    if separator not in lines[0]:
        return Split(dict.fromkeys(lines, GROUPS[0]), rest=GROUPS[1])
    return _table(path, [row for _, row in csv_rows("\n".join(lines), path)])


def _table(path: Path, rows: Sequence[Sequence[str]]) -> Split:
    header = [cell.strip().lower() for cell in rows[0]]
    keys = [name for name in ("patient", "name", "image") if name in header]
    if "group" not in header or not keys:
        raise ValueError(f"Expected columns patient,group in {path}, but got {header[:12]}: write that header.")
    groups: dict[str, str] = {}
    for row in rows[1:]:
        cells = dict(zip(header, (cell.strip() for cell in row), strict=False))
        key, group = cells.get(keys[0], ""), cells.get("group", "").lower()
        if not key or not group or groups.get(key, group) != group:
            reason = f"is also in {groups[key]}" if key in groups else "is incomplete"
            raise ValueError(
                f"Expected one group for each {keys[0]} in {path}, but row {str(row)[:200]} {reason}: correct it."
            )
        groups[key] = group
    return Split(groups)


Items = list[dict[str, Any]]

_NAMES = {
    **{"train": "training", "tr": "training", "val": "validation", "valid": "validation", "dev": "validation"},
    **{"testing": "test", "ts": "test", "online": "online", "training": "training", "validation": "validation"},
    "test": "test",
}


def group_name(text: str) -> str:
    """A group's usual name: "train" is "training", "val" is "validation"; others stay, in lower case."""
    plain = text.strip().lower()
    return _NAMES.get(plain, plain)


def is_split_name(text: str) -> bool:
    """Whether a name is that of a group of a split, such as "train", "val" or "testing"; "benign" is not."""
    return text.strip().lower() in _NAMES


def fold_split(patients: Sequence[str], folds: int, fold: int) -> Split:
    """Split for cross-validation: fold ``fold`` of ``folds`` is the test group, the rest is training.

    The patients in natural order, permuted by ``default_rng(0)``, are dealt out one by one: every patient is in one
    fold, the folds' sizes differ by one at most, and the same patients always give the same folds.

    Raises:
        ValueError: for fewer than 2 folds, fewer patients than folds, or a fold outside 0 .. folds - 1.
    """
    ordered = sorted(set(patients), key=natural_key)
    if not 2 <= folds <= len(ordered):
        raise ValueError(f"Expected `folds` within 2 .. {len(ordered)}, the number of patients, but got {folds}.")
    if not 0 <= fold < folds:
        raise ValueError(f"Expected `fold` within 0 .. {folds - 1}, but got {fold}.")
    order = np.random.default_rng(0).permutation(len(ordered))
    test = {ordered[index] for index in order[fold::folds]}
    return Split({patient: GROUPS[patient in test] for patient in ordered})


def assign_groups(
    items: Items,
    split: str | Path | int | None,
    folds: int | None,
    fold: int | None,
    report: QualityReport,
) -> Items:
    """Write ``group`` into each item and return those that have one; see also :func:`check_apart`.

    Args:
        items: with ``name``, ``patient`` and, where the data set tells it, ``group``.
        split: file (see :func:`~monai_acdr.data.splits.read_split`), or the number of patients, first in
            natural order, that are the training group.
        folds: see :func:`fold_split`; goes with ``fold`` and without ``split``.
        fold: number of the test fold, from 0.
        report: receives ``not_in_split`` and ``patient_absent``.

    Raises:
        ValueError: when the arguments contradict each other.
    """
    if (folds is None) != (fold is None) or (folds is not None and split is not None):
        raise ValueError(
            f"Expected `folds` together with `fold`, without `split`, but got {folds=}, {fold=}, {split=}: "
            "name the fold that is tested, as in folds=5, fold=0."
        )
    patients = [str(item["patient"]) for item in items]
    if folds is not None and fold is not None:
        chosen: Split | None = fold_split(patients, folds, fold)
    elif isinstance(split, int):
        chosen = _first_patients(patients, split)
    elif split is not None:
        chosen = read_split(split)
        _check_named(chosen, items, report)
    else:
        chosen = None if any(item.get("group") for item in items) else halves_by_patient(patients)
    for item in items:
        found = item.get("group") if chosen is None else chosen.group_of([item["name"], item["patient"]])
        item["group"] = group_name(found or "")
        if not item["group"]:
            report.add("not_in_split", item["name"])
    return [item for item in items if item["group"]]


def items_of_group(items: Items, group: str | None) -> Items:
    """The items of a group; all for None.

    Raises:
        ValueError: when there is no such group.
    """
    chosen = [item for item in items if group is None or item["group"] == group_name(group)]
    if not chosen:
        raise ValueError(f"Expected `group` to be one of {sorted({i['group'] for i in items})}, but got {group!r}.")
    return chosen


def group_of_unseen(items: Items, trained_on: str | Path, group: str | None, report: QualityReport) -> Items:
    """Write ``group`` into each item, "training" if a network was trained on a patient of its name, otherwise "test".

    Args:
        items: with ``image``, ``name`` and ``patient``.
        trained_on: file of patients, one per line.
        group: the group that is wanted; None for all.
        report: for the group "test" it receives ``trained_on`` for each item that is left out, and one note with the
            number of images that are left out, what remains, and the next step.

    Returns:
        The items, for the group "test" without those of "training".

    Raises:
        ValueError: when "test" is wanted, and the network was trained on the names of all patients.
    """
    split, path = read_split(trained_on), Path(trained_on)
    for item in items:
        item["group"] = split.group_of([item["name"], item["patient"]])
    if group is None or group_name(group) != GROUPS[1]:
        return items
    kept = [item for item in items if item["group"] == GROUPS[1]]
    images = {item["image"] for item in items}
    left = images - {item["image"] for item in kept}
    if not left:
        return items
    next_step = (
        "if they are other people, give them other names in a table with the columns image and patient (index.csv); "
        "to measure on all images, known or not, pass --set group=null (config={'group': None})"
    )
    if not kept:
        example = str(items[0]["patient"])
        raise ValueError(
            f"Expected images of patients that the network was not trained on, but the patients of all {len(images)} "
            f"image(s) have the names of patients that it was trained on, such as {example} ({path.name}): {next_step}."
        )
    for item in items:
        if item["group"] == GROUPS[0]:
            report.add("trained_on", item["name"])
    report.note(
        f"{len(left)} of {len(images)} image(s) left out: their patients have the names of patients that the network "
        f"was trained on ({path.name}); {len(kept)} of {len(items)} object(s) are measured; {next_step}"
    )
    return kept


def _first_patients(patients: Sequence[str], number: int) -> Split:
    ordered = sorted(set(patients), key=natural_key)
    if not 0 <= number <= len(ordered):
        raise ValueError(f"Expected `split` within 0 .. {len(ordered)}, the number of patients, but got {number}.")
    return Split(dict.fromkeys(ordered[:number], GROUPS[0]), rest=GROUPS[1])


def _check_named(split: Split, items: Items, report: QualityReport) -> None:
    known = {key for item in items for key in (item["name"], item["patient"])}
    for key in split.groups:
        if key not in known:
            report.add("patient_absent", key, "is in the split file, but has no mask here")


def check_apart(items: Items, report: QualityReport, strict: bool = True) -> None:
    """Check that no patient is in two groups.

    Args:
        items: with ``patient`` and ``group``.
        report: receives ``patient_in_two_groups`` for each such patient.
        strict: raise the error; otherwise it is only recorded in the report.

    Raises:
        ValueError: when a patient is in two groups.
    """
    groups = defaultdict(set)
    for item in items:
        groups[item["patient"]].add(item["group"])
    mixed = sorted((patient for patient, found in groups.items() if len(found) > 1), key=natural_key)
    for patient in mixed:
        report.add("patient_in_two_groups", patient, ", ".join(sorted(groups[patient])))
    if mixed and strict:
        raise ValueError(
            f"Expected each patient in one group, but {mixed[:3]} are in several: results would be too good; move all "
            "files of a patient to one group, or pass `split` or `folds`."
        )
