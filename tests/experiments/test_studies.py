# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Studies name what exists."""

from __future__ import annotations

import inspect
from importlib import import_module
from pathlib import Path
from pydoc import locate
from typing import Any

import numpy as np
import pytest
import torch

from monai_acdr.apps.train_bundle import plan_training
from monai_acdr.bundle import bundle_root
from monai_acdr.data.phantoms import write_pair_folder


def test_names_are_unique_and_overlays_exist() -> None:
    studies, training = import_module("studies"), import_module("train_network")
    for study in studies.STUDIES.values():
        names = [variant.name for variant in study.variants]
        assert len(set(names)) == len(names)
        own = bundle_root(studies.DATA[study.data].bundle) / "configs"
        for variant in study.variants:
            assert all(training.find_overlay(own, name).is_file() for name in variant.overlays)
            assert (variant.value is not None) == bool(study.axis)


def test_settings_are_keys_of_their_configuration() -> None:
    studies, training = import_module("studies"), import_module("train_network")
    for study in studies.STUDIES.values():
        data = studies.DATA[study.data]
        for variant in study.variants:
            config = training.read_config(data, variant, {})
            given = {
                *variant.settings,
                *study.settings,
                *data.settings,
                *data.parts[0],
                *(k for v in data.views.values() for k in v),
            }
            unknown = {key for key in given if key not in config} - _arguments_of(config.get("view"))
            assert not unknown, unknown


def _arguments_of(part: dict[str, Any] | None) -> set[str]:
    """`view#shift` and so on: arguments of a part of a configuration, which need not be written there."""
    if part is None:
        return set()
    return {f"view#{name}" for name in inspect.signature(locate(part["_target_"])).parameters}


def test_earlier_variants_are_shown_and_not_run() -> None:
    studies, study = import_module("studies"), import_module("run_study")
    earlier = {variant.name for variant in studies.STUDIES["recipe"].variants if variant.earlier}
    assert earlier == {"never_upright", "always_upright"}
    jobs = study.find_jobs(study.read_options(["recipe", "--data", "."]))
    assert earlier.isdisjoint(job.variant.name for job in jobs) and len(jobs) == 7
    for name in earlier:
        assert (study.RECORDS / "recipe" / f"{name}-seed0.json").is_file()


def test_presets_see_the_views_of_the_others() -> None:
    studies, training = import_module("studies"), import_module("train_network")
    data, variants = studies.DATA["sunnybrook"], {v.name: v for v in studies.STUDIES["baselines"].variants}
    ours, paper = (training.read_config(data, variants[name], variants[name].settings) for name in ("contour", "paper"))
    assert paper["view"] == ours["view"]
    masks = training.read_config(data, variants["dynunet"], {})
    assert masks["num_structures"] == 2 and "num_structures" not in ours
    mass = studies.STUDIES["mass_baselines"]
    config = training.read_config(studies.DATA[mass.data], next(v for v in mass.variants if v.name == "unet"), {})
    assert config.get_parsed_content("network_def").model(torch.zeros(1, 1, 32, 32)).shape[1] == 1


def test_own_data_has_the_plan_of_train(tmp_path: Path) -> None:
    """Baselines get the regions, budget and split of `monai-acdr train`, below their own network."""
    write_pair_folder(tmp_path, num_patients=5)
    training, studies = import_module("train_network"), import_module("studies")
    data = studies.DATA["sunnybrook_pairs"]
    (part,) = training.planned_parts(data, str(tmp_path))
    prepared = plan_training(tmp_path)
    assert part["max_epochs"] == prepared.plan.epochs
    for name in ("contour", "dynunet"):
        variant = next(each for each in studies.STUDIES["own_data"].variants if each.name == name)
        parser = training.read_config(data, variant, {"dataset_dir": "", "batch_size": 3, **part})
        assert (parser["roi_size"], parser["region#scale"]) == (prepared.plan.input_size, prepared.plan.region_scale)
        assert parser["batch_size"] == 3
        assert parser["network_def"]["_target_"].endswith("DynUNet" if name == "dynunet" else "ActiveContourNet")
        lists = [parser.get_parsed_content(f"{half}#data_list") for half in ("train", "validate")]
        named = [[item["name"] for item in items] for items in lists]
        assert named == [[item["name"] for item in items] for items in prepared.runs[0]]


@pytest.mark.parametrize(("name", "has_start"), [("contour", True), ("unet", False)])
def test_records_of_own_data_have_the_dice_of_the_start(tmp_path: Path, name: str, has_start: bool) -> None:
    """Networks that give masks have none. The start does not depend on the training."""
    write_pair_folder(tmp_path / "data", num_patients=5)
    training, studies = import_module("train_network"), import_module("studies")
    study = studies.STUDIES["own_data"]
    words = ["own_data", name, "--seed", "0", "--dataset-dir", tmp_path / "data", "--work", tmp_path / "work"]
    words += ["--record", tmp_path / "record.json", "--set", '{"max_epochs": 1}']
    variant = next(each for each in study.variants if each.name == name)
    record = training.run(study, variant, training.read_options([str(word) for word in words]))
    figures, cases = record["figures"]["label"], record["cases"]["label"]
    starts = [case["initial_dice"] for case in cases]
    if not has_start:
        assert figures["mean_initial_dice"] is None and starts == [None] * len(cases)
        return
    # Ellipses of half the sides of a box that is 1.2 times the object's: at most 0.36 of a full ellipse's area.
    plan = plan_training(tmp_path / "data").plan
    share = (plan.initial_diameter[0] * plan.region_scale) ** 2
    assert figures["mean_initial_dice"] == pytest.approx(np.mean(starts), abs=1e-4)
    assert np.median(starts) == pytest.approx(2 * share / (1 + share), abs=0.1)
