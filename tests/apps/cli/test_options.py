# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import io
import json

import pytest

from monai_acdr.apps.cli import options
from monai_acdr.apps.cli.options import TerminalProgress, print_result


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_no_bars_without_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = io.StringIO()
    monkeypatch.setattr(options.sys, "stderr", stream)
    with TerminalProgress() as progress:
        progress("read", 1, 2)
    assert stream.getvalue() == ""


def test_a_bar_for_each_step(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = Terminal()
    monkeypatch.setattr(options.sys, "stderr", stream)
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
