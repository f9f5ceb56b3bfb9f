# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""What surrounds the phantom's heart: chest wall, lung with vessels, liver, stomach, aorta, and the coil's shading.

Borders here are soft and approximate, since no reference contour follows them. Signals are relative to blood = 1,
positions are mm from the middle of the image, (x, y) with y down.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

__all__ = ["AIR", "Chest", "FAT", "MUSCLE", "smooth_noise"]

AIR = 0.02
FAT = 0.95
MUSCLE = 0.30
LIVER = 0.36
LUNG = 0.05
BLOOD_OUTSIDE = 0.8
LARGEST_TURN = 0.3
"""The chest of each patient is turned about the middle of the image by up to this angle (radians)."""


def smooth_noise(rng: np.random.Generator, size: tuple[int, int], cells: int) -> np.ndarray:
    """Noise of about unit variance, (H, W), smooth over 1 / `cells` of the image: a random grid, interpolated."""
    grid = torch.from_numpy(rng.standard_normal((1, 1, cells, cells)))
    values = torch.nn.functional.interpolate(grid, size=size, mode="bicubic", align_corners=False)
    return values[0, 0].numpy()


@dataclass(frozen=True)
class Ellipse:
    """A soft ellipse: (2,) center and (2,) half axes in mm, relative signal, softness of its border in mm."""

    center: np.ndarray
    radii: np.ndarray
    signal: float
    softness: float = 1.5

    def coverage(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        """Between 0 outside and 1 inside, the shape of `x` and `y` (mm)."""
        distance = np.hypot((x - self.center[0]) / self.radii[0], (y - self.center[1]) / self.radii[1]) - 1
        return 1 / (1 + np.exp(np.clip(distance * self.radii.min() / self.softness, -50, 50)))


class Chest:
    """The surroundings of one patient's heart.

    Args:
        rng: source of all random draws.
        size: (H, W) of the image.
        x, y: (H, W) positions of the pixel centers in mm from the middle of the image.
    """

    def __init__(self, rng: np.random.Generator, size: tuple[int, int], x: np.ndarray, y: np.ndarray) -> None:
        turn = rng.uniform(-LARGEST_TURN, LARGEST_TURN)
        self.x, self.y = np.cos(turn) * x + np.sin(turn) * y, np.cos(turn) * y - np.sin(turn) * x
        self.organs = _draw_organs(rng)
        self.vessels = _draw_vessels(rng)
        angle = np.deg2rad(rng.uniform(205, 245))
        self.front = np.array([np.cos(angle), np.sin(angle)])
        self.wall_distance = rng.uniform(68, 80)
        self.fat_thickness = rng.uniform(7, 16)
        self.textures = [_texture(rng, size) for _ in range(2)]
        self.wave = smooth_noise(rng, size, 4)
        self.bias = rng.uniform(0.15, 0.45)

    def signal(self, level: float) -> np.ndarray:
        """Relative signal (H, W) at a level between 0 (base) and 1 (apex)."""
        image = MUSCLE * np.ones_like(self.x)
        # Organs move away from the heart's axis as the slices descend: a static background could be learnt by heart.
        shift = 12.0 * (level - 0.5)
        x, y = self.x + 3.0 * self.wave, self.y + shift + 3.0 * self.wave
        for organ in self.organs:
            coverage = organ.coverage(x, y)
            image = image * (1 - coverage) + organ.signal * coverage
        image = image * (1 + 0.14 * ((1 - level) * self.textures[0] + level * self.textures[1]))
        for vessel in self.vessels:
            coverage = vessel.coverage(self.x, self.y + 2 * shift)
            image = image * (1 - coverage) + vessel.signal * coverage
        return self._add_chest_wall(image, level)

    def _add_chest_wall(self, image: np.ndarray, level: float) -> np.ndarray:
        """A muscle layer, subcutaneous fat and air beyond, on the side of the coil."""
        depth = self._depth() + 3.0 * self.wave - 4.0 * level
        inner = _step(depth - self.wall_distance + 4.0)
        fat = _step(depth - self.wall_distance)
        air = _step(depth - self.wall_distance - self.fat_thickness)
        for coverage, signal in ((inner, 0.2), (fat, FAT), (air, AIR)):
            image = image * (1 - coverage) + signal * coverage
        return image

    def shading(self) -> np.ndarray:
        """Positive gain (H, W), 1 in the middle of the image: the receive coil lies in front of the chest."""
        return np.exp(self.bias * self._depth() / 70.0 + 0.06 * self.wave)

    def _depth(self) -> np.ndarray:
        return self.x * self.front[0] + self.y * self.front[1]


def _step(distance: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-np.clip(distance / 1.2, -50, 50)))


def _texture(rng: np.random.Generator, size: tuple[int, int]) -> np.ndarray:
    return 0.8 * smooth_noise(rng, size, 12) + 0.6 * smooth_noise(rng, size, 40)


def _draw_organs(rng: np.random.Generator) -> list[Ellipse]:
    """Lung above right, liver below left, stomach and spleen below right, clutter between; later ones cover earlier."""

    def organ(center: tuple[float, float], radii: tuple[float, float], signal: float) -> Ellipse:
        jitter = rng.uniform(-8, 8, 2)
        return Ellipse(np.array(center) + jitter, np.array(radii) * rng.uniform(0.85, 1.15, 2), signal)

    angles = rng.uniform(0.2, 1.1, 5) * np.pi
    distances = rng.uniform(48, 80, 5)
    clutter = [
        organ((distance * np.cos(angle), distance * np.sin(angle)), (rng.uniform(5, 14), rng.uniform(4, 10)), signal)
        for angle, distance, signal in zip(angles, distances, rng.uniform(0.08, 0.9, 5), strict=True)
    ]
    return [
        organ((50, -35), (68, 62), LUNG),
        organ((-48, 72), (58, 36), LIVER * rng.uniform(0.8, 1.2)),
        organ((30, 78), (48, 22), 0.62 * rng.uniform(0.7, 1.2)),
        organ((62, 62), (20, 28), 0.40 * rng.uniform(0.7, 1.3)),
        organ((22, 82), (13, 10), AIR),
        *clutter,
    ]


def _draw_vessels(rng: np.random.Generator) -> list[Ellipse]:
    """The descending aorta, bright and round like a small ventricle, and vessels in lung and liver."""
    aorta = np.array([12.0, 66.0]) + rng.uniform(-6, 6, 2)
    vessels = [Ellipse(aorta, np.full(2, rng.uniform(8, 12)), BLOOD_OUTSIDE, 0.8)]
    for center, count, signal in (((60, -40), 14, 0.30), ((-48, 70), 6, 0.55)):
        for _ in range(count):
            position = np.array(center) + rng.uniform(-32, 32, 2)
            vessels.append(Ellipse(position, rng.uniform(1.0, 2.5, 2), signal * rng.uniform(0.5, 1.4), 0.8))
    return vessels
