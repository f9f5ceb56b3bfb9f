# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from click.testing import CliRunner

from monai_acdr import __version__
from monai_acdr.apps.cli import EXIT_CODES, main

FAKE_INFO = (
    "fake = types.ModuleType('monai_acdr.apps.installation'); fake.info = lambda: {'a': 1}; "
    "sys.modules['monai_acdr.apps.installation'] = fake"
)
"""Without the import of torch, which takes seconds."""
VERBS = ("segment", "evaluate", "convert", "demo", "info")


def test_help_says_what_statuses_mean() -> None:
    shown = CliRunner().invoke(main, ["--help"])
    assert shown.exit_code == 0
    assert all(verb in shown.output for verb in VERBS)
    assert all(meaning in shown.output for meaning in EXIT_CODES.values())
    assert CliRunner().invoke(main, ["--version"]).output.strip() == f"monai-acdr, version {__version__}"


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_has_help_and_json(verb: str) -> None:
    shown = CliRunner().invoke(main, [verb, "-h"])
    assert shown.exit_code == 0
    assert "--json" in shown.output


def test_errors_end_in_one_message_and_a_status(tmp_path: Path) -> None:
    absent = str(tmp_path / "absent")
    run = CliRunner().invoke(main, ["segment", absent, "-o", str(tmp_path / "out"), "--roi", "center"])
    assert run.exit_code == 3
    assert run.stderr.startswith("Error: Expected a file or a folder, but")
    assert run.stdout == ""
    run = CliRunner().invoke(main, ["segment", absent, "-o", str(tmp_path / "out"), "--roi", "center", "--json"])
    assert json.loads(run.stdout)["exit_code"] == 3
    assert CliRunner().invoke(main, ["segment"]).exit_code == 2
    with pytest.raises(FileNotFoundError, match="absent"):
        CliRunner().invoke(main, ["--debug", "segment", absent, "-o", str(tmp_path / "out")], catch_exceptions=False)


def test_unexpected_errors_say_where_to_look(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> None:
        raise KeyError("surprise")

    monkeypatch.setattr("monai_acdr.apps.installation.info", fail)
    run = CliRunner().invoke(main, ["info"])
    assert run.exit_code == 1
    assert "KeyError: 'surprise'" in run.stderr
    assert "--debug" in run.stderr


@pytest.mark.usefixtures("signals_end_processes")
@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP"])
def test_a_signal_ends_a_command_with_its_own_status(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    number = getattr(signal, name)
    cleaned = []

    def interrupted() -> None:
        try:
            os.kill(os.getpid(), number)
        finally:
            cleaned.append(signal.getsignal(number))

    monkeypatch.setattr("monai_acdr.apps.installation.info", interrupted)
    before = signal.getsignal(number)
    run = CliRunner().invoke(main, ["info", "--json"])
    assert run.exit_code == 128 + number and run.exit_code in EXIT_CODES
    assert run.stderr.startswith(f"Error: stopped by {name}") and run.stderr.count("\n") == 1
    assert json.loads(run.stdout)["exit_code"] == run.exit_code
    assert cleaned == [signal.SIG_DFL]  # a second signal would have ended the process
    assert signal.getsignal(number) is before


def test_signals_are_not_handled_in_a_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    handlers = []
    monkeypatch.setattr("monai_acdr.apps.installation.info", lambda: handlers.append(signal.getsignal(signal.SIGTERM)))
    thread = threading.Thread(target=lambda: CliRunner().invoke(main, ["info"]))
    thread.start()
    thread.join()
    assert handlers == [signal.getsignal(signal.SIGTERM)]


@pytest.mark.skipif(os.name == "nt", reason="needs pipes and /dev/full of POSIX")
def test_standard_output_that_cannot_be_written() -> None:
    """A reader who is gone ends the program in silence; a full disk is an error like others. No traceback."""
    code = "import sys; from monai_acdr.apps.cli import main; sys.argv[0] = 'monai-acdr'; main()"
    command = [sys.executable, "-c", f"import types, sys; {FAKE_INFO}; {code}", "info", "--json"]
    reader, writer = os.pipe()
    os.close(reader)
    gone = subprocess.run(command, stdout=writer, stderr=subprocess.PIPE, text=True, timeout=120)
    os.close(writer)
    assert (gone.returncode, gone.stderr) == (141, "")
    with open("/dev/full", "w", encoding="ascii") as full:
        run = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, timeout=120)
    assert (run.returncode, run.stderr) == (4, "Error: [Errno 28] No space left on device\n")


def test_help_does_not_wait_for_torch() -> None:
    code = "import sys; from monai_acdr.apps.cli import main; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], timeout=120).returncode == 0


def test_python_runs_the_package_as_the_command() -> None:
    shown = subprocess.run(
        [sys.executable, "-m", "monai_acdr", "--version"], capture_output=True, text=True, check=True
    )
    assert shown.stdout.split()[-1] == __version__
