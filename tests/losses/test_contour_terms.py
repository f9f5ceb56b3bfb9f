# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""The terms of the energy, each against numpy."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from monai_acdr.geometry import circle, perimeter, signed_area
from monai_acdr.losses import BalloonLoss, CurvatureLoss, DistanceLoss, SegmentationLoss
from monai_acdr.networks.layers import rasterize_polygons

SIZE = (20, 30)


def masks() -> tuple[Tensor, Tensor]:
    return torch.rand(3, 1, 6, 5, dtype=torch.float64), (torch.rand(3, 1, 6, 5) > 0.5).double()


def polygons(batch: int = 3, num_vertices: int = 7) -> Tensor:
    return torch.rand(batch, num_vertices, 2, dtype=torch.float64) * 20


def normalized(vertices: Tensor) -> np.ndarray:
    return vertices.numpy() / np.array([SIZE[1] / 2, SIZE[0] / 2]) - 1


# --- Values ---------------------------------------------------------------------------------------------------------


def test_mean_squared_difference_is_equation_5() -> None:
    rendered, reference = masks()
    expected = ((rendered.numpy() - reference.numpy()) ** 2).mean((1, 2, 3))
    np.testing.assert_allclose(SegmentationLoss(reduction="none")(rendered, reference).numpy(), expected)


def test_dice() -> None:
    rendered, reference = masks()
    p, g = rendered.numpy(), reference.numpy()
    expected = 1 - 2 * (p * g).sum((1, 2, 3)) / (p + g).sum((1, 2, 3))
    result = SegmentationLoss("dice", reduction="none")(rendered, reference)
    np.testing.assert_allclose(result.numpy(), expected, atol=1e-5)  # MONAI smooths both sums


def test_balloon_is_equation_6() -> None:
    rendered, _ = masks()
    expected = 1 - rendered.numpy().mean((1, 2, 3))
    np.testing.assert_allclose(BalloonLoss(reduction="none")(rendered).numpy(), expected)


@pytest.mark.parametrize("squared", [True, False])
def test_curvature_is_equation_7_in_the_normalized_square(squared: bool) -> None:
    vertices = polygons()
    points = normalized(vertices)
    expected = []
    for polygon in points:
        total = 0.0
        for j in range(len(polygon)):
            bend = polygon[j - 1] - 2 * polygon[j] + polygon[(j + 1) % len(polygon)]
            total += float(bend @ bend) if squared else float(np.sqrt(bend @ bend))
        expected.append(total / len(polygon))
    np.testing.assert_allclose(CurvatureLoss(squared, reduction="none")(vertices, SIZE).numpy(), expected)


def test_distance_is_the_sum_of_squared_edges_in_the_normalized_square() -> None:
    vertices = polygons()
    points = normalized(vertices)
    expected = ((points - np.roll(points, 1, axis=1)) ** 2).sum((1, 2))
    np.testing.assert_allclose(DistanceLoss(reduction="none")(vertices, SIZE).numpy(), expected)


@pytest.mark.parametrize("term", [CurvatureLoss(), CurvatureLoss(False), DistanceLoss()])
def test_contour_terms_do_not_depend_on_the_image_s_size_place_start_or_direction(term: Any) -> None:
    vertices = polygons()
    expected = term(vertices, SIZE)
    torch.testing.assert_close(term(3 * vertices, (60, 90)), expected)
    torch.testing.assert_close(term(vertices + 5, SIZE), expected)
    torch.testing.assert_close(term(torch.roll(vertices, 2, dims=1), SIZE), expected)
    torch.testing.assert_close(term(vertices.flip(1), SIZE), expected)


def test_curvature_of_a_regular_polygon_by_hand() -> None:
    """|p[j-1] - 2 p[j] + p[j+1]| = 2 r (1 - cos(2 pi / K))."""
    vertices = circle(torch.tensor([[32.0, 32.0]], dtype=torch.float64), 16.0, 12)
    bend = 2 * 0.5 * (1 - np.cos(2 * np.pi / 12))
    assert CurvatureLoss(False)(vertices, (64, 64)).item() == pytest.approx(bend)
    assert CurvatureLoss(True)(vertices, (64, 64)).item() == pytest.approx(bend**2)


# --- Reductions -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("make", [SegmentationLoss, BalloonLoss, CurvatureLoss, DistanceLoss])
def test_reductions_are_over_samples(make: Callable[..., Any]) -> None:
    inputs: dict[Any, tuple[Any, ...]] = {SegmentationLoss: masks(), BalloonLoss: masks()[:1]}
    values = {name: make(reduction=name)(*inputs.get(make, (polygons(), SIZE))) for name in ("none", "mean", "sum")}
    if make in (CurvatureLoss, DistanceLoss):  # polygons() draws anew
        vertices = polygons()
        values = {name: make(reduction=name)(vertices, SIZE) for name in values}
    assert values["none"].shape == (3,)
    torch.testing.assert_close(values["mean"], values["none"].mean())
    torch.testing.assert_close(values["sum"], values["none"].sum())
    with pytest.raises(ValueError, match="'median' is not a valid LossReduction"):
        make(reduction="median")


@pytest.mark.parametrize("kind", ["mse", "dice"])
def test_mask_terms_of_several_structures_and_missing_references(kind: str) -> None:
    rendered, reference = torch.rand(3, 2, 6, 5), (torch.rand(3, 2, 6, 5) > 0.5).float()
    expected = torch.stack(
        [SegmentationLoss(kind, "none")(rendered[:, n : n + 1], reference[:, n : n + 1]) for n in range(2)], dim=1
    )
    torch.testing.assert_close(SegmentationLoss(kind, "none")(rendered, reference), expected)
    torch.testing.assert_close(SegmentationLoss(kind)(rendered, reference), expected.mean())
    reference[1, 0] = torch.nan
    expected[1, 0] = 0
    torch.testing.assert_close(SegmentationLoss(kind, "none")(rendered, reference), expected)
    torch.testing.assert_close(SegmentationLoss(kind)(rendered, reference), expected.sum() / 5)
    torch.testing.assert_close(BalloonLoss("none")(rendered), 1 - rendered.mean((2, 3)))
    vertices = torch.stack([polygons(), polygons()], dim=1)
    for term in (CurvatureLoss(reduction="none"), DistanceLoss("none")):
        assert torch.equal(term(vertices, SIZE)[:, 1], term(vertices[:, 1], SIZE))


# --- Gradients ------------------------------------------------------------------------------------------------------


def step(vertices: Tensor, loss: Callable[[Tensor], Tensor], rate: float) -> Tensor:
    """One step of gradient descent."""
    vertices = vertices.detach().requires_grad_()
    (gradient,) = torch.autograd.grad(loss(vertices), vertices)
    return (vertices - rate * gradient).detach()


@pytest.mark.parametrize("reverse", [False, True])
def test_the_balloon_grows(reverse: bool) -> None:
    vertices = circle(torch.tensor([[15.0, 10.0]], dtype=torch.float64), 5.0, 16)
    vertices = vertices.flip(1) if reverse else vertices
    grown = step(vertices, lambda v: BalloonLoss()(rasterize_polygons(v, SIZE)), rate=100.0)
    radii = torch.linalg.vector_norm(grown - torch.tensor([15.0, 10.0]), dim=-1)
    assert (radii > 5.1).all()
    assert signed_area(grown).abs() > signed_area(vertices).abs()


@pytest.mark.parametrize("squared", [True, False])
def test_curvature_smooths(squared: bool) -> None:
    vertices = circle(torch.tensor([[15.0, 10.0]], dtype=torch.float64), 5.0, 16)
    spiked = vertices.clone()
    spiked[0, 3] += 0.5 * (spiked[0, 3] - torch.tensor([15.0, 10.0]))
    smoothed = step(spiked, lambda v: CurvatureLoss(squared)(v, (20, 20)), rate=1.0)
    assert torch.linalg.vector_norm(smoothed[0, 3] - vertices[0, 3]) < torch.linalg.vector_norm(
        spiked[0, 3] - vertices[0, 3]
    )
    assert CurvatureLoss(squared)(smoothed, SIZE) < CurvatureLoss(squared)(spiked, SIZE)


def test_distance_shortens_and_evens_out() -> None:
    vertices = polygons()
    shorter = step(vertices, lambda v: DistanceLoss("sum")(v, (20, 20)), rate=1.0)
    assert (perimeter(shorter) < perimeter(vertices)).all()


@pytest.mark.parametrize("kind", ["mse", "dice"])
def test_gradcheck_of_the_mask_terms(kind: str) -> None:
    rendered, reference = masks()
    rendered.requires_grad_()
    assert torch.autograd.gradcheck(lambda m: SegmentationLoss(kind, "none")(m, reference), rendered)
    assert torch.autograd.gradcheck(BalloonLoss("none"), rendered)


@pytest.mark.parametrize("term", [CurvatureLoss(True, "none"), CurvatureLoss(False, "none"), DistanceLoss("none")])
def test_gradcheck_of_the_contour_terms(term: Any) -> None:
    assert torch.autograd.gradcheck(lambda v: term(v, SIZE), polygons().requires_grad_())


@pytest.mark.parametrize("squared", [True, False])
def test_straight_and_repeated_vertices_have_a_finite_gradient(squared: bool) -> None:
    vertices = torch.tensor(
        [[[1.0, 1.0], [2.0, 1.0], [3.0, 1.0], [3.0, 1.0], [3.0, 1.0], [3.0, 4.0]]], requires_grad=True
    )
    (gradient,) = torch.autograd.grad(CurvatureLoss(squared)(vertices, SIZE), vertices, create_graph=True)
    assert gradient.isfinite().all()
    (penalty,) = torch.autograd.grad(gradient.square().sum(), vertices)
    assert penalty.isfinite().all() and penalty.abs().max() > 0


# --- Errors ---------------------------------------------------------------------------------------------------------


def test_wrong_arguments() -> None:
    with pytest.raises(ValueError, match="Expected `kind` to be 'mse' or 'dice', but got 'bce'"):
        SegmentationLoss("bce")
    with pytest.raises(ValueError, match=r"Expected `target` to be \(2, 1, 4, 4\), but got \(2, 4, 4\)"):
        SegmentationLoss()(torch.rand(2, 1, 4, 4), torch.rand(2, 4, 4))
    for term in (CurvatureLoss(), DistanceLoss()):
        with pytest.raises(ValueError, match=r"Expected `vertices` to be .*but got \(1, 2, 2\)"):
            term(torch.rand(1, 2, 2), SIZE)


@pytest.mark.parametrize("kind", ["mse", "dice"])
@pytest.mark.parametrize("wrong", [255.0, 2.0, -1.0, float("nan"), float("inf")])
def test_references_that_are_no_masks_of_0_and_1_are_refused(kind: str, wrong: float) -> None:
    target = torch.zeros(2, 1, 6, 6)
    target[1, 0, 2:4, 2:4] = wrong
    with pytest.raises(ValueError, match=r"masks with values in \[0, 1\], but got values from .*\{0, 255\}"):
        SegmentationLoss(kind)(torch.rand(2, 1, 6, 6), target)


def test_soft_references_and_a_little_overshoot_are_fine() -> None:
    target = torch.linspace(-0.005, 1.005, 36).view(1, 1, 6, 6)
    assert torch.isfinite(SegmentationLoss()(torch.rand(1, 1, 6, 6), target))
