# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Studies at a tiny size, from the command line to the table."""

from __future__ import annotations

import json
from contextlib import redirect_stdout
from importlib import import_module
from pathlib import Path
from subprocess import CompletedProcess
from types import SimpleNamespace
from typing import Any, TextIO

import pytest
from filelock import FileLock

from monai_acdr.data.phantoms import write_short_axis_studies

TINY = json.dumps({"max_epochs": 2, "network_def#displacement_net#channels": [4, 8], "batch_size": 4})
QUICK = ["--set", TINY, "--workers", "1"]


@pytest.fixture()
def in_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs in this process, instead of a separate one each, which takes seconds to import torch and MONAI."""
    train = import_module("train_network").main

    def run(command: list[str], stdout: TextIO, **_options: Any) -> CompletedProcess[str]:
        with redirect_stdout(stdout):
            return CompletedProcess(command, train(command[2:]) or 0)

    monkeypatch.setattr(import_module("run_study"), "subprocess", SimpleNamespace(run=run))


@pytest.mark.slow
@pytest.mark.usefixtures("in_process")
def test_runs_are_done_once_and_make_a_table(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_short_axis_studies(tmp_path / "data" / "sunnybrook_png", 5, 2, 2, (96, 96))
    records = tmp_path / "records"
    command = ["baselines", "--data", str(tmp_path / "data"), "--variants", "contour", "pixel_wise", "--seeds", "0"]
    command += ["--records", str(records), "--work", str(tmp_path / "work"), *QUICK]
    main = import_module("run_study").main
    assert main(command) == 0
    assert "2 runs to do" in capsys.readouterr().out
    assert main(command) == 0
    assert "0 runs to do: none" in capsys.readouterr().out

    text = (records / "baselines" / "contour-seed0.json").read_text()
    record = json.loads(text)
    assert str(tmp_path) not in text
    assert [point["epoch"] for point in record["curves"][0]] == [1, 2]
    assert record["training_seconds"] >= record["curves"][0][0]["seconds"] > 0
    assert record["figures"]["label"]["num_cases"] == len(record["cases"]["center"]) > 0
    assert list(record["figures"]) == ["label", "center", "label_epicardium", "center_epicardium"]
    # readers of the phantom draw the epicardium at end-diastole only
    assert 2 * len(record["cases"]["label_epicardium"]) == len(record["cases"]["label"])

    tables = import_module("tables")
    document = tmp_path / "accuracy.md"
    document.write_text("before\n<!-- table: baselines label -->\nold\n<!-- end -->\nafter\n")
    places = ["--records", str(records), "--tables", str(tmp_path / "tables"), "--images", str(tmp_path / "images")]
    assert tables.main([*places, "--documents", str(document)]) == 0
    lines = document.read_text().splitlines()
    assert lines[0] == "before" and lines[-1] == "after" and "old" not in lines
    mean = record["figures"]["label"]["mean_dice"]
    assert f"| ours: contour | 1 | {mean:.4f} | " in document.read_text()  # one patient: no interval
    assert len((tmp_path / "tables" / "baselines.csv").read_text().splitlines()) == 1 + 2 * 4 * 2


@pytest.mark.slow
def test_a_killed_run_goes_on(tmp_path: Path) -> None:
    write_short_axis_studies(tmp_path / "data", 5, 2, 2, (96, 96))
    training, studies = import_module("train_network"), import_module("studies")
    data, variant = studies.DATA["sunnybrook"], studies.STUDIES["baselines"].variants[0]
    values = {
        "dataset_dir": str(tmp_path / "data"),
        "seed": 0,
        "network_def#displacement_net#channels": [4, 8],
        "batch_size": 4,
        **data.settings,
    }
    _, first = training.train(data, variant, {**values, "max_epochs": 1}, tmp_path / "work")
    _, both = training.train(data, variant, {**values, "max_epochs": 2}, tmp_path / "work")
    assert both[0] == first[0]
    assert [point["epoch"] for point in both] == [1, 2]
    assert both[1]["seconds"] > both[0]["seconds"]
    _, again = training.train(data, variant, {**values, "max_epochs": 2}, tmp_path / "work")
    assert again == both


def test_seeds_come_in_turns(tmp_path: Path) -> None:
    study = import_module("run_study")
    options = study.read_options(["baselines", "--data", ".", "--variants", "contour", "unet"])
    names = [job.name for job in study.find_jobs(options)]
    assert study.read_options(["baselines", "--data", "."]).variants is None
    assert names == [f"{name}-seed{seed}" for seed in (0, 1, 2) for name in ("contour", "unet")]


@pytest.mark.slow
@pytest.mark.usefixtures("in_process")
def test_an_ensemble_is_made_of_all_seeds(tmp_path: Path) -> None:
    write_short_axis_studies(tmp_path / "data" / "sunnybrook_png", 5, 2, 2, (96, 96))
    records = tmp_path / "records"
    command = ["baselines", "--data", str(tmp_path / "data"), "--variants", "contour", "ensemble"]
    command += ["--records", str(records), "--work", str(tmp_path / "work"), *QUICK]
    assert import_module("run_study").main(command) == 0
    made = sorted(path.name for path in (records / "baselines").iterdir())
    assert made == ["contour-seed0.json", "contour-seed1.json", "contour-seed2.json", "ensemble-seed2.json"]
    one, joined = (json.loads((records / "baselines" / name).read_text()) for name in (made[0], made[3]))
    assert joined["parameters"] == 3 * one["parameters"]
    assert joined["training_seconds"] == 0
    assert joined["cases"]["label"][0]["name"] == one["cases"]["label"][0]["name"]


@pytest.mark.slow
@pytest.mark.usefixtures("in_process")
def test_masks_of_an_ensemble(tmp_path: Path) -> None:
    write_short_axis_studies(tmp_path / "data" / "sunnybrook_png", 5, 2, 2, (96, 96))
    command = ["known_position", "ensembles", "--data", str(tmp_path / "data"), "--variants", "pixel_wise"]
    command += [
        "--records",
        str(tmp_path / "records"),
        "--work",
        str(tmp_path / "work"),
        "--set",
        TINY,
        "--workers",
        "1",
    ]
    assert import_module("run_study").main(command) == 0
    names = ("known_position/pixel_wise-seed0", "ensembles/pixel_wise-seed0")
    one, joined = (json.loads((tmp_path / "records" / f"{name}.json").read_text()) for name in names)
    assert joined["parameters"] == 3 * one["parameters"]
    assert set(joined["figures"]) == {"label", "label_107", "label_epicardium", "label_107_epicardium"}


def test_a_run_that_another_process_is_at_is_left_to_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    places = ["--records", str(tmp_path / "records"), "--work", str(tmp_path / "work")]
    command = ["baselines", "--data", str(tmp_path), "--variants", "contour", "--seeds", "0", *places]
    folder = tmp_path / "work" / "baselines" / "contour-seed0"
    with FileLock(folder / "lock"):
        assert import_module("run_study").main(command) == 0
    assert "left to another process: baselines/contour-seed0" in capsys.readouterr().out
    assert not (folder / "log.txt").exists()


def test_a_failed_run_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    places = ["--records", str(tmp_path / "records"), "--work", str(tmp_path / "work")]
    command = ["baselines", "--data", str(tmp_path), "--variants", "contour", "--seeds", "0", *places]
    assert import_module("run_study").main(command) == 1
    assert "failed: baselines/contour-seed0, see" in capsys.readouterr().out
    assert not list(tmp_path.rglob("*.json"))
