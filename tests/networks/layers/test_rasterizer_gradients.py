# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Derivatives of the exact rasterizer: against central differences, autograd, and what must not move a mask."""

from __future__ import annotations

import math

import hypothesis.strategies as st
import pytest
import torch
from hypothesis import assume, given, settings
from torch import Tensor

from monai_acdr.geometry import circle
from monai_acdr.networks.layers import ExactOptions, rasterize_polygons
from monai_acdr.networks.layers.rasterizers.exact import KINK_TOLERANCE

pytestmark = pytest.mark.usefixtures("backend")

FILL_RULES = ["nonzero", "evenodd", "signed"]
SIZE = (6, 7)

# Polygons at which a derivative is easily wrong: edges and vertices on grid lines and on the border of the frame.
SHAPES = {
    "generic": [[1.3, 0.8], [5.6, 1.7], [3.1, 2.9], [5.2, 5.4], [0.7, 4.6]],
    "integer square": [[1.0, 1.0], [5.0, 1.0], [5.0, 4.0], [1.0, 4.0]],
    "unit square": [[2.0, 3.0], [3.0, 3.0], [3.0, 4.0], [2.0, 4.0]],
    "the frame": [[0.0, 0.0], [7.0, 0.0], [7.0, 6.0], [0.0, 6.0]],
    "at the left and upper border": [[0.0, 0.0], [3.0, 0.0], [3.0, 2.5], [0.0, 2.5]],
    "at the right and lower border": [[4.0, 3.0], [7.0, 3.0], [7.0, 6.0], [4.0, 6.0]],
    "diamond on grid points": [[3.0, 1.0], [5.0, 3.0], [3.0, 5.0], [1.0, 3.0]],
    "vertices on grid lines": [[1.0, 0.4], [4.6, 2.0], [3.0, 4.3], [0.6, 3.0]],
    "half in the frame": [[-2.4, 1.0], [3.2, -1.5], [9.1, 3.3], [4.0, 8.0]],
    "around the frame": [[-3.0, -2.0], [12.0, -2.0], [11.0, 9.0], [-4.0, 10.0]],
    "crossing itself": [[1.2, 1.1], [5.7, 4.6], [5.4, 1.3], [0.8, 4.7]],
    "a vertex twice": [[1.3, 0.8], [5.6, 1.7], [5.6, 1.7], [2.2, 5.4]],
}


def polygon(name: str, reverse: bool = False) -> Tensor:
    vertices = torch.tensor([SHAPES[name]], dtype=torch.float64)
    return (vertices.flip(1) if reverse else vertices).requires_grad_()


@pytest.mark.parametrize(("fill_rule", "reverse"), [(rule, False) for rule in FILL_RULES] + [("nonzero", True)])
@pytest.mark.parametrize("name", SHAPES)
def test_gradcheck_for_every_fill_rule_and_both_orientations(name: str, fill_rule: str, reverse: bool) -> None:
    def masks(vertices: Tensor) -> Tensor:
        return rasterize_polygons(vertices, SIZE, ExactOptions(fill_rule=fill_rule))

    every_pixel = fill_rule == "nonzero" and not reverse  # the others by random projections, which is faster
    assert torch.autograd.gradcheck(masks, polygon(name, reverse), fast_mode=not every_pixel)


@pytest.mark.parametrize("fill_rule", FILL_RULES)
@pytest.mark.parametrize("name", ["generic", "half in the frame", "crossing itself"])
def test_gradgradcheck_of_the_plain_form(name: str, fill_rule: str) -> None:
    def masks(vertices: Tensor) -> Tensor:
        return rasterize_polygons(vertices, SIZE, ExactOptions(fill_rule=fill_rule, differentiate="autograd"))

    assert torch.autograd.gradcheck(masks, polygon(name), fast_mode=True)
    assert torch.autograd.gradgradcheck(masks, polygon(name), fast_mode=True)


@pytest.mark.parametrize("fill_rule", FILL_RULES)
@settings(max_examples=25)
@given(
    numbers=st.lists(st.floats(-4, 12, allow_nan=False), min_size=12, max_size=12),
    seed=st.integers(0, 2**31 - 1),
)
def test_analytic_is_autograd_on_random_polygons(fill_rule: str, numbers: list[float], seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    # Noise takes the vertices off the grid lines, where autograd sees one side only.
    noise = torch.rand(2, 6, 2, generator=generator, dtype=torch.float64)
    vertices = (torch.tensor(numbers, dtype=torch.float64).view(1, 6, 2) + noise).requires_grad_()
    weights = torch.randn(2, 1, 7, 9, generator=generator, dtype=torch.float64)
    # A sliver that covers less than KINK_TOLERANCE of a pixel that is full otherwise is taken for none.
    excess = rasterize_polygons(vertices.detach(), (7, 9), ExactOptions(fill_rule="signed")).abs().remainder(2) - 1
    assume(not bool(((excess > 1e-12) & (excess <= KINK_TOLERANCE)).any()))
    gradients = [
        torch.autograd.grad(
            (
                rasterize_polygons(vertices, (7, 9), ExactOptions(fill_rule=fill_rule, differentiate=form)) * weights
            ).sum(),
            vertices,
        )[0]
        for form in ("analytic", "autograd")
    ]
    torch.testing.assert_close(gradients[0], gradients[1], rtol=1e-9, atol=1e-9)


def test_gradient_of_the_area_is_that_of_the_shoelace_formula() -> None:
    vertices = polygon("generic")
    (gradient,) = torch.autograd.grad(rasterize_polygons(vertices, SIZE).sum(), vertices)
    previous, following = torch.roll(vertices, 1, dims=1), torch.roll(vertices, -1, dims=1)
    chord = (following - previous).detach()
    expected = 0.5 * torch.stack([chord[..., 1], -chord[..., 0]], dim=-1)  # this polygon turns from +x toward +y
    torch.testing.assert_close(gradient, expected)


@pytest.mark.parametrize("differentiate", ["analytic", "autograd"])
@pytest.mark.parametrize("fill_rule", FILL_RULES)
@pytest.mark.parametrize("shift", [(-20.0, 0.0), (20.0, 0.0), (0.0, -20.0), (0.0, 20.0), (-20.0, 20.0), (-7.0, 0.0)])
def test_no_gradient_outside_the_frame(shift: tuple[float, float], fill_rule: str, differentiate: str) -> None:
    vertices = (polygon("generic").detach() + torch.tensor(shift, dtype=torch.float64)).requires_grad_()
    mask = rasterize_polygons(vertices, SIZE, ExactOptions(fill_rule=fill_rule, differentiate=differentiate))
    assert mask.abs().max() <= 1e-15
    (gradient,) = torch.autograd.grad((mask * torch.rand_like(mask)).sum(), vertices)
    assert gradient.abs().max() <= 1e-12


@pytest.mark.parametrize("differentiate", ["analytic", "autograd"])
@pytest.mark.parametrize(
    "outside",
    [[[-3.0, 1.0], [-5.0, 3.0], [-2.0, 5.0]], [[9.0, 5.0], [12.0, 2.0], [8.5, 1.0]]],
    ids=["left", "right"],
)
def test_no_gradient_for_vertices_with_both_edges_outside(outside: list[list[float]], differentiate: str) -> None:
    vertices = torch.tensor([[[3.0, 0.7], *outside, [3.5, 5.2]]], dtype=torch.float64, requires_grad=True)
    mask = rasterize_polygons(vertices, SIZE, ExactOptions(differentiate=differentiate))
    (gradient,) = torch.autograd.grad((mask * torch.rand_like(mask)).sum(), vertices)
    assert gradient[0, 2].abs().max() <= 1e-12
    assert (gradient[0, [0, 1, 3, 4]].abs().amax(-1) > 1e-3).all()


@pytest.mark.parametrize("fill_rule", FILL_RULES)
def test_gradient_is_translated_bit_for_bit(fill_rule: str) -> None:
    shift = torch.tensor([100.0, 64.0])
    weights = torch.rand(1, 1, *SIZE)
    there = (torch.tensor([SHAPES["generic"]]) + shift).requires_grad_()
    here = (there.detach() - shift).requires_grad_()
    rendered = rasterize_polygons(there, (SIZE[0] + 64, SIZE[1] + 100), ExactOptions(fill_rule=fill_rule))[
        ..., 64:, 100:
    ]
    (expected,) = torch.autograd.grad(
        (rasterize_polygons(here, SIZE, ExactOptions(fill_rule=fill_rule)) * weights).sum(), here
    )
    (gradient,) = torch.autograd.grad((rendered * weights).sum(), there)
    assert torch.equal(gradient, expected)


def test_same_bits_twice() -> None:
    vertices = (torch.rand(4, 40, 2) * 40 - 4).requires_grad_()
    weights = torch.rand(4, 1, 32, 33)
    runs = []
    for _ in range(2):
        masks = rasterize_polygons(vertices, (32, 33))
        runs.append((masks, torch.autograd.grad((masks * weights).sum(), vertices)[0]))
    assert torch.equal(runs[0][0], runs[1][0])
    assert torch.equal(runs[0][1], runs[1][1])


def test_samples_of_a_batch_do_not_mix() -> None:
    vertices = (torch.rand(3, 6, 2, dtype=torch.float64) * 8).requires_grad_()
    (gradient,) = torch.autograd.grad(rasterize_polygons(vertices, (8, 8))[1].square().sum(), vertices)
    assert not gradient[[0, 2]].any()
    assert gradient[1].any()


@pytest.mark.parametrize("seed", [0, 1])
def test_fit_of_a_circle_to_a_smooth_blob(seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    angles = torch.arange(256) * (2 * math.pi / 256)
    phases, sizes = torch.rand(4, generator=generator) * 2 * math.pi, torch.rand(4, generator=generator)
    waves = [sizes[n] / (n + 1) * torch.cos((n + 1) * angles + phases[n]) for n in range(4)]
    radii = 17 + 4 * torch.stack(waves).sum(0)
    blob = torch.tensor([31.0, 33.5]) + radii[:, None] * torch.stack([torch.cos(angles), torch.sin(angles)], dim=-1)
    target = rasterize_polygons(blob[None], (64, 64))
    vertices = circle(torch.tensor([[32.0, 32.0]]), 8.0, 32).requires_grad_()
    optimizer = torch.optim.Adam([vertices], lr=0.3)
    for _ in range(100):
        optimizer.zero_grad()
        (rasterize_polygons(vertices, (64, 64)) - target).square().mean().backward()
        optimizer.step()
    mask = rasterize_polygons(vertices.detach(), (64, 64))
    iou = torch.minimum(mask, target).sum() / torch.maximum(mask, target).sum()
    assert iou > 0.99
