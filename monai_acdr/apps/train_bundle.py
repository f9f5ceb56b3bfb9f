# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Training of a contour model on images and masks, with its evaluation: the function behind ``monai-acdr train``."""

from __future__ import annotations

import csv
import io
import json
import math
import os
import shutil
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from monai.bundle import ConfigParser

from monai_acdr.apps.model import find_device
from monai_acdr.apps.training_plan import TrainingPlan, make_plan, read_plan
from monai_acdr.apps.training_results import (
    NUM_WORST_CASES,
    RESULT_NAMES,
    AutoCases,
    Case,
    Weights,
    WorstCases,
    add_auto,
    is_auto_unreliable,
    measure_auto,
    worst_picture,
    write_bundle,
    write_card,
    write_metrics,
)
from monai_acdr.bundle import bundle_root, require_extra
from monai_acdr.data import DatasetFingerprint, QualityReport, dataset_fingerprint, hold_out
from monai_acdr.data.files import natural_key
from monai_acdr.data.pairs import SeveralStructuresError, list_pair_items
from monai_acdr.data.quality import check_copies
from monai_acdr.data.splits import GROUPS, check_apart, fold_split, group_name
from monai_acdr.files import lock_folder, publish_results, write_text_atomically
from monai_acdr.geometry import signed_area
from monai_acdr.handlers import TimeLimit, join_checkpoints, load_checkpoint, save_checkpoint
from monai_acdr.metrics import CaseRecord
from monai_acdr.visualize import save_png

__all__ = ["PreparedTraining", "TrainOptions", "TrainingResult", "plan_training", "train"]

Say = Callable[[str], None]
Items = list[dict[str, Any]]

BUNDLE = "contour_acdr"
HELD_OUT_SHARE = 0.2
"""Share of the patients that are held out, where the data set has no groups of its own."""
RESULTS_SHARE = 0.2
"""Share of the given minutes that is kept for the results, before a validation tells how long they take."""
RESULTS_VALIDATIONS = 4
"""Duration of the last validation, the measurement and that of ROI ``auto``, in validations of all held-out objects."""


@dataclass(frozen=True)
class TrainingResult:
    """Outcome of a training.

    Attributes:
        bundle: folder of the trained bundle, for ``segment``, ``evaluate``, MONAI Label and ``monai.bundle run``.
        plan: choices that were made.
        metrics: content of ``metrics.json``, measured on cases that the network did not see.
        findings: number of findings of each kind in the data set.
        held_out: number of objects that were measured.
        seconds: duration of this call.
        first_metric_seconds: time until the first Dice of held-out objects; None if the training was complete before.
    """

    bundle: Path
    plan: TrainingPlan
    metrics: Mapping[str, Any]
    findings: Mapping[str, int]
    held_out: int
    seconds: float
    first_metric_seconds: float | None

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "bundle": str(self.bundle),
            "plan": {name: entry["value"] for name, entry in self.plan.as_dict().items()},
            "metrics": dict(self.metrics),
            "findings": dict(self.findings),
            "held_out": self.held_out,
            "seconds": round(self.seconds, 1),
            "first_metric_seconds": self.first_metric_seconds,
        }


@dataclass(frozen=True)
class TrainOptions:
    """Options of :func:`monai_acdr.apps.train`.

    Attributes:
        folds: number of folds by patient for a cross-validation, whose networks become one ensemble; None or 1 holds
            out a fifth of the patients, or the images that the data set itself does not assign to training.
        plan: edited plan to use instead of a new one; ``folds``, ``epochs`` and ``seed`` override it.
        epochs: passes over the objects, instead of the budget of the plan.
        minutes: duration of the whole call in minutes, from reading the data to the results. Trainings have as many
            epochs as fit, at least one, so that a busy machine shortens them; the results take the time that they take.
        structure: name of the object, where masks have one label; otherwise the names of the labels, or classes of
            polygons, to train on, one or several. All others are background.
        seed: seed of weights, order and augmentation; 0 if None.
        table: see :func:`monai_acdr.data.pair_folder_data_list`.
        patient_column: column of the table by which images are grouped: no group is both trained and measured on.
        device: ``cpu``, ``cuda``, ``cuda:1`` or ``mps``; None takes CUDA where there is one.
        overwrite: replace the results of an earlier run, and start from the beginning.

    Raises:
        ValueError: for ``folds`` below 1, ``epochs`` or ``minutes`` that are not positive, or both of them.
    """

    folds: int | None = None
    plan: str | os.PathLike[str] | None = None
    epochs: int | None = None
    minutes: float | None = None
    structure: str | Sequence[str] | None = None
    seed: int | None = None
    table: str | os.PathLike[str] | None = None
    patient_column: str | None = None
    device: str | None = None
    overwrite: bool = False

    def __post_init__(self) -> None:
        if self.folds is not None and self.folds < 1:
            raise ValueError(f"Expected `folds` to be at least 1, but got {self.folds}.")
        epochs, minutes = self.epochs, self.minutes
        if epochs is not None and minutes is not None:
            raise ValueError(f"Expected `epochs` or `minutes`, but got both, {epochs} and {minutes}: leave one out.")
        if (epochs is not None and epochs < 1) or (minutes is not None and not minutes > 0):
            raise ValueError(f"Expected positive `epochs` and `minutes`, but got {epochs} and {minutes}.")


def train(
    data: str | os.PathLike[str],
    output: str | os.PathLike[str],
    *,
    options: TrainOptions | None = None,
    say: Say | None = None,
    **shortcuts: Any,
) -> TrainingResult:
    """Train a contour model on images and masks, and measure it on patients that it has not seen.

    The data set is checked, a plan is made from its objects (``plan.json``, every choice with its reason), networks are
    trained by MONAI's engines with the bundle ``contour_acdr``, and measured. A localizer that is unreliable on the
    held-out images is not put into the bundle. A stopped run continues when it is called again with the same arguments.

    Args:
        data: data set that :func:`monai_acdr.data.pair_folder_data_list` reads.
        output: folder for the results: ``bundle/``, ``card.md``, ``metrics.json``, ``metrics.csv``,
            ``worst_cases.png``, ``plan.json``, ``quality.json``, ``split.csv``, and ``training/`` to continue from.
        options: folds, budget, table and so on; by default all are chosen from the data.
        say: called with a line of text for each step.
        **shortcuts: fields of :class:`TrainOptions` by their names, which replace those of ``options``:
            ``train(data, output, epochs=5)`` is ``train(data, output, options=TrainOptions(epochs=5))``.

    Raises:
        FileExistsError, OSError: when results exist, another run uses the folder, or it cannot be written.
        FileNotFoundError, ValueError: for data, a plan or options that cannot be used; the message says what to do.
        TypeError: for a shortcut that is not a field of TrainOptions.
        ImportError: without the extra ``bundle``.
    """
    start, report_line = time.monotonic(), say or _ignore
    require_extra("Training")
    options = replace(options or TrainOptions(), **shortcuts)
    device = find_device(options.device)
    with lock_folder(output) as target:
        _make_room(target, options.overwrite)
        report = QualityReport()
        with _findings_first(report, report_line):
            prepared = plan_training(data, options, report=report, earlier=_earlier_plan(target))
        settled, runs = prepared.plan, prepared.runs
        _agrees_with_earlier(target, settled)
        _write_beginning(target, report, prepared.fingerprint, settled, runs, report_line)
        config = prepared.config
        budget = _Budget(start, options.minutes)
        work = _Work(target / "training", settled, config, device, report_line, budget)
        records, worst = work.run(runs)
        origin = {"dataset_dir": str(data), **work.origin(runs)}
        settled = work.as_trained(len(runs))
        settled.write(target / "plan.json")
        config = {**config, "max_epochs": settled.epochs}
        with publish_results(target, RESULT_NAMES, overwrite=True) as new:
            metrics = write_metrics(new, records, settled, origin)
            save_png(new / "worst_cases.png", worst_picture(worst))
            weights = Weights(work.join(len(runs)))
            if settled.localizer_steps:
                report_line("measuring ROI auto on the held-out images")
                metrics = add_auto(new, work.measure_auto(runs, prepared.list_options), metrics)
                if is_auto_unreliable(metrics):
                    report_line("ROI auto is unreliable: the bundle has no localizer, card.md says why")
                else:
                    weights = replace(weights, localizer=work.localizer())
            write_bundle(new / "bundle", settled, config, prepared.list_options, weights, runs, target / "bundle")
            write_card(new, settled, prepared.fingerprint, metrics, report, origin)
        report_line(f"Results: {target} (card.md, metrics.json, metrics.csv, worst_cases.png, bundle)")
        held_out = sum(len(held) for _, held in runs)
        seconds = time.monotonic() - start
        return TrainingResult(target / "bundle", settled, metrics, report.kinds(), held_out, seconds, work.first_metric)


@dataclass(frozen=True, eq=False)
class PreparedTraining:
    """A checked data set with a plan and a split, the first step of :func:`train`.

    Attributes:
        plan: choices with their reasons.
        config: values of keys of the bundle ``contour_acdr``, nested ones as ``region#scale``.
        runs: (trained on, held out) for each network, items of the data list.
        list_options: arguments of :func:`monai_acdr.data.pair_folder_data_list` that list the same objects.
        fingerprint: fingerprint of the data set.
        report: images and objects left out, and why.
    """

    plan: TrainingPlan
    config: Mapping[str, Any]
    runs: Sequence[tuple[Items, Items]]
    list_options: Mapping[str, Any]
    fingerprint: DatasetFingerprint
    report: QualityReport


def plan_training(
    data: str | os.PathLike[str],
    options: TrainOptions | None = None,
    *,
    report: QualityReport | None = None,
    earlier: TrainingPlan | None = None,
) -> PreparedTraining:
    """Check a data set, choose a training for it and split its patients, without training anything.

    Args:
        data: data set that :func:`monai_acdr.data.pair_folder_data_list` reads.
        options: as for :func:`train`.
        report: receives findings as they are made, so that they are known after an error.
        earlier: plan of a run to continue, if ``options`` have none.

    Raises:
        FileNotFoundError, ValueError: for data, a plan or options that cannot be used; the message says what to do.
    """
    start, options = time.monotonic(), options or TrainOptions()
    report = QualityReport() if report is None else report
    given = read_plan(options.plan) if options.plan is not None else earlier
    items, listed = _list(Path(data), options, report)
    together = _patients_together(items, check_copies(Path(data), items, report), report)
    fingerprint = dataset_fingerprint(items)
    plan = given or make_plan(fingerprint, _structures(items), options.folds or 1)
    plan = _with_options(plan, options, items)
    _check_structures(plan, items)
    items = _large_enough(items, plan.min_area, report)
    runs = _splits(items, plan, report, together)
    if given is None:  # once more, with the number of objects that the split leaves to train on
        plan = make_plan(fingerprint, _structures(items), plan.folds, training=len(runs[0][0]))
        plan = _with_options(plan, options, items)
        if options.minutes is not None:
            total = sum(len(seen) for seen, _ in runs)
            spent = time.monotonic() - start
            plan = _for_minutes(plan, total, options.minutes, spent, find_device(options.device))
    config = plan.config(None if fingerprint.spacing is None else fingerprint.spacing[1])
    listed |= {"min_area": plan.min_area} if "split_components" in listed else {}
    return PreparedTraining(plan, config, runs, listed, fingerprint, report)


@contextmanager
def _findings_first(report: QualityReport, report_line: Say) -> Iterator[None]:
    """Report the findings of a data set before an error that they may explain, such as too few patients."""
    try:
        yield
    except ValueError:
        if report.findings:
            for line in report.summary().splitlines():
                report_line(line)
        raise


def _write_beginning(
    target: Path,
    report: QualityReport,
    fingerprint: DatasetFingerprint,
    plan: TrainingPlan,
    runs: Sequence[tuple[Items, Items]],
    report_line: Say,
) -> None:
    """Write and report the checks, the plan and the split, before anything is trained."""
    report.write(target / "quality.json")
    text = json.dumps(fingerprint.as_dict(), indent=1, allow_nan=False)
    write_text_atomically(target / "fingerprint.json", text + "\n")
    (target / "training").mkdir(exist_ok=True)
    plan.write(target / "plan.json")
    _write_split(target / "split.csv", runs)
    for line in report.summary().splitlines():
        report_line(line)
    for name, entry in plan.as_dict().items():
        report_line(f"  {name}: {_short(entry['value'])} ({entry['why']})")


def _make_room(target: Path, overwrite: bool) -> None:
    """Refuse a folder with results; with `overwrite` remove the training of an earlier run."""
    finished = [name for name in RESULT_NAMES if os.path.lexists(target / name)]
    if finished and not overwrite:
        raise FileExistsError(
            f"Expected no results in {target}, but {', '.join(finished)} exist: choose another folder, or start again "
            "with --overwrite (overwrite=True)."
        )
    if overwrite:
        shutil.rmtree(target / "training", ignore_errors=True)
        (target / "plan.json").unlink(missing_ok=True)


def _earlier_plan(target: Path) -> TrainingPlan | None:
    """The plan of a run that was stopped."""
    path = target / "plan.json"
    return read_plan(path) if path.is_file() and (target / "training").is_dir() else None


def _agrees_with_earlier(target: Path, plan: TrainingPlan) -> None:
    earlier = _earlier_plan(target)
    if earlier is None or earlier == plan:
        return
    old, new = earlier.as_dict(), plan.as_dict()
    different = [
        f"{name} {_short(old[name]['value'])}, now {_short(new[name]['value'])}"
        for name in old
        if old[name]["value"] != new[name]["value"]
    ]
    raise ValueError(
        f"Expected to continue the training in {target}, but its plan has {'; '.join(different)}: give the same "
        "options, choose another folder, or start again with --overwrite (overwrite=True)."
    )


def _list(data: Path, options: TrainOptions, report: QualityReport) -> tuple[Items, dict[str, Any]]:
    """Items, and further arguments of the data list: one item per object, or per image if there are several structures.

    Items without a value in the patients' column are left out, and counted.

    Raises:
        ValueError: when no item has a value in the patients' column.
    """
    path = None if options.table is None else Path(options.table)
    chosen: dict[str, Any] = {} if options.structure is None else {"structures": options.structure}
    try:
        items = list_pair_items(data, path, None, report, split_components=True, **chosen)
        listed: dict[str, Any] = {"split_components": True, **chosen}
    except SeveralStructuresError:
        report.layout, report.counts, report.findings, report.notes = "", {}, [], []
        items, listed = list_pair_items(data, path, None, report, **chosen), chosen
    patient_column = options.patient_column
    if patient_column is not None:
        without = [item for item in items if not item.get(patient_column)]
        if len(without) == len(items):
            raise ValueError(
                f"Expected a column {patient_column!r} with values, but none of {len(items)} images has one, such as "
                f"{without[0]['name']}: check --patient-column and the table."
            )
        for item in without:
            report.add("no_group", item["name"], f"column {patient_column}")
        items = [item for item in items if item.get(patient_column)]
        for item in items:
            item["patient"] = str(item[patient_column])
    check_apart(items, report, strict=False)
    return items, listed


def _patients_together(items: Items, copies: Sequence[Sequence[str]], report: QualityReport) -> dict[str, str]:
    """For each patient the first one with whom it shares a picture, itself if none: they stay on one side of a split.

    The items keep their patients, by which :func:`monai_acdr.apps.evaluate` knows later what the weights have seen.
    """
    patients = {str(item["image"]): str(item["patient"]) for item in items}
    together = {patient: patient for patient in patients.values()}
    for images in copies:
        joined = sorted({together[patients[image]] for image in images}, key=natural_key)
        if len(joined) > 1:
            together = {patient: joined[0] if first in joined else first for patient, first in together.items()}
            report.note("patients with a picture in common are kept together where the images are split")
    return together


def _structures(items: Items) -> tuple[str, ...]:
    """Names of the structures; polygons of several classes are objects of one kind."""
    names = {tuple(item["structures"]) for item in items}
    return names.pop() if len(names) == 1 else ("object",)


def _check_structures(plan: TrainingPlan, items: Items) -> None:
    found = _structures(items)
    if len(found) != len(plan.structures):
        raise ValueError(
            f"Expected a plan for the structures {list(found)} of the masks, but it has {list(plan.structures)}: "
            "correct `structures` and `initial_diameter`, or choose the labels with --structure."
        )


def _with_options(plan: TrainingPlan, options: TrainOptions, items: Items) -> TrainingPlan:
    given: dict[str, Any] = {"folds": options.folds, "epochs": options.epochs, "seed": options.seed}
    found = _structures(items)
    if options.structure is not None and len(found) == len(plan.structures):
        given["structures"] = found
    changes = {name: value for name, value in given.items() if value is not None and value != getattr(plan, name)}
    return replace(plan, **changes, reasons={**plan.reasons, **dict.fromkeys(changes, "given as an option")})


def _for_minutes(plan: TrainingPlan, objects: int, minutes: float, spent: float, device: torch.device) -> TrainingPlan:
    """Epochs for a duration, of which some seconds are spent, by the speed of a few steps: the most that may fit.

    :class:`_Budget` takes away what does not fit after all. ``objects`` are those that are trained on in an epoch of
    all folds together. Localizers get at most half of the time, and fewer steps if they need more.
    """
    from monai_acdr.losses import ActiveContourLoss
    from monai_acdr.networks.blocks import CenteredCircle
    from monai_acdr.networks.nets import ActiveContourNet, DisplacementUNet, RegionLocalizer

    count, size = len(plan.structures), plan.input_size
    field = DisplacementUNet(1, (16, 32, 64, 128), 2, 0.1, blocks="normalized", num_structures=count)
    network = ActiveContourNet(field, CenteredCircle(plan.vertices, plan.initial_diameter)).to(device).train()
    loss = ActiveContourLoss()
    image = torch.rand(plan.batch_size, 1, size, size, device=device)
    target = torch.zeros(plan.batch_size, count, size, size, device=device)
    target[..., size // 4 : -(size // 4), size // 4 : -(size // 4)] = 1
    left, why = (1 - RESULTS_SHARE) * 60 * minutes - spent, {"epochs": f"about {minutes:g} minutes on this machine"}
    localizer_steps, number = plan.localizer_steps, _localizers(plan.folds)
    if localizer_steps:
        frames, localizer = torch.rand(16, 2, 128, 128, device=device), RegionLocalizer().to(device).train()
        step = number * _seconds_of(lambda: localizer(frames).square().mean().backward(), 0.02 * left)
        if localizer_steps * step > left / 2:
            localizer_steps = max(1, int(left / 2 / step))
            why["localizer_steps"] = f"half of about {minutes:g} minutes on this machine: it may find little"
        left -= localizer_steps * step
    steps = max(1, round(objects / plan.batch_size))
    seconds = _seconds_of(lambda: loss(network(image), target).backward(), 0.02 * left)
    epochs = max(1, int(left / (steps * seconds)))
    return replace(plan, epochs=epochs, localizer_steps=localizer_steps, reasons={**plan.reasons, **why})


def _localizers(folds: int) -> int:
    """Number of localizers: one that is measured in each fold, and of several folds one more of all objects."""
    return 1 if folds == 1 else folds + 1


def _seconds_of(step: Callable[[], object], limit: float) -> float:
    """Duration of a step of a training: the shortest of a few, and 30 % for data and optimizer.

    The first one does not count, since torch prepares for it, unless it is five times as long as ``limit``, in seconds;
    there are fewer where they take longer than that. The shortest, because a plan with too few epochs for the time
    stays so, and one with too many is shortened.
    """
    seconds: list[float] = []
    while not seconds or (len(seconds) < 4 and sum(seconds) < (limit if len(seconds) > 1 else 5 * limit)):
        start = time.monotonic()
        step()
        seconds.append(time.monotonic() - start)
    return 1.3 * min(seconds[1:] or seconds)


def _large_enough(items: Items, min_area: float, report: QualityReport) -> Items:
    kept = []
    for item in items:
        area = math.inf if item.get("contour") is None else _area(item["contour"])
        if area < min_area:
            report.add("small_object", item["name"], f"{area:.1f} square pixels")
        else:
            kept.append(item)
    if not kept:
        raise ValueError(f"Expected objects of at least {min_area:g} square pixels, but none is: lower min_area.")
    return kept


def _area(contour: Any) -> float:
    return abs(float(signed_area(torch.from_numpy(np.asarray(contour, dtype=np.float64)))))


def _splits(
    items: Items, plan: TrainingPlan, report: QualityReport, together: Mapping[str, str]
) -> list[tuple[Items, Items]]:
    """(trained on, held out) for each network; ``together`` as :func:`_patients_together` gives it."""
    patients = [together[str(item["patient"])] for item in items]
    if plan.folds > 1:
        splits = [fold_split(patients, plan.folds, fold).groups for fold in range(plan.folds)]
        return [_parted(items, patients, {name for name in groups if groups[name] != GROUPS[0]}) for groups in splits]
    seen = [item for item in items if group_name(item["group"]) == GROUPS[0]]
    held = [item for item in items if item["group"] and group_name(item["group"]) != GROUPS[0]]
    if seen and held:
        mixed = sorted({str(item["patient"]) for item in seen} & {str(item["patient"]) for item in held})
        if mixed and not any(note.startswith("patients were guessed") for note in report.notes):
            raise ValueError(
                f"Expected no patient in two groups, but {', '.join(mixed[:3])} ({len(mixed)} in all) is trained on "
                "and held out: results would be too good; correct the groups, or cross-validate with --folds."
            )
        return [(seen, held)]
    _, chosen = hold_out([{"patient": patient} for patient in sorted(set(patients))], HELD_OUT_SHARE, seed=0)
    if not chosen:
        raise ValueError(
            f"Expected at least two patients, to measure on one that was not trained on, but got {len(set(patients))}; "
            "patients with a picture in common count as one."
        )
    return [_parted(items, patients, {entry["patient"] for entry in chosen})]


def _parted(items: Items, patients: Sequence[str], aside: Collection[str]) -> tuple[Items, Items]:
    """Items of other patients, and of those in ``aside``; ``patients`` has the one of each item."""
    pairs = list(zip(items, patients, strict=True))
    return [item for item, name in pairs if name not in aside], [item for item, name in pairs if name in aside]


def _write_split(path: Path, runs: Sequence[tuple[Items, Items]]) -> None:
    several = len(runs) > 1
    groups = {
        str(item["patient"]): f"fold {number + 1}" if several else group
        for number, run in enumerate(runs)
        for part, group in zip(run, GROUPS, strict=True)
        if group == GROUPS[1] or not several
        for item in part
    }
    stream = io.StringIO()
    csv.writer(stream, lineterminator="\n").writerows([("patient", "group"), *groups.items()])
    write_text_atomically(path, stream.getvalue())


class _Budget:
    """Time of a run of some minutes: until when each of its trainings may go on, so that the results come in time.

    Localizers come first and get at most half of the time; networks share what is left, and what the results will need:
    known from the first validation on, before that :data:`RESULTS_SHARE` of all.
    """

    def __init__(self, start: float, minutes: float | None) -> None:
        self.start, self.seconds = start, None if minutes is None else 60 * minutes
        self.networks = self.localizers = self.held_out = 0
        self._of_localizers: list[float] = []
        self._validation: float | None = None

    def validated(self, seconds: float, number: int) -> None:
        """Note the duration of the validation of some objects."""
        self._validation = max(seconds / max(1, number), self._validation or 0.0)

    def trained_localizer(self, seconds: float) -> None:
        """Note the duration of a localizer's training."""
        self._of_localizers.append(seconds)

    def of_network(self) -> Callable[[], float]:
        """The end of the training of the next network."""
        begin, shares = time.monotonic(), self.networks
        self.networks -= 1
        return lambda: begin + (self._left(begin) - self._later_localizers()) / shares

    def of_localizer(self) -> Callable[[], float]:
        """The end of the training of the next localizer."""
        begin, shares = time.monotonic(), self.localizers * (2 if self.networks else 1)
        self.localizers -= 1
        return lambda: begin + self._left(begin) / shares

    def _left(self, begin: float) -> float:
        """Seconds for trainings from ``begin`` on."""
        if self.seconds is None:
            return math.inf
        results = RESULTS_SHARE * self.seconds
        if self._validation is not None:
            results = max(results / 4, RESULTS_VALIDATIONS * self._validation * self.held_out)
        return self.start + self.seconds - begin - min(results, self.seconds / 2)

    def _later_localizers(self) -> float:
        return self.localizers * float(np.mean(self._of_localizers)) if self._of_localizers else 0.0


class _Work:
    """Trainings and measurements of one plan, in one folder."""

    def __init__(
        self,
        folder: Path,
        plan: TrainingPlan,
        config: Mapping[str, Any],
        device: torch.device,
        report_line: Say,
        budget: _Budget,
    ) -> None:
        self.folder, self.plan, self.config = folder, plan, dict(config)
        self.device, self.report_line, self.budget = device, report_line, budget
        self.first_metric: float | None = None

    def run(self, runs: Sequence[tuple[Items, Items]]) -> tuple[list[CaseRecord], list[Case]]:
        """Train the networks and localizers that are not trained yet, and measure the networks."""
        total, budget = len(runs), self.budget
        places = [self.localizer(number, total) for number in range(total)] + [self.localizer()] * (total > 1)
        budget.networks = sum(not self.checkpoint(number).is_file() for number in range(total))
        budget.localizers = sum(not path.is_file() for path in places) if self.plan.localizer_steps else 0
        budget.held_out = sum(len(held) for _, held in runs)
        try:
            for number, (seen, held) in enumerate(runs):
                title = f"fold {number + 1} of {total}: " if total > 1 else ""
                parts = [
                    partial(self.train, number, title, seen, held),
                    partial(self.train_localizer, places[number], title, seen, held),
                ]
                if budget.seconds is not None:  # the network's share depends on the time that the localizer needs
                    parts.reverse()
                for part in parts:
                    part()
            if total > 1:
                everything = [*runs[0][0], *runs[0][1]]
                self.train_localizer(places[-1], "all patients: ", everything, runs[0][1], "trained on")
        except BaseException:
            self.report_line(f"Stopped. The same command continues after the last complete epoch in {self.folder}.")
            raise
        return self.measure(runs)

    def checkpoint(self, number: int) -> Path:
        """Weights of a network, written when its training is complete."""
        return self.folder / f"fold-{number + 1}" / "model.pt"

    def train(self, number: int, title: str, seen: Items, held: Items) -> None:
        """Train one network, from its last complete epoch on; do nothing if it is complete."""
        if self.checkpoint(number).is_file():
            return
        folder, deadline = self.checkpoint(number).parent, self.budget.of_network()
        resume = (folder / "last.pt").is_file()
        self.report_line(
            f"{title}{len(seen)} objects to train on, {len(held)} held out, {self.plan.epochs} epochs"
            + (", continued" if resume else "")
        )
        with _parsed(["train"], self._overrides(folder, number) | {"resume": resume}, seen, held) as parser:
            parser.get_parsed_content("initialize")
            self._run(parser, title, deadline)

    def localizer(self, number: int = 0, total: int = 1) -> Path:
        """Weights of a localizer, written when its training is complete: of a fold, by default that of the bundle."""
        folder = self.folder if total == 1 else self.checkpoint(number).parent
        return folder / "localizer" / "localizer.pt"

    def train_localizer(self, path: Path, title: str, seen: Items, held: Items, validated: str = "held out") -> None:
        """Train a localizer, from its last complete epoch on; do nothing if it is complete, or if none is planned."""
        if not self.plan.localizer_steps or path.is_file():
            return
        begin, deadline = time.monotonic(), self.budget.of_localizer()
        title = f"{title}localizer: "
        self.report_line(f"{title}{len(seen)} objects to train on, {self.plan.localizer_steps} steps, for ROI auto")
        resume = (path.parent / "last.pt").is_file()
        overrides = {
            **self.plan.localizer_config(),
            "output_dir": str(path.parent),
            "checkpoint": str(path),
            "device": self.device,
            "resume": resume,
        }
        with _parsed(["localizer"], overrides, seen, held) as parser:
            parser.get_parsed_content("initialize")
            self._run(parser, title, deadline, validated)
        self.budget.trained_localizer(time.monotonic() - begin)

    def _run(
        self, parser: ConfigParser, title: str, deadline: Callable[[], float], validated: str = "held out"
    ) -> None:
        schedule = parser.get_parsed_content("lr_scheduler")
        TimeLimit(deadline, schedule, time.monotonic).attach(parser.get_parsed_content("train#trainer"))
        _Lines(self, title, parser, validated).attach()
        parser.get_parsed_content("run")

    def as_trained(self, total: int) -> TrainingPlan:
        """The plan with the epochs and steps of the trainings, where a time limit left fewer."""
        plan, why = self.plan, dict(self.plan.reasons)
        values: dict[str, Any] = {}
        epochs = [_complete_epochs(self.checkpoint(number).with_name("last.pt")) for number in range(total)]
        if any(number is not None and number < plan.epochs for number in epochs):
            values["epochs"] = max(number or 0 for number in epochs)
            why["epochs"] = f"as many of {plan.epochs} as fit into the given minutes"
            if len(set(epochs)) > 1:
                why["epochs"] += f": {', '.join(map(str, epochs))} in the folds"
        planned = plan.localizer_config()
        of_localizer = _complete_epochs(self.localizer().with_name("last.pt")) if plan.localizer_steps else None
        if of_localizer is not None and of_localizer < planned["max_epochs"]:
            values["localizer_steps"] = of_localizer * planned["steps_per_epoch"]
            why["localizer_steps"] = (
                f"as many of {plan.localizer_steps} as fit into the given minutes: it may find little"
            )
        return replace(plan, **values, reasons=why)

    def measure_auto(self, runs: Sequence[tuple[Items, Items]], list_options: Mapping[str, Any]) -> list[AutoCases]:
        """ROI ``auto`` on the held-out images of each run, by the network and the localizer that have not seen them."""
        found = []
        for number, run in enumerate(runs):
            folder = self.checkpoint(number).parent / "bundle"
            shutil.rmtree(folder, ignore_errors=True)
            weights = Weights(self.checkpoint(number), self.localizer(number, len(runs)))
            write_bundle(folder, self.plan, self.config, list_options, weights, [run], folder)
            found.append(measure_auto(folder, run[1], self.device))
            shutil.rmtree(folder, ignore_errors=True)
        return found

    def measure(self, runs: Sequence[tuple[Items, Items]]) -> tuple[list[CaseRecord], list[Case]]:
        """Records of all held-out cases, and the worst cases."""
        records: list[CaseRecord] = []
        worst: list[Case] = []
        for number, (seen, held) in enumerate(runs):
            folder = self.checkpoint(number).parent / "evaluation"
            overrides = self._overrides(folder, number) | {"report#log_findings": False}  # of all folds together, later
            with _parsed(["train", "evaluate"], overrides, seen, held) as parser:
                parser.get_parsed_content("initialize")
                evaluator = parser.get_parsed_content("validate#evaluator")
                kept = WorstCases(self.plan.structures)
                kept.attach(evaluator)
                parser.get_parsed_content("run")
                records += parser.get_parsed_content("report").records
                worst += kept.cases
        return records, sorted(worst, key=lambda case: case.dice)[:NUM_WORST_CASES]

    def join(self, total: int) -> Path:
        """The weights of the result: of the network, or of the ensemble of all folds."""
        if total == 1:
            return self.checkpoint(0)
        path = self.folder / "ensemble.pt"
        save_checkpoint(join_checkpoints([self.checkpoint(number) for number in range(total)]), path)
        return path

    def origin(self, runs: Sequence[tuple[Items, Items]]) -> dict[str, Any]:
        """Origin of the metrics."""
        box = self.plan.region == "box"
        return {
            "folds": len(runs),
            "region": "box of the reference" if box else "square about the centroid of the reference",
            "roi_scale": self.plan.region_scale,
            "roi_side_label": self.plan.region_side,
            "trained_on": [len(seen) for seen, _ in runs],
            "held_out": [len(held) for _, held in runs],
            "epochs": [_complete_epochs(self.checkpoint(number).with_name("last.pt")) for number in range(len(runs))],
        }

    def _overrides(self, folder: Path, number: int) -> dict[str, Any]:
        return {
            **self.config,
            "output_dir": str(folder),
            "checkpoint": str(self.checkpoint(number)),
            "device": self.device,
            "seed": self.plan.seed + number,
        }


@contextmanager
def _parsed(names: Sequence[str], overrides: Mapping[str, Any], seen: Items, held: Items) -> Iterator[ConfigParser]:
    """The configs of the bundle with other values, and with the given data lists."""
    root = bundle_root(BUNDLE)
    parser = ConfigParser(globals={"items_seen": seen, "items_held_out": held})
    parser.read_config([str(root / "configs" / f"{name}.json") for name in names])
    # No progress bar: lines of text replace it.
    parser.update({**overrides, "progress": False, "bundle_root": str(root), "dataset_dir": ""})
    parser.update({"train#data_list": "$items_seen"})
    parser.update({"validate#data_list": "$items_held_out"})
    parser.parse(reset=True)
    yield parser


def _complete_epochs(path: Path) -> int | None:
    """Number of complete epochs in the state of a training; None where there is no such file."""
    if not path.is_file():
        return None
    state = load_checkpoint(path, mmap=True)["trainer"]
    return int(state["iteration"]) // int(state["epoch_length"])


class _Lines:
    """Progress as occasional lines of text: epoch, loss, metrics of held-out objects, time left."""

    def __init__(self, work: _Work, title: str, parser: ConfigParser, validated: str) -> None:
        self.work, self.title, self.validated = work, title, validated
        self.trainer = parser.get_parsed_content("train#trainer")
        self.evaluator = parser.get_parsed_content("validate#evaluator")
        self.start = self.validation_start = time.monotonic()
        self.first_epoch = 0
        self.losses: list[float] = []

    def attach(self) -> None:
        from ignite.engine import Events

        self.trainer.add_event_handler(Events.STARTED, self._started)
        self.trainer.add_event_handler(Events.ITERATION_COMPLETED, self._loss)
        self.trainer.add_event_handler(Events.EPOCH_COMPLETED, self._epoch)
        self.evaluator.add_event_handler(Events.STARTED, self._validation_started)
        self.evaluator.add_event_handler(Events.COMPLETED, self._validated)

    def _started(self) -> None:
        self.first_epoch, self.start = self.trainer.state.epoch, time.monotonic()

    def _loss(self) -> None:
        self.losses.append(float(self.trainer.state.output[0]["loss"]))

    def _epoch(self) -> None:
        epoch, last = self.trainer.state.epoch, self.trainer.state.max_epochs
        if epoch % max(1, last // 10) == 0 or epoch in (self.first_epoch + 1, last):
            spent = time.monotonic() - self.start
            left = spent / max(1, epoch - self.first_epoch) * (last - epoch)
            loss = float(np.mean(self.losses))
            self.work.report_line(
                f"{self.title}epoch {epoch} of {last}: loss {loss:.4f}, {spent:.0f} s, {left:.0f} s left"
            )
        self.losses.clear()

    def _validation_started(self) -> None:
        self.validation_start = time.monotonic()

    def _validated(self) -> None:
        metrics = self.evaluator.state.metrics
        if "val_mean_dice" in metrics:
            found = f"mean Dice {metrics['val_mean_dice']:.4f}"
            if self.work.first_metric is None:
                self.work.first_metric = round(time.monotonic() - self.work.budget.start, 1)
            self.work.budget.validated(time.monotonic() - self.validation_start, self.evaluator.state.iteration)
        else:
            found = f"centers {metrics['val_center_error']:.2f} radii off"
        self.work.report_line(f"{self.title}{self.validated} after epoch {self.trainer.state.epoch}: {found}")


def _short(value: Any) -> str:
    return ", ".join(map(str, value)) if isinstance(value, (list, tuple)) else str(value)


def _ignore(_text: str) -> None:
    """No-op callback."""
