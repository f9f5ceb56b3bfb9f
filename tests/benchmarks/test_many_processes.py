# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""The commands and comparisons of the script; what it runs is tested in tests/bundles/test_sunnybrook_processes.py."""

from __future__ import annotations

import json
import subprocess
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch

from monai_acdr.handlers import save_checkpoint


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """Its `torchrun` writes what each process would."""
    module = import_module("many_processes")

    def torchrun(command: list[str], **settings: Any) -> subprocess.CompletedProcess[str]:
        configs = command[command.index("--config_file") + 1]
        output = Path(command[command.index("--output_dir") + 1])
        number = int(next((word for word in command if "nproc" in word), "=1").partition("=")[2])
        output.mkdir(exist_ok=True)
        if "evaluate.json" in configs:
            for name in ("metrics.json", "metrics.csv"):
                (output / name).write_text('{"mean_dice": 0.5}')
        weights = {"a": torch.ones(2)}
        for rank in range(number):
            state = {"network": weights, "ema": {"a": torch.ones(2) + (number == 3 and rank == 2)}}
            torch.save({**state, "loss": torch.tensor(0.5)}, output / f"process-{rank}.pt")
        trainer = {"epoch_length": 2, "max_epochs": 4, "iteration": 8}
        best = {"metric": 0.75, "epoch": 1}
        save_checkpoint({"network": weights, "ema": weights, "trainer": trainer, "best": best}, output / "last.pt")
        save_checkpoint(weights, output / "model.pt")
        return subprocess.CompletedProcess(command, 1 if "kill.json" in configs else 0, "", "")

    monkeypatch.setattr(module.subprocess, "run", torchrun)
    monkeypatch.setattr(module, "write_short_axis_studies", lambda *places, **numbers: None)
    return module


def test_processes_that_differ_are_seen(script: ModuleType, tmp_path: Path) -> None:
    for numbers, code in ((["2"], 0), (["2", "3"], 1)):
        assert script.main(["--processes", *numbers, "--output", str(tmp_path / "record.json")]) == code
    results = json.loads((tmp_path / "record.json").read_text())["results"]
    assert [row["alike"] for row in results["trainings"]] == [True, True, False]
    assert all(row["same"] for row in results["evaluations"])
    assert [row["difference"] for row in results["disturbed"]] == [0, None]


def test_a_run_that_fails_is_an_error(script: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    done = subprocess.CompletedProcess([], 1, "", "out of memory")
    monkeypatch.setattr(script.subprocess, "run", lambda *arguments, **settings: done)
    with pytest.raises(RuntimeError, match=r"(?s)train in 1 processes ended with 1:.*out of memory"):
        script.main(["--output", str(tmp_path / "record.json")])
