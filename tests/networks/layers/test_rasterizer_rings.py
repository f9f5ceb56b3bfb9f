# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Several contours of one image, and several rings of one mask."""

from __future__ import annotations

import numpy as np
import pytest
import shapely
import torch
from torch import Tensor

from monai_acdr.geometry import circle
from monai_acdr.networks.layers import ExactOptions, SoftOptions, rasterize_polygons

pytestmark = pytest.mark.usefixtures("backend")

SIZE = (14, 13)
OUTER = [[1.2, 1.3], [11.4, 1.1], [12.1, 12.7], [1.5, 12.2]]
HOLE = [[3.1, 3.2], [6.5, 3.3], [6.2, 6.4], [3.3, 6.1]]
ISLAND = [[7.3, 8.2], [10.1, 8.4], [10.4, 11.3], [7.2, 10.9]]


def rings(*parts: list[list[float]]) -> Tensor:
    return torch.tensor(parts, dtype=torch.float64)[None]


def areas(shape: shapely.Geometry) -> np.ndarray:
    columns, rows = np.meshgrid(np.arange(SIZE[1]), np.arange(SIZE[0]))
    return shapely.area(shapely.intersection(shapely.box(columns, rows, columns + 1, rows + 1), shape))


def test_contours_of_one_image_become_channels() -> None:
    vertices = torch.rand(2, 3, 5, 2, dtype=torch.float64) * 12
    masks = rasterize_polygons(vertices, SIZE)
    assert masks.shape == (2, 3, *SIZE)
    for sample in range(2):
        torch.testing.assert_close(masks[sample], rasterize_polygons(vertices[sample], SIZE)[:, 0])


def test_a_hole_and_an_island_by_evenodd() -> None:
    expected = areas(shapely.Polygon(OUTER, [HOLE, ISLAND]))
    mask = rasterize_polygons(rings(OUTER, HOLE, ISLAND), SIZE, ExactOptions(fill_rule="evenodd", rings=True))
    assert mask.shape == (1, 1, *SIZE)
    np.testing.assert_allclose(mask[0, 0].numpy(), expected, rtol=0, atol=1e-12)


def test_a_hole_by_its_orientation_and_an_overlap_counted_once() -> None:
    with_hole = rasterize_polygons(rings(OUTER, HOLE[::-1]), SIZE, ExactOptions(rings=True))
    expected = areas(shapely.Polygon(OUTER, [HOLE]))
    np.testing.assert_allclose(with_hole[0, 0].numpy(), expected, rtol=0, atol=1e-12)
    union = rasterize_polygons(rings(OUTER, HOLE), SIZE, ExactOptions(rings=True))
    np.testing.assert_allclose(union[0, 0].numpy(), areas(shapely.Polygon(OUTER)), rtol=0, atol=1e-12)


def test_rings_of_several_contours_of_several_images() -> None:
    vertices = torch.rand(2, 3, 4, 6, 2, dtype=torch.float64) * 12
    masks = rasterize_polygons(vertices, SIZE, ExactOptions(fill_rule="signed", rings=True))
    assert masks.shape == (2, 3, *SIZE)
    expected = (
        rasterize_polygons(vertices.flatten(0, 2), SIZE, ExactOptions(fill_rule="signed")).view(2, 3, 4, *SIZE).sum(2)
    )
    torch.testing.assert_close(masks, expected)


@pytest.mark.parametrize("fill_rule", ["nonzero", "evenodd", "signed"])
def test_gradcheck(fill_rule: str) -> None:
    vertices = rings(OUTER, HOLE[::-1], ISLAND).requires_grad_()
    assert torch.autograd.gradcheck(
        lambda v: rasterize_polygons(v, SIZE, ExactOptions(fill_rule=fill_rule, rings=True)), vertices
    )


def test_lengths_of_rings_and_rings_that_are_not_there() -> None:
    padded = torch.full((2, 3, 6, 2), float("nan"), dtype=torch.float64)
    padded[0, 0, :4], padded[0, 1, :4] = rings(OUTER)[0, 0], rings(HOLE)[0, 0]
    padded[1, 0, :4] = rings(ISLAND)[0, 0]
    lengths = torch.tensor([[4, 4, 0], [4, 0, 0]])
    padded.requires_grad_()
    masks = rasterize_polygons(padded, SIZE, ExactOptions(fill_rule="evenodd", rings=True), lengths=lengths)
    np.testing.assert_allclose(masks[0, 0].detach(), areas(shapely.Polygon(OUTER, [HOLE])), rtol=0, atol=1e-12)
    np.testing.assert_allclose(masks[1, 0].detach(), areas(shapely.Polygon(ISLAND)), rtol=0, atol=1e-12)
    masks.sum().backward()
    assert padded.grad is not None
    assert padded.grad.isfinite().all()
    assert padded.grad[0, :2, :4].any()
    assert not padded.grad[0, 2].any()


def test_one_bad_ring_spoils_its_mask_only() -> None:
    vertices = torch.rand(2, 2, 5, 2) * 12
    vertices[0, 1, 3, 0] = float("nan")
    vertices.requires_grad_()
    masks = rasterize_polygons(vertices, SIZE, ExactOptions(rings=True))
    assert masks[0].isnan().all()
    assert masks[1].isfinite().all()
    masks[1].sum().backward()
    assert vertices.grad is not None
    assert not vertices.grad[0].any()
    assert vertices.grad[1].any()


@pytest.mark.parametrize("shape", [(2,), (2, 3, 1)])
def test_lengths_have_the_shape_of_the_polygons(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"Expected `lengths` to be \(2, 3\) integers"):
        rasterize_polygons(torch.rand(2, 3, 4, 2), SIZE, lengths=torch.full(shape, 3))


def test_no_image() -> None:
    assert rasterize_polygons(torch.rand(0, 3, 4, 2), SIZE).shape == (0, 3, *SIZE)
    assert rasterize_polygons(torch.rand(0, 3, 4, 2), SIZE, ExactOptions(rings=True)).shape == (0, 1, *SIZE)


def test_soft_rings() -> None:
    vertices = torch.stack([circle(torch.tensor([6.0, 6.0]), radius, 24) for radius in (5.0, 2.5)])[None]
    mask = rasterize_polygons(vertices, SIZE, SoftOptions(fill_rule="evenodd", rings=True))
    exact = rasterize_polygons(vertices, SIZE, ExactOptions(fill_rule="evenodd", rings=True))
    assert (mask - exact).abs().max() < 0.35
    assert mask[0, 0, 5, 5] < 0.01
