# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

from pathlib import Path

import pytest

from monai_acdr.data.sunnybrook.cases import LinkedPatient, read_link_table
from monai_acdr.read_budget import read_budget


def _table(folder: Path, text: str | bytes) -> Path:
    path = folder / "link.csv"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def test_official_group_unless_the_table_says_otherwise(tmp_path: Path) -> None:
    text = "patient_id,original_id,group\nA,SC-HF-I-05,\nB,SC-HF-I-1,test\nC,phantom,\nD,phantom-2,Validation\n\n,,\n"
    assert read_link_table(_table(tmp_path, text)) == [
        LinkedPatient("A", "SC-HF-I-05", "validation"),
        LinkedPatient("B", "SC-HF-I-1", "online"),
        LinkedPatient("C", "phantom", "unassigned"),
        LinkedPatient("D", "phantom-2", "validation"),
    ]


@pytest.mark.parametrize(
    "text",
    [
        b"\xef\xbb\xbfpatient_id,original_id\r\nSCD1,SC-N-2\r\n",
        b"PatientID,OriginalID,Gender,Age,Pathology\nSCD1,SC-N-2,Male,61,Normal\n",
        b"patient_id;original_id\nSCD1;SC-N-2\n",
        b'original_id,patient_id\n"SC-N-2"," SCD1 "\n',
    ],
)
def test_spellings_of_a_table(tmp_path: Path, text: bytes) -> None:
    assert read_link_table(_table(tmp_path, text)) == [LinkedPatient("SCD1", "SC-N-2", "training")]


@pytest.mark.parametrize("name", ["../x", "..", ".", "a/b", "a\\b", "C:", "", "a\tb", "/etc"])
def test_names_cannot_leave_the_data_set(tmp_path: Path, name: str) -> None:
    for row in (f"{name},SC-N-2", f"SCD1,{name}"):
        with pytest.raises(ValueError, match=r"plain name of a folder, but got .* in .*link.csv, line 2"):
            read_link_table(_table(tmp_path, f"patient_id,original_id\n{row}\n"))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is empty: write that header"),
        ("id,original_id\n1,2\n", r"\['patient_id'\] missing in \['id', 'original_id'\]"),
        ("patient_id,original_id,group\nA,B,dev\n", r"but got 'dev'. It stands in .*line 2"),
        (b"\xff\xfe\x00", "Expected a CSV table in UTF-8"),
    ],
)
def test_unusable_tables(tmp_path: Path, text: str | bytes, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        read_link_table(_table(tmp_path, text))


def test_large_tables_are_refused(tmp_path: Path) -> None:
    with read_budget(0.01), pytest.raises(ValueError, match=r"link\.csv to need at most .* MiB of memory"):
        read_link_table(_table(tmp_path, "patient_id,original_id\n" * 1000))
