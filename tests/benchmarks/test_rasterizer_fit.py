# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""The fit test fits, counts what it says, and lets slow methods take fewer blobs."""

from __future__ import annotations

from importlib import import_module
from types import ModuleType
from typing import Any

import pytest
import torch
from torch import Tensor

from monai_acdr.networks.layers import rasterize_polygons


@pytest.fixture
def script() -> ModuleType:
    return import_module("rasterizer_fit")


def exact(vertices: Tensor) -> Tensor:
    return rasterize_polygons(vertices, (64, 64))[:, 0]


def options(**changes: Any) -> Any:
    result = import_module("rasterizers").read_options(["--fit-seeds", "2", "--fit-blobs", "3"])
    vars(result).update(changes)
    return result


def test_the_exact_method_fits(script: ModuleType) -> None:
    result = script.fit_method(exact, "cpu", 2, [5, 40], options())
    early, late = result["iou"]["5"], result["iou"]["40"]
    assert early["mean"] < 0.8 < 0.96 < late["mean"]
    assert len(late["seeds"]) == 2
    assert late["mean"] == pytest.approx(sum(late["seeds"]) / 2)
    assert late["worst"] <= late["mean"]
    assert result["blobs_per_seed"] == 2


def test_defaults_are_the_fit_test(script: ModuleType) -> None:
    given = import_module("rasterizers").read_options([])
    assert (given.fit_seeds, given.fit_blobs, given.fit_steps) == (5, 20, [100, 300])
    assert (script.SIZE, script.NUM_VERTICES, script.DIAMETER, script.LEARNING_RATE) == (64, 32, 16, 0.3)
    circles = script.starting_circles(2)
    assert circles.shape == (2, 32, 2)
    assert torch.allclose((circles - 32).norm(dim=-1), torch.tensor(8.0))


def test_a_seed_has_its_blobs_whatever_the_others_are(script: ModuleType) -> None:
    assert torch.equal(script.seed_blobs(1, 3), script.seed_blobs(1, 3))
    assert not torch.equal(script.seed_blobs(0, 3), script.seed_blobs(1, 3))


def test_slow_methods_take_fewer_blobs_and_steps(script: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter(range(100))
    monkeypatch.setitem(script.CLOCKS, "wall", lambda: next(clock))  # one step of all blobs: one second
    given = options(fit_steps=[10, 30], fit_blobs=20)
    for seconds, plan in ((1e9, (20, [10, 30])), (7.6, (5, [10, 30])), (5.9, (11, [10])), (0.1, (1, [10]))):
        given.fit_seconds = seconds
        assert script.plan(exact, "cpu", given) == plan


def test_overlap_of_exact_masks(script: ModuleType) -> None:
    square = torch.tensor([[[10.0, 10.0], [20.0, 10.0], [20.0, 20.0], [10.0, 20.0]]])
    shifted = exact(square + torch.tensor([2.5, 0.0]))
    assert script.overlap(square, shifted) == pytest.approx([7.5 / 12.5])


def test_summary(script: ModuleType) -> None:
    summary = script.summary([0.9, 0.7, 0.5, 0.3], seeds=2)
    assert summary["seeds"] == pytest.approx([0.8, 0.4])
    assert summary["mean"] == pytest.approx(0.6)
    assert summary["std"] == pytest.approx(0.4 / 2**0.5)
    assert summary["worst"] == 0.3


def test_rows_leave_a_gap_where_a_stage_was_not_reached(script: ModuleType) -> None:
    method = {"iou": {"100": {"mean": 0.95, "std": 0.001}}, "blobs_per_seed": 4, "seconds": 12.3}
    rows = script.fit_rows({"methods": {"slow": method}, "seeds": 5})
    assert rows == [["slow", "0.9500 +- 0.0010", "", "5 x 4", "12.3"]]
