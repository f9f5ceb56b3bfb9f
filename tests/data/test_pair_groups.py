# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Groups by patient."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import given

from monai_acdr.data.report import QualityReport
from monai_acdr.data.splits import (
    assign_groups,
    check_apart,
    fold_split,
    group_name,
    is_split_name,
    items_of_group,
)


def _items(*patients: str, group: str = "") -> list[dict[str, Any]]:
    return [{"name": f"n{index}", "patient": patient, "group": group} for index, patient in enumerate(patients)]


def _groups(*arguments: Any) -> list[str]:
    return [item["group"] for item in assign_groups(*arguments, QualityReport())]


def test_names() -> None:
    assert [group_name(name) for name in (" Train", "VAL", "testing", "online")] == [
        "training",
        "validation",
        "test",
        "online",
    ]
    assert [is_split_name(name) for name in ("Valid", "test", "benign", "")] == [True, True, False, False]


@given(st.integers(2, 40), st.integers(2, 7))
def test_folds_cover_each_patient_once(number: int, folds: int) -> None:
    patients = [f"P{index}" for index in range(number)]
    if folds > number:
        with pytest.raises(ValueError, match="Expected `folds` within 2"):
            fold_split(patients, folds, 0)
        return
    splits = [fold_split(patients, folds, fold).groups for fold in range(folds)]
    assert splits == [fold_split(patients[::-1] * 2, folds, fold).groups for fold in range(folds)]
    tested = [[patient for patient, group in split.items() if group == "test"] for split in splits]
    assert sorted(sum(tested, [])) == sorted(patients)
    assert max(map(len, tested)) - min(map(len, tested)) <= 1


def test_by_number_of_patients() -> None:
    items = _items("b10", "b9", "b9", "b11")
    assert _groups(items, 2, None, None) == ["training", "training", "training", "test"]
    with pytest.raises(ValueError, match=r"`split` within 0 .. 3"):
        _groups(items, 4, None, None)


def test_from_a_file(tmp_path: Path) -> None:
    path = tmp_path / "split.csv"
    path.write_text("patient,group\na,train\nb,test\nz,test\n")
    report = QualityReport()
    kept = assign_groups(_items("a", "b", "c", "a"), path, None, None, report)
    assert [item["group"] for item in kept] == ["training", "test", "training"]
    assert report.kinds() == {"not_in_split": 1, "patient_absent": 1}


def test_from_the_data_set() -> None:
    assert _groups(_items("a", group="val"), None, None, None) == ["validation"]
    mixed = _items("a", group="train") + _items("a", group="test")
    report = QualityReport()
    check_apart(mixed, report, strict=False)
    assert [(f.kind, f.subject, f.text) for f in report.findings] == [("patient_in_two_groups", "a", "test, train")]
    with pytest.raises(ValueError, match=r"Expected each patient in one group, but \['a'\]"):
        check_apart(mixed, report)
    assert _groups(mixed + _items("b"), None, 2, 1)[0] == _groups(mixed + _items("b"), None, 2, 1)[1]


def test_halves() -> None:
    groups = _groups(_items(*"abcdef"), None, None, None)
    assert sorted(groups) == ["test"] * 3 + ["training"] * 3


@pytest.mark.parametrize("arguments", [(None, 5, None), (None, None, 0), (3, 5, 0)])
def test_arguments_that_contradict(arguments: tuple[Any, ...]) -> None:
    with pytest.raises(ValueError, match="Expected `folds` together with `fold`"):
        _groups(_items(*"abcdef"), *arguments)


def test_fold_outside() -> None:
    with pytest.raises(ValueError, match=r"`fold` within 0 .. 1, but got 2"):
        fold_split(["a", "b"], 2, 2)


def test_selection() -> None:
    items = _items("a", group="training")
    assert items_of_group(items, None) == items_of_group(items, "Train") == items
    with pytest.raises(ValueError, match=r"`group` to be one of \['training'\], but got 'online'"):
        items_of_group(items, "online")
