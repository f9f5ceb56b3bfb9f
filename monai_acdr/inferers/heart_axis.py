# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Where in a stack of slices the ventricle may be: motion says where to look, and a line what belongs together.

The heart is what moves most in a cine, though not always the ventricle itself; and its long axis passes all short-axis
slices as nearly a straight line, which other round and bright things, stomach or vessels, do not follow.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

__all__ = ["HeartAxis", "Vote", "find_axis", "motion_map", "moving_centers"]

MOTION_WINDOW = 0.7
"""Width of the window that motion is averaged in, in sides of the ROI."""
MOTION_SHARE = 0.5
"""Windows with less than this share of the largest motion are not searched."""
NEAR = 0.12
"""Candidates belong to an axis when nearer than this, in sides of the ROI."""
LARGEST_DRIFT = 0.6
"""The axis moves at most so far, in sides of the ROI, from the first slice to the last."""


@dataclass(frozen=True)
class Vote:
    """A candidate: slice number, probed frame, place (x, y) in sides of the ROI, and its log odds."""

    slice_number: float
    frame: int
    place: tuple[float, float]
    score: float


@dataclass(frozen=True)
class HeartAxis:
    """A line through the stack, in sides of the ROI: ``start + slope * (slice - middle)``."""

    start: Tensor
    slope: Tensor
    middle: float

    def __call__(self, slice_number: float) -> Tensor:
        """(2,) place in a slice."""
        return self.start + self.slope * (slice_number - self.middle)


def motion_map(frames: Tensor) -> Tensor:
    """How much each pixel of a slice changes over the heart's cycle.

    Args:
        frames: (P, H, W), phases in order, P >= 3.

    Returns:
        (H, W) amplitude of the first harmonic over the cycle (as in Cocosco et al. 2004, J Magn Reson Imaging 28),
        which noise and single odd frames disturb less than the standard deviation.
    """
    return torch.fft.fft(frames.to(torch.float32), dim=0)[1].abs() * (2 / len(frames))


def moving_centers(motion: Tensor, centers: Tensor, sides: Sequence[float]) -> Tensor:
    """Those of ``centers`` (N, 2) with motion about them; all of them where nothing moves.

    Args:
        motion: (H, W), see :func:`motion_map`.
        centers: (N, 2) pixels.
        sides: (width, height) of the ROI in pixels.
    """
    smooth = motion[None, None]
    for axis, side in enumerate((sides[1], sides[0])):  # one axis after the other: the square window would be slow
        half = max(1, round(MOTION_WINDOW * side)) // 2
        kernel, padding = ((2 * half + 1, 1), (half, 0)) if axis == 0 else ((1, 2 * half + 1), (0, half))
        smooth = F.avg_pool2d(smooth, kernel, 1, padding, count_include_pad=False)
    smooth = smooth[0, 0]
    columns = centers[:, 0].long().clamp(0, motion.shape[1] - 1)
    rows = centers[:, 1].long().clamp(0, motion.shape[0] - 1)
    values = smooth[rows, columns]
    return centers[values >= MOTION_SHARE * values.max()]


def find_axis(votes: Sequence[Vote], num_slices: int) -> HeartAxis | None:
    """The line that the best candidates lie on; None where there is no candidate.

    Lines through each candidate, parallel to the stack, and through each two of different slices are tried. Of each
    frame the best candidate near the line counts, with the logarithm of one plus its odds: a sure one counts much, an
    unlikely one nothing, and a frame without ventricle does no harm.
    """
    if not votes:
        return None
    middle = (num_slices - 1) / 2
    number = torch.tensor([vote.slice_number for vote in votes], dtype=torch.float64)
    places = torch.tensor([vote.place for vote in votes], dtype=torch.float64)
    weights = F.softplus(torch.tensor([vote.score for vote in votes], dtype=torch.float64))
    frames = torch.tensor([vote.frame for vote in votes])
    start, slope = _lines(number - middle, places, num_slices)
    along = start[:, None] + slope[:, None] * (number - middle)[:, None]
    distances = (along - places).norm(dim=-1)
    gains = weights * (1 - (distances / NEAR) ** 2).clamp_min(0)
    total = torch.stack([gains[:, frames == frame].amax(1) for frame in frames.unique()]).sum(0)
    best = int(total.argmax())
    return _fit(number - middle, places, gains[best], middle)


def _lines(number: Tensor, places: Tensor, num_slices: int) -> tuple[Tensor, Tensor]:
    """Start and slope (L, 2) of the lines to try."""
    first, second = torch.triu_indices(len(number), len(number), 1)
    apart = number[second] - number[first]
    first, second, apart = first[apart != 0], second[apart != 0], apart[apart != 0]
    slope = (places[second] - places[first]) / apart[:, None]
    allowed = slope.norm(dim=-1) * max(num_slices - 1, 1) <= LARGEST_DRIFT
    slope = torch.cat([torch.zeros_like(places), slope[allowed]])
    start = torch.cat([places, places[first[allowed]] - slope[len(places) :] * number[first[allowed], None]])
    return start, slope


def _fit(number: Tensor, places: Tensor, weights: Tensor, middle: float) -> HeartAxis:
    """Weighted least squares; candidates off the line have no weight."""
    weights = weights / weights.sum().clamp_min(1e-9)
    mean_number, mean_place = (weights * number).sum(), (weights[:, None] * places).sum(0)
    spread = (weights * (number - mean_number) ** 2).sum()
    slope = (weights[:, None] * (number - mean_number)[:, None] * (places - mean_place)).sum(0) / (spread + 0.1)
    return HeartAxis(mean_place - slope * mean_number, slope, middle)
