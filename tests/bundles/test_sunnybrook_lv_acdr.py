# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""The bundle as MONAI sees it: metadata, properties, network, presets, and where its defaults point to."""

from __future__ import annotations

import json
import logging.config
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from monai.bundle import verify_net_in_out
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import monai_acdr
from monai_acdr.losses import PRESETS
from monai_acdr.transforms import PAPER_ANGLES, PAPER_SCALES

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def metadata(sunnybrook: Any) -> dict[str, Any]:
    return dict(json.loads((sunnybrook.root / "configs" / "metadata.json").read_text(encoding="utf-8")))


def _pins() -> dict[str, str]:
    """Versions of constraints.txt for the newest Python, whichever runs this test."""
    pins = {}
    for line in (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines():
        if line.strip() and not line.startswith("#"):
            pin = Requirement(line)
            if pin.marker is None or pin.marker.evaluate({"python_version": "3.12"}):
                pins[canonicalize_name(pin.name)] = str(pin.specifier).removeprefix("==")
    return pins


def test_metadata_names_the_structures(metadata: dict[str, Any]) -> None:
    pred = metadata["network_data_format"]["outputs"]["pred"]
    # where MONAI Label takes the labels' values from, and the apps their structures
    assert pred["channel_def"] == {"0": "background", "1": "lv", "2": "lv_epicardium"}


def test_versions_are_those_tested(metadata: dict[str, Any]) -> None:
    versions = {canonicalize_name(name): text for name, text in metadata["required_packages_version"].items()}
    assert versions.pop("monai-acdr") == monai_acdr.__version__
    versions |= {name: metadata[f"{key}_version"] for name, key in (("monai", "monai"), ("torch", "pytorch"))}
    versions["numpy"] = metadata["numpy_version"]
    assert versions == {name: _pins()[name] for name in versions}


@pytest.mark.parametrize(
    ("configs", "kind"), [(["train"], "train"), (["train", "evaluate"], "train"), (["inference"], "infer")]
)
def test_workflow(sunnybrook: Any, studies: Path, trained: Path, tmp_path: Path, configs: list[str], kind: str) -> None:
    """MONAI's model zoo tests its bundles with these steps."""
    checkpoint = tmp_path / "model.pt" if configs == ["train"] else trained / "model.pt"
    places = {"dataset_dir": studies, "output_dir": tmp_path / "out", "checkpoint": checkpoint}
    workflow = sunnybrook.workflow(configs, kind, group="online", max_epochs=1, val_interval=1, **places)
    workflow.initialize()
    assert workflow.check_properties() == []
    workflow.run()
    workflow.finalize()
    written = {"train": "last.pt", "evaluate": "metrics.json", "inference": "SYN-03-IM-0001-0001.json"}
    assert (tmp_path / "out" / written[configs[-1]]).is_file()


@pytest.mark.parametrize("configs", [["train", "evaluate"], ["inference"]], ids=["evaluate", "inference"])
def test_network_gives_what_the_metadata_say(sunnybrook: Any, metadata: dict[str, Any], configs: list[str]) -> None:
    meta_file = str(sunnybrook.root / "configs" / "metadata.json")
    verify_net_in_out("network_def", config_file=sunnybrook.configs(*configs), meta_file=meta_file, device="cpu")
    network = sunnybrook.workflow(configs, None).parser.get_parsed_content("network_def").eval()
    pred = metadata["network_data_format"]["outputs"]["pred"]
    assert network(torch.rand(1, 1, 96, 96)).shape == (1, pred["num_channels"], *pred["spatial_shape"])


@pytest.mark.parametrize("preset", ["paper", "reference_code"])
def test_presets(sunnybrook: Any, studies: Path, tmp_path: Path, preset: str) -> None:
    workflow = sunnybrook.workflow(["train", preset], None, dataset_dir=studies, output_dir=tmp_path)
    # the overlay's own values, so not those of the tiny network
    workflow.parser.update(json.loads(Path(sunnybrook.configs(preset)[0]).read_text()))
    parsed = workflow.parser.get_parsed_content
    loss, network, optimizer = parsed("loss"), parsed("network_def"), parsed("optimizer")
    weights = {name: getattr(loss, name) for name in ("balloon_weight", "curvature_weight", "distance_weight")}
    assert {**weights, "squared_curvature": loss.curvature.squared} == PRESETS[preset]
    assert loss.segmentation.kind == "mse"
    assert network.num_iterations == 3
    field, circle, adam = network.displacement_net, network.initial_contour, optimizer.param_groups[0]
    drawn = (
        circle.num_vertices,
        circle.diameter * 64,
        network.clamp,
        field.activation,
        len(parsed("network_def#displacement_net#channels")),
    )
    convolutions = [layer for layer in field.encoder[0].convolutions if isinstance(layer, torch.nn.Conv2d)]
    dropout = field.encoder[0].convolutions[1].p
    trained_with = (type(optimizer), adam["lr"], adam["weight_decay"], parsed("batch_size"))
    if preset == "paper":
        assert drawn == (32, 16, True, "sigmoid", 4)
        assert (len(convolutions), dropout) == (3, 0.2)
        assert trained_with == (torch.optim.Adam, 1e-3, 0, 100)
        view = parsed("view")
        assert (tuple(view.options.scales), tuple(view.options.angles)) == (PAPER_SCALES, PAPER_ANGLES)
    else:
        assert drawn == (70, 20, False, "tanh", 3)
        assert (len(convolutions), dropout, parsed("network_def#displacement_net#channels")) == (
            2,
            0.1,
            [128, 256, 512],
        )
        assert trained_with == (torch.optim.Adam, 1e-4, 5e-5, 64)
        assert parsed("lr_scheduler").step_size == 200 * len(parsed("train#dataloader"))


@pytest.mark.parametrize("preset", ["paper", "reference_code"])
def test_presets_train_and_infer(sunnybrook: Any, studies: Path, tmp_path: Path, preset: str) -> None:
    places = {"dataset_dir": studies, "checkpoint": tmp_path / "model.pt"}
    sunnybrook.run(["train", preset], **places, output_dir=tmp_path / "train", max_epochs=1, val_interval=1)
    sunnybrook.run(["inference", preset], **places, output_dir=tmp_path / "out", group="online", overlay=False)
    document = json.loads((tmp_path / "out" / "SYN-03-IM-0001-0001.json").read_text())
    (record,) = document["frames"][0]["contours"]
    assert len(record["vertices_px"]) == {"paper": 32, "reference_code": 70}[preset]


@pytest.mark.parametrize("config", ["train", "inference"])
def test_defaults_do_not_depend_on_the_current_folder(
    sunnybrook: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, config: str
) -> None:
    def defaults() -> dict[str, Path]:
        parser = sunnybrook.workflow([config], None).parser
        keys = ("bundle_root", "dataset_dir", "output_dir", "checkpoint")
        return {key: Path(parser.get_parsed_content(key)) for key in keys}

    monkeypatch.chdir(ROOT)
    expected = defaults()
    assert expected["bundle_root"] == sunnybrook.root
    assert expected["checkpoint"] == sunnybrook.root / "models" / "model.pt"
    for folder in (sunnybrook.root, tmp_path):
        monkeypatch.chdir(folder)
        assert defaults() == expected


def test_a_copied_bundle_keeps_to_its_own_folder(
    sunnybrook: Any, studies: Path, trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy = Path(shutil.copytree(sunnybrook.root / "configs", tmp_path / sunnybrook.root.name / "configs")).parent
    (copy / "models").mkdir()
    shutil.copy(trained / "model.pt", copy / "models" / "model.pt")
    (copy / "data").symlink_to(studies)
    monkeypatch.chdir(copy)
    type(sunnybrook)(copy).run(["inference"], group="online", overlay=False)
    assert len(list((copy / "runs" / "inference").glob("*.json"))) == 4


def test_relative_paths_from_the_bundle_s_folder(
    sunnybrook: Any, studies: Path, trained: Path, tmp_path: Path, bundle_command: Callable[..., tuple[int, str]]
) -> None:
    """As a user types it; the logging config is that of the bundle, without a line for each reader and file."""
    options = {key: value for key, value in sunnybrook.tiny.items() if key != "device"}
    places = {"dataset_dir": studies, "output_dir": tmp_path / "out", "checkpoint": trained / "model.pt"}
    options |= {key: os.path.relpath(path, sunnybrook.root) for key, path in places.items()}
    words = [text for key, value in {**options, "group": "online"}.items() for text in (f"--{key}", str(value))]
    status, printed = bundle_command(sunnybrook.root, "run", "--config_file", "configs/inference.json", *words)
    assert status == 0, printed
    assert "Wrote contours of 4 images to " in printed
    assert "unable to load" not in printed
    assert sorted({path.name.split(".")[0] for path in (tmp_path / "out").iterdir()}) == [
        f"SYN-03-IM-0001-{frame:04d}" for frame in (1, 2, 4, 5)
    ]


def test_logging_uses_standard_classes_only(sunnybrook: Any) -> None:
    """MONAI evaluates nothing else, for safety."""
    classes = [
        line for line in (sunnybrook.root / "configs" / "logging.conf").read_text().splitlines() if "class=" in line
    ]
    assert classes
    assert all(hasattr(logging, line.removeprefix("class=")) for line in classes)
