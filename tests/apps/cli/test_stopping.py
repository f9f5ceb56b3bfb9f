# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""The real command, stopped by signals and started twice at once; its processes are forked from one."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from monai_acdr.data.phantoms import write_short_axis_studies

pytestmark = [pytest.mark.slow, pytest.mark.skipif(not hasattr(os, "fork"), reason="needs os.fork")]

# Imports torch and MONAI once; every child is a command of its own, whose messages go to a file.
COMMANDS = """
import os, sys
from monai_acdr.apps import segment
from monai_acdr.apps.cli import main

study, *outputs = sys.argv[1:]
processes = []
for number, output in enumerate(outputs):
    process = os.fork()
    if process == 0:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        os.dup2(os.open(f"{number}.err", os.O_WRONLY | os.O_CREAT), 2)
        sys.argv[1:] = ["segment", study, "-o", output, "--roi", "center", "--no-pictures"]
        sys.exit(main())
    processes.append(process)
print(*processes, flush=True)
print(*(os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]) for process in processes), flush=True)
"""


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


@pytest.mark.usefixtures("signals_end_processes")
def test_signals_and_two_runs_at_once(tmp_path: Path) -> None:
    study = write_short_axis_studies(tmp_path / "study", 1, 1, 3, size=(96, 96)) / "dicoms"
    signals = {tmp_path / "term": signal.SIGTERM, tmp_path / "int": signal.SIGINT}
    outputs = [*signals, tmp_path / "same", tmp_path / "same"]
    commands = subprocess.Popen(
        [sys.executable, "-c", COMMANDS, str(study), *map(str, outputs)],
        stdout=subprocess.PIPE,
        text=True,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert commands.stdout is not None
    processes = dict(zip(signals, map(int, commands.stdout.readline().split()), strict=False))
    waiting, end = dict(signals), time.monotonic() + 300
    while waiting and time.monotonic() < end:
        for folder in [folder for folder in waiting if folder.exists() and names(folder)]:
            os.kill(processes[folder], waiting.pop(folder))  # at work: the model is being loaded
        time.sleep(0.002)
    output, _ = commands.communicate(timeout=300)
    statuses = list(map(int, output.split()))
    messages = [(tmp_path / f"{number}.err").read_text() for number in range(4)]
    for (folder, number), status, message in zip(signals.items(), statuses, messages, strict=False):
        assert status == 128 + number
        assert message.startswith(f"Error: stopped by {signal.Signals(number).name}")
        assert message.count("\n") == 1
        assert not folder.exists()
    assert sorted(statuses[2:]) == [0, 4]
    refusal = messages[2 + statuses[2:].index(4)]
    assert "Expected no other run in" in refusal or "report.json exist" in refusal
    assert names(tmp_path / "same") == {"contours.json", "report.json"}
