# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""The notebooks run, cell by cell, and their committed outputs are of the present code."""

from __future__ import annotations

import sys
from importlib import import_module
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[2]
NOTEBOOK = ROOT / "docs" / "tutorials" / "real_study.ipynb"


@pytest.fixture
def notebooks(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(ROOT / "docs" / "scripts"))
    monkeypatch.delitem(sys.modules, "notebook", raising=False)
    return import_module("notebook")


def test_the_real_study(notebooks: ModuleType, tmp_path: Path) -> None:
    texts = notebooks.run_notebook(NOTEBOOK, tmp_path)
    assert len(texts) == 10
    assert texts[0] == "22\n"
    assert "ejection fraction" in texts[1]
    frames, dice = texts[4].split(" frames, mean Dice ")
    assert int(frames) >= 16
    assert float(dice.split(",")[0]) > 0.85
    assert texts[7].count("SCD0000401") == 3
    assert (tmp_path / "frame_120.png").is_file()
    assert "report.html" in texts[9]


def test_its_outputs_are_kept(notebooks: ModuleType) -> None:
    page = notebooks.to_markdown(NOTEBOOK)
    assert page.startswith("# A real study")
    assert page.count("```python\n") == 10
    assert page.count("```text\n") == 10, "run `make pictures`, which runs the notebook, and commit it"
