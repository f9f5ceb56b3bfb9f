# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""The benchmark of ROI `auto` runs at a small size; what it moves, it moves right."""

from __future__ import annotations

import json
import math
from importlib import import_module
from pathlib import Path

import pytest
import torch

from monai_acdr.data.phantoms import write_short_axis_studies


def test_moving_and_zooming() -> None:
    script = import_module("auto_roi")
    pixels = torch.zeros(40, 60)
    pixels[10:14, 20:24] = 1
    moved = script.change(pixels, 10, 1, math.pi / 2)
    torch.testing.assert_close(script.middle(moved), script.middle(pixels) + torch.tensor([0.0, 10.0]).double())
    zoomed = script.change(pixels, 0, 2, 0)
    assert zoomed.shape == (80, 120)
    torch.testing.assert_close(script.middle(zoomed > 0.5), 2 * script.middle(pixels))
    assert script.is_missed(torch.tensor([10.0, 10, 40, 40, 0]), torch.tensor([21.0, 10]))
    assert not script.is_missed(torch.tensor([10.0, 10, 40, 40, 0]), torch.tensor([19.0, 10]))


@pytest.mark.slow
def test_a_small_data_set(tmp_path: Path) -> None:
    script = import_module("auto_roi")
    data = write_short_axis_studies(tmp_path / "data", 1, 3, 4)
    output = tmp_path / "a.json"
    words = ["--dataset", str(data), "--group", "training", "--every", "3", "--cine", str(data)]
    assert script.main([*words, "--output", str(output)]) == 0
    results = json.loads(output.read_text())["results"]
    assert set(results) == {*script.CASES, "cine"}
    assert results["as they are"]["label"]["mean_dice"] > 0.7
    for result in results["cine"].values():
        assert result["slices_found"] + result["slices_lost"] == 3
