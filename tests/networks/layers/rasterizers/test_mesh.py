# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Silhouettes of triangles, against a test of every sample; training through them."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
import shapely
import torch
from hypothesis import given
from hypothesis import strategies as st

from monai_acdr.geometry import circle, signed_area
from monai_acdr.networks.layers.rasterizers import mesh
from monai_acdr.networks.layers.rasterizers.exact import rasterize_forward, rasterize_plain
from monai_acdr.networks.layers.rasterizers.mesh import (
    LEAST_DISTANCE,
    circle_faces,
    cut_triangles,
    delaunay_faces,
    expand_ranges,
    first_center,
    rasterize_mesh,
)

SIZE = (14, 11)


def by_samples(vertices: torch.Tensor, faces: torch.Tensor, samples: int) -> np.ndarray:
    """(H, W) share of each pixel's samples that lie in any triangle, by shapely."""
    triangles = shapely.union_all(shapely.polygons(vertices.double()[faces].numpy()))
    places = [(np.arange(number * samples) + 0.5) / samples for number in SIZE]
    inside = shapely.contains_xy(triangles, *np.meshgrid(places[1], places[0]))
    return inside.reshape(SIZE[0], samples, SIZE[1], samples).mean((1, 3))


def blobs(count: int = 3, size: int = 64) -> torch.Tensor:
    """Smooth star-shaped targets (B, 64, 2)."""
    angles = torch.arange(64) * (2 * torch.pi / 64)
    waves = 0.15 * torch.rand(2, count, 2) @ torch.stack([(2 * angles).cos(), (3 * angles).sin()])
    radius = size * 0.22 * (1 + waves[0] + waves[1])
    return size / 2 + 2 * torch.rand(count, 1, 2) + radius[..., None] * torch.stack([angles.cos(), angles.sin()], -1)


@pytest.mark.parametrize("anti_aliasing", [1, 2, 3])
def test_silhouette_is_the_share_of_samples(anti_aliasing: int) -> None:
    vertices = torch.rand(4, 8, 2) * torch.tensor([14.0, 17.0]) - 1.5  # triangles turn over and overlap
    masks = rasterize_mesh(vertices, SIZE, anti_aliasing=anti_aliasing)
    expected = [by_samples(shape, circle_faces(8), anti_aliasing) for shape in vertices]
    np.testing.assert_allclose(masks.numpy(), np.array(expected), atol=1e-6)


def test_circle_is_nearly_its_area() -> None:
    vertices = circle(torch.tensor([[32.0, 31.0]]), 16.0, 32)
    exact, _ = rasterize_forward(vertices, (64, 64), "nonzero")
    assert rasterize_mesh(vertices, (64, 64)).sum() == pytest.approx(exact.sum().item(), rel=0.01)
    assert (rasterize_mesh(vertices, (64, 64)) - exact).abs().max() <= 0.5


def test_faces_of_the_contour_and_of_each_contour() -> None:
    vertices = torch.rand(2, 6, 2) * 10
    faces = torch.stack([delaunay_faces(shape)[:3] for shape in vertices])
    masks = rasterize_mesh(vertices, SIZE, faces)
    for mask, shape, face in zip(masks, vertices, faces, strict=True):
        assert torch.equal(mask, rasterize_mesh(shape[None], SIZE, face)[0])
        assert torch.equal(mask, rasterize_mesh(shape[None], SIZE, face.flip(-1).int())[0])


def test_moved_triangles_overfill_a_bent_contour() -> None:
    """The documented limit: the faces of the circle fill what a C leaves open."""
    angles = torch.linspace(0.4, 2 * torch.pi - 0.4, 16, dtype=torch.float64)
    radii = torch.cat([torch.full((16,), 24.0), torch.full((16,), 12.0)]).double()
    angles = torch.cat([angles, angles.flip(0)])
    vertices = 32 + (radii[:, None] * torch.stack([angles.cos(), angles.sin()], dim=-1))[None]
    exact, _ = rasterize_forward(vertices, (64, 64), "nonzero")
    assert 1.05 < (rasterize_mesh(vertices, (64, 64)).sum() / exact.sum()).item() < 1.5


def test_dtype_and_repeatability() -> None:
    vertices = torch.rand(2, 9, 2, dtype=torch.float64, requires_grad=True)
    masks = rasterize_mesh(vertices * 10, SIZE)
    assert masks.dtype == torch.float64
    weights = torch.randn_like(masks)
    results = [torch.autograd.grad(masks, vertices, weights, retain_graph=True)[0] for _ in range(2)]
    assert torch.equal(*results)
    single = vertices.detach().float().requires_grad_()
    (gradient,) = torch.autograd.grad(rasterize_mesh(single * 10, SIZE), single, weights.float())
    assert gradient.dtype == torch.float32
    torch.testing.assert_close(gradient.double(), results[0], rtol=1e-3, atol=1e-2)


def test_gradient_points_downhill() -> None:
    """Not the true gradient, but not far from its direction: 0.7 and more, and an order of magnitude longer."""
    target = rasterize_plain(blobs(), (64, 64), "nonzero")
    start = circle(torch.full((3, 2), 32.0), 8.0, 32).requires_grad_()
    gradients = [
        torch.autograd.grad((render(start) - target).square().mean(), start)[0].flatten(1)
        for render in (lambda v: rasterize_plain(v, (64, 64), "nonzero"), lambda v: rasterize_mesh(v, (64, 64)))
    ]
    assert torch.cosine_similarity(*gradients).min() > 0.65
    assert (gradients[1].norm(dim=1) / gradients[0].norm(dim=1)).mean() > 5


def test_a_circle_fits_a_blob() -> None:
    target = rasterize_plain(blobs(2, 48), (48, 48), "nonzero")
    vertices = circle(torch.full((2, 2), 24.0), 6.0, 24).requires_grad_()
    optimizer = torch.optim.Adam([vertices], lr=0.3)
    losses = []
    for _ in range(40):
        optimizer.zero_grad()
        loss = (rasterize_mesh(vertices, (48, 48)) - target).square().mean()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    masks = rasterize_plain(vertices.detach(), (48, 48), "nonzero")
    overlap = torch.minimum(masks, target).sum((1, 2)) / torch.maximum(masks, target).sum((1, 2))
    assert losses[-1] < 0.1 * losses[0]
    assert overlap.min() > 0.85


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -float("inf")])
def test_contour_that_is_not_finite(bad: float) -> None:
    vertices = torch.rand(3, 6, 2) * 10
    expected = rasterize_mesh(vertices, SIZE)
    vertices[1, 2, 0] = bad
    masks = rasterize_mesh(vertices.requires_grad_(), SIZE)
    assert masks[1].isnan().all()
    assert torch.equal(masks[::2], expected[::2])
    (gradient,) = torch.autograd.grad(masks.square().sum(), vertices)
    assert not gradient[1].any()
    assert gradient.isfinite().all()
    assert gradient[0].any()


@pytest.mark.parametrize("scale", [1e7, 1e20, 1e38])
def test_far_vertices(scale: float) -> None:
    vertices = scale * torch.tensor([[[-1.0, -1.0], [1.0, -1.0], [0.0, 1.0]], [[1.0, 1.0], [1.5, 1.0], [2.0, 3.0]]])
    masks = rasterize_mesh(vertices.requires_grad_(), SIZE)
    assert masks[0].eq(1).all()
    assert not masks[1].any()
    (gradient,) = torch.autograd.grad(masks.sum(), vertices)
    assert gradient.isfinite().all()


@pytest.mark.parametrize("shape", [(2, 1, 2), (2, 2, 2), (0, 5, 2)])
def test_nothing_to_draw(shape: tuple[int, ...]) -> None:
    vertices = (torch.rand(shape) * 10).requires_grad_()
    masks = rasterize_mesh(vertices, SIZE)
    assert masks.shape == (shape[0], *SIZE)
    assert not masks.any()
    (gradient,) = torch.autograd.grad(masks.sum(), vertices)
    assert not gradient.any()


def test_contour_shrunk_to_a_point() -> None:
    vertices = torch.full((1, 8, 2), 4.5, requires_grad=True)
    masks = rasterize_mesh(vertices, SIZE)
    assert not masks.any()
    masks.sum().neg().backward()
    assert vertices.grad is not None
    assert vertices.grad.isfinite().all()


def test_some_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    vertices = torch.rand(4, 9, 2) * 14
    expected = rasterize_mesh(vertices, SIZE)
    monkeypatch.setattr(mesh, "_MOST_PIXELS", 50)
    monkeypatch.setattr(mesh, "_MOST_ROWS", 60)
    assert torch.equal(rasterize_mesh(vertices, SIZE), expected)


def test_is_differentiable_once() -> None:
    vertices = (torch.rand(1, 6, 2) * 10).requires_grad_()
    loss = rasterize_mesh(vertices, SIZE).square().sum()
    (gradient,) = torch.autograd.grad(loss, vertices, create_graph=True)
    with pytest.raises(RuntimeError, match="first derivatives in reverse mode"):
        gradient.sum().backward()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"anti_aliasing": 0}, "Expected `anti_aliasing` to be a positive whole number, but got 0"),
        ({"anti_aliasing": 1.5}, "Expected `anti_aliasing` to be a positive whole number, but got 1.5"),
        ({"faces": torch.zeros(4, 2, dtype=torch.int64)}, r"Expected `faces` to be \(M, 3\) or \(2, M, 3\)"),
        ({"faces": torch.zeros(3, 4, 3, dtype=torch.int64)}, r"but got \(3, 4, 3\)"),
        ({"faces": torch.zeros(4, 3)}, "Expected `faces` to be integers, but got torch.float32"),
        ({"faces": torch.tensor([[0, 1, 6]])}, "Expected `faces` to be indices of 6 vertices, but got 0 .. 6"),
        ({"faces": torch.tensor([[-1, 1, 2]])}, "Expected `faces` to be indices of 6 vertices, but got -1 .. 2"),
    ],
)
def test_bad_settings(settings: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        rasterize_mesh(torch.rand(2, 6, 2), SIZE, **settings)  # type: ignore[arg-type]


GRADIENT_SIZE = (10, 12)


@pytest.fixture
def plain_distance(monkeypatch: pytest.MonkeyPatch) -> None:
    """Reciprocals of the distances themselves."""
    monkeypatch.setattr(mesh, "LEAST_DISTANCE", 0.0)


def gradient(vertices: torch.Tensor, weights: torch.Tensor, faces: torch.Tensor | None = None) -> torch.Tensor:
    """What the backward pass gives for dL/dI = weights."""
    leaf = vertices.clone().requires_grad_()
    (result,) = torch.autograd.grad(rasterize_mesh(leaf, GRADIENT_SIZE, faces, anti_aliasing=1), leaf, weights)
    return result


def cross(one: np.ndarray, other: np.ndarray) -> float:
    return one[0] * other[1] - one[1] * other[0]


def is_inside(point: np.ndarray, triangle: np.ndarray) -> bool:
    ahead, toward = np.roll(triangle, -1, axis=0) - triangle, point - triangle
    sides = ahead[:, 0] * toward[:, 1] - ahead[:, 1] * toward[:, 0]
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
    inner, outer = neighbors(crossing, edge, axis, owner)
    if inner < 0 or outer >= 0:
        return
    at_pixel = owner[int(pixel[1]), int(pixel[0])]
    along, to_pixel, to_third = fixed - moving, pixel - moving, third - moving
    is_beyond = np.sign(cross(along, to_pixel)) != np.sign(cross(along, to_third))
    if (at_pixel < 0 and is_beyond) if wants_more else (at_pixel == face_number):
        # moving + move * unit, fixed and the pixel lie on a line
        to_fixed, unit = fixed - pixel, np.eye(2)[axis]
        yield -cross(to_fixed, moving - pixel) / cross(to_fixed, unit)


def neighbors(crossing: np.ndarray, edge: np.ndarray, axis: int, owner: np.ndarray) -> tuple[int, int]:
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
    weights = torch.randn(2, *GRADIENT_SIZE, generator=generator, dtype=torch.float64)
    result = gradient(vertices, weights)
    for mine, shape, weight in zip(result, vertices, weights, strict=True):
        expected = by_definition(shape.numpy(), circle_faces(7).numpy(), weight.numpy())
        np.testing.assert_allclose(mine.numpy(), expected, rtol=1e-9, atol=1e-9)


TRIANGLE = torch.tensor([[[2.0, 3.0], [7.0, 1.0], [7.0, 6.0]]], dtype=torch.float64)
"""Its right edge is vertical, at x = 7, and crosses row 2 (y = 2.5) a share 0.3 of its way down."""


def at_pixel(row: int, column: int, value: float) -> torch.Tensor:
    weights = torch.zeros(1, *GRADIENT_SIZE, dtype=torch.float64)
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


def test_gradient_of_some_pixels_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    vertices, weights = torch.rand(3, 8, 2) * 9, torch.randn(3, *GRADIENT_SIZE)
    expected = gradient(vertices, weights)
    monkeypatch.setattr(mesh, "_MOST_GRADIENT_PIXELS", 30)
    torch.testing.assert_close(gradient(vertices, weights), expected, rtol=1e-5, atol=1e-6)


SPANS_SIZE = (9, 11)


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
    masks = np.zeros((faces.shape[0] * faces.shape[1], *SPANS_SIZE), dtype=bool)
    for spans in cut_triangles(points, faces, SPANS_SIZE):
        for face, line, first, stop in zip(spans.face, spans.line, spans.first, spans.stop, strict=True):
            assert line // SPANS_SIZE[0] == face // faces.shape[1]
            masks[face, line % SPANS_SIZE[0], max(first, 0) : max(stop, 0)] = True
    return masks


def some_triangles() -> tuple[torch.Tensor, torch.Tensor]:
    points = torch.rand(60, 2, dtype=torch.float64) * 16 - 3
    return points, torch.arange(60).view(4, 5, 3)


def test_spans_cover_the_centers_inside() -> None:
    points, faces = some_triangles()
    expected = [centers_inside(points[face].numpy(), SPANS_SIZE) for face in faces.flatten(0, 1)]
    assert np.array_equal(covered(points, faces), np.array(expected))


def test_crossings_lie_on_their_edges() -> None:
    points, faces = some_triangles()
    (spans,) = cut_triangles(points, faces, SPANS_SIZE)
    assert (spans.left.x <= spans.right.x).all()
    for crossings in (spans.left, spans.right):
        place = torch.lerp(points[crossings.start], points[crossings.end], crossings.t[:, None])
        torch.testing.assert_close(place[:, 0], crossings.x)
        torch.testing.assert_close(place[:, 1], spans.line % SPANS_SIZE[0] + 0.5, check_dtype=False)
        assert ((crossings.t >= 0) & (crossings.t < 1)).all()
        corners = faces.flatten(0, 1)[spans.face]
        assert (corners == crossings.start[:, None]).any(1).all()
        assert (corners == crossings.end[:, None]).any(1).all()


def test_neighbors_share_no_pixel_and_leave_none_out() -> None:
    # All vertices and crossings lie on centers or grid lines: the ties.
    points = torch.tensor([[0.5, 0.5], [8.5, 0.5], [8.5, 8.5], [0.5, 8.5], [4.5, 4.5]], dtype=torch.float64)
    faces = torch.tensor([[[0, 1, 4], [1, 2, 4], [2, 3, 4], [3, 0, 4]]])
    count = covered(points, faces).sum(0)
    expected = np.zeros(SPANS_SIZE, dtype=int)
    expected[:8, :8] = 1
    assert np.array_equal(count, expected)


def test_spans_of_some_triangles_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    points, faces = some_triangles()
    expected = covered(points, faces)
    monkeypatch.setattr(mesh, "_MOST_ROWS", 30)
    assert len(list(cut_triangles(points, faces, SPANS_SIZE))) == 7
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
