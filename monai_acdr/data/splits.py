# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Training and test patients: from a file, or halves drawn the same way everywhere."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from monai_acdr.data.text_files import csv_rows, file_text

__all__ = ["GROUPS", "Split", "halves_by_patient", "read_split"]

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
    Empty lines and lines that begin with ``#`` do not count.

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
