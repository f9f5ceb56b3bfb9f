# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Mass and wall thickness of the left ventricle, from endocardial and epicardial contours of one phase.

The myocardium is the epicardial area minus the endocardial area; papillary muscles count as blood.
Its volume is the disc sum over the short-axis slices, as that of the cavity
(:mod:`monai_acdr.measures.ventricle`), and its mass 1.05 g for each mL. Mass is reported at end-diastole.

The thickness of the wall in a slice is its area divided by the length of its middle, the mean of the two perimeters.
For contours at a constant distance this is that distance, exactly: concentric circles of radii r and R have the area
pi (R^2 - r^2) and the middle length pi (R + r), hence R - r; a closed convex curve of perimeter P and its parallel at
distance t have the area P t + pi t^2 and the middle length P + pi t, hence t (Steiner). No point of one contour has to
be matched with a point of the other. Over the stack it is volume divided by the area of the middle surface.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from monai_acdr.geometry import perimeter, resample, signed_area
from monai_acdr.measures.shape import check_contour, check_pixel_spacing
from monai_acdr.measures.slice_stack import Finding, cluster_positions, slice_heights
from monai_acdr.measures.ventricle import MM3_PER_ML

__all__ = ["MYOCARDIUM_G_PER_ML", "VentricleWall", "WallSlice", "measure_wall", "ventricle_wall"]

MYOCARDIUM_G_PER_ML = 1.05
"""Density of the myocardium, g/mL (Schulz-Menger et al., JCMR 2020, 22:19)."""

PERIMETER_VERTICES = 64
"""Perimeters are measured on at most this many points at equal arc length: the steps of contours that follow a pixel
grid, as readers' files and label maps do, would lengthen them by 5 % and more."""


@dataclass(frozen=True)
class WallSlice:
    """The contours of one slice in one phase; None for a contour that is not there.

    Attributes:
        position_mm: of the slice along the normal, mm.
        endocardium_area_mm2: enclosed by the endocardium.
        epicardium_area_mm2: enclosed by the epicardium.
        middle_length_mm: mean of the two perimeters; None unless both contours are there.
    """

    position_mm: float
    endocardium_area_mm2: float | None
    epicardium_area_mm2: float | None
    middle_length_mm: float | None = None

    @property
    def area_mm2(self) -> float | None:
        """Area of the wall; None unless both contours are there."""
        if self.endocardium_area_mm2 is None or self.epicardium_area_mm2 is None:
            return None
        return self.epicardium_area_mm2 - self.endocardium_area_mm2

    @property
    def thickness_mm(self) -> float | None:
        """Mean thickness of the wall in this slice; None unless both contours are there."""
        area = self.area_mm2
        return area / self.middle_length_mm if area is not None and self.middle_length_mm else None


@dataclass(frozen=True)
class VentricleWall:
    """Wall of the left ventricle in one phase. Slices are numbers within ``slice_positions_mm``.

    Attributes:
        mass_g: 1.05 g/mL times the volume.
        volume_ml: of the myocardium, disc sum.
        mean_thickness_mm: volume over middle surface of the slices that have both contours; None without one.
        slice_positions_mm: slices from the first to the last one that has a wall, ascending.
        slice_heights_mm: how much each of them stands for.
        slice_thickness_mm: mean thickness in each; None where a contour is missing.
        slices_missing: slices without a usable wall between those that have one; their area was interpolated linearly.
        findings: contours that are missing or do not fit together.
    """

    mass_g: float
    volume_ml: float
    mean_thickness_mm: float | None
    slice_positions_mm: tuple[float, ...]
    slice_heights_mm: tuple[float, ...]
    slice_thickness_mm: tuple[float | None, ...]
    slices_missing: tuple[int, ...]
    findings: tuple[Finding, ...]

    def as_dict(self) -> dict[str, Any]:
        """All values by name, ready for JSON."""
        return dataclasses.asdict(self)


def measure_wall(
    position_mm: float, endocardium: Any | None, epicardium: Any | None, spacing: Sequence[float] | Tensor | np.ndarray
) -> WallSlice:
    """Measure the two contours of a slice.

    Args:
        position_mm: of the slice along the normal.
        endocardium: (K, 2) points (x, y) in pixels, array or tensor, K >= 3, not closed; None if absent.
        epicardium: the same; its K may differ.
        spacing: (between rows, between columns) in mm.

    Raises:
        ValueError: for another shape, vertices that are not finite, or a spacing that is not positive.
    """
    scale = torch.from_numpy(check_pixel_spacing(spacing))
    contours = [
        None if vertices is None else torch.from_numpy(check_contour(vertices)) * scale
        for vertices in (endocardium, epicardium)
    ]
    inner, outer = (None if contour is None else float(signed_area(contour).abs()) for contour in contours)
    known = [_smooth_perimeter(contour) for contour in contours if contour is not None]
    return WallSlice(position_mm, inner, outer, sum(known) / 2 if len(known) == 2 else None)


def ventricle_wall(
    slices: Iterable[WallSlice],
    stack_positions_mm: Sequence[float] | None = None,
    slice_spacing_mm: float | None = None,
) -> VentricleWall:
    """Mass and mean wall thickness from the slices of one phase, end-diastole as a rule.

    A slice with an epicardium alone, outside of those that have an endocardium, is the apex without cavity: all of it
    is myocardium. Where a contour is missing between others, the wall's area is interpolated linearly in position.
    Outer slices that have an endocardium but no epicardium have no wall: nothing is invented, and a finding says so,
    since the mass is too small then.

    Args:
        slices: one entry per slice, in any order; entries without any contour may be there or not.
        stack_positions_mm: positions of all slices of the series, which give the height of the outermost ones.
        slice_spacing_mm: needed for a single slice only, which has no distance to a neighbor.

    Returns:
        The measures, with what was missing.

    Raises:
        ValueError: when no slice has a wall, two entries have the same position, or an area is negative or not finite.
    """
    walls = [wall for wall in slices if not (wall.endocardium_area_mm2 is None and wall.epicardium_area_mm2 is None)]
    _check_walls(walls)
    stack = [] if stack_positions_mm is None else [float(position) for position in stack_positions_mm]
    index, positions = cluster_positions([wall.position_mm for wall in walls] + stack)
    index = index[: len(walls)]
    if len(set(index)) < len(walls):
        raise ValueError(
            "Expected one entry for each slice of one phase, but two have the same position: keep phases apart."
        )
    heights = slice_heights(positions, slice_spacing_mm)
    table = dict(zip(index, walls, strict=True))
    areas, findings = _wall_areas(table)
    if not areas:
        raise ValueError(
            "Expected a slice with an endocardial contour inside an epicardial one, but got none: is the epicardium "
            "contoured in this phase?"
        )
    first, last = min(areas), max(areas)
    chosen = range(first, last + 1)
    missing = [i for i in chosen if i not in areas]
    if missing:
        text = f"no wall in slice(s) {[i - first for i in missing]} between others, its area was interpolated"
        findings.append(Finding("missing_wall", text))
    used = sorted(areas)
    filled = np.interp([positions[i] for i in chosen], [positions[i] for i in used], [areas[i] for i in used])
    volume = float(filled @ np.array(heights[first : last + 1])) / MM3_PER_ML
    both = [i for i in used if table[i].thickness_mm is not None]
    surface = sum(heights[i] * (table[i].middle_length_mm or 0.0) for i in both)
    return VentricleWall(
        mass_g=MYOCARDIUM_G_PER_ML * volume,
        volume_ml=volume,
        mean_thickness_mm=sum(heights[i] * areas[i] for i in both) / surface if surface > 0 else None,
        slice_positions_mm=tuple(positions[i] for i in chosen),
        slice_heights_mm=tuple(heights[i] for i in chosen),
        slice_thickness_mm=tuple(table[i].thickness_mm if i in both else None for i in chosen),
        slices_missing=tuple(i - first for i in missing),
        findings=tuple(findings),
    )


def _smooth_perimeter(contour: torch.Tensor) -> float:
    points = contour if contour.shape[0] <= PERIMETER_VERTICES else resample(contour, PERIMETER_VERTICES)
    return float(perimeter(points))


def _wall_areas(table: dict[int, WallSlice]) -> tuple[dict[int, float], list[Finding]]:
    """Area of the wall by slice, where there is one, and what does not fit together."""
    cavity = [i for i, wall in table.items() if wall.endocardium_area_mm2 is not None]
    areas: dict[int, float] = {}
    no_epicardium, not_around = [], []
    for i, wall in sorted(table.items()):
        inner, outer = wall.endocardium_area_mm2, wall.epicardium_area_mm2
        if outer is None:
            no_epicardium.append(wall.position_mm)
        elif inner is not None and outer < inner:
            not_around.append(wall.position_mm)
        elif inner is not None or (cavity and not min(cavity) < i < max(cavity)):
            areas[i] = outer - (inner or 0.0)
    findings = []
    for kind, places, text in (
        ("no_epicardium", no_epicardium, "an endocardium but no epicardium"),
        ("epicardium_not_around", not_around, "an epicardium smaller than the endocardium"),
    ):
        if places:
            where = ", ".join(f"{place:.1f}" for place in places)
            findings.append(Finding(kind, f"{len(places)} slice(s) have {text}: at {where} mm; mass is less certain"))
    return areas, findings


def _check_walls(walls: Sequence[WallSlice]) -> None:
    if not walls:
        raise ValueError("Expected at least one slice with a contour, but got none: is the ventricle contoured here?")
    for wall in walls:
        for area in (wall.endocardium_area_mm2, wall.epicardium_area_mm2):
            if not np.isfinite(wall.position_mm) or (area is not None and not (np.isfinite(area) and area >= 0)):
                raise ValueError(
                    f"Expected a finite position and areas of at least 0, but got {area} mm2 at {wall.position_mm} mm: "
                    "leave this slice out."
                )
