# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Splits by patient, and groups of data lists."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import given

from monai_acdr.data.report import QualityReport
from monai_acdr.data.splits import (
    Split,
    assign_groups,
    check_apart,
    fold_split,
    group_name,
    group_of_unseen,
    halves_by_patient,
    is_split_name,
    items_of_group,
    read_split,
)
from monai_acdr.read_budget import read_budget


def write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8-sig")
    return path


def test_halves_do_not_depend_on_the_order() -> None:
    patients = [f"p{index}" for index in range(9)]
    split = halves_by_patient(patients)
    assert split == halves_by_patient(patients[::-1] * 2)
    assert sorted(split.groups.values()) == ["test"] * 4 + ["training"] * 5
    # Recorded: a change here changes everybody's results.
    assert [patient for patient in patients if split.groups[patient] == "test"] == ["p0", "p1", "p7", "p8"]


def test_a_text_file_lists_the_training_cases(tmp_path: Path) -> None:
    split = read_split(write(tmp_path / "a.txt", "# ours\n a \n\nb\n"))
    assert split == Split({"a": "training", "b": "training"}, "test")
    assert split.group_of(["x", "a"]) == "training"
    assert split.group_of(["x"]) == "test"


@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_a_table_gives_groups(tmp_path: Path, separator: str) -> None:
    rows = [["extra", "Group", "patient"], ["1", "Test", "a"], ["2", "fold1", "b"], ["2", "fold1", "b"]]
    split = read_split(write(tmp_path / "a.csv", "\n".join(separator.join(row) for row in rows)))
    assert split == Split({"a": "test", "b": "fold1"})
    assert split.group_of(["c"]) is None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is empty"),
        ("# nothing\n", "is empty"),
        ("a,b\n1,2", r"columns patient,group"),
        ("patient,group\na,test\na,training", "is also in test"),
        ("patient,group\na,", "is incomplete"),
    ],
)
def test_other_files_are_refused(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        read_split(write(tmp_path / "a.csv", text))


def test_files_are_bounded(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"no\.csv does not exist"):
        read_split(tmp_path / "no.csv")
    (tmp_path / "b").write_bytes(b"\xff\xfe")
    with pytest.raises(ValueError, match="UTF-8"):
        read_split(tmp_path / "b")
    with read_budget(0.001), pytest.raises(ValueError, match=r"a\.txt to need at most .* MiB"):
        read_split(write(tmp_path / "a.txt", "a" * 2000))
    with pytest.raises(ValueError, match=r"Expected a CSV table, but .*a\.csv is not one at line .*field larger"):
        read_split(write(tmp_path / "a.csv", "patient,group\n" + "x" * 200_000 + ",test"))


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


def test_a_network_saw_some_of_these_patients(tmp_path: Path) -> None:
    path = write(tmp_path / "trained_on.txt", "a\nb\nx\ny\n")
    items = [
        {"image": f"{name}.png", "name": name, "patient": name[0]} for name in ("a1", "a2", "b1", "c1", "c1", "d1")
    ]
    report = QualityReport()
    kept = group_of_unseen(items, path, "test", report)
    assert [item["name"] for item in kept] == ["c1", "c1", "d1"]
    assert report.kinds() == {"trained_on": 3}  # nothing about x and y, which are of the other data set
    (note,) = report.notes
    assert note.startswith("3 of 5 image(s) left out: their patients have the names of patients that the network")
    assert "(trained_on.txt); 3 of 6 object(s) are measured; if they are other people" in note
    for group in (None, "training"):
        report = QualityReport()
        assert group_of_unseen(items, path, group, report) == items
        assert (report.kinds(), report.notes) == ({}, [])
    with pytest.raises(
        ValueError, match=r"of all 3 image\(s\) have the names .* such as a \(trained_on.txt\): if they"
    ):
        group_of_unseen(items[:3], path, "test", QualityReport())


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
