# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

from typing import Any

import pytest
from click.testing import CliRunner

from monai_acdr.apps.cli import main


def test_options_and_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: dict[str, Any] = {}

    def remember(**arguments: Any) -> dict[str, Any]:
        seen.update(arguments)
        return {"num_cases": 3, "mean_dice": 0.912345, "empty_policy": "text", "not_evaluated": []}

    monkeypatch.setattr("monai_acdr.apps.evaluate_bundle.evaluate", remember)
    words = ["evaluate", "DATA", "-o", "OUT", "--group", "validation", "--set", "num_iterations=2", "--set", "a=b"]
    done = CliRunner().invoke(main, words)
    assert done.exit_code == 0, done.output
    assert seen["config"] == {"num_iterations": 2, "a": "b"}
    assert (seen["dataset"], seen["group"], seen["roi"]) == ("DATA", "validation", None)
    assert done.output == "num_cases: 3\nmean_dice: 0.9123\nMetrics: OUT/metrics.json, metrics.csv\n"
    assert CliRunner().invoke(main, [*words, "--set", "x"]).exit_code == 2


def test_each_structure_has_its_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    inner, outer = {"num_cases": 4, "mean_dice": 0.91}, {"num_cases": 2, "mean_dice": 0.95}
    metrics = {**inner, "by_structure": {"lumen": inner, "wall": outer}, "excluded_patients": ["a", "b"]}
    monkeypatch.setattr("monai_acdr.apps.evaluate_bundle.evaluate", lambda *_, **__: metrics)
    done = CliRunner().invoke(main, ["evaluate", "DATA", "-o", "OUT"])
    assert done.output.splitlines() == [
        "lumen, num_cases: 4",
        "lumen, mean_dice: 0.9100",
        "wall, num_cases: 2",
        "wall, mean_dice: 0.9500",
        "Patients left out of these values: 2",
        "Metrics: OUT/metrics.json, metrics.csv",
    ]
