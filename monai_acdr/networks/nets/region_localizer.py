# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Localizer network: place, size and presence of an object in a whole frame."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from monai.networks.nets import BasicUNet
from torch import Tensor, nn

from monai_acdr.geometry import at_least_float32

__all__ = ["LocatedRegions", "RegionLocalizer", "center_errors", "decode_regions"]

NEIGHBORHOOD = 2
"""The peak is refined in a square of this many cells to each side."""


class RegionLocalizer(nn.Module):
    """A strided convolution and MONAI's BasicUNet: one forward pass over a whole frame gives three maps.

    The maps have half the frame's resolution: channel 0 the logits of where the center is (softmax over all cells),
    channel 1 the logarithm of the radius in half sides of the frame, channel 2 the logit that the object is in the
    frame. :func:`decode_regions` reads them.

    Args:
        in_channels: channels of the frame; 2 for the image and its motion.
        width: channels of the finest level; 12 give 0.5 million weights.
        dropout: of BasicUNet, in training.

    Example:
        >>> maps = RegionLocalizer()(frames)  # frames (B, 2, 128, 128)
        >>> decode_regions(maps).center  # (B, 2), in sides of the frame
    """

    def __init__(self, in_channels: int = 2, width: int = 12, dropout: float = 0.1) -> None:
        super().__init__()
        if in_channels < 1 or width < 1:
            raise ValueError(f"Expected `in_channels` and `width` of at least 1, but got {in_channels} and {width}.")
        self.in_channels = in_channels
        self.stem = nn.Sequential(
            nn.Conv2d(in_channels, width, 5, stride=2, padding=2, bias=False),
            nn.BatchNorm2d(width),
            nn.LeakyReLU(0.1),
        )
        features = (width, 2 * width, 4 * width, 6 * width, 8 * width, width)
        self.net = BasicUNet(2, width, 3, features=features, norm="batch", dropout=dropout)

    def forward(self, frame: Tensor) -> Tensor:
        """(B, C, H, W) to maps (B, 3, H / 2, W / 2), floating point.

        Raises:
            ValueError: for another number of channels, or sides that are not multiples of 32 (the levels halve them
                five times).
        """
        if frame.ndim != 4 or frame.shape[1] != self.in_channels or frame.shape[2] % 32 or frame.shape[3] % 32:
            raise ValueError(
                f"Expected `frame` (B, {self.in_channels}, H, W) with sides that are multiples of 32, but got "
                f"{tuple(frame.shape)}: use monai_acdr.transforms.frame_view."
            )
        return self.net(self.stem(frame))


@dataclass(frozen=True, eq=False)
class LocatedRegions:
    """One object per frame.

    Attributes:
        center: (B, 2), (x, y) in sides of the frame, from its upper left corner.
        radius: (B,) in sides of the frame.
        presence_logit: (B,) logit of the probability that the object is in the frame.
    """

    center: Tensor
    radius: Tensor
    presence_logit: Tensor


def decode_regions(maps: Tensor, heat: Tensor | None = None) -> LocatedRegions:
    """Read the maps of a :class:`RegionLocalizer`.

    The center is the center of mass of the heat about its highest cell, so it is not bound to the grid; radius and
    presence are the means of their maps there, weighted by the heat.

    Args:
        maps: (B, 3, h, w) floating point.
        heat: (B, h, w), non-negative, used instead of the softmax of the first map, for example one that several frames
            share. Need not sum to 1.

    Raises:
        ValueError: for other shapes.
    """
    if maps.ndim != 4 or maps.shape[1] != 3 or (heat is not None and heat.shape != maps[:, 0].shape):
        shapes = f"{tuple(maps.shape)} and {None if heat is None else tuple(heat.shape)}"
        raise ValueError(f"Expected `maps` (B, 3, h, w) and `heat` (B, h, w) or None, but got {shapes}.")
    maps = at_least_float32(maps)
    rows, columns = maps.shape[-2:]
    heat = maps[:, 0].flatten(1).softmax(1).view_as(maps[:, 0]) if heat is None else at_least_float32(heat)
    peak = heat.flatten(1).argmax(1)
    y = torch.arange(rows, device=maps.device)[:, None]
    x = torch.arange(columns, device=maps.device)
    near_y = (y - (peak // columns)[:, None, None]).abs() <= NEIGHBORHOOD
    near_x = (x - (peak % columns)[:, None, None]).abs() <= NEIGHBORHOOD
    weight = heat * (near_y & near_x)
    weight = weight / weight.sum((1, 2), keepdim=True).clamp(min=torch.finfo(weight.dtype).tiny)
    center = torch.stack([(weight * (x + 0.5)).sum((1, 2)) / columns, (weight * (y + 0.5)).sum((1, 2)) / rows], 1)
    radius = (weight * maps[:, 1]).sum((1, 2)).exp() / 2
    return LocatedRegions(center, radius, (weight * maps[:, 2]).sum((1, 2)))


def center_errors(maps: Tensor, target: Tensor) -> Tensor:
    """Distance of located centers from the true ones.

    Args:
        maps: (B, 3, h, w) of a :class:`RegionLocalizer`.
        target: (B, 4) center x and y and radius in sides of the frame, and presence, as
            :class:`monai_acdr.losses.LocalizationLoss` takes them.

    Returns:
        (P,) distances in radii, of the frames with an object.
    """
    present = target[:, 3] > 0.5
    distance = (decode_regions(maps).center - target[:, :2].to(maps)).norm(dim=1)
    return distance[present] / target[present, 2].to(maps)
