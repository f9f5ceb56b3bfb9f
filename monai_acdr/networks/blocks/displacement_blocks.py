# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Encoder and decoder blocks of the displacement network, as section 3.1 and Fig. 2 of the paper describe them."""

from __future__ import annotations

from collections import OrderedDict

import torch
from torch import Tensor, nn
from torch.nn import functional as F

__all__ = ["DecoderBlock", "EncoderBlock"]


def _convolutions(in_channels: int, out_channels: int, num_convs: int, dropout: float) -> nn.Sequential:
    """Sub-blocks of a 3 x 3 convolution followed by dropout; nothing between them, as the paper says.

    Layers are named, so that weights fit whether or not there is dropout between them.
    """
    layers: OrderedDict[str, nn.Module] = OrderedDict()
    for index in range(num_convs):
        layers[f"conv{index}"] = nn.Conv2d(in_channels if index == 0 else out_channels, out_channels, 3, padding=1)
        if dropout > 0:
            layers[f"dropout{index}"] = nn.Dropout2d(dropout)
    return nn.Sequential(layers)


class EncoderBlock(nn.Module):
    """``num_convs`` x (convolution, dropout), ReLU, batch norm, max-pool.

    Args:
        in_channels: channels of the input.
        out_channels: channels of the output.
        num_convs: number of convolutions; 3 in the paper.
        dropout: probability of dropping a channel; 0.2 in the paper.
    """

    def __init__(self, in_channels: int, out_channels: int, num_convs: int = 3, dropout: float = 0.2) -> None:
        super().__init__()
        self.convolutions = _convolutions(in_channels, out_channels, num_convs, dropout)
        self.activation = nn.ReLU()
        self.norm = nn.BatchNorm2d(out_channels)
        self.pool = nn.MaxPool2d(2)

    def forward(self, features: Tensor) -> Tensor:
        """(B, C, H, W) to (B, C', H // 2, W // 2), also used as the skip connection."""
        return self.pool(self.norm(self.activation(self.convolutions(features))))


class DecoderBlock(nn.Module):
    """Batch norm, ReLU, bilinear up-sampling to the skip connection, concatenation, then the convolutions.

    Args:
        in_channels: channels of the input from below.
        skip_channels: channels of the skip connection.
        out_channels: channels of the output.
        num_convs: number of convolutions; 3 in the paper.
        dropout: probability of dropping a channel; 0.2 in the paper and 0 in its last block.
    """

    def __init__(
        self, in_channels: int, skip_channels: int, out_channels: int, num_convs: int = 3, dropout: float = 0.2
    ) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(in_channels)
        self.activation = nn.ReLU()
        self.convolutions = _convolutions(in_channels + skip_channels, out_channels, num_convs, dropout)

    def forward(self, features: Tensor, skip: Tensor) -> Tensor:
        """(B, C, h, w) and (B, S, H, W) to (B, C', H, W)."""
        features = self.activation(self.norm(features))
        features = F.interpolate(features, size=skip.shape[-2:], mode="bilinear", align_corners=False)
        return self.convolutions(torch.cat([features, skip], dim=1))
