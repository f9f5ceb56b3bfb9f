# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import io
import json
import sys

import click
import pytest
from click.testing import CliRunner

from monai_acdr.apps.cli import TerminalProgress, main, print_result, read_budget_option
from monai_acdr.read_budget import read_budget_bytes


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_no_bars_without_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = io.StringIO()
    monkeypatch.setattr(sys, "stderr", stream)
    with TerminalProgress() as progress:
        progress("read", 1, 2)
    assert stream.getvalue() == ""


def test_a_bar_for_each_step(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = Terminal()
    monkeypatch.setattr(sys, "stderr", stream)
    with TerminalProgress() as progress:
        for step in ("read", "outline"):
            for done in (1, 2, 3):
                progress(step, done, 3)
    shown = stream.getvalue()
    assert shown.count("100%") >= 2
    assert "read" in shown
    assert "outline" in shown


def test_results(capsys: pytest.CaptureFixture[str]) -> None:
    print_result(False, {"a": 1}, ["one", "two"])
    assert capsys.readouterr().out == "one\ntwo\n"
    print_result(True, {"a": 1}, ["one", "two"])
    assert json.loads(capsys.readouterr().out) == {"a": 1}


def test_the_budget_is_in_force_until_the_command_has_ended() -> None:
    before, seen = read_budget_bytes(), []

    @click.command()
    @read_budget_option
    def command() -> None:
        seen.append(read_budget_bytes())

    assert CliRunner().invoke(command, ["--read-budget", "1.5"]).exit_code == 0
    assert CliRunner().invoke(command, []).exit_code == 0
    assert seen == [3 << 19, before]
    assert read_budget_bytes() == before
    for value in ("0", "-1", "nan", "much"):
        assert CliRunner().invoke(command, ["--read-budget", value]).exit_code == 2
    assert len(seen) == 2


@pytest.mark.parametrize("name", ["segment", "convert", "evaluate"])
def test_commands_that_read_have_the_budget(name: str) -> None:
    assert "--read-budget MIB" in CliRunner().invoke(main, [name, "--help"]).output


@pytest.mark.parametrize("command", ["segment", "cohort", "train", "evaluate", "agreement"])
def test_an_output_folder_without_a_name(command: str) -> None:
    """Mostly a variable of a script that is not set: the results would lie in the working folder."""
    done = CliRunner().invoke(main, [command, "SOURCE", "--output", ""])
    assert done.exit_code == 2 and "Expected the name of a folder, but it is empty" in done.output
