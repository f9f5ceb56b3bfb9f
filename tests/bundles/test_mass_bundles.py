# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""The two bundles for masses, on their synthetic twins: what MONAI asks of them, and known masks recovered."""

from __future__ import annotations

import dataclasses
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from monai.bundle import verify_net_in_out

from monai_acdr.data import mass_data_list
from monai_acdr.data.phantoms import write_cbis_ddsm_cases, write_ddsm_cases, write_inbreast_cases, write_pair_folder
from monai_acdr.handlers import load_checkpoint

ROOT = Path(__file__).resolve().parents[2]
Failure = Callable[..., str]

BUNDLES = {"inbreast_mass_acdr": "inbreast", "ddsm_bcrp_mass_acdr": "ddsm"}
SIZE = (128, 104)
QUICK: dict[str, Any] = {
    "max_epochs": 2,
    "val_interval": 1,
    "train#warmup_epochs": 1,
    "network_def#initial_contour#num_vertices": 16,
}


def write_twin(source: str, folder: Path, num_patients: int, size: tuple[int, int] = SIZE) -> Path:
    if source == "inbreast":
        write_inbreast_cases(folder, num_patients=num_patients, size=size)
    else:
        pytest.importorskip("imagecodecs", reason="pip install 'monai_acdr[ddsm]'")
        write_ddsm_cases(folder, num_patients=num_patients, size=size)
    return folder


@pytest.fixture(scope="session", params=BUNDLES)
def bundle(request: pytest.FixtureRequest, sunnybrook: Any) -> Any:
    """One of the bundles, run as the tests of the Sunnybrook bundle run theirs."""
    return dataclasses.replace(sunnybrook, root=ROOT / "bundles" / request.param)


@pytest.fixture(scope="session")
def masses(bundle: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four patients of the bundle's own source."""
    return write_twin(BUNDLES[bundle.root.name], tmp_path_factory.mktemp("masses") / "data", 4)


@pytest.fixture(scope="session")
def trained_on_masses(bundle: Any, masses: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Output of a training of two epochs; nobody writes into it."""
    folder = tmp_path_factory.mktemp("trained_on_masses")
    bundle.train(masses, folder, **QUICK)
    return folder


def test_metadata(bundle: Any) -> None:
    bundle.check_metadata("mass")


def test_the_bundles_differ_in_names_and_source_only() -> None:
    """They stand alone, as MONAI's bundles do; what is said twice has to be the same."""
    one, other = (ROOT / "bundles" / name / "configs" for name in BUNDLES)
    assert {path.name for path in one.iterdir()} == {path.name for path in other.iterdir()}
    for name in (
        "train.json",
        "evaluate.json",
        "inference.json",
        "inference_trt.json",
        "ensemble.json",
        "logging.conf",
    ):
        text = (one / name).read_text(encoding="utf-8")
        text = text.replace("inbreast_mass_acdr", "ddsm_bcrp_mass_acdr").replace(
            '"source": "inbreast"', '"source": "ddsm"'
        )
        assert text == (other / name).read_text(encoding="utf-8")


def test_network_gives_what_the_metadata_say(bundle: Any) -> None:
    """In training, as that of inference: `test_model_zoo.py`."""
    meta_file = str(bundle.root / "configs" / "metadata.json")
    verify_net_in_out("network_def", config_file=bundle.configs("train")[0], meta_file=meta_file, device="cpu")


@pytest.mark.parametrize(
    ("configs", "kind"), [(["train"], "train"), (["train", "evaluate"], "train"), (["inference"], "infer")]
)
def test_workflow(
    bundle: Any, masses: Path, trained_on_masses: Path, tmp_path: Path, configs: list[str], kind: str
) -> None:
    checkpoint = tmp_path / "model.pt" if configs == ["train"] else trained_on_masses / "model.pt"
    places = {"dataset_dir": masses, "output_dir": tmp_path / "out", "checkpoint": checkpoint}
    quick = {**QUICK, "max_epochs": 1} if kind == "train" else {}
    workflow = bundle.workflow(configs, kind, group="test", **quick, **places)
    workflow.initialize()
    assert workflow.check_properties() == []
    workflow.run()
    workflow.finalize()
    written = {"train": "last.pt", "evaluate": "metrics.json", "inference": "*.json"}
    assert list((tmp_path / "out").glob(written[configs[-1]]))


def test_figures_are_those_of_the_whole_mammogram(
    bundle: Any, masses: Path, trained_on_masses: Path, tmp_path: Path
) -> None:
    """Evaluation works in a window; drawn on the whole image, contours and references give the same."""
    checkpoint = trained_on_masses / "model.pt"
    settings = {"network_def#initial_contour#num_vertices": 16, "group": "test"}
    figures = bundle.evaluate(masses, tmp_path / "evaluation", checkpoint, **settings)
    bundle.infer(masses, tmp_path / "inference", checkpoint, **settings)
    items = {item["name"]: item for item in mass_data_list(masses, BUNDLES[bundle.root.name], "test")}
    assert figures["num_cases"] == figures["num_with_spacing"] == len(items)
    assert set(figures["metadata"]) >= {"source", "group", "roi_scale"}
    assert sum(group["num_cases"] for group in figures["by_size"].values()) == len(items)
    from monai_acdr.transforms import contour_to_mask

    dice = []
    for name, item in items.items():
        (frame,) = json.loads((tmp_path / "inference" / f"{name}.json").read_text())["frames"]
        (record,), size = frame["contours"], tuple(frame["size"])
        vertices = torch.tensor(record["vertices_px"], dtype=torch.float64)
        pred = contour_to_mask(vertices, size, threshold=0.5)
        label = contour_to_mask(torch.as_tensor(np.asarray(item["contour"])), size, threshold=0.5)
        dice.append(float(2 * (pred * label).sum() / (pred.sum() + label.sum())))
        assert frame["spacing_mm"] is not None
        assert len(record["vertices_mm"][0]) == 3
        assert (tmp_path / "inference" / f"{name}.png").is_file()
    assert figures["mean_dice"] == pytest.approx(np.mean(dice), abs=2e-3)


@pytest.mark.slow
def test_known_masks_are_recovered(sunnybrook: Any, tmp_path: Path) -> None:
    """By one bundle: the other has the same configs (`test_the_bundles_differ_in_names_and_source_only`)."""
    bundle = dataclasses.replace(sunnybrook, root=ROOT / "bundles" / "ddsm_bcrp_mass_acdr")
    data = write_twin("ddsm", tmp_path / "data", 10)
    settings: dict[str, Any] = {
        "network_def#displacement_net#channels": [16, 32, 64, 128],
        "network_def#displacement_net#num_convs": 2,
        "roi_size": 64,
        "batch_size": 8,
    }
    fast = {"max_epochs": 50, "val_interval": 25, "train#warmup_epochs": 5, "train#ema#momentum": 0.05}
    bundle.train(data, tmp_path / "train", **settings, **fast)
    figures = bundle.evaluate(data, tmp_path / "evaluation", tmp_path / "train" / "model.pt", group="test", **settings)
    assert figures["mean_dice"] > 0.90
    assert figures["pooled_dice"] > 0.90


def test_resume(bundle: Any, masses: Path, trained_on_masses: Path, tmp_path: Path) -> None:
    bundle.train(masses, tmp_path, **{**QUICK, "max_epochs": 1})
    bundle.train(masses, tmp_path, **QUICK, resume=True)
    resumed, through = (load_checkpoint(folder / "last.pt") for folder in (tmp_path, trained_on_masses))
    assert resumed["trainer"]["iteration"] == through["trainer"]["iteration"]
    for name, values in through["network"].items():
        assert resumed["network"][name].shape == values.shape


@pytest.mark.parametrize("source", ["pairs", "cbis_ddsm"])
def test_other_sources_train_with_the_same_bundle(sunnybrook: Any, tmp_path: Path, source: str) -> None:
    bundle = dataclasses.replace(sunnybrook, root=ROOT / "bundles" / "ddsm_bcrp_mass_acdr")
    if source == "pairs":
        write_pair_folder(tmp_path / "data", num_patients=6)
    else:
        write_cbis_ddsm_cases(tmp_path / "data", num_patients=6, spacing=0.2)
    bundle.train(tmp_path / "data", tmp_path / "train", source=source, **QUICK)
    checkpoint = tmp_path / "train" / "model.pt"
    figures = bundle.evaluate(
        tmp_path / "data",
        tmp_path / "out",
        checkpoint,
        source=source,
        group="test",
        **{"network_def#initial_contour#num_vertices": 16},
    )
    assert figures["num_cases"] > 0
    assert figures["mean_dice"] > 0


def test_inference_on_images_with_boxes(sunnybrook: Any, tmp_path: Path) -> None:
    bundle = dataclasses.replace(sunnybrook, root=ROOT / "bundles" / "inbreast_mass_acdr")
    write_inbreast_cases(tmp_path / "data", num_patients=2, size=SIZE)
    bundle.train(tmp_path / "data", tmp_path / "train", **QUICK)
    image = mass_data_list(tmp_path / "data")[0]["image"]
    shutil.copy(image, tmp_path / "scan.dcm")
    places = {
        "output_dir": tmp_path / "out",
        "checkpoint": tmp_path / "train" / "model.pt",
        "network_def#initial_contour#num_vertices": 16,
    }
    bundle.run(["inference"], dataset_dir=tmp_path / "scan.dcm", source=None, roi_box=[20, 30, 60, 80], **places)
    (record,) = json.loads((tmp_path / "out" / "scan.json").read_text())["frames"][0]["contours"]
    initial = np.array(record["initial_vertices_px"])
    np.testing.assert_allclose(initial.mean(0), [40, 55], atol=0.01)


def test_what_stops_a_run(sunnybrook: Any, tmp_path: Path, failure: Failure) -> None:
    bundle = dataclasses.replace(sunnybrook, root=ROOT / "bundles" / "inbreast_mass_acdr")
    absent = failure(bundle.train, tmp_path / "absent", tmp_path / "out", **QUICK)
    assert "Expected the folder of a data set" in absent
    (tmp_path / "empty").mkdir()
    assert "AllDICOMs" in failure(bundle.train, tmp_path / "empty", tmp_path / "out", **QUICK)
    write_inbreast_cases(tmp_path / "data", num_patients=2, size=SIZE)
    text = failure(bundle.train, tmp_path / "data", tmp_path / "out", source="mias", **QUICK)
    assert "Expected `source` to be one of" in text
    ddsm = dataclasses.replace(sunnybrook, root=ROOT / "bundles" / "ddsm_bcrp_mass_acdr")
    text = failure(ddsm.train, tmp_path / "data", tmp_path / "out", **QUICK)
    assert ".ics" in text
    assert not (tmp_path / "out" / "last.pt").exists()
