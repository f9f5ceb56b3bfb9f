# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""The soft mask, against shapely's distances and finite differences."""

from __future__ import annotations

import math

import numpy as np
import pytest
import shapely
import torch

from monai_acdr.geometry import circle, signed_area
from monai_acdr.networks.layers.rasterizers import soft
from monai_acdr.networks.layers.rasterizers.exact import rasterize_forward
from monai_acdr.networks.layers.rasterizers.soft import rasterize_soft

SIZE = (12, 15)
PENTAGRAM = 7.3 + 5.5 * torch.tensor(
    [[[math.cos(4 * math.pi * k / 5), math.sin(4 * math.pi * k / 5)] for k in range(5)]], dtype=torch.float64
)
SQUARE = torch.tensor([[[1.0, 1.0], [11.0, 1.5], [10.5, 10.0], [1.2, 9.5]]], dtype=torch.float64)
HOLE = torch.tensor([[[4.2, 4.1], [4.4, 7.6], [8.1, 7.4], [8.3, 4.3]]], dtype=torch.float64)  # the other way round


def stars(count: int, num_vertices: int = 9) -> torch.Tensor:
    """Simple polygons (B, K, 2) float64 around the middle of the frame."""
    angles = (torch.arange(num_vertices) + 0.6 * torch.rand(count, num_vertices)) * (2 * torch.pi / num_vertices)
    radii = 2 + 4 * torch.rand(count, num_vertices)
    directions = torch.stack([angles.cos(), angles.sin()], dim=-1)
    return (torch.tensor([7.3, 6.1]) + radii[..., None] * directions).double()


def by_distance(
    lines: shapely.Geometry, inside: shapely.Geometry, softness: float, size: tuple[int, int]
) -> np.ndarray:
    """(H, W) of the definition: distance to ``lines``, positive in ``inside``."""
    columns, rows = np.meshgrid(np.arange(size[1]) + 0.5, np.arange(size[0]) + 0.5)
    distance = shapely.distance(lines, shapely.points(columns, rows))
    signed = np.where(shapely.contains_xy(inside, columns, rows), distance, -distance)
    return np.exp(-np.logaddexp(0, -signed / softness))


def lines_of(*rings: torch.Tensor) -> shapely.Geometry:
    return shapely.MultiLineString([shapely.LinearRing(ring.double().numpy()) for ring in rings])


@pytest.mark.parametrize("softness", [0.25, 2.0])
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-12), (torch.float32, 1e-5)])
def test_mask_is_the_sigmoid_of_the_distance(softness: float, dtype: torch.dtype, tolerance: float) -> None:
    vertices = stars(4).to(dtype)
    masks = rasterize_soft(vertices, SIZE, softness)
    assert masks.dtype == dtype
    for mask, shape in zip(masks, vertices, strict=True):
        expected = by_distance(lines_of(shape), shapely.Polygon(shape.double().numpy()), softness, SIZE)
        np.testing.assert_allclose(mask.numpy(), expected, atol=tolerance)


@pytest.mark.parametrize("fill_rule", ["nonzero", "evenodd"])
def test_fill_rules_of_a_pentagram(fill_rule: str) -> None:
    lines = lines_of(PENTAGRAM[0])
    parts = shapely.get_parts(shapely.polygonize([shapely.unary_union(lines)]))
    core = [part for part in parts if part.contains(shapely.Point(7.3, 7.3))]  # wound around twice
    inside = shapely.union_all([part for part in parts if fill_rule == "nonzero" or part not in core])
    expected = by_distance(lines, inside, 0.5, SIZE)
    np.testing.assert_allclose(rasterize_soft(PENTAGRAM, SIZE, 0.5, fill_rule)[0].numpy(), expected, atol=1e-12)


@pytest.mark.parametrize(("hole", "fill_rule"), [(HOLE, "nonzero"), (HOLE, "evenodd"), (HOLE.flip(1), "evenodd")])
def test_rings_make_holes(hole: torch.Tensor, fill_rule: str) -> None:
    vertices = torch.cat([SQUARE, hole, SQUARE + 1, hole - 0.5])
    masks = rasterize_soft(vertices, SIZE, 0.4, fill_rule, rings=2)
    assert masks.shape == (2, *SIZE)
    for mask, (outer, inner) in zip(masks, vertices.view(2, 2, 4, 2), strict=True):
        expected = by_distance(lines_of(outer, inner), shapely.Polygon(outer.numpy(), [inner.numpy()]), 0.4, SIZE)
        np.testing.assert_allclose(mask.numpy(), expected, atol=1e-12)


def test_ring_of_the_same_orientation_fills_under_nonzero() -> None:
    masks = rasterize_soft(torch.cat([SQUARE, HOLE.flip(1)]), SIZE, 0.1, rings=2)
    assert masks[0, 5, 6] > 0.99


def test_centers_on_the_contour_and_on_vertices() -> None:
    square = torch.tensor([[[1.5, 1.5], [4.5, 1.5], [4.5, 4.5], [1.5, 4.5]]])
    mask = rasterize_soft(square, (6, 6))
    assert mask[0, 1, 1:5].tolist() == [0.5] * 4
    assert mask[0, 1:5, 4].tolist() == [0.5] * 4
    assert mask[0, 2:4, 2:4].min() > 0.9
    assert mask[0, 0].max() < 0.1


def test_area_is_nearly_exact() -> None:
    vertices = circle(torch.tensor([[32.0, 31.0]]), 16.0, 32)
    assert rasterize_soft(vertices, (64, 64)).sum() == pytest.approx(signed_area(vertices).item(), rel=2e-3)
    exact, _ = rasterize_forward(vertices, (64, 64), "nonzero")
    assert (rasterize_soft(vertices, (64, 64)) - exact).abs().max() < 0.12


@pytest.mark.parametrize("fill_rule", ["nonzero", "evenodd"])
@pytest.mark.parametrize("softness", [0.3, 3.0])
def test_gradcheck(fill_rule: str, softness: float) -> None:
    vertices = stars(2, 6).requires_grad_()
    assert torch.autograd.gradcheck(lambda v: rasterize_soft(v, (7, 8), softness, fill_rule), vertices)


def test_gradcheck_of_rings_and_of_crossing_edges() -> None:
    vertices = torch.cat([SQUARE, HOLE, PENTAGRAM[:, :4], HOLE + 0.3]).requires_grad_()
    assert torch.autograd.gradcheck(lambda v: rasterize_soft(v, (9, 8), 0.7, "evenodd", rings=2), vertices)


@pytest.mark.parametrize("turns", range(4))
def test_gradient_of_centers_on_an_edge_is_that_of_both_sides(turns: int) -> None:
    """The upper edge passes through the centers of row 2; the derivative there is a true one."""
    vertices = torch.tensor([[[0.2, 2.5], [7.8, 2.5], [6.0, 7.0], [2.0, 7.0]]], dtype=torch.float64)
    weights = torch.zeros(8, 8, dtype=torch.float64)
    weights[2, 2:6] = torch.tensor([1.0, -2.0, 3.0, 0.5])
    for _ in range(turns):
        vertices = torch.stack([8 - vertices[..., 1], vertices[..., 0]], dim=-1)
        weights = weights.T.flip(1)
    for shape in (vertices, vertices.flip(1)):
        leaf = shape.clone().requires_grad_()
        (gradient,) = torch.autograd.grad((rasterize_soft(leaf, (8, 8), 0.5)[0] * weights).sum(), leaf)
        for index in np.ndindex(4, 2):
            step = torch.zeros_like(shape)
            step[0][index] = 1e-5
            values = [(rasterize_soft(shape + side * step, (8, 8), 0.5)[0] * weights).sum() for side in (1, -1)]
            assert gradient[0][index].item() == pytest.approx(((values[0] - values[1]) / 2e-5).item(), abs=1e-6)


def test_gradient_reaches_as_far_as_the_softness() -> None:
    vertices = circle(torch.tensor([[30.0, 6.0]]), 3.0, 8).requires_grad_()
    lengths = []
    for softness in (0.25, 4.0):
        (gradient,) = torch.autograd.grad(rasterize_soft(vertices, SIZE, softness)[0, 6, 1], vertices)
        lengths.append(gradient.norm().item())
    assert lengths[0] == pytest.approx(0, abs=1e-20)
    assert lengths[1] > 1e-4


def test_a_circle_fits_an_ellipse() -> None:
    target, _ = rasterize_forward(
        circle(torch.zeros(1, 2), 1.0, 64) * torch.tensor([12.0, 8.0]) + torch.tensor([17.0, 15.0]), (32, 32), "nonzero"
    )
    vertices = circle(torch.full((1, 2), 16.0), 4.0, 16).requires_grad_()
    optimizer = torch.optim.Adam([vertices], lr=0.3)
    losses = []
    for _ in range(80):
        optimizer.zero_grad()
        loss = (rasterize_soft(vertices, (32, 32)) - target).square().mean()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    mask, _ = rasterize_forward(vertices.detach(), (32, 32), "nonzero")
    assert losses[-1] < 0.02 * losses[0]
    assert torch.minimum(mask, target).sum() / torch.maximum(mask, target).sum() > 0.95


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -float("inf")])
@pytest.mark.parametrize("rings", [1, 2])
def test_mask_that_is_not_finite(bad: float, rings: int) -> None:
    vertices = torch.rand(3 * rings, 6, 2) * 10
    expected = rasterize_soft(vertices, SIZE, rings=rings)
    vertices[2 * rings - 1, 2, 0] = bad
    masks = rasterize_soft(vertices.requires_grad_(), SIZE, rings=rings)
    assert masks[1].isnan().all()
    assert torch.equal(masks[::2], expected[::2])
    (gradient,) = torch.autograd.grad(masks.square().sum(), vertices)
    by_mask = gradient.view(3, rings, 6, 2)
    assert gradient.isfinite().all()
    assert not by_mask[1].any()
    assert by_mask[0].any()


def test_far_vertices() -> None:
    vertices = torch.tensor([[[-1e7, 5.0], [1e7, 3.0], [6.0, 1e7]], [[1e7, 1e7], [1.1e7, 1e7], [1e7, 1.1e7]]])
    masks = rasterize_soft(vertices.requires_grad_(), SIZE)
    for mask, shape in zip(masks.detach(), vertices.detach(), strict=True):
        expected = by_distance(lines_of(shape), shapely.Polygon(shape.double().numpy()), 0.25, SIZE)
        np.testing.assert_allclose(mask.numpy(), expected, atol=1e-6)
    (gradient,) = torch.autograd.grad(masks.sum(), vertices)
    assert gradient.isfinite().all()
    assert gradient[0].any()
    for scale in (1e20, 1e37):
        leaf = (stars(1).float() * scale).requires_grad_()
        masks = rasterize_soft(leaf, SIZE)
        (gradient,) = torch.autograd.grad(masks.sum(), leaf)
        assert masks.isfinite().all()
        assert gradient.isfinite().all()


@pytest.mark.parametrize(
    "vertices",
    [
        [[4.5, 4.5]],
        [[4.5, 4.5], [4.5, 4.5]],
        [[1.5, 4.5], [7.5, 4.5]],
        [[1.0, 1.0], [4.0, 4.0], [7.0, 7.0], [4.0, 4.0]],
        [[2.2, 3.1], [2.2, 3.1], [2.2, 3.1]],
    ],
)
def test_polygons_without_area(vertices: list[list[float]]) -> None:
    leaf = torch.tensor([vertices], requires_grad=True)
    masks = rasterize_soft(leaf, SIZE)
    assert masks.max() <= 0.5
    (gradient,) = torch.autograd.grad(masks.sum(), leaf)
    assert gradient.isfinite().all()
    line = shapely.LineString(vertices) if len(vertices) > 1 else shapely.Point(vertices[0])
    np.testing.assert_allclose(masks[0].detach().numpy(), by_distance(line, shapely.Polygon(), 0.25, SIZE), atol=1e-6)


def test_invariances() -> None:
    vertices = stars(3)
    masks = rasterize_soft(vertices, SIZE)
    repeated = torch.cat([vertices, vertices[:, -1:]], dim=1)
    for same in (vertices.roll(2, dims=1), vertices.flip(1), repeated):
        torch.testing.assert_close(rasterize_soft(same, SIZE), masks, rtol=0, atol=1e-12)
    moved = rasterize_soft(vertices + torch.tensor([3, 2]), (SIZE[0] + 2, SIZE[1] + 3))
    torch.testing.assert_close(moved[:, 2:, 3:], masks, rtol=0, atol=1e-12)


def test_empty_batch() -> None:
    vertices = torch.rand(0, 5, 2, requires_grad=True)
    masks = rasterize_soft(vertices, SIZE)
    assert masks.shape == (0, *SIZE)
    masks.sum().backward()


@pytest.mark.parametrize("pairs", [7, 40, 400])
def test_some_at_a_time(monkeypatch: pytest.MonkeyPatch, pairs: int) -> None:
    vertices = stars(4)
    expected = rasterize_soft(vertices, SIZE)
    monkeypatch.setattr(soft, "_MOST_PAIRS", pairs)
    assert torch.equal(rasterize_soft(vertices, SIZE), expected)


def test_memory_does_not_grow_with_the_vertices() -> None:
    kept: list[int] = []
    with torch.autograd.graph.saved_tensors_hooks(lambda saved: kept.append(saved.numel()), lambda nothing: nothing):
        rasterize_soft(circle(torch.full((2, 2), 16.0), 9.0, 500).requires_grad_(), (32, 32))
    assert sum(kept) <= 5 * 2 * 32 * 32


def test_is_differentiable_once() -> None:
    vertices = stars(1).requires_grad_()
    (gradient,) = torch.autograd.grad(rasterize_soft(vertices, SIZE).square().sum(), vertices, create_graph=True)
    with pytest.raises(RuntimeError, match="first derivatives in reverse mode"):
        gradient.sum().backward()


def test_bad_settings() -> None:
    with pytest.raises(ValueError, match="method 'soft' to be one of .* but got 'signed'.*use method 'exact'"):
        rasterize_soft(SQUARE, SIZE, fill_rule="signed")
    for softness in (0.0, -1.0, float("nan"), float("inf")):
        with pytest.raises(ValueError, match="Expected `softness` to be a positive number of pixels, but got"):
            rasterize_soft(SQUARE, SIZE, softness)
