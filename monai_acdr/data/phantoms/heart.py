# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""A synthetic beating heart in a chest: shapes, contours and pixels of short-axis slices.

Signals are relative to blood = 1. Lengths and positions are in mm, positions (x, y) from the middle of the image, along
a row and along a column (y down). `level` runs from 0 (base) to 1 (apex), `contraction` from 0 (end-diastole, ED) to 1
(end-systole, ES).

Outlines of the heart are star-shaped, a center and one radius for each of `NUM_ANGLES` equidistant angles, and are
rasterized exactly. Borders of the chest are soft and approximate, because no reference contour follows them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch

from monai_acdr.networks.layers.rasterizer import rasterize_polygons

__all__ = [
    "AIR",
    "Chest",
    "END_DIASTOLE",
    "FAT",
    "FrameContours",
    "Heart",
    "MINIMUM_FIELD_OF_VIEW",
    "MUSCLE",
    "NUM_ANGLES",
    "Outline",
    "ShortAxisPhantom",
    "end_systole",
    "smooth_noise",
]

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
        # Organs move away from the heart's axis as the slices descend: a static background could be memorized.
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
        radii: shape (NUM_ANGLES,), mm, at the angles 2 pi k / NUM_ANGLES from +x toward +y.
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
        taper: how much smaller the heart becomes toward the apex, below 1.
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


END_DIASTOLE = 0
"""Phase (0-based) of end-diastole."""
MINIMUM_FIELD_OF_VIEW = 120.0
"""Shortest side of the image in mm that holds a heart."""
CONTOUR_DECIMALS = 2
"""Contours are rounded to what a contour file holds before they are painted, so that file and image agree exactly."""
SMALLEST_PAINTED_RADIUS = 0.5
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
        """Position of a slice between base (0) and apex (1)."""
        return 0.05 + 0.93 * (slice_index + 0.5) / self.num_slices

    def contraction(self, phase: int) -> float:
        """0 at end-diastole, 1 at end-systole, smooth in between."""
        systole = end_systole(self.num_phases)
        progress = phase / systole if phase <= systole else (self.num_phases - phase) / (self.num_phases - systole)
        return float(0.5 - 0.5 * np.cos(np.pi * progress))

    def contours(self, slice_index: int, phase: int) -> FrameContours:
        """The true contours of a frame, in pixels."""
        level_and_contraction = self.level(slice_index), self.contraction(phase)
        inner, outer = self.heart.endocardium(*level_and_contraction), self.heart.epicardium(*level_and_contraction)
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
        heart, level_and_contraction = self.heart, (level, contraction)
        blood = 1 + self.blood_texture
        wall = self.myocardium * (1 + self.blood_texture)
        # Thick slices mix in the wall where the cavity narrows: apical blood looks darker.
        cavity = blood * (1 - 0.3 * max(0.0, level - 0.7) / 0.3)
        right = heart.right_ventricle(*level_and_contraction)
        return [
            (heart.epicardial_fat(*level_and_contraction), FAT * blood),
            (right.grown(RIGHT_WALL * (right.radii > 0)), wall),
            (right, blood),
            (heart.epicardium(*level_and_contraction), wall),
            (heart.endocardium(*level_and_contraction), cavity),
            *((muscle, wall) for muscle in heart.papillary_muscles(*level_and_contraction)),
        ]

    def _coverage(self, outlines: list[Outline]) -> Iterator[np.ndarray | float]:
        """Exact area coverage (H, W) of each outline, in order; 0.0 for one that is not there at this level."""
        painted = [outline.radii.mean() >= SMALLEST_PAINTED_RADIUS for outline in outlines]
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
