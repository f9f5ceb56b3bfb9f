# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""The Python blocks of README and docs run, page by page, in an empty folder."""

from __future__ import annotations

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
    for number, block in enumerate(blocks, start=1):
        torch.manual_seed(0)
        exec(compile(block, f"{page}, block {number}", "exec"), {"__name__": "__main__"})


def test_readme_shows_each_use() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert text.index("docs/images/overlay.png") < text.index("make demo") < text.index("## Install")
    for use in (
        "train.json",
        "evaluate.json",
        "inference.json",
        "ActiveContourLoss",
        "rasterize_polygons",
        "LabelROId",
    ):
        assert use in text
    assert "research only" in text
