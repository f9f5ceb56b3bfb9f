# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""The kill benchmark itself, with few kills; in a separate process, because it forks."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs os.fork")
def test_some_kills(tmp_path: Path) -> None:
    output = tmp_path / "kills.json"
    command = [sys.executable, str(ROOT / "benchmarks" / "kill_segment.py"), "--kills", "5", "--output", str(output)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, timeout=500)
    assert done.returncode == 0, done.stdout + done.stderr
    results = json.loads(output.read_text())["results"]
    assert results["faults"] == []
    assert results["hidden files after the kill"] > 0
    assert results["results of the killed run"] + results["results of the run before"] == 5


def test_faults_are_found(tmp_path: Path) -> None:
    script = import_module("kill_segment")
    listed = ["contours.json", "report.json", "masks/a.png"]
    (tmp_path / "masks").mkdir()
    for name in (*listed, "mine.txt"):
        (tmp_path / name).write_text(json.dumps({"files": listed}))
    started = (tmp_path / "report.json").stat().st_mtime_ns
    for name in listed:
        os.utime(tmp_path / name, ns=(started, started))
    assert script.find_faults(tmp_path, started, True) == []
    os.utime(tmp_path / "masks" / "a.png", ns=(started - 1, started - 1))
    assert script.find_faults(tmp_path, started, True) == ["masks/a.png and report.json are of two runs"]
    (tmp_path / "contours.json").unlink()
    (tmp_path / ".monai_acdr-lock").touch()
    assert script.find_faults(tmp_path, started - 1, True) == [
        "contours.json is missing",
        ".monai_acdr-lock should not be there",
    ]
    (tmp_path / "report.json").unlink()
    assert script.find_faults(tmp_path, started, False) == []
    assert script.find_faults(tmp_path, started, True) == ["no report.json"]
