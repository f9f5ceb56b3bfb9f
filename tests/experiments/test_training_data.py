# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Nothing that is shipped trains on ACDC, whose license is not ours: it is for measuring and choosing settings only."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from monai_acdr.bundle import bundle_names, bundle_root
from monai_acdr.data import sunnybrook_data_list

ROOT = Path(__file__).resolve().parents[2]
FORBIDDEN = re.compile(r"acdc|cardiac_nifti|cardiac_cases", re.IGNORECASE)
"""The folder, and the functions that list its layout."""
TRAINING = re.compile(r"train\.json|run_study\.py|train_network\.py|ensemble\.json|--train_group|max_epochs")
"""What a command that trains, or joins what was trained, has."""
CONFIGS = [*sorted(ROOT.glob("bundles/*/configs/*.json")), *sorted((ROOT / "experiments" / "configs").glob("*.json"))]
PAGES = [
    ROOT / "Makefile",
    *(path for path in sorted(ROOT.rglob("*.md")) if not {".venv", "shared", "runs"} & {*path.relative_to(ROOT).parts}),
]


def training_strings(config: Any, inside: bool) -> Iterator[str]:
    """Texts of a configuration that say what is trained on: all of a training, otherwise the entries called train..."""
    if isinstance(config, dict):
        for key, value in config.items():
            yield from training_strings(value, inside or key.startswith("train"))
            if inside:
                yield key
    elif isinstance(config, list):
        for value in config:
            yield from training_strings(value, inside)
    elif inside:
        yield str(config)


def commands(text: str) -> list[str]:
    """Lines, those that end in a backslash joined with the next."""
    return re.sub(r"\\\n", " ", text).splitlines()


def test_the_check_sees_what_it_is_for() -> None:
    config = {"train": {"data_list": "$monai_acdr.data.cardiac_nifti_data_list(@dataset_dir)"}, "imports": []}
    assert any(FORBIDDEN.search(text) for text in training_strings(config, False))
    assert not any(FORBIDDEN.search(text) for text in training_strings({"validate": config["train"]}, False))
    (line,) = commands("run --config_file configs/train.json \\\n  --dataset_dir ../shared/data/acdc_dev")
    assert TRAINING.search(line) and FORBIDDEN.search(line)
    assert len(CONFIGS) > 12 and len(PAGES) > 20


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_configs(path: Path) -> None:
    config = json.loads(path.read_text(encoding="utf-8"))
    wrong = [text for text in training_strings(config, path.name.startswith("train")) if FORBIDDEN.search(text)]
    assert not wrong, f"{path.name} trains on data that weights must not come from: {wrong}"


def test_studies() -> None:
    studies, training = import_module("studies"), import_module("train_network")
    for study in studies.STUDIES.values():
        data = studies.DATA[study.data]
        for variant in study.variants:
            if variant.shipped or variant.derived or variant.settings.get("max_epochs") == 0:
                continue  # trains nothing
            settings = [data.folder, data.settings, data.parts, study.settings, variant.settings]
            config = training.read_config(data, variant, {}).get()
            texts = [*training_strings(settings, True), *training_strings(config, False)]
            wrong = [text for text in texts if FORBIDDEN.search(text)]
            assert not wrong, f"{study.name}/{variant.name} trains on data that weights must not come from: {wrong}"


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_commands(path: Path) -> None:
    wrong = [line for line in commands(path.read_text(encoding="utf-8")) if TRAINING.search(line)]
    wrong = [line for line in wrong if FORBIDDEN.search(line)]
    assert not wrong, f"{path} has commands that train on data that weights must not come from: {wrong}"


@pytest.mark.parametrize("folder", ["experiments", "benchmarks"])
def test_programs_that_train(folder: str) -> None:
    for path in sorted((ROOT / folder).rglob("*.py")):
        text = path.read_text(encoding="utf-8")
        if re.search(r"\.backward\(|SupervisedTrainer|optimizer\.step", text):
            assert not FORBIDDEN.search(text), f"{path} trains, and names data that weights must not come from"


@pytest.mark.parametrize("name", [name for name in bundle_names() if name != "contour_acdr"])  # that has no weights
def test_weights_name_other_data(name: str) -> None:
    """License and data statement of a bundle's weights name what they were trained on."""
    statement = (bundle_root(name) / "docs" / "data_license.txt").read_text(encoding="utf-8")
    assert not re.search(r"\bACDC\b", statement)


def test_the_layout_is_refused_where_a_bundle_trains(tmp_path: Path) -> None:
    for name in ("ED", "ED_gt", "ES", "ES_gt"):
        (tmp_path / "patient001").mkdir(exist_ok=True)
        (tmp_path / "patient001" / f"{name}.nii.gz").write_bytes(b"")
    with pytest.raises(ValueError, match="one of the four layouts of Sunnybrook|the folder is empty"):
        sunnybrook_data_list(tmp_path, "training")
