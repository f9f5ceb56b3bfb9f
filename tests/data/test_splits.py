# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Split files and the default halves."""

from __future__ import annotations

from pathlib import Path

import pytest

from monai_acdr.data.splits import Split, halves_by_patient, read_split
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
