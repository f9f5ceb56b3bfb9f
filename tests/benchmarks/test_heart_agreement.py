# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""The tables of volumes are those of the runs."""

from __future__ import annotations

import json
from importlib import import_module
from pathlib import Path

import pytest


def write_run(folder: Path, roi: str, es: float, lost: int, failed: tuple[str, ...] = ()) -> None:
    limits = {"bias": -0.76, "lower_limit": -8.0, "upper_limit": 6.44, "mean_absolute_error": 2.75}
    result = {
        "model": {"name": "a", "weights_sha256": "0"},
        "roi": roi,
        "failed": list(failed),
        "patients": 3,
        "slices": 40,
        "lost_slices": lost,
        "added_slices": 0,
        "mean_dice": {"ED": 0.95649, "ES": es, "myocardium_ED": 0.8},
        "measures": dict.fromkeys(("edv_ml", "esv_ml", "ef_percent"), limits),
    }
    folder.mkdir(parents=True)
    (folder / "agreement.json").write_text(json.dumps(result))


def test_tables_of_runs(tmp_path: Path) -> None:
    script = import_module("heart_agreement")
    for number, network in enumerate(script.NETWORKS):
        for roi in script.REGIONS:
            for seed, name in enumerate(script.folders(network, roi)):
                write_run(tmp_path / name, roi, 0.9 + number / 100 + seed / 1000, (2 + 3 * seed) * (roi == "auto"))
    output = tmp_path / "record.json"
    assert script.main(["--runs", str(tmp_path), "--output", str(output)]) == 0
    tables = json.loads(output.read_text())["tables"]
    rows = tables["networks"]["rows"]
    assert [row[0] for row in rows[:2]] == ["contours, three networks, `label`", "masks, three networks, `label`"]
    last = ["masks, one DynUNet, `auto`", "0.956 / 0.940", "0.800", "-0.8", "-0.8", "-0.8", "2.8", "2 / 0 of 40"]
    assert rows[-1] == last
    seeds = [
        "contours, one network, `label`",
        "0.956 0.956 0.956",
        "0.920 0.921 0.922",
        "0.800 0.800 0.800",
        "2.8 2.8 2.8",
    ]
    assert tables["seeds"]["rows"][0] == seeds
    limits = "-0.8 (-8.0 .. +6.4)"
    dice = ["0.956 / 0.900", "0.800"]
    assert tables["card"]["rows"][0] == ["ROI `auto`, no click", *dice, limits, limits, limits, "2.8", "2 / 0"]
    assert tables["readme"]["rows"][0][3:] == ["-0.8, 2.8 points", "2 / 0 of 40"]
    assert tables["readme"]["rows"][4][3:] == ["-0.8, 2.8 points", ""]


@pytest.mark.parametrize(("roi", "failed"), [("label", ()), ("auto", ("a",))])
def test_runs_of_something_else_are_refused(tmp_path: Path, roi: str, failed: tuple[str, ...]) -> None:
    write_run(tmp_path / "a", roi, 0.9, 0, failed)
    with pytest.raises(ValueError, match="Expected a to be a run with ROI auto in which no patient failed"):
        import_module("heart_agreement").read_run(tmp_path / "a", "auto")
