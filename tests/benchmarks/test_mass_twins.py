# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""The recovery of known masses runs at a small size."""

from __future__ import annotations

import json
from importlib import import_module
from pathlib import Path


def test_two_twins(tmp_path: Path) -> None:
    script = import_module("mass_twins")
    output = tmp_path / "a.json"
    assert script.main(["--patients", "4", "--epochs", "2", "--output", str(output)]) == 0
    record = json.loads(output.read_text())
    assert set(record["results"]) == {"inbreast", "ddsm"}
    for figures in record["results"].values():
        assert figures["num_cases"] >= 1
        assert 0 < figures["mean_dice"] <= 1
        assert figures["hd95_mm"] > 0
    assert [row[0] for row in record["tables"]["figures"]["rows"]] == ["mean Dice", "pooled Dice", "HD95, mm", "masses"]
