# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Contours and phases under review: which are refused, and which are kept and shown as a problem of their frame.

A contour that a reader draws, drags or copies encloses an area, lies at least partly in its image, and does not cross
itself. Contours of a document or an earlier log are kept as they are and shown, so that reading loses nothing and a
contour that crosses itself can be repaired step by step.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch

from monai_acdr.apps.measurements import MAX_OUTSIDE, outside_share
from monai_acdr.dicom import LV_EPICARDIUM, Structure
from monai_acdr.geometry import signed_area
from monai_acdr.measures import SOLID, CineGrid, phase_volumes, solidity, stack_place

__all__ = ["Contour", "Contours", "check_contours", "check_phases", "frame_problems"]

MIN_AREA = 0.01
"""Area in square pixels; a contour that encloses less is a line or a point."""


@dataclass(frozen=True, eq=False)
class Contour:
    """A contour of a frame under review.

    Attributes:
        structure: index of its structure.
        vertices: (K, 2) float64 pixels, four decimals.
        hole: whether it is a hole.
        generation: one of :data:`monai_acdr.dicom.regions.GENERATIONS`.
        original: index of the same, unchanged contour in the document; None for a new or changed one.
    """

    structure: int
    vertices: np.ndarray
    hole: bool = False
    generation: str = "AUTOMATIC"
    original: int | None = None

    def record(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "structure": self.structure,
            "vertices": self.vertices.ravel().tolist(),
            "hole": self.hole,
            "generation": self.generation,
        }

    @cached_property
    def area(self) -> float:
        """Enclosed area in square pixels."""
        return abs(float(signed_area(torch.from_numpy(self.vertices))))

    @cached_property
    def crosses(self) -> bool:
        """Whether it crosses or touches itself, the opposite of :func:`monai_acdr.geometry.is_simple`.

        That function compares all pairs of edges, 0.4 s for 2,000 vertices; contours under review have up to 20,000.
        """
        from shapely import LinearRing  # of the extra `review`

        return not LinearRing(self.vertices).is_simple

    @cached_property
    def is_line(self) -> bool:
        """Whether all of its vertices lie on a line or in a point."""
        from shapely import MultiPoint

        if self.area >= MIN_AREA:
            return False
        return bool(MultiPoint(self.vertices).convex_hull.area < MIN_AREA)

    def same(self, other: Contour) -> bool:
        """Whether both have the same vertices and structure."""
        return (self.structure, self.hole) == (other.structure, other.hole) and np.array_equal(
            self.vertices, other.vertices
        )


Contours = tuple[Contour, ...]


def check_contours(
    after: Sequence[Contour], before: Sequence[Contour], size: tuple[int, int], structures: Sequence[Structure]
) -> None:
    """Refuse new contours that must be mistakes; contours that the frame has, or had in the document, are accepted.

    Args:
        after: new contours of the frame.
        before: present contours of the frame.
        size: (H, W) of the image.
        structures: structures of the contours.

    Raises:
        ValueError: for a contour without area, outside of the image, or that crosses itself. A contour that replaces
            one that crosses itself may cross itself, too.
    """
    tangled = {contour.structure for contour in before if contour.crosses}
    for contour in after:
        if contour.original is not None or any(contour.same(other) for other in before):
            continue
        label, (height, width) = structures[contour.structure].label, size
        if contour.is_line:
            number = len(np.unique(contour.vertices, axis=0))
            raise ValueError(
                f"Expected a contour that encloses an area, but {label} has {number} different vertices in one line or "
                "point: draw it larger, or delete it. Nothing was changed."
            )
        if contour.crosses and contour.structure not in tangled:
            raise ValueError(
                f"Expected a contour that does not cross or touch itself, but {label} does: drag it less far, or draw "
                "it anew. Nothing was changed."
            )
        if outside_share(contour.vertices, size) >= 1:
            raise ValueError(
                f"Expected a contour in the image, {width} x {height} pixels, but {label} lies outside of it: put it "
                "where the image is. Nothing was changed."
            )


def frame_problems(
    contours: Sequence[Contour],
    size: tuple[int, int],
    structures: Sequence[Structure],
    measured: Sequence[int] = (),
    repairs: Sequence[Sequence[str]] = (),
    scale: str = "",
) -> list[str]:
    """Problems of the contours of a frame, as text.

    Args:
        contours: contours of the frame.
        size: (H, W) of the image.
        structures: structures of the contours.
        measured: structures whose volumes are measured, from one contour per frame.
        repairs: of each contour of the document, of :data:`monai_acdr.geometry.REPAIRS`; empty if there were none.
        scale: why the scale of the frame cannot be right; empty if it can.
    """
    problems = [f"implausible scale: {scale}"] if scale else []
    problems += [text for contour in contours for text in _shape_problems(contour, size, structures[contour.structure])]
    for index in measured:
        number = sum(contour.structure == index for contour in contours)
        if number > 1:
            problems.append(f"{number} contours of {structures[index].label}: counted as none in the volumes")
    if len(contours) > 1:
        twice = Counter((each.structure, each.hole, each.vertices.tobytes()) for each in contours)
        for (index, _, _), number in twice.items():
            if number > 1 and index not in measured:
                problems.append(f"{number} identical contours of {structures[index].label}: delete all but one")
    for contour in contours:
        if repairs and contour.original is not None and "neighbors" in repairs[contour.original]:
            problems.append(f"{structures[contour.structure].label} was implausibly wide: now like its neighbors")
    return problems


def _shape_problems(contour: Contour, size: tuple[int, int], structure: Structure) -> list[str]:
    if contour.is_line:
        return [f"{structure.label} encloses no area"]
    problems = []
    if contour.crosses:
        problems.append(f"{structure.label} crosses or touches itself")
    elif structure == LV_EPICARDIUM and not contour.hole and solidity(contour.vertices) < SOLID:
        problems.append(f"{structure.label} is not convex, as that of a ventricle is")
    share = outside_share(contour.vertices, size)
    if share > MAX_OUTSIDE:
        problems.append(f"{100 * share:.0f} % of {structure.label} outside of the image")
    return problems


def check_phases(phases: Sequence[int | None], grid: CineGrid | None, areas: Mapping[int, float]) -> None:
    """Refuse phases that cannot be end-diastole and end-systole.

    Args:
        phases: phases of end-diastole and end-systole; None for the phase of the largest and the smallest volume.
        grid: grid of the study; None without slices and phases.
        areas: area of the cavity in mm2, by frame.

    Raises:
        ValueError: for phases that do not exist, are the same, or have no contour of the cavity, and for phases without
            an image of an outer slice in which other phases have a contour: their volume is too small.
    """
    chosen = [phase for phase in phases if phase is not None]
    if not chosen:
        return
    if grid is None or len(grid.positions_mm) < 2 or not areas:
        raise ValueError(
            "Expected a short-axis cine with contours of the left ventricle, to choose end-diastole and end-systole, "
            "but these images and contours are not one: nothing was chosen."
        )
    number = max(grid.phase) + 1
    for phase in chosen:
        if not 0 <= phase < number:
            raise ValueError(
                f"Expected indices of phases, 0 to {number - 1}, or null, but got {phase}: nothing was chosen."
            )
    if len(set(chosen)) < len(chosen):
        raise ValueError(
            f"Expected two different phases, but {stack_place(phases=chosen[0], num_phases=number)} would be "
            "end-diastole and end-systole: choose another one, or Automatic first. Nothing was chosen."
        )
    volumes, _, _ = phase_volumes(grid.contour_areas(areas), grid.positions_mm, absent=grid.absent)
    found = {volume.phase: volume for volume in volumes}
    for phase in chosen:
        name = stack_place(phases=phase, num_phases=number)
        if phase not in found:
            raise ValueError(
                f"Expected a phase with contours of the left ventricle, but {name} has none: draw them, or choose "
                "another phase. Nothing was chosen."
            )
        if found[phase].slices_unseen:
            raise ValueError(
                f"Expected a phase with images of all slices, but {name} has none of "
                f"{stack_place(found[phase].slices_unseen, grid.num_slices)}, where other phases have a contour: its "
                "volume is too small. Choose another phase. Nothing was chosen."
            )
