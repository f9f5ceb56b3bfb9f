# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""The head of plain networks: its values, and that MONAI's networks learn with it by one and the same call."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from monai.networks.nets import AttentionUnet, BasicUNet, DynUNet, FlexibleUNet, SegResNet, SwinUNETR, UNet
from torch import Tensor, nn

from monai_acdr.geometry import ellipse
from monai_acdr.losses import ActiveContourLoss
from monai_acdr.networks.blocks import CenteredCircle
from monai_acdr.networks.layers import rasterize_polygons
from monai_acdr.networks.nets import ActiveContourNet, BoundedDisplacement, DisplacementEnsemble, DisplacementUNet


class Output(nn.Module):
    """A network that gives one output for any image."""

    def __init__(self, output: Tensor) -> None:
        super().__init__()
        self.output = nn.Parameter(output)

    def forward(self, image: Tensor) -> Tensor:
        return self.output.expand(len(image), *self.output.shape[1:])


# --- Values ---------------------------------------------------------------------------------------------------------


def test_values_by_hand() -> None:
    output = torch.tensor([0.5, -40.0])[None, :, None, None].expand(1, 2, 8, 8)
    field = BoundedDisplacement(Output(output), bound=0.2, scale=0.1, cell=1)(torch.zeros(3, 1, 8, 8))
    assert field.shape == (3, 2, 8, 8)
    expected = 2 * 0.2 * np.tanh(np.array([0.5, -40.0]) * 0.1 / 0.2)  # 2: in half sides
    np.testing.assert_allclose(field[2, :, 3, 5].detach().numpy(), expected, rtol=1e-6)


@pytest.mark.parametrize("bound", [0.1, 0.5])
def test_no_step_is_larger_than_the_bound(bound: float) -> None:
    huge = Output(1e6 * torch.randn(1, 2, 16, 16, generator=torch.Generator().manual_seed(0)))
    network = ActiveContourNet(huge, CenteredCircle(16), num_iterations=4, bound=bound)
    contours = network(torch.zeros(2, 1, 32, 48))
    start = network.initial_contour(torch.zeros(2, 1, 32, 48))
    steps = torch.cat([start[:, None], contours], dim=1).detach().diff(dim=1).abs().amax((0, 1, 2)) / torch.tensor(
        [48, 32]
    )
    assert 0.5 * bound < steps.max().item() <= bound + 1e-6


@pytest.mark.parametrize("size", [(32, 32), (30, 21)])
def test_cells_are_averages(size: tuple[int, int]) -> None:
    output = torch.randn(1, 4, *size, generator=torch.Generator().manual_seed(0))
    field = BoundedDisplacement(Output(output), 0.5, scale=1e-4)(torch.zeros(1, 1, *size)) / 2e-4
    assert field.shape == (1, 4, -(-size[0] // 4), -(-size[1] // 4))
    if size == (32, 32):
        np.testing.assert_allclose(field[0, 3, 2, 5].item(), output[0, 3, 8:12, 20:24].mean().item(), rtol=1e-4)


def test_a_coarse_output_stays_as_it_is() -> None:
    output = torch.randn(1, 2, 8, 8, generator=torch.Generator().manual_seed(0))
    field = BoundedDisplacement(Output(output), 0.5, scale=1e-4)(torch.zeros(1, 1, 64, 64)) / 2e-4
    torch.testing.assert_close(field, output, rtol=1e-4, atol=1e-5)


def test_half_precision_is_lifted() -> None:
    assert BoundedDisplacement(Output(torch.ones(1, 2, 8, 8)).half())(torch.zeros(1, 1, 8, 8)).dtype == torch.float32


def test_gradcheck() -> None:
    head = BoundedDisplacement(nn.Identity(), cell=2)
    assert torch.autograd.gradcheck(head, torch.randn(1, 2, 4, 6, dtype=torch.float64, requires_grad=True))


# --- Which networks get a head --------------------------------------------------------------------------------------


def test_displacement_networks_are_taken_as_they_are() -> None:
    """Shipped weights keep their names and their contours."""
    unet = DisplacementUNet(channels=(4, 8), num_convs=1)
    ensemble = DisplacementEnsemble([unet, DisplacementUNet(channels=(4, 8), num_convs=1)])
    head = BoundedDisplacement(nn.Conv2d(1, 2, 1), bound=0.1)
    for network in (unet, ensemble, head):
        assert ActiveContourNet(network).displacement_net is network


def test_plain_networks_get_a_head_and_members_one_each() -> None:
    plain = nn.Conv2d(1, 2, 1)
    network = ActiveContourNet(plain, bound=0.1).displacement_net
    assert isinstance(network, BoundedDisplacement) and network.network is plain and network.bound == 0.1
    ensemble = ActiveContourNet(DisplacementEnsemble([plain, nn.Conv2d(1, 2, 1)])).displacement_net
    assert isinstance(ensemble, DisplacementEnsemble)
    assert all(isinstance(member, BoundedDisplacement) for member in ensemble.members)
    assert ActiveContourNet(plain, bound=None).displacement_net is plain


def test_weights_of_several_members_grow_an_ensemble_of_heads() -> None:
    members = ActiveContourNet(DisplacementEnsemble([nn.Conv2d(1, 2, 1) for _ in range(3)]))
    network = ActiveContourNet(nn.Conv2d(1, 2, 1))
    network.match_members(members.state_dict())
    network.load_state_dict(members.state_dict())
    image = torch.rand(2, 1, 16, 16)
    torch.testing.assert_close(network(image), members(image))


# --- Errors ---------------------------------------------------------------------------------------------------------


def test_errors() -> None:
    plain = nn.Conv2d(1, 2, 1)
    with pytest.raises(ValueError, match=r"`bound` to be a fraction of the crop's side in \(0, 0.5\], but got 2"):
        ActiveContourNet(plain, bound=2)
    with pytest.raises(ValueError, match="`scale` to be a positive fraction of the crop's side, but got 0"):
        BoundedDisplacement(plain, scale=0)
    with pytest.raises(ValueError, match="`cell` to be at least 1 pixel, but got 0"):
        BoundedDisplacement(plain, cell=0)
    with pytest.raises(ValueError, match=r"ends in Tanh: pass the network alone.*or `bound=None`"):
        ActiveContourNet(nn.Sequential(plain, nn.Tanh()))
    deep = DynUNet(2, 1, 2, [3, 3, 3], [1, 2, 2], [2, 2], filters=[4, 8, 16], deep_supervision=True, deep_supr_num=1)
    with pytest.raises(ValueError, match=r"one tensor \(B, 2 N, h, w\), but got \[1, 2, 2, 32, 32\]: switch deep"):
        ActiveContourNet(deep)(torch.rand(1, 1, 32, 32))


# --- Any backbone learns --------------------------------------------------------------------------------------------

BACKBONES: dict[str, Callable[[], nn.Module]] = {
    "UNet": lambda: UNet(2, 1, 2, channels=(8, 16, 32), strides=(2, 2)),
    "UNet with residual units": lambda: UNet(2, 1, 2, channels=(8, 16, 32), strides=(2, 2), num_res_units=2),
    "BasicUNet": lambda: BasicUNet(2, 1, 2, features=(8, 8, 16, 32, 32, 8)),
    "AttentionUnet": lambda: AttentionUnet(2, 1, 2, channels=(8, 16, 32), strides=(2, 2)),
    "SegResNet": lambda: SegResNet(2, 8, 1, 2, blocks_down=(1, 1), blocks_up=(1,)),
    "DynUNet": lambda: DynUNet(2, 1, 2, [3, 3, 3], [1, 2, 2], [2, 2], filters=[8, 16, 32], norm_name="instance"),
    "FlexibleUNet": lambda: FlexibleUNet(1, 2, "efficientnet-b0", pretrained=False, spatial_dims=2),
    "SwinUNETR": lambda: SwinUNETR(1, 2, feature_size=12, spatial_dims=2, depths=(1,) * 4, num_heads=(1, 2, 2, 4)),
}


def ellipses(number: int, size: int = 32) -> tuple[Tensor, Tensor]:
    """Bright ellipses off the middle in noise (B, 1, H, W), and their masks."""
    generator = torch.Generator().manual_seed(0)
    center = size * (0.5 + 0.1 * (torch.rand(number, 2, generator=generator) - 0.5))
    radii = size * (0.2 + 0.15 * torch.rand(number, 2, generator=generator))
    masks = rasterize_polygons(ellipse(center, radii, 32), (size, size))
    return masks + 0.1 * torch.randn(masks.shape, generator=generator), masks


def dice(contours: Tensor, masks: Tensor) -> float:
    drawn = rasterize_polygons(contours[:, -1].detach(), (masks.shape[-2], masks.shape[-1]))
    return float((2 * (drawn * masks).sum((1, 2, 3)) / (drawn + masks).sum((1, 2, 3))).mean())


@pytest.mark.parametrize("name", BACKBONES)
def test_monai_s_networks_learn_by_the_same_call(name: str) -> None:
    if name == "SwinUNETR":
        pytest.importorskip("einops", reason="MONAI's SwinUNETR needs it")
    torch.manual_seed(0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of MONAI's own arguments
        network: Any = ActiveContourNet(BACKBONES[name]())
    images, masks = ellipses(8, 64 if name == "SwinUNETR" else 32)  # its deepest level is 1 / 32 of the image
    loss_function = ActiveContourLoss()
    optimizer = torch.optim.Adam(network.parameters(), lr=2e-3)
    losses, scores = [], []
    for _ in range(16):
        contours = network(images)
        loss = loss_function(contours, masks)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
        scores.append(dice(contours, masks))
    assert losses[-1] < 0.75 * losses[0], (losses[0], losses[-1])
    assert scores[-1] > scores[0] + 0.05, (scores[0], scores[-1])
