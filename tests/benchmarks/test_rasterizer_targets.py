# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Targets are judged by ratios within rounds, and what is missed or not measured says so."""

from __future__ import annotations

from importlib import import_module
from types import ModuleType
from typing import Any

import pytest

FAST, PLAIN = "exact (numba)", "exact (torch)"


@pytest.fixture
def script() -> ModuleType:
    return import_module("rasterizer_targets")


def speed(case: tuple[int, int, int], **passes: dict[str, list[float]]) -> dict[str, Any]:
    batch_size, size, num_vertices = case
    seconds = {which: {name: {"values": values} for name, values in times.items()} for which, times in passes.items()}
    return {"cpu": {"cases": [{"batch_size": batch_size, "size": size, "num_vertices": num_vertices, **seconds}]}}


def row(rows: list[dict[str, Any]], target: str) -> dict[str, Any]:
    (found,) = [row for row in rows if row["target"] == target]
    return found


def test_met_and_missed(script: ModuleType) -> None:
    times = {FAST: [1.0, 2.0, 3.0], PLAIN: [5.0, 10.0, 15.0], "pytorch3d": [1000.0, 2000.0], "torch_contour": [199.0]}
    rows = script.judge_speed(speed((32, 64, 32), forward_backward=times), {"cpu": {}})
    assert row(rows, f"pytorch3d / {FAST} >= 1000")["met"] is True
    assert row(rows, f"pytorch3d / {PLAIN} >= 100")["met"] is True
    assert row(rows, f"torch_contour / {FAST} >= 200")["met"] is False
    slow = row(rows, f"{PLAIN} / {FAST} <= 4")
    assert slow["met"] is False
    assert slow["case"] == [32, 64, 32]
    assert (slow["measured"]["median"], slow["measured"]["iqr"]) == (5, 0)
    cells = script.target_rows(rows)
    assert [c[-1] for c in cells if c[0] == f"{PLAIN} / {FAST} <= 4"] == ["MISSED"]
    assert [c[-1] for c in cells if c[0] == f"pytorch3d / {FAST} >= 1000"] == ["met"]


def test_reasons_of_what_was_not_measured(script: ModuleType) -> None:
    rows = script.judge_speed(speed((1, 64, 32), forward_backward={FAST: [1.0]}), {"cpu": {"pytorch3d": "absent"}})
    assert all(row["met"] is None for row in rows)
    assert row(rows, f"pytorch3d / {FAST} >= 1000")["reason"] == "pytorch3d is missing"
    assert row(rows, f"torch_contour / {FAST} >= 200")["reason"] == "no such case in this run"
    assert row(rows, "pytorch3d / exact (triton) >= 20")["reason"] == "cuda was not measured"
    assert "not measured: pytorch3d is missing" in [cells[-1] for cells in script.target_rows(rows)]


def test_small_batches_and_large_images_have_no_target(script: ModuleType) -> None:
    times = {FAST: [9.0], "torch.cumsum": [1.0]}
    for case, verdicts in (((1, 64, 32), [None]), ((32, 512, 32), [None]), ((32, 256, 32), [False])):
        rows = script.judge_speed(speed(case, forward=times), {"cpu": {}})
        assert [r["met"] for r in rows if r["target"] == f"{FAST} / torch.cumsum <= 2.5"] == verdicts


def test_microseconds_on_cuda(script: ModuleType) -> None:
    times = {"exact (triton)": {"values": [70e-6]}, "exact (triton), CUDA graph": {"values": [50e-6]}}
    case = {"batch_size": 100, "size": 128, "num_vertices": 128, "given_gradient": times}
    rows = script.judge_speed({"cuda": {"cases": [case]}}, {})
    assert row(rows, "exact (triton), us <= 60")["met"] is False
    graph = row(rows, "exact (triton), CUDA graph, us <= 60")
    assert graph["met"] is True
    assert graph["measured"]["median"] == pytest.approx(50)


def test_fit(script: ModuleType) -> None:
    methods = {
        FAST: {"iou": {"100": {"seeds": [0.99, 0.98]}}},
        "mesh": {"iou": {"100": {"seeds": [0.97, 0.97]}}},
        "pytorch3d": {"iou": {}},
    }
    rows = script.judge_fit({"methods": methods, "device": "cpu"})
    assert row(rows, "IoU after 100 steps, exact - mesh >= 0.03")["met"] is False
    assert row(rows, "IoU after 100 steps, exact - mesh >= 0.03")["measured"]["median"] == pytest.approx(0.015)
    assert row(rows, "IoU after 100 steps, exact - soft >= 0")["met"] is None
    assert [cells[-1] for cells in script.target_rows(rows)] == ["MISSED", "not measured: no such fit in this run"]
