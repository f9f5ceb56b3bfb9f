# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""The check of the CUDA kernels: natively where there is a GPU; elsewhere the script itself, on the CPU."""

from __future__ import annotations

import json
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch


@pytest.fixture
def script() -> ModuleType:
    return import_module("rasterizer_cuda")


def test_what_cannot_be_captured_is_said(
    script: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail() -> None:
        raise RuntimeError("operation not permitted when stream is capturing\nand more lines")

    monkeypatch.setattr(torch.cuda, "Stream", fail)
    monkeypatch.setattr(torch.cuda, "synchronize", lambda: None)
    assert script.as_graph(lambda: None) is None
    assert capsys.readouterr().out == "no CUDA graph: operation not permitted when stream is capturing\n"


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_replay_does_the_same(script: ModuleType) -> None:
    total = torch.zeros(3, device="cuda")
    replay = script.as_graph(lambda: total.add_(1))
    torch.cuda.synchronize()
    before = total.clone()
    replay()
    assert torch.equal(total, before + 1)


SMALL = ["--device", "cpu", "--parity-only", "--polygons", "3", "--size", "16", "--num-vertices", "8"]


@pytest.fixture
def eager(monkeypatch: pytest.MonkeyPatch) -> None:
    """Inductor's C++ compiler takes longer than all of these tests."""
    monkeypatch.setattr(torch, "compile", lambda module, fullgraph: module)


@pytest.mark.usefixtures("eager")
def test_one_command_checks_everything(script: ModuleType, tmp_path: Path) -> None:
    assert script.main([*SMALL, "--output", str(tmp_path / "record.json")]) == 0
    results = json.loads((tmp_path / "record.json").read_text())["results"]
    assert {(row["dtype"], row["fill_rule"]) for row in results["parity"]} == {
        (dtype, rule) for dtype in ("float32", "float64") for rule in ("nonzero", "evenodd", "signed")
    }
    assert all(row["agrees"] and max(row["mask"], row["gradient"]) < 1e-6 for row in results["parity"])
    assert results["inductor"] == {"difference": 0, "error": None}
    assert results["graph"] is None


@pytest.mark.usefixtures("eager")
def test_a_kernel_that_fails_is_a_row_and_an_exit_code(
    script: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*arguments: Any) -> Any:
        raise ArithmeticError("masks differ\nand more lines")

    monkeypatch.setattr(script, "check_parity", fail)
    assert script.main([*SMALL, "--output", str(tmp_path / "record.json")]) == 1
    rows = json.loads((tmp_path / "record.json").read_text())["results"]["parity"]
    assert [row["error"] for row in rows] == ["ArithmeticError: masks differ"] * 6


@pytest.mark.skipif(torch.cuda.is_available(), reason="for machines without a GPU")
def test_without_a_gpu_it_says_so(script: ModuleType) -> None:
    with pytest.raises(SystemExit, match="Expected a CUDA device, but torch sees none"):
        script.main([])
