# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""The rasterizer as a module and its options, from Python and from a bundle's configuration."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
import torch
from monai.bundle import ConfigParser

from monai_acdr.geometry import circle
from monai_acdr.networks.layers import (
    RASTERIZER_METHODS,
    ExactOptions,
    MeshOptions,
    PolygonRasterizer,
    Pytorch3dOptions,
    SoftOptions,
    rasterize_polygons,
    rasterizer_options,
)

SIZE = (12, 14)


def circles() -> torch.Tensor:
    return circle(torch.tensor([[6.0, 6.5], [7.0, 5.0]]), 4.0, 9)


def test_module_is_the_function() -> None:
    vertices, lengths = torch.rand(2, 6, 2) * 8, torch.tensor([4, 6])
    options = ExactOptions(fill_rule="evenodd", backend="torch")
    module = PolygonRasterizer((8, 9), options)
    assert torch.equal(module(vertices), rasterize_polygons(vertices, (8, 9), options))
    assert torch.equal(module(vertices, lengths), rasterize_polygons(vertices, (8, 9), options, lengths))
    assert not list(module.parameters())
    assert "size=(8, 9), options=ExactOptions(fill_rule='evenodd', rings=False" in repr(module)


def test_options_change_the_mask() -> None:
    soft = rasterize_polygons(circles(), SIZE, SoftOptions(softness=0.7))
    assert not torch.equal(rasterize_polygons(circles(), SIZE, SoftOptions()), soft)
    mesh = rasterize_polygons(circles(), SIZE, MeshOptions(anti_aliasing=3))
    assert torch.equal((9 * mesh).round(), 9 * mesh)
    one_triangle = torch.tensor([[0, 3, 6]])
    assert 0 < rasterize_polygons(circles(), SIZE, MeshOptions(one_triangle)).sum() < mesh.sum()


def test_pytorch3d_says_what_is_missing() -> None:
    module = PolygonRasterizer(SIZE, Pytorch3dOptions())
    try:
        import pytorch3d  # noqa: F401
    except ImportError:
        with pytest.raises(ImportError, match="pytorch3d"):
            module(circles())
    else:
        assert module(circles()).shape == (2, 1, *SIZE)


@pytest.mark.parametrize("options", [{}, {"method": "soft", "softness": 0.3}, {"method": "mesh"}])
def test_names_in_a_configuration(options: dict[str, Any]) -> None:
    target = {"_target_": "monai_acdr.networks.layers.PolygonRasterizer", "size": list(SIZE), "options": options}
    masks = ConfigParser({"rasterizer": target}).get_parsed_content("rasterizer")(circles())
    area = rasterize_polygons(circles(), SIZE).sum()
    assert masks.shape == (2, 1, *SIZE)
    assert masks.sum().item() == pytest.approx(area.item(), rel=0.05)


def test_options_from_names_are_the_typed_ones() -> None:
    assert rasterizer_options() == ExactOptions()
    assert rasterizer_options("soft", softness=0.5, rings=True) == SoftOptions(0.5, rings=True)
    assert [rasterizer_options(method).method for method in RASTERIZER_METHODS] == list(RASTERIZER_METHODS)
    with pytest.raises(dataclasses.FrozenInstanceError, match="cannot assign to field 'softness'"):
        SoftOptions().softness = 1.0  # type: ignore[misc]


@pytest.mark.parametrize(
    ("method", "settings", "message"),
    [
        ("soft", {"softness": 0.0}, "Expected `softness` to be a positive number of pixels, but got 0.0"),
        ("soft", {"fill_rule": "signed"}, "Expected `fill_rule` of method 'soft' to be 'nonzero' or 'evenodd'"),
        ("mesh", {"anti_aliasing": 1.5}, "Expected `anti_aliasing` to be a positive whole number, but got 1.5"),
        ("pytorch3d", {"sigma": 0.0}, "Expected `sigma` > 0 and `faces_per_pixel` >= 1, but got sigma=0.0"),
        ("mesh", {"backend": "numba"}, r"settings of method 'mesh' to be among \['faces', .*, but got \['backend'\]"),
    ],
)
def test_options_that_a_method_does_not_have(method: str, settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        rasterizer_options(method, **settings)
