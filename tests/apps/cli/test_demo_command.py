# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

from pathlib import Path

from click.testing import CliRunner

from monai_acdr.apps.cli import main


def test_the_demo(tmp_path: Path) -> None:
    out = tmp_path / "demo"
    done = CliRunner().invoke(main, ["demo", "-o", str(out), "-d", "cpu"])
    assert done.exit_code == 0, done.output
    assert f"Open {out}/report.html" in done.output
    assert (out / "report.html").is_file()
    assert len(list((out / "study" / "dicoms").rglob("*.dcm"))) == 60
    assert CliRunner().invoke(main, ["demo", "-o", str(out)]).exit_code == 4
