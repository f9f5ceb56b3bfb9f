# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Spread against error: figures of made-up numbers with known answers, and one run on synthetic hearts."""

from __future__ import annotations

import json
from importlib import import_module
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch
from monai.bundle import ConfigParser
from PIL import Image
from scipy import stats

from monai_acdr.bundle import bundle_root
from monai_acdr.data.phantoms import write_short_axis_studies
from monai_acdr.handlers import save_checkpoint
from monai_acdr.handlers.checkpoints import join_members


@pytest.fixture
def uncertainty() -> ModuleType:
    pytest.importorskip("matplotlib", exc_type=ImportError)
    return import_module("uncertainty")


@pytest.fixture
def members() -> list[dict[str, torch.Tensor]]:
    """Of the bundle's network, untrained, from three seeds."""
    states = []
    for seed in range(3):
        torch.manual_seed(seed)
        parser = ConfigParser()
        parser.read_config(str(bundle_root("sunnybrook_lv_acdr") / "configs" / "inference.json"))
        parser["device"], parser["network_def#num_members"] = torch.device("cpu"), 1
        states.append(parser.get_parsed_content("network").state_dict())
    return states


def test_a_run(uncertainty: ModuleType, members: list[dict[str, torch.Tensor]], tmp_path: Path) -> None:
    data = write_short_axis_studies(tmp_path / "data", 5, 2, 2, (96, 96))
    weights, output = save_checkpoint(join_members(members), tmp_path / "model.pt"), tmp_path / "uncertainty.json"
    options = ["--dataset-dir", str(data), "--checkpoint", str(weights), "--output", str(output), "--low-dice", "0.6"]
    assert uncertainty.main(options) == 0
    record = json.loads(output.read_text())
    assert str(tmp_path) not in output.read_text() and "SYN" not in output.read_text()
    assert list(record["results"]) == ["center", "label"]
    for result in record["results"].values():
        deciles = result["by_vertex"]["deciles"]
        assert sum(part["number"] for part in deciles) == 64 * result["frames"]
        spreads = [part["mean_spread"] for part in deciles]
        assert spreads == sorted(spreads) and spreads[0] > 0
        assert -1 <= result["by_frame"]["spearman"]["value"] <= 1
        calibration = result["calibration"]
        assert len(calibration["nominal"]) == len(calibration["coverage"]) == len(calibration["coverage_scaled"])
    assert Image.open(output.with_suffix(".png")).size[0] > 600


def test_one_network_is_refused(
    uncertainty: ModuleType, members: list[dict[str, torch.Tensor]], tmp_path: Path
) -> None:
    weights = save_checkpoint(members[0], tmp_path / "model.pt")
    with pytest.raises(ValueError, match=r"weights of an ensemble, but .*model\.pt has those of one network"):
        uncertainty.main(["--dataset-dir", str(tmp_path), "--checkpoint", str(weights)])


def make_measured(uncertainty: ModuleType, factor: float, frames: int = 200) -> object:
    """Errors that are normal with ``factor`` times their spread."""
    rng = np.random.default_rng(0)
    spread = rng.uniform(0.2, 3, (frames, 32))
    error = np.abs(rng.normal(size=spread.shape) * spread * factor)
    overlap = 1 - error.mean(axis=1) / 10
    return uncertainty.Measured(spread, error, overlap, [f"p{index % 7}" for index in range(frames)])


@pytest.mark.parametrize("factor", [0.5, 1.0, 4.0])
def test_normal_errors_are_calibrated_by_their_factor(uncertainty: ModuleType, factor: float) -> None:
    measured = make_measured(uncertainty, factor)
    assert uncertainty.fit_factor(measured) == pytest.approx(factor, rel=0.03)
    found = uncertainty.calibrate(measured, measured)
    np.testing.assert_allclose(found["coverage_scaled"], found["nominal"], atol=0.02)
    assert found["mean_gap_scaled"] < 0.01
    if factor == 1:
        assert found["mean_gap"] < 0.01
    else:
        expected = 2 * stats.norm.cdf(stats.norm.ppf((1 + np.array(found["nominal"])) / 2) / factor) - 1
        np.testing.assert_allclose(found["coverage"], expected, atol=0.02)


def test_deciles_and_correlations(uncertainty: ModuleType) -> None:
    measured = make_measured(uncertainty, 1.0)
    found = uncertainty.judge_vertices(measured)
    for part in found["deciles"]:  # |N(0, s)| has the mean s sqrt(2 / pi), and 90 % below 1.645 s
        assert part["mean_error"] == pytest.approx(part["mean_spread"] * np.sqrt(2 / np.pi), rel=0.15)
        assert part["error_q90"] == pytest.approx(part["mean_spread"] * 1.645, rel=0.15)
    expected = stats.spearmanr(measured.spread.ravel(), measured.error.ravel()).statistic
    assert found["spearman"]["value"] == pytest.approx(expected)
    low, high = found["spearman"]["ci95"]
    assert low < expected < high
    frames = uncertainty.judge_frames(measured, float(np.quantile(measured.dice, 0.2)))
    expected = stats.spearmanr(measured.spread.mean(1), measured.dice).statistic
    assert frames["spearman"]["value"] == pytest.approx(expected) and expected < 0
    assert frames["low_frames"] == 40 and frames["roc_area"]["value"] > 0.5


def test_roc_area_counts_pairs(uncertainty: ModuleType) -> None:
    rng = np.random.default_rng(1)
    score, positive = rng.integers(0, 6, 40).astype(float), rng.random(40) < 0.3
    pairs = [(p > n) + 0.5 * (p == n) for p in score[positive] for n in score[~positive]]
    assert uncertainty.roc_area(score, positive) == pytest.approx(np.mean(pairs))
    assert uncertainty.roc_area(score, np.zeros(40, bool)) is None
    assert uncertainty.roc_area(score, np.ones(40, bool)) is None


def test_constants_have_no_correlation(uncertainty: ModuleType) -> None:
    assert uncertainty.spearman(np.ones(4), np.arange(4.0)) is None
    assert uncertainty.spearman(np.arange(4.0), -(np.arange(4.0) ** 3)) == pytest.approx(-1)
    found = uncertainty.with_interval(uncertainty.spearman, np.ones(4), np.arange(4.0), list("abcd"))
    assert found == {"value": None, "ci95": None} and uncertainty._text(found) == "undefined"
