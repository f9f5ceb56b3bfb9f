# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Ensembles of displacement networks: their field, and how weights of several members make one."""

from __future__ import annotations

import io

import pytest
import torch
from monai.networks.utils import convert_to_torchscript
from torch import Tensor, nn

from monai_acdr.networks.blocks import CenteredCircle
from monai_acdr.networks.nets import ActiveContourNet, DisplacementEnsemble, DisplacementUNet
from monai_acdr.networks.nets.displacement_ensemble import match_ensemble


def unet(seed: int = 0) -> DisplacementUNet:
    torch.manual_seed(seed)
    return DisplacementUNet(channels=(4, 8), num_convs=1, dropout=0.0).eval()


def contour_net(displacement_net: nn.Module) -> ActiveContourNet:
    return ActiveContourNet(displacement_net, CenteredCircle(8)).eval()


def state_of(members: int) -> dict[str, Tensor]:
    return contour_net(DisplacementEnsemble(unet(seed) for seed in range(members))).state_dict()


# --- The field ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [(16, 16), (19, 26)])
@pytest.mark.parametrize("number", [1, 3])
def test_the_field_is_the_mean_of_the_members(number: int, size: tuple[int, int]) -> None:
    members = [unet(seed) for seed in range(number)]
    ensemble, image = DisplacementEnsemble(members).eval(), torch.rand(2, 1, *size)
    fields = ensemble.fields(image)
    assert fields.shape == (number, 2, 2, *size)
    for field, member in zip(fields, members, strict=True):
        assert torch.equal(field, member(image))
    torch.testing.assert_close(ensemble(image), sum(member(image) for member in members) / number)  # type: ignore[arg-type]


def test_one_polygon_comes_out() -> None:
    net, image = contour_net(DisplacementEnsemble([unet(0), unet(1)])), torch.rand(2, 1, 16, 24)
    assert net(image).shape == (2, 3, 8, 2)
    twins = contour_net(DisplacementEnsemble([unet(0), unet(0)]))
    torch.testing.assert_close(twins(image), contour_net(unet(0))(image))


def test_every_member_learns() -> None:
    ensemble = DisplacementEnsemble([unet(0), unet(1)]).train()
    ensemble(torch.rand(2, 1, 16, 16)).square().sum().backward()
    for member in ensemble.members:
        weight = member.encoder[0].convolutions[0].weight  # type: ignore[union-attr, index]
        assert weight.grad is not None and weight.grad.any()


def test_gradcheck() -> None:
    ensemble = DisplacementEnsemble([unet(0), unet(1)]).double().eval()
    image = torch.rand(1, 1, 8, 8, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(ensemble, image, fast_mode=True)


def test_compile_script_and_export() -> None:
    net, image = contour_net(DisplacementEnsemble([unet(0), unet(1)])), torch.rand(1, 1, 16, 24)
    expected = net(image)
    torch._dynamo.reset()
    torch.testing.assert_close(torch.compile(net, fullgraph=True, backend="eager")(image), expected)
    torch.testing.assert_close(torch.export.export(net, (image,)).module()(image), expected)
    buffer = io.BytesIO()
    torch.jit.save(convert_to_torchscript(net), buffer)  # as MONAI's ckpt_export does
    buffer.seek(0)
    torch.testing.assert_close(torch.jit.load(buffer)(image), expected)


def test_no_members() -> None:
    with pytest.raises(ValueError, match="Expected `members` to be at least one displacement network, but got none"):
        DisplacementEnsemble([])


def test_members_of_different_resolution() -> None:
    ensemble = DisplacementEnsemble([nn.Conv2d(1, 2, 1), nn.Conv2d(1, 2, 2, 2)])
    with pytest.raises(ValueError, match=r"one shape, but got \[1, 2, 8, 8\] and \[1, 2, 4, 4\]: build them alike"):
        ensemble(torch.rand(1, 1, 8, 8))


# --- Weights of several members -------------------------------------------------------------------------------------


@pytest.mark.parametrize("before", [1, 2, 4])
def test_weights_of_members_make_an_ensemble(before: int) -> None:
    """The network is one, as from a bundle's config, or an ensemble of another size."""
    start = unet(9) if before == 1 else DisplacementEnsemble(unet(seed) for seed in range(5, 5 + before))
    net, image = contour_net(start), torch.rand(2, 1, 16, 16)
    net.match_members(state_of(3))
    assert str(net.load_state_dict(state_of(3))) == "<All keys matched successfully>"
    assert isinstance(net.displacement_net, DisplacementEnsemble)
    assert len({id(member) for member in net.displacement_net.members}) == 3
    for seed, field in enumerate(net.displacement_net.fields(image)):
        assert torch.equal(field, unet(seed)(image))
    same = net.displacement_net
    net.match_members(state_of(3))  # again: it is one already
    assert net.displacement_net is same
    net.match_members(unet_state := contour_net(unet(4)).state_dict())
    net.load_state_dict(unet_state)
    assert torch.equal(net.displacement_net(image), unet(4)(image))


@pytest.mark.parametrize("mode", [True, False])
def test_copies_keep_mode_dtype_memory_format_and_what_is_frozen(mode: bool) -> None:
    net = contour_net(unet()).double().to(memory_format=torch.channels_last).train(mode)  # type: ignore[call-overload]
    net.displacement_net.requires_grad_(False)
    net.match_members(state_of(2))
    net.load_state_dict(state_of(2))
    assert all(module.training == mode for module in net.modules())
    for member in net.displacement_net.members:  # type: ignore[union-attr]
        weight = member.encoder[1].convolutions[0].weight  # type: ignore[union-attr, index]
        assert weight.dtype == torch.float64 and not weight.requires_grad
        assert weight.is_contiguous(memory_format=torch.channels_last)


def test_nothing_grows_by_loading_alone() -> None:
    net = contour_net(unet())
    with pytest.raises(RuntimeError, match="Missing key"):
        net.load_state_dict(state_of(2))
    assert isinstance(net.displacement_net, DisplacementUNet)


def test_members_by_number() -> None:
    net = ActiveContourNet(unet(3), CenteredCircle(8), num_members=2)
    assert isinstance(net.displacement_net, DisplacementEnsemble)
    assert net.displacement_net.members[0] is not net.displacement_net.members[1]
    assert str(net.load_state_dict(state_of(2))) == "<All keys matched successfully>"
    with pytest.raises(ValueError, match="Expected `num_members` to be at least 1, but got 0"):
        ActiveContourNet(unet(), num_members=0)


def test_weights_of_one_network_change_nothing() -> None:
    net = contour_net(unet(9))
    same = net.displacement_net
    net.match_members(contour_net(unet(1)).state_dict())
    assert net.displacement_net is same


def test_a_network_with_members_of_its_own_is_left_alone() -> None:
    class Own(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.members = nn.ModuleList([nn.Conv2d(1, 2, 1), nn.Conv2d(1, 2, 1)])

    net = contour_net(Own())
    same = net.displacement_net
    net.match_members(net.state_dict())
    assert net.displacement_net is same


def spoilt(change: str) -> dict[str, Tensor]:
    state, start = state_of(2), "displacement_net.members."
    if change == "a gap":
        return {name.replace(f"{start}1.", f"{start}2."): value for name, value in state.items()}
    if change == "no number":
        return {name.replace(f"{start}1.", f"{start}one."): value for name, value in state.items()}
    if change == "a missing tensor":
        del state[f"{start}1.head.2.bias"]
        return state
    if change == "a million members":
        return {f"{start}{index}.x": torch.zeros(1) for index in range(1000)}
    return state | {f"{start}0.more": torch.zeros(1)}


@pytest.mark.parametrize("change", ["a gap", "no number", "a missing tensor", "a million members", "an unknown tensor"])
def test_names_that_do_not_fit_grow_nothing(change: str) -> None:
    net = contour_net(unet())
    same = net.displacement_net
    net.match_members(spoilt(change))
    assert net.displacement_net is same


def test_one_member_is_an_ensemble() -> None:
    network = nn.Conv2d(1, 2, 1)
    grown = match_ensemble(network, ["members.0.weight", "members.0.bias"])
    assert isinstance(grown, DisplacementEnsemble) and len(grown.members) == 1
    torch.testing.assert_close(grown.members[0].state_dict(), network.state_dict())
