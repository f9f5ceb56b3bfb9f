# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Alignment of a patient's masks with the blood pool: a heuristic for cine MR (SSFP), where blood is bright.

For every shift of the mask up to ``MAX_SHIFT`` pixels the contrast between the mask's inside and a narrow ring around
it is computed, in units of the local standard deviation. Averaged over a patient's frames, masks that fit have a high
contrast that no shift improves much. Masks with a common displacement have a low contrast, which another shift
improves.

Measured on Sunnybrook's training and validation groups (30 patients, PNG): SC-N-6, whose masks are known to be
displaced, has contrast 0.13 and its best shift at 11 pixels, which gives 0.66; every other patient has at least 0.99,
at most 2.8 pixels, and gains at most 0.11. The limits lie between with a wide margin. A flag only means "look at these
masks"; single frames are not judged, because apical slices may have almost no contrast.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import max_pool2d

__all__ = [
    "MAX_SHIFT",
    "MIN_CONTRAST",
    "MIN_FRAMES",
    "MIN_GAIN",
    "MIN_SHIFT",
    "RING",
    "MaskFit",
    "judge_masks",
    "mask_contrast",
]

RING = 3
"""Width of the ring around the mask in pixels: within the myocardium, so that the right ventricle stays out."""

MAX_SHIFT = 20
"""Largest shift tried along each axis in pixels."""

MIN_CONTRAST = 0.5
"""A patient's mean contrast at shift 0 below this is suspicious."""

MIN_GAIN = 0.3
"""The best shift must improve the mean contrast by this much: images without any contrast prove nothing."""

MIN_SHIFT = 5.0
"""A best shift of at least this many pixels is suspicious."""

MIN_FRAMES = 3
"""Patients with fewer frames are not judged."""


@dataclass(frozen=True)
class MaskFit:
    """Agreement of one patient's masks with the images.

    Attributes:
        frames: number of frames averaged.
        contrast: mean contrast of the masks where they are.
        best_contrast: largest mean contrast over all shifts.
        best_shift: the shift (x, y) in pixels that gives it, to be added to the masks.
    """

    frames: int
    contrast: float
    best_contrast: float
    best_shift: tuple[int, int]

    @property
    def is_displaced(self) -> bool:
        """Whether contrast, best shift and the gain by it are all suspicious."""
        return (
            self.frames >= MIN_FRAMES
            and self.contrast < MIN_CONTRAST
            and self.best_contrast - self.contrast >= MIN_GAIN
            and math.hypot(*self.best_shift) >= MIN_SHIFT
        )


def mask_contrast(image: Tensor, mask: Tensor) -> Tensor:
    """Contrast of one mask for every shift.

    Args:
        image: (H, W), any scale and offset.
        mask: (H, W) in [0, 1], with at least one pixel set.

    Returns:
        (2 S + 1, 2 S + 1) float32, S = ``MAX_SHIFT``; element [S + dy, S + dx] is
        (mean inside - mean in the ring) / standard deviation over both, for the mask shifted by (dx, dy). Shifts wrap
        around the image's border.
    """
    size = (max(image.shape[0], 2 * MAX_SHIFT + 1), max(image.shape[1], 2 * MAX_SHIFT + 1))
    inside = (mask >= 0.5).to(torch.float64)
    ring = max_pool2d(inside[None, None], 2 * RING + 1, stride=1, padding=RING)[0, 0] - inside
    pixels = image.to(torch.float64)
    pixels = pixels - pixels.mean()
    spectrum, squares = torch.fft.rfft2(pixels, s=size), torch.fft.rfft2(pixels.square(), s=size)

    def mean(values: Tensor, window: Tensor) -> Tensor:
        sums = torch.fft.irfft2(values * torch.fft.rfft2(window, s=size).conj(), s=size)
        return sums / window.sum().clamp_min(1.0)

    both = inside + ring
    variance = mean(squares, both) - mean(spectrum, both).square()
    floor = pixels.var().clamp_min(1e-12) * 1e-4
    contrast = (mean(spectrum, inside) - mean(spectrum, ring)) / torch.maximum(variance, floor).sqrt()
    width = 2 * MAX_SHIFT + 1
    return torch.roll(contrast, (MAX_SHIFT, MAX_SHIFT), dims=(0, 1))[:width, :width].to(torch.float32)


def judge_masks(contrasts: Sequence[Tensor]) -> MaskFit:
    """Average the contrast maps of one patient's frames, from :func:`mask_contrast`, and find the best shift.

    Raises:
        ValueError: when there is no map.
    """
    if not contrasts:
        raise ValueError("Expected at least one contrast map, but got none: leave out patients without frames.")
    mean = torch.stack(list(contrasts)).mean(dim=0)
    row, column = divmod(int(mean.argmax()), mean.shape[1])
    return MaskFit(
        frames=len(contrasts),
        contrast=float(mean[MAX_SHIFT, MAX_SHIFT]),
        best_contrast=float(mean.max()),
        best_shift=(column - MAX_SHIFT, row - MAX_SHIFT),
    )
