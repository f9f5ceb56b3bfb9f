# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Silhouettes of triangles, against a test of every sample; training through them."""

from __future__ import annotations

import numpy as np
import pytest
import shapely
import torch

from monai_acdr.geometry import circle
from monai_acdr.networks.layers.rasterizers import mesh, triangle_spans
from monai_acdr.networks.layers.rasterizers.exact import rasterize_forward, rasterize_plain
from monai_acdr.networks.layers.rasterizers.mesh import rasterize_mesh
from monai_acdr.networks.layers.rasterizers.triangulation import circle_faces, delaunay_faces

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
    monkeypatch.setattr(triangle_spans, "_MOST_ROWS", 60)
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
