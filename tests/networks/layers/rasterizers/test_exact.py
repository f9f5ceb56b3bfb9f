# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""The parts of the exact rasterizer: signed coverage, the folds and their slopes, the fused backward pass."""

from __future__ import annotations

import pytest
import torch

from monai_acdr.networks.layers.rasterizers.exact import (
    FILL_RULES,
    fold,
    fold_slope,
    rasterize_backward,
    rasterize_forward,
    rasterize_plain,
    signed_coverage,
)

WINDING = torch.tensor([-2.0, -1.25, -0.5, 0.0, 0.25, 1.0, 1.75, 2.0, 2.5, 3.0], dtype=torch.float64)


@pytest.mark.parametrize(
    ("fill_rule", "expected"),
    [
        ("nonzero", [1, 1, 0.5, 0, 0.25, 1, 1, 1, 1, 1]),
        ("evenodd", [0, 0.75, 0.5, 0, 0.25, 1, 0.25, 0, 0.5, 1]),
        ("signed", [-2, -1.25, -0.5, 0, 0.25, 1, 1.75, 2, 2.5, 3]),
    ],
)
def test_fold_by_hand(fill_rule: str, expected: list[float]) -> None:
    torch.testing.assert_close(fold(WINDING, fill_rule), torch.tensor(expected, dtype=torch.float64))


@pytest.mark.parametrize("fill_rule", FILL_RULES)
def test_fold_slope_is_the_derivative_between_the_kinks(fill_rule: str) -> None:
    winding = (torch.linspace(-3, 3, 60, dtype=torch.float64) + 0.013).requires_grad_()
    (expected,) = torch.autograd.grad(fold(winding, fill_rule).sum(), winding)
    torch.testing.assert_close(fold_slope(winding.detach(), fill_rule), expected)


@pytest.mark.parametrize(("fill_rule", "expected"), [("nonzero", [0, 1, -1]), ("evenodd", [0, 1, -1])])
def test_slope_of_an_empty_and_of_a_just_full_pixel(fill_rule: str, expected: list[float]) -> None:
    winding = torch.tensor([0.0, 1 + 1e-7, -1 - 1e-7])
    torch.testing.assert_close(fold_slope(winding, fill_rule), torch.tensor(expected, dtype=torch.float32))


def test_fold_names_its_rules() -> None:
    with pytest.raises(ValueError, match=r"Expected `fill_rule` to be one of .*evenodd.*but got 'both'"):
        fold(WINDING, "both")


def test_fold_does_not_alias_its_input() -> None:
    winding = WINDING.clone()
    fold(winding, "signed").zero_()
    assert torch.equal(winding, WINDING)


def test_signed_coverage_of_rings_adds_up() -> None:
    outer = torch.tensor([[[1.0, 1.0], [6.0, 1.5], [5.5, 5.0], [1.2, 4.5]]], dtype=torch.float64)
    hole = torch.tensor([[[2.2, 2.1], [2.4, 3.6], [4.1, 3.4], [4.3, 2.3]]], dtype=torch.float64)  # the other way round
    mask = fold(signed_coverage(outer, (7, 8)) + signed_coverage(hole, (7, 8)), "nonzero")
    difference = rasterize_plain(outer, (7, 8), "nonzero") - rasterize_plain(hole, (7, 8), "nonzero")
    torch.testing.assert_close(mask, difference, rtol=0, atol=1e-12)


def test_signed_coverage_telescopes_to_zero_right_of_the_polygon() -> None:
    vertices = torch.rand(20, 16, 2, dtype=torch.float64) * 8 + torch.tensor([-4.0, 2.0])
    assert signed_coverage(vertices, (12, 40))[..., 5:].abs().max() <= 1e-14


def test_signed_coverage_in_another_dtype() -> None:
    vertices = torch.rand(2, 5, 2, dtype=torch.float64) * 8
    single = signed_coverage(vertices, (8, 8), dtype=torch.float32)
    assert single.dtype == torch.float32
    torch.testing.assert_close(single.double(), signed_coverage(vertices, (8, 8)), rtol=0, atol=2e-6)


@pytest.mark.parametrize("fill_rule", FILL_RULES)
def test_forward_is_the_plain_form(fill_rule: str) -> None:
    vertices = torch.rand(4, 9, 2, dtype=torch.float64) * 12 - 2
    mask, winding = rasterize_forward(vertices, (8, 9), fill_rule)
    assert torch.equal(mask, rasterize_plain(vertices, (8, 9), fill_rule))
    assert torch.equal(mask, fold(winding, fill_rule))


@pytest.mark.parametrize("fill_rule", FILL_RULES)
def test_backward_is_autograd_s(fill_rule: str) -> None:
    vertices = (torch.rand(4, 9, 2, dtype=torch.float64) * 12 - 2).requires_grad_()
    weights = torch.randn(4, 8, 9, dtype=torch.float64)
    (expected,) = torch.autograd.grad((rasterize_plain(vertices, (8, 9), fill_rule) * weights).sum(), vertices)
    _, winding = rasterize_forward(vertices.detach(), (8, 9), fill_rule)
    gradient = rasterize_backward(weights, vertices.detach(), winding, fill_rule)
    torch.testing.assert_close(gradient, expected, rtol=1e-9, atol=1e-9)


def test_backward_on_a_grid_line_is_the_mean_of_both_sides() -> None:
    # The right edge of this square moves between pixel (2, 1), with weight 10, and pixel (3, 1), with weight 2.
    square = torch.tensor([[[1.0, 1.0], [3.0, 1.0], [3.0, 2.0], [1.0, 2.0]]])
    weights = torch.zeros(1, 3, 5)
    weights[0, 1, 2], weights[0, 1, 3] = 10, 2
    _, winding = rasterize_forward(square, (3, 5), "nonzero")
    gradient = rasterize_backward(weights, square, winding, "nonzero")
    # Each end of the edge sweeps half of it: half of the mean 6. Upper and lower edges move in y: half of mean (10, 0).
    torch.testing.assert_close(gradient[0, 1:3, 0], torch.tensor([3.0, 3.0]))
    torch.testing.assert_close(gradient[0, :, 0].sum(), torch.tensor(6.0))
    torch.testing.assert_close(gradient[0, 1:3, 1].sum(), torch.tensor(0.0))


def test_backward_of_a_polygon_that_is_not_finite_is_zero() -> None:
    vertices = torch.rand(2, 5, 2) * 6
    vertices[0, 0, 0] = float("nan")
    mask, winding = rasterize_forward(vertices, (6, 6), "nonzero")
    assert mask[0].isnan().all()
    gradient = rasterize_backward(torch.full_like(mask, float("nan")), vertices, winding, "nonzero")
    assert not gradient[0].any()
    assert gradient[1].isnan().any()
