# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Triangulations: those of a circle tile it, those of any contour tile its convex hull."""

from __future__ import annotations

import numpy as np
import pytest
import shapely
import torch
from hypothesis import given
from hypothesis import strategies as st

from monai_acdr.geometry import circle, signed_area
from monai_acdr.networks.layers.rasterizers.triangulation import circle_faces, delaunay_faces


def triangles(vertices: torch.Tensor, faces: torch.Tensor) -> np.ndarray:
    return shapely.polygons(vertices[faces].numpy())


@pytest.mark.parametrize("num_vertices", [3, 4, 5, 8, 32, 33, 64, 100, 128])
def test_circle_is_tiled(num_vertices: int) -> None:
    faces = circle_faces(num_vertices)
    vertices = circle(torch.tensor([32.0, 32.0], dtype=torch.float64), 8.0, num_vertices)
    assert faces.shape == (num_vertices - 2, 3)
    assert faces.dtype == torch.int64
    assert (signed_area(vertices[faces]) > 0).all()
    tiles = triangles(vertices, faces)
    assert shapely.union_all(tiles).area == pytest.approx(shapely.area(tiles).sum(), rel=1e-9)
    assert shapely.area(tiles).sum() == pytest.approx(signed_area(vertices).item(), rel=1e-12)


def test_circle_is_found_once() -> None:
    assert circle_faces(32) is circle_faces(32)


@pytest.mark.parametrize("num_vertices", [0, 1, 2])
def test_circle_of_less_than_a_triangle(num_vertices: int) -> None:
    assert circle_faces(num_vertices).shape == (0, 3)


@given(st.integers(0, 10**6), st.integers(3, 30))
def test_hull_is_tiled(seed: int, num_vertices: int) -> None:
    vertices = torch.from_numpy(np.random.default_rng(seed).uniform(0, 64, (num_vertices, 2)))
    faces = delaunay_faces(vertices)
    tiles = triangles(vertices, faces)
    hull = shapely.MultiPoint(vertices.numpy()).convex_hull
    assert (signed_area(vertices[faces]) > 0).all()
    assert shapely.area(tiles).sum() == pytest.approx(hull.area, rel=1e-9)
    assert shapely.union_all(tiles).area == pytest.approx(hull.area, rel=1e-9)


@given(st.integers(0, 10**6))
def test_no_vertex_lies_in_a_circumcircle(seed: int) -> None:
    vertices = np.random.default_rng(seed).uniform(0, 64, (12, 2))
    for face in delaunay_faces(torch.from_numpy(vertices)).numpy():
        a, b, c = vertices[face]
        # The center has the same distance to a, b and c: two linear equations.
        center = np.linalg.solve(2 * np.array([b - a, c - a]), np.array([b @ b - a @ a, c @ c - a @ a]))
        radius = np.linalg.norm(a - center)
        assert (np.linalg.norm(vertices - center, axis=1) >= radius * (1 - 1e-7)).all()


@pytest.mark.parametrize(
    "vertices",
    [
        [[1.0, 1.0]],
        [[1.0, 1.0], [2.0, 5.0]],
        [[1.0, 1.0], [2.0, 5.0], [1.0, 1.0], [2.0, 5.0]],
        [[0.0, 0.0], [1.0, 1.0], [2.0, 2.0], [5.0, 5.0]],
        [[0.1, 0.2], [0.3, 0.6], [0.7, 1.4]],
    ],
)
def test_nothing_to_tile(vertices: list[list[float]]) -> None:
    faces = delaunay_faces(torch.tensor(vertices))
    assert faces.shape == (0, 3)
    assert faces.dtype == torch.int64


def test_repeated_vertices_use_the_first() -> None:
    square = torch.tensor([[0.0, 0.0], [4.0, 0.0], [4.0, 0.0], [4.0, 3.0], [0.0, 3.0], [0.0, 0.0]])
    faces = delaunay_faces(square)
    assert set(faces.flatten().tolist()) == {0, 1, 3, 4}
    assert signed_area(square[faces]).sum() == pytest.approx(12)


def test_far_from_the_origin() -> None:
    shape = circle(torch.zeros(2, dtype=torch.float64), 3.0, 12)
    far = shape + 1e7
    assert signed_area(far[delaunay_faces(far)]).sum() == pytest.approx(signed_area(shape).item(), rel=1e-6)


def test_what_is_no_contour() -> None:
    with pytest.raises(ValueError, match=r"Expected `vertices` of one contour, \(K, 2\), but got \(1, 5, 2\)"):
        delaunay_faces(torch.rand(1, 5, 2))
    with pytest.raises(ValueError, match="Expected finite `vertices`, but got NaN or Inf"):
        delaunay_faces(torch.tensor([[0.0, 0.0], [1.0, float("nan")], [2.0, 0.0]]))
    with pytest.raises(ValueError, match="Expected `vertices` to be floating point"):
        delaunay_faces(torch.zeros(5, 2, dtype=torch.int64))
