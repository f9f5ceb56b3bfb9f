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
from monai_acdr.apps.documents import read_contour_document


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
    folder = tmp_path / "in"
    folder.mkdir()
    Image.fromarray(np.full((90, 100), 77, dtype=np.uint8)).save(folder / "gray.png")
    words = ("-m", tiny_heart, "--html", "--mask", "--overlays", "--overwrite", "--json", "-d", "cpu", "--roi")
    for roi in ("center", "auto"):  # nothing can be outlined
        done = run(folder, "-o", tmp_path / "out", *words, roi)
        assert done.exit_code == 3, done.output
        error = json.loads(done.stdout)["error"]
        assert "no frame has a contour: no contrast in the region of interest. Check the image, or give" in error
        assert "--all-frames" not in error
        assert not (tmp_path / "out").exists()
    pixels = np.random.default_rng(0).integers(0, 255, (90, 100), dtype=np.uint8)
    Image.fromarray(pixels).save(folder / "noise.png")
    done = run(folder, "-o", tmp_path / "out", *words, "center")
    assert done.exit_code == 0, done.output
    report = json.loads(done.stdout)
    gray, noise = report["frames"]
    assert (gray["outlined"], gray["confidence"], noise["outlined"]) == (False, 0.0, True)
    assert gray["reason"] == "no contrast in the region of interest"
    assert [finding["kind"] for finding in report["findings"]] == ["no_contrast"]
    assert [f["name"] for f in json.loads((tmp_path / "out" / "contours.json").read_text())["frames"]] == ["noise"]
    assert "no contrast" in (tmp_path / "out" / "report.html").read_text()
    assert [path.name for path in (tmp_path / "out" / "masks").iterdir()] == ["noise.png"]


def test_a_large_picture_without_spacing_is_a_finding(tiny_heart: Path, tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 255, (470, 500), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    words = ("-o", tmp_path / "out", "-m", tiny_heart, "--roi", "center", "--html", "--overwrite", "-d", "cpu")
    done = run(tmp_path / "a.png", *words)
    assert done.exit_code == 0, done.output
    reason = "470 x 500 pixels (H x W) would be 611 x 650 mm with the 1.3 mm of the training images"
    (line,) = (line for line in done.stdout.splitlines() if line.startswith("Finding: implausible scale: "))
    assert f"frame a: {reason}: the pixel spacing is not known" in line and "has a wrong size" in line
    assert "give the spacing in mm with --spacing ROWS COLUMNS" in line
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    assert [finding["kind"] for finding in report["findings"]] == ["implausible_scale"]
    assert report["frames"][0]["scale"] == reason
    assert read_contour_document(tmp_path / "out" / "contours.json").frames[0].scale == reason
    page = (tmp_path / "out" / "report.html").read_text()
    assert "a, implausible scale" in page and reason in page
    done = run(tmp_path / "a.png", *words, "--spacing", 1.0, 1.0)
    assert "implausible" not in done.stdout and "implausible" not in (tmp_path / "out" / "report.html").read_text()
    assert read_contour_document(tmp_path / "out" / "contours.json").frames[0].scale == ""


def test_the_budget_of_memory(tiny_heart: Path, tmp_path: Path) -> None:
    Image.fromarray(np.arange(360000, dtype=np.uint32).astype(np.uint8).reshape(600, 600)).save(tmp_path / "a.png")
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
