# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""The 45 patients of Sunnybrook Cardiac Data: two names, official group, series number, and tables of patients.

Facts of the MICCAI 2009 LV segmentation challenge (Radau et al., MIDAS Journal 2009, hdl 10380/3070) and of the Cardiac
Atlas Project's re-release. The three groups have 260, 266 and 279 frames with an endocardial contour.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from monai_acdr.data.text_files import read_csv_rows

__all__ = [
    "CASES",
    "GROUPS",
    "LinkedPatient",
    "SunnybrookCase",
    "UNASSIGNED",
    "contour_folder",
    "find_case",
    "folder_name",
    "parse_group",
    "patient_name",
    "read_link_table",
]

GROUPS = ("training", "validation", "online")
"""Names of the official groups; the challenge's test set is called online."""

UNASSIGNED = "unassigned"
"""Group of a patient who is in no official group and to whom no table gives one."""

_ALIASES = {"train": "training", "val": "validation", "test": "online", "testing": "online"}


class SunnybrookCase(NamedTuple):
    """One patient.

    Attributes:
        patient: name of the challenge, last number not padded, ``SC-HF-I-1``.
        atlas_id: name of the Cardiac Atlas Project, ``SCD0000101``.
        group: ``training``, ``validation`` or ``online``.
        series: number in the challenge's DICOM names ``IM-<series>-<frame>.dcm``; None where tables disagree.
    """

    patient: str
    atlas_id: str
    group: str
    series: str | None


_TABLE = """
SC-HF-I-1 SCD0000101 training 0004
SC-HF-I-2 SCD0000201 training 0106
SC-HF-I-4 SCD0000301 training 0116
SC-HF-I-5 SCD0000401 validation 0156
SC-HF-I-6 SCD0000501 validation 0180
SC-HF-I-7 SCD0000601 validation 0209
SC-HF-I-8 SCD0000701 validation 0226
SC-HF-I-9 SCD0000801 online 0241
SC-HF-I-10 SCD0000901 online 0024
SC-HF-I-11 SCD0001001 online 0043
SC-HF-I-12 SCD0001101 online 0062
SC-HF-I-40 SCD0001201 training 0134
SC-HF-NI-3 SCD0001301 training 0379
SC-HF-NI-4 SCD0001401 training 0501
SC-HF-NI-7 SCD0001501 validation 0523
SC-HF-NI-11 SCD0001601 validation 0270
SC-HF-NI-12 SCD0001701 online 0286
SC-HF-NI-13 SCD0001801 online 0304
SC-HF-NI-14 SCD0001901 online 0331
SC-HF-NI-15 SCD0002001 online 0359
SC-HF-NI-31 SCD0002101 validation 0401
SC-HF-NI-33 SCD0002201 validation 0424
SC-HF-NI-34 SCD0002301 training 0446
SC-HF-NI-36 SCD0002401 training 0474
SC-HYP-1 SCD0002501 training 0550
SC-HYP-3 SCD0002601 training 0650
SC-HYP-6 SCD0002701 validation 0767
SC-HYP-7 SCD0002801 validation 0007
SC-HYP-8 SCD0002901 validation 0796
SC-HYP-9 SCD0003001 online 0003
SC-HYP-10 SCD0003101 online 0579
SC-HYP-11 SCD0003201 online 0601
SC-HYP-12 SCD0003301 online 0629
SC-HYP-37 SCD0003401 validation 0702
SC-HYP-38 SCD0003501 training 0734
SC-HYP-40 SCD0003601 training 0755
SC-N-2 SCD0003701 training 0898
SC-N-3 SCD0003801 training 0915
SC-N-5 SCD0003901 validation 0963
SC-N-6 SCD0004001 validation -
SC-N-7 SCD0004101 validation 1009
SC-N-9 SCD0004201 online 1031
SC-N-10 SCD0004301 online 0851
SC-N-11 SCD0004401 online 0878
SC-N-40 SCD0004501 training 0944
"""

CASES: tuple[SunnybrookCase, ...] = tuple(
    SunnybrookCase(patient, atlas_id, group, None if series == "-" else series)
    for patient, atlas_id, group, series in (line.split() for line in _TABLE.strip().splitlines())
)
"""All patients. Published tables disagree on the series of SC-N-6 (0984 or 0981)."""

_BY_NAME = {name: case for case in CASES for name in (case.patient, case.atlas_id)}
_PATIENT = re.compile(r"SC-(HF-I|HF-NI|HYP|N)-0*(\d{1,4})", re.IGNORECASE)


def patient_name(name: str) -> str:
    """The spelling of a patient's name in data lists: ``SC-HF-I-01`` and ``SC-HF-I-1`` both give ``SC-HF-I-1``.

    Other names are returned unchanged.
    """
    match = _PATIENT.fullmatch(name)
    return f"SC-{match[1].upper()}-{int(match[2])}" if match else name


def contour_folder(patient: str) -> str:
    """Name of the patient's contour folder and the stem of frame names, last number padded to two digits."""
    match = _PATIENT.fullmatch(patient)
    return f"SC-{match[1].upper()}-{int(match[2]):02d}" if match else patient


def find_case(name: str) -> SunnybrookCase | None:
    """Look a patient up by either name, padded or not; None when the patient is not one of the 45."""
    return _BY_NAME.get(patient_name(name))


def parse_group(name: str) -> str:
    """The official name of a group; ``train``, ``val`` and ``test`` are accepted, in any case.

    Raises:
        ValueError: when the name means no group.
    """
    key = name.strip().lower()
    group = _ALIASES.get(key, key)
    if group not in GROUPS:
        raise ValueError(f"Expected a group of {GROUPS} (or 'train', 'val', 'test'), but got {name!r}.")
    return group


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
        ValueError: for another kind of file, missing columns, an unknown group, or a name that is not a plain folder
            name.
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


def folder_name(name: str, location: str) -> str:
    """Check that a name from a table is one plain folder name, so that no table leads out of the data set; return it.

    Raises:
        ValueError: for an empty name, ``.``, ``..``, separators, drive letters and control characters.
    """
    if not name or name in (".", "..") or any(c in '/\\:*?"<>|' or ord(c) < 32 for c in name):
        raise ValueError(f"Expected the plain name of a folder, but got {name!r} in {location}: correct that row.")
    return name


def _parse_row(cells: dict[str, str], location: str) -> LinkedPatient:
    patient_id = folder_name(cells.get("patientid", ""), location)
    original_id = folder_name(cells.get("originalid", ""), location)
    group = cells.get("group", "")
    if group:
        try:
            return LinkedPatient(patient_id, original_id, parse_group(group))
        except ValueError as error:
            raise ValueError(f"{error} It stands in {location}: correct it or leave it empty.") from error
    case = find_case(original_id)
    return LinkedPatient(patient_id, original_id, case.group if case else UNASSIGNED)
