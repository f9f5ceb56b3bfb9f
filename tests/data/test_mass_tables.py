# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""CSV tables by column name, and paths in them."""

from __future__ import annotations

from pathlib import Path

import pytest

from monai_acdr.data.text_files import first_of, path_parts, read_table
from monai_acdr.read_budget import read_budget


def _write(path: Path, text: str | bytes) -> Path:
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_rows(tmp_path: Path, separator: str) -> None:
    text = '\ufeffImage  View,ROI_path,\r\n CC ,"a/b.dcm\n",x\r\n\r\nMLO\r\n'.replace(",", separator)
    rows = read_table(_write(tmp_path / "t.csv", text))
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
        read_table(_write(tmp_path / "t.csv", content))


def test_sizes(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="t.csv does not exist"):
        read_table(tmp_path / "t.csv")
    path = _write(tmp_path / "t.csv", "a,b\n" + "\n" * 10_000)
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
