# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Groups of DDSM's masses."""

from __future__ import annotations

from pathlib import Path

import pytest

from monai_acdr.data.mammography.ddsm import assign_groups
from monai_acdr.data.report import QualityReport


def item(case: str) -> dict[str, str]:
    patient = case.rpartition("_")[0]
    return {"name": f"{case}.LEFT_CC-mass1", "patient": patient, "case": f"cancer_01/case{patient[2:]}"}


def test_table(tmp_path: Path) -> None:
    path = tmp_path / "split.csv"
    path.write_text("patient,group\nA_1,training\nA_2,validation\n")
    report = QualityReport()
    items = assign_groups([item("A_1_1"), item("A_2_1"), item("A_3_1")], path, report)
    assert [(entry["patient"], entry["group"]) for entry in items] == [("A_1", "training"), ("A_2", "validation")]
    assert all("case" not in entry for entry in items)
    assert [finding.subject for finding in report.of("not_in_split")] == ["A_3_1.LEFT_CC-mass1"]


def test_two_examinations_of_a_patient_stay_together(tmp_path: Path) -> None:
    items = [item("A_1_1"), item("A_1_2"), item("A_2_1")]
    groups = {entry["name"][:5]: entry["group"] for entry in assign_groups(items, None, QualityReport())}
    assert groups["A_1_1"] == groups["A_1_2"] != groups["A_2_1"]
    path = tmp_path / "split.txt"
    path.write_text("A_1_1\n")
    with pytest.raises(ValueError, match=r"Expected each patient in one group, but .*split.txt puts \['A_1'\]"):
        assign_groups(items, path, QualityReport())


def test_a_split_of_something_else(tmp_path: Path) -> None:
    path = tmp_path / "split.csv"
    path.write_text("patient,group\nX,training\n")
    with pytest.raises(ValueError, match=r"to name patients \(B_3013\) or case folders .*names none of them"):
        assign_groups([item("A_1_1")], path, QualityReport())
