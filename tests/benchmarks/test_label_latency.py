# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""The benchmark of the MONAI Label app runs at a small size against a real server, and counts errors."""

from __future__ import annotations

import json
import os
from importlib import import_module
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.slow
def test_a_few_calls(label_python: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    standin = ROOT / "tests" / "integration" / "label" / "torchvision_standin"
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(standin), str(ROOT)]))
    script = import_module("label_latency")
    output = tmp_path / "a.json"
    small = ["--repeats", "2", "--clients", "2", "--seconds", "1", "--threads", "1", "--python", str(label_python)]
    assert script.main([*small, "--output", str(output)]) == 0
    results = json.loads(output.read_text())["results"]
    assert set(results) == {*script.CASES, "load"}
    assert all(results[name]["samples"] == 2 and results[name]["median"] > 0 for name in script.CASES)
    assert results["load"]["errors"] == 0 and results["load"]["calls"] >= 2
    assert results["load"]["mib_end"] > 100


def test_without_an_environment(tmp_path: Path) -> None:
    script = import_module("label_latency")
    options = script.read_options(["--python", str(tmp_path / "nothing")])
    with (
        pytest.raises(SystemExit, match="run make label-venv, or give --python"),
        script.running_server(tmp_path, options),
    ):
        raise AssertionError("there is no server")


def test_summary() -> None:
    script = import_module("label_latency")
    found = script.summary([float(number) for number in range(101)])
    assert found["median"] == 50 and 94 <= found["q95"] <= 96
    assert script.summary([1.0])["q95"] == 1.0
