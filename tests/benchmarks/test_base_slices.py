# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Every share is measured with a model of that share, and its row has that run's figures."""

from __future__ import annotations

import json
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from monai_acdr.apps.model import ContourModel


def test_rows_are_those_of_the_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script = import_module("base_slices")

    def agreement(dataset: Path, output: Path, model: ContourModel, roi: str) -> dict[str, Any]:
        assert roi == "auto" and model.thinnest_wall is not None and not output.exists()
        lost = round(10 * model.thinnest_wall)
        measures = {"ef_percent": {"bias": -lost / 10, "mean_absolute_error": lost / 2}} if lost else {}
        dice = {"ED": 0.9 + lost / 1000, "ES": 0.8} if lost else {}
        return {"lost_slices": lost, "added_slices": 9 - lost, "mean_dice": dice, "measures": measures}

    monkeypatch.setattr(script, "agreement", agreement)
    output = tmp_path / "record.json"
    assert script.main(["--shares", "0", "0.3", "--dataset", str(tmp_path), "--output", str(output)]) == 0
    record = json.loads(output.read_text())
    assert record["tables"]["shares"]["rows"] == [
        ["0", "0", "9", "-", "-", "nan", "nan"],  # no heart had volumes
        ["0.3", "3", "6", "0.9030", "0.8000", "-0.30", "1.50"],
    ]
    assert float(record["settings"]["stated"]) == 0.35
