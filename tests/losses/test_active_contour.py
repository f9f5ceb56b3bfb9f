# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""The loss of Algorithm 1, put together by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import shapely
import torch
from torch import Tensor

from monai_acdr.geometry import circle
from monai_acdr.losses import PRESETS, ActiveContourLoss, CurvatureLoss, DistanceLoss
from monai_acdr.networks.blocks import CenteredCircle
from monai_acdr.networks.layers import ExactOptions, rasterize_polygons, rasterizer_options
from monai_acdr.networks.nets import ActiveContourNet, DisplacementUNet

SIZE = (10, 14)


def ellipses(batch: int = 2, steps: int = 3, num_vertices: int = 9) -> Tensor:
    """(B, T, K, 2) simple polygons, partly outside a frame of 10 x 14."""
    center = torch.tensor([7.0, 5.0]) + torch.rand(batch, steps, 2, dtype=torch.float64) * 2
    return circle(center, torch.rand(batch, steps, dtype=torch.float64) * 3 + 2, num_vertices)


def references(batch: int = 2) -> Tensor:
    return (torch.rand(batch, 1, *SIZE) > 0.5).double()


def by_hand(contours: Tensor, target: Tensor, weights: dict[str, Any], step_weights: list[float]) -> np.ndarray:
    """Equation 8 for each sample, with shapely as renderer."""
    rows, columns = np.meshgrid(np.arange(SIZE[0]), np.arange(SIZE[1]), indexing="ij")
    pixels = shapely.box(columns, rows, columns + 1, rows + 1)
    energy = np.zeros(contours.shape[0])
    for b, t in np.ndindex(*contours.shape[:2]):
        polygon = contours[b, t].numpy()
        mask = shapely.area(shapely.intersection(pixels, shapely.Polygon(polygon)))
        points = polygon / [SIZE[1] / 2, SIZE[0] / 2]
        bends = np.linalg.norm(np.roll(points, 1, 0) - 2 * points + np.roll(points, -1, 0), axis=1)
        edges = np.linalg.norm(points - np.roll(points, 1, 0), axis=1)
        terms = ((mask - target[b, 0].numpy()) ** 2).mean()
        terms += weights["balloon_weight"] * (1 - mask).mean()
        terms += weights["curvature_weight"] * (bends**2 if weights["squared_curvature"] else bends).mean()
        terms += weights["distance_weight"] * (edges**2).sum()
        energy[b] += step_weights[t] * terms
    return energy


@pytest.mark.parametrize("preset", ["paper", "reference_code"])
def test_presets_by_hand(preset: str) -> None:
    contours, target = ellipses(), references()
    expected = by_hand(contours, target, PRESETS[preset], [1, 1, 1])
    for reduction, value in [("none", expected), ("mean", expected.mean()), ("sum", expected.sum())]:
        result = ActiveContourLoss.from_preset(preset, reduction=reduction)(contours, target)
        np.testing.assert_allclose(result.numpy(), value, rtol=1e-10)


def test_presets_are_what_the_paper_and_its_code_say() -> None:
    assert PRESETS["paper"] == {
        "balloon_weight": 0.01,
        "curvature_weight": 0.5,
        "distance_weight": 0,
        "squared_curvature": True,
    }
    assert PRESETS["reference_code"] == {
        "balloon_weight": 0.01,
        "curvature_weight": 0.001,
        "distance_weight": 0.1,
        "squared_curvature": False,
    }
    contours, target = ellipses(), references()
    default = ActiveContourLoss()(contours, target)
    torch.testing.assert_close(default, ActiveContourLoss.from_preset("paper")(contours, target))


def test_overrides_and_step_weights_by_hand() -> None:
    contours, target = ellipses(), references()
    weights = {**PRESETS["paper"], "balloon_weight": 0.3, "distance_weight": 0.7}
    loss = ActiveContourLoss.from_preset(
        "paper", balloon_weight=0.3, distance_weight=0.7, step_weights=[0.0, 0.25, 2.0], reduction="none"
    )
    expected = by_hand(contours, target, weights, [0.0, 0.25, 2.0])
    np.testing.assert_allclose(loss(contours, target).numpy(), expected, rtol=1e-10)


def test_weights_of_zero_leave_only_the_segmentation_term() -> None:
    contours, target = ellipses(steps=1), references()
    loss = ActiveContourLoss(balloon_weight=0, curvature_weight=0)(contours, target)
    expected = (rasterize_polygons(contours[:, 0], SIZE) - target).square().mean()
    torch.testing.assert_close(loss, expected)
    assert ActiveContourLoss("dice", 0, 0)(contours, rasterize_polygons(contours[:, 0], SIZE).round()) < 0.3


def test_the_order_of_samples_and_steps_is_kept() -> None:
    contours = ellipses(batch=3)
    target = rasterize_polygons(contours[:, 1], SIZE)
    first = ActiveContourLoss(balloon_weight=0, curvature_weight=0, step_weights=(0, 1, 0), reduction="none")
    assert first(contours, target).abs().max() < 1e-12
    other = ActiveContourLoss(balloon_weight=0, curvature_weight=0, step_weights=(1, 0, 1), reduction="none")
    assert (other(contours, target) > 1e-6).all()


def test_fill_rule_reaches_the_renderer() -> None:
    twice = circle(torch.tensor([[[7.0, 5.0]]], dtype=torch.float64), 3.0, 8).repeat(1, 1, 2, 1)  # wound around twice
    empty = torch.zeros(1, 1, *SIZE)
    settings: dict[str, Any] = {"balloon_weight": 0, "curvature_weight": 0}
    nonzero = ActiveContourLoss(**settings)(twice, empty)
    assert (
        ActiveContourLoss(**settings, rasterizer_settings=ExactOptions(fill_rule="evenodd"))(twice, empty)
        < 0.5 * nonzero
    )


def test_gradcheck() -> None:
    contours, target = ellipses(num_vertices=5).requires_grad_(), references()
    for loss in (ActiveContourLoss(), ActiveContourLoss.from_preset("reference_code", segmentation="dice")):
        assert torch.autograd.gradcheck(lambda c, f=loss: f(c, target), contours, fast_mode=True)


def test_all_steps_get_a_gradient_under_autocast_too() -> None:
    contours, target = ellipses().float().requires_grad_(), references().float()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        loss = ActiveContourLoss()(contours, target)
    assert loss.dtype == torch.float32
    torch.testing.assert_close(loss, ActiveContourLoss()(contours, target))
    (gradient,) = torch.autograd.grad(loss, contours)
    assert gradient.abs().amax((2, 3)).gt(0).all()


def test_integer_and_boolean_references() -> None:
    contours, target = ellipses(), references()
    expected = ActiveContourLoss()(contours, target)
    for dtype in (torch.bool, torch.uint8, torch.int64, torch.float32):
        torch.testing.assert_close(ActiveContourLoss()(contours, target.to(dtype)), expected)


@pytest.mark.parametrize("preset", ["paper", "reference_code"])
def test_the_loss_falls_when_a_network_learns_one_image(preset: str) -> None:
    target = rasterize_polygons(circle(torch.tensor([[14.0, 18.0]]), 8.0, 24), (32, 32)).repeat(2, 1, 1, 1)
    image = target + 0.1 * torch.randn_like(target)
    net = ActiveContourNet(DisplacementUNet(channels=(4, 8), num_convs=1, dropout=0.0), CenteredCircle(32))
    loss = ActiveContourLoss.from_preset(preset)
    optimizer = torch.optim.Adam(net.parameters(), lr=0.01)
    values = []
    for _ in range(40):
        optimizer.zero_grad()
        value = loss(net(image), target)
        value.backward()
        optimizer.step()
        values.append(value.item())
    assert values[-1] < 0.6 * values[0]


def test_compile() -> None:
    contours, target = ellipses().float().requires_grad_(), references()
    loss = ActiveContourLoss.from_preset("reference_code")
    torch._dynamo.reset()
    compiled = torch.compile(loss, fullgraph=True, backend="aot_eager")(contours, target)
    torch.testing.assert_close(compiled, loss(contours, target))
    torch.testing.assert_close(
        torch.autograd.grad(compiled, contours), torch.autograd.grad(loss(contours, target), contours)
    )


def test_terms_are_the_public_ones() -> None:
    contours, target = ellipses(steps=1), references()
    plain: dict[str, Any] = {"balloon_weight": 0, "curvature_weight": 0}
    base = ActiveContourLoss(**plain)(contours, target)
    curved = ActiveContourLoss(balloon_weight=0, curvature_weight=2)(contours, target)
    torch.testing.assert_close(curved - base, 2 * CurvatureLoss()(contours[:, 0], SIZE))
    spread = ActiveContourLoss(**plain, distance_weight=3)(contours, target)
    torch.testing.assert_close(spread - base, 3 * DistanceLoss()(contours[:, 0], SIZE))


# --- Several structures, missing references -------------------------------------------------------------------------


def several(structures: int = 2) -> tuple[Tensor, Tensor]:
    """(B, T, N, K, 2) contours and (B, N, H, W) references."""
    contours = torch.stack([ellipses() for _ in range(structures)], dim=2)
    return contours, torch.cat([references() for _ in range(structures)], dim=1)


@pytest.mark.parametrize("preset", ["paper", "reference_code"])
@pytest.mark.parametrize("segmentation", ["mse", "dice"])
def test_each_structure_has_the_energy_it_has_alone(preset: str, segmentation: str) -> None:
    contours, target = several(3)
    settings: dict[str, Any] = {"segmentation": segmentation, "step_weights": [0.5, 1.0, 2.0]}
    one = ActiveContourLoss.from_preset(preset, **settings, reduction="none")
    alone = torch.stack([one(contours[:, :, n], target[:, n : n + 1]) for n in range(3)], dim=1)
    torch.testing.assert_close(one(contours, target), alone)
    assert one(contours, target).shape == (2, 3)
    assert one(contours[:, :, :1], target[:, :1]).shape == (2,)
    torch.testing.assert_close(ActiveContourLoss.from_preset(preset, **settings)(contours, target), alone.mean())


@pytest.mark.parametrize("segmentation", ["mse", "dice"])
def test_missing_references_are_left_out(segmentation: str) -> None:
    contours, target = several()
    energies = ActiveContourLoss(segmentation, reduction="none")(contours, target)
    target[0, 1] = torch.nan
    unreduced = ActiveContourLoss(segmentation, reduction="none")(contours, target)
    assert unreduced[0, 1] == 0
    known = torch.tensor([energies[0, 0], energies[1, 0], energies[1, 1]], dtype=torch.float64)
    torch.testing.assert_close(unreduced[[0, 1, 1], [0, 0, 1]], known)
    torch.testing.assert_close(ActiveContourLoss(segmentation)(contours, target), known.mean())
    torch.testing.assert_close(ActiveContourLoss(segmentation, reduction="sum")(contours, target), known.sum())
    one = ActiveContourLoss(segmentation, reduction="none")(contours[:, :, 1], target[:, 1:])
    torch.testing.assert_close(one, torch.stack([torch.zeros_like(known[0]), known[2]]))


@pytest.mark.parametrize("dtype", [torch.float16, torch.float32, torch.float64])
def test_a_missing_reference_gives_gradients_of_zero_and_none_of_nan(dtype: torch.dtype) -> None:
    contours, target = several()
    target[0, 1] = torch.nan
    variable = contours.float().requires_grad_()
    for preset in PRESETS:
        for segmentation in ("mse", "dice"):
            loss = ActiveContourLoss.from_preset(preset, segmentation=segmentation)
            (gradient,) = torch.autograd.grad(loss(variable, target.to(dtype)), variable)
            assert gradient.isfinite().all()
            assert not gradient[0, :, 1].any()
            assert gradient[0, :, 0].any() and gradient[1].abs().amax((0, 2, 3)).gt(0).all()


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
def test_nothing_known_is_a_loss_of_zero_with_a_graph(reduction: str) -> None:
    contours, target = several()
    variable = contours.requires_grad_()
    loss = ActiveContourLoss(reduction=reduction)(variable, torch.full_like(target, torch.nan))
    assert not loss.any()
    (gradient,) = torch.autograd.grad(loss.sum(), variable)
    assert torch.equal(gradient, torch.zeros_like(gradient))


@pytest.mark.parametrize("wrong", [255.0, float("nan")])
def test_a_reference_that_is_partly_nan_is_wrong_not_missing(wrong: float) -> None:
    contours, target = several()
    target[0, 0] = torch.nan
    target[1, 1, 2:4] = wrong
    with pytest.raises(ValueError, match=r"masks with values in \[0, 1\].*fill a whole channel with NaN"):
        ActiveContourLoss()(contours, target)


def test_missing_references_compile_and_vmap() -> None:
    contours, target = several()
    target[0, 1] = torch.nan
    loss = ActiveContourLoss()
    expected = loss(contours, target)
    torch._dynamo.reset()
    torch.testing.assert_close(torch.compile(loss, fullgraph=True, backend="aot_eager")(contours, target), expected)

    def one(contour: Tensor, reference: Tensor) -> Tensor:
        return loss(contour[None], reference[None])

    gradients = torch.func.vmap(torch.func.grad(one))(contours, target)
    for contour, reference, result in zip(contours, target, gradients, strict=True):
        variable = contour.clone().requires_grad_()
        one(variable, reference).backward()
        torch.testing.assert_close(result, variable.grad)


def test_gradcheck_with_a_missing_reference() -> None:
    contours, target = several()
    target[0, 1] = torch.nan
    small = contours[:, :1, :, :5].clone().requires_grad_()
    assert torch.autograd.gradcheck(lambda c: ActiveContourLoss()(c, target), small, fast_mode=True)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"segmentation": "bce"}, "Expected `kind` to be 'mse' or 'dice', but got 'bce'"),
        ({"balloon_weight": -1.0}, "Expected `balloon_weight` to be at least 0, but got -1.0"),
        ({"curvature_weight": float("nan")}, "Expected `curvature_weight` to be at least 0, but got nan"),
        ({"distance_weight": -0.1}, "Expected `distance_weight` to be at least 0, but got -0.1"),
        ({"reduction": "median"}, "'median' is not a valid LossReduction"),
    ],
)
def test_wrong_settings(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ActiveContourLoss(**settings)


def test_an_unknown_preset() -> None:
    with pytest.raises(ValueError, match=r"Expected `preset` to be one of \['paper', .*\], but got 'mine'"):
        ActiveContourLoss.from_preset("mine")


@pytest.mark.parametrize(
    ("contours", "target", "message"),
    [
        ((2, 5, 2), (2, 1, 8, 8), r"Expected `input` to be contours \(B, T, K, 2\),.* but got \(2, 5, 2\)"),
        ((2, 3, 5, 3), (2, 1, 8, 8), r"Expected `input` to be contours \(B, T, K, 2\),.* but got \(2, 3, 5, 3\)"),
        ((2, 3, 5, 2), (2, 8, 8), r"Expected `target` to be \(2, 1, H, W\),.* but got \(2, 8, 8\)"),
        ((2, 3, 5, 2), (1, 1, 8, 8), r"Expected `target` to be \(2, 1, H, W\),.* but got \(1, 1, 8, 8\)"),
        ((2, 3, 5, 2), (2, 2, 8, 8), r"Expected `target` to be \(2, 1, H, W\),.* but got \(2, 2, 8, 8\)"),
        ((2, 3, 2, 5, 2), (2, 1, 8, 8), r"Expected `target` to be \(2, 2, H, W\), one mask for each of 2 structures"),
        ((2, 3, 1, 2, 5, 2), (2, 1, 8, 8), r"Expected `input` to be contours .*\(B, T, N, K, 2\) of N structures"),
        ((2, 4, 5, 2), (2, 1, 8, 8), "Expected 3 steps as in `step_weights`, but got 4"),
    ],
)
def test_wrong_shapes(contours: tuple[int, ...], target: tuple[int, ...], message: str) -> None:
    loss = ActiveContourLoss(step_weights=[1, 1, 1])
    with pytest.raises(ValueError, match=message):
        loss(torch.rand(contours), torch.rand(target))


@pytest.mark.parametrize(("method", "settings"), [("soft", {"softness": 0.6}), ("mesh", {"anti_aliasing": 3})])
def test_the_rasterizer_is_chosen_by_name(method: str, settings: dict[str, float]) -> None:
    contours, target = ellipses().requires_grad_(), references()
    loss = ActiveContourLoss("mse", 0, 0, rasterizer_settings={"method": method, **settings})
    options = rasterizer_options(method, **settings)
    masks = rasterize_polygons(contours.flatten(0, 1), SIZE, options).view(*contours.shape[:2], *SIZE)
    assert torch.equal(
        loss(contours, target), ActiveContourLoss("mse", 0, 0, rasterizer_settings=options)(contours, target)
    )
    expected = (masks - target).square().mean((2, 3)).sum(1).mean()
    torch.testing.assert_close(loss(contours, target), expected)
    loss(contours, target).backward()
    assert contours.grad is not None
    assert contours.grad.any()


def test_an_unknown_rasterizer_is_named() -> None:
    with pytest.raises(ValueError, match="Expected `method` to be one of .*but got 'magic'"):
        ActiveContourLoss(rasterizer_settings={"method": "magic"})


def test_an_unknown_fill_rule_is_named() -> None:
    with pytest.raises(ValueError, match=r"Expected `fill_rule` to be one of .*but got 'winding'"):
        ActiveContourLoss(rasterizer_settings={"fill_rule": "winding"})


def test_gradients_per_sample_by_vmap() -> None:
    contours = torch.rand(3, 2, 9, 2, dtype=torch.float64) * 12
    targets = torch.rand(3, 1, 12, 12, dtype=torch.float64)
    loss = ActiveContourLoss()

    def one(contour: Tensor, target: Tensor) -> Tensor:
        return loss(contour[None], target[None])

    together = torch.func.vmap(torch.func.grad(one))(contours, targets)
    for contour, target, expected in zip(contours, targets, together, strict=True):
        variable = contour.clone().requires_grad_()
        one(variable, target).backward()
        torch.testing.assert_close(expected, variable.grad)
