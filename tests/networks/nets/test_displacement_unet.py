# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""The displacement network."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from monai_acdr.networks.nets import DisplacementUNet

SMALL: dict[str, Any] = {"channels": (4, 8), "num_convs": 1, "dropout": 0.0}


@pytest.mark.parametrize("channels", [(4,), (4, 8), (4, 6, 8)])
@pytest.mark.parametrize("size", [(16, 16), (19, 26)])
def test_shapes(channels: tuple[int, ...], size: tuple[int, int]) -> None:
    net = DisplacementUNet(in_channels=3, channels=channels)
    assert net(torch.rand(2, 3, *size)).shape == (2, 2, *size)


@pytest.mark.parametrize("blocks", DisplacementUNet.BLOCKS)
def test_two_channels_for_each_structure(blocks: str) -> None:
    net = DisplacementUNet(channels=(4, 8), blocks=blocks, num_structures=3)
    assert net(torch.rand(2, 1, 16, 16)).shape == (2, 6, 16, 16)
    with pytest.raises(ValueError, match="Expected `num_structures` to be at least 1, but got 0"):
        DisplacementUNet(num_structures=0)


def test_defaults_are_the_paper_s() -> None:
    net = DisplacementUNet()
    assert net(torch.rand(2, 1, 64, 64)).shape == (2, 2, 64, 64)
    dropouts = [m.p for m in net.modules() if isinstance(m, nn.Dropout2d)]
    # 3 encoder blocks and all decoder blocks but the last, 3 convolutions each
    assert dropouts == [0.2] * 12
    last = net.decoder[-1]
    assert not any(isinstance(m, nn.Dropout2d) for m in last.modules())


def test_the_last_decoder_block_works_at_half_the_resolution() -> None:
    net = DisplacementUNet(**SMALL)
    seen: list[torch.Size] = []
    net.head.register_forward_hook(lambda module, inputs, output: seen.append(output.shape))
    net(torch.rand(2, 1, 16, 24))
    assert seen == [(2, 2, 8, 12)]


@pytest.mark.parametrize(
    ("activation", "function"),
    [("tanh", torch.tanh), ("sigmoid", lambda z: torch.tanh(z / 2)), ("none", lambda z: z)],
)
def test_activation_values(activation: str, function: Any) -> None:
    net = DisplacementUNet(**SMALL, activation=activation).eval()
    next(net.head[-1].parameters()).data.fill_(20.0)
    heads: list[Tensor] = []
    net.head.register_forward_hook(lambda module, inputs, output: heads.append(output))
    field = net(torch.rand(2, 1, 16, 24))
    upsampled = F.interpolate(heads[0], scale_factor=2, mode="bilinear", align_corners=False)
    torch.testing.assert_close(field, function(upsampled))
    assert upsampled.abs().max() > 1
    assert (field.abs().max() <= 1) == (activation != "none")


def test_an_untrained_field_moves_the_contour_by_about_a_pixel() -> None:
    field = DisplacementUNet()(torch.randn(4, 1, 64, 64)) * 32  # pixels
    assert 0.2 < field.std() < 3
    assert field.abs().mean() < 3


@pytest.mark.parametrize("size", [(8, 8), (9, 12)])
def test_train_and_eval_agree_without_dropout_and_with_the_batch_s_statistics(size: tuple[int, int]) -> None:
    net, image = DisplacementUNet(**SMALL), torch.rand(2, 1, *size)
    for module in net.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.track_running_stats, module.running_mean, module.running_var = False, None, None
    assert torch.equal(net.train()(image), net.eval()(image))


def test_every_parameter_learns() -> None:
    net = DisplacementUNet(channels=(4, 8), dropout=0.0)
    net(torch.rand(2, 1, 16, 16)).square().sum().backward()
    idle = [name for name, p in net.named_parameters() if p.grad is None or not p.grad.any()]
    # A bias before a batch norm may be canceled by it, never a weight.
    assert [name for name in idle if not name.endswith("bias")] == []


def test_gradcheck() -> None:
    net = DisplacementUNet(**SMALL).double().eval()
    image = torch.rand(1, 1, 8, 8, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(net, image, fast_mode=True)


def test_compile_script_and_export() -> None:
    net, image = DisplacementUNet(**SMALL).eval(), torch.rand(1, 1, 16, 24)
    expected = net(image)
    torch._dynamo.reset()
    torch.testing.assert_close(torch.compile(net, fullgraph=True, backend="eager")(image), expected)
    torch.testing.assert_close(torch.jit.script(net)(image), expected)
    torch.testing.assert_close(torch.export.export(net, (image,)).module()(image), expected)


def test_wrong_settings() -> None:
    with pytest.raises(ValueError, match=r"Expected `activation` to be one of .*'sigmoid'.*but got 'relu'"):
        DisplacementUNet(activation="relu")
    with pytest.raises(ValueError, match="Expected `channels` to name at least one level, but got none"):
        DisplacementUNet(channels=())


def test_an_image_too_small_for_the_levels() -> None:
    net = DisplacementUNet(channels=(2, 2, 2)).eval()
    assert net(torch.rand(1, 1, 8, 8)).shape == (1, 2, 8, 8)
    with pytest.raises(ValueError, match="Expected `image` of at least 8 x 8 pixels for 3 levels, but got 7 x 32"):
        net(torch.rand(1, 1, 7, 32))
