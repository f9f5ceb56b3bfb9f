# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Presence is scored as it should be where the truth is drawn with known probabilities."""

from __future__ import annotations

import json
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest


def test_scores_of_known_probabilities() -> None:
    script = import_module("presence")
    random = np.random.default_rng(0)
    logits = random.normal(1, 2, 20_000)
    present = random.random(20_000) < 1 / (1 + np.exp(-logits))
    assert script.best_temperature(1.6 * logits, present) == pytest.approx(1.6, rel=0.05)
    patients = np.repeat(np.arange(200), 100)
    low, high = script.interval(patients[:2000], 1.6 * logits[:2000], present[:2000])
    assert low < 1.6 < high
    right, sure = 1 / (1 + np.exp(-logits)), 1 / (1 + np.exp(-3 * logits))
    assert script.calibration_error(right, present) < 0.02 < 0.05 < script.calibration_error(sure, present)
    assert script.log_loss(np.zeros(4), np.array([True, False, True, True])) == pytest.approx(np.log(2))


def test_bins_hold_every_slice_once() -> None:
    script = import_module("presence")
    presence, present = np.array([0.0, 0.3, 0.5, 0.98, 1.0]), np.array([False, True, False, True, True])
    rows = script.bin_rows(presence, present)
    assert [row[:2] for row in rows] == [["0 to 0.3", "1"], ["0.3 to 0.7", "2"], ["0.98 to 1", "2"]]
    assert [row[3] for row in rows] == ["0.000", "0.500", "1.000"]


@pytest.mark.slow
def test_synthetic_hearts(tmp_path: Path) -> None:
    script = import_module("presence")
    output = tmp_path / "a.json"
    assert script.main(["--slices", "3", "--threads", "1", "--output", str(output)]) == 0
    record = json.loads(output.read_text())
    assert record["results"]["slices"] >= record["results"]["present"] > 0
