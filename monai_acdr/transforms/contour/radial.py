# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Objects of other sizes in the same surroundings: thick walls about small cavities, and thin ones about large."""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping
from typing import Any

import numpy as np
import torch
from monai.config import KeysCollection
from monai.data.meta_tensor import MetaTensor
from monai.transforms import MapTransform, Randomizable, RandomizableTransform
from monai.utils import TransformBackends, convert_to_dst_type
from torch import Tensor
from torch.nn import functional as F

from monai_acdr.geometry import at_least_float32, centroid, signed_area
from monai_acdr.transforms.contour.frames import plain_vertices, vertices_in

__all__ = [
    "RadialScale",
    "RandRadialScale",
    "RandRadialScaleD",
    "RandRadialScaleDict",
    "RandRadialScaled",
]

STRENGTHS = (-0.6, 1.1)
"""Bounds of the warp's strength; from -1 to 1.25 it does not fold."""

_STEPS = 1024


class RadialScale:
    """A warp along rays from a centre: what is near it grows or shrinks, what is far stays.

    A point at distance r from the centre is fetched from r (1 + a (1 - (r / R)^2)^2) for r < R. The strength a is
    chosen so that a circle of ``radius`` becomes one of ``scale`` times that, as far as :data:`STRENGTHS` allow.

    Args:
        center: (2,) in pixels.
        radius: typical distance of the object's outline from it, pixels.
        scale: of that distance.
        reach: R, pixels; greater than ``radius``.
    """

    def __init__(self, center: Tensor, radius: float, scale: float, reach: float) -> None:
        if not 0 < radius < reach or scale <= 0:
            raise ValueError(f"Expected 0 < radius < reach and scale > 0, but got {radius}, {reach} and {scale}.")
        self.center = center.to(torch.float64)
        self.reach = reach
        bell = max(1 - (min(scale * radius, 0.95 * reach) / reach) ** 2, 0.05) ** 2
        self.strength = min(max((1 / scale - 1) / bell, STRENGTHS[0]), STRENGTHS[1])

    def image(self, image: Tensor) -> Tensor:
        """Warp (C, H, W) floating point, bilinear, of the same dtype; what lies outside is the border's value."""
        rows, columns = image.shape[-2:]
        y, x = torch.meshgrid(
            torch.arange(0.5, rows, dtype=torch.float64), torch.arange(0.5, columns, dtype=torch.float64), indexing="ij"
        )
        offset = torch.stack([x, y], dim=-1) - self.center
        source = self.center + offset * self._factor(offset.norm(dim=-1))[..., None]
        grid = source / torch.tensor([columns, rows], dtype=torch.float64) * 2 - 1
        plain = image.as_tensor() if isinstance(image, MetaTensor) else image
        pixels = at_least_float32(plain)
        warped = F.grid_sample(pixels[None], grid[None].to(pixels), padding_mode="border", align_corners=False)[0]
        return torch.as_tensor(convert_to_dst_type(warped, image)[0])

    def vertices(self, vertices: Tensor) -> Tensor:
        """Where the points (..., 2) of the image go."""
        targets = torch.linspace(0, self.reach, _STEPS, dtype=torch.float64)
        sources = targets * self._factor(targets)
        offset = vertices.to(torch.float64) - self.center
        distance = offset.norm(dim=-1)
        moved = torch.from_numpy(np.interp(distance.numpy(), sources.numpy(), targets.numpy()))
        moved = torch.where(distance < self.reach, moved, distance)
        factor = torch.where(distance > 0, moved / distance.clamp(min=1e-12), torch.ones_like(distance))
        return (self.center + offset * factor[..., None]).to(at_least_float32(vertices).dtype)

    def _factor(self, distance: Tensor) -> Tensor:
        bell = (1 - (distance / self.reach) ** 2).clamp(min=0) ** 2
        return 1 + self.strength * bell


class RandRadialScale(RandomizableTransform):
    """Give the object inside a contour another size, and leave its surroundings where they are.

    Scaling a whole image never changes how thick a heart's wall is against its cavity; this does: a hypertrophic heart
    in systole out of a healthy one.

    Args:
        scale: smallest and largest factor on the contour's size; drawn so that halving is as likely as doubling.
        reach: distance from the contour's centroid from which on nothing moves, in radii of a disk of its area.
        prob: of a change.
    """

    backend = [TransformBackends.TORCH]

    def __init__(self, scale: tuple[float, float] = (0.45, 1.15), reach: float = 1.75, prob: float = 0.5) -> None:
        super().__init__(prob)
        if not 0 < scale[0] <= scale[1] or reach <= 1:
            raise ValueError(f"Expected 0 < scale[0] <= scale[1] and reach > 1, but got {scale} and {reach}.")
        self.scale = (float(scale[0]), float(scale[1]))
        self.reach = reach
        self._drawn = 1.0

    def randomize(self, data: Any = None) -> None:
        super().randomize(None)
        self._drawn = math.exp(self.R.uniform(math.log(self.scale[0]), math.log(self.scale[1])))

    def __call__(  # type: ignore[override]
        self, image: Tensor, vertices: Tensor, randomize: bool = True
    ) -> tuple[Tensor, Tensor]:
        """Warp both.

        Args:
            image: (C, H, W).
            vertices: (1, N, 2) in its pixels, the object's outline.
            randomize: draw anew.

        Returns:
            The same shapes. Unchanged where the contour has no area.
        """
        if randomize:
            self.randomize()
        outline = plain_vertices(vertices)
        radius = math.sqrt(float(signed_area(outline).abs().sum()) / math.pi)
        if not self._do_transform or radius == 0:
            return image, vertices
        warp = RadialScale(centroid(outline)[0], radius, self._drawn, self.reach * radius)
        moved = warp.vertices(outline)
        if isinstance(vertices, MetaTensor):
            moved = vertices_in(moved, vertices.affine)
        return warp.image(image), moved


class RandRadialScaled(MapTransform, Randomizable):
    """Give the object inside a contour another size. See :class:`RandRadialScale`.

    Args:
        keys: images (C, H, W) of one grid.
        contour_key: (1, N, 2) in their pixels.
        scale: see there.
        reach: likewise.
        prob: likewise.
        allow_missing_keys: skip keys that are absent.
    """

    backend = [TransformBackends.TORCH]

    def __init__(
        self,
        keys: KeysCollection = "image",
        contour_key: str = "reference",
        scale: tuple[float, float] = (0.45, 1.15),
        reach: float = 1.75,
        prob: float = 0.5,
        allow_missing_keys: bool = False,
    ) -> None:
        super().__init__(keys, allow_missing_keys)
        self.contour_key = contour_key
        self.warp = RandRadialScale(scale, reach, prob)

    def set_random_state(self, seed: int | None = None, state: np.random.RandomState | None = None) -> RandRadialScaled:
        super().set_random_state(seed, state)
        self.warp.set_random_state(seed, state)
        return self

    def randomize(self, data: Any = None) -> None:
        self.warp.randomize(data)

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        d = dict(data)
        self.randomize()
        moved = d[self.contour_key]
        for key in self.key_iterator(d):
            d[key], moved = self.warp(d[key], data[self.contour_key], randomize=False)
        d[self.contour_key] = moved
        return d


RandRadialScaleD = RandRadialScaleDict = RandRadialScaled
