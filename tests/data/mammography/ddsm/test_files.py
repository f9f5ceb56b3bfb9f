# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Names and bytes of DDSM's files."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from monai_acdr.data.mammography.ddsm_files import parse_name, read_bytes, read_text


def test_names() -> None:
    name = parse_name("A_1509_1.LEFT_CC.LJPEG")
    assert name is not None
    assert (name.institution, name.patient, name.case, name.view, name.kind) == (
        "A",
        "A_1509",
        "A_1509_1",
        "LEFT_CC",
        "LJPEG",
    )
    assert name.ics == "A-1509-1.ics"
    packed = parse_name("b_3013_1.right_mlo.overlay.gz")
    assert packed is not None
    assert (packed.case, packed.view, packed.kind) == ("B_3013_1", "RIGHT_MLO", "OVERLAY")


@pytest.mark.parametrize("name", ["A_1509_1.LEFT_ML.LJPEG", "A-1509-1.ics", "sweep.LJPEG", "A_1_1.LEFT_CC.LJPEG.1", ""])
def test_other_names(name: str) -> None:
    assert parse_name(name) is None


def test_gzip_is_recognized_by_content(tmp_path: Path) -> None:
    path = tmp_path / "a.ics"
    path.write_bytes(gzip.compress(b"text"))
    assert read_bytes(path, 4, "a file") == b"text"
    with pytest.raises(ValueError, match="Expected a file of at most 3 bytes, but .*a.ics is longer"):
        read_bytes(path, 3, "a file")  # unpacked: a small file may hold gigabytes
    path.write_bytes(gzip.compress(b"text" * 100)[:-12])
    with pytest.raises(ValueError, match="the gzip file .*a.ics is damaged"):
        read_bytes(path, 1000, "a file")


def test_what_is_no_text(tmp_path: Path) -> None:
    path = tmp_path / "a.ics"
    path.write_bytes(b"a\0b")
    with pytest.raises(ValueError, match="Expected an .ics file, but .*a.ics is binary"):
        read_text(path, "an .ics file")
    with pytest.raises(FileNotFoundError, match="b.ics does not exist: check the path"):
        read_text(tmp_path / "b.ics", "an .ics file")
