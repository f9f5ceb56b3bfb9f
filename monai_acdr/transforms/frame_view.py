# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""View of whole frames for a network of fixed input size: square, small and standardized."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from monai_acdr.geometry import at_least_float32, pixel_to_normalized

__all__ = ["FrameView", "frame_view", "slice_motion", "spread_phases", "standardize_frames"]


@dataclass(frozen=True, eq=False)
class FrameView:
    """Frames in the middle of a square whose side is their longer side.

    Attributes:
        image: (B, C, size, size).
        side: of the square in pixels of the frames.
        offset: (x, y) of the frames' upper left corner in the square, in pixels of the frames.
    """

    image: Tensor
    side: float
    offset: tuple[float, float]

    def to_frame(self, points: Tensor) -> Tensor:
        """(..., 2), (x, y) in sides of the square, to pixels of the frames."""
        return points * self.side - points.new_tensor(self.offset)

    def from_frame(self, points: Tensor) -> Tensor:
        """(..., 2), (x, y) in pixels of the frames, to sides of the square."""
        return (points + points.new_tensor(self.offset)) / self.side


def frame_view(frames: Tensor, size: int = 128) -> FrameView:
    """Scale frames so that their longer side fills a square, padded with 0.

    Large frames are first averaged over blocks of pixels, then interpolated linearly.

    Args:
        frames: (B, C, H, W) floating point.
        size: side of the square in pixels.

    Raises:
        ValueError: for other shapes or sizes.
    """
    if frames.ndim != 4 or not frames.is_floating_point() or min(frames.shape[-2:]) < 1 or size < 1:
        raise ValueError(
            f"Expected `frames` (B, C, H, W) and a positive `size`, but got {tuple(frames.shape)}, {size}."
        )
    frames = at_least_float32(frames)
    height, width = frames.shape[-2:]
    side = max(height, width)
    offset = (side - width) / 2, (side - height) / 2
    block = max(1, round(side / size))
    if block > 1:  # rows and columns beyond the border repeat it: zeros would darken the last block
        frames = F.pad(frames, (0, -width % block, 0, -height % block), mode="replicate")
        frames = F.avg_pool2d(frames, block)
    line = (torch.arange(size, dtype=frames.dtype, device=frames.device) + 0.5) / size * side
    y, x = torch.meshgrid(line - offset[1], line - offset[0], indexing="ij")
    points = torch.stack([x, y], -1)
    covered = frames.shape[-2] * block, frames.shape[-1] * block
    grid = pixel_to_normalized(points, covered)
    seen = F.grid_sample(frames, grid.expand(len(frames), -1, -1, -1), padding_mode="border", align_corners=False)
    inside = (x >= 0) & (x <= width) & (y >= 0) & (y <= height)
    return FrameView(seen * inside, float(side), offset)


def slice_motion(phases: Tensor) -> Tensor:
    """Range of each pixel over the phases (P, ...) of a slice, repeated for each phase; 0 for a single phase."""
    return (phases.amax(0, keepdim=True) - phases.amin(0, keepdim=True)).expand_as(phases)


def spread_phases(count: int, most: int) -> list[int]:
    """Indices of at most ``most`` of ``count`` phases, equally spaced."""
    number = min(count, most)
    return [index * count // number for index in range(number)]


def standardize_frames(frames: Tensor) -> Tensor:
    """Scale intensities of frames whose further channels are differences of the first one.

    Args:
        frames: (B, C, H, W) floating point; channel 0 the image, the others motion.

    Returns:
        The image with mean 0 and variance 1, the others divided by its standard deviation: 0 stays no motion.
    """
    image = frames[:, :1]
    mean, deviation = image.mean((1, 2, 3), keepdim=True), image.std((1, 2, 3), keepdim=True, correction=0)
    scale = torch.where(deviation > 0, deviation, torch.ones_like(deviation))
    return torch.cat([(image - mean) / scale, frames[:, 1:] / scale], 1)
