# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""``.ics`` files."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from monai_acdr.data.mammography.ddsm_files import find_ics, read_ics

TEXT = """
ics_version 1.0
filename B-3024-1
DATE_OF_STUDY 2 7 1995
PATIENT_AGE
FILM
DENSITY 4
DIGITIZER LUMISYS LASER
LEFT_CC LINES 4696 PIXELS_PER_LINE 3024 BITS_PER_PIXEL 12 RESOLUTION 50 OVERLAY
RIGHT_MLO LINES 4664 PIXELS_PER_LINE 3120 BITS_PER_PIXEL 12 RESOLUTION NON_OVERLAY
RIGHT_CC LINES PIXELS_PER_LINE
"""


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_fields(tmp_path: Path, newline: str) -> None:
    path = tmp_path / "B-3024-1.ics"
    path.write_bytes(TEXT.replace("\n", newline).encode())
    case = read_ics(path)
    assert (case.digitizer, case.density) == ("LUMISYS", "4")
    assert sorted(case.films) == ["LEFT_CC", "RIGHT_MLO"]
    film = case.films["LEFT_CC"]
    assert (film.size, film.bits, film.resolution, film.has_overlay) == ((4696, 3024), 12, 50.0, True)
    assert not case.films["RIGHT_MLO"].has_overlay
    assert case.films["RIGHT_MLO"].resolution is None
    assert case.spacing("RIGHT_MLO") == case.spacing("LEFT_CC") == (0.05, 0.05)


def test_without_digitizer_there_is_no_spacing(tmp_path: Path) -> None:
    path = tmp_path / "a.ics"
    path.write_text(TEXT.replace("DIGITIZER LUMISYS LASER", "DIGITIZER"))
    case = read_ics(path)
    assert case.digitizer == ""
    assert case.spacing("RIGHT_MLO") is None


@pytest.mark.real_data
def test_fixture(shared_data: Path) -> None:
    case = read_ics(shared_data / "ddsm_ljpeg_fixture" / "A-9999-1.ics")
    assert case.digitizer == "HOWTEK"
    assert {film.size for film in case.films.values()} == {(260, 180)}
    assert [film.has_overlay for film in case.films.values()] == [True, True, False, False]
    assert case.films["RIGHT_CC"].bits == 16
    assert case.spacing("LEFT_CC") == (0.0435, 0.0435)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("filename B-1-1\n", "Expected lines as 'LEFT_CC LINES .*but found none"),
        ("LEFT_CC LINES 1e9 PIXELS_PER_LINE 3", "LINES to be a positive number, but got '1E9' in .*line 1"),
        ("LEFT_CC LINES -5 PIXELS_PER_LINE 3", "LINES to be a positive number, but got '-5'"),
        ("LEFT_CC LINES 99999 PIXELS_PER_LINE 3", r"Expected sizes in 1..65535, but got 99999 x 3"),
        ("LEFT_CC LINES 9 PIXELS_PER_LINE 3 RESOLUTION 0", "RESOLUTION to be a positive number, but got '0'"),
        ("LEFT_CC LINES 9 PIXELS_PER_LINE 3 RESOLUTION 5o", "RESOLUTION to be a positive number, but got '5O'"),
    ],
)
def test_damaged(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "a.ics"
    path.write_text(text)
    with pytest.raises(ValueError, match=message):
        read_ics(path)


def test_finding_it_beside_the_image(tmp_path: Path) -> None:
    image = tmp_path / "B_3024_1.LEFT_CC.LJPEG"
    with pytest.raises(FileNotFoundError, match="Expected B-3024-1.ics beside .*copy the case's .ics file"):
        find_ics(image, "B-3024-1.ics")
    (tmp_path / "b-3024-1.ICS.gz").write_bytes(gzip.compress(TEXT.encode()))
    assert read_ics(find_ics(image, "B-3024-1.ics")).digitizer == "LUMISYS"
