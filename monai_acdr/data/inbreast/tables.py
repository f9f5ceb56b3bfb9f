# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""The table of INbreast: ``INbreast.csv``, separated by ``;``, or the first sheet of ``INbreast.xls``."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from monai.utils import optional_import

from monai_acdr.data.files import check_regular_file
from monai_acdr.data.text_files import read_csv_rows
from monai_acdr.read_budget import check_bytes

__all__ = ["InbreastRow", "read_inbreast_table"]

MAX_NUMBER_DIGITS = 18
"""Of an image; longer ones are no numbers of INbreast, which have eight."""

_XLS_TIMES = 32
"""How many times as large as its file a spreadsheet is in memory: a cell of 10 bytes is an object of Python."""


@dataclass(frozen=True)
class InbreastRow:
    """One row; empty cells are None.

    Attributes:
        image: ``File Name``, the number that joins image, outlines and row.
        laterality: "L" or "R".
        view: "CC", "MLO", "FB", ...
        birads: ``Bi-Rads``: "1", "2", "3", "4a", "4b", "4c", "5", "6".
        density: ``ACR``, "1" to "4".
    """

    image: str
    laterality: str | None = None
    view: str | None = None
    birads: str | None = None
    density: str | None = None


def read_inbreast_table(path: str | Path) -> list[InbreastRow]:
    """Read the rows that name an image, in order; blank rows and the row of totals are left out.

    Columns may come in any order, and others are ignored. ``.xls`` needs xlrd (``pip install 'xlrd>=2'``).

    Raises:
        FileNotFoundError: when there is no such file.
        ImportError: for ``.xls`` without xlrd.
        ValueError: when it is no such table.
    """
    path = Path(path)
    check_regular_file(path, "the table of INbreast")
    rows = _xls_rows(path) if path.suffix.lower() == ".xls" else [row for _, row in read_csv_rows(path)]
    header = [_key(cell) for cell in rows[0]] if rows else []
    if "filename" not in header or "birads" not in header:
        raise ValueError(
            f"Expected columns 'File Name' and 'Bi-Rads' in {path}, but got {header[:12]}: "
            "take the table of the INbreast archive."
        )
    return list(_parse(header, rows[1:]))


def _parse(header: list[str], rows: Sequence[Sequence[Any]]) -> Iterator[InbreastRow]:
    for row in rows:
        cells = {name: _text(cell) for name, cell in zip(header, row, strict=False)}
        image = cells.get("filename") or ""
        if image.isascii() and image.isdigit() and len(image) <= MAX_NUMBER_DIGITS:
            side = (cells.get("laterality") or "").upper()
            view = (cells.get("view") or "").upper() or None
            yield InbreastRow(image, side if side in ("L", "R") else None, view, cells.get("birads"), cells.get("acr"))


def _key(cell: Any) -> str:
    """A column's name without case, blanks and signs: ``Bi-Rads`` and ``BIRADS `` are the same."""
    return "".join(character for character in str(cell).lower() if character.isalnum())


def _text(cell: Any) -> str | None:
    """Text of a cell, trimmed; a spreadsheet's numbers are floats, 22678622.0 or 4.0; None when empty."""
    if isinstance(cell, float) and cell.is_integer():
        cell = int(cell)
    return str(cell).strip() or None


def _xls_rows(path: Path) -> list[list[Any]]:
    check_bytes(path, _XLS_TIMES * path.stat().st_size)
    xlrd, found = optional_import("xlrd")
    if not found:
        raise ImportError(
            f"Expected xlrd to read {path}, but it is not installed: `pip install 'xlrd>=2'`, or put INbreast.csv "
            "beside it."
        )
    try:
        with xlrd.open_workbook(str(path), on_demand=True) as book:
            sheet = book.sheet_by_index(0)
            return [sheet.row_values(number) for number in range(sheet.nrows)]
    except Exception as error:  # xlrd raises nearly anything on damaged files
        raise ValueError(
            f"Expected an Excel 97-2003 workbook, but {path} cannot be read ({type(error).__name__}): save it as CSV."
        ) from error
