# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from monai_acdr.data.phantoms.inbreast import write_inbreast_twin
from monai_acdr.data.quality import main


def test_command_line(link_tree: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    path = tmp_path / "report.json"
    assert main([str(link_tree), "--group", "training", "--json", str(path)]) == 1
    assert "layout: link" in capsys.readouterr().out
    assert json.loads(path.read_text())["kinds"] == {"group_incomplete": 1}
    assert main([str(tmp_path / "absent"), "--no-pixels"]) == 2
    assert "check `dataset_dir`" in capsys.readouterr().err


@pytest.mark.slow
def test_module_runs_without_warnings(link_tree: Path) -> None:
    command = [
        sys.executable,
        "-W",
        "error::RuntimeWarning",
        "-m",
        "monai_acdr.data.quality",
        str(link_tree),
        "--no-pixels",
    ]
    done = subprocess.run(command, capture_output=True, text=True, cwd=Path(__file__).parents[2], check=False)
    assert done.returncode == 1
    assert "group_incomplete" in done.stdout


def test_mammograms_are_sent_to_their_report(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_inbreast_twin(tmp_path / "inbreast", num_patients=2, size=(64, 52))
    assert main([str(tmp_path / "inbreast")]) == 2
    error = capsys.readouterr().err
    assert "mass_data_list(folder, report=report)" in error
    assert "docs/how-to/mammography.md" in error
