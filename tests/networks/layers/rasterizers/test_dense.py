# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""The dense closed form: masks and derivatives of the exact rasterizer, under every transform of torch."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import shapely
import torch
from torch import Tensor, nn
from torch.func import hessian, jacfwd, jacrev, vmap

from monai_acdr.networks.layers.rasterizers import exact
from monai_acdr.networks.layers.rasterizers.dense import rasterize_dense
from tests.networks.layers.conftest import polygons

SIZE = (6, 7)
SHAPES = {
    "generic": [[1.3, 0.8], [5.6, 1.7], [3.1, 2.9], [5.2, 5.4], [0.7, 4.6]],
    "upright": [[1.3, 1.2], [4.6, 1.2], [4.6, 4.7], [1.3, 4.7]],
    "half in the frame": [[-2.4, 1.0], [3.2, -1.5], [9.1, 3.3], [4.0, 8.0]],
    "crossing itself": [[1.2, 1.1], [5.7, 4.6], [5.4, 1.3], [0.8, 4.7]],
    "a vertex twice": [[1.3, 0.8], [5.6, 1.7], [5.6, 1.7], [2.2, 5.4]],
}
ON_GRID_LINES = {
    "integer square": [[1.0, 1.0], [5.0, 1.0], [5.0, 4.0], [1.0, 4.0]],
    "the frame": [[0.0, 0.0], [7.0, 0.0], [7.0, 6.0], [0.0, 6.0]],
    "at the right and lower border": [[4.0, 3.0], [7.0, 3.0], [7.0, 6.0], [4.0, 6.0]],
    "diamond on grid points": [[3.0, 1.0], [5.0, 3.0], [3.0, 5.0], [1.0, 3.0]],
    "vertices on grid lines": [[1.0, 0.4], [4.6, 2.0], [3.0, 4.3], [0.6, 3.0]],
}


def polygon(shape: list[list[float]]) -> Tensor:
    return torch.tensor([shape], dtype=torch.float64, requires_grad=True)


def gradient(form: Callable[..., Tensor], vertices: Tensor, weights: Tensor, fill_rule: str) -> Tensor:
    vertices = vertices.detach().requires_grad_()
    return torch.autograd.grad((form(vertices, weights.shape[-2:], fill_rule) * weights).sum(), vertices)[0]


@pytest.mark.parametrize("rings", [1, 3])
@pytest.mark.parametrize("fill_rule", exact.FILL_RULES)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("kind", ["any", "grid", "repeated", "not finite", "nearly upright"])
def test_parity_with_plain_torch(kind: str, dtype: torch.dtype, fill_rule: str, rings: int) -> None:
    vertices = polygons(kind, dtype)
    mask = rasterize_dense(vertices, (14, 17), fill_rule, rings)
    expected, _ = exact.rasterize_forward(vertices, (14, 17), fill_rule, rings)
    assert mask.dtype == dtype
    tolerance = 1e-12 if dtype == torch.float64 else 2e-6
    torch.testing.assert_close(mask, expected, rtol=0, atol=tolerance, equal_nan=True)


@pytest.mark.parametrize("size", [(1, 1), (1, 9), (1024, 24), (24, 1024)])
def test_accuracy_up_to_1024_pixels(size: tuple[int, int]) -> None:
    vertices = (torch.rand(3, 12, 2) * 1.1 - 0.05) * torch.tensor(size[::-1])
    expected, _ = exact.rasterize_forward(vertices.double(), size, "signed")
    torch.testing.assert_close(rasterize_dense(vertices.double(), size, "signed"), expected, rtol=0, atol=1e-12)
    torch.testing.assert_close(rasterize_dense(vertices, size, "signed").double(), expected, rtol=0, atol=2e-6)


def test_a_square_with_a_hole_is_shapelys() -> None:
    outer, hole = [[1.2, 0.3], [6.1, 0.3], [6.1, 5.7], [1.2, 5.7]], [[2.4, 2.0], [2.4, 4.5], [4.8, 4.5], [4.8, 2.0]]
    columns, rows = np.meshgrid(np.arange(SIZE[1]), np.arange(SIZE[0]))
    pixels = shapely.box(columns, rows, columns + 1, rows + 1)
    expected = shapely.area(shapely.intersection(pixels, shapely.Polygon(outer, [hole])))
    for fill_rule in ("nonzero", "evenodd"):
        mask = rasterize_dense(torch.tensor([outer, hole], dtype=torch.float64), SIZE, fill_rule, rings=2)
        np.testing.assert_allclose(mask[0].numpy(), expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("fill_rule", exact.FILL_RULES)
@pytest.mark.parametrize("kind", ["any", "repeated", "nearly upright"])
def test_gradient_is_the_analytic_one(kind: str, fill_rule: str) -> None:
    vertices, weights = polygons(kind), torch.randn(6, 14, 17, dtype=torch.float64)
    _, winding = exact.rasterize_forward(vertices, (14, 17), fill_rule)
    expected = exact.rasterize_backward(weights, vertices, winding, fill_rule)
    found = gradient(rasterize_dense, vertices, weights, fill_rule)
    torch.testing.assert_close(found, expected, rtol=1e-9, atol=1e-9)
    single = gradient(rasterize_dense, vertices.float(), weights.float(), "signed")
    reference = gradient(exact.rasterize_plain, vertices.float().double(), weights.float().double(), "signed")
    torch.testing.assert_close(single.double(), reference, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("fill_rule", exact.FILL_RULES)
@pytest.mark.parametrize("name", ON_GRID_LINES)
def test_gradient_on_grid_lines_is_the_mean_of_both_sides(name: str, fill_rule: str) -> None:
    for shape in (ON_GRID_LINES[name], ON_GRID_LINES[name][::-1]):
        vertices, weights = polygon(shape), torch.randn(1, *SIZE, dtype=torch.float64)
        _, winding = exact.rasterize_forward(vertices.detach(), SIZE, fill_rule)
        expected = exact.rasterize_backward(weights, vertices.detach(), winding, fill_rule)
        found = gradient(rasterize_dense, vertices, weights, fill_rule)
        torch.testing.assert_close(found, expected, rtol=1e-9, atol=1e-9)
    assert torch.autograd.gradcheck(
        lambda v: rasterize_dense(v, SIZE, fill_rule), vertices, fast_mode=True, check_forward_ad=True
    )


@pytest.mark.parametrize("fill_rule", exact.FILL_RULES)
@pytest.mark.parametrize("name", SHAPES)
def test_gradcheck_backward_forward_and_twice(name: str, fill_rule: str) -> None:
    def masks(vertices: Tensor) -> Tensor:
        return rasterize_dense(vertices, SIZE, fill_rule)

    every_pixel = fill_rule == "nonzero"
    assert torch.autograd.gradcheck(masks, polygon(SHAPES[name]), fast_mode=not every_pixel, check_forward_ad=True)
    assert torch.autograd.gradgradcheck(masks, polygon(SHAPES[name]), fast_mode=True)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("scale", [0.0, 1e-35, 1e-20, 1e-8, 1e7, 1e20, 1e38])
def test_tiny_and_far_polygons_have_finite_masks_and_derivatives(scale: float, dtype: torch.dtype) -> None:
    vertices = torch.rand(20, 5, 2, dtype=torch.float64) - 0.5
    vertices = (torch.tensor([0.0, 2.5])[:, None, None, None] + vertices * scale).flatten(0, 1)
    vertices = vertices.to(dtype).requires_grad_()
    mask = rasterize_dense(vertices, SIZE)
    expected, _ = exact.rasterize_forward(vertices.detach(), SIZE, "nonzero")
    torch.testing.assert_close(mask, expected, rtol=0, atol=2e-6)
    (first,) = torch.autograd.grad((mask * torch.rand_like(mask)).sum(), vertices, create_graph=True)
    (second,) = torch.autograd.grad(first.square().sum(), vertices)
    assert first.isfinite().all()
    assert second.isfinite().all()


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_a_polygon_that_is_not_finite_spoils_its_own_mask_only(value: float) -> None:
    vertices = torch.rand(6, 5, 2) * 6
    vertices[3, 2, 1] = value
    vertices.requires_grad_()
    mask = rasterize_dense(vertices, SIZE, rings=2)
    assert mask[1].isnan().all()
    assert mask[[0, 2]].isfinite().all()
    mask.square().sum().backward()
    assert vertices.grad is not None
    assert not vertices.grad[2:4].any()
    assert vertices.grad[[0, 1, 4, 5]].isfinite().all()
    assert vertices.grad[[0, 1, 4, 5]].any()


def test_points_segments_and_empty_batches() -> None:
    for num_vertices in (1, 2):
        assert rasterize_dense(torch.rand(3, num_vertices, 2) * 6, SIZE).abs().max() <= 1e-6
    for rings in (1, 2):
        assert rasterize_dense(torch.rand(0, 4, 2), SIZE, rings=rings).shape == (0, *SIZE)


def test_names_the_fill_rules() -> None:
    with pytest.raises(ValueError, match=r"Expected `fill_rule` to be one of .*evenodd.*but got 'both'"):
        rasterize_dense(torch.rand(1, 4, 2), SIZE, "both")


@pytest.mark.parametrize("fill_rule", exact.FILL_RULES)
def test_function_transforms(fill_rule: str) -> None:
    def mask(vertices: Tensor) -> Tensor:
        return rasterize_dense(vertices[None], SIZE, fill_rule)[0]

    vertices = torch.rand(3, 5, 2, dtype=torch.float64) * 6
    torch.testing.assert_close(vmap(mask)(vertices), rasterize_dense(vertices, SIZE, fill_rule))
    jacobians = vmap(jacrev(mask))(vertices)
    torch.testing.assert_close(jacobians, vmap(jacfwd(mask))(vertices))
    weights = torch.randn(3, *SIZE, dtype=torch.float64)
    expected = gradient(rasterize_dense, vertices, weights, fill_rule)
    torch.testing.assert_close(torch.einsum("bhw,bhwkd->bkd", weights, jacobians), expected)
    second = hessian(lambda v: mask(v).square().sum())(vertices[0])
    torch.testing.assert_close(second, second.permute(2, 3, 0, 1))


def test_compiles_without_a_graph_break() -> None:
    def loss(vertices: Tensor) -> Tensor:
        return rasterize_dense(vertices, SIZE, "evenodd", rings=2).square().sum()

    torch._dynamo.reset()
    vertices = torch.rand(4, 5, 2, dtype=torch.float64, requires_grad=True)
    results = [loss(vertices), torch.compile(loss, fullgraph=True, backend="aot_eager")(vertices)]
    gradients = [torch.autograd.grad(result, vertices)[0] for result in results]
    torch.testing.assert_close(results[1], results[0])
    torch.testing.assert_close(gradients[1], gradients[0])


class LikeImage(nn.Module):
    """A mask of the size of an image, which may change from call to call."""

    def forward(self, vertices: Tensor, image: Tensor) -> Tensor:
        return rasterize_dense(vertices, image.shape[-2:], rings=2)


def test_exports_with_dynamic_batch_vertices_and_size() -> None:
    any_size = torch.export.Dim.DYNAMIC
    shapes = ({0: any_size, 1: any_size}, {1: any_size, 2: any_size})
    example = (torch.rand(4, 5, 2), torch.zeros(1, 8, 9))
    exported = torch.export.export(LikeImage(), example, dynamic_shapes=shapes)
    # torch.export takes a dimension of size 1, here a batch of one mask, for a separate case.
    for batch, num_vertices, size in ((4, 3, (5, 4)), (6, 17, (20, 31))):
        vertices = torch.rand(batch, num_vertices, 2) * 20
        expected, _ = exact.rasterize_forward(vertices, size, "nonzero", rings=2)
        found = exported.module()(vertices, torch.zeros(1, *size))
        torch.testing.assert_close(found, expected, rtol=0, atol=2e-6)
