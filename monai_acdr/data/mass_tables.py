# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Tables of masses as CSV: rows by column name, case-insensitively, and paths that stay in the data set."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

from monai_acdr.data.text_files import read_csv_rows

__all__ = ["first_of", "path_parts", "read_table"]


def read_table(path: str | Path) -> list[dict[str, str]]:
    """Read a CSV table with a header; separators ``,``, ``;`` and tab, a byte order mark and quoted cells are accepted.

    Column names become lower case with ``_`` for blanks, as in ``left_or_right_breast``; cells are trimmed, so that
    line ends within quoted cells go. Blank rows are left out.

    Raises:
        FileNotFoundError: when there is no such file.
        ValueError: when it is not such a table, is too large, or a column occurs twice.
    """
    path = Path(path)
    rows = [row for _, row in read_csv_rows(path)]
    if not rows:
        raise ValueError(f"Expected a table with a header, but {path} is empty: copy it again.")
    header = ["_".join(re.split(r"[\s_]+", name.strip().lower())) for name in rows[0]]
    named = [name for name in header if name]
    if len(set(named)) < len(named):
        raise ValueError(f"Expected each column once in {path}, but got {header}: rename the second of the same name.")
    cells = ((name.strip() for name in row) for row in rows[1:])
    return [{name: cell for name, cell in zip(header, row, strict=False) if name} for row in cells]


def first_of(row: Mapping[str, str], *names: str) -> str:
    """The first cell of these columns that is there and filled, otherwise ""."""
    return next((row[name] for name in names if row.get(name)), "")


def path_parts(text: str) -> tuple[str, ...]:
    """Parts of a relative path that a table names; a backslash separates them as well.

    Raises:
        ValueError: for a path that is empty, absolute or leads out of the folder by ``..``, or with control characters.
    """
    plain = text.strip().replace("\\", "/")
    parts = PurePosixPath(plain).parts
    wrong = not parts or plain.startswith("/") or ":" in parts[0] or ".." in parts or any(ord(c) < 32 for c in plain)
    if wrong:
        raise ValueError(f"Expected a path within the data set, but got {text[:200]!r}: correct the table.")
    return parts
