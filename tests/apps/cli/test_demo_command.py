# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from monai_acdr.apps.cli import main


def test_the_synthetic_demo(tmp_path: Path) -> None:
    out = tmp_path / "demo"
    done = CliRunner().invoke(main, ["demo", "--synthetic", "-o", str(out), "-d", "cpu"])
    assert done.exit_code == 0, done.output
    assert f"Open {out}/report.html; the DICOM study is in {out}/study." in done.output
    assert (out / "report.html").is_file()
    assert len(list((out / "study" / "dicoms").rglob("*.dcm"))) == 60
    assert CliRunner().invoke(main, ["demo", "-o", str(out)]).exit_code == 4


def test_the_demo_of_a_real_heart(tmp_path: Path) -> None:
    """The readers' contours of the same frames give EDV 202 mL and ESV 135 mL (docs/results.md)."""
    out = tmp_path / "demo"
    done = CliRunner().invoke(main, ["demo", "-o", str(out), "-d", "cpu", "--json"])
    assert done.exit_code == 0, done.output
    volumes = json.loads((out / "report.json").read_text(encoding="utf-8"))["volumes"]
    # Slices of the base that the readers left out count at end-diastole: see docs/results.md.
    assert volumes["end_diastolic_volume_ml"] == pytest.approx(202, rel=0.3)
    assert volumes["end_systolic_volume_ml"] == pytest.approx(135, rel=0.3)
    assert (volumes["end_systole_phase"], volumes["end_diastole_phase"]) == (0, 1)
    assert not (out / "study").exists()
