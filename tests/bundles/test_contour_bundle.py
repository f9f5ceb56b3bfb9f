# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""The bundle for objects of any kind as MONAI sees it; ``tests/apps/test_train_bundle.py`` has what is made of it."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest
from monai.bundle import verify_net_in_out

from monai_acdr.data.phantoms import write_pair_folder

ROOT = Path(__file__).resolve().parents[2]
VERTICES = "network_def#initial_contour#num_vertices"
QUICK: dict[str, Any] = {"max_epochs": 2, "roi_size": 32, "batch_size": 4, VERTICES: 16, "device": "cpu"}


@pytest.fixture(scope="module")
def bundle(sunnybrook: Any) -> Any:
    return dataclasses.replace(sunnybrook, root=ROOT / "bundles" / "contour_acdr", tiny=dict(QUICK))


@pytest.fixture(scope="module")
def pairs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_pair_folder(tmp_path_factory.mktemp("pairs") / "data", num_patients=4)


def test_the_folder_is_a_bundle_without_weights(bundle: Any) -> None:
    names = ["LICENSE", "docs/README.md", "configs/logging.conf"]
    assert [name for name in names if not (bundle.root / name).is_file()] == []
    assert "Limitations" in (bundle.root / "docs" / "README.md").read_text(encoding="utf-8")
    assert not (bundle.root / "models").exists()


def test_metadata(bundle: Any) -> None:
    bundle.check_metadata("object")


def test_the_configs_agree_and_stay_readable(bundle: Any) -> None:
    """A trained copy gets the values of one plan: keys of the same name mean the same in both files."""
    configs = {
        name: json.loads((bundle.root / "configs" / f"{name}.json").read_text(encoding="utf-8"))
        for name in ("train", "inference")
    }
    for key in ("structures", "channels", "roi_size", "crop_transforms"):
        assert configs["train"].get(key, configs["inference"][key]) == configs["inference"][key]
    assert configs["train"]["region"] | {"box": "@roi_box"} == configs["inference"]["region"]
    assert configs["train"]["network_def"]["initial_contour"] == configs["inference"]["network_def"]["initial_contour"]
    assert all(len(config) <= 32 for config in configs.values())


def test_network_gives_what_the_metadata_say(bundle: Any) -> None:
    """In training, as that of inference: `test_model_zoo.py`."""
    meta_file = str(bundle.root / "configs" / "metadata.json")
    verify_net_in_out("network_def", config_file=bundle.configs("train")[0], meta_file=meta_file, device="cpu")


def test_workflows(bundle: Any, pairs: Path, tmp_path: Path) -> None:
    """Training, evaluation and inference, each step as MONAI's model zoo runs it."""
    for configs, kind in ((["train"], "train"), (["train", "evaluate"], "train"), (["inference"], "infer")):
        places = {"dataset_dir": pairs, "output_dir": tmp_path / configs[-1], "checkpoint": tmp_path / "model.pt"}
        options = {key: value for key, value in QUICK.items() if kind == "train" or key in ("roi_size", VERTICES)}
        workflow = dataclasses.replace(bundle, tiny=options).workflow(configs, kind, **places)
        workflow.initialize()
        assert workflow.check_properties() == []
        workflow.run()
        workflow.finalize()
    assert (tmp_path / "train" / "last.pt").is_file()
    figures = json.loads((tmp_path / "evaluate" / "metrics.json").read_text())
    assert figures["num_cases"] == 4
    assert figures["metadata"]["roi"] == "box of the reference"
    assert len(list((tmp_path / "inference").glob("*.json"))) == 8
