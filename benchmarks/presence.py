# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""How often is a presence right: of the slices that the localizer gives 0.9, do 90 % have a ventricle?

The localizer of the Sunnybrook bundle looks at hearts with references, at end-diastole and end-systole. Its presences,
as the bundle states them and with no temperature, are compared with the references; the temperature with the greatest
likelihood has an interval over patients (bootstrap).
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.special import expit, logit
from timing import Table, parser, prepare, write_record

from monai_acdr.apps.model import load_model
from monai_acdr.apps.volume_agreement import find_hearts
from monai_acdr.data.phantoms import write_short_axis_studies
from monai_acdr.inferers import Localizer
from monai_acdr.metrics import bootstrap_interval
from monai_acdr.visualize.pictures import luminance

QUESTION = "presence of a ventricle against references"
EDGES = (0.0, 0.3, 0.7, 0.9, 0.95, 0.98, 1.0)
RESAMPLES = 1000
TEMPERATURES = (0.1, 10.0)


def main(arguments: Sequence[str] | None = None) -> int:
    """Compare, print two tables, write the JSON file."""
    options = read_options(arguments)
    prepare(options)
    model = load_model("sunnybrook_lv_acdr", None, "cpu", 16)
    assert model.localizer is not None
    with tempfile.TemporaryDirectory() as folder:
        dataset = options.dataset or write_short_axis_studies(Path(folder) / "data", 2, options.slices, 2)
        patients, presence, present = look(dataset, model.localizer)
    stated = model.localizer.presence_temperature
    logits = stated * logit(presence)
    tables = [
        Table(
            "temperatures",
            ["temperature", "log loss", "Brier score", "calibration error"],
            [score_row(f"{value:g}", logits / value, present) for value in (1.0, stated)],
        ),
        Table("shares", ["presence", "slices", "mean presence", "share with a ventricle"], bin_rows(presence, present)),
    ]
    absent_found = int((presence[~present] >= model.localizer.presence_threshold).sum())
    results = {"slices": len(present), "present": int(present.sum()), "absent_found": absent_found, "stated": stated}
    print(f"\n{absent_found} of {(~present).sum()} slices without a ventricle reach the threshold")
    if 0 < present.sum() < len(present):
        low, high = interval(patients, logits, present)
        results |= {"best": best_temperature(logits, present), "low": low, "high": high}
        print(f"best temperature: {results['best']:.2f} ({low:.2f} .. {high:.2f} over patients)")
    print("", *tables, sep="\n")
    write_record(options.output, QUESTION, {"synthetic": options.dataset is None}, results, tables)
    return 0


def look(dataset: Path, localizer: Localizer) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Patient, presence and whether the reference has a cavity, of every slice that has a reference."""
    rows = []
    hearts = find_hearts(dataset, 3, 2)
    for number, case in enumerate(hearts.cases):
        heart = hearts.read(case)
        images = [luminance(frame.image) for frame in heart.inputs.frames]
        spacing = [frame.spacing for frame in heart.inputs.frames]
        found = localizer(images, heart.grid.slice_index, heart.grid.phase, spacing=spacing)
        rows += [
            (number, place.presence, bool(mask.any()))
            for place, mask in zip(found, heart.cavity, strict=True)
            if mask is not None
        ]
        print(".", end="", flush=True)
    patients, presence, present = zip(*rows, strict=True)
    return np.array(patients), np.array(presence), np.array(present)


def log_loss(logits: np.ndarray, present: np.ndarray) -> float:
    """Mean negative log likelihood."""
    return float(np.mean(np.logaddexp(0, logits) - present * logits))


def calibration_error(presence: np.ndarray, present: np.ndarray, parts: int = 10) -> float:
    """Mean distance of presence and share over parts of as many slices each, in order of presence."""
    groups = np.array_split(np.argsort(presence, kind="stable"), parts)
    return float(sum(len(g) * abs(presence[g].mean() - present[g].mean()) for g in groups if len(g)) / len(present))


def best_temperature(logits: np.ndarray, present: np.ndarray) -> float:
    """The temperature of the greatest likelihood."""
    found = minimize_scalar(lambda value: log_loss(logits / value, present), bounds=TEMPERATURES, method="bounded")
    return float(found.x)


def interval(patients: np.ndarray, logits: np.ndarray, present: np.ndarray) -> tuple[float, float]:
    """95 % of the best temperatures of as many patients, drawn with replacement."""
    pairs = np.column_stack([logits, present])
    return bootstrap_interval(
        pairs, patients.tolist(), lambda rows: best_temperature(rows[:, 0], rows[:, 1]), num_samples=RESAMPLES
    )


def score_row(name: str, logits: np.ndarray, present: np.ndarray) -> list[str]:
    """A row of the first table."""
    presence = expit(logits)
    brier = float(np.mean((presence - present) ** 2))
    return [name, f"{log_loss(logits, present):.3f}", f"{brier:.3f}", f"{calibration_error(presence, present):.3f}"]


def bin_rows(presence: np.ndarray, present: np.ndarray) -> list[list[str]]:
    """Rows of the second table."""
    rows = []
    for low, high in zip(EDGES[:-1], EDGES[1:], strict=True):
        inside = (presence >= low) & ((presence < high) | (high == EDGES[-1]))
        if inside.any():
            row = [f"{low:g} to {high:g}", str(inside.sum())]
            rows.append([*row, f"{presence[inside].mean():.3f}", f"{present[inside].mean():.3f}"])
    return rows


def read_options(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Parse the command line."""
    options = parser(__doc__, __file__, repeats=1, threads=1)
    options.add_argument("--dataset", type=Path, help="hearts with references, instead of synthetic ones")
    options.add_argument("--slices", type=int, default=6, help="of the synthetic hearts")
    return options.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
