# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""The fit on made-up features whose best weights are known in sign, and a tiny run."""

from __future__ import annotations

import json
from importlib import import_module
from pathlib import Path

import torch

from monai_acdr.data.phantoms import write_short_axis_studies


def test_what_tells_the_right_one_gets_the_weight() -> None:
    script = import_module("heart_search_fit")
    generator = torch.Generator().manual_seed(0)
    examples = []
    for _ in range(40):
        right = torch.arange(6) == int(torch.randint(6, (1,), generator=generator))
        noise = {name: torch.randn(6, generator=generator).double() for name in script.WEIGHTS}
        noise["disagreement"] = noise["disagreement"] - 4 * right
        noise["roundness"] = noise["roundness"] + 4 * right
        examples.append(script.Example(noise, right))
    weights = script.fit(examples, script.WEIGHTS)
    assert weights["disagreement"] < -0.5 and weights["roundness"] > 0.5
    assert all(abs(weights[name]) < 0.5 for name in ("turned_roundness", "wall_contrast", "offset"))
    vector = torch.tensor([*weights.values()])
    opposite = {name: -weight for name, weight in weights.items()}
    assert script.share_kept(examples, weights, 1) > 0.9 > script.share_kept(examples, opposite, 1)
    odds = torch.cat([each.matrix(weights) for each in examples]) @ vector.double() + script.fit_bias(examples, weights)
    assert abs(float(torch.sigmoid(odds).mean()) - 1 / 6) < 0.01


def test_a_run(tmp_path: Path) -> None:
    data = write_short_axis_studies(tmp_path / "data", 5, 2, 2, (128, 128))
    output = tmp_path / "fit.json"
    command = ["--dataset", str(data), "--every", "6", "--distance", "5", "--output", str(output)]
    assert import_module("heart_search_fit").main(command) == 0
    record = json.loads(output.read_text())
    assert set(record["tables"]) == {"windows", "candidates"}
    assert record["results"]["windows"]["kept"][0] >= 0.5
    assert str(tmp_path) not in output.read_text()
