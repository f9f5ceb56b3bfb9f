# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Tables and plots of all studies from their records: `python experiments/tables.py`. No value is typed manually.

Writes docs/tables/STUDY.csv with all values and differences, docs/images/study_STUDY.png for studies with an axis, and
the tables between the marks `<!-- table: STUDY VIEW -->` (`STUDY VIEW VARIANT` for one row, `STUDY VIEW brief` for the
main columns) and `<!-- end -->` of the documents. Values are means over all seeds; intervals are 95 % bootstrap
intervals over patients, which keep the seeds of a patient together.
"""

from __future__ import annotations

import argparse
import csv
import io
import json
import re
import sys
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from curves import plot_study, time_to_reach
from run_study import RECORDS
from studies import DATA, STUDIES, Study, Variant
from uncertainty_table import uncertainty_table

from monai_acdr.files import write_text_atomically
from monai_acdr.metrics import CASE_COLUMNS, bootstrap_interval, summarize_cases

HERE = Path(__file__).resolve().parent
DOCUMENTS = (
    HERE.parent / "docs" / "accuracy.md",
    HERE.parent / "docs" / "results.md",
    *sorted((HERE.parent / "bundles").glob("*/docs/README.md")),
)
IMAGES = HERE.parent / "docs" / "images"
TABLES = HERE.parent / "docs" / "tables"

FIGURES = {
    "mean_dice": ("mean Dice", 4),
    "pooled_dice": ("pooled Dice", 4),
    "hd95_px": ("HD95, px", 2),
    "hd95_mm": ("HD95, mm", 2),
    "boundf": ("BoundF", 4),
    "apd_px": ("APD, px", 2),
    "apd_mm": ("APD, mm", 2),
    "good_contours_percent": ("good contours, %", 1),
}
"""Columns of the tables: key of a summary, its heading, its decimals."""

BRIEF = ("mean_dice", "hd95_px", "hd95_mm")
"""Columns of a brief table, of those that the study has."""

DIFFERENCE = "dDice (first - this)"
"""Heading: mean Dice of the first variant minus that of this row, case by case, with its interval."""

COMPARED = ("dice", "hd95_px", "boundf", "apd_px")
"""Values of a case whose differences from the first variant are in the CSV files."""

REACHED = 0.005
"""A training has converged when its Dice is within this of the best of its study."""

_MARK = re.compile(r"(<!-- table: (\w+) (\w+)(?: (\w+))? -->\n).*?(<!-- end -->)", re.DOTALL)


def main(arguments: Sequence[str] | None = None) -> int:
    """Write all tables and plots that have records."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--records", type=Path, default=RECORDS)
    options.add_argument("--tables", type=Path, default=TABLES)
    options.add_argument("--images", type=Path, default=IMAGES)
    options.add_argument("--documents", type=Path, nargs="*", default=DOCUMENTS)
    chosen = options.parse_args(arguments)
    for study in STUDIES.values():
        records = read_records(study, chosen.records)
        if not records:
            continue
        write_text_atomically(chosen.tables / f"{study.name}.csv", to_csv(study, records))
        if study.axis:
            plot_study(study, summaries_of(study, records), chosen.images / f"study_{study.name}.png")
    for document in chosen.documents:
        write_text_atomically(document, fill(document.read_text(encoding="utf-8"), chosen.records))
    return 0


def read_records(study: Study, folder: Path) -> dict[str, list[dict[str, Any]]]:
    """The records of each variant that has any, in the study's order, seeds ascending."""
    found = {}
    for variant in study.variants:
        paths = [folder / study.name / f"{variant.name}-seed{seed}.json" for seed in study.seeds_of(variant)]
        records = [json.loads(path.read_text(encoding="utf-8")) for path in paths if path.is_file()]
        if records:
            found[variant.name] = records
    return found


def fill(document: str, folder: Path) -> str:
    """Put the tables between their marks."""
    return _MARK.sub(lambda match: f"{match[1]}{_table(match[2], match[3], match[4], folder)}{match[5]}", document)


@cache
def _table(name: str, view: str, part: str | None, folder: Path) -> str:
    """One table of records, made once for all documents: bootstrap intervals take seconds."""
    if name == "uncertainty":
        record = folder / "uncertainty.json"
        lines = uncertainty_table(json.loads(record.read_text()), view) if record.is_file() else []
        return "\n".join(["", *lines, "", ""])
    study = STUDIES[name]
    records = read_records(study, folder)
    if view == "cost":
        return "\n".join(["", *cost_table(study, records), "", ""])
    brief = part == "brief"
    chosen = {
        variant: [run for run in runs if view in run["cases"]]
        for variant, runs in records.items()
        if (brief or part in (None, variant)) and any(view in run["cases"] for run in runs)
    }
    return "\n".join(["", *figure_table(study, chosen, view, brief), "", ""])


def figure_table(study: Study, records: dict[str, list[dict[str, Any]]], view: str, brief: bool = False) -> list[str]:
    """Values with intervals, one row per variant, and the difference of the first variant's Dice to each other one."""
    keys = [key for key in study.figures if not brief or key in BRIEF]
    headings = ["", "seeds", *(FIGURES[key][0] for key in keys), *([] if brief else ["frames"])]
    compared = len(records) > 1
    headings += [DIFFERENCE] * compared
    first = next(iter(records), None)
    rows = []
    for variant in with_records(study, records):
        runs = records[variant.name]
        summary = summarize(runs, view)
        cells = [_with_interval(summary, key, FIGURES[key][1]) for key in keys]
        cells += [] if brief else [str(summary["num_cases"] // len(runs))]
        difference = "" if variant.name == first else _difference(records[first], runs, view, "dice", 4)
        rows.append([variant.title, str(len(runs)), *cells, *[difference] * compared])
    return _markdown(headings, rows)


def cost_table(study: Study, records: dict[str, list[dict[str, Any]]]) -> list[str]:
    """Cost of a training, and its time to come near the best one."""
    trained = {name: runs for name, runs in records.items() if runs[0]["training_seconds"]}
    best = max((float(np.mean([last_dice(run) for run in runs])) for runs in trained.values()), default=0.0)
    headings = ["", "weights", "minutes, all epochs", f"minutes to Dice {best - REACHED:.4f}", "peak memory, MiB"]
    rows = []
    for variant in with_records(study, trained):
        runs = trained[variant.name]
        times = [time_to_reach(run, best - REACHED) for run in runs]
        reached = [seconds / 60 for seconds in times if seconds is not None]
        when = f"{np.median(reached):.1f}" if reached else "not reached"
        if 0 < len(reached) < len(runs):
            when += f" ({len(reached)} of {len(runs)} seeds)"
        minutes = np.median([run["training_seconds"] for run in runs]) / 60
        memory = np.median([run["peak_memory_mib"] for run in runs])
        rows.append([variant.title, f"{runs[0]['parameters']:,}", f"{minutes:.1f}", when, f"{memory:.0f}"])
    return _markdown(headings, rows)


def last_dice(run: dict[str, Any]) -> float:
    """Mean validation Dice after the last epoch, over the parts of a run."""
    return float(np.mean([curve[-1]["val_mean_dice"] for curve in run["curves"]]))


def to_csv(study: Study, records: dict[str, list[dict[str, Any]]]) -> str:
    """All values and intervals of every variant and view, seeds together and one by one, and differences.

    `first_minus_this_KEY` is the paired difference of the first variant from this one, over the seeds that both have.
    """
    stream = io.StringIO()
    compared = [f"first_minus_this_{key}" for key in COMPARED]
    keys = [name for key in (*study.figures, *compared) for name in (key, f"{key}_low", f"{key}_high")]
    first = next(iter(records), None)
    writer = csv.DictWriter(stream, ["variant", "view", "seed", "cases", *keys], lineterminator="\n")
    writer.writeheader()
    for name, runs in records.items():
        for view in (view for view in views_of(study, runs) if all(view in run["cases"] for run in runs)):
            for seed, chosen in [("all", runs), *((run["seed"], [run]) for run in runs)]:
                summary = summarize(chosen, view)
                row: dict[str, Any] = {"variant": name, "view": view, "seed": seed, "cases": summary["num_cases"]}
                for key in study.figures:
                    low, high = summary[f"{key}_ci95"] or (None, None)
                    row |= {key: _number(summary[key]), f"{key}_low": _number(low), f"{key}_high": _number(high)}
                if seed == "all" and name != first and all(view in run["cases"] for run in records[first]):
                    for key, column in zip(COMPARED, compared, strict=True):
                        value, low, high = difference(records[first], runs, view, key)
                        row |= {column: _number(value), f"{column}_low": _number(low), f"{column}_high": _number(high)}
                writer.writerow(row)
    return stream.getvalue()


def summaries_of(study: Study, records: dict[str, list[dict[str, Any]]]) -> dict[str, dict[str, dict[str, Any]]]:
    """Summaries by view and variant."""
    return {view: {name: summarize(runs, view) for name, runs in records.items()} for view in DATA[study.data].views}


def views_of(study: Study, runs: Sequence[dict[str, Any]]) -> list[str]:
    """The regions of interest, then the views of further structures, such as ``label_epicardium``."""
    return list(dict.fromkeys([*DATA[study.data].views, *(view for run in runs for view in run["cases"])]))


def summarize(runs: Sequence[dict[str, Any]], view: str) -> dict[str, Any]:
    """The metrics of all seeds together."""
    blank = dict.fromkeys(CASE_COLUMNS)
    return summarize_cases([{**blank, "status": "ok", **case} for run in runs for case in run["cases"][view]])  # type: ignore[typeddict-item]


def with_records(study: Study, records: dict[str, Any]) -> list[Variant]:
    """The variants that were run, in order."""
    return [variant for variant in study.variants if variant.name in records]


def difference(
    first: Sequence[dict[str, Any]], runs: Sequence[dict[str, Any]], view: str, key: str
) -> tuple[float | None, float | None, float | None]:
    """Mean of the first variant minus that of these runs, over seeds and cases that both have, and its interval."""
    seeds = {run["seed"] for run in first} & {run["seed"] for run in runs}
    ours = _by_case([run for run in first if run["seed"] in seeds], view, key)
    theirs = _by_case([run for run in runs if run["seed"] in seeds], view, key)
    pairs = [(ours[case] - value, case[0]) for case, value in theirs.items() if case in ours]
    if not pairs:
        return None, None, None
    values = np.array([value for value, _ in pairs])
    patients = [patient for _, patient in pairs]
    if len(set(patients)) < 2:
        return float(values.mean()), None, None
    low, high = bootstrap_interval(values, patients, np.mean, 0.95, 2000, 0)
    return float(values.mean()), low, high


def _difference(
    first: Sequence[dict[str, Any]], runs: Sequence[dict[str, Any]], view: str, key: str, decimals: int
) -> str:
    value, low, high = difference(first, runs, view, key)
    if value is None:
        return ""
    bounds = "" if low is None else f" ({low:+.{decimals}f} .. {high:+.{decimals}f})"
    return f"{value:+.{decimals}f}{bounds}"


def _by_case(runs: Sequence[dict[str, Any]], view: str, key: str) -> dict[tuple[str, str], float]:
    """Mean metric of each (patient, case) over the seeds that have it: an empty mask has no distance."""
    found: dict[tuple[str, str], list[float]] = {}
    for run in runs:
        for case in run["cases"][view]:
            if case[key] is not None:
                found.setdefault((case["patient"], case["name"]), []).append(case[key])
    return {case: sum(values) / len(values) for case, values in found.items()}


def _with_interval(summary: dict[str, Any], key: str, decimals: int) -> str:
    value, interval = summary[key], summary[f"{key}_ci95"]
    if value is None:
        return "-"
    bounds = f" ({interval[0]:.{decimals}f} .. {interval[1]:.{decimals}f})" if interval else ""
    return f"{value:.{decimals}f}{bounds}"


def _number(value: float | None) -> Any:
    return "" if value is None else round(value, 5)


def _markdown(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    lines = [headings, ["---"] * len(headings), *rows]
    return ["| " + " | ".join(line) + " |" for line in lines]


if __name__ == "__main__":
    sys.exit(main())
