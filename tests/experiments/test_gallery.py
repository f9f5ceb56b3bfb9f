# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""The sheet of the worst frames."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
from PIL import Image


def test_the_worst_come_first(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = [f"c{n},{dice},{10 * n},cavity,False" for n, dice in enumerate((0.9, 0.2, 0.5))]
    rows += ["c3,0.1,30,cavity,True", "c4,,0,cavity,False", "c0,0.05,50,wall,False"]
    (tmp_path / "metrics.csv").write_text("\n".join(["name,dice,reference_area_px,structure,excluded", *rows]) + "\n")
    for number in range(3):
        Image.new("RGB", (100, 100), (80 * number, 0, 0)).save(tmp_path / f"c{number}.png")
    command = ["--metrics", str(tmp_path / "metrics.csv"), "--pictures", str(tmp_path)]
    gallery = import_module("gallery")
    assert gallery.main([*command, "--output", str(tmp_path / "sheet.png"), "--count", "2", "--columns", "2"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "c1: Dice 0.20, reference 10 px",
        "c2: Dice 0.50, reference 20 px",
    ]
    sheet = np.asarray(Image.open(tmp_path / "sheet.png"))
    height, width = sheet.shape[:2]
    assert sheet[height // 2, width // 4, 0] == 80 and sheet[height // 2, 3 * width // 4, 0] == 160
    assert height < 60 < width < 110
