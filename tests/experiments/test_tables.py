# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Tables from made-up records with known answers, and the committed document against the committed records."""

from __future__ import annotations

import csv
import io
import json
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]


def _record(variant: str, seed: int, dice: list[float], seconds: float = 60.0) -> dict[str, Any]:
    blank = dict.fromkeys(("hd95_px", "hd95_mm", "apd_px", "apd_mm", "boundf", "roi_dice"))
    cases = [
        {"name": f"c{n}", "patient": f"p{n // 2}", "dice": d, "iou": d / (2 - d), "intersection_px": round(50 * d)}
        | {"pred_area_px": 50, "reference_area_px": 50, **blank}
        for n, d in enumerate(dice)
    ]
    curve = [
        {"epoch": e, "seconds": e * seconds, "val_mean_dice": sum(dice) / len(dice) - 0.01 * (3 - e)} for e in (1, 2, 3)
    ]
    run = {
        "study": "baselines",
        "variant": variant,
        "title": variant,
        "seed": seed,
        "parameters": 1000,
        "curves": [curve],
    }
    return run | {"cases": {"label": cases, "center": cases}, "training_seconds": 3 * seconds, "peak_memory_mib": 10.0}


@pytest.fixture
def records(tmp_path: Path) -> Path:
    runs = [_record("contour", seed, [0.9, 0.8, 0.7, 0.8]) for seed in (0, 1)]
    runs += [_record("unet", seed, [0.88, 0.78, 0.7, 0.8], 120.0) for seed in (0, 1)]
    for run in runs:
        path = tmp_path / "baselines" / f"{run['variant']}-seed{run['seed']}.json"
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps(run))
    return tmp_path


def test_figures_and_differences(records: Path) -> None:
    tables, studies = import_module("tables"), import_module("studies")
    study = studies.STUDIES["baselines"]
    lines = tables.figure_table(study, tables.read_records(study, records), "label")
    ours, other = (line.split(" | ") for line in lines[2:])
    # two patients, of mean 0.85 and 0.75: a resample is one of them, or both
    assert ours[1:4] == ["2", "0.8000 (0.7500 .. 0.8500)", "0.8000 (0.7500 .. 0.8500)"]
    assert ours[-1] == " |"
    assert other[-1] == "+0.0100 (+0.0000 .. +0.0200) |"


def test_differences_of_other_values(records: Path) -> None:
    tables, studies = import_module("tables"), import_module("studies")
    study = studies.STUDIES["baselines"]
    read = tables.read_records(study, records)
    for number, (ours, theirs) in enumerate(((1.0, 1.5), (2.0, 1.9), (1.0, None), (2.0, 2.0))):
        for name, value in (("contour", ours), ("unet", theirs)):
            for run in read[name]:
                run["cases"]["label"][number]["hd95_px"] = value
    rows = list(csv.DictReader(io.StringIO(tables.to_csv(study, read))))
    (row,) = (row for row in rows if (row["variant"], row["view"], row["seed"]) == ("unet", "label", "all"))
    assert (row["first_minus_this_dice"], row["first_minus_this_dice_low"]) == ("0.01", "0.0")
    # The case without a mask is left out: of -0.5, 0.1 and 0 two are one patient's.
    assert row["first_minus_this_hd95_px"] == "-0.13333"
    assert (row["first_minus_this_hd95_px_low"], row["first_minus_this_hd95_px_high"]) == ("-0.2", "0.0")
    assert row["first_minus_this_boundf"] == ""


def test_a_brief_table(records: Path) -> None:
    tables, studies = import_module("tables"), import_module("studies")
    study = studies.STUDIES["baselines"]
    lines = tables.figure_table(study, tables.read_records(study, records), "label", brief=True)
    assert lines[0] == "|  | seeds | mean Dice | HD95, px | dDice (first - this) |"
    assert lines[3].endswith("| +0.0100 (+0.0000 .. +0.0200) |")


def test_cost(records: Path) -> None:
    tables, studies = import_module("tables"), import_module("studies")
    study = studies.STUDIES["baselines"]
    lines = tables.cost_table(study, tables.read_records(study, records))
    assert "minutes to Dice 0.7950" in lines[0]
    assert lines[2].endswith("| 1,000 | 3.0 | 3.0 | 10 |")
    assert lines[3].endswith("| 1,000 | 6.0 | not reached | 10 |")


def test_time_to_reach_of_several_folds() -> None:
    reach = import_module("curves").time_to_reach
    folds = [[{"seconds": 1.0, "val_mean_dice": 0.5}, {"seconds": 2.0, "val_mean_dice": 0.9}]]
    folds += [[{"seconds": 1.5, "val_mean_dice": 0.7}, {"seconds": 3.0, "val_mean_dice": 0.7}]]
    assert reach({"curves": folds}, 0.6) == 2.5
    assert reach({"curves": folds}, 0.8) == 5.0
    assert reach({"curves": folds}, 0.9) is None


def test_a_plot(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib", exc_type=ImportError)
    curves, studies = import_module("curves"), import_module("studies")
    figure = {k: v for key in curves.SHOWN for k, v in ((key, 0.5), (f"{key}_ci95", [0.4, 0.6]))}
    curves.plot_study(studies.STUDIES["vertices"], {"label": {"k4": figure, "k8": figure}}, tmp_path / "plot.png")
    assert (tmp_path / "plot.png").read_bytes().startswith(b"\x89PNG")


def test_documents_are_what_the_records_say() -> None:
    tables = import_module("tables")
    texts = {document: document.read_text(encoding="utf-8") for document in tables.DOCUMENTS}
    assert sum("<!-- table: " in text for text in texts.values()) >= 4
    for document, text in texts.items():
        assert tables.fill(text, tables.RECORDS) == text, f"{document.name}: run `python experiments/tables.py`"


def test_uncertainty() -> None:
    lines = import_module("uncertainty_table").uncertainty_table
    part = {"number": 3, "mean_spread": 0.1, "mean_error": 0.25, "error_q90": 0.5}
    result = {
        "frames": 8,
        "by_vertex": {"deciles": [part] * 10, "spearman": {"value": 0.5, "ci95": [0.4, 0.6]}},
        "by_frame": {
            "spearman": {"value": None, "ci95": None},
            "low_dice": 0.8,
            "low_frames": 2,
            "roc_area": {"value": 0.75, "ci95": None},
        },
        "calibration": {"factor": 2.0, "mean_gap": 0.2, "mean_gap_scaled": 0.05},
    }
    text = "\n".join(lines({"results": {"label": result}}, "label"))
    assert "| 10 | 0.10 | 0.25 | 0.50 |" in text
    assert "| spread and error of vertices, rank correlation | 0.500 (0.400 .. 0.600) |" in text
    assert "finding the 2 of 8 frames of a Dice below 0.8, ROC area | 0.750 |" in text
    assert "| the same, spreads times 2.00 (fitted on the training group) | 0.050 |" in text
