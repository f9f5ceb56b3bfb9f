# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Edges cut at the pixel grid: each piece in its pixel, and together they are the edge."""

from __future__ import annotations

import hypothesis.strategies as st
import pytest
import torch
from hypothesis import given
from torch import Tensor

from monai_acdr.networks.layers.rasterizers.pieces import cut_edges

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
