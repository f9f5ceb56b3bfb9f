# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result

from monai_acdr.apps.cli import main
from monai_acdr.apps.documents import read_contour_document
from monai_acdr.apps.layers import FORMATS
from monai_acdr.data.phantoms import write_short_axis_studies

SHAPE = np.array([[20.25, 11.5], [61.75, 14.0], [58.5, 25.25], [33.5, 24.0], [31.0, 47.75], [18.0, 44.5]])


def run(*words: object) -> Result:
    return CliRunner().invoke(main, ["convert", *(str(word) for word in words)])


@pytest.fixture
def contour(tmp_path: Path) -> Path:
    np.savetxt(tmp_path / "1.txt", SHAPE - 0.5, fmt="%.4f")
    return tmp_path / "1.txt"


def test_options_reach_the_function(contour: Path, tmp_path: Path) -> None:
    done = run(contour, tmp_path / "a.json", "--size", 60, 80, "--structure", "Mass")
    assert done.exit_code == 0, done.output
    assert done.output.splitlines() == ["txt to json: Mass, 1 frame(s)", str(tmp_path / "a.json")]
    document = read_contour_document(tmp_path / "a.json")
    assert (document.structures[0].label, document.frames[0].size) == ("Mass", (60, 80))
    assert run(contour, tmp_path / "a.json", "--size", 60, 80).exit_code == 4
    assert run(contour, tmp_path / "a.json", "--size", 60, 90, "--overwrite").exit_code == 0
    assert read_contour_document(tmp_path / "a.json").frames[0].size == (60, 90)


def test_dicom(contour: Path, tmp_path: Path) -> None:
    study = write_short_axis_studies(tmp_path / "study", 1, 1, 2, (60, 80), (2.1, 1.7))
    done = run(contour, tmp_path / "x.dcm", "--to", "SEG", "-i", study / "dicoms", "--kind", "fractional")
    assert done.exit_code == 0, done.output
    done = run(tmp_path / "x.dcm", tmp_path / "masks", "-t", "png", "-i", study / "dicoms")
    assert done.exit_code == 0, done.output
    assert "Lost: Partial coverage was cut at one half" in done.output
    assert (tmp_path / "masks" / "1.png").is_file()


def test_json(contour: Path, tmp_path: Path) -> None:
    done = run(contour, tmp_path / "a.png", "--size", 60, 80, "--json")
    report = json.loads(done.stdout)
    assert report["target"] == {"files": [str(tmp_path / "a.png")], "format": "png"}
    assert report["frames"] == 1


def test_many_files_are_counted(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    for number in range(12):
        np.savetxt(tmp_path / "in" / f"{number}.txt", SHAPE)
    done = run(tmp_path / "in", tmp_path / "out", "--to", "png", "--size", 60, 80)
    assert done.output.splitlines()[0] == "txt to png: Region, 12 frame(s)"
    assert len(done.output.splitlines()) == 12 and done.output.endswith("... 12 files in all\n")


@pytest.mark.parametrize(
    "words",
    [("a.txt",), ("a.txt", "b.png", "--size", "0", "5"), ("a.txt", "b.png", "--size", "5"), ("a", "b", "--to", "x")],
)
def test_wrong_usage(words: tuple[str, ...]) -> None:
    assert run(*words).exit_code == 2


def test_errors_pass_through(tmp_path: Path) -> None:
    assert run(tmp_path / "a.txt", tmp_path / "b.png").exit_code == 3


def test_help_has_formats_units_and_examples() -> None:
    text = run("--help").output
    for name in FORMATS:
        assert f"  {name} " in text
    for words in ("Examples:", "--images STUDY", "in pixels", "mm", "--size ROWS COLUMNS", "center of the first pixel"):
        assert words in text
