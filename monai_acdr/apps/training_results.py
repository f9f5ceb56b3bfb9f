# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Results of a training: metrics of held-out cases, pictures of the worst, a bundle with its weights, and a card."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from monai.transforms import Compose
from torch.nn import functional as F

from monai_acdr.apps.model import load_model
from monai_acdr.apps.training_plan import TrainingPlan, length_unit, object_lengths
from monai_acdr.bundle import bundle_root
from monai_acdr.data import (
    DatasetFingerprint,
    DrawLabeld,
    QualityReport,
)
from monai_acdr.data.mass_reference import load_pair
from monai_acdr.files import write_text_atomically
from monai_acdr.handlers import EvaluationReport
from monai_acdr.metrics import CaseRecord, evaluate_case, summarize_cases
from monai_acdr.plausibility import Finding
from monai_acdr.visualize import FINAL_COLOR, REFERENCE_COLOR, contact_sheet, draw_contours, structure_color

__all__ = [
    "RESULT_NAMES",
    "NUM_WORST_CASES",
    "AutoCases",
    "Case",
    "Weights",
    "WorstCases",
    "add_auto",
    "is_auto_unreliable",
    "measure_auto",
    "worst_picture",
    "write_bundle",
    "write_card",
    "write_metrics",
]

Items = list[dict[str, Any]]

BUNDLE = "contour_acdr"
RESULT_NAMES = ("card.md", "worst_cases.png", "metrics.csv", "metrics.json", "bundle")
"""Results of a complete training, beside ``plan.json``, ``quality.json``, ``split.csv`` and ``training/``."""
TRAINED_ON = "trained_on.txt"
"""File with the patients that a bundle's weights have seen, beside its configs."""
AUTO_SHARE = 0.8
"""Share of the mean Dice with given regions below which ROI ``auto`` is a finding."""
NUM_WORST_CASES = 10
MAX_LINE_LENGTH = 119
PICTURE_SIDE = 240
"""Longer side of a picture of a case, in pixels."""


@dataclass(frozen=True, eq=False)
class Case:
    """A measured case with the data to draw it: its window (C, H, W), and contours in its pixels, without NaN."""

    name: str
    dice: float
    image: np.ndarray
    contours: list[np.ndarray]
    references: list[np.ndarray]


@dataclass(frozen=True)
class Weights:
    """Files of the weights of a training.

    Attributes:
        network: weights of the contour network.
        localizer: weights of the localizer, for ROI ``auto``; None without one.
    """

    network: Path
    localizer: Path | None = None


@dataclass(frozen=True)
class AutoCases:
    """Held-out images measured with ROI ``auto``.

    Attributes:
        records: cases on whole images by structure, where an object that was not found has an empty mask.
        not_found: names of images in which nothing was found.
    """

    records: Mapping[str, list[CaseRecord]]
    not_found: list[str]


def measure_auto(bundle: Path, held: Items, device: torch.device) -> AutoCases:
    """Measure ROI ``auto`` of a written bundle.

    Args:
        bundle: folder of a bundle with a localizer.
        held: items that neither its network nor its localizer has seen.
        device: device of the networks.
    """
    model = load_model(bundle, device=device)
    load = Compose([*load_pair(model.channels), DrawLabeld("label")])
    names = [structure.label for structure in model.structures]
    records: dict[str, list[CaseRecord]] = {name: [] for name in names}
    lost: list[str] = []
    for item in held:
        case: dict[str, Any] = load(dict(item))
        found = model.outline(case["image"], roi="auto")
        if found.vertices_px is None:
            lost.append(str(item["name"]))
        masks = torch.from_numpy(found.mask()).float()
        for index, name in enumerate(names):
            label = torch.as_tensor(case["label"][index : index + 1]).float()
            if not bool(label.isfinite().all()):
                continue
            records[name].append(
                evaluate_case(masks[index : index + 1], label, name=str(item["name"]), patient=str(item["patient"]))
            )
    return AutoCases(records, lost)


def add_auto(folder: Path, cases: Sequence[AutoCases], metrics: Mapping[str, Any]) -> dict[str, Any]:
    """Add the cases of all folds with ROI ``auto`` to ``metrics.json``.

    Args:
        folder: folder with ``metrics.json``.
        cases: those of each fold.
        metrics: content of ``metrics.json``.

    Returns:
        The metrics with "auto": "by_structure", metrics of :func:`monai_acdr.metrics.summarize_cases`; and "not_found",
        names of images. "findings" also has the findings of :func:`auto_findings`.
    """
    by_structure = {
        name: summarize_cases([record for fold in cases for record in fold.records[name]]) for name in cases[0].records
    }
    findings = [finding.as_dict() for finding in auto_findings(by_structure, metrics["by_structure"])]
    added = {
        **metrics,
        "auto": {"by_structure": by_structure, "not_found": [name for fold in cases for name in fold.not_found]},
        "findings": [*metrics.get("findings", ()), *findings],
    }
    text = json.dumps(added, indent=2, allow_nan=False) + "\n"
    write_text_atomically(folder / "metrics.json", text, overwrite=True)
    return added


def auto_findings(auto: Mapping[str, Any], given: Mapping[str, Any]) -> list[Finding]:
    """Find structures for which ROI ``auto`` is much worse than given regions.

    Args:
        auto: summary of results with ROI ``auto``, by name of the structure.
        given: summary of results with given regions, by name of the structure.

    Returns:
        A finding of the kind ``auto_unreliable`` for each structure whose mean Dice falls below :data:`AUTO_SHARE` of
        the mean Dice with given regions.
    """
    return [
        Finding(
            "auto_unreliable",
            f"mean Dice {values['mean_dice']:.4f} with --roi auto, against {given[name]['mean_dice']:.4f} with the "
            "region given, so that the bundle has no localizer: give regions, or train it for more steps "
            "(localizer_steps of plan.json)",
            name,
        )
        for name, values in auto.items()
        if values["num_cases"] and values["mean_dice"] < AUTO_SHARE * given[name]["mean_dice"]
    ]


def is_auto_unreliable(metrics: Mapping[str, Any]) -> bool:
    """Whether ``metrics.json`` has a finding of :func:`auto_findings`, for one structure at least."""
    return any(finding["kind"] == "auto_unreliable" for finding in metrics["findings"])


class WorstCases:
    """Data for pictures of the cases with the lowest Dice of an evaluator."""

    def __init__(self, structures: Sequence[str]) -> None:
        self.structures = tuple(structures)
        self.cases: list[Case] = []

    def attach(self, evaluator: Any) -> None:
        """Collect cases at the end of each iteration of an ignite engine."""
        from ignite.engine import Events

        evaluator.add_event_handler(Events.ITERATION_COMPLETED, self._collect)

    def _collect(self, engine: Any) -> None:
        batch = cast(list[dict[str, Any]], engine.state.batch)
        for known, found in zip(batch, cast(list[dict[str, Any]], engine.state.output), strict=True):
            case = {**known, **found}
            values = torch.as_tensor(case["roi_dice"], dtype=torch.float64)
            dice = float(values.nanmean())
            if len(self.cases) >= NUM_WORST_CASES and dice >= self.cases[-1].dice:
                continue
            kept = Case(
                str(case["name"]),
                dice,
                torch.as_tensor(case["window"]).float().cpu().numpy(),
                _known(case["pred_window"]),
                _known(case["reference"]),
            )
            self.cases = sorted([*self.cases, kept], key=lambda each: each.dice)[:NUM_WORST_CASES]


def _known(contours: Any) -> list[np.ndarray]:
    plain = torch.as_tensor(contours).detach().cpu().numpy()
    return [vertices for vertices in plain if np.isfinite(vertices).all()]


def worst_picture(cases: Sequence[Case]) -> np.ndarray:
    """The worst cases with their Dice: references green, contours yellow or in the colors of their structures."""
    pictures, captions = [], []
    for case in cases:
        image, (height, width) = case.image, case.image.shape[1:]
        if max(height, width) > PICTURE_SIDE:
            factor = PICTURE_SIDE / max(height, width)
            size = [max(1, round(side * factor)) for side in (height, width)]
            image = F.interpolate(torch.from_numpy(case.image)[None].float(), size, mode="area")[0].numpy()
        ratio = np.array([image.shape[2] / width, image.shape[1] / height])
        lines = [(vertices * ratio, REFERENCE_COLOR) for vertices in case.references]
        several = len(case.contours) > 1
        lines += [
            (vertices * ratio, structure_color(index) if several else FINAL_COLOR)
            for index, vertices in enumerate(case.contours)
        ]
        pictures.append(draw_contours(image, lines, scale=max(1, PICTURE_SIDE // max(image.shape[1:]))))
        captions.append(f"{case.dice:.3f}  {case.name}")
    return contact_sheet(pictures, columns=5, captions=captions)


def write_metrics(
    folder: Path, records: list[CaseRecord], plan: TrainingPlan, origin: Mapping[str, Any]
) -> dict[str, Any]:
    """Write ``metrics.json`` and ``metrics.csv`` of the held-out cases of all folds together; returns the former."""
    report = EvaluationReport(folder, origin, contour_key="pred_window", structures=plan.structures, log_findings=False)
    report.write(records)
    return report.summary


def write_bundle(
    folder: Path,
    plan: TrainingPlan,
    config: Mapping[str, Any],
    options: Mapping[str, Any],
    weights: Weights,
    runs: Sequence[tuple[Items, Items]],
    place: Path,
) -> None:
    """Write the bundle with the values of a plan, its weights, and the patients that they have seen.

    Args:
        folder: folder to make.
        plan: plan of the training.
        config: values of keys of its configs, nested ones as ``region#scale``.
        options: options of the data list.
        weights: weights of the network and of the localizer.
        runs: (trained on, held out) for each network.
        place: final path of the folder.
    """
    shutil.copytree(bundle_root(BUNDLE), folder, ignore=shutil.ignore_patterns("models", "runs", "data"))
    (folder / "models").mkdir()
    shutil.copyfile(weights.network, folder / "models" / "model.pt")
    if weights.localizer is not None:
        shutil.copyfile(weights.localizer, folder / "models" / "localizer.pt")
    seen = sorted({str(item["patient"]) for run in runs for item in run[0]})
    (folder / "configs" / TRAINED_ON).write_text("\n".join(seen) + "\n", encoding="utf-8")
    values: dict[str, Any] = {
        **config,
        "bundle_root": f"$monai_acdr.bundle.find_bundle_root({place.name!r}, {str(place)!r})",
        "data_options": {
            **{name: value for name, value in options.items() if name != "table"},
            "trained_on": f"$@bundle_root + '/configs/{TRAINED_ON}'",
        },
    }
    if weights.localizer is None:
        values["localizer"] = None
    shared = {key: values[key] for key in ("bundle_root", "data_options")}
    of_localizer = shared | plan.localizer_config()
    for name, own in {"train": values, "inference": values, "localizer": of_localizer}.items():
        path = folder / "configs" / f"{name}.json"
        content = json.loads(path.read_text(encoding="utf-8"))
        for key, value in own.items():
            _set(content, key.split("#"), value)
        path.write_text(_config_text(content) + "\n", encoding="utf-8")
    path = folder / "configs" / "metadata.json"
    metadata = _metadata(json.loads(path.read_text(encoding="utf-8")), plan, config)
    if weights.localizer is not None and plan.region == "box":
        metadata["regions"]["localized_scale"] = plan.region_scale
    path.write_text(_config_text(metadata) + "\n", encoding="utf-8")


def _metadata(metadata: dict[str, Any], plan: TrainingPlan, config: Mapping[str, Any]) -> dict[str, Any]:
    names = " and ".join(plan.structures)
    size, kind = [plan.input_size, plan.input_size], "color" if plan.channels == 3 else "gray"
    metadata["network_data_format"]["inputs"]["image"]["spatial_shape"] = size
    metadata["network_data_format"]["inputs"]["image"]["num_channels"] = plan.channels
    if plan.channels == 3:
        metadata["network_data_format"]["inputs"]["image"]["channel_def"] = {"0": "red", "1": "green", "2": "blue"}
    pred = metadata["network_data_format"]["outputs"]["pred"]
    pred["spatial_shape"] = [len(plan.structures), plan.vertices, 2]
    pred["value_range"] = [0, plan.input_size]
    pred["channel_def"] = {"0": "background"} | {str(i): name for i, name in enumerate(plan.structures, 1)}
    metadata["regions"] |= {
        "point_side": config["region#side"],
        "pixel_mm": config["region#pixel_mm"],
        "box_scale": config["region#scale"],
    }
    return metadata | {
        "name": f"Contours of {names} (ACDR)",
        "task": f"Contour of {names} in a region of interest of a 2-D image",
        "description": metadata["description"].split(" Comes without")[0],
        "image_classes": f"one {kind} image, region of interest resampled to {size[0]} x {size[1]}",
        "label_classes": f"outline of {names}",
    }


def _set(content: dict[str, Any], names: Sequence[str], value: Any) -> None:
    """Replace a value of a config; does nothing if the config has no such key."""
    for name in names[:-1]:
        content = content.get(name, {})
    if names[-1] in content:
        content[names[-1]] = value


def _config_text(value: Any, indent: int = 0, before: int = 0) -> str:
    """JSON with lists and objects on one line where they fit, as in handwritten files."""
    flat = json.dumps(value)
    if indent + before + len(flat) <= MAX_LINE_LENGTH or not isinstance(value, (dict, list)) or not value:
        return flat
    inner = " " * (indent + 4)
    if isinstance(value, dict):
        names = [json.dumps(name) for name in value]
        texts = [_config_text(item, indent + 4, len(n) + 3) for n, item in zip(names, value.values(), strict=True)]
        lines, (first, last) = [f"{inner}{n}: {text}" for n, text in zip(names, texts, strict=True)], "{}"
    else:
        lines, (first, last) = [inner + _config_text(item, indent + 4, 1) for item in value], "[]"
    return f"{first}\n" + ",\n".join(lines) + f"\n{' ' * indent}{last}"


def write_card(
    folder: Path,
    plan: TrainingPlan,
    fingerprint: DatasetFingerprint,
    metrics: Mapping[str, Any],
    report: QualityReport,
    origin: Mapping[str, Any],
) -> None:
    """Write ``card.md``, and the same as the bundle's ``docs/README.md``: data, choices, metrics, use and limits."""
    box = plan.region == "box"
    names = " and ".join(plan.structures)
    folds = origin["folds"]
    protocol = (
        f"{folds} folds by patient: each case was measured by a network that did not see its patient"
        if folds > 1
        else f"{origin['held_out'][0]} objects of patients that the network did not see"
    )
    region = (
        f"the box of the reference, {plan.region_scale:g} times as large: the size of the object is given"
        if box
        else f"a square of {plan.region_side:g} {plan.region_unit} about the centroid of the reference: the position "
        "of the object is given, its size is not"
    )
    ask = "box X0 Y0 X1 Y1" if box else "point X Y"
    kinds = report.kinds()
    findings = ", ".join(f"{number} {kind}" for kind, number in kinds.items())
    found = f"Findings of the check: {findings}; `quality.json` names them." if findings else "The check found nothing."
    low, middle, high = object_lengths(fingerprint)
    text = f"""# Contours of {names}

Made by `monai-acdr train`. Research only; not a medical device.

## Data

{fingerprint.num_images} images of {fingerprint.num_patients} patients, {fingerprint.num_items} regions.
Objects are {low:.3g}, {middle:.3g} and {high:.3g} {length_unit(fingerprint)} long (5 %, 50 %, 95 %).
{found} `fingerprint.json` describes images and objects.

## Results

Measured on {protocol}.
The weights are those of the last epoch, so none were chosen on these cases.
Regions of the measurement: {region}.

{_results_table(metrics, plan)}

{_findings(metrics)}The start is the contour that each evolution started from, which needs no training.
Intervals are 95 % bootstrap intervals over patients. `metrics.csv` has every case, `worst_cases.png` the
{NUM_WORST_CASES} of the lowest Dice (references green).{_ensemble_note(folds)}

## Choices

| choice | value | why |
|---|---|---|
{_choices_table(plan)}

Change them in `plan.json`, and train with `--plan plan.json`.

## Use

```bash
monai-acdr segment IMAGE --model bundle --roi {ask} --output OUT
monai-acdr evaluate OTHER_DATA --model bundle --output OUT
python -m monai.bundle run --config_file bundle/configs/inference.json --dataset_dir IMAGES --boxes boxes.csv \\
    --output_dir OUT
```

`python -m monai_acdr.bundle run` takes the same options, and says what is wrong without MONAI's traceback.
`boxes.csv` has the columns `file,x0,y0,x1,y1`: the box about each object, in pixels.
`evaluate` leaves out the patients that the weights have seen (`configs/{TRAINED_ON}`). {_auto(metrics, plan, folds)}

## Limitations

- Research only. One closed contour for each object and structure; holes are filled.
- It outlines what a reader has found: a region without object gets an outline as well.
- Images from other devices, and regions that are placed otherwise than here, were not measured.
"""
    (folder / "card.md").write_text(text, encoding="utf-8")
    (folder / "bundle" / "docs" / "README.md").write_text(text, encoding="utf-8")


def _auto(metrics: Mapping[str, Any], plan: TrainingPlan, folds: int) -> str:
    if not plan.localizer_steps:
        return "There is no ROI `auto`: no\nlocalizer was trained."
    text = (
        "`--roi auto` finds one object\nper image with a localizer trained on the same data (`models/localizer.pt`); "
    )
    parts = [
        f"{name} {_with_interval(values, 'mean_dice')} of {values['num_cases']} held-out images"
        for name, values in metrics["auto"]["by_structure"].items()
    ]
    lost = len(metrics["auto"]["not_found"])
    found = f"mean Dice on whole images:\n{'; '.join(parts)}; nothing was found in {lost} of them."
    if folds > 1:
        found += "\nEach image was measured with a localizer of its fold, which has not seen its patient"
        found += "." if is_auto_unreliable(metrics) else "; the bundle's was trained in the same way on\nall patients."
    if is_auto_unreliable(metrics):
        return (
            "There is no ROI `auto`: the\nlocalizer that was trained is unreliable and was left out of the bundle; "
            f"{found}\nGive regions, or train longer: more `localizer_steps` in `plan.json`, or without `--minutes`."
        )
    return text + found


def _findings(metrics: Mapping[str, Any]) -> str:
    return "".join(f"**{item['subject']}: {item['text']}.**\n\n" for item in metrics["findings"])


def _results_table(metrics: Mapping[str, Any], plan: TrainingPlan) -> str:
    shown = {
        "mean_dice": "mean Dice",
        "mean_initial_dice": "mean Dice of the start",
        "pooled_dice": "pooled Dice",
        "hd95_px": "HD95, px",
        "hd95_mm": "HD95, mm",
    }
    known = {key: title for key, title in shown.items() if metrics.get(key) is not None}
    lines = [f"| structure | cases | patients | {' | '.join(known.values())} |", "|---" * (3 + len(known)) + "|"]
    for name in plan.structures:
        values = metrics["by_structure"][name]
        cells = [_with_interval(values, key) for key in known]
        lines.append(f"| {name} | {values['num_cases']} | {values['num_patients']} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _with_interval(values: Mapping[str, Any], key: str) -> str:
    if values.get(key) is None:
        return "not known"
    digits = 4 if "dice" in key else 2
    interval = values.get(f"{key}_ci95")
    text = f"{values[key]:.{digits}f}"
    return text if interval is None else f"{text} ({interval[0]:.{digits}f} .. {interval[1]:.{digits}f})"


def _choices_table(plan: TrainingPlan) -> str:
    return "\n".join(
        f"| {name} | {', '.join(map(str, entry['value'])) if isinstance(entry['value'], list) else entry['value']} | "
        f"{entry['why']} |"
        for name, entry in plan.as_dict().items()
    )


def _ensemble_note(folds: int) -> str:
    if folds == 1:
        return ""
    return (
        f"\nThe weights of the bundle are the ensemble of all {folds} networks. As a whole it has seen every patient: "
        "its own Dice on these images would be too good, and on new ones is about the value above."
    )
