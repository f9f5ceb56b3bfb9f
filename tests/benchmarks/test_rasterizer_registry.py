# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""All rasterizers that are installed draw the same polygon; those that are not are named, with what helps."""

from __future__ import annotations

from importlib import import_module
from types import ModuleType
from typing import Any

import pytest
import torch
from torch import Tensor

from monai_acdr.networks.layers import RASTERIZER_METHODS, rasterize_polygons


@pytest.fixture
def script() -> ModuleType:
    return import_module("rasterizer_registry")


def test_our_methods_and_backends_are_there(script: ModuleType) -> None:
    names = set(script.RASTERIZERS)
    assert set(RASTERIZER_METHODS) - {"exact"} <= names
    assert {f"exact ({backend})" for backend in ("torch", "numba", "triton", "dense")} <= names
    assert {*script.FASTEST.values(), script.PLAIN, script.FLOOR, script.CUDA_FLOOR} <= names


def test_what_is_installed_draws_the_same_blobs(script: ModuleType) -> None:
    found, _ = script.find_rasterizers("cpu", script.RASTERIZERS)
    blobs = import_module("rasterizer_shapes").make_blobs(2, 32, 16)
    exact = rasterize_polygons(blobs, (32, 32))[:, 0]
    assert {"exact (torch)", "exact (dense)", "soft", "mesh", "PIL"} <= set(found)
    for name, rasterize in script.prepare(found, 32, 16, "cpu").items():
        masks = torch.as_tensor(rasterize(blobs.clone())).double()
        assert masks.shape == (2, 32, 32), name
        if found[name].draws:
            assert float((masks - exact).abs().mean()) < 0.1, name


def broken(size: int, num_vertices: int, device: str) -> Any:
    def rasterize(vertices: Tensor) -> Tensor:
        raise RuntimeError("compiled without CUDA\nand more lines")

    return rasterize


def test_missing_and_broken_packages_are_named(script: ModuleType) -> None:
    entries = {
        "absent": script.Entry(script.make_exact("torch"), "absent_package", "pip install absent"),
        "broken": script.Entry(broken, "json", "build it again"),
        "there": script.Entry(script.make_exact("torch"), "json"),
        "elsewhere": script.Entry(script.make_exact("torch"), devices=("cuda",)),
    }
    found, missing = script.find_rasterizers("cpu", entries)
    assert set(found) == {"there"}
    assert missing["absent"] == "ModuleNotFoundError: No module named 'absent_package'; pip install absent"
    assert missing["broken"] == "RuntimeError: compiled without CUDA; build it again"
    assert set(missing) == {"absent", "broken"}


def test_only_some(script: ModuleType) -> None:
    found, missing = script.find_rasterizers("cpu", script.RASTERIZERS, ["exact (torch)"])
    assert (set(found), missing) == ({"exact (torch)"}, {})


def test_a_backend_that_is_not_installed(script: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(script, "available_backends", lambda device: ("torch", "dense"))
    found, missing = script.find_rasterizers("cpu", script.RASTERIZERS, ["exact (numba)", "exact (torch)"])
    assert set(found) == {"exact (torch)"}
    assert missing == {"exact (numba)": "numba does not run here; pip install 'monai_acdr[fast]'"}


def test_limits_hold_on_the_cpu_only(script: ModuleType) -> None:
    entry = script.Entry(broken, largest=100, largest_in_sweep=10)
    assert entry.is_timed("cpu", 100)
    assert not entry.is_timed("cpu", 101)
    assert not entry.is_timed("cpu", 100, sweep=True)
    assert entry.is_timed("cuda", 10**9)
