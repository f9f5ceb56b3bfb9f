# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Blocks with a norm and a rectifier after each convolution."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from monai_acdr.networks.blocks import NormalizedDecoderBlock, NormalizedEncoderBlock


def _kinds(block: nn.Module) -> list[str]:
    return [type(module).__name__ for module in block.modules() if not list(module.children())]


@pytest.mark.parametrize("num_convs", [1, 2, 3])
def test_each_convolution_has_its_norm_and_rectifier(num_convs: int) -> None:
    once = ["Conv2d", "BatchNorm2d", "LeakyReLU"]
    assert _kinds(NormalizedEncoderBlock(1, 8, num_convs)) == once * num_convs + ["MaxPool2d"]
    assert _kinds(NormalizedEncoderBlock(1, 8, num_convs, 0.1)) == once * num_convs + ["Dropout2d", "MaxPool2d"]
    assert _kinds(NormalizedDecoderBlock(8, 4, 4, num_convs)) == once * num_convs


def test_shapes_follow_the_image_and_the_skip_connection() -> None:
    assert NormalizedEncoderBlock(3, 5)(torch.rand(2, 3, 17, 22)).shape == (2, 5, 8, 11)
    assert NormalizedDecoderBlock(6, 3, 5)(torch.rand(2, 6, 4, 7), torch.rand(2, 3, 9, 14)).shape == (2, 5, 9, 14)


def _rectified(features: torch.Tensor) -> torch.Tensor:
    mean, variance = features.mean((0, 2, 3), keepdim=True), features.var((0, 2, 3), unbiased=False, keepdim=True)
    normalized = (features - mean) / (variance + 1e-5).sqrt()
    return torch.where(normalized > 0, normalized, 0.01 * normalized)


def test_values() -> None:
    encoder, decoder = NormalizedEncoderBlock(1, 2, 1), NormalizedDecoderBlock(2, 1, 1, 1)
    image, below = torch.rand(2, 1, 6, 8), torch.rand(2, 2, 3, 4)
    expected = _rectified(F.conv2d(image, encoder.convolutions.conv0.weight, padding=1))
    torch.testing.assert_close(encoder(image), expected.unflatten(3, (4, 2)).unflatten(2, (3, 2)).amax((3, 5)))
    joined = torch.cat([F.interpolate(below, scale_factor=2, mode="bilinear", align_corners=False), image], dim=1)
    expected = _rectified(F.conv2d(joined, decoder.convolutions.conv0.weight, padding=1))
    torch.testing.assert_close(decoder(below, image), expected)
