# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""The Python blocks of README and docs run, page by page, in an empty folder."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

ROOT = Path(__file__).resolve().parents[2]


def test_python_blocks_run(page: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Blocks of a page share the folder, not their variables: each names all that it needs."""
    blocks = page.blocks("python")
    if not blocks:
        pytest.skip("no Python on this page")
    monkeypatch.chdir(tmp_path)
    # A page trains one epoch; a localizer that finds something, 600 steps, would take ten times as long as all pages.
    monkeypatch.setattr("monai_acdr.apps.training_plan.LOCALIZER_STEPS", 10)
    for number, block in enumerate(blocks, start=1):
        torch.manual_seed(0)
        exec(compile(block, f"{page}, block {number}", "exec"), {"__name__": "__main__"})


def test_the_first_lines_print_what_they_say(tmp_path: Path) -> None:
    """In a new process with Python's default filters: no message that a user can do nothing about."""
    block = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), re.DOTALL)[0]
    code = f"{block}\nimport warnings\nwarnings.warn('of the user')\n"
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONWARNINGS"}
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env=environment | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "('LV endocardium', 'LV epicardium') (2, 64, 2) (2, 64, 2)\n"
    assert [line for line in done.stderr.splitlines() if "UserWarning: of the user" not in line] == []


def test_readme_is_one_screen_with_everything_a_newcomer_needs() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    parts = (
        "docs/images/heart.png",
        "| shipped weights, no click",
        "pip install .",
        "example_study",
        "make demo",
        "make test",
    )
    places = [text.index(part) for part in parts]
    assert places == sorted(places)
    assert len(text.splitlines()) < 90
    assert "research only" in text


def test_each_use_has_a_page() -> None:
    """What README links to has a command or a block for each use."""
    pages = re.findall(r"\]\((docs/[\w/-]+\.md)\)", (ROOT / "README.md").read_text(encoding="utf-8"))
    text = "\n".join((ROOT / page).read_text(encoding="utf-8") for page in pages)
    uses = ("train.json", "evaluate.json", "inference.json", "ActiveContourLoss", "rasterize_polygons", "RoiFromLabeld")
    assert not [use for use in uses if use not in text]
