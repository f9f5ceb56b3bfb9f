# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Synthetic hearts somewhere in an image, and a stand-in for the network that sees bright discs exactly."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest
import torch
from monai.data import MetaTensor
from torch import Tensor

from monai_acdr.geometry import circle

REACH = 0.35
"""The stand-in finds a disc when its middle is nearer than this to that of the window, in sides."""


def draw(size: tuple[int, int], discs: Sequence[tuple[float, float, float]], noise: float = 0.0) -> MetaTensor:
    """Bright discs (x, y, radius) with a dark wall on grey, (1, H, W)."""
    rows, columns = torch.meshgrid(torch.arange(size[0]) + 0.5, torch.arange(size[1]) + 0.5, indexing="ij")
    pixels = torch.full(size, 0.4)
    for x, y, radius in discs:
        distance = ((columns - x) ** 2 + (rows - y) ** 2).sqrt()
        pixels = torch.where(distance < 1.5 * radius, torch.tensor(0.1), pixels)
        pixels = torch.where(distance < radius, torch.tensor(1.0), pixels)
    pixels = pixels + noise * torch.randn(size, generator=torch.Generator().manual_seed(0))
    image = MetaTensor(pixels[None], affine=torch.eye(4))
    image.meta |= {"spatial_shape": list(size), "original_affine": torch.eye(4), "discs": list(discs)}
    return image


def see_discs(images: Sequence[MetaTensor], rois: Sequence[Tensor]) -> list[Tensor]:
    """For each ROI (2, 32, 2): the disc nearest to its middle, else a ragged speck."""
    results = []
    for image, roi in zip(images, rois, strict=True):
        near = [
            (((roi[0] - x) ** 2 + (roi[1] - y) ** 2).sqrt() / roi[2], x, y, radius)
            for x, y, radius in image.meta["discs"]
        ]
        if near and min(near)[0] < REACH:
            _, x, y, radius = min(near)
            final = circle(torch.tensor([x, y], dtype=torch.float64), torch.tensor(radius, dtype=torch.float64), 32)
        else:
            speck = torch.tensor([[1.0, 0.2], [0.3, 1.0]], dtype=torch.float64).repeat(16, 1)
            final = roi[:2] + speck * torch.linspace(-2, 2, 32, dtype=torch.float64)[:, None]
        results.append(torch.stack([final, final]))
    return results


@pytest.fixture(scope="session")
def draw_discs() -> Callable[..., MetaTensor]:
    """See :func:`draw`."""
    return draw


@pytest.fixture(scope="session")
def stand_in() -> Callable[..., list[Tensor]]:
    """See :func:`see_discs`."""
    return see_discs
