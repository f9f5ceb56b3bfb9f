# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""One run of a study: train one variant with one seed by its bundle's own configuration, evaluate, write a record.

A killed run resumes after its last epoch; a run that has a record is done. A run that was trained to its end but has no
record is evaluated again, not trained again.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from ignite.engine import Engine, Events
from monai.bundle import ConfigParser
from pixel_wise import MeanLogits
from studies import CONFIGS, DATA, STUDIES, Data, Study, Variant

from monai_acdr.apps.train_bundle import TrainOptions, plan_training
from monai_acdr.bundle import bundle_root, read_configs
from monai_acdr.files import write_text_atomically
from monai_acdr.handlers import load_checkpoint, write_ensemble
from monai_acdr.metrics import summarize_cases

VALIDATIONS = 10
"""Validations of a training, evenly spaced: the points of its learning curve."""

PLAN = "plan"
"""Key of values that a variant's overlays override."""
OBJECTS = "objects"
"""Key of values with Python objects for expressions, such as data lists."""

KEPT = ("dice", "iou", "hd95_px", "hd95_mm", "apd_px", "apd_mm", "boundf", "roi_dice", "initial_dice")
COUNTS = ("intersection_px", "pred_area_px", "reference_area_px")
DECIMALS = 5


class LearningCurve:
    """Validation metrics against the seconds of training, validations not counted. Kept in a file, to be resumed."""

    def __init__(self, path: Path, evaluator: Engine) -> None:
        self.path = path
        self.evaluator = evaluator
        self.points: list[dict[str, float]] = json.loads(path.read_text()) if path.is_file() else []
        self.seconds = self.points[-1]["seconds"] if self.points else 0.0
        self.started = 0.0

    def attach(self, engine: Engine) -> None:
        """Attach to the trainer."""
        engine.add_event_handler(Events.EPOCH_STARTED, self._start)
        engine.add_event_handler(Events.ITERATION_COMPLETED, self._stop)
        engine.add_event_handler(Events.EPOCH_COMPLETED, self)

    def _start(self) -> None:
        self.started = time.perf_counter()

    def _stop(self) -> None:
        now = time.perf_counter()
        self.seconds += now - self.started
        self.started = now

    def __call__(self, engine: Engine) -> None:
        """Add a point after each validation; when a run is killed, the time since the last point is lost."""
        if self.evaluator.state.epoch != engine.state.epoch:
            return
        figures = {name: round(float(value), DECIMALS) for name, value in self.evaluator.state.metrics.items()}
        self.points.append(
            {"epoch": engine.state.epoch, "seconds": round(self.seconds, 2), **figures, "memory_mib": peak_memory()}
        )
        write_text_atomically(self.path, json.dumps(self.points))


def main(arguments: Sequence[str] | None = None) -> int:
    """Do one run."""
    options = read_options(arguments)
    torch.set_num_threads(1)
    study = STUDIES[options.study]
    variant = next(v for v in study.variants if v.name == options.variant)
    record = run(study, variant, options)
    write_text_atomically(options.record, json.dumps(record, indent=1, allow_nan=False) + "\n")
    return 0


def read_options(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Parse the command line."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("study", choices=sorted(STUDIES))
    options.add_argument("variant")
    options.add_argument("--seed", type=int, required=True)
    options.add_argument("--dataset-dir", required=True)
    options.add_argument("--work", type=Path, required=True, help="folder of checkpoints and logs of this run")
    options.add_argument("--record", type=Path, required=True, help="file to write")
    options.add_argument("--set", type=json.loads, default={}, help="more configuration values, as JSON")
    return options.parse_args(arguments)


def run(study: Study, variant: Variant, options: argparse.Namespace) -> dict[str, Any]:
    """Train and evaluate on every part of the data; the run's record."""
    data = DATA[study.data]
    curves: list[list[dict[str, float]]] = []
    cases: dict[str, list[dict[str, Any]]] = {view: [] for view in data.views}
    parameters = 0
    for number, part in enumerate(planned_parts(data, options.dataset_dir) if data.planned_folds else data.parts):
        work = options.work / f"part{number}"
        values = {
            "dataset_dir": options.dataset_dir,
            "seed": options.seed,
            "max_epochs": study.epochs,
            **data.settings,
            **study.settings,
            **part,
            **variant.settings,
            **options.set,
        }
        weights = work / "last.pt"
        if variant.shipped:
            weights = bundle_root(data.bundle) / "models" / "model.pt"
            parameters = count_weights(weights)
        elif variant.weights_of:
            weights = options.work.parent / f"{variant.weights_of}-seed{options.seed}" / f"part{number}" / "last.pt"
            parameters = count_weights(weights)
        elif variant.members:
            join_members(study, variant, read_config(data, variant, values), options.work.parent.parent, weights)
            parameters = count_weights(weights)
        else:
            parameters, curve = train(data, variant, values, work)
            curves.append(curve)
        for view, settings in data.views.items():
            found = evaluate(data, variant, {**values, **settings}, weights, work / view)
            for number_of_structure, (structure, records) in enumerate(found.items()):
                # Metrics of the first structure go under the view's name, like those of networks of one structure.
                cases.setdefault(f"{view}_{structure}" if number_of_structure else view, []).extend(records)
    return {
        "study": study.name,
        "variant": variant.name,
        "title": variant.title,
        "seed": options.seed,
        "value": variant.value,
        "settings": {**study.settings, **variant.settings, **options.set, "overlays": list(variant.overlays)},
        "epochs": values["max_epochs"],
        "parameters": parameters,
        "training_seconds": round(sum(curve[-1]["seconds"] for curve in curves if curve), 1),
        "peak_memory_mib": max((curve[-1]["memory_mib"] for curve in curves if curve), default=peak_memory()),
        "curves": curves,
        "figures": {view: summarize_cases(found) for view, found in cases.items()},
        "cases": {view: [shorten(case) for case in found] for view, found in cases.items()},
        "machine": machine(),
    }


def planned_parts(data: Data, dataset_dir: str) -> list[dict[str, Any]]:
    """Configuration values of each fold that ``monai-acdr train`` chooses for a data set, and its data lists."""
    prepared = plan_training(dataset_dir, TrainOptions(folds=data.planned_folds))
    values = {name: value for name, value in prepared.config.items() if name != "seed"}
    lists = {"train#data_list": "$items_seen", "validate#data_list": "$items_held_out"}
    return [
        {
            PLAN: {**values, **lists},
            OBJECTS: {"items_seen": seen, "items_held_out": held},
            "max_epochs": prepared.plan.epochs,
        }
        for seen, held in prepared.runs
    ]


def read_config(data: Data, variant: Variant, values: Mapping[str, Any], purpose: str | None = None) -> ConfigParser:
    """The bundle's training configuration, one for another purpose, the variant's overlays, and values over all.

    The entry `PLAN` of values goes below the overlays; `OBJECTS` has objects by the names that expressions use.

    ``view#shift`` in values is the entry ``shift`` of ``view``. ``num_structures`` is the number of channels
    of networks that give masks.
    """
    own = bundle_root(data.bundle) / "configs"
    parser = overlay_configs(own, [purpose] if purpose else [])
    for key, value in values.get(PLAN, {}).items():
        parser[key] = value
    overlay_more(parser, own, variant.overlays)
    parser.globals.update(values.get(OBJECTS, {}))
    for key, value in values.items():
        if key not in (PLAN, OBJECTS):
            parser[key] = value
    if "@num_structures" in str(parser.get()):
        parser["num_structures"] = len(parser.get("structures", [data.bundle]))
    return parser


def overlay_configs(own: Path, names: Sequence[str]) -> ConfigParser:
    """A bundle's train.json with other configs over it, one after the other."""
    parser = read_configs([own / "train.json"])
    parser["bundle_root"] = str(own.parent)
    overlay_more(parser, own, names)
    return parser


def overlay_more(parser: ConfigParser, own: Path, names: Sequence[str]) -> None:
    """Put more configs over those of a parser."""
    for name in names:
        for key, value in ConfigParser.load_config_file(find_overlay(own, name)).items():
            parser[key] = value


def find_overlay(own: Path, name: str) -> Path:
    """A config of the bundle, or of the experiments."""
    return next(path for path in (own / f"{name}.json", CONFIGS / f"{name}.json") if path.is_file())


def train(data: Data, variant: Variant, values: Mapping[str, Any], work: Path) -> tuple[int, list[dict[str, float]]]:
    """Train to the end, from the last saved epoch; return the number of weights and the learning curve."""
    epochs = int(values["max_epochs"])
    paths = {"output_dir": str(work), "checkpoint": str(work / "best.pt")}
    resume = (work / "last.pt").is_file()
    schedule = {
        "val_interval": max(1, epochs // VALIDATIONS),
        "resume": resume,
    }
    parser = read_config(data, variant, {**values, **paths, **schedule})
    if "early_stop" in parser["train"]:
        parser["train#early_stop#patience"] = epochs + 1
    parser.get_parsed_content("initialize")
    network = parser.get_parsed_content("network")
    trainer = parser.get_parsed_content("train#trainer")
    parameters = sum(weight.numel() for weight in network.parameters())
    if epochs == 0:
        work.mkdir(parents=True, exist_ok=True)
        torch.save(network.state_dict(), work / "last.pt")
        return parameters, []
    curve = LearningCurve(work / "curve.json", parser.get_parsed_content("validate#evaluator"))
    curve.attach(trainer)
    if not curve.points or curve.points[-1]["epoch"] < epochs:
        trainer.run()
    return parameters, curve.points


def join_members(study: Study, variant: Variant, parser: ConfigParser, runs: Path, path: Path) -> None:
    """One checkpoint of the networks of all seeds, which were trained before."""
    path.unlink(missing_ok=True)
    where, _, name = variant.members.rpartition("/")
    trained = STUDIES[where or study.name]
    members = [runs / trained.name / f"{name}-seed{seed}" / path.parent.name / "last.pt" for seed in trained.seeds]
    network = parser.get_parsed_content("network")
    if isinstance(network, MeanLogits):
        network.write(members, path)
    else:
        write_ensemble(members, path)


def count_weights(path: Path) -> int:
    """Number of weights in a checkpoint that holds only weights."""
    tensors = load_checkpoint(path)
    return sum(tensor.numel() for name, tensor in tensors.items() if name.endswith((".weight", ".bias")))


def evaluate(
    data: Data, variant: Variant, values: Mapping[str, Any], weights: Path, output: Path
) -> dict[str, list[dict[str, Any]]]:
    """Evaluate the averaged weights of the last epoch on every case: no weights are chosen on the cases they score.

    Returns:
        Records of each structure, innermost first, of the frames that have a reference for it; under "" where the
        configuration names none.
    """
    paths = {"output_dir": str(output), "checkpoint": str(weights)}
    parser = read_config(data, variant, {**values, **paths}, "evaluate")
    parser.get_parsed_content("initialize")
    parser.get_parsed_content("run")
    report = parser.get_parsed_content("report")
    found: dict[str, list[dict[str, Any]]] = {structure: [] for structure in report.options.structures or ("",)}
    for case in report.records:
        structure = case.get("structure", "")
        # A missing reference of the first structure is a finding; most frames lack those of the others.
        is_known = case["status"] != "no_reference" or structure == next(iter(found))
        if is_known and case["patient"] not in report.options.excluded_patients:
            found[structure].append(case)
    return found


def peak_memory() -> float:
    """Peak memory of this process so far, MiB."""
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 1)


def shorten(case: Mapping[str, Any]) -> dict[str, Any]:
    """The items of a case that tables and paired comparisons need."""
    rounded = {key: None if case[key] is None else round(float(case[key]), DECIMALS) for key in KEPT}
    return {"name": case["name"], "patient": case["patient"], **rounded, **{key: case[key] for key in COUNTS}}


def machine() -> dict[str, Any]:
    """Machine and versions of a run."""
    commit = subprocess.run(
        ["git", "-C", str(CONFIGS), "describe", "--always", "--dirty"], capture_output=True, text=True, check=False
    ).stdout.strip()
    return {
        "commit": commit,
        "python": platform.python_version(),
        "torch": torch.__version__,
        "monai": version("monai"),
        "device": "cuda" if torch.cuda.is_available() else "cpu",
        "threads": torch.get_num_threads(),
        "cores": os.cpu_count(),
    }


if __name__ == "__main__":
    sys.exit(main())
