# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Spread of an ensemble's contours, against circles that are moved and blown up."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from monai_acdr.geometry import circle, ellipse
from monai_acdr.inferers import evolve_members, outward_normals, spread_in_mm, vertex_spread
from monai_acdr.inferers.uncertainty import has_members
from monai_acdr.networks.blocks import CenteredCircle
from monai_acdr.networks.nets import ActiveContourNet, DisplacementEnsemble, DisplacementUNet


class Shift(nn.Module):
    """The same displacement everywhere, in half image sizes; counts how often it is asked."""

    def __init__(self, x: float, y: float) -> None:
        super().__init__()
        self.shift, self.calls = torch.tensor([x, y]), 0

    def forward(self, image: Tensor) -> Tensor:
        self.calls += 1
        return self.shift[None, :, None, None].expand(len(image), 2, 4, 4)


SHIFTS = [(0.1, 0.0), (-0.05, 0.2), (0.0, 0.05)]


def ensemble(num_iterations: int = 2) -> ActiveContourNet:
    members = DisplacementEnsemble(Shift(*shift) for shift in SHIFTS)
    return ActiveContourNet(members, CenteredCircle(12, 0.25), num_iterations, bound=None)


def test_each_member_moves_a_contour_of_its_own() -> None:
    net, image = ensemble(num_iterations=3), torch.rand(2, 1, 32, 64)
    contours, members = evolve_members(net, image)
    assert (contours.shape, members.shape) == ((2, 3, 12, 2), (3, 2, 3, 12, 2))
    torch.testing.assert_close(contours, net(image))
    start = CenteredCircle(12, 0.25)(image)
    for index, (x, y) in enumerate(SHIFTS):
        for step in range(3):
            moved = start + (step + 1) * torch.tensor([x * 32, y * 16])
            torch.testing.assert_close(members[index, :, step], moved)


def test_each_member_is_asked_once() -> None:
    net = ensemble()
    evolve_members(net, torch.rand(2, 1, 16, 16))
    assert [member.calls for member in net.displacement_net.members] == [1, 1, 1]  # type: ignore[union-attr]


def test_members_are_what_single_networks_give() -> None:
    """Fields that vary in space, images that differ, a start of one's own."""
    nets = [DisplacementUNet(channels=(4, 8), num_convs=1, activation="none").eval() for _ in range(3)]
    for net in nets:
        net.head[-1].weight.data *= 20  # type: ignore[operator, union-attr]
    image, start = torch.randn(2, 1, 24, 32), torch.rand(2, 7, 2) * 16 + 4
    whole = ActiveContourNet(DisplacementEnsemble(nets)).eval()
    contours, members = evolve_members(whole, image, start)
    torch.testing.assert_close(contours, whole(image, start))
    for net, found in zip(nets, members, strict=True):
        torch.testing.assert_close(found, ActiveContourNet(net)(image, start))
    assert (members[0] - members[1]).abs().max() > 0.5


def test_moved_circles_spread_by_the_part_across_them() -> None:
    net, image = ensemble(), torch.rand(1, 1, 32, 64)
    contours, members = evolve_members(net, image)
    spread = vertex_spread(contours[:, -1], members[:, :, -1])
    angles = 2 * math.pi * np.arange(12) / 12
    shifts = np.array([(2 * 32 * x, 2 * 16 * y) for x, y in SHIFTS])
    across = np.outer(shifts[:, 0], np.cos(angles)) + np.outer(shifts[:, 1], np.sin(angles))
    assert np.abs(across).max() > 3
    np.testing.assert_allclose(spread[0].numpy(), across.std(axis=0, ddof=1), atol=1e-4)


def test_blown_up_circles_spread_alike_everywhere_and_turned_ones_not_at_all() -> None:
    middle, radii = torch.tensor([20.0, 30.0], dtype=torch.float64), torch.tensor([8.0, 10.0, 15.0])
    members = torch.stack([circle(middle, float(radius), 16) for radius in radii])[:, None]
    spread = vertex_spread(members.mean(0), members)
    torch.testing.assert_close(spread, torch.full((1, 16), float(radii.std()), dtype=torch.float64))
    fine = circle(middle, 10.0, 3600)
    turned = torch.stack([fine.roll(steps, 0) for steps in (-10, 0, 10)])[:, None]  # by a degree: 0.17 pixels along
    spread = vertex_spread(fine[None], turned)
    assert (turned[0] - turned[1]).norm(dim=-1).min() > 0.17
    assert spread.max() < 0.002


vertices_strategy = st.integers(0, 10_000).map(
    lambda seed: (
        torch.randn(9, 2, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
        + circle(torch.tensor([0.0, 0.0], dtype=torch.float64), 20.0, 9)
    )
)


@given(vertices_strategy, st.floats(0.3, 3), st.floats(0.3, 3))
def test_spread_in_mm_is_the_spread_of_contours_in_mm(contour: Tensor, row: float, column: float) -> None:
    noise = torch.randn(4, 9, 2, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    members, scale = (contour + noise)[:, None], torch.tensor([column, row], dtype=torch.float64)
    pixels = vertex_spread(contour[None], members)
    direct = vertex_spread(contour[None] * scale, members * scale)
    torch.testing.assert_close(spread_in_mm(pixels, contour[None], (row, column)), direct)
    torch.testing.assert_close(spread_in_mm(pixels, contour[None], (row, row)), pixels * row)


@given(vertices_strategy, st.floats(0, 6), st.integers(0, 8))
def test_spread_does_not_depend_on_place_direction_and_first_vertex(contour: Tensor, angle: float, shift: int) -> None:
    noise = torch.randn(3, 9, 2, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    members = (contour + noise)[:, None]
    spread = vertex_spread(contour[None], members)
    turn = torch.tensor([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]], dtype=torch.float64)
    torch.testing.assert_close(vertex_spread(contour[None] @ turn + 3, members @ turn + 3), spread)
    torch.testing.assert_close(vertex_spread(contour[None].flip(1), members.flip(2)), spread.flip(1))
    rolled = vertex_spread(contour[None].roll(shift, 1), members.roll(shift, 2))
    torch.testing.assert_close(rolled, spread.roll(shift, 1))
    mirror = torch.tensor([-1.0, 1.0])
    torch.testing.assert_close(vertex_spread(contour[None] * mirror, members * mirror), spread)


@pytest.mark.parametrize("flipped", [False, True])
def test_normals_of_a_circle_point_away_from_its_middle(flipped: bool) -> None:
    middle = torch.tensor([[5.0, 7.0], [0.0, 1.0]])
    vertices = circle(middle, 3.0, 10)
    vertices = vertices.flip(-2) if flipped else vertices
    torch.testing.assert_close(outward_normals(vertices), (vertices - middle[:, None]) / 3)


def test_normals_where_vertices_coincide() -> None:
    spike = torch.tensor([[0.0, 0.0], [4.0, 0.0], [4.0, 4.0], [4.0, 9.0], [4.0, 4.0], [0.0, 4.0]])
    normals = outward_normals(spike)
    assert normals[3].tolist() == [0.0, 1.0]  # at the tip
    assert outward_normals(torch.ones(1, 4, 2)).abs().sum() == 0
    spread = vertex_spread(torch.ones(1, 4, 2), torch.ones(2, 1, 4, 2))
    assert spread.tolist() == [[0.0] * 4]
    assert spread_in_mm(spread, torch.ones(1, 4, 2), (1.0, 2.0)).tolist() == [[0.0] * 4]


def test_an_ellipse_has_its_axes_as_normals() -> None:
    normals = outward_normals(ellipse(torch.zeros(2), torch.tensor([5.0, 2.0]), 8))
    torch.testing.assert_close(normals[0], torch.tensor([1.0, 0.0]), atol=1e-6, rtol=0)
    torch.testing.assert_close(normals[2], torch.tensor([0.0, 1.0]), atol=1e-6, rtol=0)


@pytest.mark.parametrize("net", [Shift(0, 0), DisplacementEnsemble([Shift(0, 0)])], ids=["plain", "of one"])
def test_one_network_has_no_spread(net: nn.Module) -> None:
    network = ActiveContourNet(net)
    assert not has_members(network)
    with pytest.raises(ValueError, match=r"Expected an ensemble of at least two .*got one .*join_checkpoints"):
        evolve_members(network, torch.rand(1, 1, 8, 8))
    assert has_members(ensemble())


@pytest.mark.parametrize("shape", [(1, 1, 4, 2), (2, 1, 5, 2), (2, 4, 2), (2, 2, 4, 2)])
def test_members_that_do_not_fit(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"Expected `members` to be \(M >= 2, \*\[1, 4, 2\]\), but got"):
        vertex_spread(torch.rand(1, 4, 2), torch.rand(shape))


def test_several_structures_spread_as_each_does_alone() -> None:
    nets = [DisplacementUNet(channels=(4, 8), num_convs=1, num_structures=2).eval() for _ in range(3)]
    net = ActiveContourNet(DisplacementEnsemble(nets), CenteredCircle(12, (0.3, 0.5))).eval()
    image = torch.rand(2, 1, 32, 32)
    contours, members = evolve_members(net, image)
    assert (contours.shape, members.shape) == ((2, 3, 2, 12, 2), (3, 2, 3, 2, 12, 2))
    torch.testing.assert_close(contours, net(image))
    for network, found in zip(nets, members, strict=True):
        torch.testing.assert_close(found, ActiveContourNet(network, net.initial_contour)(image))
    spread = vertex_spread(contours[:, -1], members[:, :, -1])
    assert spread.shape == (2, 2, 12)
    for index in range(2):
        alone = vertex_spread(contours[:, -1, index], members[:, :, -1, index])
        torch.testing.assert_close(spread[:, index], alone)
