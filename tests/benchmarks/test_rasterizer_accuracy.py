# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Errors are zero for the exact rasterizer, and what they should be for one that is wrong in a known way."""

from __future__ import annotations

from importlib import import_module
from types import ModuleType, SimpleNamespace

import pytest
import torch
from torch import Tensor

from monai_acdr.networks.layers import rasterize_polygons


@pytest.fixture
def script() -> ModuleType:
    return import_module("rasterizer_accuracy")


def exact(vertices: Tensor) -> Tensor:
    return rasterize_polygons(vertices, (64, 64))[:, 0]


def blobs() -> tuple[Tensor, Tensor]:
    make, generator = import_module("rasterizer_shapes").make_blobs, torch.Generator().manual_seed(1)
    return make(3, 64, 32, generator), make(3, 64, 32, generator)


def test_all_shapes_and_rasterizers(script: ModuleType) -> None:
    registry = import_module("rasterizer_registry")
    entries = {name: registry.RASTERIZERS[name] for name in ("exact (dense)", "mesh", "PIL", "torch.cumsum")}
    result = script.measure_accuracy(entries, "cpu", SimpleNamespace(shapes=3, seed=0))
    for shape in ("blobs", "bands"):
        errors = result[shape]
        assert set(errors) == {"exact (dense)", "mesh", "PIL"}
        assert errors["exact (dense)"]["boundary_error"]["median"] < 1e-6
        assert errors["exact (dense)"]["gradient_cosine"]["median"] > 0.9999
        assert "gradient_cosine" not in errors["PIL"]
    # A circle's triangles, moved to a band, cover more than the band.
    assert result["bands"]["mesh"]["area_error"]["median"] > 0.05
    rows = script.accuracy_rows(result, "blobs")
    assert {len(row) for row in rows} == {5}


def test_errors_of_a_mask_that_is_half(script: ModuleType) -> None:
    vertices, _ = blobs()
    errors = script.mask_errors(lambda v: 0.5 * exact(v), vertices, "cpu")
    assert errors["area_error"]["median"] == pytest.approx(-0.5, abs=1e-6)
    masks = exact(vertices.double())
    partial = [mask[(mask > 1e-9) & (mask < 1 - 1e-9)] for mask in masks]
    expected = sorted(float(0.5 * values.mean()) for values in partial)
    assert errors["boundary_error"]["median"] == pytest.approx(expected[1], rel=1e-5)


def test_gradients_that_are_twice_as_long_or_turned(script: ModuleType) -> None:
    vertices, other = blobs()
    target = exact(other.double())

    class Twice(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):  # type: ignore[no-untyped-def]
            return x.clone()

        @staticmethod
        def backward(ctx, grad):  # type: ignore[no-untyped-def]
            return 2 * grad

    same = script.gradient_errors(exact, vertices, target, "cpu")
    twice = script.gradient_errors(lambda v: exact(Twice.apply(v)), vertices, target, "cpu")
    assert same["gradient_cosine"]["q25"] == pytest.approx(1, abs=1e-5)
    assert same["gradient_norm_ratio"]["median"] == pytest.approx(1, abs=1e-4)
    assert twice["gradient_norm_ratio"]["median"] == pytest.approx(2, abs=1e-3)
    turned = script.gradient_errors(lambda v: exact(2 * v.detach() - v), vertices, target, "cpu")
    assert turned["gradient_cosine"]["median"] == pytest.approx(-1, abs=1e-5)
