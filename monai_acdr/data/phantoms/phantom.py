# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""One synthetic patient's short-axis cine, in memory: images and the exact contours that they were painted from."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch

from monai_acdr.data.phantoms.chest import FAT, MUSCLE, Chest, smooth_noise
from monai_acdr.data.phantoms.heart import Heart, Outline
from monai_acdr.networks.layers.rasterizer import rasterize_polygons

__all__ = ["END_DIASTOLE", "MINIMUM_FIELD_OF_VIEW", "FrameContours", "ShortAxisPhantom", "end_systole"]

END_DIASTOLE = 0
"""Phase (0-based) of end-diastole."""
MINIMUM_FIELD_OF_VIEW = 120.0
"""Shortest side of the image in mm that holds a heart."""
CONTOUR_DECIMALS = 2
"""Contours are rounded to what a contour file holds before they are painted, so that file and image agree exactly."""
SMALLEST_RADIUS = 0.5
"""Outlines of a smaller mean radius in mm are not painted."""
RIGHT_WALL = 3.0
"""Thickness of the right ventricle's wall in mm."""
LARGEST_VALUE = 4095
"""Of a pixel: 12 bits, as scanners give."""


def end_systole(num_phases: int) -> int:
    """Phase (0-based) of end-systole in a cine of `num_phases`: after a third of the cycle."""
    return max(1, round(num_phases / 3))


@dataclass(frozen=True)
class FrameContours:
    """True contours of one frame: (K, 2) float64 vertices in pixels, exact to 0.01 pixels, ordered, not closed."""

    endocardium: torch.Tensor
    epicardium: torch.Tensor


class ShortAxisPhantom:
    """A patient: everything about it follows from `seed` and `patient`.

    Args:
        patient: 0-based number of the patient, part of the seed.
        num_slices: slices from base to apex, at least 1.
        num_phases: phases of the heart's cycle, at least 2: end-diastole is phase 0, end-systole `end_systole()`.
        size: (H, W) of the images.
        spacing: (between rows, between columns) in mm.
        seed: non-negative integer.

    Raises:
        ValueError: when a number is out of range or the field of view is too small for a heart.
    """

    def __init__(
        self,
        patient: int = 0,
        num_slices: int = 6,
        num_phases: int = 6,
        size: tuple[int, int] = (144, 128),
        spacing: tuple[float, float] = (1.3, 1.3),
        seed: int = 0,
    ) -> None:
        _check_arguments(num_slices, num_phases, size, spacing, seed)
        self.num_slices, self.num_phases, self.size, self.spacing = num_slices, num_phases, size, spacing
        self._entropy = [seed, patient]
        rng = np.random.default_rng(self._entropy)
        self.heart = Heart.draw(rng, field_of_view=min(size[0] * spacing[0], size[1] * spacing[1]))
        self.chest = Chest(rng, size, *_positions(size, spacing))
        self.myocardium = MUSCLE * rng.uniform(0.75, 1.5)
        self.blood_texture = 0.05 * smooth_noise(rng, size, 16) + 0.04 * smooth_noise(rng, size, 40)
        self.noise = rng.uniform(0.015, 0.045)
        self.scale = rng.uniform(330, 560)

    def level(self, slice_index: int) -> float:
        """Where a slice lies between base (0) and apex (1)."""
        return 0.05 + 0.93 * (slice_index + 0.5) / self.num_slices

    def contraction(self, phase: int) -> float:
        """0 at end-diastole, 1 at end-systole, smooth in between."""
        systole = end_systole(self.num_phases)
        progress = phase / systole if phase <= systole else (self.num_phases - phase) / (self.num_phases - systole)
        return float(0.5 - 0.5 * np.cos(np.pi * progress))

    def contours(self, slice_index: int, phase: int) -> FrameContours:
        """The true contours of a frame, in pixels."""
        where = self.level(slice_index), self.contraction(phase)
        inner, outer = self.heart.endocardium(*where), self.heart.epicardium(*where)
        return FrameContours(self._vertices(inner), self._vertices(outer))

    def images(self, slice_index: int) -> np.ndarray:
        """All phases of a slice: int16, (num_phases, H, W)."""
        level = self.level(slice_index)
        background = self.chest.signal(level)
        shading = self.chest.shading() * self.scale
        layers = [self._layers(level, self.contraction(phase)) for phase in range(self.num_phases)]
        coverage = self._coverage([outline for frame in layers for outline, _ in frame])
        images = []
        for phase, frame in enumerate(layers):
            signal = background
            for _, value in frame:
                painted = next(coverage)
                signal = signal * (1 - painted) + value * painted
            rng = np.random.default_rng([*self._entropy, slice_index, phase])
            images.append(_measure(signal, shading, self.noise, rng))
        return np.stack(images)

    def _layers(self, level: float, contraction: float) -> list[tuple[Outline, np.ndarray]]:
        """Outlines and what fills them, from the back to the front; always seven of them."""
        heart, where = self.heart, (level, contraction)
        blood = 1 + self.blood_texture
        wall = self.myocardium * (1 + self.blood_texture)
        # Thick slices mix in the wall where the cavity narrows: apical blood looks darker.
        cavity = blood * (1 - 0.3 * max(0.0, level - 0.7) / 0.3)
        right = heart.right_ventricle(*where)
        return [
            (heart.epicardial_fat(*where), FAT * blood),
            (right.grown(RIGHT_WALL * (right.radii > 0)), wall),
            (right, blood),
            (heart.epicardium(*where), wall),
            (heart.endocardium(*where), cavity),
            *((muscle, wall) for muscle in heart.papillary_muscles(*where)),
        ]

    def _coverage(self, outlines: list[Outline]) -> Iterator[np.ndarray | float]:
        """Exact area coverage (H, W) of each outline, in order; 0.0 for one that is not there at this level."""
        painted = [outline.radii.mean() >= SMALLEST_RADIUS for outline in outlines]
        vertices = [self._vertices(outline) for outline, visible in zip(outlines, painted, strict=True) if visible]
        maps = iter(rasterize_polygons(torch.stack(vertices), self.size)[:, 0].numpy())
        for visible in painted:
            yield next(maps) if visible else 0.0

    def _vertices(self, outline: Outline) -> torch.Tensor:
        """(K, 2) pixels, float64."""
        middle = np.array([self.size[1], self.size[0]]) / 2
        pixels = middle + outline.points() / np.array([self.spacing[1], self.spacing[0]])
        return torch.from_numpy(np.round(pixels, CONTOUR_DECIMALS))


def _positions(size: tuple[int, int], spacing: tuple[float, float]) -> tuple[np.ndarray, np.ndarray]:
    """Positions x and y of the pixel centers in mm from the middle of the image, each (H, W)."""
    rows = (np.arange(size[0]) + 0.5 - size[0] / 2) * spacing[0]
    columns = (np.arange(size[1]) + 0.5 - size[1] / 2) * spacing[1]
    y, x = np.meshgrid(rows, columns, indexing="ij")
    return x, y


def _measure(signal: np.ndarray, shading: np.ndarray, noise: float, rng: np.random.Generator) -> np.ndarray:
    """Magnitude image with Rician noise (Gudbjartsson and Patz 1995), as int16."""
    real, imaginary = noise * rng.standard_normal((2, *signal.shape))
    magnitude = np.hypot(signal + real, imaginary) * shading
    return np.clip(np.round(magnitude), 0, LARGEST_VALUE).astype(np.int16)


def _check_arguments(
    num_slices: int, num_phases: int, size: tuple[int, int], spacing: tuple[float, float], seed: int
) -> None:
    if num_slices < 1:
        raise ValueError(f"Expected `num_slices` to be at least 1, but got {num_slices}.")
    if num_phases < 2:
        raise ValueError(
            f"Expected `num_phases` to be at least 2, but got {num_phases}: end-diastole and end-systole need one each."
        )
    if seed < 0:
        raise ValueError(f"Expected `seed` to be a non-negative integer, but got {seed}.")
    if min(spacing) <= 0:
        raise ValueError(f"Expected `spacing` to be positive, (between rows, between columns) mm, but got {spacing}.")
    field_of_view = min(size[0] * spacing[0], size[1] * spacing[1])
    if field_of_view < MINIMUM_FIELD_OF_VIEW:
        raise ValueError(
            f"Expected a field of view of at least {MINIMUM_FIELD_OF_VIEW:.0f} mm, but size {size} at {spacing} mm "
            f"gives {field_of_view:.0f} mm: enlarge `size` or `spacing`."
        )
