# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import csv
from collections import Counter
from pathlib import Path

import pytest

from monai_acdr.data.sunnybrook.cases import CASES, contour_folder, find_case, parse_group, patient_name


def test_official_groups() -> None:
    assert Counter(case.group for case in CASES) == {"training": 15, "validation": 15, "online": 15}
    assert len({case.patient for case in CASES}) == len({case.atlas_id for case in CASES}) == 45
    ranges = {"validation": (5, 6, 7, 8), "online": (9, 10, 11, 12)}
    for group, numbers in ranges.items():
        assert {case.patient for case in CASES if case.group == group and "HF-I-" in case.patient} == {
            f"SC-HF-I-{number}" for number in numbers
        }


@pytest.mark.real_data
def test_table_against_the_published_one(shared_data: Path) -> None:
    with open(shared_data / "sunnybrook_cases.csv", encoding="utf-8-sig") as stream:
        rows = list(csv.DictReader(stream))
    assert len(rows) == len(CASES)
    for row in rows:
        case = find_case(row["cap_patient_id"])
        assert case is not None
        assert (case.patient, case.group) == (row["original_id"], row["group"].lower())
        assert contour_folder(case.patient) == row["contour_folder"]
        assert case.series in (row["challenge_series"], None)
    assert [case.patient for case in CASES if case.series is None] == ["SC-N-6"]


@pytest.mark.parametrize(
    ("name", "patient", "folder"),
    [
        ("SC-HF-I-01", "SC-HF-I-1", "SC-HF-I-01"),
        ("SC-HF-I-1", "SC-HF-I-1", "SC-HF-I-01"),
        ("sc-hf-ni-040", "SC-HF-NI-40", "SC-HF-NI-40"),
        ("SC-N-06", "SC-N-6", "SC-N-06"),
        ("phantom-007", "phantom-007", "phantom-007"),
        ("SC-X-01", "SC-X-01", "SC-X-01"),
    ],
)
def test_spellings(name: str, patient: str, folder: str) -> None:
    assert patient_name(name) == patient
    assert contour_folder(name) == folder


def test_groups_have_aliases() -> None:
    assert [parse_group(name) for name in ("Test", "val", " TRAIN ", "online")] == [
        "online",
        "validation",
        "training",
        "online",
    ]
    with pytest.raises(ValueError, match="Expected a group of .* but got 'dev'"):
        parse_group("dev")
    assert find_case("SC-N-99") is None
