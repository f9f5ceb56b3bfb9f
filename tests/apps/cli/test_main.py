# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from monai_acdr import __version__
from monai_acdr.apps.cli import main
from monai_acdr.apps.cli.exit_codes import EXIT_CODES

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
    run = CliRunner().invoke(main, ["segment", absent, "-o", str(tmp_path / "out"), "--roi", "centre"])
    assert run.exit_code == 3
    assert run.stderr.startswith("Error: Expected a file or a folder, but")
    assert run.stdout == ""
    run = CliRunner().invoke(main, ["segment", absent, "-o", str(tmp_path / "out"), "--roi", "centre", "--json"])
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


def test_help_does_not_wait_for_torch() -> None:
    code = "import sys; from monai_acdr.apps.cli import main; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], timeout=120).returncode == 0
