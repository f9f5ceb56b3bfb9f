# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from monai_acdr import __version__
from monai_acdr.apps.cli import main


def test_for_people() -> None:
    shown = CliRunner().invoke(main, ["info"])
    assert shown.exit_code == 0
    assert shown.output.startswith(f"monai_acdr {__version__}, Python ")
    for text in ("Rasterizer on cpu:", "Extras:", "jpeg-lossless", "sunnybrook_lv_acdr"):
        assert text in shown.output


def test_for_programs() -> None:
    record = json.loads(CliRunner().invoke(main, ["info", "--json"]).output)
    assert record["version"] == __version__


def test_missing_packages_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = ["nothing_at_all>=1", "nothing_here>=1; extra == 'fast'"]
    monkeypatch.setattr("monai_acdr.apps.installation.requires", lambda _name: lines)
    shown = CliRunner().invoke(main, ["info"]).output
    assert "nothing_at_all (missing)" in shown
    assert "missing nothing_here: pip install 'monai_acdr[fast]'" in shown
