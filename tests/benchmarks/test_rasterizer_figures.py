# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Figures are drawn of the parts that are there, small enough for the docs."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from PIL import Image

LIMIT = 150_000


@pytest.fixture
def script() -> ModuleType:
    pytest.importorskip("matplotlib", exc_type=ImportError)
    return import_module("rasterizer_figures")


def results() -> dict[str, Any]:
    seconds = {"median": 1e-3, "q25": 9e-4, "q75": 2e-3}
    point = {"seconds": {"exact (numba)": seconds, "cv2": seconds}}
    errors = {"boundary_error": {"median": 0.1}, "area_error": {"median": -0.02}}
    gradient = {"gradient_cosine": {"median": 0.9}}
    shapes = {"soft": errors | gradient, "PIL": errors}
    speed = {"sweep": {"size": [{"size": 16, **point}], "num_vertices": [{"num_vertices": 8, **point}]}}
    iou = {"100": {"mean": 0.95, "std": 0.01}, "300": {"mean": 0.96, "std": 0.01}}
    methods = {"soft": {"iou": iou}, "pytorch3d": {"iou": {"100": iou["100"]}}}
    return {
        "speed": {"cpu": speed | {"sweep_batch": 8}},
        "accuracy": {"cpu": {"blobs": shapes, "bands": shapes}},
        "fit": {"cuda": {"methods": methods, "seeds": 5}},
        "memory": {"cpu": {"case": "2,16,8", "methods": {"soft": {"mebibytes": 3.0}, "mesh": {"failed": "slow"}}}},
    }


def test_all_figures(script: ModuleType, tmp_path: Path) -> None:
    paths = script.draw_figures(results(), tmp_path / "images")
    names = {path.stem.removeprefix("rasterizer_") for path in paths}
    assert names == {"coverage", "speed", "accuracy", "fit_cuda", "memory"}
    for path in paths:
        assert path.stat().st_size < LIMIT
        with Image.open(path) as image:
            assert min(image.size) > 200


def test_what_was_not_measured_is_left_out(script: ModuleType, tmp_path: Path) -> None:
    empty = {"speed": {"cpu": {"sweep": {"size": [], "num_vertices": []}}}, "memory": {"cpu": {"methods": {}}}}
    assert [path.stem for path in script.draw_figures(empty, tmp_path)] == ["rasterizer_coverage"]


def test_every_rasterizer_has_a_color(script: ModuleType) -> None:
    assert set(script.COLORS) == set(import_module("rasterizer_registry").RASTERIZERS)
