# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""The rasterizer as one operator of torch: dtypes, autocast, compile, vmap, export."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from monai_acdr.networks.layers import ExactOptions, PolygonRasterizer, rasterize_polygons

pytestmark = pytest.mark.usefixtures("backend")

SIZE = (9, 11)
FILL_RULES = ["nonzero", "evenodd", "signed"]


def polygons(batch: int = 2, num_vertices: int = 5, dtype: torch.dtype = torch.float32) -> Tensor:
    return torch.rand(batch, num_vertices, 2, dtype=dtype) * 12 - 1


@pytest.mark.parametrize("differentiate", ["analytic", "autograd"])
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_input_is_computed_in_float32(dtype: torch.dtype, differentiate: str) -> None:
    vertices = polygons().to(dtype).requires_grad_()
    single = vertices.detach().float().requires_grad_()
    masks = rasterize_polygons(vertices, SIZE, ExactOptions(differentiate=differentiate))
    expected = rasterize_polygons(single, SIZE, ExactOptions(differentiate=differentiate))
    assert masks.dtype == torch.float32
    assert torch.equal(masks, expected)
    (gradient,) = torch.autograd.grad(masks.square().sum(), vertices)
    (reference,) = torch.autograd.grad(expected.square().sum(), single)
    assert gradient.dtype == dtype
    assert torch.equal(gradient, reference.to(dtype))


@pytest.mark.parametrize("differentiate", ["analytic", "autograd"])
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32, torch.float64])
def test_autocast_changes_nothing(dtype: torch.dtype, differentiate: str) -> None:
    vertices = polygons().to(dtype).requires_grad_()
    outside = rasterize_polygons(vertices, SIZE, ExactOptions(differentiate=differentiate))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        inside = rasterize_polygons(vertices, SIZE, ExactOptions(differentiate=differentiate))
        (gradient,) = torch.autograd.grad(inside.square().sum(), vertices)
    assert inside.dtype == (torch.float64 if dtype == torch.float64 else torch.float32)
    assert torch.equal(inside, outside)
    assert torch.equal(gradient, torch.autograd.grad(outside.square().sum(), vertices)[0])


@pytest.mark.parametrize("fill_rule", FILL_RULES)
def test_opcheck(fill_rule: str) -> None:
    operator = torch.ops.monai_acdr.rasterize
    for vertices in (
        polygons(),
        polygons(dtype=torch.float64),
        polygons().transpose(1, 2).contiguous().transpose(1, 2),
    ):
        torch.library.opcheck(operator, (vertices.requires_grad_(), *SIZE, fill_rule, 1, "auto"))
    torch.library.opcheck(operator, (polygons(batch=0), *SIZE, fill_rule, 1, "auto"))


@pytest.mark.parametrize("fill_rule", FILL_RULES)
def test_opcheck_of_the_backward_pass(fill_rule: str) -> None:
    vertices = polygons()
    masks, winding = torch.ops.monai_acdr.rasterize(vertices, *SIZE, fill_rule, 1, "auto")
    sample = (torch.rand_like(masks), vertices, winding, fill_rule, 1, "auto")
    torch.library.opcheck(torch.ops.monai_acdr.rasterize_backward, sample)


@pytest.mark.parametrize("fill_rule", FILL_RULES)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_operator_is_what_runs_eagerly_bit_for_bit(dtype: torch.dtype, fill_rule: str) -> None:
    vertices = polygons(4, dtype=dtype)
    vertices[1] = vertices[1].round()  # edges on grid lines
    vertices[2, 0] = float("nan")
    vertices.requires_grad_()
    eager = rasterize_polygons(vertices, SIZE, ExactOptions(fill_rule=fill_rule))[:, 0]
    operator = torch.ops.monai_acdr.rasterize(vertices, *SIZE, fill_rule, 1, "auto")[0]
    torch.testing.assert_close(eager, operator, rtol=0, atol=0, equal_nan=True)
    weights = torch.rand_like(eager)
    (expected,) = torch.autograd.grad(operator, vertices, weights)
    for _ in range(2):  # what the forward pass keeps survives a backward pass
        (gradient,) = torch.autograd.grad(eager, vertices, weights, retain_graph=True)
        assert torch.equal(gradient, expected)


@pytest.mark.parametrize("with_lengths", [False, True])
def test_compile_without_a_graph_break_forward_and_backward(with_lengths: bool) -> None:
    def loss(vertices: Tensor, lengths: Tensor | None) -> Tensor:
        return (rasterize_polygons(vertices * 1.5, SIZE, lengths=lengths) - 0.25).square().sum()

    vertices = polygons().requires_grad_()
    lengths = torch.tensor([3, 5]) if with_lengths else None
    torch._dynamo.reset()
    compiled = torch.compile(loss, fullgraph=True, backend="aot_eager")(vertices, lengths)
    eager = loss(vertices, lengths)
    torch.testing.assert_close(compiled, eager)
    torch.testing.assert_close(torch.autograd.grad(compiled, vertices), torch.autograd.grad(eager, vertices))


def test_vmap_over_a_dimension_more() -> None:
    vertices = polygons(6).view(3, 2, 5, 2)
    expected = torch.stack([rasterize_polygons(v, SIZE) for v in vertices])
    assert torch.equal(torch.vmap(lambda v: rasterize_polygons(v, SIZE))(vertices), expected)
    inner = torch.vmap(lambda v: rasterize_polygons(v, SIZE), in_dims=1, out_dims=1)(vertices)
    assert torch.equal(inner, expected)


def test_vmap_of_the_backward_pass() -> None:
    vertices = polygons(dtype=torch.float64).requires_grad_()
    masks = rasterize_polygons(vertices, (3, 4))
    directions = torch.eye(masks.numel(), dtype=torch.float64).view(-1, *masks.shape)
    (together,) = torch.autograd.grad(masks, vertices, directions, is_grads_batched=True, retain_graph=True)
    one_by_one = [torch.autograd.grad(masks, vertices, d, retain_graph=True)[0] for d in directions]
    torch.testing.assert_close(together, torch.stack(one_by_one))


def test_functional_gradients_of_the_plain_form() -> None:
    vertices = polygons(dtype=torch.float64)

    def loss(v: Tensor) -> Tensor:
        return rasterize_polygons(v, SIZE, ExactOptions(differentiate="autograd")).square().sum()

    reference = vertices.clone().requires_grad_()
    rasterize_polygons(reference, SIZE).square().sum().backward()
    torch.testing.assert_close(torch.func.grad(loss)(vertices), reference.grad)


def test_export_of_a_module() -> None:
    class Shrink(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.rasterizer = PolygonRasterizer(SIZE)

        def forward(self, vertices: Tensor) -> Tensor:
            return self.rasterizer(0.5 * vertices)

    batch = torch.export.Dim("batch", min=1, max=64)
    exported = torch.export.export(Shrink(), (polygons(),), dynamic_shapes=({0: batch},))
    more = polygons(batch=7)
    assert torch.equal(exported.module()(more), rasterize_polygons(0.5 * more, SIZE))
    assert "monai_acdr.rasterize" in exported.graph_module.code


def test_deterministic_algorithms_are_enough() -> None:
    vertices = polygons().requires_grad_()
    expected = rasterize_polygons(vertices, SIZE)
    torch.use_deterministic_algorithms(True)
    try:
        masks = rasterize_polygons(vertices, SIZE)
        (gradient,) = torch.autograd.grad(masks.sum(), vertices)
    finally:
        torch.use_deterministic_algorithms(False)
    assert torch.equal(masks, expected)
    assert torch.equal(gradient, torch.autograd.grad(expected.sum(), vertices)[0])


def test_no_gradient_is_asked_of_vertices_that_need_none() -> None:
    masks = rasterize_polygons(polygons(), SIZE)
    assert not masks.requires_grad
    with torch.no_grad():
        assert not rasterize_polygons(polygons().requires_grad_(), SIZE).requires_grad
