# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""The training-step benchmark runs at a tiny size, and times what it says it times."""

from __future__ import annotations

import json
from importlib import import_module
from pathlib import Path
from types import ModuleType

import pytest
import torch

ROOT = Path(__file__).resolve().parents[2]
TINY = ["--batch-size", "2", "--size", "16", "--num-vertices", "8", "--channels", "2", "4", "--repeats", "2"]


@pytest.fixture
def script() -> ModuleType:
    return import_module("training_step")


def test_tiny_run_writes_all_figures(script: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    output = tmp_path / "step.json"
    assert script.main([*TINY, "--warmup", "1", "--output", str(output)]) == 0
    record = json.loads(output.read_text())
    assert record["results"]["ratio"]["samples"] == 2
    assert record["results"]["ratio"]["median"] > 0
    assert set(record["results"]["seconds"]) == {"contour", "pixel-wise"}
    assert record["settings"]["batch_size"] == 2
    assert record["environment"]["torch_threads"] == 1
    assert str(tmp_path) not in output.read_text()
    assert "ratio" in capsys.readouterr().out


def test_defaults_are_the_target_case_and_the_bundles_network(script: ModuleType) -> None:
    options = script.read_options([])
    config = json.loads((ROOT / "bundles/sunnybrook_lv_acdr/configs/train.json").read_text())
    assert (options.batch_size, options.size, options.num_vertices, options.num_iterations) == (100, 64, 32, 3)
    network, loss = config["network_def"], config["loss"]
    assert options.channels == network["displacement_net"]["channels"]
    assert options.num_convs == network["displacement_net"]["num_convs"]
    assert options.dropout == network["displacement_net"]["dropout"]
    assert options.initial_diameter == network["initial_contour"]["diameter"][0]  # one structure
    assert loss["segmentation"] == "dice"
    assert {key: loss[key] for key in script.LOSS} == script.LOSS
    assert script.OPTIMIZER == {"lr": config["learning_rate"], "weight_decay": config["optimizer"]["weight_decay"]}


def test_both_steps_have_the_same_network(script: ModuleType) -> None:
    options = script.read_options(TINY)
    first, second = (script.make_network(options, activation) for activation in ("tanh", "none"))
    for one, other in zip(first.state_dict().values(), second.state_dict().values(), strict=True):
        assert torch.equal(one, other)


@pytest.mark.parametrize("make", ["contour_step", "pixel_step"])
def test_steps_train(script: ModuleType, make: str, monkeypatch: pytest.MonkeyPatch) -> None:
    options = script.read_options(TINY)
    networks = []
    original = script.make_network
    monkeypatch.setattr(script, "make_network", lambda *given: networks.append(original(*given)) or networks[0])
    step = getattr(script, make)(options, *script.make_batch(options.batch_size, options.size))
    before = [parameter.detach().clone() for parameter in networks[0].parameters()]
    step()
    after = list(networks[0].parameters())
    assert any(not torch.equal(one, other) for one, other in zip(before, after, strict=True))


def test_batch_is_ellipses_inside_the_frame(script: ModuleType) -> None:
    image, label = script.make_batch(5, 32)
    assert image.shape == label.shape == (5, 1, 32, 32)
    assert float(label.amax()) <= 1 + 1e-6
    # Exact coverage: the radii lie between 0.1 and 0.3 of the frame, in both directions.
    areas = label.sum((1, 2, 3)) / 32**2
    assert bool(((areas > 0.99 * torch.pi * 0.1**2) & (areas < torch.pi * 0.3**2)).all())
