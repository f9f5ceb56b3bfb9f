# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from monai_acdr.apps.monailabel.fine_tuning import FineTuning, fine_tune, one_training, reference_keys
from monai_acdr.apps.monailabel.images import LabelImage
from monai_acdr.apps.monailabel.model_store import BusyError, ModelStore
from monai_acdr.handlers import load_checkpoint, save_checkpoint
from monai_acdr.handlers.checkpoints import join_members


@pytest.fixture()
def labeled(volume: LabelImage) -> list[tuple[str, LabelImage, np.ndarray]]:
    x, y, z = np.meshgrid(*(np.arange(size) for size in volume.shape), indexing="ij")
    labels = ((x - 50 - 4 * z) ** 2 + (y - 40) ** 2 < 15**2).astype(np.uint8)
    return [("a", volume, labels), ("b", volume, labels)]


@pytest.fixture()
def figures(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What a training is made to give, instead of running."""
    values: dict[str, Any] = {"result": (0.8, 0.9, 3)}

    def train(_store: Any, scratch: Path, data: Any, options: Any, _keys: Any) -> tuple[float, float, int]:
        values.update(data=data, options=options, scratch=sorted(p.name for p in scratch.iterdir()))
        (scratch / "best.pt").write_bytes(b"better")
        return tuple(values["result"])

    monkeypatch.setattr("monai_acdr.apps.monailabel.fine_tuning._train", train)
    return values


def test_better_weights_are_published(
    heart_store: ModelStore, labeled: Any, figures: dict[str, Any], tmp_path: Path
) -> None:
    old = heart_store.path.read_bytes()
    (tmp_path / "scratch").mkdir()
    (tmp_path / "scratch" / "left").write_text("of a training that was killed")
    record = fine_tune(heart_store, labeled, tmp_path / "scratch")
    assert record["published"] and record["epoch"] == 3 and record == heart_store.history()[-1]
    assert heart_store.path.read_bytes() == b"better" and heart_store.previous.read_bytes() == old
    assert figures["scratch"] == ["data"] and not (tmp_path / "scratch").exists()
    assert figures["data"].frames == {"training": 3, "validation": 3}


@pytest.mark.parametrize("after", [0.8, 0.1, -1.0])
def test_others_are_not(
    heart_store: ModelStore, labeled: Any, figures: dict[str, Any], tmp_path: Path, after: float
) -> None:
    old = heart_store.path.read_bytes()
    figures["result"] = (0.8, after, 1)
    record = fine_tune(heart_store, labeled, tmp_path / "scratch")
    assert not record["published"] and heart_store.history() == [record]
    assert heart_store.path.read_bytes() == old and not heart_store.previous.exists()


def test_one_at_a_time(heart_store: ModelStore, labeled: Any, figures: dict[str, Any], tmp_path: Path) -> None:
    with one_training(heart_store.folder), pytest.raises(BusyError, match="Expected no other training"):
        fine_tune(heart_store, labeled, tmp_path / "scratch")
    assert fine_tune(heart_store, labeled, tmp_path / "scratch")["published"]


def make_training_small(root: Path, **changes: object) -> None:
    path = root / "configs" / "train.json"
    config = json.loads(path.read_text())
    small = {
        "network_def#displacement_net#channels": [4, 8],
        "network_def#displacement_net#num_convs": 1,
        "roi_size": 32,
        "network_def#initial_contour#num_vertices": 16,
    }
    path.write_text(json.dumps(config | small | changes))


@pytest.mark.parametrize("wall", [0, 8])
def test_the_training_itself(heart_store: ModelStore, labeled: Any, tmp_path: Path, wall: int) -> None:
    """The tiny network of the fixture, with the bundle's own configuration of its training.

    Labels have a cavity, with a myocardium about it or without one. The frames are larger than the bundle's own, and
    the object lies where it would be cut off if they were cropped.
    """
    make_training_small(heart_store.root, frame_size=32)
    for _, volume, labels in labeled if wall else []:
        x, y, z = np.meshgrid(*(np.arange(size) for size in volume.shape), indexing="ij")
        labels[(labels == 0) & ((x - 50 - 4 * z) ** 2 + (y - 40) ** 2 < (15 + wall) ** 2)] = 2
    options = FineTuning(max_epochs=3, learning_rate=0.01, batch_size=2, device="cpu")
    record = fine_tune(heart_store, labeled, tmp_path / "scratch", options)
    assert record["frames"] == {"training": 3, "validation": 3} and 0 < record["dice_before"] < 1
    assert record["published"] == (record["dice_after"] > record["dice_before"]) and record["epoch"] >= 1
    assert heart_store.load().checkpoint_sha256


def test_requests() -> None:
    assert FineTuning.from_request({}) == FineTuning()
    found = FineTuning.from_request({"max_epochs": 3, "train_batch_size": "2", "device": ["cpu", "x"], "model": "y"})
    assert (found.max_epochs, found.batch_size, found.device) == (3, 2, "cpu")
    assert FineTuning.from_request({"device": "NVIDIA H100"}).device == ""
    for wrong, message in (
        ({"max_epochs": "x"}, "Expected numbers for"),
        ({"max_epochs": 0}, "max_epochs from 1"),
        ({"learning_rate": 2}, "learning_rate below 1"),
        ({"val_split": 1}, "val_split between 0 and 1"),
    ):
        with pytest.raises(ValueError, match=message):
            FineTuning.from_request(wrong)


def test_an_ensemble_goes_on_with_its_first_member(heart_store: ModelStore, labeled: Any, tmp_path: Path) -> None:
    """The second member throws every contour out of the image, so the two together are bad, the first alone is not."""
    make_training_small(heart_store.root)
    first = load_checkpoint(heart_store.path)
    second = {name: value.clone() for name, value in first.items()}
    second["displacement_net.head.0.bias"] += 100
    save_checkpoint(join_members([first, second]), heart_store.path)
    options = FineTuning(max_epochs=1, learning_rate=1e-6, batch_size=2, device="cpu")
    record = fine_tune(heart_store, labeled, tmp_path / "scratch", options)
    assert record["dice_before"] < 0.1 < record["dice_after"] and record["published"]
    found = load_checkpoint(heart_store.path)
    assert set(found) == set(first)
    weight = "displacement_net.head.0.weight"
    torch.testing.assert_close(found[weight], first[weight], atol=1e-4, rtol=0)


def test_references_of_each_structure(heart_store: ModelStore) -> None:
    """Keys of the bundle's own loader, as many as it outlines structures."""
    path, metadata = (heart_store.root / "configs" / name for name in ("train.json", "metadata.json"))
    stated = json.loads(metadata.read_text())
    stated["network_data_format"]["outputs"]["pred"]["channel_def"] = {"1": "lv", "2": "lv_epicardium"}
    metadata.write_text(json.dumps(stated))
    assert reference_keys(heart_store) == ("label", "label_epi")
    path.write_text(json.dumps({"train": {"reference_keys": ["a", "b"]}}))
    assert reference_keys(heart_store) == ("a", "b")
    for config in ({}, {"train": {"reference_keys": "label"}}):
        path.write_text(json.dumps(config))
        with pytest.raises(ValueError, match=r"for each of its 2 structures, but train#reference_keys .* \['label'\]"):
            reference_keys(heart_store)
