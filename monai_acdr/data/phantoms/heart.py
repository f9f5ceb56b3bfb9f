# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""The heart of the short-axis phantom: outlines in mm as a function of the level and of the contraction.

Every outline is star-shaped: a center and one radius for each of `NUM_ANGLES` equidistant angles. Lengths are mm;
(x, y) is the position along a row and along a column (y down), from the middle of the image. `level` runs from 0
(base) to 1 (apex), `contraction` from 0 (end-diastole, ED) to 1 (end-systole, ES).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

__all__ = ["NUM_ANGLES", "Heart", "Outline"]

NUM_ANGLES = 96
ANGLES = 2 * np.pi * np.arange(NUM_ANGLES) / NUM_ANGLES
HARMONICS = np.array([2, 3, 4, 5])
HARMONIC_AMPLITUDES = np.array([0.085, 0.045, 0.025, 0.015])
"""Largest relative amplitude of each harmonic of the endocardial radius."""
MINIMUM_WALL = 3.0
"""The epicardium is nowhere closer to the endocardium than this, in mm along a ray."""
LARGEST_RADIUS = 40.0
SMALLEST_RADIUS = 23.0
LARGEST_OFFSET = 7.5
"""Largest distance in mm of the heart's axis from the middle of the image, before `drift` and `motion` are added."""


@dataclass(frozen=True)
class Outline:
    """A star-shaped outline.

    Attributes:
        center: shape (2,), (x, y) in mm from the middle of the image.
        radii: shape (NUM_ANGLES,), mm, at the angles 2 pi k / NUM_ANGLES from +x towards +y.
    """

    center: np.ndarray
    radii: np.ndarray

    def grown(self, distance: np.ndarray | float) -> Outline:
        """The outline with `distance` (mm, a scalar or one for each angle) added to every radius."""
        return Outline(self.center, np.maximum(self.radii + distance, 0.0))

    def points(self) -> np.ndarray:
        """Points of shape (NUM_ANGLES, 2) in mm from the middle of the image."""
        return self.center + self.radii[:, None] * np.stack([np.cos(ANGLES), np.sin(ANGLES)], axis=1)


@dataclass(frozen=True)
class Heart:
    """One patient's heart. All lengths in mm, all angles in radians.

    Attributes:
        radius: endocardial radius at the base at ED.
        es_ratio: endocardial radius at ES over that at ED.
        wall: myocardial thickness at the base at ED.
        taper: how much smaller the heart becomes towards the apex, below 1.
        offset: (2,) center of the heart from the middle of the image.
        drift: (2,) displacement of the center from base to apex (the axis is never quite perpendicular).
        motion: (2,) displacement of the center from ED to ES.
        amplitudes, phases: (4,) harmonics 2 to 5 of the relative endocardial radius.
        twist: rotation of the harmonics from base to apex.
        septum: direction of the right ventricle.
        papillary: (2,) directions of the papillary muscles.
        papillary_sizes: (2,) their radii in mm at ED, where they are thickest.
        fat: (2,) largest thickness of the epicardial fat, and its phase around the heart.
    """

    radius: float
    es_ratio: float
    wall: float
    taper: float
    offset: np.ndarray
    drift: np.ndarray
    motion: np.ndarray
    amplitudes: np.ndarray
    phases: np.ndarray
    twist: float
    septum: float
    papillary: np.ndarray
    papillary_sizes: np.ndarray
    fat: np.ndarray

    @classmethod
    def draw(cls, rng: np.random.Generator, field_of_view: float) -> Heart:
        """Draw a heart that fits into a square of `field_of_view` mm: dilated hearts contract less than small ones."""
        wall = rng.uniform(7.0, 12.0)
        largest = min(LARGEST_RADIUS, field_of_view / 2 - LARGEST_OFFSET - 21.0)
        radius = rng.uniform(SMALLEST_RADIUS, largest)
        weakness = (radius - SMALLEST_RADIUS) / (LARGEST_RADIUS - SMALLEST_RADIUS)
        septum = np.pi + rng.uniform(-0.6, 0.6)
        direction = rng.uniform(0, 2 * np.pi)
        return cls(
            radius=radius,
            es_ratio=float(np.clip(0.62 + 0.24 * weakness + 0.04 * rng.standard_normal(), 0.58, 0.90)),
            wall=wall,
            taper=rng.uniform(0.88, 0.985),
            offset=LARGEST_OFFSET * np.sqrt(rng.uniform()) * np.array([np.cos(direction), np.sin(direction)]),
            drift=rng.uniform(-2.5, 2.5, 2),
            motion=1.5 * np.array([np.cos(septum), np.sin(septum)]) + rng.uniform(-0.5, 0.5, 2),
            amplitudes=HARMONIC_AMPLITUDES * rng.uniform(-1, 1, HARMONICS.size),
            phases=rng.uniform(0, 2 * np.pi, HARMONICS.size),
            twist=rng.uniform(-0.5, 0.5),
            septum=septum,
            papillary=septum + np.pi + np.array([-1.1, 1.1]) + rng.uniform(-0.3, 0.3, 2),
            papillary_sizes=min(1.0, radius / 28) * rng.uniform(3.5, 6.5, 2),
            fat=np.array([rng.uniform(1.0, 5.0), rng.uniform(0, 2 * np.pi)]),
        )

    def center(self, level: float, contraction: float) -> np.ndarray:
        """Center of the left ventricle, shape (2,)."""
        return self.offset + (level - 0.5) * self.drift + contraction * self.motion

    def cavity_radius(self, level: float, contraction: float) -> float:
        """Mean endocardial radius: half an ellipsoid from base to apex."""
        ratio = 1 + (self.es_ratio - 1) * contraction
        return float(self.radius * np.sqrt(1 - (self.taper * level) ** 2) * ratio)

    def wall_radius(self, level: float, contraction: float) -> float:
        """Mean epicardial radius: myocardium keeps its area in a slice, so that the wall thickens at systole."""
        relaxed = self.cavity_radius(level, 0.0)
        area = (relaxed + self.wall * (1 - 0.3 * level)) ** 2 - relaxed**2
        return float(np.sqrt(self.cavity_radius(level, contraction) ** 2 + area))

    def irregularity(self, level: float, contraction: float) -> np.ndarray:
        """Relative deviation of the endocardial radius at each angle, shape (NUM_ANGLES,)."""
        phases = self.phases + HARMONICS * self.twist * (level + 0.3 * contraction)
        waves = np.cos(np.outer(ANGLES, HARMONICS) + phases)
        return (1 + 0.3 * contraction) * waves @ self.amplitudes

    def endocardium(self, level: float, contraction: float) -> Outline:
        """Inner border of the left ventricle, papillary muscles included, as the Sunnybrook contours are drawn."""
        radii = self.cavity_radius(level, contraction) * (1 + self.irregularity(level, contraction))
        return Outline(self.center(level, contraction), radii)

    def epicardium(self, level: float, contraction: float) -> Outline:
        """Outer border of the left ventricle: follows half of the endocardium's irregularity, thicker at the septum."""
        radii = self.wall_radius(level, contraction) * (1 + 0.5 * self.irregularity(level, contraction))
        radii = radii + 0.1 * self.wall * np.cos(ANGLES - self.septum)
        inner = self.endocardium(level, contraction)
        return Outline(inner.center, np.maximum(radii, inner.radii + MINIMUM_WALL))

    def right_ventricle(self, level: float, contraction: float) -> Outline:
        """Blood of the right ventricle: an ellipse, of which the left ventricle leaves a crescent."""
        outer = self.wall_radius(level, contraction)
        size = np.sqrt(max(0.0, 1 - (level / 0.92) ** 2)) * (1 - 0.15 * contraction)
        along, across = 0.98 * outer * size, min(0.8 * outer, 30.0) * size
        turned = ANGLES - self.septum
        radii = np.zeros(NUM_ANGLES)
        if size > 0:
            # Wider at the inferior end: a plain ellipse looks like a second left ventricle.
            radii = along * across / np.hypot(across * np.sin(turned), along * np.cos(turned))
            radii = radii * (1 + 0.12 * np.sin(turned))
        direction = np.array([np.cos(self.septum), np.sin(self.septum)])
        return Outline(self.center(level, contraction) + 0.95 * outer * direction, radii)

    def papillary_muscles(self, level: float, contraction: float) -> list[Outline]:
        """Two discs inside the cavity of the middle levels; none near base and apex (radii 0)."""
        inner = self.endocardium(level, contraction)
        presence = float(np.clip(6 * min(level - 0.15, 0.88 - level), 0.0, 1.0))
        muscles = []
        for angle, size in zip(self.papillary, self.papillary_sizes, strict=True):
            direction = np.array([np.cos(angle), np.sin(angle)])
            reach = 0.64 * np.interp(angle, ANGLES, inner.radii, period=2 * np.pi)
            radii = presence * size * (1 - 0.2 * contraction) * (1 + 0.25 * np.cos(2 * (ANGLES - angle)))
            muscles.append(Outline(inner.center + reach * direction, radii))
        return muscles

    def epicardial_fat(self, level: float, contraction: float) -> Outline:
        """The bright fat around the epicardium: thick in two places, nearly absent between them."""
        thickness, phase = self.fat
        grooves = np.clip(np.cos(2 * ANGLES + phase) + 0.35 * np.cos(5 * ANGLES + 2 * phase), 0.0, None)
        return self.epicardium(level, contraction).grown(thickness * grooves)
