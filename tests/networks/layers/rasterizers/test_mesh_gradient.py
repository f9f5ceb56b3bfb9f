# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""The hand-made gradient, against its definition: pixel by pixel, edge by edge, vertex by vertex."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
import torch

from monai_acdr.networks.layers.rasterizers import mesh_gradient
from monai_acdr.networks.layers.rasterizers.mesh import rasterize_mesh
from monai_acdr.networks.layers.rasterizers.mesh_gradient import LEAST_DISTANCE
from monai_acdr.networks.layers.rasterizers.triangulation import circle_faces

SIZE = (10, 12)


@pytest.fixture
def plain_distance(monkeypatch: pytest.MonkeyPatch) -> None:
    """Reciprocals of the distances themselves."""
    monkeypatch.setattr(mesh_gradient, "LEAST_DISTANCE", 0.0)


def gradient(vertices: torch.Tensor, weights: torch.Tensor, faces: torch.Tensor | None = None) -> torch.Tensor:
    """What the backward pass gives for dL/dI = weights."""
    leaf = vertices.clone().requires_grad_()
    (result,) = torch.autograd.grad(rasterize_mesh(leaf, SIZE, faces, anti_aliasing=1), leaf, weights)
    return result


def cross(one: np.ndarray, other: np.ndarray) -> float:
    return one[0] * other[1] - one[1] * other[0]


def is_inside(point: np.ndarray, triangle: np.ndarray) -> bool:
    ahead, towards = np.roll(triangle, -1, axis=0) - triangle, point - triangle
    sides = ahead[:, 0] * towards[:, 1] - ahead[:, 1] * towards[:, 0]
    return bool((sides > 0).all() or (sides < 0).all())


def by_definition(vertices: np.ndarray, faces: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """(K, 2) gradient of one contour."""
    size = weights.shape
    owner = np.full(size, -1)
    for row, column in np.ndindex(size):
        inside = [is_inside(np.array([column, row]) + 0.5, vertices[face]) for face in faces]
        owner[row, column] = inside.index(True) if any(inside) else -1
    result = np.zeros_like(vertices)
    for axis in (0, 1):
        for face_number, face in enumerate(faces):
            for corner, row, column in np.ndindex(3, *size):
                mover, wants_more = face[corner], weights[row, column] < 0
                pixel = np.array([column, row]) + 0.5
                for fixed, third in ((face[corner - 1], face[corner - 2]), (face[corner - 2], face[corner - 1])):
                    edge = vertices[[mover, fixed, third]]
                    for move in changing_moves(pixel, edge, axis, owner, face_number, wants_more):
                        result[mover, axis] += weights[row, column] * (1 if wants_more else -1) / move
    return result


def changing_moves(
    pixel: np.ndarray, edge: np.ndarray, axis: int, owner: np.ndarray, face_number: int, wants_more: bool
) -> Iterator[float]:
    """How far the first vertex has to move until the edge to the second one sweeps over the pixel, as it should."""
    (moving, fixed, third), across = edge, 1 - axis
    if not min(moving[across], fixed[across]) <= pixel[across] < max(moving[across], fixed[across]):
        return
    crossing = pixel.copy()
    share = (pixel[across] - moving[across]) / (fixed[across] - moving[across])
    crossing[axis] = moving[axis] + share * (fixed[axis] - moving[axis])
    inner, outer = neighbours(crossing, edge, axis, owner)
    if inner < 0 or outer >= 0:
        return
    at_pixel = owner[int(pixel[1]), int(pixel[0])]
    along, to_pixel, to_third = fixed - moving, pixel - moving, third - moving
    is_beyond = np.sign(cross(along, to_pixel)) != np.sign(cross(along, to_third))
    if (at_pixel < 0 and is_beyond) if wants_more else (at_pixel == face_number):
        # moving + move * unit, fixed and the pixel lie on a line
        to_fixed, unit = fixed - pixel, np.eye(2)[axis]
        yield -cross(to_fixed, moving - pixel) / cross(to_fixed, unit)


def neighbours(crossing: np.ndarray, edge: np.ndarray, axis: int, owner: np.ndarray) -> tuple[int, int]:
    """What the pixels show whose centers are next to a crossing: on the third vertex's side, on the other side."""
    before, after = crossing.copy(), crossing.copy()
    before[axis] = np.ceil(crossing[axis] - 0.5) - 0.5
    after[axis] = before[axis] + 1
    moving, fixed, third = edge
    is_after_inner = np.sign(cross(fixed - moving, after + 1e-9 * (after - before) - moving)) == np.sign(
        cross(fixed - moving, third - moving)
    )
    inner, outer = (after, before) if is_after_inner else (before, after)
    return shown(inner, owner), shown(outer, owner)


def shown(center: np.ndarray, owner: np.ndarray) -> int:
    column, row = np.floor(center).astype(int)
    inside = 0 <= row < owner.shape[0] and 0 <= column < owner.shape[1]
    return owner[row, column] if inside else -1


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.usefixtures("plain_distance")
def test_gradient_is_the_definition(seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    angles = 2 * torch.pi * torch.arange(7, dtype=torch.float64) / 7
    radii = 1.5 + 3.5 * torch.rand(2, 7, 1, generator=generator, dtype=torch.float64)
    vertices = torch.tensor([6.1, 4.9]) + radii * torch.stack([angles.cos(), angles.sin()], dim=-1)
    weights = torch.randn(2, *SIZE, generator=generator, dtype=torch.float64)
    result = gradient(vertices, weights)
    for mine, shape, weight in zip(result, vertices, weights, strict=True):
        expected = by_definition(shape.numpy(), circle_faces(7).numpy(), weight.numpy())
        np.testing.assert_allclose(mine.numpy(), expected, rtol=1e-9, atol=1e-9)


TRIANGLE = torch.tensor([[[2.0, 3.0], [7.0, 1.0], [7.0, 6.0]]], dtype=torch.float64)
"""Its right edge is vertical, at x = 7, and crosses row 2 (y = 2.5) a share 0.3 of its way down."""


def at_pixel(row: int, column: int, value: float) -> torch.Tensor:
    weights = torch.zeros(1, *SIZE, dtype=torch.float64)
    weights[0, row, column] = value
    return weights


def test_pixel_outside_pulls_the_edge_by_hand() -> None:
    result = gradient(TRIANGLE, at_pixel(2, 9, -1.0))[0, :, 0]
    distance = 9.5 - 7 + LEAST_DISTANCE
    torch.testing.assert_close(result, torch.tensor([0.0, -0.7, -0.3], dtype=torch.float64) / distance)


def test_pixel_inside_is_left_from_both_sides_by_hand() -> None:
    result = gradient(TRIANGLE, at_pixel(2, 5, 1.0))[0, :, 0]
    # The left edge, from (7, 1) to (2, 3), crosses y = 2.5 at x = 3.25, a share 0.75 of its way down.
    from_left, from_right = 5.5 - 3.25 + LEAST_DISTANCE, 7 - 5.5 + LEAST_DISTANCE
    expected = torch.tensor([-0.75 / from_left, -0.25 / from_left + 0.7 / from_right, 0.3 / from_right])
    torch.testing.assert_close(result, expected.double(), rtol=1e-6, atol=0)


@pytest.mark.parametrize(("row", "column", "value"), [(2, 9, 1.0), (2, 5, -1.0), (8, 9, -1.0)])
def test_what_no_move_can_better_is_left_alone(row: int, column: int, value: float) -> None:
    """A pixel outside that should be darker, one inside that should be brighter, one that no edge passes."""
    assert not gradient(TRIANGLE, at_pixel(row, column, value))[0, :, 0].any()


def test_inner_edges_do_not_pull() -> None:
    square = torch.tensor([[[2.0, 2.0], [8.0, 2.0], [8.0, 7.0], [2.0, 7.0]]], dtype=torch.float64)
    halves = torch.tensor([[0, 1, 2], [2, 3, 0]])
    # Only the right side, not the diagonal, is next to the background.
    result = gradient(square, at_pixel(4, 10, -1.0), halves)[0, :, 0]
    assert result[[0, 3]].tolist() == [0, 0]
    assert (result[[1, 2]] < 0).all()


def test_hidden_triangles_are_not_pushed() -> None:
    twice = torch.cat([TRIANGLE, TRIANGLE], dim=1)
    result = gradient(twice, at_pixel(2, 5, 1.0), torch.tensor([[0, 1, 2], [3, 4, 5]]))
    assert result[0, :3].any()
    assert not result[0, 3:].any()


def test_edges_outside_the_frame_do_not_pull() -> None:
    assert not gradient(TRIANGLE - torch.tensor([9.0, 0.0]), at_pixel(2, 5, -1.0))[..., 0].any()


def test_some_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    vertices, weights = torch.rand(3, 8, 2) * 9, torch.randn(3, *SIZE)
    expected = gradient(vertices, weights)
    monkeypatch.setattr(mesh_gradient, "_MOST_PIXELS", 30)
    torch.testing.assert_close(gradient(vertices, weights), expected, rtol=1e-5, atol=1e-6)
