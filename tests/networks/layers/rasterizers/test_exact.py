# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""The parts of the exact rasterizer: signed coverage, the folds and their slopes, the fused backward pass."""

from __future__ import annotations

import hypothesis.strategies as st
import pytest
import torch
from hypothesis import given
from torch import Tensor

from monai_acdr.networks.layers.rasterizers.exact import (
    FILL_RULES,
    cut_edges,
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


COORDINATES = st.one_of(st.floats(-6, 16), st.integers(-6, 16).map(float), st.integers(-12, 32).map(lambda n: n / 2))
TRIANGLES = st.lists(st.tuples(COORDINATES, COORDINATES), min_size=3, max_size=3)
SIZE = (7, 9)


def as_batch(vertices: list[tuple[float, float]]) -> Tensor:
    return torch.tensor([vertices], dtype=torch.float64)


@given(vertices=TRIANGLES)
def test_each_piece_lies_in_its_pixel(vertices: list[tuple[float, float]]) -> None:
    triangle = as_batch(vertices)
    pieces = cut_edges(triangle, SIZE)
    start, end = triangle[0], torch.roll(triangle[0], -1, dims=0)
    row, column = pieces.row.double(), pieces.column.double()
    for t in (pieces.t_start, pieces.t_end, 0.5 * (pieces.t_start + pieces.t_end)):
        assert ((t >= 0) & (t <= 1)).all()
        x, y = torch.lerp(start[pieces.edge], end[pieces.edge], t[:, None]).unbind(-1)
        assert ((y >= row - 1e-9) & (y <= row + 1 + 1e-9)).all()
        assert ((x >= column - 1e-9) | (column < 0)).all()
        assert ((x <= column + 1 + 1e-9) | (column >= SIZE[1])).all()
    assert ((pieces.row >= 0) & (pieces.row <= SIZE[0])).all()
    assert ((pieces.column >= -1) & (pieces.column <= SIZE[1])).all()
    assert ((pieces.x_mean >= 0) & (pieces.x_mean <= 1)).all()


@given(vertices=TRIANGLES)
def test_heights_add_up_to_the_edge_within_the_frame(vertices: list[tuple[float, float]]) -> None:
    triangle = as_batch(vertices)
    pieces = cut_edges(triangle, SIZE)
    start, end = triangle[0], torch.roll(triangle[0], -1, dims=0)
    heights = torch.zeros(3, dtype=torch.float64).index_add_(0, pieces.edge, pieces.dy)
    height = end[:, 1].clamp(0, SIZE[0]) - start[:, 1].clamp(0, SIZE[0])
    seen = torch.minimum(start[:, 0], end[:, 0]) <= SIZE[1]  # an edge right of the frame gives no pieces
    torch.testing.assert_close(heights, torch.where(seen, height, 0), rtol=0, atol=1e-12)


@given(vertices=st.lists(st.tuples(st.floats(0.01, 8.99), st.floats(0.01, 6.99)), min_size=3, max_size=3))
def test_pieces_follow_each_other_along_an_edge_inside_the_frame(vertices: list[tuple[float, float]]) -> None:
    triangle = as_batch(vertices)
    pieces = cut_edges(triangle, SIZE)
    for edge in range(3):
        if (triangle[0, edge] - triangle[0, (edge + 1) % 3]).abs().min() < 1e-6:
            continue  # along a grid direction the parameter of a row is not the edge's
        mine = pieces.edge == edge
        pairs = sorted(zip(pieces.t_start[mine].tolist(), pieces.t_end[mine].tolist(), strict=True))
        ends = [0.0] + [end for _, end in pairs]
        assert [start for start, _ in pairs] == pytest.approx(ends[:-1], abs=1e-9)
        assert ends[-1] == pytest.approx(1)


def test_a_diagonal_by_hand() -> None:
    pieces = cut_edges(torch.tensor([[[0.5, 0.5], [2.5, 1.5]]], dtype=torch.float64), (4, 4))
    forth = pieces.edge == 0
    assert pieces.row[forth].tolist() == [0, 0, 1, 1]
    assert pieces.column[forth].tolist() == [0, 1, 1, 2]
    torch.testing.assert_close(pieces.dy[forth], torch.full((4,), 0.25, dtype=torch.float64))
    torch.testing.assert_close(pieces.x_mean[forth], torch.tensor([0.75, 0.25, 0.75, 0.25], dtype=torch.float64))


def test_left_of_the_frame_one_piece_a_row_and_right_of_it_none() -> None:
    left = cut_edges(torch.tensor([[[-500.5, 0.5], [-3.0, 2.5]]]), (4, 4))
    assert left.row[left.edge == 0].tolist() == [0, 1, 2]
    assert (left.column == -1).all()
    right = cut_edges(torch.tensor([[[4.5, 0.5], [900.0, 2.5]]]), (4, 4))
    assert right.edge.numel() == 0
    across = cut_edges(torch.tensor([[[2.5, 0.25], [900.0, 0.75]]]), (4, 4))
    assert across.column[across.edge == 0].tolist() == [2, 3, 4]


def test_edges_on_grid_lines_are_marked() -> None:
    pieces = cut_edges(torch.tensor([[[1.0, 1.0], [3.0, 1.0], [3.0, 2.0], [1.0, 2.0]]]), (4, 5))
    horizontal, vertical = pieces.edge % 2 == 0, (pieces.edge % 2 == 1) & (pieces.dy != 0)
    assert pieces.on_row_line[horizontal].all()
    assert not pieces.on_row_line[~horizontal].any()
    assert pieces.on_column_line[vertical].all()
    assert not pieces.on_column_line[horizontal].any()


def test_the_number_of_pieces_follows_the_contour_and_not_the_frame() -> None:
    triangle = torch.tensor([[[1.2, 1.3], [30.7, 4.1], [12.4, 25.8]]])
    counts = [cut_edges(triangle, (side, side)).edge.numel() for side in (32, 64, 1024)]
    assert counts[0] == counts[1] == counts[2] < 150


def test_a_whole_pixel_translation_moves_only_the_indices() -> None:
    here = torch.tensor([[[1.25, 1.5], [7.75, 2.125], [3.375, 6.25]]])
    near = cut_edges(here, (1024, 1024))
    far = cut_edges(here + torch.tensor([800.0, 600.0]), (1024, 1024))
    assert torch.equal(far.column, near.column + 800)
    assert torch.equal(far.row, near.row + 600)
    for name in ("edge", "t_start", "t_end", "dy", "x_mean"):
        assert torch.equal(getattr(far, name), getattr(near, name))


def test_no_polygons_no_pieces() -> None:
    assert cut_edges(torch.zeros(0, 4, 2), (4, 4)).edge.numel() == 0
    assert cut_edges(torch.full((2, 4, 2), 99.0), (4, 4)).edge.numel() == 0
