# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""The demo's benchmark, on a small repository whose make targets write known figures."""

from __future__ import annotations

import json
import shutil
import subprocess
from importlib import import_module
from pathlib import Path

import pytest

MAKEFILE = """
venv:
\t@touch installed
demo: installed
\t@test -z "$$OMP_NUM_THREADS"
\t@mkdir -p runs/demo/evaluate runs/demo/mass_evaluate
\t@cp hearts.json runs/demo/evaluate/metrics.json
\t@cp masses.json runs/demo/mass_evaluate/metrics.json
"""


@pytest.mark.skipif(not (shutil.which("git") and shutil.which("make")), reason="needs git and make on the path")
def test_a_small_repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script = import_module("demo")
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    repository = tmp_path / "repository"
    repository.mkdir()
    (repository / "Makefile").write_text(MAKEFILE)
    for name, dice in (("hearts", 0.93), ("masses", 0.95)):
        figures = {"num_cases": 4, "num_patients": 2, "mean_dice": dice, "mean_dice_ci95": [0.9, 0.96], "more": 1}
        (repository / f"{name}.json").write_text(json.dumps(figures))
    git = ["git", "-C", str(repository), "-c", "user.name=n", "-c", "user.email=e@example.org"]
    for command in (["init", "--quiet"], ["add", "."], ["commit", "--quiet", "-m", "all"]):
        subprocess.run([*git, *command], check=True)
    output = tmp_path / "demo.json"
    assert script.main(["--repository", str(repository), "--output", str(output)]) == 0
    record = json.loads(output.read_text())
    assert set(record["results"]["seconds"]) == {"venv", "demo"}
    assert record["results"]["hearts"]["mean_dice"] == 0.93
    rows = record["tables"]["figures"]["rows"]
    assert [row[1] for row in rows] == ["", "< 6", "> 0.90", "> 0.90"]
    assert rows[-1][2] == "0.9500 (0.9000 .. 0.9600)"


def test_a_target_that_fails_is_no_record(tmp_path: Path) -> None:
    script = import_module("demo")
    with pytest.raises(subprocess.CalledProcessError, match="make.*nothing"):
        script.run_make(tmp_path, "nothing")
