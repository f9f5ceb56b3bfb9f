# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Peers get our vertices in their own conventions: what they draw is where our rasterizer draws it."""

from __future__ import annotations

import sys
from importlib import import_module
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from monai_acdr.networks.layers import rasterize_polygons

# Pixel (c, r) covers [c, c + 1): three columns, two rows, four vertices on the grid's lines.
RECTANGLE = torch.tensor([[[2.0, 4.0], [5.0, 4.0], [5.0, 6.0], [2.0, 6.0]]])
# The same pixels, with the vertices well inside the outermost ones.
INNER = torch.tensor([[[2.25, 4.25], [4.75, 4.25], [4.75, 5.75], [2.25, 5.75]]])


@pytest.fixture
def script() -> ModuleType:
    return import_module("rasterizer_peers")


def expected_rectangle() -> np.ndarray:
    mask = np.zeros((1, 8, 8), np.uint8)
    mask[0, 4:6, 2:5] = 1
    return mask


@pytest.mark.parametrize(("maker", "package"), [("make_skimage", "skimage"), ("make_cv2", "cv2"), ("make_pil", "PIL")])
def test_what_draws_on_the_cpu_draws_where_we_draw(script: ModuleType, maker: str, package: str) -> None:
    pytest.importorskip(package, exc_type=ImportError)
    blobs = import_module("rasterizer_shapes").make_blobs(50, 32, 16, torch.Generator().manual_seed(0))
    masks = torch.as_tensor(getattr(script, maker)(32, 16, "cpu")(blobs)).double()
    exact = rasterize_polygons(blobs.double(), (32, 32))[:, 0]
    assert bool((masks[exact > 0.999] == 1).all())
    outside = torch.nn.functional.max_pool2d(exact, 3, 1, 1) < 1e-9
    assert bool((masks[outside] == 0).all())
    # What cv2 and PIL draw beyond the polygon goes to all sides alike: axes that are swapped or moved would show.
    assert float((centroids(masks) - centroids(exact)).mean(0).abs().max()) < 0.1


def centroids(masks: Tensor) -> Tensor:
    """(B, 2) centers of gravity as (x, y)."""
    grid = torch.arange(masks.shape[-1]) + 0.5
    sums = torch.stack([(masks * grid).sum((1, 2)), (masks * grid[:, None]).sum((1, 2))], -1)
    return sums / masks.sum((1, 2))[:, None]


def test_a_rectangle_on_the_grid(script: ModuleType) -> None:
    pytest.importorskip("skimage", exc_type=ImportError)
    assert np.array_equal(script.make_skimage(8, 4, "cpu")(RECTANGLE), expected_rectangle())


def test_outlines_lie_in_the_pixels_of_the_vertices(script: ModuleType) -> None:
    assert np.array_equal(script.make_pil(8, 4, "cpu")(INNER), expected_rectangle())


def test_coordinates_given_to_skimage(script: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows first, with pixel centers at whole numbers."""
    seen: list[Any] = []

    def polygon(rows: np.ndarray, columns: np.ndarray, shape: tuple[int, int]) -> tuple[list[int], list[int]]:
        seen.append((rows.tolist(), columns.tolist(), shape))
        return [1], [2]

    module = SimpleNamespace(polygon=polygon)
    monkeypatch.setitem(sys.modules, "skimage", SimpleNamespace(draw=module))
    monkeypatch.setitem(sys.modules, "skimage.draw", module)
    masks = script.make_skimage(8, 4, "cpu")(RECTANGLE)
    assert seen == [([3.5, 3.5, 5.5, 5.5], [1.5, 4.5, 4.5, 1.5], (8, 8))]
    assert masks[0, 1, 2] == masks.sum() == 1


def test_coordinates_given_to_cv2(script: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    """Columns first, fixed-point numbers, with pixel centers at whole numbers."""
    seen: list[Any] = []
    fake = SimpleNamespace(
        LINE_8=8,
        setNumThreads=lambda number: None,
        fillPoly=lambda mask, polygons, color, line, shift: seen.append((polygons[0], color, line, shift)),
    )
    monkeypatch.setitem(sys.modules, "cv2", fake)
    script.make_cv2(8, 4, "cpu")(RECTANGLE)
    polygon, color, line, shift = seen[0]
    assert (color, line) == (1, 8)
    assert polygon.dtype == np.int32
    assert (polygon / 2**shift).tolist() == (RECTANGLE[0] - 0.5).tolist()


def test_coordinates_given_to_torch_contour(script: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its points are (row, column) fractions, and it samples pixel (r, c) at (r, c): our centers move there."""
    seen = []

    class ContourToMask(torch.nn.Module):
        def __init__(self, size: int) -> None:
            super().__init__()
            self.size = size

        def forward(self, contours: Tensor) -> Tensor:
            seen.append(contours)
            return torch.zeros(contours.shape[0], 1, self.size, self.size)

    fake = ModuleType("torch_contour")
    fake.ContourToMask = ContourToMask  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "torch_contour", fake)
    masks = script.make_torch_contour(8, 3, "cpu")(torch.tensor([[[2.5, 4.5], [6.5, 4.5], [6.5, 7.5]]]))
    assert masks.shape == (1, 8, 8)
    assert seen[0].tolist() == [[[[4 / 8, 2 / 8], [4 / 8, 6 / 8], [7 / 8, 6 / 8]]]]


def test_torch_contour_does_the_same_job(script: ModuleType) -> None:
    pytest.importorskip("torch_contour", exc_type=ImportError)
    blobs = import_module("rasterizer_shapes").make_blobs(3, 64, 32)
    theirs = script.make_torch_contour(64, 32, "cpu")(blobs) > 0.5
    ours = rasterize_polygons(blobs, (64, 64))[:, 0] > 0.5
    assert float((theirs & ours).sum() / (theirs | ours).sum()) > 0.98


def test_floors_touch_every_pixel_once(script: ModuleType) -> None:
    cumsum, fill = script.make_cumsum(8, 4, "cpu"), script.make_fill(8, 4, "cpu")
    assert torch.equal(cumsum(RECTANGLE), torch.zeros(1, 8, 8))
    assert torch.equal(fill(RECTANGLE), torch.ones(1, 8, 8))
    assert fill(RECTANGLE).data_ptr() == fill(RECTANGLE).data_ptr()
