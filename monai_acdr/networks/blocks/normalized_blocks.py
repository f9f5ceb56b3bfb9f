# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Encoder and decoder blocks that normalize and rectify after EACH convolution, unlike those of the paper.

The paper's blocks are linear from one pooling to the next: convolutions in a row, then one rectifier. These have as
many non-linearities as convolutions, at the same number of weights.
"""

from __future__ import annotations

from collections import OrderedDict

import torch
from torch import Tensor, nn
from torch.nn import functional as F

__all__ = ["NormalizedDecoderBlock", "NormalizedEncoderBlock"]

NEGATIVE_SLOPE = 0.01
"""Negative slope of the leaky rectifier, as in nnU-Net."""


def _convolutions(in_channels: int, out_channels: int, num_convs: int) -> OrderedDict[str, nn.Module]:
    layers: OrderedDict[str, nn.Module] = OrderedDict()
    for index in range(num_convs):
        width = in_channels if index == 0 else out_channels
        layers[f"conv{index}"] = nn.Conv2d(width, out_channels, 3, padding=1, bias=False)  # the norm has one
        layers[f"norm{index}"] = nn.BatchNorm2d(out_channels)
        layers[f"activation{index}"] = nn.LeakyReLU(NEGATIVE_SLOPE, inplace=True)
    return layers


class NormalizedEncoderBlock(nn.Module):
    """``num_convs`` x (convolution, batch norm, leaky ReLU), dropout, max-pool.

    Args:
        in_channels: channels of the input.
        out_channels: channels of the output.
        num_convs: number of convolutions.
        dropout: probability of dropping a channel of the block's result.
    """

    def __init__(self, in_channels: int, out_channels: int, num_convs: int = 2, dropout: float = 0.0) -> None:
        super().__init__()
        layers = _convolutions(in_channels, out_channels, num_convs)
        if dropout > 0:
            layers["dropout"] = nn.Dropout2d(dropout)
        self.convolutions = nn.Sequential(layers)
        self.pool = nn.MaxPool2d(2)

    def forward(self, features: Tensor) -> Tensor:
        """(B, C, H, W) to (B, C', H // 2, W // 2), also used as the skip connection."""
        return self.pool(self.convolutions(features))


class NormalizedDecoderBlock(nn.Module):
    """Bilinear up-sampling to the skip, concatenation, ``num_convs`` x (convolution, batch norm, leaky ReLU).

    Args:
        in_channels: channels of the input from below.
        skip_channels: channels of the skip connection.
        out_channels: channels of the output.
        num_convs: number of convolutions.
    """

    def __init__(self, in_channels: int, skip_channels: int, out_channels: int, num_convs: int = 2) -> None:
        super().__init__()
        self.convolutions = nn.Sequential(_convolutions(in_channels + skip_channels, out_channels, num_convs))

    def forward(self, features: Tensor, skip: Tensor) -> Tensor:
        """(B, C, h, w) and (B, S, H, W) to (B, C', H, W)."""
        features = F.interpolate(features, size=skip.shape[-2:], mode="bilinear", align_corners=False)
        return self.convolutions(torch.cat([features, skip], dim=1))
