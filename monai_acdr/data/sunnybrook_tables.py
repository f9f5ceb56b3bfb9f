# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Tables that name patients: ``link.csv`` and the Cardiac Atlas Project's ``scd_patientdata.csv``."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from monai_acdr.data.sunnybrook_cases import UNASSIGNED, find_case, parse_group
from monai_acdr.data.text_files import read_csv_rows

__all__ = ["LinkedPatient", "folder_name", "read_link_table"]


@dataclass(frozen=True)
class LinkedPatient:
    """One row: the folder of the images, the folder of the contours, the group."""

    patient_id: str
    original_id: str
    group: str


def read_link_table(path: Path) -> list[LinkedPatient]:
    """Read a table with the columns ``patient_id`` (or ``PatientID``), ``original_id`` (or ``OriginalID``).

    A third column ``group`` is optional; where it is filled it wins over the official group. Other columns are ignored,
    columns may come in any order, a byte order mark and ``;`` as separator are accepted.

    Raises:
        ValueError: for another kind of file, missing columns, an unknown group, or a name that is no plain folder name.
    """
    rows = read_csv_rows(path)
    if not rows:
        raise ValueError(
            f"Expected columns patient_id,original_id in {path}, but the file is empty: write that header."
        )
    header = [name.strip().lower().replace("_", "") for name in rows[0][1]]
    missing = [name for name in ("patient_id", "original_id") if name.replace("_", "") not in header]
    if missing:
        raise ValueError(f"Expected columns patient_id,original_id in {path}, but {missing} missing in {rows[0][1]}.")
    patients = []
    for number, row in rows[1:]:
        cells = dict(zip(header, (cell.strip() for cell in row), strict=False))
        patients.append(_parse_row(cells, f"{path}, line {number}"))
    return patients


def folder_name(name: str, where: str) -> str:
    """Pass a name from a table that is one plain folder name, so that no table leads out of the data set.

    Raises:
        ValueError: for an empty name, ``.``, ``..``, separators, drive letters and control characters.
    """
    if not name or name in (".", "..") or any(c in '/\\:*?"<>|' or ord(c) < 32 for c in name):
        raise ValueError(f"Expected the plain name of a folder, but got {name!r} in {where}: correct that row.")
    return name


def _parse_row(cells: dict[str, str], where: str) -> LinkedPatient:
    patient_id = folder_name(cells.get("patientid", ""), where)
    original_id = folder_name(cells.get("originalid", ""), where)
    group = cells.get("group", "")
    if group:
        try:
            return LinkedPatient(patient_id, original_id, parse_group(group))
        except ValueError as error:
            raise ValueError(f"{error} It stands in {where}: correct it or leave it empty.") from error
    case = find_case(original_id)
    return LinkedPatient(patient_id, original_id, case.group if case else UNASSIGNED)
