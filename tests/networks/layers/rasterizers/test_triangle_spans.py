# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Spans of triangles, against a test of every pixel center."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from monai_acdr.networks.layers.rasterizers import triangle_spans
from monai_acdr.networks.layers.rasterizers.triangle_spans import cut_triangles, expand_ranges, first_center

SIZE = (9, 11)


def centers_inside(triangle: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """(H, W) which centers lie on the same side of all three sides."""
    columns, rows = np.meshgrid(np.arange(size[1]) + 0.5, np.arange(size[0]) + 0.5)
    ahead = np.roll(triangle, -1, axis=0) - triangle
    sides = [
        ahead[i, 0] * (rows - triangle[i, 1]) - ahead[i, 1] * (columns - triangle[i, 0]) for i in range(len(triangle))
    ]
    return np.all(np.array(sides) > 0, axis=0) | np.all(np.array(sides) < 0, axis=0)


def covered(points: torch.Tensor, faces: torch.Tensor) -> np.ndarray:
    """(B * M, H, W) from the spans."""
    masks = np.zeros((faces.shape[0] * faces.shape[1], *SIZE), dtype=bool)
    for spans in cut_triangles(points, faces, SIZE):
        for face, line, first, stop in zip(spans.face, spans.line, spans.first, spans.stop, strict=True):
            assert line // SIZE[0] == face // faces.shape[1]
            masks[face, line % SIZE[0], max(first, 0) : max(stop, 0)] = True
    return masks


def some_triangles() -> tuple[torch.Tensor, torch.Tensor]:
    points = torch.rand(60, 2, dtype=torch.float64) * 16 - 3
    return points, torch.arange(60).view(4, 5, 3)


def test_spans_cover_the_centers_inside() -> None:
    points, faces = some_triangles()
    expected = [centers_inside(points[face].numpy(), SIZE) for face in faces.flatten(0, 1)]
    assert np.array_equal(covered(points, faces), np.array(expected))


def test_crossings_lie_on_their_edges() -> None:
    points, faces = some_triangles()
    (spans,) = cut_triangles(points, faces, SIZE)
    assert (spans.left.x <= spans.right.x).all()
    for crossings in (spans.left, spans.right):
        place = torch.lerp(points[crossings.start], points[crossings.end], crossings.t[:, None])
        torch.testing.assert_close(place[:, 0], crossings.x)
        torch.testing.assert_close(place[:, 1], spans.line % SIZE[0] + 0.5, check_dtype=False)
        assert ((crossings.t >= 0) & (crossings.t < 1)).all()
        corners = faces.flatten(0, 1)[spans.face]
        assert (corners == crossings.start[:, None]).any(1).all()
        assert (corners == crossings.end[:, None]).any(1).all()


def test_neighbours_share_no_pixel_and_leave_none_out() -> None:
    # All vertices and crossings lie on centers or grid lines: the ties.
    points = torch.tensor([[0.5, 0.5], [8.5, 0.5], [8.5, 8.5], [0.5, 8.5], [4.5, 4.5]], dtype=torch.float64)
    faces = torch.tensor([[[0, 1, 4], [1, 2, 4], [2, 3, 4], [3, 0, 4]]])
    count = covered(points, faces).sum(0)
    expected = np.zeros(SIZE, dtype=int)
    expected[:8, :8] = 1
    assert np.array_equal(count, expected)


def test_some_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    points, faces = some_triangles()
    expected = covered(points, faces)
    monkeypatch.setattr(triangle_spans, "_MOST_ROWS", 30)
    assert len(list(cut_triangles(points, faces, SIZE))) == 7
    assert np.array_equal(covered(points, faces), expected)


def test_flat_and_far_triangles() -> None:
    flat = torch.tensor([[1.0, 2.5], [5.0, 2.5], [3.0, 2.5], [1.0, 1.0], [4.0, 4.0], [7.0, 7.0]], dtype=torch.float64)
    assert not covered(flat, torch.arange(6).view(1, 2, 3)).any()
    far = torch.tensor([[-1e30, -1e30], [1e30, -1e30], [0.0, 1e30]], dtype=torch.float64)
    assert covered(far, torch.arange(3).view(1, 1, 3)).all()
    assert not covered(far + 1e31, torch.arange(3).view(1, 1, 3)).any()


def test_first_center_and_ranges() -> None:
    position = torch.tensor([-9.0, -0.3, 0.0, 0.5, 0.51, 2.5, 99.0])
    assert first_center(position, (-1, 4)).tolist() == [-1, 0, 0, 0, 1, 2, 4]
    owner, value = expand_ranges(torch.tensor([3, 7, 2]), torch.tensor([5, 7, 3]))
    assert owner.tolist() == [0, 0, 2]
    assert value.tolist() == [3, 4, 2]
