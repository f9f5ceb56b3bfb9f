# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Volumes of the left ventricle over the heart's cycle, from contour areas, and ejection fraction.

The volume of a phase is the disc sum (modified Simpson) over its short-axis slices, area times height, with heights
from the slices' positions (:mod:`monai_acdr.measures.slice_stack`). Slices that a phase lacks:

- BETWEEN its contoured slices the contour is missing. The slice is reported, and its area interpolated linearly in
  position (``missing="interpolate"``), or its disc left out (``missing="omit"``).
- BEYOND its contoured slices there may be no ventricle: in systole the base moves toward the apex and leaves the
  outermost slices. These are reported too, and never invented.

The disc sum ends the ventricle half-way between two slices: its base is known to half a slice distance, not better.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from monai_acdr.measures.slice_stack import Finding, check_stack, cluster_positions, slice_heights

__all__ = [
    "ContourArea",
    "PhaseVolume",
    "VentricleVolumes",
    "phase_volumes",
    "ventricle_volumes",
]

MM3_PER_ML = 1000.0
MISSING_POLICIES = ("interpolate", "omit")
MINIMUM_SLICE_SHARE = 0.5
"""A phase that has fewer than this share of the slices of the fullest phase is never end-diastole or end-systole."""


@dataclass(frozen=True)
class ContourArea:
    """The area inside the contour of one frame.

    Attributes:
        position_mm: of the slice along the normal, mm.
        phase: of the cycle, counted from 0, the same moment in every slice.
        area_mm2: 0 where the slice was looked at and holds no ventricle.
        time_ms: after the R wave, where it is known.
    """

    position_mm: float
    phase: int
    area_mm2: float
    time_ms: float | None = None


@dataclass(frozen=True)
class PhaseVolume:
    """The volume of one phase. Slices are numbers within ``VentricleVolumes.slice_positions_mm``.

    Attributes:
        phase: as in the contour areas.
        time_ms: mean over the slices, None where no frame tells it.
        volume_ml: the disc sum.
        slices_used: slices that have a contour.
        slices_missing: slices without a contour between those that have one: interpolated or omitted.
        slices_beyond: slices without a contour outside of those that have one, but contoured in other phases.
    """

    phase: int
    time_ms: float | None
    volume_ml: float
    slices_used: tuple[int, ...]
    slices_missing: tuple[int, ...]
    slices_beyond: tuple[int, ...]


@dataclass(frozen=True)
class VentricleVolumes:
    """Volumes over the cycle, and the function of the ventricle.

    Attributes:
        end_diastolic_volume_ml, end_systolic_volume_ml: EDV and ESV.
        stroke_volume_ml: EDV - ESV.
        ejection_fraction_percent: 100 (EDV - ESV) / EDV.
        end_diastole_phase, end_systole_phase: phases of the largest and of the smallest volume.
        phases: one entry per phase, ascending.
        slice_positions_mm: all slices from the first to the last one that has a contour in any phase, ascending.
        slice_heights_mm: how much each of them stands for.
        missing: what was done about slices missing between others, ``interpolate`` or ``omit``.
        findings: overlaps, gaps, missing slices, and phases too incomplete to be end-diastole or end-systole.
    """

    end_diastolic_volume_ml: float
    end_systolic_volume_ml: float
    stroke_volume_ml: float
    ejection_fraction_percent: float
    end_diastole_phase: int
    end_systole_phase: int
    phases: tuple[PhaseVolume, ...]
    slice_positions_mm: tuple[float, ...]
    slice_heights_mm: tuple[float, ...]
    missing: str
    findings: tuple[Finding, ...]

    def curve(self, num_phases: int | None = None) -> list[float | None]:
        """Volumes in mL by phase, from phase 0, None for phases without contours: for a plot.

        Args:
            num_phases: length of the list, such as the phases of the series; None ends with the last contoured one.

        Raises:
            ValueError: when phases with contours would not fit.
        """
        last = self.phases[-1].phase
        length = last + 1 if num_phases is None else num_phases
        if length <= last or self.phases[0].phase < 0:
            raise ValueError(
                f"Expected phases from 0 to {length - 1}, but contours are in phases {self.phases[0].phase} to {last}."
            )
        volumes = {volume.phase: volume.volume_ml for volume in self.phases}
        return [volumes.get(phase) for phase in range(length)]

    def as_dict(self) -> dict[str, Any]:
        """All values by name, ready for JSON."""
        return dataclasses.asdict(self)


def ventricle_volumes(
    areas: Iterable[ContourArea],
    stack_positions_mm: Sequence[float] | None = None,
    slice_spacing_mm: float | None = None,
    thickness_mm: float | None = None,
    missing: str = "interpolate",
    end_diastole: int | None = None,
    end_systole: int | None = None,
) -> VentricleVolumes:
    """EDV, ESV, stroke volume and ejection fraction from the contours of a cine stack.

    Args:
        areas: one entry for each contour, at most one per slice and phase.
        stack_positions_mm: positions of all slices of the series, with or without contours: tells slices that lack a
            contour in every phase, and the height of the outermost ones. None takes the contoured slices only.
        slice_spacing_mm: needed for a single slice only, which has no distance to a neighbor.
        thickness_mm: SliceThickness, to report overlaps and gaps; volumes do not depend on it.
        missing: ``interpolate`` or ``omit``, see the module.
        end_diastole: phase to take instead of that of the largest volume.
        end_systole: phase to take instead of that of the smallest volume.

    Returns:
        The volumes, with what was used and what was missing.

    Raises:
        ValueError: for fewer than two usable phases, doubled entries, areas that are not finite or negative, an
            end-diastole that has no volume, or phases that do not exist.
    """
    areas = list(areas)
    volumes, positions, heights = phase_volumes(areas, stack_positions_mm, slice_spacing_mm, missing)
    findings = check_stack(positions, thickness_mm) + _phase_findings(volumes, missing)
    candidates = [volume for volume in volumes if not _is_sparse(volume, volumes)]
    if len(candidates) < 2 and (end_diastole is None or end_systole is None):
        raise ValueError(
            "Expected contours in at least two phases of the cycle, end-diastole and end-systole, but got "
            f"{len(candidates)} usable phase(s) of {len(volumes)}: contour more frames, or use phase_volumes()."
        )
    diastole = _choose(volumes, end_diastole, max(candidates, key=lambda v: v.volume_ml, default=None), "end_diastole")
    systole = _choose(volumes, end_systole, min(candidates, key=lambda v: v.volume_ml, default=None), "end_systole")
    if not diastole.volume_ml > 0:
        raise ValueError("Expected a ventricle with a volume at end-diastole, but got 0 mL: check the contours.")
    stroke = diastole.volume_ml - systole.volume_ml
    return VentricleVolumes(
        end_diastolic_volume_ml=diastole.volume_ml,
        end_systolic_volume_ml=systole.volume_ml,
        stroke_volume_ml=stroke,
        ejection_fraction_percent=100 * stroke / diastole.volume_ml,
        end_diastole_phase=diastole.phase,
        end_systole_phase=systole.phase,
        phases=tuple(volumes),
        slice_positions_mm=tuple(positions),
        slice_heights_mm=tuple(heights),
        missing=missing,
        findings=tuple(findings),
    )


def phase_volumes(
    areas: Iterable[ContourArea],
    stack_positions_mm: Sequence[float] | None = None,
    slice_spacing_mm: float | None = None,
    missing: str = "interpolate",
) -> tuple[list[PhaseVolume], list[float], list[float]]:
    """The disc sum of each phase; arguments as in :func:`ventricle_volumes`.

    Returns:
        Volumes by phase, ascending; positions and heights in mm of the slices that they are summed over.

    Raises:
        ValueError: as :func:`ventricle_volumes`, but one phase is enough.
    """
    areas = _check_areas(areas)
    if missing not in MISSING_POLICIES:
        raise ValueError(f"Expected `missing` to be one of {list(MISSING_POLICIES)}, but got {missing!r}.")
    stack = [] if stack_positions_mm is None else [float(value) for value in stack_positions_mm]
    index, positions = cluster_positions([area.position_mm for area in areas] + stack)
    contoured = index[: len(areas)]
    heights = slice_heights(positions, slice_spacing_mm)
    first, last = min(contoured), max(contoured)
    positions, heights = positions[first : last + 1], heights[first : last + 1]
    table: dict[int, dict[int, ContourArea]] = {}
    for area, number in zip(areas, contoured, strict=True):
        row = table.setdefault(area.phase, {})
        if number - first in row:
            raise ValueError(
                f"Expected one contour per slice and phase, but got two at {area.position_mm:.1f} mm in phase "
                f"{area.phase}: drop duplicates, and keep series apart."
            )
        row[number - first] = area
    volumes = [_volume(phase, table[phase], positions, heights, missing) for phase in sorted(table)]
    return volumes, positions, heights


def _volume(
    phase: int, row: dict[int, ContourArea], positions: list[float], heights: list[float], missing: str
) -> PhaseVolume:
    used = sorted(row)
    inside = set(range(used[0], used[-1] + 1))
    absent = tuple(sorted(inside - row.keys()))
    summed = [*used, *(absent if missing == "interpolate" else ())]
    known = [positions[i] for i in used], [row[i].area_mm2 for i in used]
    areas = np.interp([positions[i] for i in summed], *known)
    times = [area.time_ms for area in row.values() if area.time_ms is not None]
    return PhaseVolume(
        phase=phase,
        time_ms=float(np.mean(times)) if times else None,
        volume_ml=float(areas @ np.array([heights[i] for i in summed])) / MM3_PER_ML,
        slices_used=tuple(used),
        slices_missing=absent,
        slices_beyond=tuple(i for i in range(len(positions)) if i not in inside),
    )


def _is_sparse(volume: PhaseVolume, volumes: Sequence[PhaseVolume]) -> bool:
    fullest = max(len(other.slices_used) for other in volumes)
    return len(volume.slices_used) < MINIMUM_SLICE_SHARE * fullest


def _phase_findings(volumes: Sequence[PhaseVolume], missing: str) -> list[Finding]:
    findings = []
    done = {"interpolate": "interpolated", "omit": "left out"}[missing]
    for volume in volumes:
        if volume.slices_missing:
            text = f"phase {volume.phase}: no contour in slice(s) {list(volume.slices_missing)}, {done}"
            findings.append(Finding("missing_contour", text))
        if volume.slices_beyond:
            text = f"phase {volume.phase}: no contour in outer slice(s) {list(volume.slices_beyond)}, taken as outside"
            findings.append(Finding("fewer_slices", text))
        if _is_sparse(volume, volumes):
            text = f"phase {volume.phase}: {len(volume.slices_used)} slice(s), too few to be end-diastole or -systole"
            findings.append(Finding("sparse_phase", text))
    return findings


def _choose(volumes: Sequence[PhaseVolume], requested: int | None, found: PhaseVolume | None, name: str) -> PhaseVolume:
    if requested is None:
        assert found is not None
        return found
    for volume in volumes:
        if volume.phase == requested:
            return volume
    phases = [volume.phase for volume in volumes]
    raise ValueError(f"Expected `{name}` to be a phase with contours, one of {phases}, but got {requested}.")


def _check_areas(areas: Iterable[ContourArea]) -> list[ContourArea]:
    areas = list(areas)
    if not areas:
        raise ValueError("Expected at least one contour area, but got none: is the ventricle contoured in this series?")
    for area in areas:
        if not (np.isfinite(area.area_mm2) and area.area_mm2 >= 0 and np.isfinite(area.position_mm)):
            raise ValueError(
                f"Expected a finite position and an area of at least 0, but got {area.area_mm2} mm2 at "
                f"{area.position_mm} mm in phase {area.phase}: leave this contour out."
            )
    return areas
