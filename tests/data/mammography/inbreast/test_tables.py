# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""The table as CSV and as a spreadsheet."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from monai_acdr.data.mammography.inbreast import InbreastRow, read_inbreast_table
from monai_acdr.read_budget import read_budget

HEADER = "Patient ID;Patient age;Laterality;View;Acquisition date;File Name;ACR;Bi-Rads"
SHEET: list[list[Any]] = [
    ["Laterality", "View", "File Name", "ACR", "Bi-Rads", "Mass ", "Lesion Annotation Status"],
    ["R", "CC", 22678622.0, 4.0, 1.0, "", ""],
    ["L", "MLO", 22678646.0, "", "4a", "X", "no annotation"],
    ["", "", "", "", "", "", ""],
    ["TOTALS", "", "", "", "", 116.0, ""],
]


def write(path: Path, *lines: str, encoding: str = "utf-8") -> Path:
    path.write_text("\n".join(lines), encoding=encoding)
    return path


def xlrd_with(sheet: Any) -> ModuleType:
    """A stand-in of xlrd, which is not a requirement of the tests."""

    class Book:
        nrows = len(sheet or ())

        def __enter__(self) -> Book:
            return self

        def __exit__(self, *_: object) -> None: ...

        def sheet_by_index(self, index: int) -> Book:
            return self

        def row_values(self, number: int) -> list[Any]:
            return list(sheet[number])

    def open_workbook(path: str, on_demand: bool) -> Book:
        if sheet is None:
            raise KeyError("damaged")
        return Book()

    module = ModuleType("xlrd")
    module.open_workbook = open_workbook  # type: ignore[attr-defined]
    return module


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
def test_csv(tmp_path: Path, encoding: str) -> None:
    rows = ["removed;removed;R;CC;201001;22678622;4;1", "removed;removed;L;MLO;201001;22678646;     ;4a", ";;;;;;;", ""]
    assert read_inbreast_table(write(tmp_path / "INbreast.csv", HEADER, *rows, encoding=encoding)) == [
        InbreastRow("22678622", "R", "CC", "1", "4"),
        InbreastRow("22678646", "L", "MLO", "4a", None),
    ]


def test_columns_in_any_order_and_commas(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", "BIRADS,file name,extra", "6,12,x", "5")
    assert read_inbreast_table(path) == [InbreastRow("12", birads="6")]


def test_xls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "xlrd", xlrd_with(SHEET))
    assert read_inbreast_table(write(tmp_path / "INbreast.xls", "x")) == [
        InbreastRow("22678622", "R", "CC", "1", "4"),
        InbreastRow("22678646", "L", "MLO", "4a", None),
    ]


def test_xls_names_the_command_that_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "xlrd", None)
    with pytest.raises(ImportError, match=r"INbreast\.xls.*pip install 'xlrd>=2'"):
        read_inbreast_table(write(tmp_path / "INbreast.xls", "x"))


def test_a_damaged_xls_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "xlrd", xlrd_with(None))
    with pytest.raises(ValueError, match=r"INbreast\.xls cannot be read"):
        read_inbreast_table(write(tmp_path / "INbreast.xls", "x"))


def test_other_tables_are_refused(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"no\.csv does not exist"):
        read_inbreast_table(tmp_path / "no.csv")
    for text in ("", "a;b\n1;2"):
        with pytest.raises(ValueError, match=r"columns 'File Name' and 'Bi-Rads' in .*a\.csv"):
            read_inbreast_table(write(tmp_path / "a.csv", text))
    (tmp_path / "b.csv").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ValueError, match=r"b\.csv is not"):
        read_inbreast_table(tmp_path / "b.csv")
    for name in ("a.csv", "a.xls"):
        path = write(tmp_path / name, HEADER, *["x" * 100] * 1000)
        with read_budget(0.05), pytest.raises(ValueError, match=rf"{name} to need at most .* MiB"):
            read_inbreast_table(path)


def test_numbers_of_images_are_bounded(tmp_path: Path) -> None:
    """The archive sorts by them, and Python refuses to make an integer of more than 4300 digits."""
    assert read_inbreast_table(write(tmp_path / "a.csv", HEADER, ";;R;CC;;" + "9" * 5000 + ";4;1")) == []


def test_fixture(shared_data: Path) -> None:
    assert read_inbreast_table(shared_data / "inbreast_fixture" / "INbreast.csv") == [
        InbreastRow("99999901", "R", "CC", "5", "4"),
        InbreastRow("99999902", "L", "MLO", "4a", None),
    ]


def test_a_table_that_is_no_file(tmp_path: Path) -> None:
    (tmp_path / "INbreast.csv").mkdir()
    with pytest.raises(ValueError, match=r"table of INbreast, but .*INbreast\.csv is not a regular file but a folder"):
        read_inbreast_table(tmp_path / "INbreast.csv")
