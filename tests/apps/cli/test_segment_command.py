# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from monai_acdr.apps.cli import main


def run(*words: object) -> Any:
    return CliRunner().invoke(main, ["segment", *map(str, words)])


def test_a_run(study: Path, tiny_heart: Path, tmp_path: Path) -> None:
    file = sorted(study.iterdir())[0]
    done = run(file, "-o", tmp_path / "out", "-m", tiny_heart, "--roi", "point", 56, 50, "--rtstruct", "-d", "cpu")
    assert done.exit_code == 0, done.output
    assert "1 of 1 frame(s) outlined" in done.stdout
    assert f"Results: {tmp_path / 'out'} (contact_sheet.png, contours.json" in done.stdout
    again = run(file, "-o", tmp_path / "out", "-m", tiny_heart, "--roi", "point", 56, 50, "--json")
    assert again.exit_code == 4
    assert json.loads(again.stdout)["error"].startswith("Expected no results in")
    done = run(file, "-o", tmp_path / "out", "-m", tiny_heart, "--roi", "centre", "--overwrite", "--json")
    assert json.loads(done.stdout)["roi"] == "centre"


@pytest.mark.parametrize(
    "words",
    [
        ("--roi", "box", 30, 25, 80.5, 75),
        ("-r", "box 30 25 80.5 75"),
        ("--roi", "box,30,25,80.5,75"),
    ],
)
def test_numbers_follow_the_word(monkeypatch: pytest.MonkeyPatch, words: tuple[object, ...]) -> None:
    from monai_acdr.apps.regions import parse_region

    seen: dict[str, Any] = {}

    def remember(**arguments: Any) -> None:
        seen.update(arguments)
        raise ValueError("enough")

    monkeypatch.setattr("monai_acdr.apps.segment_study.segment", remember)
    done = run(*words, "--seg", "--seg-kind", "fractional", "STUDY", "-o", "OUT", "--spacing", 1, 2)
    assert done.exit_code == 3
    assert parse_region(seen["roi"]).numbers == (30, 25, 80.5, 75)
    assert (seen["study"], seen["seg"], seen["spacing"], seen["series"]) == ("STUDY", "FRACTIONAL", (1, 2), None)


def test_missing_extras(study: Path, tiny_heart: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "highdicom", None)
    done = run(study, "-o", tmp_path / "out", "-m", tiny_heart, "--roi", "centre", "--seg")
    assert done.exit_code == 5
    assert "pip install 'monai_acdr[dicom-out]'" in done.stderr
    assert not (tmp_path / "out").exists()
