# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import json
from pathlib import Path

from click.testing import CliRunner

from monai_acdr.apps.cli import label_app


def test_it_prints_the_folder(tmp_path: Path) -> None:
    shown = CliRunner().invoke(label_app, ["--folder", str(tmp_path / "app")], obj={"json": False})
    assert shown.exit_code == 0, shown.output
    assert shown.output == f"{tmp_path / 'app'}\n" and (tmp_path / "app" / "main.py").is_file()
    shown = CliRunner().invoke(label_app, ["--folder", str(tmp_path / "app"), "--json"], obj={"json": False})
    assert json.loads(shown.output) == {"folder": str(tmp_path / "app")}
