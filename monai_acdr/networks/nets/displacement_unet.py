# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""The displacement network J = D(E(I)) of equation 1."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from monai_acdr.geometry import at_least_float32
from monai_acdr.networks.blocks import DecoderBlock, EncoderBlock, NormalizedDecoderBlock, NormalizedEncoderBlock

__all__ = ["DisplacementUNet"]

INITIAL_FIELD_SCALE = 0.05
"""Standard deviation of an untrained field before its activation, in half image sizes: about one pixel of 64."""


class DisplacementUNet(nn.Module):
    """Encoder and decoder with skip connections, section 3.1: an image to a displacement field.

    Skip connections carry the pooled output of each encoder block, so the last decoder block works at half the image's
    resolution and the field is up-sampled bilinearly to the image, as the paper describes.

    Args:
        in_channels: channels of the image.
        channels: width of each level, from the finest to the coarsest. ``(128, 256, 512)`` is the published code.
        num_convs: convolutions per block; 3 in the paper, 2 in the published code.
        dropout: 0.2 in the paper, 0.1 in the published code. The last decoder block has none.
        activation: ``tanh`` bounds the field to (-1, 1), so that one step can cross half the image (published code);
            ``sigmoid`` (paper) does the same as 2 sigmoid(z) - 1, since a field must be able to point both ways;
            ``none`` leaves it unbounded.
        blocks: ``paper``, or ``normalized`` for batch norm and leaky ReLU after each convolution, with dropout in the
            encoder only, below its two finest levels: as many weights, and fewer epochs to the same accuracy.
        num_structures: N, the contours that the field moves: it has 2 N channels.
    """

    ACTIVATIONS = ("tanh", "sigmoid", "none")
    BLOCKS = ("paper", "normalized")

    def __init__(
        self,
        in_channels: int = 1,
        channels: Sequence[int] = (32, 64, 128),
        num_convs: int = 3,
        dropout: float = 0.2,
        activation: str = "tanh",
        blocks: str = "paper",
        num_structures: int = 1,
    ) -> None:
        super().__init__()
        if activation not in self.ACTIVATIONS:
            raise ValueError(f"Expected `activation` to be one of {self.ACTIVATIONS}, but got {activation!r}.")
        if blocks not in self.BLOCKS:
            raise ValueError(f"Expected `blocks` to be one of {self.BLOCKS}, but got {blocks!r}.")
        if len(channels) < 1:
            raise ValueError("Expected `channels` to name at least one level, but got none.")
        if num_structures < 1:
            raise ValueError(f"Expected `num_structures` to be at least 1, but got {num_structures}.")
        self.activation = activation
        pairs = list(pairwise([in_channels, *channels]))
        levels = list(enumerate(pairs))
        before: list[nn.Module] = []
        if blocks == "paper":
            self.encoder = nn.ModuleList(EncoderBlock(narrow, wide, num_convs, dropout) for narrow, wide in pairs)
            self.decoder = nn.ModuleList(
                DecoderBlock(wide, narrow, narrow, num_convs, dropout=0.0 if level == 1 else dropout)
                for level, (narrow, wide) in reversed(levels[1:])
            )
            before = [nn.BatchNorm2d(channels[0]), nn.ReLU()]
        else:
            self.encoder = nn.ModuleList(
                NormalizedEncoderBlock(narrow, wide, num_convs, dropout=0.0 if level < 2 else dropout)
                for level, (narrow, wide) in levels
            )
            self.decoder = nn.ModuleList(
                NormalizedDecoderBlock(wide, narrow, narrow, num_convs) for narrow, wide in reversed(pairs[1:])
            )
        projection = nn.Conv2d(channels[0], 2 * num_structures, 1)
        # A field of random half-image jumps folds the first contours up, and folded contours learn nothing.
        nn.init.normal_(projection.weight, std=INITIAL_FIELD_SCALE / channels[0] ** 0.5)
        projection.bias = nn.Parameter(torch.zeros(2 * num_structures))
        self.head = nn.Sequential(*before, projection)

    def forward(self, image: Tensor) -> Tensor:
        """(B, C, H, W) to the field (B, 2 N, H, W) in half image sizes, channels (x_1, y_1, x_2, y_2, ...).

        The field is float32 at least, also under autocast and in half precision: a value near 1 is a displacement of
        half an image, which bfloat16 resolves only to 1 / 256.

        Raises:
            ValueError: if the image is smaller than the deepest level needs.
        """
        smallest = 2 ** len(self.encoder)
        if min(image.shape[-2:]) < smallest:
            raise ValueError(
                f"Expected `image` of at least {smallest} x {smallest} pixels for {len(self.encoder)} levels, "
                f"but got {image.shape[-2]} x {image.shape[-1]}: use fewer `channels` or a larger ROI."
            )
        features, skips = image, []
        for block in self.encoder:
            features = block(features)
            skips.append(features)
        skips.pop()  # the deepest one is where the decoder starts
        for block in self.decoder:
            features = block(features, skips.pop())
        field = F.interpolate(
            at_least_float32(self.head(features)), size=image.shape[-2:], mode="bilinear", align_corners=False
        )
        if self.activation == "tanh":
            return torch.tanh(field)
        return 2 * torch.sigmoid(field) - 1 if self.activation == "sigmoid" else field
