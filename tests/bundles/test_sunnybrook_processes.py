# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""The overlays for several processes; benchmarks/many_processes.py does the same by torchrun, and kills processes."""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from monai_acdr.bundle import check_config, read_configs
from monai_acdr.data.phantoms import write_pair_folder
from monai_acdr.handlers import load_checkpoint

ROOT = Path(__file__).resolve().parents[2]
BUNDLES = sorted(path.parents[1] for path in ROOT.glob("bundles/*/configs/multi_gpu_train.json"))


def content(bundle: Path, name: str) -> dict[str, Any]:
    return dict(json.loads((bundle / "configs" / f"{name}.json").read_text(encoding="utf-8")))


def evaluate(sunnybrook: Any, data: Path, output: Path, checkpoint: Path) -> None:
    """In each process."""
    places = {"dataset_dir": data, "output_dir": output, "checkpoint": checkpoint, "group": "online"}
    sunnybrook.run(["train", "evaluate", "multi_gpu_evaluate"], **places)


def train(sunnybrook: Any, data: Path, output: Path, epochs: int, resume: bool) -> None:
    """In each process, which leaves its weights in a file."""
    places = {"dataset_dir": str(data), "output_dir": str(output), "checkpoint": str(output / "model.pt")}
    numbers = {"max_epochs": epochs, "val_interval": 1, "train#warmup_epochs": 1, "resume": resume}
    workflow = sunnybrook.workflow(["train", "multi_gpu_train"], None, **places, **numbers)
    workflow.initialize()
    workflow.run()
    rank = torch.distributed.get_rank()
    networks = {"network": "network_def", "ema": "train#ema"}
    state = {name: workflow.parser.get_parsed_content(key) for name, key in networks.items()}
    weights = {"network": state["network"].state_dict(), "ema": state["ema"].ema_model.state_dict()}
    torch.save(weights, output / f"process-{rank}.pt")
    workflow.finalize()


def assert_equal(one: dict[str, Tensor], other: dict[str, Tensor]) -> None:
    assert one.keys() == other.keys()
    assert [name for name in one if not torch.equal(one[name], other[name])] == []


def test_an_evaluation_in_two_processes_is_that_of_one(
    sunnybrook: Any, studies: Path, trained: Path, tmp_path: Path, in_processes: Callable[..., None]
) -> None:
    sunnybrook.evaluate(studies, tmp_path / "one", trained / "model.pt")
    in_processes(evaluate, 2, sunnybrook, studies, tmp_path / "two", trained / "model.pt")
    for name in ("metrics.csv", "metrics.json"):
        assert (tmp_path / "two" / name).read_bytes() == (tmp_path / "one" / name).read_bytes()
    assert sorted(path.name for path in (tmp_path / "two").iterdir() if not path.name.startswith(".")) == [
        "metrics.csv",
        "metrics.json",
    ]


def test_two_processes_train_one_network_and_one_goes_on(
    sunnybrook: Any, studies: Path, tmp_path: Path, in_processes: Callable[..., None]
) -> None:
    """Two epochs by two processes, the third by one with the same files."""
    in_processes(train, 2, sunnybrook, studies, tmp_path, 2, False)
    first, second = (torch.load(tmp_path / f"process-{rank}.pt") for rank in range(2))
    for part in ("network", "ema"):
        assert_equal(first[part], second[part])
    state = load_checkpoint(tmp_path / "last.pt")
    assert_equal(state["network"], first["network"])
    assert_equal(state["ema"], first["ema"])
    assert state["trainer"] == {"epoch_length": 2, "max_epochs": 2, "iteration": 4}
    assert len(list((tmp_path / "tensorboard").iterdir())) == 2  # one writer of the training, one of the validation
    sunnybrook.train(studies, tmp_path, resume=True)
    state = load_checkpoint(tmp_path / "last.pt")
    assert state["trainer"]["iteration"] // state["trainer"]["epoch_length"] == 3
    assert any(not torch.equal(value, first["network"][name]) for name, value in state["network"].items())


@pytest.mark.parametrize("bundle", BUNDLES, ids=lambda path: path.name)
def test_overlays_do_all_that_one_process_does(bundle: Path) -> None:
    """Lists are replaced by an overlay, so each has to name the items of the config below it, in their order."""
    for name in ("train", "evaluate"):
        overlay, below = content(bundle, f"multi_gpu_{name}")["initialize"], content(bundle, name)["initialize"]
        assert [item for item in overlay if item in below] == below
        assert overlay[0] == "$monai_acdr.handlers.join_processes(@device)"
    configs = [bundle / "configs" / f"{name}.json" for name in ("train", "evaluate")]
    check_config(bundle, read_configs([*configs, bundle / "configs" / "multi_gpu_evaluate.json"]))
    check_config(bundle, read_configs([configs[0], bundle / "configs" / "multi_gpu_train.json"]))
    handlers = content(bundle, "train")["train"]["handlers"]
    silent = {int(key.split("#")[2]) for key in content(bundle, "multi_gpu_train") if key.startswith("train#handlers#")}
    kinds = [handler["_target_"].rpartition(".")[2] for handler in handlers]
    assert [kinds[number] for number in sorted(silent)] == ["TensorBoardStatsHandler", "TrainingProgress"]


def train_objects(bundle: Any, data: Path, output: Path) -> None:
    """In each process: a training and an evaluation on a folder of pairs."""
    places = {"dataset_dir": data, "checkpoint": output / "model.pt"}
    bundle.run(["train", "multi_gpu_train"], output_dir=output / "train", **places)
    os.environ["MASTER_PORT"] = str(int(os.environ["MASTER_PORT"]) + 1)
    torch.distributed.is_initialized() and torch.distributed.destroy_process_group()
    bundle.run(["train", "evaluate", "multi_gpu_evaluate"], output_dir=output / "several", **places)


def test_objects_of_your_own(sunnybrook: Any, tmp_path: Path, in_processes: Callable[..., None]) -> None:
    """The bundle `contour_acdr`, of which `monai-acdr train` writes copies; it saves its weights when it is done."""
    quick = {"max_epochs": 1, "roi_size": 32, "batch_size": 4, "device": "cpu"}
    quick |= {"network_def#displacement_net#channels": [4, 8], "network_def#initial_contour#num_vertices": 16}
    bundle = dataclasses.replace(sunnybrook, root=ROOT / "bundles" / "contour_acdr", tiny=quick)
    data = write_pair_folder(tmp_path / "data", num_patients=4)
    in_processes(train_objects, 2, bundle, data, tmp_path)
    places = {"dataset_dir": data, "output_dir": tmp_path / "one", "checkpoint": tmp_path / "model.pt"}
    bundle.run(["train", "evaluate"], **places)
    for name in ("metrics.csv", "metrics.json"):
        assert (tmp_path / "several" / name).read_bytes() == (tmp_path / "one" / name).read_bytes()


def test_without_torchrun_it_says_so(
    sunnybrook: Any, studies: Path, tmp_path: Path, failure: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("RANK", "WORLD_SIZE", "LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT"):
        monkeypatch.delenv(name, raising=False)
    text = failure(evaluate, sunnybrook, studies, tmp_path, tmp_path / "model.pt")
    assert "Expected a process that torchrun started, but RANK, " in text
    assert "torchrun --nproc_per_node NUMBER -m monai.bundle run" in text
