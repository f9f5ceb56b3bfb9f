# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Random views of whole frames, to train a localizer: translation, zoom, rotation, crop, border and appearance."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from monai_acdr.geometry import at_least_float32, pixel_to_normalized
from monai_acdr.transforms.batch.views import draw_log_uniform, draw_some, similarity, unit_points
from monai_acdr.transforms.frame_view import standardize_frames

__all__ = ["FrameOptions", "RandFrame"]

_BRIGHTEST = 1.6
"""Intensities are cut at this many times their 99.5th percentile."""
_BORDER_MARGIN = 0.05
"""Least distance of an object from the border of a narrowed view, in half sides."""


@dataclass(frozen=True)
class FrameOptions:
    """Ranges and probabilities from which :class:`RandFrame` draws its views.

    Attributes:
        scale: smallest and largest side of the view in sides of the frame, log-uniform.
        angle: largest turn in degrees.
        upright_prob: probability of a turn of at most ``upright_angle`` instead.
        upright_angle: in degrees.
        flip_prob: probability of a mirrored view.
        stretch: largest |log| of the factor along x, its inverse along y.
        central_prob: probability that the object is within ``central`` of the view's middle along x and y.
        central: in sides of the view.
        reach: largest distance of the other objects, in the same unit.
        lost_prob: probability that the object is moved out of the view.
        border_prob: probability of a view narrowed by up to 0.4 of its side.
        gamma: largest |log gamma|.
        bias: largest coefficient of the logarithm of the bias field.
        noise: largest standard deviation in units of the 99.5th percentile.
        appearance_prob: probability of gamma, and of a bias field; that of noise is 0.1 lower.
        still_prob: probability of a view without motion.

    Raises:
        ValueError: for a ``scale`` that is not 0 < smallest <= largest.
    """

    scale: tuple[float, float] = (0.45, 1.25)
    angle: float = 180.0
    upright_prob: float = 0.5
    upright_angle: float = 20.0
    flip_prob: float = 0.3
    stretch: float = 0.12
    central_prob: float = 0.6
    central: float = 0.18
    reach: float = 0.4
    lost_prob: float = 0.06
    border_prob: float = 0.3
    gamma: float = 0.6
    bias: float = 0.5
    noise: float = 0.08
    appearance_prob: float = 0.6
    still_prob: float = 0.35

    def __post_init__(self) -> None:
        if not 0 < self.scale[0] <= self.scale[1]:
            raise ValueError(f"Expected `scale` to be 0 < smallest <= largest, but got {self.scale}.")


class RandFrame:
    """Make a random view of each frame of a batch, and locate its object in the view.

    A similarity with a little stretch places the view, so that the object lies somewhere in it or, now and then,
    outside; pixels beyond the frame are 0. Some views are narrowed by a border of zeros, like frames that are not
    square. Gamma, bias field and noise follow; motion is scaled, and left out in a share of the views, so that single
    frames occur as well. Draws from torch's global generator.

    Args:
        size: of the views in pixels.
        options: ranges and probabilities of place, zoom, turn, border and intensities.
        **shortcuts: fields of :class:`FrameOptions` by their names, instead of those of ``options``.

    Raises:
        ValueError: for a size below 2, and for ranges that cannot be drawn from.
        TypeError: for a shortcut that is not a field of FrameOptions.
    """

    def __init__(self, size: int = 128, *, options: FrameOptions | None = None, **shortcuts: Any) -> None:
        if size < 2:
            raise ValueError(f"Expected `size` of at least 2 pixels, but got {size}.")
        self.size = size
        self.options = replace(options or FrameOptions(), **shortcuts)

    def __call__(self, frames: Tensor, objects: Tensor) -> tuple[Tensor, Tensor]:
        """Make one view of each frame.

        Args:
            frames: (B, 2, side, side) floating point: image and motion (0 if unknown).
            objects: (B, 4): center x and y and radius in pixels of the frames, and 1 for an object or 0 for a frame
                without one, whose center is the point that its views are placed about.

        Returns:
            Views (B, 2, size, size), standardized (:func:`monai_acdr.transforms.standardize_frames`), and targets
            (B, 4) of :class:`monai_acdr.losses.LocalizationLoss`: center and radius in sides of the view, and presence.

        Raises:
            ValueError: for other shapes.
        """
        if frames.ndim != 4 or frames.shape[1] != 2 or frames.shape[2] != frames.shape[3]:
            raise ValueError(f"Expected `frames` (B, 2, side, side), but got {tuple(frames.shape)}: use frame_view.")
        if objects.shape != (len(frames), 4):
            raise ValueError(f"Expected `objects` ({len(frames)}, 4), but got {tuple(objects.shape)}.")
        frames = at_least_float32(frames)
        objects = objects.to(frames)
        batch, whole = len(frames), frames.shape[-1]
        side = (whole * draw_log_uniform(batch, *self.options.scale)).to(frames)
        present = objects[:, 3] > 0.5
        place = self._places(objects[:, 2] / side, present)  # of the object, in sides of the view from its middle
        lost = present & (place.abs().amax(1) > 0.5)
        view = self._narrowed(self._cut(frames, objects[:, :2], place, side), place)
        view = self._other_scanner(view)
        target = torch.cat([place + 0.5, (objects[:, 2] / side)[:, None], (present & ~lost)[:, None].to(place)], 1)
        return standardize_frames(view), target

    def _places(self, radius: Tensor, present: Tensor) -> Tensor:
        batch, options = len(radius), self.options
        reach = torch.where(torch.rand(batch, 1) < options.central_prob, options.central, options.reach)
        place = ((torch.rand(batch, 2) * 2 - 1) * reach).to(radius)
        lost = (torch.rand(batch, 1) < options.lost_prob).to(radius.device) & present[:, None]
        outside = torch.sign(place) * (0.5 + 1.3 * radius[:, None])
        return torch.where(lost, outside, place)

    def _cut(self, frames: Tensor, center: Tensor, place: Tensor, side: Tensor) -> Tensor:
        batch, whole, options = len(frames), frames.shape[-1], self.options
        largest = torch.where(torch.rand(batch) < options.upright_prob, options.upright_angle, options.angle)
        turn = (torch.rand(batch) * 2 - 1) * largest * (math.pi / 180)
        flip = torch.where(torch.rand(batch) < options.flip_prob, -1.0, 1.0)
        stretch = torch.exp((torch.rand(batch) * 2 - 1) * options.stretch)
        matrix = similarity(turn, flip, stretch).to(frames) * side[:, None, None]
        points = center[:, None] + (unit_points(self.size, frames) - place[:, None]) @ matrix.transpose(1, 2)
        grid = pixel_to_normalized(points, (whole, whole)).view(batch, self.size, self.size, 2)
        block = max(1, whole // self.size)
        if block > 1:  # as frame_view does, against aliasing
            frames = F.avg_pool2d(frames, block)
            grid = grid * (whole / (frames.shape[-1] * block)) + (whole / (frames.shape[-1] * block) - 1)
        return F.grid_sample(frames, grid, padding_mode="zeros", align_corners=False)

    def _narrowed(self, view: Tensor, place: Tensor) -> Tensor:
        """Zeros beside the middle part along x or y, unless they would cover the object's center."""
        batch, options = len(view), self.options
        width = torch.where(torch.rand(batch) < options.border_prob, 0.6 + 0.4 * torch.rand(batch), torch.ones(batch))
        along_x = torch.rand(batch) < 0.5
        width, along_x = width.to(view), along_x.to(view.device)
        line = ((torch.arange(self.size, dtype=view.dtype, device=view.device) + 0.5) / self.size - 0.5).abs() * 2
        keep_x = line[None, None] < width[:, None, None]
        keep_y = line[None, :, None] < width[:, None, None]
        keep = torch.where(along_x[:, None, None], keep_x, keep_y)
        covers = torch.where(along_x, place[:, 0].abs(), place[:, 1].abs()) * 2 > width - _BORDER_MARGIN
        return view * (keep | covers[:, None, None])[:, None]

    def _other_scanner(self, view: Tensor) -> Tensor:
        image, motion, options = view[:, :1], view[:, 1:], self.options
        high = torch.quantile(image.flatten(1), 0.995, dim=1)[:, None, None, None].clamp(min=1e-6)
        image, motion = ((each / high).clamp(0, _BRIGHTEST) for each in (image, motion))
        prob = options.appearance_prob
        image = image.clamp(min=1e-4) ** torch.exp(draw_some(view, -options.gamma, options.gamma, prob))
        line = torch.linspace(-1, 1, self.size).to(view)
        x, y = line, line[:, None]
        bias = options.bias
        terms = [draw_some(view, -bias, bias, 1.0) * x, draw_some(view, -bias, bias, 1.0) * y]
        terms.append(draw_some(view, -0.8 * bias, 0.8 * bias, 1.0) * (x * x + y * y))
        field = torch.exp(draw_some(view, 1, 1, prob) * (terms[0] + terms[1] + terms[2]))
        image, motion = image * field, motion * field * draw_some(view, 0.6, 1.4, 1.0)
        noise = torch.randn(image.shape).to(view)
        image = image + draw_some(view, 0, options.noise, max(0.0, prob - 0.1)) * noise
        moving = torch.randn(image.shape).to(view).abs()
        has_motion = motion.flatten(1).amax(1)[:, None, None, None] > 0
        motion = motion + draw_some(view, 0, 0.6 * options.noise, max(0.0, prob - 0.3)) * moving
        return torch.cat([image, motion * (has_motion & (draw_some(view, 1, 1, options.still_prob) == 0))], 1)
