# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Text files of unknown origin: bytes, rows of a CSV table, and JSON, within the budget of memory.

Python objects are many times as large as the text they are parsed from: a line end may become a list of 64 bytes. The
memory that a table or document will need is estimated from its characters before it is parsed.

Tables have a header: rows by column name in any case, and paths that stay within the data set.
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from monai_acdr.read_budget import check_bytes, read_budget_bytes

__all__ = [
    "csv_rows",
    "file_bytes",
    "file_text",
    "first_of",
    "json_value",
    "path_parts",
    "read_csv_rows",
    "read_json",
    "read_table",
]

_ROW_BYTES, _CELL_BYTES = 160, 64
"""Of a row with its number in a list, and of a cell of a few characters."""

_OBJECT_BYTES = {b"[": 72, b"{": 232, b",": 32, b":": 64, b'"': 28}
"""About what Python's objects need for each of these letters of JSON: lists, dictionaries, numbers and texts. 1000
contours of 64 vertices in pixels and mm are 3 MB of JSON and 25 MB of objects; three bytes "[]," are a hundred."""


def file_bytes(path: Path, description: str, times: int = 1) -> bytes:
    """The content of a file.

    Args:
        path: the file; named pipes and devices are refused unopened.
        description: what is expected, for messages, such as ``"a split file"``.
        times: size of the parsed content as a multiple of the file size.

    Raises:
        FileNotFoundError: when there is no such file.
        ValueError: when it is not a regular file, or needs more than the budget of memory.
    """
    if not path.exists():
        raise FileNotFoundError(f"Expected {description}, but {path} does not exist: check the path.")
    if not path.is_file():
        raise ValueError(f"Expected {description}, but {path} is not a regular file: pass the file itself.")
    check_bytes(path, times * path.stat().st_size)
    with open(path, "rb") as stream:
        data = stream.read(read_budget_bytes() + 1)
    check_bytes(path, times * len(data))
    return data


def file_text(path: Path, description: str) -> str:
    """The content of a text file in UTF-8, with or without byte order mark.

    Raises:
        FileNotFoundError: when there is no such file.
        ValueError: when it is too large, no regular file, or not UTF-8.
    """
    try:
        return file_bytes(path, description).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(
            f"Expected {description} in UTF-8, but {path} is not ({error.reason}): save it again as UTF-8."
        ) from None


def read_csv_rows(path: Path, description: str = "a CSV table") -> list[tuple[int, list[str]]]:
    """Rows of a CSV table that are not blank, each with the number of its last line; see :func:`csv_rows`.

    Raises:
        FileNotFoundError: when there is no such file.
        ValueError: when it is not such a table, or too large.
    """
    return csv_rows(file_text(path, description), path)


def csv_rows(text: str, path: Path) -> list[tuple[int, list[str]]]:
    """Rows of a CSV text that are not blank, each with the number of its last line.

    The separator is the one of ``,``, ``;`` and tab that occurs most in the first line.

    Raises:
        ValueError: when the text is not such a table, or needs more than the budget of memory.
    """
    separator = max(",;\t", key=text.partition("\n")[0].count)
    lines = text.count("\n") + text.count("\r") + 1
    check_bytes(path, len(text) + _ROW_BYTES * lines + _CELL_BYTES * text.count(separator))
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator)
    try:
        return [(reader.line_num, row) for row in reader if any(cell.strip() for cell in row)]
    except csv.Error as error:
        raise ValueError(
            f"Expected a CSV table, but {path} is not one at line {reader.line_num} ({error}): save it as CSV again."
        ) from None


def read_json(path: Path, description: str) -> Any:
    """The value of a JSON file.

    Raises:
        FileNotFoundError: when there is no such file.
        ValueError: when it is not JSON in UTF-8, has a key twice, is nested too deeply, or needs more than the budget
            of memory.
    """
    return json_value(file_bytes(path, description), path, description)


def json_value(data: bytes, path: Path, description: str) -> Any:
    """The value of the content of a JSON file; arguments and errors of :func:`read_json`."""
    check_bytes(path, sum(size * data.count(letter) for letter, size in _OBJECT_BYTES.items()))
    try:
        return json.loads(data.decode("utf-8-sig"), object_pairs_hook=_object)
    except _DuplicateKeyError:
        reason = "a key occurs twice in an object"
    except json.JSONDecodeError as error:
        reason = f"line {error.lineno}, column {error.colno}"
    except UnicodeDecodeError:
        reason = "not UTF-8"
    except RecursionError:
        reason = "nested too deeply"
    except ValueError:  # Python's limit for integers
        reason = "an integer has too many digits"
    raise ValueError(f"Expected {description} as JSON, but {path} is not ({reason}): write the file again.")


class _DuplicateKeyError(Exception):
    """A key that occurs twice in an object, so that its value is ambiguous."""


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        raise _DuplicateKeyError
    return result


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
    """The first non-empty cell of these columns, otherwise ""."""
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
