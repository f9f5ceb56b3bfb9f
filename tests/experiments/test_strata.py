# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Groups by shape and size of recorded cases."""

from __future__ import annotations

import json
import math
from importlib import import_module
from pathlib import Path

import pytest


def test_the_table_has_means_of_groups(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "cdd_cesm").mkdir()
    (tmp_path / "cdd_cesm" / "index.csv").write_text("file,mass_like\na.png,1\nb-1.png,0\n")
    rows = [("a-1", "p1", 0.9, 10.0), ("a-2", "p1", 0.7, 50.0), ("b-1-1", "p2", 0.2, 300.0)]  # diameters in pixels
    cases = [
        {"name": name, "patient": patient, "dice": dice, "reference_area_px": math.pi * diameter**2 / 4}
        for name, patient, dice, diameter in rows
    ]
    folder = tmp_path / "records" / "own_data_folds"
    folder.mkdir(parents=True)
    strata = import_module("strata")
    command = ["--data", str(tmp_path), "--records", str(tmp_path / "records")]
    assert strata.main(command) == 1
    assert "No records in" in capsys.readouterr().out
    (folder / "contour-seed0.json").write_text(json.dumps({"cases": {"label": cases}}))
    assert strata.main(command) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "| objects | number | ours: contour |"
    assert lines[2].startswith("| all | 3 | 0.6000 (0.2000 .. 0.8000)")  # patients of two and of one case
    assert lines[3:] == [
        "| mass-like | 2 | 0.8000 |",
        "| other shapes | 1 | 0.2000 |",
        "| 0 to 30 px | 1 | 0.9000 |",
        "| 30 to 60 px | 1 | 0.7000 |",
        "| 120 px and more | 1 | 0.2000 |",
    ]
