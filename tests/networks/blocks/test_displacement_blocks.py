# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""The encoder and decoder blocks of section 3.1."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from monai_acdr.networks.blocks import DecoderBlock, EncoderBlock


def kinds(block: nn.Module) -> list[str]:
    """Class names of the leaves, in the order of their definition."""
    return [type(module).__name__ for module in block.modules() if not list(module.children())]


def test_encoder_has_the_paper_s_layers_in_their_order() -> None:
    expected = ["Conv2d", "Dropout2d"] * 3 + ["ReLU", "BatchNorm2d", "MaxPool2d"]
    assert kinds(EncoderBlock(1, 8)) == expected
    assert kinds(EncoderBlock(1, 8, num_convs=2, dropout=0.0)) == ["Conv2d"] * 2 + expected[-3:]


def test_decoder_has_the_paper_s_layers_in_their_order() -> None:
    assert kinds(DecoderBlock(8, 4, 4)) == ["BatchNorm2d", "ReLU"] + ["Conv2d", "Dropout2d"] * 3
    assert kinds(DecoderBlock(8, 4, 4, dropout=0.0)) == ["BatchNorm2d", "ReLU"] + ["Conv2d"] * 3


@pytest.mark.parametrize("size", [(16, 16), (17, 22), (2, 3)])
def test_encoder_shapes(size: tuple[int, int]) -> None:
    features = EncoderBlock(3, 5)(torch.rand(2, 3, *size))
    assert features.shape == (2, 5, size[0] // 2, size[1] // 2)


@pytest.mark.parametrize("size", [(16, 16), (9, 14)])
def test_decoder_shapes_follow_the_skip_connection(size: tuple[int, int]) -> None:
    features = DecoderBlock(6, 3, 5)(torch.rand(2, 6, 4, 7), torch.rand(2, 3, *size))
    assert features.shape == (2, 5, *size)


def test_encoder_values() -> None:
    block = EncoderBlock(1, 2, num_convs=1, dropout=0.0)
    image = torch.rand(2, 1, 6, 8)
    convolution = block.convolutions[0]
    assert isinstance(convolution, nn.Conv2d)
    rectified = F.conv2d(image, convolution.weight, convolution.bias, padding=1).clamp(min=0)
    mean, variance = rectified.mean((0, 2, 3), keepdim=True), rectified.var((0, 2, 3), unbiased=False, keepdim=True)
    normalized = (rectified - mean) / (variance + block.norm.eps).sqrt()
    expected = normalized.unflatten(3, (4, 2)).unflatten(2, (3, 2)).amax((3, 5))
    torch.testing.assert_close(block(image), expected)


def test_decoder_values() -> None:
    block = DecoderBlock(2, 1, 1, num_convs=1, dropout=0.0)
    features, skip = torch.rand(2, 2, 3, 4) - 0.5, torch.rand(2, 1, 6, 8)
    mean, variance = features.mean((0, 2, 3), keepdim=True), features.var((0, 2, 3), unbiased=False, keepdim=True)
    rectified = ((features - mean) / (variance + block.norm.eps).sqrt()).clamp(min=0)
    upsampled = F.interpolate(rectified, scale_factor=2, mode="bilinear", align_corners=False)
    convolution = block.convolutions[0]
    assert isinstance(convolution, nn.Conv2d)
    joined = torch.cat([upsampled, skip], dim=1)
    expected = F.conv2d(joined, convolution.weight, convolution.bias, padding=1)
    torch.testing.assert_close(block(features, skip), expected)


def test_evaluation_is_deterministic_and_dropout_drops_whole_channels() -> None:
    block = EncoderBlock(1, 16, num_convs=1, dropout=0.5)
    image = torch.rand(1, 1, 8, 8)
    dropped: Tensor = block.convolutions(image)
    silent = (dropped == 0).flatten(2).all(2)
    assert silent.any()
    assert not silent.all()
    block.eval()
    assert torch.equal(block(image), block(image))


def test_gradcheck_in_double_precision() -> None:
    block = DecoderBlock(2, 1, 2, num_convs=2, dropout=0.0).double().eval()
    inputs = (
        torch.rand(1, 2, 2, 2, dtype=torch.float64, requires_grad=True),
        torch.rand(1, 1, 4, 4, dtype=torch.float64, requires_grad=True),
    )
    assert torch.autograd.gradcheck(block, inputs, fast_mode=True)


def test_script() -> None:
    encoder, decoder = EncoderBlock(1, 4).eval(), DecoderBlock(4, 2, 3).eval()
    image, skip = torch.rand(1, 1, 8, 8), torch.rand(1, 2, 8, 8)
    torch.testing.assert_close(torch.jit.script(encoder)(image), encoder(image))
    torch.testing.assert_close(torch.jit.script(decoder)(encoder(image), skip), decoder(encoder(image), skip))


def test_weights_fit_with_and_without_dropout() -> None:
    with_dropout, without = DecoderBlock(8, 4, 4), DecoderBlock(8, 4, 4, dropout=0.0)
    without.load_state_dict(with_dropout.state_dict())
