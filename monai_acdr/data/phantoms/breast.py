# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""One synthetic mammogram in memory: a breast on a dark background, and lobulated masses with their exact outlines."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from monai_acdr.data.phantoms.chest import smooth_noise
from monai_acdr.networks.layers.rasterizer import rasterize_polygons

__all__ = ["LARGEST_VALUE", "BreastPhantom", "check_twin"]

LARGEST_VALUE = (1 << 14) - 1
"""Of a pixel: 14 bits, as in INbreast."""
OUTLINE_DECIMALS = 6
"""Outlines are rounded to what the file holds before they are painted, so that file and image agree exactly."""
NUM_VERTICES = 72
MASS_RADII = (0.045, 0.075)
"""Mean radii, as parts of the image's height: 13 to 21 mm on a detector of 286 mm."""
ATTEMPTS = 200
FILM_HEIGHT = 285.88


def check_twin(num_patients: int, size: Sequence[int], seed: int, fewest: int = 1) -> tuple[int, int]:
    """The size (H, W) of a twin's images, when its arguments are in range.

    Raises:
        ValueError: for fewer than ``fewest`` patients, an image in which no breast has room, or a negative seed.
    """
    height, width = int(size[0]), int(size[1])
    if num_patients < fewest or seed < 0 or height < 64 or width < 48:
        raise ValueError(
            f"Expected `num_patients` >= {fewest}, `size` of at least (64, 48) and `seed` >= 0, but got "
            f"{num_patients}, {(height, width)} and {seed}."
        )
    return height, width


class BreastPhantom:
    """A view of a breast; the chest wall is at the left of left breasts and at the right of right ones.

    Args:
        rng: source of everything random.
        size: (H, W) in pixels.
        side: "L" or "R".
        view: "CC" or "MLO"; the latter shows the pectoral muscle.
        num_masses: wanted; fewer when no place is left beside the others.

    Attributes:
        pixels: (H, W) uint16, bright means dense.
        masses: (K, 2) float64 outlines (x, y) in pixels, not closed, apart from one another.
        spacing: of the pixels, in mm.
    """

    def __init__(self, rng: np.random.Generator, size: tuple[int, int], side: str, view: str, num_masses: int) -> None:
        self.spacing = FILM_HEIGHT / size[0]
        height, width = size
        # From the chest wall, in parts of the image's height.
        depth, half, middle = rng.uniform(0.52, 0.66), rng.uniform(0.34, 0.42), rng.uniform(0.47, 0.53)
        depth = min(depth, 0.88 * width / height)
        y, x = np.meshgrid((np.arange(height) + 0.5) / height, (np.arange(width) + 0.5) / height, indexing="ij")
        radius = np.hypot(x / depth, (y - middle) / half)
        tissue = self._tissue(rng, size, radius)
        if view == "MLO":
            muscle = _step((0.42 - y - x * rng.uniform(1.2, 1.6)) / 0.02)
            tissue += 0.22 * muscle * _step((1 - radius) / 0.02)
        self.masses: list[np.ndarray] = []
        for _ in range(num_masses):
            outline = self._place(rng, size, depth, half, middle)
            if outline is not None:
                self.masses.append(outline)
                coverage = rasterize_polygons(torch.from_numpy(outline)[None], size)[0, 0].numpy()
                tissue += coverage * (rng.uniform(0.24, 0.32) + 0.03 * smooth_noise(rng, size, 24))
        tissue += 0.012 * rng.standard_normal(size)
        if side == "R":
            tissue = tissue[:, ::-1]
            self.masses = [np.stack([width - mass[::-1, 0], mass[::-1, 1]], axis=1) for mass in self.masses]
        self.pixels = np.clip(np.round(tissue * LARGEST_VALUE), 0, LARGEST_VALUE).astype(np.uint16)

    @staticmethod
    def _tissue(rng: np.random.Generator, size: tuple[int, int], radius: np.ndarray) -> np.ndarray:
        """Fat, glands and skin inside the breast, nearly nothing outside; in parts of the largest value."""
        glands = _step(2.5 * smooth_noise(rng, size, 7) - 1.5) * _step((0.85 - radius) / 0.08)
        texture = 0.03 * smooth_noise(rng, size, 14) + 0.02 * smooth_noise(rng, size, 36)
        skin = 0.06 * np.exp(-(((radius - 0.98) / 0.015) ** 2))
        inside = _step((1 - radius) / 0.012)
        return np.maximum(inside * (0.28 + 0.12 * glands + texture) + skin * inside, 0.004)

    def _place(
        self, rng: np.random.Generator, size: tuple[int, int], depth: float, half: float, middle: float
    ) -> np.ndarray | None:
        """An outline within the breast that keeps its distance from the others."""
        height = size[0]
        for _ in range(ATTEMPTS):
            radius, angle, reach = rng.uniform(*MASS_RADII), rng.uniform(-0.5, 0.5) * np.pi, np.sqrt(rng.uniform(0, 1))
            center = np.array([0.12, 0.0]) + reach * np.array(
                [(depth - 0.27) * np.cos(angle), 0.6 * half * np.sin(angle)]
            )
            outline = _outline(rng, (center + [0.0, middle]) * height, radius * height)
            inside = np.hypot(outline[:, 0] / depth, (outline[:, 1] - middle * height) / half) < 0.93 * height
            apart = all(
                np.linalg.norm(outline[:, None] - mass[None], axis=2).min() > 0.03 * height for mass in self.masses
            )
            if inside.all() and outline.min() > 2 and apart:
                return outline
        return None


def _outline(rng: np.random.Generator, center: np.ndarray, radius: float) -> np.ndarray:
    """A lobulated closed curve: a circle with a few low harmonics, (K, 2)."""
    angles = 2 * np.pi * np.arange(NUM_VERTICES) / NUM_VERTICES
    radii = np.full(NUM_VERTICES, radius)
    for order, amplitude in ((2, 0.16), (3, 0.10), (4, 0.07), (5, 0.04)):
        radii += radius * amplitude * rng.uniform(-1, 1) * np.cos(order * angles + rng.uniform(0, 2 * np.pi))
    points = center + radii[:, None] * np.stack([np.cos(angles), np.sin(angles)], axis=1)
    return np.round(points, OUTLINE_DECIMALS)


def _step(values: np.ndarray) -> np.ndarray:
    """From 0 for large negative values to 1 for large positive ones."""
    return 1 / (1 + np.exp(-np.clip(values, -50, 50)))
