# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""The checks of MONAI's model zoo on each bundle with its shipped weights, as its continuous integration makes them.

Directory, version and changelog, format of the metadata, properties of the inference workflow, shape of the network's
output, and export to TorchScript. `contour_acdr` comes without weights: users train it, so it has only the others.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import monai.networks
import numpy as np
import pytest
import torch
from monai.bundle import ConfigParser, ConfigWorkflow, ckpt_export, verify_metadata, verify_net_in_out
from monai.data import MetaTensor
from PIL import Image

from monai_acdr.apps.model import load_model

ROOT = Path(__file__).resolve().parents[2]
BUNDLES = sorted(path.parents[1] for path in ROOT.glob("bundles/*/configs/metadata.json"))
SHIPPED = [path for path in BUNDLES if path.name != "contour_acdr"]
LARGEST_FILE = 25 * 2**20
"""Bytes of a file in the zoo; larger ones are linked in `large_files.yml`."""
SECTIONS = ["Model description", "Data", "Performance", "Usage", "System configuration", "Limitations", "Citation"]
SECTIONS += ["License", "References"]

_TENSOR = {
    "type": "object",
    "required": ["type", "format", "num_channels", "spatial_shape", "dtype", "value_range"],
    "properties": {
        "type": {"type": "string"},
        "format": {"type": "string"},
        "num_channels": {"type": "integer", "minimum": 1},
        "spatial_shape": {"type": "array", "minItems": 1},
        "dtype": {"type": "string"},
        "value_range": {"type": "array", "minItems": 2},
        "is_patch_data": {"type": "boolean"},
        "channel_def": {"type": "object"},
    },
}
# What MONAI's meta_schema_20240725.json requires, which itself can only be downloaded.
_TEXTS = ["schema", "version", "monai_version", "pytorch_version", "numpy_version"]
_TEXTS += ["task", "description", "authors", "copyright"]
SCHEMA = {
    "type": "object",
    "required": [*_TEXTS, "changelog", "required_packages_version", "network_data_format"],
    "properties": {
        **{name: {"type": "string", "minLength": 1} for name in _TEXTS},
        "changelog": {"type": "object", "minProperties": 1, "additionalProperties": {"type": "string"}},
        "required_packages_version": {"type": "object", "additionalProperties": {"type": "string"}},
        "supported_apps": {"type": "object"},
        "network_data_format": {
            "type": "object",
            "required": ["inputs", "outputs"],
            "properties": {
                "inputs": {"type": "object", "required": ["image"], "additionalProperties": _TENSOR},
                "outputs": {"type": "object", "required": ["pred"], "additionalProperties": _TENSOR},
            },
        },
    },
}

each = pytest.mark.parametrize("root", BUNDLES, ids=lambda path: path.name)
shipped = pytest.mark.parametrize("root", SHIPPED, ids=lambda path: path.name)


def metadata_of(root: Path) -> dict[str, Any]:
    return dict(json.loads((root / "configs" / "metadata.json").read_text(encoding="utf-8")))


def places(root: Path) -> dict[str, str]:
    """Files of a bundle as the zoo names them to MONAI's functions."""
    configs = root / "configs"
    return {
        "meta_file": str(configs / "metadata.json"),
        "config_file": str(configs / "inference.json"),
        "bundle_root": str(root),
    }


def test_each_bundle_with_weights_is_there() -> None:
    assert [path.name for path in SHIPPED] == ["ddsm_bcrp_mass_acdr", "inbreast_mass_acdr", "sunnybrook_lv_acdr"]


@each
def test_directory(root: Path) -> None:
    names = ["LICENSE", "configs/metadata.json", "configs/inference.json", "configs/logging.conf", "docs/README.md"]
    if root in SHIPPED:
        names += ["models/model.pt", "docs/data_license.txt"]
    assert [name for name in names if not (root / name).is_file()] == []
    own = [path for path in root.rglob("*") if path.is_file() and "runs" not in path.relative_to(root).parts]
    assert all(path.stat().st_size < LARGEST_FILE for path in own)  # so there is no large_files.yml


@each
def test_version_and_changelog(root: Path) -> None:
    metadata = metadata_of(root)
    assert re.fullmatch(r"\d+\.\d+\.\d+", metadata["version"])
    assert metadata["version"] == next(iter(metadata["changelog"]))


@each
def test_metadata_format(root: Path, tmp_path: Path) -> None:
    schema = tmp_path / "schema.json"
    schema.write_text(json.dumps(SCHEMA))
    verify_metadata(meta_file=places(root)["meta_file"], filepath=schema)  # nothing is downloaded over a file
    metadata = metadata_of(root)
    assert metadata["schema"].endswith("/meta_schema_20240725.json")
    assert isinstance(metadata["supported_apps"], dict)
    assert (metadata["eval_metrics"] != {}) == (root in SHIPPED)
    pred = metadata["network_data_format"]["outputs"]["pred"]
    assert (pred["type"], pred["format"]) == ("tuples", "points")


@pytest.fixture
def picture(tmp_path: Path) -> str:
    """One image of noise."""
    path = tmp_path / "noise.png"
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (96, 96), dtype=np.uint8)).save(path)
    return str(path)


@each
def test_properties(root: Path, picture: str) -> None:
    about: dict[str, Any] = {} if root.name == "sunnybrook_lv_acdr" else {"roi_box": [20, 20, 70, 80]}
    about |= {"source": None} if "mass" in root.name else {}
    workflow = ConfigWorkflow(
        workflow_type="inference",
        logging_file=str(root / "configs" / "logging.conf"),
        dataset_dir=picture,
        **about,
        **places(root),
    )
    workflow.initialize()
    assert workflow.check_properties() == []


@each
def test_data_shape(root: Path) -> None:
    verify_net_in_out("network_def", device="cpu", **places(root))


@shipped
def test_torchscript(root: Path, tmp_path: Path) -> None:
    """With no more arguments than the zoo gives: the config knows how many networks the weights are of."""
    weights = root / "models" / "model.pt"
    ckpt_export("network_def", filepath=str(tmp_path / "model.ts"), ckpt_file=str(weights), **places(root))
    data = metadata_of(root)["network_data_format"]
    image = torch.rand(2, 1, *data["inputs"]["image"]["spatial_shape"])
    contours = torch.jit.load(tmp_path / "model.ts")(image)
    pred = data["outputs"]["pred"]
    assert contours.shape == (2, pred["num_channels"], *pred["spatial_shape"])
    network = load_model(root, device="cpu").infer.network.to(memory_format=torch.contiguous_format)
    torch.testing.assert_close(contours, network(image).detach())


@each
def test_the_card_has_the_sections_of_the_zoo(root: Path) -> None:
    card = (root / "docs" / "README.md").read_text(encoding="utf-8")
    assert re.findall(r"^## (.*)$", card, re.MULTILINE) == SECTIONS
    assert "\n**Authors:** " in card and "\n**Tags:** " in card
    assert "never\nrun with TensorRT" in card


def test_the_mass_bundles_say_what_their_weights_are() -> None:
    record = json.loads((ROOT / "experiments/records/mass_baselines/contour-seed0.json").read_text(encoding="utf-8"))
    figures = record["figures"]["label"]
    for root in SHIPPED[:2]:
        card = (root / "docs" / "README.md").read_text(encoding="utf-8")
        assert "trained on **other mammograms than this bundle's**" in card and "CDD-CESM" in card
        metrics = metadata_of(root)["eval_metrics"]
        assert metrics == {
            f"{name}_five_folds_of_cdd_cesm": round(figures[name], 4) for name in ("mean_dice", "pooled_dice")
        }


# --- TensorRT: the overlay, without TensorRT --------------------------------------------------------------------------


def test_the_overlay_compiles_the_displacement_network(
    sunnybrook: Any, trained: Path, picture: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    texts = {(root / "configs" / "inference_trt.json").read_text(encoding="utf-8") for root in BUNDLES}
    assert len(texts) == 1
    seen: list[tuple[Any, ...]] = []

    def remember(network: Any, path: str, args: dict[str, Any], submodule: str) -> Any:
        weights = torch.load(path, weights_only=True)
        loaded = network.state_dict()
        assert all(torch.equal(loaded[name], value) for name, value in weights.items())
        seen.append((path, args["precision"], getattr(network, submodule) is network.displacement_net))
        return network

    monkeypatch.setattr(monai.networks, "trt_compile", remember)
    settings = {"dataset_dir": picture, "output_dir": tmp_path / "out", "checkpoint": trained / "model.pt"}
    sunnybrook.run(["inference", "inference_trt"], **settings)
    assert seen == [(str(trained / "model.pt"), "fp32", True)]
    assert (tmp_path / "out" / "noise.json").is_file()


@pytest.mark.parametrize("root", BUNDLES, ids=lambda root: root.name)
def test_the_start_that_results_are_compared_with_is_the_oracles(root: Path) -> None:
    """Not the contour after the first iteration, with which the start seems better than it is."""
    parser = ConfigParser()
    parser.read_config(root / "configs" / "train.json")
    parser.read_meta(root / "configs" / "metadata.json")
    parser["bundle_root"], parser["dataset_dir"] = str(root), "none"
    start = parser.get_parsed_content("validate#postprocessing").transforms[0]
    image = MetaTensor(torch.zeros(1, 64, 64))
    data = start({"image": image, "pred": torch.full((3, 2, 32, 2), 7.0)})
    expected = parser.get_parsed_content("network_def").initial_contour(image[None].as_tensor())
    torch.testing.assert_close(data["initial"].as_tensor(), expected.reshape(-1, *expected.shape[-2:]))
