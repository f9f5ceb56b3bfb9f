# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""The oracle of the rasterizer's tests: shapely's intersections of polygons and pixels."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import pytest
import shapely
import torch
from torch import Tensor

from monai_acdr.networks.layers import rasterizer_backend

Coverage = Callable[[np.ndarray, tuple[int, int]], np.ndarray]
WindingAreas = Callable[[np.ndarray, tuple[int, int]], dict[int, np.ndarray]]


@pytest.fixture(scope="module", params=["torch", "numba"])
def backend(request: pytest.FixtureRequest) -> Iterator[str]:
    """Each backend of the exact rasterizer in turn; everything that a test renders is rendered by it."""
    if request.param == "numba":
        pytest.importorskip("numba", reason="pip install 'monai_acdr[fast]'")
    with rasterizer_backend(request.param):
        yield request.param


@pytest.fixture(scope="session")
def exact_coverage() -> Coverage:
    """A function from a simple polygon (K, 2) and (H, W) to the (H, W) areas of the polygon inside the pixels."""
    return _simple_coverage


@pytest.fixture(scope="session")
def winding_areas() -> WindingAreas:
    """The same for polygons that cross themselves: a dict from each winding number but 0 to the (H, W) areas."""
    return _winding_areas


def polygons(kind: str, dtype: torch.dtype = torch.float64, batch: int = 6, num_vertices: int = 9) -> Tensor:
    """Random polygons (B, K, 2) about a frame of 14 x 17, of a kind that is difficult for a rasterizer."""
    vertices = torch.rand(batch, num_vertices, 2, dtype=torch.float64) * 22 - 3
    if kind == "grid":
        vertices = vertices.round()
    if kind == "far":
        vertices[:, ::3] = (vertices[:, ::3] - 8) * 1e7
    if kind == "repeated":
        vertices[:, 3:6] = vertices[:, 2:3]
    if kind == "not finite":
        vertices[1, 4, 0], vertices[4, 0, 1] = float("nan"), float("inf")
    if kind == "nearly upright":
        vertices[:, 1::2] = vertices[:, :-1:2] + (torch.rand(4, 2) - 0.5) * 10.0 ** -torch.arange(8).view(4, 2)
    return vertices.to(dtype)


def _simple_coverage(polygon: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    return _areas(shapely.Polygon(polygon.astype(np.float64)), size)


def _areas(face: shapely.Geometry, size: tuple[int, int]) -> np.ndarray:
    columns, rows = np.meshgrid(np.arange(size[1]), np.arange(size[0]))
    return shapely.area(shapely.intersection(shapely.box(columns, rows, columns + 1, rows + 1), face))


def _winding_areas(polygon: np.ndarray, size: tuple[int, int]) -> dict[int, np.ndarray]:
    areas: dict[int, np.ndarray] = {}
    for face in shapely.get_parts(shapely.polygonize([shapely.unary_union(shapely.LinearRing(polygon))])):
        point = face.representative_point()
        winding = _winding_number(polygon - np.array([point.x, point.y]))
        areas[winding] = areas.get(winding, np.zeros(size)) + _areas(face, size)
    areas.pop(0, None)
    return areas


def _winding_number(polygon: np.ndarray) -> int:
    """Turns of a polygon around the origin, counted as the sum of the angles under which its edges are seen."""
    seen = polygon[:, 0] + 1j * polygon[:, 1]
    return round(float(np.angle(np.roll(seen, -1) / seen).sum() / (2 * np.pi)))
