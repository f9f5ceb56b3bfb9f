# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""The one command runs each part at a tiny size, names what is missing, and writes one file."""

from __future__ import annotations

import json
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch

TINY = ["--cases", "2,16,8", "--repeats", "2", "--warmup", "0", "--sweep-sizes", "8", "--sweep-vertices", "4"]
TINY += ["--shapes", "2", "--fit-seeds", "2", "--fit-blobs", "1", "--fit-steps", "2", "--device", "cpu"]
FEW = ["--only", "exact (torch)", "PIL", "torch.cumsum"]


@pytest.fixture
def script() -> ModuleType:
    return import_module("rasterizers")


def run(script: ModuleType, output: Path, *arguments: str) -> tuple[int, dict[str, Any]]:
    status = script.main([*TINY, *arguments, "--output", str(output)])
    return status, json.loads(output.read_text())


def test_tiny_run(
    script: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    # Processes of its own are tested in test_rasterizer_memory.py.
    monkeypatch.setattr(script.memory, "in_new_process", lambda name, device, options: {"mebibytes": 1.5})
    output = tmp_path / "a.json"
    status, record = run(script, output, *FEW)
    assert status == 0
    results = record["results"]
    assert set(results["speed"]["cpu"]["cases"][0]["forward"]) == {"exact (torch)", "PIL", "torch.cumsum"}
    assert set(results["accuracy"]["cpu"]["blobs"]) == {"exact (torch)", "PIL"}
    assert set(results["fit"]["cpu"]["methods"]) == {"exact (torch)"}
    assert results["memory"]["cpu"]["methods"] == {"exact (torch)": {"mebibytes": 1.5}, "PIL": {"mebibytes": 1.5}}
    assert {row["met"] for row in results["targets"]} == {None}
    assert record["environment"]["torch_threads"] == 1
    assert record["settings"]["parts"] == ["speed", "accuracy", "fit", "memory"]
    assert str(tmp_path) not in output.read_text()
    printed = capsys.readouterr().out
    for heading in ("forward + backward, cpu, B 2, 16^2, K 8", "blobs, cpu", "bands, cpu", "fit, cpu", "peak memory"):
        assert f"\n{heading}" in printed
    assert "not measured: cuda was not measured" in printed


def test_parts_can_be_chosen_and_drawn_again(script: ModuleType, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib", exc_type=ImportError)
    first = ["--figures", str(tmp_path / "first")]
    status, record = run(script, tmp_path / "a.json", "--parts", "accuracy", *FEW, *first)
    assert status == 0
    assert not {"speed", "fit", "memory"} & set(record["results"])
    folder = tmp_path / "again"
    assert script.main(["--redraw", str(tmp_path / "a.json"), "--figures", str(folder)]) == 0
    for drawn in (folder, tmp_path / "first"):
        assert {path.name for path in drawn.iterdir()} == {"rasterizer_accuracy.png", "rasterizer_coverage.png"}


def test_a_missing_peer_is_named_and_skipped(
    script: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    registry = import_module("rasterizer_registry")
    entries = {
        "torch_contour": registry.Entry(registry.make_exact("torch"), "absent_peer"),
        "exact (torch)": registry.RASTERIZERS["exact (torch)"],
    }
    monkeypatch.setattr(script, "RASTERIZERS", entries)
    arguments = ["--parts", "accuracy", "--only", "torch_contour", "exact (torch)"]
    status, record = run(script, tmp_path / "a.json", *arguments)
    assert status == 0
    assert set(record["results"]["skipped"]["cpu"]) == {"torch_contour"}
    assert set(record["results"]["accuracy"]["cpu"]["blobs"]) == {"exact (torch)"}
    printed = capsys.readouterr().out
    assert "torch_contour is skipped on cpu: " in printed
    assert "pip install 'monai_acdr[benchmark]'" in printed
    assert run(script, tmp_path / "b.json", *arguments, "--require-all")[0] == 1


def test_devices(script: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert script.devices("auto") == script.devices("cpu") == ["cpu"]
    with pytest.raises(SystemExit, match="torch sees no CUDA device"):
        script.devices("cuda")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert script.devices("auto") == ["cpu", "cuda"]
    assert script.devices("cuda") == ["cuda"]


def test_a_case_is_checked_before_anything_runs(script: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        script.read_options(["--cases", "32,64"])
    assert "--cases" in capsys.readouterr().err
