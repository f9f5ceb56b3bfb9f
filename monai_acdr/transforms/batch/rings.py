# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""A warp along rays: nested contours get other sizes, and what is far from them stays where it is."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from monai_acdr.geometry import at_least_float32

__all__ = ["RingWarp", "polar_radii"]


def polar_radii(contours: Tensor, centers: Tensor, num_angles: int = 72) -> Tensor:
    """Distance from a center to a contour in each of equally spaced directions.

    Args:
        contours: (B, P, 2) in pixels; NaN where a contour is missing.
        centers: (B, 2) in the same pixels.
        num_angles: A, directions at 2 pi a / A, counted from +x toward +y.

    Returns:
        (B, A) of the contours' dtype, float32 at least. Exact for polygons that are star-shaped about the center; of
        others the farthest crossing of a ray is taken, and 0 where a ray meets none. NaN where a contour is.
    """
    offset = at_least_float32(contours) - at_least_float32(centers)[:, None]
    start, edge = offset[:, None], (offset.roll(-1, 1) - offset)[:, None]  # (B, 1, P, 2)
    angles = torch.arange(num_angles, dtype=offset.dtype, device=offset.device) * (2 * math.pi / num_angles)
    ray = torch.stack([torch.cos(angles), torch.sin(angles)], -1)[None, :, None]  # (1, A, 1, 2)
    # start + s edge = t ray, by Cramer's rule
    across = edge[..., 0] * ray[..., 1] - edge[..., 1] * ray[..., 0]
    parallel = across == 0
    across = torch.where(parallel, torch.ones_like(across), across)
    along = (start[..., 1] * ray[..., 0] - start[..., 0] * ray[..., 1]) / across
    distance = (start[..., 1] * edge[..., 0] - start[..., 0] * edge[..., 1]) / across
    # half open, so that a ray through a vertex meets one of its two edges; a little wider against rounding
    meets = ~parallel & (along >= -1e-6) & (along <= 1 + 1e-6) & (distance > 0)
    radii = torch.where(meets, distance, torch.zeros_like(distance)).amax(-1)
    missing = contours.isnan().flatten(1).any(1)
    return torch.where(missing[:, None], torch.full_like(radii, math.nan), radii)


class RingWarp:
    """Move each contour of a nest along the rays from a center, and everything between them in proportion.

    In a direction where the contours lie at distances ``before`` and shall lie at ``after``, a point at a distance
    between two of the latter comes from the same share of the way between two of the former. From ``far`` on nothing
    moves.

    Args:
        before: (B, N, A) distances of the contours, ascending over N, positive, as :func:`polar_radii` gives them.
        after: (B, N, A) target distances of the contours, ascending over N, positive.
        far: (B, A), greater than the last of both.
    """

    def __init__(self, before: Tensor, after: Tensor, far: Tensor) -> None:
        if before.ndim != 3 or before.shape != after.shape or far.shape != (len(before), before.shape[-1]):
            raise ValueError(
                f"Expected `before` and `after` (B, N, A) and `far` (B, A), but got {tuple(before.shape)}, "
                f"{tuple(after.shape)} and {tuple(far.shape)}."
            )
        zero = torch.zeros_like(before[:, :1])
        self.before = torch.cat([zero, before, far[:, None]], 1)
        self.after = torch.cat([zero, after, far[:, None]], 1)

    def sources(self, offsets: Tensor) -> Tensor:
        """Inverse warp: (B, M, 2) offsets from the center in the warped image to offsets in the image."""
        return self._move(offsets, self.after, self.before)

    def targets(self, offsets: Tensor) -> Tensor:
        """Forward warp: (B, M, 2) offsets from the center in the image to offsets in the warped image."""
        return self._move(offsets, self.before, self.after)

    def radius(self, offsets: Tensor, ring: int) -> Tensor:
        """(B, M): distance of contour ``ring`` of the warped image from the center, in the direction of each offset."""
        return _lookup(self.after[:, ring + 1], offsets)

    @staticmethod
    def _move(offsets: Tensor, start: Tensor, end: Tensor) -> Tensor:
        distance = torch.linalg.vector_norm(offsets, dim=-1)
        moved = distance
        for ring in range(start.shape[1] - 1):
            low, high = _lookup(start[:, ring], offsets), _lookup(start[:, ring + 1], offsets)
            to_low, to_high = _lookup(end[:, ring], offsets), _lookup(end[:, ring + 1], offsets)
            between = to_low + (distance - low) * (to_high - to_low) / (high - low).clamp(min=1e-6)
            moved = torch.where((distance >= low) & (distance < high), between, moved)
        return offsets * (moved / distance.clamp(min=1e-6))[..., None]


def _lookup(table: Tensor, offsets: Tensor) -> Tensor:
    """Values (B, A) around the circle, linear in the angle, at the directions of (B, M, 2): (B, M)."""
    number = table.shape[1]
    place = torch.atan2(offsets[..., 1], offsets[..., 0]) / (2 * math.pi) * number % number
    low = place.floor()
    first = low.long() % number
    value, following = table.gather(1, first), table.gather(1, (first + 1) % number)
    return value + (place - low) * (following - value)
