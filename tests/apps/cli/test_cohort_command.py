# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from monai_acdr.apps import cli
from monai_acdr.apps.cli import LineProgress, main


def run(*words: object) -> Any:
    return CliRunner().invoke(main, ["cohort", *map(str, words)])


def test_a_run(study: Path, tiny_heart: Path, tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    (tmp_path / "list.txt").write_text(f"{study}\nabsent\n")
    words = (tmp_path / "list.txt", "-o", tmp_path / "out", "-m", tiny_heart, "--roi", "box", 20, 20, 90, 90)
    words = (*words, "--no-pictures", "-d", "cpu")
    done = run(*words)
    assert done.exit_code == 0, done.output
    assert "2 studies found, 2 to do" in done.stderr
    assert done.stdout.splitlines()[0] == "2 studies: 1 done, 1 failed (0 of them earlier)"
    assert f"Results: {tmp_path / 'out'} (cohort.csv, cohort.parquet" in done.stdout
    again = run(*words, "--json")
    record = json.loads(again.stdout)
    assert (record["done"], record["failed"], record["earlier"]) == (1, 1, 2)
    assert json.loads((tmp_path / "out" / "cohort.json").read_text())["roi"] == "box 20 20 90 90"
    other = run(*words, "--seg")
    assert other.exit_code == 4
    assert "seg was None and is 'BINARY': give the same options" in other.stderr


def test_options_reach_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: dict[str, Any] = {}

    def remember(**arguments: Any) -> None:
        seen.update(arguments)
        raise ValueError("enough")

    monkeypatch.setattr("monai_acdr.apps.cohort.run_cohort", remember)
    words = ("SOURCE", "-o", "OUT", "--seg", "--store", "http://x", "--workers", 3, "--part", "2/5", "--query", "a=b")
    done = run(*words, "--structure", "kidney", "--retry-failed")
    assert done.exit_code == 3
    assert (seen["source"], seen["output"]) == ("SOURCE", "OUT")
    options, cohort = seen["options"], seen["cohort"]
    assert (options.seg, options.store, options.structure) == ("BINARY", "http://x", ("kidney",))
    assert (cohort.workers, cohort.part, cohort.queries, cohort.retry_failed) == (3, "2/5", ("a=b",), True)


def test_missing_extras(study: Path, tiny_heart: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    words = (study, "-o", tmp_path / "out", "-m", tiny_heart, "--roi", "center")
    with monkeypatch.context() as patch:
        patch.setitem(__import__("sys").modules, "distributed", None)
        done = run(*words, "--workers", 1)
    assert done.exit_code == 5 and "pip install 'monai_acdr[cohort]'" in done.stderr
    monkeypatch.setitem(__import__("sys").modules, "pyarrow.parquet", None)
    done = run(*words)
    assert done.exit_code == 5 and "pip install 'monai_acdr[cohort]'" in done.stderr


def test_a_line_per_minute(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    clock = [1000.0]
    monkeypatch.setattr(cli.time, "monotonic", lambda: clock[0])
    progress = LineProgress()
    for second in range(150):
        clock[0] += 1
        progress(f"{second + 1} s")
    progress.close()
    assert capsys.readouterr().err == "60 s\n120 s\n"


def test_one_line_on_a_terminal(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(cli.sys.stderr, "isatty", lambda: True, raising=False)
    clock = [1000.0]
    monkeypatch.setattr(cli.time, "monotonic", lambda: clock[0])
    progress = LineProgress()
    for text in ("9 of 10 studies", "10 of 10"):
        clock[0] += 1
        progress(text)
    progress.close()
    assert capsys.readouterr().err == "\r9 of 10 studies\r10 of 10       \n"
