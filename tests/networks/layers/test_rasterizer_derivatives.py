# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Second derivatives, forward mode and the transforms of torch.func: the true value or an error, never zero."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor
from torch.autograd import forward_ad
from torch.func import grad, hessian, jacfwd, jacrev, jvp, linearize, vjp, vmap

from monai_acdr.networks.layers import ExactOptions, rasterize_polygons, rasterizer_options

SIZE = (7, 9)
FILL_RULES = ("nonzero", "evenodd", "signed")

Function = Callable[[Tensor], Tensor]


def polygons(batch: int = 2, seed: int = 0) -> Tensor:
    """Generic polygons (B, 5, 2), some vertices outside of the frame, none on a grid line."""
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(batch, 5, 2, generator=generator, dtype=torch.float64) * 10 - 1


def mask_of(backend: str, fill_rule: str = "nonzero") -> Function:
    return lambda vertices: rasterize_polygons(vertices, SIZE, ExactOptions(fill_rule=fill_rule, backend=backend))


def loss_of(mask: Function) -> Function:
    reference = torch.rand(1, 1, *SIZE, generator=torch.Generator().manual_seed(7), dtype=torch.float64)
    return lambda vertices: (mask(vertices) - reference).square().sum()


def forward_mode(function: Function) -> Tensor:
    with forward_ad.dual_level():
        return forward_ad.unpack_dual(function(forward_ad.make_dual(polygons(), polygons(seed=1)))).tangent


def forward_over_reverse(loss: Function) -> Tensor:
    with forward_ad.dual_level():
        vertices = forward_ad.make_dual(polygons().requires_grad_(), polygons(seed=1))
        (gradient,) = torch.autograd.grad(loss(vertices), vertices, create_graph=True)
        return forward_ad.unpack_dual(gradient).tangent.detach()


def gradient_penalty(loss: Function) -> Tensor:
    vertices = polygons().requires_grad_()
    value = loss(vertices)
    (gradient,) = torch.autograd.grad(value, vertices, create_graph=True)
    return torch.autograd.grad(value + gradient.square().sum(), vertices)[0]


def penalized(loss: Function) -> Function:
    return lambda vertices: grad(loss)(vertices).square().sum()


def several() -> Tensor:
    return torch.stack([polygons(), polygons(seed=2), polygons(seed=3)])


OF_MASKS: dict[str, Callable[[Function], Tensor]] = {
    "vjp": lambda f: vjp(f, polygons())[1](torch.ones(2, 1, *SIZE, dtype=torch.float64))[0],
    "jvp": lambda f: jvp(f, (polygons(),), (polygons(seed=1),))[1],
    "jacrev": lambda f: jacrev(f)(polygons()),
    "jacfwd": lambda f: jacfwd(f)(polygons()),
    "vmap": lambda f: vmap(f)(several()),
    "vmap along another dimension": lambda f: vmap(f, in_dims=1, out_dims=1)(several().transpose(0, 1)),
    "vmap of vmap": lambda f: vmap(vmap(f))(several()[:, None]),
    "vmap of jvp": lambda f: vmap(lambda v, t: jvp(f, (v,), (t,))[1], in_dims=(None, 0))(polygons(), several()),
    "jvp of vmap": lambda f: jvp(vmap(f), (several(),), (several().flip(0),))[1],
    "forward mode": forward_mode,
    "functional jacobian": lambda f: torch.autograd.functional.jacobian(
        f, polygons(), vectorize=True, strategy="forward-mode"
    ),
    "functional jvp": lambda f: torch.autograd.functional.jvp(f, polygons(), polygons(seed=1))[1],
}
OF_LOSSES: dict[str, Callable[[Function], Tensor]] = {
    "grad": lambda f: grad(f)(polygons()),
    "grad of grad": lambda f: grad(penalized(f))(polygons()),
    "gradient penalty": gradient_penalty,
    "hessian": lambda f: hessian(f)(polygons()),
    "jacrev of jacrev": lambda f: jacrev(jacrev(f))(polygons()),
    "jacrev of jacfwd": lambda f: jacrev(jacfwd(f))(polygons()),
    "grad of jvp": lambda f: grad(lambda v: jvp(f, (v,), (polygons(seed=1),))[1])(polygons()),
    "jvp of grad": lambda f: jvp(grad(f), (polygons(),), (polygons(seed=1),))[1],
    "vmap of grad": lambda f: vmap(grad(f))(several()),
    "vmap of grad of grad": lambda f: vmap(grad(penalized(f)))(several()),
    "vmap of hessian": lambda f: vmap(hessian(f))(several()),
    "forward over reverse": forward_over_reverse,
    "functional hessian": lambda f: torch.autograd.functional.hessian(f, polygons()),
    "functional hessian, vectorized": lambda f: torch.autograd.functional.hessian(f, polygons(), vectorize=True),
    "functional hessian, forward mode": lambda f: torch.autograd.functional.hessian(
        f, polygons(), vectorize=True, outer_jacobian_strategy="forward-mode"
    ),
    "functional vhp": lambda f: torch.autograd.functional.vhp(f, polygons(), polygons(seed=1))[1],
}
THIRD_ORDER: dict[str, Callable[[Function], Tensor]] = {
    "grad of grad of grad": lambda f: grad(penalized(penalized(f)))(polygons()),
    "jacfwd of jacfwd": lambda f: jacfwd(jacfwd(f))(polygons()),
    "jvp of jvp": lambda f: jvp(lambda v: jvp(f, (v,), (polygons(seed=1),))[1], (polygons(),), (polygons(seed=1),))[1],
}


@pytest.mark.parametrize("name", OF_MASKS)
def test_transforms_of_a_mask_are_those_of_elementwise_operations(backend: str, name: str) -> None:
    expected = OF_MASKS[name](mask_of("dense"))
    assert float(expected.abs().max()) > 0.1
    torch.testing.assert_close(OF_MASKS[name](mask_of(backend)), expected, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("name", OF_LOSSES)
def test_transforms_of_a_loss_are_those_of_elementwise_operations(backend: str, name: str) -> None:
    expected = OF_LOSSES[name](loss_of(mask_of("dense")))
    assert float(expected.abs().max()) > 0.1
    torch.testing.assert_close(OF_LOSSES[name](loss_of(mask_of(backend))), expected, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("name", THIRD_ORDER)
def test_what_there_is_not_is_an_error_that_names_the_backend_that_can(backend: str, name: str) -> None:
    with pytest.raises(NotImplementedError, match="at most second derivatives.*backend='dense'"):
        THIRD_ORDER[name](loss_of(mask_of(backend)))
    assert float(THIRD_ORDER[name](loss_of(mask_of("dense"))).abs().max()) > 0.1


@pytest.mark.parametrize("fill_rule", FILL_RULES)
def test_numerical_derivatives_of_all_fill_rules(backend: str, fill_rule: str) -> None:
    vertices = polygons().requires_grad_()
    mask = mask_of(backend, fill_rule)
    assert torch.autograd.gradcheck(mask, vertices, check_forward_ad=True, check_batched_grad=True)
    assert torch.autograd.gradgradcheck(mask, vertices)


def test_numerical_derivatives_of_rings(backend: str) -> None:
    vertices = polygons(4).view(2, 2, 5, 2).requires_grad_()

    def mask(v: Tensor) -> Tensor:
        return rasterize_polygons(v, SIZE, ExactOptions(fill_rule="evenodd", rings=True, backend=backend))

    assert torch.autograd.gradcheck(mask, vertices, check_forward_ad=True)
    assert torch.autograd.gradgradcheck(mask, vertices)


@pytest.mark.parametrize("fill_rule", FILL_RULES)
def test_the_tangent_is_the_transpose_of_the_gradient_on_grid_lines_too(backend: str, fill_rule: str) -> None:
    vertices = torch.tensor([[[1.0, 1.0], [6.0, 1.0], [6.0, 5.0], [3.0, 5.0], [3.0, 3.0], [1.0, 3.0]]])
    vertices = vertices.to(torch.float64)
    weights = torch.rand(1, 1, *SIZE, dtype=torch.float64)
    motion = torch.rand_like(vertices)
    mask = mask_of(backend, fill_rule)
    value, tangent = jvp(mask, (vertices,), (motion,))
    (gradient,) = vjp(mask, vertices)[1](weights)
    assert float(value.abs().sum()) == 16
    torch.testing.assert_close((weights * tangent).sum(), (gradient * motion).sum())


def test_a_polygon_that_is_not_finite_has_no_derivative_and_spoils_no_other(backend: str) -> None:
    vertices = polygons()
    vertices[0, 2, 1] = float("inf")
    _, tangent = jvp(mask_of(backend), (vertices,), (torch.ones_like(vertices),))
    alone = jvp(mask_of(backend), (vertices[1:],), (torch.ones_like(vertices[1:]),))[1]
    assert torch.equal(tangent[0], torch.zeros_like(tangent[0]))
    torch.testing.assert_close(tangent[1:], alone)


def test_float32_keeps_its_dtype(backend: str) -> None:
    vertices, motion = polygons().float(), polygons(seed=1).float()
    value, tangent = jvp(mask_of(backend), (vertices,), (motion,))
    second = hessian(lambda v: mask_of(backend)(v).square().sum())(vertices)
    assert value.dtype == tangent.dtype == second.dtype == torch.float32
    exact = jvp(mask_of("dense"), (vertices.double(),), (motion.double(),))[1]
    torch.testing.assert_close(tangent, exact.float(), rtol=1e-4, atol=1e-5)


def test_compiled_transforms_are_the_eager_ones() -> None:
    """Of one backend: in a graph transforms are the same elementwise operations for all."""
    mask, loss = mask_of("torch"), loss_of(mask_of("torch"))
    for transform in (
        lambda v: jvp(mask, (v,), (v.flip(0),))[1],
        lambda v: grad(loss)(v),
        lambda v: vmap(mask)(v.unflatten(0, (2, 1))),
    ):
        torch._dynamo.reset()
        compiled = torch.compile(transform, fullgraph=True, backend="aot_eager")
        torch.testing.assert_close(compiled(polygons()), transform(polygons()))


def test_linearize_needs_the_elementwise_form(backend: str) -> None:
    with pytest.raises(RuntimeError, match="tracing tensor"):
        linearize(mask_of(backend), polygons())
    tangent = linearize(mask_of("dense"), polygons())[1](polygons(seed=1))
    torch.testing.assert_close(tangent, OF_MASKS["jvp"](mask_of(backend)))


def test_the_plain_form_says_that_it_has_no_vmap() -> None:
    def mask(v: Tensor) -> Tensor:
        return rasterize_polygons(v, SIZE, ExactOptions(differentiate="autograd"))

    torch.testing.assert_close(OF_MASKS["jvp"](mask), OF_MASKS["jvp"](mask_of("dense")))
    with pytest.raises(NotImplementedError, match="not vmap.*differentiate='autograd'.*backend='dense'"):
        vmap(mask)(several())


@pytest.mark.parametrize("method", ["soft", "mesh"])
@pytest.mark.parametrize("name", [*OF_MASKS, *OF_LOSSES])
def test_other_methods_have_a_gradient_and_say_what_they_have_not(method: str, name: str) -> None:
    def mask(v: Tensor) -> Tensor:
        return rasterize_polygons(v, SIZE, rasterizer_options(method=method))

    vertices = polygons().requires_grad_()
    assert float(torch.autograd.grad(mask(vertices).square().sum(), vertices)[0].abs().max()) > 0
    with pytest.raises(
        NotImplementedError, match=f"first derivatives in reverse mode of .* '{method}'.*method='exact'"
    ):
        (OF_MASKS[name](mask) if name in OF_MASKS else OF_LOSSES[name](loss_of(mask)))
