# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""The real command, stopped by signals and started twice at once."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from monai_acdr.data.phantoms import write_short_axis_studies

pytestmark = [pytest.mark.slow, pytest.mark.skipif(os.name == "nt", reason="needs signals of POSIX")]


def start(study: Path, output: Path, *options: str) -> subprocess.Popen[str]:
    code = "import sys; from monai_acdr.apps.cli import main; sys.exit(main())"
    command = [sys.executable, "-c", code, "segment", str(study), "-o", str(output), "--roi", "center", *options]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_signals_and_two_runs_at_once(tmp_path: Path) -> None:
    study = write_short_axis_studies(tmp_path / "study", 1, 1, 3, size=(96, 96)) / "dicoms"
    signals = {tmp_path / "term": signal.SIGTERM, tmp_path / "int": signal.SIGINT}
    stopped = {folder: start(study, folder) for folder in signals}
    same = [start(study, tmp_path / "same", "--no-pictures") for _ in range(2)]
    waiting, end = dict(stopped), time.monotonic() + 300
    while waiting and time.monotonic() < end:
        for folder in [folder for folder in waiting if folder.exists() and names(folder)]:
            waiting.pop(folder).send_signal(signals[folder])  # at work: the model is being loaded
        time.sleep(0.005)
    for folder, process in stopped.items():
        _, message = process.communicate(timeout=300)
        assert process.returncode == 128 + signals[folder]
        assert message.startswith(f"Error: stopped by {signal.Signals(signals[folder]).name}")
        assert message.count("\n") == 1
        assert not folder.exists()
    messages = [process.communicate(timeout=300)[1] for process in same]
    assert sorted(process.returncode for process in same) == [0, 4]
    refusal = messages[[process.returncode for process in same].index(4)]
    assert "Expected no other run in" in refusal or "report.json exist" in refusal
    assert names(tmp_path / "same") == {"contours.json", "report.json"}
