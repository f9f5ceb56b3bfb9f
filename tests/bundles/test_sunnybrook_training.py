# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Trainings are repeatable, survive a kill and a full disk, and never overwrite one another."""

from __future__ import annotations

import errno
import json
import os
import re
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
import torch
from monai.bundle import run

from monai_acdr.handlers import load_checkpoint

ROOT = Path(__file__).resolve().parents[2]
Failure = Callable[..., str]


def assert_same(first: Any, second: Any, tolerance: float = 0.0) -> None:
    """Compare checkpoints: nested dictionaries and lists of tensors and numbers."""
    if isinstance(first, dict):
        assert first.keys() == second.keys()
        for key in first:
            assert_same(first[key], second[key], tolerance)
    elif isinstance(first, (list, tuple)):
        assert len(first) == len(second)
        for one, other in zip(first, second, strict=True):
            assert_same(one, other, tolerance)
    elif isinstance(first, torch.Tensor):
        torch.testing.assert_close(second, first, rtol=0, atol=tolerance)
    elif isinstance(first, str) and tolerance > 0:  # the hash of weights that may differ by rounding
        assert len(second) == len(first)
    else:
        assert second == (pytest.approx(first, abs=tolerance) if isinstance(first, float) else first)


def test_what_a_training_leaves(trained: Path) -> None:
    assert sorted(path.name for path in trained.iterdir()) == ["last.pt", "model.pt", "tensorboard"]
    state = load_checkpoint(trained / "last.pt")
    assert set(state) == {"network", "ema", "optimizer", "lr_scheduler", "early_stop", "trainer", "best", "best_sha256"}
    assert 1 <= state["best"]["epoch"] <= 3
    assert 0 < state["best"]["metric"] < 1
    assert state["early_stop"]["best_score"] == pytest.approx(state["best"]["metric"])
    assert list(trained.glob("tensorboard/events*"))


def test_the_seed_decides(sunnybrook: Any, studies: Path, trained: Path, tmp_path: Path) -> None:
    sunnybrook.train(studies, tmp_path / "same")
    assert_same(load_checkpoint(trained / "last.pt"), load_checkpoint(tmp_path / "same" / "last.pt"))
    assert_same(load_checkpoint(trained / "model.pt"), load_checkpoint(tmp_path / "same" / "model.pt"))
    sunnybrook.train(studies, tmp_path / "other", seed=1, max_epochs=1)
    first, other = (load_checkpoint(folder / "model.pt") for folder in (trained, tmp_path / "other"))
    assert any(not torch.equal(first[name], other[name]) for name in first)


def _kill_after(iterations: int, train_config: Path, overlay: Path) -> Path:
    """Write a config on top of another: its initialize, and a SIGKILL by the process itself."""
    event = f"ignite.engine.Events.ITERATION_COMPLETED(once={iterations})"
    kill = f"lambda: torch.os.kill(torch.os.getpid(), {int(signal.SIGKILL)})"
    own = f"$@train#trainer.add_event_handler({event}, {kill})"
    overlay.write_text(json.dumps({"initialize": [*json.loads(train_config.read_text())["initialize"], own]}))
    return overlay


@pytest.mark.slow
def test_killed_and_resumed_is_undisturbed(
    sunnybrook: Any,
    studies: Path,
    trained: Path,
    tmp_path: Path,
    failure: Failure,
    bundle_command: Callable[..., tuple[int, str]],
) -> None:
    """Four frames in batches of 2 make two iterations an epoch: the fifth is the first of epoch 3."""
    output = tmp_path / "killed"
    settings: dict[str, Any] = {**sunnybrook.tiny, "max_epochs": 3, "val_interval": 1, "train#warmup_epochs": 1}
    settings |= {"dataset_dir": studies, "output_dir": output, "checkpoint": output / "model.pt"}
    config = Path(sunnybrook.configs("train")[0])
    configs = [str(config.relative_to(ROOT)), str(_kill_after(5, config, tmp_path / "kill.json"))]
    words = [text for key, value in settings.items() for text in (f"--{key}", str(value))]
    status, printed = bundle_command(ROOT, "run", "--config_file", str(configs), *words)
    assert status == -signal.SIGKILL, printed
    assert load_checkpoint(output / "last.pt")["trainer"]["iteration"] == 4
    assert "last.pt is there: add --resume true" in failure(sunnybrook.train, studies, output)
    sunnybrook.train(studies, output, resume=True)
    for name in ("last.pt", "model.pt"):
        assert_same(load_checkpoint(trained / name), load_checkpoint(output / name), tolerance=1e-6)
    figures = [
        sunnybrook.evaluate(studies, tmp_path / "evaluation", folder / "model.pt", group="validation")
        for folder in (trained, output)
    ]
    assert figures[0]["mean_dice"] == pytest.approx(figures[1]["mean_dice"], abs=1e-6)


def test_a_finished_training_resumes_to_nothing(sunnybrook: Any, studies: Path, tmp_path: Path) -> None:
    sunnybrook.train(studies, tmp_path / "out", max_epochs=1)
    before = {name: (tmp_path / "out" / name).read_bytes() for name in ("last.pt", "model.pt")}
    sunnybrook.train(studies, tmp_path / "out", max_epochs=1, resume=True)
    assert {name: (tmp_path / "out" / name).read_bytes() for name in before} == before


def test_no_training_overwrites_another(sunnybrook: Any, studies: Path, tmp_path: Path, failure: Failure) -> None:
    sunnybrook.train(studies, tmp_path / "one", max_epochs=1, checkpoint=tmp_path / "model.pt")
    first = (tmp_path / "model.pt").read_bytes()
    text = failure(sunnybrook.train, studies, tmp_path / "one", checkpoint=tmp_path / "model.pt")
    assert f"Expected no training in {tmp_path / 'one'}, but last.pt is there: add --resume true" in text
    assert (tmp_path / "model.pt").read_bytes() == first
    text = failure(sunnybrook.train, studies, tmp_path / "two", max_epochs=1, checkpoint=tmp_path / "model.pt")
    assert f"Expected a new file for the weights of this training, but {tmp_path / 'model.pt'} exists" in text
    assert (tmp_path / "model.pt").read_bytes() == first and not (tmp_path / "two" / "last.pt").exists()


def test_resume_without_a_training_or_with_another_network(
    sunnybrook: Any, studies: Path, tmp_path: Path, failure: Failure
) -> None:
    text = failure(sunnybrook.train, studies, tmp_path / "new", resume=True)
    assert f"{tmp_path / 'new' / 'last.pt'} does not exist" in text
    sunnybrook.train(studies, tmp_path / "out", max_epochs=1)
    before = (tmp_path / "out" / "last.pt").read_bytes()
    text = failure(
        sunnybrook.train,
        studies,
        tmp_path / "out",
        resume=True,
        **{"network_def#displacement_net#channels": [4, 8, 16]},
    )
    assert f"Expected 'network' in {tmp_path / 'out' / 'last.pt'} to fit this configuration" in text
    assert (tmp_path / "out" / "last.pt").read_bytes() == before


def test_a_full_disk_loses_one_epoch(
    sunnybrook: Any,
    studies: Path,
    trained: Path,
    tmp_path: Path,
    failure: Failure,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    output, sync, calls = tmp_path / "out", os.fsync, []

    def full_after_the_first_epoch(descriptor: int) -> None:
        calls.append(descriptor)
        if len(calls) > 2:  # of model.pt and last.pt
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        sync(descriptor)

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full_after_the_first_epoch)
        text = failure(sunnybrook.train, studies, output)
    assert "No space left on device" in text
    assert "the earlier checkpoint of that name is kept: free space or choose another folder" in text
    assert sorted(path.name for path in output.iterdir()) == ["last.pt", "model.pt", "tensorboard"]
    assert load_checkpoint(output / "last.pt")["trainer"]["iteration"] == 2
    sunnybrook.train(studies, output, resume=True)
    assert_same(load_checkpoint(trained / "last.pt"), load_checkpoint(output / "last.pt"), tolerance=1e-6)


def test_stops_early(sunnybrook: Any, studies: Path, tmp_path: Path) -> None:
    """A figure that never improves: the first epoch sets it, then patience runs out."""
    constant = {"train#early_stop#score_function": "$lambda engine: 0.5", "train#early_stop#patience": 2}
    sunnybrook.train(studies, tmp_path, max_epochs=40, **constant)
    state = load_checkpoint(tmp_path / "last.pt")
    assert state["trainer"]["iteration"] == 3 * 2
    assert state["early_stop"]["counter"] == 2
    assert (tmp_path / "model.pt").is_file()


def test_loss_weights_and_numbers_are_overrides(sunnybrook: Any, studies: Path, tmp_path: Path) -> None:
    weights: dict[str, Any] = {"loss#balloon_weight": 0.3, "loss#curvature_weight": 0.4, "loss#distance_weight": 0.5}
    numbers = {"network_def#initial_contour#num_vertices": 20, "network_def#num_iterations": 5, "max_epochs": 7}
    places = {"dataset_dir": studies, "output_dir": tmp_path}
    for kind in ("mse", "dice"):
        changed = {**weights, **numbers, "loss#segmentation": kind}
        parser = sunnybrook.workflow(["train"], None, **places, **changed).parser
        loss, network = parser.get_parsed_content("loss"), parser.get_parsed_content("network_def")
        assert {name: getattr(loss, name.removeprefix("loss#")) for name in weights} == weights
        assert loss.segmentation.kind == kind
        assert network(torch.rand(2, 1, 32, 32)).shape == (2, 5, 2, 20, 2)
    assert parser.get_parsed_content("train#trainer").state.max_epochs == 7


def test_slices_of_nifti_stacks_by_the_config_of_the_page(sunnybrook: Any, tmp_path: Path) -> None:
    """One epoch on label maps of four patients, then an evaluation of the others, by what the documentation says."""
    x, y = np.meshgrid(np.arange(64) + 0.5, np.arange(60) + 0.5, indexing="ij")
    for number in range(4):
        folder = tmp_path / "hearts" / f"patient{number}"
        folder.mkdir(parents=True)
        distance = np.hypot(x - 30 - number, y - 28)
        for phase, radius in (("ED", 9.0), ("ES", 7.0)):
            labels = np.where(distance < radius, 3, np.where(distance < 15, 2, 0)).astype(np.uint8)[..., None]
            labels = np.concatenate([labels, np.where(labels == 2, 0, labels)], 2)  # no wall in the second slice
            for name, values in ((phase, 60.0 * (labels == 3) + x[..., None]), (f"{phase}_gt", labels)):
                nib.save(nib.Nifti1Image(values, np.diag([1.4, 1.4, 8, 1])), folder / f"{name}.nii.gz")
    page = (ROOT / "docs" / "how-to" / "data_layouts.md").read_text(encoding="utf-8")
    (block,) = re.findall(r"```json\n(.*?)```", page, flags=re.DOTALL)
    (tmp_path / "nifti.json").write_text(block)
    places = {"dataset_dir": str(tmp_path / "hearts"), "checkpoint": str(tmp_path / "model.pt")}
    settings = {
        **sunnybrook.tiny,
        **places,
        "region#label_side": 44,
        "train#frame_size": 64,
        "exclude": [],
        "logging_file": False,
    }
    configs = [*sunnybrook.configs("train"), str(tmp_path / "nifti.json")]
    run(config_file=configs, output_dir=str(tmp_path / "train"), max_epochs=1, val_interval=1, **settings)
    assert load_checkpoint(tmp_path / "train" / "last.pt")["best"]["metric"] > 0
    configs.insert(1, *sunnybrook.configs("evaluate"))
    run(config_file=configs, output_dir=str(tmp_path / "evaluation"), **settings)
    figures = json.loads((tmp_path / "evaluation" / "metrics.json").read_text())
    assert {name: part["num_cases"] for name, part in figures["by_structure"].items()} == {
        "endocardium": 8,
        "epicardium": 4,
    }
    assert (figures["num_patients"], figures["spacing"], figures["not_nested"]) == (2, "from images", [])
    assert figures["metadata"]["reader_shift_px"] == [[0.0, 0.0]]
