# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

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
    done = run(file, "-o", tmp_path / "out", "-m", tiny_heart, "--roi", "center", "--overwrite", "--json")
    assert json.loads(done.stdout)["roi"] == "center"


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


def test_an_installation_without_highdicom(
    study: Path, tiny_heart: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "highdicom", None)
    done = run(study, "-o", tmp_path / "out", "-m", tiny_heart, "--roi", "center", "--seg")
    assert done.exit_code == 5
    assert "pip install --force-reinstall highdicom" in done.stderr
    assert not (tmp_path / "out").exists()


def test_a_picture_without_contrast_is_a_finding(tiny_heart: Path, tmp_path: Path) -> None:
    Image.fromarray(np.zeros((90, 100), dtype=np.uint8)).save(tmp_path / "black.png")
    for roi in ("center", "auto"):
        words = ("-m", tiny_heart, "--roi", roi, "--html", "--mask", "--overlays", "--overwrite", "--json", "-d", "cpu")
        done = run(tmp_path / "black.png", "-o", tmp_path / "out", *words)
        assert done.exit_code == 0, done.output
        report = json.loads(done.stdout)
        (frame,) = report["frames"]
        assert (frame["outlined"], frame["confidence"]) == (False, 0.0)
        assert frame["reason"] == "no contrast in the region of interest"
        assert [finding["kind"] for finding in report["findings"]] == ["no_contrast"]
        assert json.loads((tmp_path / "out" / "contours.json").read_text())["frames"] == []
        assert "no contrast" in (tmp_path / "out" / "report.html").read_text()
        assert list((tmp_path / "out" / "masks").iterdir()) == []


def test_the_budget_of_memory(tiny_heart: Path, tmp_path: Path) -> None:
    Image.fromarray(np.zeros((600, 600), dtype=np.uint8)).save(tmp_path / "a.png")
    words = ("-o", tmp_path / "out", "-m", tiny_heart, "--roi", "center")
    done = run(tmp_path / "a.png", *words, "--read-budget", 1)
    assert done.exit_code == 3
    assert "a.png to need at most 1 MiB of memory" in done.output
    assert "--read-budget" in done.output
    assert run(tmp_path / "a.png", *words, "--read-budget", 2).exit_code == 0


@pytest.mark.parametrize(
    ("spacing", "text"),
    [
        ((0.001, 0.001), "field of view of 0.5 to 2500 mm, but --spacing has 0.1 mm"),
        ((0.05, 0.05), "region of 8 to 800 pixels for an image of 90 x 100"),
        ((300, 300), "pixel spacing of 0.001 to 100 mm"),
        ((20, 20), "region of 8 to 800 pixels"),
    ],
)
def test_a_spacing_that_is_not_plausible(
    tiny_heart: Path, tmp_path: Path, spacing: tuple[float, float], text: str
) -> None:
    pixels = np.random.default_rng(0).integers(0, 255, (90, 100), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    done = run(tmp_path / "a.png", "-o", tmp_path / "out", "-m", tiny_heart, "--roi", "center", "--spacing", *spacing)
    assert done.exit_code == 3
    assert text in done.output
    assert "--spacing" in done.output
    assert not (tmp_path / "out").exists()
