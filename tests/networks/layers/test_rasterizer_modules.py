# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""The rasterizers as modules, by hand and from a bundle's configuration."""

from __future__ import annotations

import pytest
import torch
from monai.bundle import ConfigParser

from monai_acdr.geometry import circle
from monai_acdr.networks.layers import (
    ExactRasterizer,
    MeshRasterizer,
    PolygonRasterizer,
    Pytorch3dRasterizer,
    SoftRasterizer,
    rasterize_polygons,
)

SIZE = (12, 14)


def circles() -> torch.Tensor:
    return circle(torch.tensor([[6.0, 6.5], [7.0, 5.0]]), 4.0, 9)


def test_module_is_the_function() -> None:
    vertices, lengths = torch.rand(2, 6, 2) * 8, torch.tensor([4, 6])
    module = PolygonRasterizer((8, 9), fill_rule="evenodd")
    assert torch.equal(module(vertices), rasterize_polygons(vertices, (8, 9), "evenodd"))
    assert torch.equal(module(vertices, lengths), rasterize_polygons(vertices, (8, 9), "evenodd", lengths))
    assert not list(module.parameters())
    assert "size=(8, 9), fill_rule='evenodd', method='exact'" in repr(module)


def test_exact_with_rings_and_a_named_backend() -> None:
    rings = circles()[None]
    module = ExactRasterizer(SIZE, "evenodd", backend="torch", rings=True)
    assert torch.equal(module(rings), rasterize_polygons(rings, SIZE, "evenodd", backend="torch", rings=True))
    assert "backend='torch'" in repr(module)


def test_soft() -> None:
    expected = rasterize_polygons(circles(), SIZE, method="soft", softness=0.7)
    assert torch.equal(SoftRasterizer(SIZE, softness=0.7)(circles()), expected)
    assert not torch.equal(SoftRasterizer(SIZE)(circles()), expected)


def test_mesh() -> None:
    expected = rasterize_polygons(circles(), SIZE, method="mesh", anti_aliasing=3)
    assert torch.equal(MeshRasterizer(SIZE, anti_aliasing=3)(circles()), expected)
    one_triangle = torch.tensor([[0, 3, 6]])
    assert 0 < MeshRasterizer(SIZE, one_triangle)(circles()).sum() < expected.sum()


def test_pytorch3d_says_what_is_missing() -> None:
    module = Pytorch3dRasterizer(SIZE)
    try:
        import pytorch3d  # noqa: F401
    except ImportError:
        with pytest.raises(ImportError, match="pytorch3d"):
            module(circles())
    else:
        assert module(circles()).shape == (2, 1, *SIZE)


@pytest.mark.parametrize("name", ["ExactRasterizer", "SoftRasterizer", "MeshRasterizer"])
def test_by_name_in_a_configuration(name: str) -> None:
    parser = ConfigParser({"rasterizer": {"_target_": f"monai_acdr.networks.layers.{name}", "size": list(SIZE)}})
    masks = parser.get_parsed_content("rasterizer")(circles())
    area = rasterize_polygons(circles(), SIZE).sum()
    assert masks.shape == (2, 1, *SIZE)
    assert masks.sum().item() == pytest.approx(area.item(), rel=0.05)
