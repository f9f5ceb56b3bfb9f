# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""The comparison of rasterizers runs at a tiny size, with peers and without."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from types import ModuleType

import pytest
import torch
from torch import Tensor

from monai_acdr.geometry import is_simple
from monai_acdr.networks.layers import rasterize_polygons

TINY = ["--cases", "2,16,8", "--repeats", "2", "--warmup", "0", "--calls", "2"]


@pytest.fixture
def script() -> ModuleType:
    return import_module("rasterizer_peers")


def run(script: ModuleType, output: Path, *arguments: str) -> tuple[int, dict]:
    status = script.main([*TINY, "--output", str(output), *arguments])
    return status, json.loads(output.read_text())


def double(size: int) -> Callable[[Tensor], Tensor]:
    """A stand-in for a peer: our own rasterizer, twice."""

    def rasterize(vertices: Tensor) -> Tensor:
        rasterize_polygons(vertices, (size, size))
        return rasterize_polygons(vertices, (size, size))[:, 0]

    return rasterize


def test_a_peer_is_compared(script: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(script, "PEERS", {"json": double})
    status, record = run(script, tmp_path / "a.json", "--require-peers")
    (case,) = record["results"]["cases"]
    assert status == 0
    assert case["ratio"]["json"]["median"] > 0
    assert case["mask_iou"]["json"] == 1
    assert record["results"]["skipped"] == {}


def test_a_missing_peer_is_named_and_skipped(
    script: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(script, "PEERS", {"absent_peer": double})
    status, record = run(script, tmp_path / "a.json")
    assert status == 0
    assert set(record["results"]["skipped"]) == {"absent_peer"}
    assert record["results"]["cases"][0]["seconds"]["ours"]["median"] > 0
    assert "pip install 'monai_acdr[benchmark]'" in capsys.readouterr().out
    assert run(script, tmp_path / "b.json", "--require-peers")[0] == 1


def test_torch_contour_does_the_same_job(script: ModuleType) -> None:
    pytest.importorskip("torch_contour", exc_type=ImportError)
    blobs = script.make_blobs(3, 64, 32)
    theirs = script.torch_contour(64)(blobs) > 0.5
    assert script.overlap(theirs, rasterize_polygons(blobs, (64, 64))[:, 0] > 0.5) > 0.98


def test_coordinates_given_to_torch_contour(script: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its points are (row, column) fractions, and it samples pixel (r, c) at (r, c): our centres move there."""
    seen = []

    class ContourToMask:
        def __init__(self, size: int) -> None:
            self.size = size

        def __call__(self, contours: Tensor) -> Tensor:
            seen.append(contours)
            return torch.zeros(contours.shape[0], 1, self.size, self.size)

    fake = ModuleType("torch_contour")
    fake.ContourToMask = ContourToMask  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "torch_contour", fake)
    masks = script.torch_contour(8)(torch.tensor([[[2.5, 4.5], [6.5, 4.5], [6.5, 7.5]]]))
    assert masks.shape == (1, 8, 8)
    assert seen[0].tolist() == [[[[4 / 8, 2 / 8], [4 / 8, 6 / 8], [7 / 8, 6 / 8]]]]


def test_blobs_are_simple_and_inside(script: ModuleType) -> None:
    blobs = script.make_blobs(50, 64, 32)
    assert bool(is_simple(blobs).all())
    assert float(blobs.amin()) >= 0.5
    assert float(blobs.amax()) <= 63.5


def test_default_case_is_the_target(script: ModuleType) -> None:
    assert script.read_options([]).cases[0] == (32, 64, 32)
