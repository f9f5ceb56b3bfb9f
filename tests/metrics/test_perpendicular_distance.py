# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Average perpendicular distance against shapely, and the good contours of the challenge."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import shapely
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from monai_acdr.geometry import circle
from monai_acdr.metrics import (
    AveragePerpendicularDistanceMetric,
    compute_average_perpendicular_distance,
    compute_good_contours,
)

offsets = st.floats(-50, 50, allow_nan=False)


def _star(seed: int, count: int = 17) -> torch.Tensor:
    rng = np.random.default_rng(seed)
    angles = np.sort(rng.uniform(0, 2 * math.pi, count))
    radii = rng.uniform(8, 15, count)[:, None]
    return torch.from_numpy(30 + radii * np.stack([np.cos(angles), np.sin(angles)], 1))


def _shapely_distance(pred: torch.Tensor, reference: torch.Tensor, count: int = 512) -> float:
    line, ring = shapely.LinearRing(pred.numpy()), shapely.LinearRing(reference.numpy())
    points = shapely.line_interpolate_point(line, np.arange(count) / count, normalized=True)
    return float(np.mean(shapely.distance(ring, points)))


@pytest.mark.parametrize("seed", range(4))
def test_against_shapely(seed: int) -> None:
    pred, reference = _star(seed), _star(seed + 100, count=23)
    value = compute_average_perpendicular_distance(pred, reference)
    assert value.item() == pytest.approx(_shapely_distance(pred, reference), rel=1e-9)


def test_anisotropic_spacing_is_row_then_column() -> None:
    pred, reference = _star(1), _star(2)
    in_mm = torch.tensor([2.0, 0.5])  # x by the column spacing, y by the row spacing
    value = compute_average_perpendicular_distance(pred, reference, spacing=(0.5, 2.0))
    assert value.item() == pytest.approx(_shapely_distance(pred * in_mm, reference * in_mm), rel=1e-9)


def test_concentric_circles() -> None:
    inner, outer = (circle(torch.tensor([20.0, 30.0], dtype=torch.float64), radius, 720) for radius in (10.0, 13.0))
    assert compute_average_perpendicular_distance(inner, outer).item() == pytest.approx(3, abs=1e-3)
    assert compute_average_perpendicular_distance(inner, outer, (1.3, 1.3)).item() == pytest.approx(3.9, abs=2e-3)


def test_edges_count_not_only_vertices() -> None:
    # The middle of a long edge lies far from every vertex but on the polyline.
    reference = torch.tensor([[0.0, 0.0], [100.0, 0.0], [100.0, 100.0], [0.0, 100.0]])
    assert compute_average_perpendicular_distance(torch.tensor([[50.0, 1.0]]), reference).item() == pytest.approx(1)


def test_the_closing_edge_counts() -> None:
    triangle = torch.tensor([[0.0, 0.0], [10.0, 0.0], [10.0, 10.0]])
    assert compute_average_perpendicular_distance(torch.tensor([[5.0, 5.0]]), triangle).item() == pytest.approx(0)


@settings(deadline=None, max_examples=20)
@given(offsets, offsets, st.integers(0, 16))
def test_invariant_to_translation_and_start(x: float, y: float, shift: int) -> None:
    pred, reference, offset = _star(3), _star(4), torch.tensor([x, y], dtype=torch.float64)
    value = compute_average_perpendicular_distance(pred, reference).item()
    moved = compute_average_perpendicular_distance(pred + offset, reference + offset).item()
    assert moved == pytest.approx(value, abs=1e-9)
    turned = compute_average_perpendicular_distance(pred.roll(shift, 0), reference.roll(shift, 0).flip(0)).item()
    assert turned == pytest.approx(value, rel=0.01)


def test_identical_contours_are_0_apart() -> None:
    contour = _star(5)
    assert compute_average_perpendicular_distance(contour, contour.flip(0)).item() == pytest.approx(0, abs=1e-9)
    assert compute_average_perpendicular_distance(contour[None], contour[None]).item() == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize("shape", [(3,), (2, 5, 2), (0, 2), (4, 3)])
def test_bad_shape(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="Expected `(pred|vertices)` to be"):
        compute_average_perpendicular_distance(torch.zeros(shape), _star(0))


def test_not_finite() -> None:
    with pytest.raises(ValueError, match="finite coordinates"):
        compute_average_perpendicular_distance(torch.full((4, 2), math.nan), _star(0))


def test_good_contours() -> None:
    good = compute_good_contours([1.0, 2.0, 4.9999, 5.0, 40.0], [0.9, 0.8, 0.7, 0.5, 0.0])
    assert good.percent == pytest.approx(60)
    assert good.dice == pytest.approx(0.8)
    assert good.distance == pytest.approx((1 + 2 + 4.9999) / 3)


def test_no_good_contour() -> None:
    assert compute_good_contours([6.0], [0.2]) == (0.0, None, None)
    with pytest.raises(ValueError, match="at least one"):
        compute_good_contours([], [])


def test_metric_takes_contours_of_any_length() -> None:
    pairs = [(_star(1), _star(2)[None]), (_star(3, 30)[None], _star(4, 11))]
    metric = AveragePerpendicularDistanceMetric()
    metric([pred for pred, _ in pairs], [reference for _, reference in pairs], spacing=[None, (1.3, 1.3)])
    expected = [
        _shapely_distance(pairs[0][0], pairs[0][1][0]),
        _shapely_distance(1.3 * pairs[1][0][0], 1.3 * pairs[1][1]),
    ]
    assert metric.get_buffer().flatten().tolist() == pytest.approx(expected, rel=1e-6)
    assert metric.aggregate().item() == pytest.approx(np.mean(expected), rel=1e-6)


@pytest.mark.parametrize("batch", [list, torch.stack], ids=["contours", "batch"])
@pytest.mark.parametrize("make", [list, np.array, torch.tensor], ids=["list", "array", "tensor"])
def test_metric_takes_spacings_in_any_container(make: Callable[..., Any], batch: Callable[..., Any]) -> None:
    one, other = circle(torch.tensor([20.0, 20.0]), 8.0, 64), circle(torch.tensor([20.0, 20.0]), 10.0, 64)
    metric = AveragePerpendicularDistanceMetric(reduction="none")
    metric(batch([one, one]), batch([other, other]), spacing=make([[0.5, 0.5], [2.0, 2.0]]))
    torch.testing.assert_close(metric.aggregate().flatten(), torch.tensor([1.0, 4.0]), rtol=5e-3, atol=0)


def test_metric_takes_several_structures_with_missing_references() -> None:
    first = torch.stack([_star(1), _star(2)]), torch.stack([_star(3, 30), _star(4, 30)])
    second = torch.stack([_star(5), _star(6)]), torch.stack([_star(7, 30), torch.full_like(_star(4, 30), torch.nan)])
    metric = AveragePerpendicularDistanceMetric()
    metric([first[0], second[0]], [first[1], second[1]])
    values = metric.get_buffer()
    assert values.shape == (2, 2) and values[1, 1].isnan()
    for row, (preds, references) in enumerate((first, second)):
        for index in range(2 - row):
            expected = compute_average_perpendicular_distance(preds[index], references[index]).item()
            assert values[row, index].item() == pytest.approx(expected, rel=1e-6)
    assert metric.aggregate("mean_batch").tolist() == pytest.approx([values[:, 0].mean().item(), values[0, 1].item()])
    with pytest.raises(ValueError, match="a reference contour for each structure, but got 2 contours and 1 references"):
        metric([first[0]], [first[1][:1]])
