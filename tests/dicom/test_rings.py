# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import time

import numpy as np
import pytest
import shapely

from monai_acdr.dicom import regions
from monai_acdr.dicom.regions import MAX_RINGS, find_holes, join_keyholes, rasterize_rings, split_keyholes
from monai_acdr.read_budget import read_budget


def square(low: float, high: float) -> np.ndarray:
    return np.array([[low, low], [high, low], [high, high], [low, high]], dtype=np.float64)


def blob(seed: int, radius: float) -> np.ndarray:
    """A wavy ring of half to one and a half times the radius around (32, 32), too uneven for any symmetry."""
    generator = np.random.default_rng(seed)
    angles = np.sort(generator.uniform(0, 2 * np.pi, 60))
    radii = radius * (1 + 0.2 * np.sin(3 * angles + seed) + 0.1 * np.cos(5 * angles))
    return np.stack([32 + radii * np.cos(angles), 32 + radii * np.sin(angles)], -1)


@pytest.mark.parametrize("exclusive", [False, True])
@pytest.mark.parametrize("seed", range(5))
def test_nested_rings_are_an_exclusive_disjunction(seed: int, exclusive: bool) -> None:
    """Against shapely, for any order and orientation."""
    rings = [blob(seed, 20), blob(seed, 12), blob(seed, 6), blob(seed, 2.5)]
    expected = shapely.Polygon()
    for ring in rings:
        expected ^= shapely.Polygon(ring)
    generator = np.random.default_rng(seed)
    mixed = [rings[i][:: generator.choice([-1, 1])] for i in generator.permutation(4)]
    ordered, holes = find_holes(mixed, (64, 64), exclusive)
    assert holes == (False, True, False, True)
    mask = rasterize_rings(ordered, holes, (64, 64))
    rows, columns = np.indices((64, 64))
    boxes = shapely.box(columns, rows, columns + 1, rows + 1)
    np.testing.assert_allclose(mask, shapely.area(shapely.intersection(boxes, expected)), atol=2e-5)
    joined = join_keyholes(ordered, holes)
    np.testing.assert_allclose(rasterize_rings(joined, (), (64, 64)), mask, atol=2e-5)
    again = find_holes([part for polygon in joined for part in split_keyholes(polygon)], (64, 64), exclusive)
    assert again[1] == holes
    for one, other in zip(again[0], ordered, strict=True):
        assert shapely.Polygon(one).symmetric_difference(shapely.Polygon(other)).area < 1e-9


def test_two_holes_of_one_ring_and_a_ring_beside_it() -> None:
    rings = [square(2, 30), square(4, 8), square(20, 25), square(40, 44)]
    ordered, holes = find_holes(rings, (64, 64))
    assert rasterize_rings(ordered, holes, (64, 64)).sum() == pytest.approx(784 - 16 - 25 + 16)
    joined = join_keyholes(ordered, holes)
    assert [len(polygon) for polygon in joined] == [4 + 2 * 6, 4]
    assert sorted(len(part) for part in split_keyholes(joined[0])) == [4, 4, 4]


def test_polygons_without_channels_stay() -> None:
    for polygon in (blob(3, 10), square(0, 4)):
        (same,) = split_keyholes(polygon)
        assert same is polygon
    spike = np.array([[0.0, 0], [5, 0], [9, 0], [5, 0], [5, 5]])
    assert len(split_keyholes(spike)) == 1
    assert split_keyholes(np.zeros((5, 2)))[0].shape == (5, 2)


def test_rings_outside_of_the_image() -> None:
    ordered, holes = find_holes([square(100, 300), square(150, 200), square(-1e6, -5e5)], (64, 64))
    assert holes == (False, False, False) and not rasterize_rings(ordered, holes, (64, 64)).any()


@pytest.mark.parametrize("pixels", [1, 5000, 1 << 20])
def test_rings_drawn_together_are_those_drawn_alone(pixels: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of several numbers of vertices, clipped by the image or outside of it, in batches of any size."""
    rings = [blob(0, 20), blob(1, 3), blob(2, 90), square(-9, 5), square(40, 90), square(70, 80), square(3, 3)]
    rows, columns = np.indices((64, 64))
    boxes = shapely.box(columns, rows, columns + 1, rows + 1)
    monkeypatch.setattr(regions, "_BATCH_PIXELS", pixels)
    for ring in rings:
        mask = rasterize_rings([ring], (), (64, 64))
        exact = shapely.area(shapely.intersection(boxes, shapely.make_valid(shapely.Polygon(ring))))
        np.testing.assert_allclose(mask, exact, atol=2e-7)
    united = np.minimum(sum(rasterize_rings([ring], (), (64, 64)) for ring in rings), 1)
    np.testing.assert_allclose(rasterize_rings(rings, (), (64, 64)), united, atol=1e-6)


def test_limits() -> None:
    with pytest.raises(ValueError, match=f"at most {MAX_RINGS} contours of a structure on one image, but got 1001"):
        find_holes([square(i, i + 1) for i in range(1001)], (64, 64))
    with read_budget(1), pytest.raises(ValueError, match="mask of 65535 x 65535 pixels to need at most 1 MiB"):
        rasterize_rings([square(0, 1)], (), (65535, 65535))


def test_long_polygons_take_no_square_of_time() -> None:
    start = time.perf_counter()
    there_and_back = np.stack([np.arange(100_000) % 997, np.arange(100_000) % 2], -1).astype(float)
    split_keyholes(there_and_back)
    assert time.perf_counter() - start < 20
