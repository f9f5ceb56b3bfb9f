# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Weights that come along: what the model cards say of them, and that they can be used."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from monai.data.meta_tensor import MetaTensor

from monai_acdr.apps.inputs import read_inputs
from monai_acdr.apps.measurements import find_grid
from monai_acdr.apps.model import load_model
from monai_acdr.bundle import read_configs
from monai_acdr.data import read_contour
from monai_acdr.data.phantoms import write_short_axis_studies
from monai_acdr.files import file_sha256
from monai_acdr.geometry import is_nested
from monai_acdr.transforms import CheckImage, roi_from_box
from tests.bundles.conftest import Sunnybrook

BUNDLES = Path(__file__).resolve().parents[2] / "bundles"
WITHOUT_WEIGHTS = {"contour_acdr"}
"""Bundles that users train themselves."""
WEIGHTS = sorted(BUNDLES.glob("*/models/*.pt"))
CONTOURS = [path for path in WEIGHTS if path.name != "localizer.pt"]
LOCALIZERS = [path for path in WEIGHTS if path.name == "localizer.pt"]
MIB = 2**20


def test_every_bundle_has_some() -> None:
    assert {path.parts[-3] for path in WEIGHTS} == {
        path.name for path in BUNDLES.iterdir() if path.is_dir()
    } - WITHOUT_WEIGHTS


@pytest.mark.parametrize("path", WEIGHTS, ids=lambda path: f"{path.parts[-3]}-{path.name}")
def test_the_card_names_them(path: Path) -> None:
    card = (path.parents[1] / "docs" / "README.md").read_text(encoding="utf-8")
    assert f"models/{path.name}" in card
    assert hashlib.sha256(path.read_bytes()).hexdigest() in card
    assert path.stat().st_size < 20 * MIB


@pytest.mark.parametrize("path", CONTOURS, ids=lambda path: f"{path.parts[-3]}-{path.name}")
def test_they_outline_something(path: Path) -> None:
    """A bright disk, in a dark ring for a second structure: contours come nearer than they start, and have a spread."""
    model = load_model(path.parents[1], path, "cpu")
    structures = len(model.structures)
    y, x = torch.meshgrid(torch.arange(128.0), torch.arange(128.0), indexing="ij")
    distance = ((x - 63.5) ** 2 + (y - 63.5) ** 2).sqrt()
    values = torch.full_like(distance, 100.0)
    values[distance < 30] -= 60.0 * (structures - 1)
    values[distance < 20] = 200.0
    torch.manual_seed(0)
    image = CheckImage()(MetaTensor(values[None] + 5 * torch.randn(1, 128, 128)))
    ((contours, spread, _),) = model.infer.outline([image], [roi_from_box((14, 14, 114, 114))])
    assert spread is not None
    contours = contours.reshape(len(contours), structures, -1, 2)
    radii = (contours - torch.tensor([64.0, 64.0])).norm(dim=-1)
    error = (radii - torch.tensor([20.0, 30.0])[:structures, None]).abs().mean(-1)  # (T + 1, N)
    assert bool((error[-1] < error[0]).all())
    assert spread.numel() == contours[0, ..., 0].numel() and bool((spread >= 0).all())
    assert bool(is_nested(contours[-1]))


@pytest.mark.parametrize("path", LOCALIZERS, ids=lambda path: path.parts[-3])
def test_localizers_find_a_synthetic_heart(path: Path, tmp_path: Path) -> None:
    """Off the middle of larger images, in every slice and phase, and in single frames; not in noise."""
    localizer = load_model(path.parents[1], device="cpu").localizer
    assert localizer is not None
    data = write_short_axis_studies(tmp_path / "data", 1, 4, 4)
    inputs = read_inputs(next((data / "dicoms").iterdir()))
    grid, _ = find_grid(inputs.frames)
    assert grid is not None
    shift = torch.tensor([40.0, 10.0], dtype=torch.float64)
    images = [torch.nn.functional.pad(frame.image.as_tensor(), (40, 20, 10, 60)) for frame in inputs.frames]
    hearts = localizer(images, grid.slice_index, grid.phase)
    assert all(heart.counted for heart in hearts)
    contours = {int(file.name.split("-")[2]): read_contour(file) for file in data.rglob("*icontour-manual.txt")}
    for image, heart, source in zip(images, hearts, inputs.sources, strict=True):
        number = int(source.path.stem)
        if number in contours:
            expected = contours[number].mean(0) + shift
            (alone,) = localizer([image])
            for found in (heart, alone):
                assert float((found.center - expected).norm()) < 5
    (noise,) = localizer([torch.rand(1, 128, 128, generator=torch.Generator().manual_seed(0))])
    assert not noise.counted


@pytest.mark.parametrize("path", sorted(BUNDLES.glob("*/configs/localizer.json")), ids=lambda path: path.parts[-3])
@pytest.mark.parametrize("steps", [1, 2, 9, 10, 19, 30])
def test_a_localizer_of_few_steps_has_a_schedule(path: Path, steps: int) -> None:
    """Whose rise and fall take a step at least: torch divides by their lengths."""
    parser = read_configs([path])
    parser.update({"max_epochs": 1, "steps_per_epoch": steps, "device": "cpu", "bundle_root": str(path.parents[1])})
    schedule = parser.get_parsed_content("lr_scheduler")
    rates = schedule.get_last_lr()
    for _ in range(steps):
        schedule.optimizer.step()
        schedule.step()
        rates += schedule.get_last_lr()
    assert all(0 < rate <= parser["learning_rate"] for rate in rates)
    assert max(rates) > 0.9 * parser["learning_rate"]
    assert steps < 3 or rates[-1] < 0.01 * max(rates)


TRAINING = [path for path in sorted(BUNDLES.glob("*/configs/*.json")) if '"trainer"' in path.read_text()]


@pytest.mark.parametrize("path", TRAINING, ids=lambda path: f"{path.parents[1].name}-{path.stem}")
def test_no_training_writes_over_shipped_weights(path: Path) -> None:
    """Weights are written by the handler alone, which refuses an existing file."""
    config = json.loads(path.read_text())
    handler = config.get("training_checkpoint") or config["train"]["checkpoint"]
    assert handler["_target_"] == "monai_acdr.handlers.TrainingCheckpoint"
    assert handler["best_path"] == "@checkpoint" and handler["best_network"].endswith("ema.ema_model")
    assert config["run"] == ["$@train#trainer.run()"]
    assert "save_checkpoint" not in "".join(other.read_text() for other in path.parent.glob("*.json"))


def test_a_training_without_a_checkpoint_names_the_next_step(
    sunnybrook: Sunnybrook, studies: Path, tmp_path: Path, failure: Callable[..., str]
) -> None:
    shipped = sunnybrook.root / "models" / "model.pt"
    before = file_sha256(shipped)
    text = failure(sunnybrook.run, ["train"], dataset_dir=studies, output_dir=tmp_path / "run", max_epochs=1)
    assert f"Expected a new file for the weights of this training, but {shipped} exists: choose another" in text
    assert file_sha256(shipped) == before and sorted(p.name for p in shipped.parent.iterdir()) == [
        "localizer.pt",
        "model.pt",
    ]
    assert not (tmp_path / "run" / "last.pt").exists()


@pytest.mark.parametrize("path", TRAINING, ids=lambda path: f"{path.parents[1].name}-{path.stem}")
def test_a_training_is_refused_before_its_data_are_read(
    path: Path, tmp_path: Path, failure: Callable[..., str]
) -> None:
    """Reading and caching them takes minutes; the folder of the data does not even exist here."""
    weights = tmp_path / "model.pt"
    weights.touch()
    bundle, places = Sunnybrook(path.parents[1], {}), {"dataset_dir": tmp_path / "absent", "checkpoint": weights}
    text = failure(bundle.run, [path.stem], output_dir=tmp_path / "run", **places)
    assert f"Expected a new file for the weights of this training, but {weights} exists" in text
    text = failure(bundle.run, [path.stem], output_dir=tmp_path / "run", resume=True, **places)
    assert f"Expected a training to resume, but {tmp_path / 'run' / 'last.pt'} does not exist" in text
    (tmp_path / "last.pt").touch()
    text = failure(bundle.run, [path.stem], output_dir=tmp_path, **places)
    assert f"Expected no training in {tmp_path}, but last.pt is there: add --resume true" in text
