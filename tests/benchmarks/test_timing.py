# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""How the benchmarks measure; no test looks at a time."""

from __future__ import annotations

import gc
import json
import subprocess
import sys
import time
from importlib import import_module
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def timing() -> ModuleType:
    return import_module("timing")


def test_jobs_run_in_turns_and_every_other_round_backwards(timing: ModuleType) -> None:
    calls: list[str] = []
    jobs = {name: (lambda name=name: calls.append(name)) for name in "ab"}
    samples = timing.time_in_turns(jobs, repeats=2, warmup=1, number={"b": 2})
    assert calls == [*"bba", *"abb", *"bba"]
    assert {name: len(values) for name, values in samples.items()} == {"a": 2, "b": 2}
    assert all(value >= 0 for values in samples.values() for value in values)
    assert gc.isenabled()


def test_slow_jobs_take_part_in_the_first_rounds_only(timing: ModuleType) -> None:
    calls: list[str] = []
    jobs = {name: (lambda name=name: calls.append(name)) for name in "ab"}
    samples = timing.time_in_turns(jobs, 3, warmup=1, rounds={"a": 1}, finish=lambda: calls.append("-"))
    assert "".join(calls) == "-b-" + "-a--b-" + "-b-" + "-b-"
    assert {name: len(values) for name, values in samples.items()} == {"a": 1, "b": 3}


def test_process_clock_leaves_waits_out(timing: ModuleType) -> None:
    jobs = {"wait": lambda: time.sleep(0.2)}
    for name, waits in (("wall", True), ("process", False)):
        (seconds,) = timing.time_in_turns(jobs, 1, warmup=0, clock=timing.CLOCKS[name])["wait"]
        assert (seconds >= 0.19) is waits


def test_garbage_collection_comes_back_after_an_error(timing: ModuleType) -> None:
    def job() -> None:
        raise RuntimeError("broken job")

    with pytest.raises(RuntimeError, match="broken job"):
        timing.time_in_turns({"a": job}, repeats=1, warmup=0)
    assert gc.isenabled()


def test_numbers_of_rounds_are_checked(timing: ModuleType) -> None:
    with pytest.raises(ValueError, match=r"`repeats` >= 1 and `warmup` >= 0, but got 0 and 1"):
        timing.time_in_turns({}, repeats=0, warmup=1)


def test_spread_is_numpys_percentiles(timing: ModuleType) -> None:
    samples = [3.0, 1.0, 10.0, 2.0, 7.0, 2.5]
    low, middle, high = np.percentile(samples, [25, 50, 75])
    assert timing.spread(samples) == pytest.approx(
        {"median": middle, "q25": low, "q75": high, "iqr": high - low, "samples": 6}
    )
    assert timing.spread([4.0]) == {"median": 4.0, "q25": 4.0, "q75": 4.0, "iqr": 0.0, "samples": 1}


def test_ratio_is_taken_round_by_round(timing: ModuleType) -> None:
    assert timing.ratio([2.0, 20.0, 200.0], [1.0, 10.0, 100.0])["iqr"] == 0
    assert timing.ratio([1.0, 20.0], [1.0, 10.0, 7.0])["median"] == 1.5


def test_environment_names_versions_and_no_person(timing: ModuleType) -> None:
    record = timing.environment()
    text = json.dumps(record)
    assert record["versions"]["torch"].split("+")[0] in text
    assert record["torch_threads"] >= 1
    assert str(Path.home()) not in text
    assert str(ROOT) not in text


def test_record_is_written_whole(timing: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    table = timing.Table("times", ["job", "ms"], [["a", "100"]])
    timing.write_record(tmp_path / "new" / "a.json", "why?", {"size": 3}, {"ratio": 2.0}, [table])
    record = json.loads((tmp_path / "new" / "a.json").read_text())
    assert record["question"] == "why?"
    assert record["settings"] == {"size": 3}
    assert record["results"] == {"ratio": 2.0}
    assert record["tables"] == {"times": {"header": ["job", "ms"], "rows": [["a", "100"]]}}
    assert "wrote a.json" in capsys.readouterr().out


def test_table_aligns(timing: ModuleType) -> None:
    assert str(timing.Table("t", ["job", "ms"], [["a", "100"], ["long", "1"]])).splitlines() == [
        "job    ms",
        "a     100",
        "long    1",
    ]


def test_make_can_run_every_file_of_the_folder() -> None:
    done = subprocess.run(
        [sys.executable, "benchmarks/timing.py"],
        cwd=ROOT,
        env={"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert "versions" in json.loads(done.stdout)
