# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Text files and tables of unknown origin."""

from __future__ import annotations

import os
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pytest

from monai_acdr.data.text_files import (
    csv_rows,
    file_bytes,
    file_text,
    first_of,
    json_value,
    path_parts,
    read_csv_rows,
    read_json,
    read_table,
)
from monai_acdr.read_budget import read_budget

FILE = Path("a.txt")


def _write(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_rows_have_the_numbers_of_their_lines(separator: str) -> None:
    text = 'a,"b\n2"\r\n\r\n , \n3,4,5\n'.replace(",", separator)
    assert csv_rows(text, FILE) == [(2, ["a", "b\n2"]), (5, ["3", "4", "5"])]
    assert csv_rows("", FILE) == []


def test_a_byte_order_mark_is_no_text(tmp_path: Path) -> None:
    assert file_text(_write(tmp_path / "a", b"\xef\xbb\xbfx"), "text") == "x"
    assert read_csv_rows(_write(tmp_path / "a", b"\xef\xbb\xbfx,y")) == [(1, ["x", "y"])]
    assert read_json(_write(tmp_path / "a", b"\xef\xbb\xbf[1]"), "numbers") == [1]


@pytest.mark.parametrize("text", ["a,b\n" + "x" * 200_000, 'a,b\n"' + "x\n" * 100_000])
def test_tables_that_python_cannot_read(text: str) -> None:
    with pytest.raises(ValueError, match=r"Expected a CSV table, but a\.txt is not one at line \d+ .*save it as CSV"):
        csv_rows(text, FILE)


def test_no_files(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="Expected a table, but .*absent does not exist"):
        file_bytes(tmp_path / "absent", "a table")
    with pytest.raises(ValueError, match="Expected a table, but .* is not a regular file"):
        file_bytes(tmp_path, "a table")
    with pytest.raises(ValueError, match="Expected a table in UTF-8, but .*a is not .invalid start byte"):
        file_text(_write(tmp_path / "a", b"\xff"), "a table")
    if hasattr(os, "mkfifo"):
        os.mkfifo(tmp_path / "pipe")
        with pytest.raises(ValueError, match="pipe is not a regular file"):
            file_bytes(tmp_path / "pipe", "a table")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"{", "line 1, column 2"),
        (b"\xff", "not UTF-8"),
        (b"[" * 100_000, "nested too deeply"),
        (b'{"a":' * 100_000, "nested too deeply"),
        (b"9" * 5000, "an integer has too many digits"),
        (b"", "line 1, column 1"),
        (b'{"a": 1, "a": 1}', "a key occurs twice in an object"),
    ],
)
def test_what_is_no_json(content: bytes, message: str) -> None:
    with pytest.raises(ValueError, match=rf"Expected numbers as JSON, but a\.txt is not \({message}\)"):
        json_value(content, FILE, "numbers")


@pytest.mark.parametrize("part", [b"[],", b"{},", b"1000,", b'"%d",', b'{"%d":1},', b"[[1]],", b"0.5,"])
def test_json_needs_no_more_than_is_asked_of_the_budget(part: bytes) -> None:
    """Measured by tracemalloc, in twice the budget at most: the text itself is there as well."""
    count = 20_000
    data = b"[" + b"".join(part.replace(b"%d", b"%d" % number) for number in range(count)) + b"0]"
    assert len(json_value(data, FILE, "numbers")) == count + 1
    assert _needed_mib(lambda: json_value(data, FILE, "numbers")) <= 2 * _smallest_budget(
        lambda: json_value(data, FILE, "numbers")
    )


@pytest.mark.parametrize("part", ["\n", "x\n", "x,y\n", ",", "abc,", "\r"])
def test_tables_need_no_more_than_is_asked_of_the_budget(part: str) -> None:
    text = "a,b\n" + part * 50_000
    assert _needed_mib(lambda: csv_rows(text, FILE)) <= 2 * _smallest_budget(lambda: csv_rows(text, FILE))


def _write_table(path: Path, text: str | bytes) -> Path:
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_rows(tmp_path: Path, separator: str) -> None:
    text = '\ufeffImage  View,ROI_path,\r\n CC ,"a/b.dcm\n",x\r\n\r\nMLO\r\n'.replace(",", separator)
    rows = read_table(_write_table(tmp_path / "t.csv", text))
    assert rows == [{"image_view": "CC", "roi_path": "a/b.dcm"}, {"image_view": "MLO"}]


def test_first_of() -> None:
    assert first_of({"a": "", "b": "2", "c": "3"}, "a", "x", "b", "c") == "2"
    assert first_of({}, "a") == ""


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "is empty"),
        ("a,A\n1,2\n", "each column once"),
        (b"\xff\xfe\x00", "in UTF-8"),
        ("a\n" + "x" * 200_000, "CSV"),
    ],
)
def test_what_is_no_table(tmp_path: Path, content: str | bytes, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        read_table(_write_table(tmp_path / "t.csv", content))


def test_sizes(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="t.csv does not exist"):
        read_table(tmp_path / "t.csv")
    path = _write_table(tmp_path / "t.csv", "a,b\n" + "\n" * 10_000)
    assert read_table(path) == []
    with read_budget(1), pytest.raises(ValueError, match="t.csv to need at most 1 MiB of memory"):
        read_table(path)


def test_paths() -> None:
    assert path_parts(" a/./b.dcm\n") == ("a", "b.dcm")
    assert path_parts("a\\b.dcm") == ("a", "b.dcm")


@pytest.mark.parametrize("text", ["", ".", "/etc/passwd", "../a", "a/../../b", "C:\\a", "a\nb", "a\0b", "\\\\host\\a"])
def test_paths_that_leave_the_data_set(text: str) -> None:
    with pytest.raises(ValueError, match="Expected a path within the data set"):
        path_parts(text)


def _smallest_budget(read: Callable[[], object]) -> float:
    """The smallest read budget in MiB that is enough."""
    low, high = 0.01, 64.0
    for _ in range(12):
        middle = (low * high) ** 0.5
        try:
            with read_budget(middle):
                read()
        except ValueError:
            low = middle
        else:
            high = middle
    return high


def _needed_mib(read: Callable[[], object]) -> float:
    tracemalloc.start()
    try:
        read()
        return tracemalloc.get_traced_memory()[1] / 2**20
    finally:
        tracemalloc.stop()
