# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import json
from pathlib import Path

import pytest

from monai_acdr.apps import EvaluateOptions, evaluate

TINY = {
    "network_def#displacement_net#channels": [4, 8],
    "network_def#displacement_net#num_convs": 1,
    "roi_size": 32,
    "network_def#initial_contour#num_vertices": 16,
}


def test_figures(phantom: Path, tiny_heart: Path, tmp_path: Path) -> None:
    weights = tiny_heart / "models" / "model.pt"
    options = EvaluateOptions(group="training", roi="center", checkpoint=weights, config=TINY, device="cpu")
    figures = evaluate(phantom, tmp_path / "out", options=options, roi="label")  # the keyword counts
    assert figures == json.loads((tmp_path / "out" / "metrics.json").read_text())
    assert figures["num_cases"] >= 6
    assert 0 < figures["mean_dice"] < 1
    assert figures["metadata"]["roi"] == "label"
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["metrics.csv", "metrics.json"]


def test_without_the_extra(phantom: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("monai_acdr.bundle.find_spec", lambda name: None if name == "tqdm" else name)
    with pytest.raises(ImportError, match=r"needs tqdm.*pip install 'monai_acdr\[bundle\]'"):
        evaluate(phantom, tmp_path / "out")


def test_refused(phantom: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"(?s)has no `nonsense`.*has no `other`"):
        evaluate(phantom, tmp_path / "out", config={"nonsense": 1, "other#x": 2})
    with pytest.raises(FileNotFoundError, match="Expected weights at"):
        evaluate(phantom, tmp_path / "out", checkpoint=tmp_path / "absent.pt")
    with pytest.raises(TypeError, match="unexpected keyword argument 'groups'"):
        evaluate(phantom, tmp_path / "out", groups="training")
    assert not (tmp_path / "out").exists()
