# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""The localizer is trained by its config, stops and goes on, and what it writes is what `monai-acdr segment` reads."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from monai_acdr.apps.model import load_model
from tests.bundles.conftest import Sunnybrook

TINY: dict[str, Any] = {"width": 4, "batch_size": 2, "steps_per_epoch": 2, "max_epochs": 5, "device": "cpu"}


def train(sunnybrook: Sunnybrook, studies: Path, output: Path, **changes: Any) -> dict[str, torch.Tensor]:
    from monai.bundle import run

    checkpoint = output / "localizer.pt"
    settings = {
        **TINY,
        "dataset_dir": str(studies),
        "output_dir": str(output),
        "checkpoint": str(checkpoint),
        **changes,
    }
    run(config_file=sunnybrook.configs("localizer"), logging_file=False, **settings)
    return dict(torch.load(checkpoint, weights_only=True))


def test_training_and_use(sunnybrook: Sunnybrook, studies: Path, trained: Path, tmp_path: Path) -> None:
    weights = train(sunnybrook, studies, tmp_path / "run", cine_dir=str(studies))
    root = tmp_path / "sunnybrook_lv_acdr"
    shutil.copytree(sunnybrook.root / "configs", root / "configs")
    path = root / "configs" / "inference.json"
    config = json.loads(path.read_text())
    config |= {key: value for key, value in sunnybrook.tiny.items() if key.split("#")[0] in config and key != "device"}
    config["localizer"]["network"]["width"] = 4
    path.write_text(json.dumps(config))
    (root / "models").mkdir()
    shutil.copy(trained / "model.pt", root / "models")
    shutil.copy(tmp_path / "run" / "localizer.pt", root / "models")
    model = load_model(root, device="cpu")
    assert model.localizer is not None
    torch.testing.assert_close(dict(model.localizer.network.state_dict()), weights)


def test_resuming_ends_where_an_undisturbed_training_does(
    sunnybrook: Sunnybrook, studies: Path, tmp_path: Path, failure: Callable[..., str]
) -> None:
    whole = train(sunnybrook, studies, tmp_path / "whole")
    settings = {"max_epochs": 2, "lr_scheduler#total_steps": 11}
    train(sunnybrook, studies, tmp_path / "parts", **settings)
    resumed = train(sunnybrook, studies, tmp_path / "parts", resume=True)
    for name, value in whole.items():
        torch.testing.assert_close(resumed[name], value, msg=name)
    text = failure(train, sunnybrook, studies, tmp_path / "parts")
    assert "Expected no training in" in text and "add --resume true" in text
