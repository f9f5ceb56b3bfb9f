# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""The left ventricle over the heart's cycle: slices and phases of a cine stack, volumes, wall and mass.

Slices: positions are distances in mm along the slices' common normal. A slice represents everything nearer to it than
to any other slice. Its height is therefore taken from the positions: the slice thickness is the extent of the signal,
and differs from the distance of the slices wherever they overlap or leave gaps.

Frames: slices come from ImagePositionPatient along the normal of ImageOrientationPatient. SliceLocation is no
substitute for it: scanners fill it with one coordinate of the oblique plane, whose steps are up to a third too short
(Sunnybrook). Where nothing else is left it only orders the slices, and SpacingBetweenSlices gives their distance.
Phases come from the first of TemporalPositionIdentifier, TriggerTime and InstanceNumber that every frame has and that
differs within each slice. Trigger times of a phase differ between slices, since each has its own heart beats: frames
are ranked within their slice, and only slices that lack frames are compared with the others' times.

Volumes: the volume of a phase is the disc sum (modified Simpson) over its short-axis slices, area times height, with
heights from the slices' positions. Slices that a phase lacks:

- BETWEEN its contoured slices the contour is missing. The slice is reported, and its area interpolated linearly in
  position (``missing="interpolate"``), or its disc left out (``missing="omit"``).
- BEYOND its contoured slices there may be no ventricle: in systole the base moves toward the apex and leaves the
  outermost slices. These are reported too, and get no area.

Numbers: values of this module and of the files made from them are indices from 0, of slices in the order of their
positions, of all slices of the stack. Texts for people count from 1, all of them by :func:`stack_place`.

The disc sum ends the ventricle half-way between two slices: its base is known to half a slice distance, not better.

Wall: the myocardium is the epicardial area minus the endocardial area; papillary muscles count as blood. Its volume is
the disc sum over the short-axis slices, as that of the cavity, and its mass 1.05 g for each mL. Mass is reported at
end-diastole. The thickness of the wall in a slice is its area divided by the length of its middle, the mean of the two
perimeters. For contours at a constant distance this is that distance, exactly: concentric circles of radii r and R have
the area pi (R^2 - r^2) and the middle length pi (R + r), hence R - r; a closed convex curve of perimeter P and its
parallel at distance t have the area P t + pi t^2 and the middle length P + pi t, hence t (Steiner). No point of one
contour has to be matched with a point of the other. Over the stack it is volume divided by the area of the middle
surface.

Ends: in systole the base moves toward the apex, so that the slice nearest to the base shows the ventricle at
end-diastole and the atrium at end-systole. Its contour would be added to the end-systolic volume. The wall of an atrium
has a third to two thirds of the thickness of the ventricle's at that moment, and that of the ventricle's base has more.
The apex moves little, but its cavity closes: a slice of muscle alone is left, where each network of an ensemble
sees a different cavity. Both rules compare the wall minus :data:`SPREAD_FACTOR` times the spread of the endocardium.

Completeness: volumes of a stack that does not reach the apex or the base look like those of any other. What the slices
themselves tell of it is a finding (:func:`incomplete_stack`).
"""

from __future__ import annotations

import dataclasses
import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from scipy.optimize import linear_sum_assignment
from torch import Tensor

from monai_acdr.geometry import perimeter, resample, signed_area
from monai_acdr.measures.shape import check_contour, check_pixel_spacing
from monai_acdr.plausibility import Finding

__all__ = [
    "MYOCARDIUM_G_PER_ML",
    "POSITION_TOLERANCE_MM",
    "CineGrid",
    "ContourArea",
    "FrameHeader",
    "PhaseVolume",
    "VentricleVolumes",
    "VentricleWall",
    "WallSlice",
    "SOLID",
    "cavities_too_wide",
    "check_stack",
    "cluster_positions",
    "find_base_end",
    "find_phases",
    "group_frames",
    "incomplete_stack",
    "measure_wall",
    "phase_volumes",
    "slice_heights",
    "slices_above_base",
    "slices_below_apex",
    "stack_place",
    "usual_distance",
    "ventricle_volumes",
    "ventricle_wall",
]

POSITION_TOLERANCE_MM = 0.5
"""Positions that differ by less belong to the same slice: scanners round, and acquired slices are never that close."""
THIN_TOLERANCE_MM = 0.05
"""The same for stacks whose slices are, as in reformatted volumes, whose positions are computed and do not vary."""
CHAIN_SHARE = 1.5
"""Positions of one slice do not differ by more than this multiple of the tolerance: then they are thin slices."""
UNEVEN_SHARE = 0.25
"""A distance that differs from the median by more than this share of it is reported."""
THICKNESS_TOLERANCE_MM = 0.1
"""Overlaps and gaps below this are rounding."""


def stack_place(
    slices: int | Iterable[int] = (), num_slices: int = 0, phases: int | Iterable[int] = (), num_phases: int = 0
) -> str:
    """Slices and phases in words, counted from 1: ``slice 11 of 12, phase 3 of 20``.

    Every text for people names them by this function, whereas arrays and files have indices from 0.

    Args:
        slices: index of a slice, or several, from 0; empty names none.
        num_slices: number of slices of the stack; 0 leaves it out.
        phases: index of a phase, or several, from 0; empty names none.
        num_phases: number of phases of the cycle; 0 leaves it out.
    """
    return ", ".join(filter(None, (_numbered("slice", slices, num_slices), _numbered("phase", phases, num_phases))))


def _numbered(noun: str, indices: int | Iterable[int], total: int) -> str:
    numbers = [str(index + 1) for index in ([indices] if isinstance(indices, int) else indices)]
    if not numbers:
        return ""
    listed = " and ".join(filter(None, (", ".join(numbers[:-1]), numbers[-1])))
    return f"{noun}{'s' if len(numbers) > 1 else ''} {listed}" + (f" of {total}" if total else "")


def cluster_positions(positions_mm: Sequence[float]) -> tuple[list[int], list[float]]:
    """Find the slices among positions.

    Args:
        positions_mm: one position for each frame, in any order, finite.

    Returns:
        The slice of each frame, counted from 0 at the lowest position, and the position of each slice in mm, ascending.

    Raises:
        ValueError: when there is no position, one is not finite, or slices cannot be told apart.
    """
    values = np.asarray(positions_mm, dtype=np.float64)
    if values.ndim != 1 or values.size == 0 or not np.isfinite(values).all():
        raise ValueError(
            f"Expected at least one finite slice position in mm, but got {values.tolist()}: check the frames' headers."
        )
    order = np.argsort(values, kind="stable")
    for tolerance in (POSITION_TOLERANCE_MM, THIN_TOLERANCE_MM):
        clusters = np.split(values[order], np.flatnonzero(np.diff(values[order]) > tolerance) + 1)
        if max(np.ptp(cluster) for cluster in clusters) <= CHAIN_SHARE * tolerance:
            break
    else:
        raise ValueError(
            f"Expected slices more than {THIN_TOLERANCE_MM:g} mm apart, each at one position, but the positions from "
            f"{values.min():.2f} to {values.max():.2f} mm run into each other: choose one short-axis series, or "
            "reformat it with slices farther apart."
        )
    index = np.empty(values.size, dtype=np.int64)
    index[order] = np.repeat(np.arange(len(clusters)), [cluster.size for cluster in clusters])
    return [int(value) for value in index], [float(cluster.mean()) for cluster in clusters]


def _distances(positions_mm: Sequence[float]) -> np.ndarray:
    """Distances (S - 1,) of neighboring slices; a ValueError unless their positions are finite and ascending."""
    distances = np.diff(np.asarray(positions_mm, dtype=np.float64))
    if not (np.isfinite(distances).all() and (distances > 0).all()):
        raise ValueError(
            "Expected finite positions of slices, ascending and all different, but got "
            f"{[float(position) for position in positions_mm]}: sort them, each slice once."
        )
    return distances


def slice_heights(positions_mm: Sequence[float], slice_spacing_mm: float | None = None) -> list[float]:
    """Height of each slice in mm along the normal.

    Half of the distance to either neighbor. Outwards of the outermost slices it is half of the usual (median)
    distance, so that a uniform stack gets the plain disc sum, area times distance.

    Args:
        positions_mm: of the slices, ascending, all different.
        slice_spacing_mm: distance to assume for a single slice, which has no neighbor.

    Raises:
        ValueError: for a single slice without `slice_spacing_mm`, a spacing that is not positive, or positions that are
            not ascending.
    """
    if slice_spacing_mm is not None and not 0 < slice_spacing_mm < np.inf:
        raise ValueError(f"Expected `slice_spacing_mm` to be positive, but got {slice_spacing_mm}.")
    distances = _distances(positions_mm)
    if distances.size == 0:
        if slice_spacing_mm is None:
            raise ValueError(
                "Expected at least two slices, whose distance gives the height of a disc, but got one: pass "
                "`slice_spacing_mm`, or the positions of all slices of the series as `stack_positions_mm`."
            )
        return [float(slice_spacing_mm)]
    outside = usual_distance(distances)
    padded = np.concatenate([[outside], distances, [outside]])
    return [float(value) for value in (padded[:-1] + padded[1:]) / 2]


def check_stack(
    positions_mm: Sequence[float], thickness_mm: float | None = None, used: range | None = None
) -> list[Finding]:
    """Report uneven distances (missing slices, most likely), and overlaps and gaps between slices.

    Args:
        positions_mm: of the slices, ascending.
        thickness_mm: SliceThickness, where it is known: without it overlaps and gaps are not looked for.
        used: indices of the slices that count; None for all of them.

    Raises:
        ValueError: when the thickness is not positive, or positions are not ascending.
    """
    if thickness_mm is not None and not 0 < thickness_mm < np.inf:
        raise ValueError(f"Expected `thickness_mm` to be positive, but got {thickness_mm}.")
    used = range(len(positions_mm)) if used is None else used
    distances = _distances(positions_mm)[used.start : max(used.stop - 1, 0)]
    if distances.size == 0:
        return []
    findings, typical = [], usual_distance(distances)
    for below, distance in zip(used, distances, strict=False):
        between = f"between {stack_place((below, below + 1), len(positions_mm))}"
        if distance > (1 + UNEVEN_SHARE) * typical:
            lost = max(1, round(distance / typical) - 1)
            text = f"{distance:.1f} mm {between}, usually {typical:.1f} mm: {lost} slice(s) may be missing"
            findings.append(Finding("missing_slice", text))
        elif distance < (1 - UNEVEN_SHARE) * typical:
            findings.append(Finding("uneven_spacing", f"{distance:.1f} mm {between}, usually {typical:.1f} mm"))
    if thickness_mm is not None:
        findings += _thickness_findings(distances, thickness_mm)
    return findings


def usual_distance(distances: np.ndarray) -> float:
    """Median of distances (N,), the smaller of two middle ones: missing slices are common, additional ones rare."""
    return float(np.sort(distances)[(distances.size - 1) // 2])


def _thickness_findings(distances: np.ndarray, thickness: float) -> list[Finding]:
    """At most one finding of each kind: a stack overlaps, or leaves gaps, everywhere alike."""
    findings = []
    gaps = distances - thickness
    for kind, chosen in (("overlap", gaps < -THICKNESS_TOLERANCE_MM), ("gap", gaps > THICKNESS_TOLERANCE_MM)):
        if chosen.any():
            most = float(np.abs(gaps[chosen]).max())
            text = (
                f"{int(chosen.sum())} of {gaps.size} pairs of slices, up to {most:.1f} mm; thickness {thickness:g} mm"
            )
            findings.append(Finding(kind, text))
    return findings


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
        area_mm2: 0 where the slice was examined and shows no ventricle.
        time_ms: after the R wave, where it is known.
    """

    position_mm: float
    phase: int
    area_mm2: float
    time_ms: float | None = None


@dataclass(frozen=True)
class PhaseVolume:
    """The volume of one phase. Slices are indices of ``VentricleVolumes.slice_positions_mm``, from 0.

    Attributes:
        phase: as in the contour areas.
        time_ms: mean over the slices, None where no frame states it.
        volume_ml: the disc sum.
        slices_used: slices that have a contour.
        slices_missing: slices without a contour between those that have one: interpolated or omitted.
        slices_beyond: slices without a contour outside of those that have one, but contoured in other phases.
        slices_unseen: those of ``slices_beyond`` that have no image in this phase: the volume lacks them.
    """

    phase: int
    time_ms: float | None
    volume_ml: float
    slices_used: tuple[int, ...]
    slices_missing: tuple[int, ...]
    slices_beyond: tuple[int, ...]
    slices_unseen: tuple[int, ...] = ()


@dataclass(frozen=True)
class VentricleVolumes:
    """Volumes over the cycle, and the function of the ventricle.

    Attributes:
        end_diastolic_volume_ml, end_systolic_volume_ml: EDV and ESV.
        stroke_volume_ml: EDV - ESV.
        ejection_fraction_percent: 100 (EDV - ESV) / EDV.
        end_diastole_phase, end_systole_phase: phases of the largest and of the smallest volume.
        phases: one entry per phase, ascending.
        slice_positions_mm: all slices of the stack, ascending; without a stack the contoured ones.
        slice_heights_mm: height of each slice along the normal.
        missing: treatment of slices missing between others, ``interpolate`` or ``omit``.
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
        return {**dataclasses.asdict(self), "findings": tuple(finding.as_dict() for finding in self.findings)}


def ventricle_volumes(
    areas: Iterable[ContourArea],
    stack_positions_mm: Sequence[float] | None = None,
    slice_spacing_mm: float | None = None,
    thickness_mm: float | None = None,
    missing: str = "interpolate",
    end_diastole: int | None = None,
    end_systole: int | None = None,
    absent: Iterable[tuple[float, int]] = (),
) -> VentricleVolumes:
    """EDV, ESV, stroke volume and ejection fraction from the contours of a cine stack.

    Args:
        areas: one entry for each contour, at most one per slice and phase.
        stack_positions_mm: positions of all slices of the series, with or without contours: for slices without a
            contour in any phase, and for the height of the outermost ones. None takes the contoured slices only.
        slice_spacing_mm: needed for a single slice only, which has no distance to a neighbor.
        thickness_mm: SliceThickness, to report overlaps and gaps; volumes do not depend on it.
        missing: ``interpolate`` or ``omit``, for slices without a contour between contoured ones.
        end_diastole: phase to take instead of that of the largest volume.
        end_systole: phase to take instead of that of the smallest volume.
        absent: (position in mm, phase) of slices without an image. A phase without an image beyond its contours, where
            other phases have a contour, has too small a volume, and is not chosen.

    Returns:
        The volumes, with the used and the missing slices.

    Raises:
        ValueError: for fewer than two usable phases (:func:`phase_volumes` needs one), doubled entries, areas that are
            not finite or negative, an end-diastole that has no volume, or phases that do not exist or are the same.
    """
    if end_diastole is not None and end_diastole == end_systole:
        raise ValueError(
            f"Expected two different phases, but got {end_diastole} as `end_diastole` and `end_systole`: choose the "
            "phase of the smallest volume as `end_systole`, or leave it out."
        )
    areas = list(areas)
    volumes, positions, heights = phase_volumes(areas, stack_positions_mm, slice_spacing_mm, missing, absent)
    findings = check_stack(positions, thickness_mm, _extent(volumes))
    findings += _phase_findings(volumes, len(positions), missing, (end_diastole, end_systole))
    unseen = [volume.phase for volume in volumes if volume.slices_unseen]
    candidates = [volume for volume in volumes if not _is_sparse(volume, volumes) and not volume.slices_unseen]
    if len(candidates) < 2 and (end_diastole is None or end_systole is None):
        raise ValueError(
            "Expected contours in at least two phases of the cycle, end-diastole and end-systole, but got "
            f"{len(candidates)} usable phase(s) of {len(volumes)}"
            + (
                f", because images of outer slices are missing in {stack_place(phases=unseen)}: complete the series."
                if unseen
                else ": contour more frames."
            )
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
    absent: Iterable[tuple[float, int]] = (),
) -> tuple[list[PhaseVolume], list[float], list[float]]:
    """The disc sum of each phase; arguments as in :func:`ventricle_volumes`.

    Returns:
        Volumes by phase, ascending; positions and heights in mm of all slices.

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
    extent = range(min(contoured), max(contoured) + 1)
    table: dict[int, dict[int, ContourArea]] = {}
    for area, number in zip(areas, contoured, strict=True):
        row = table.setdefault(area.phase, {})
        if number in row:
            raise ValueError(
                "Expected one contour per slice and phase, but got two in "
                f"{stack_place(number, len(positions), area.phase)}: drop duplicates, and keep series apart."
            )
        row[number] = area
    volumes = [_volume(phase, table[phase], positions, heights, missing, extent) for phase in sorted(table)]
    return _with_unseen(volumes, positions, absent), positions, heights


def _extent(volumes: Sequence[PhaseVolume]) -> range:
    """From the first to the last slice that has a contour in any phase."""
    used = [number for volume in volumes for number in volume.slices_used]
    return range(min(used), max(used) + 1)


def _volume(
    phase: int,
    row: dict[int, ContourArea],
    positions: list[float],
    heights: list[float],
    missing: str,
    extent: range,
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
        slices_beyond=tuple(i for i in extent if i not in inside),
    )


def _with_unseen(
    volumes: Sequence[PhaseVolume], positions: Sequence[float], absent: Iterable[tuple[float, int]]
) -> list[PhaseVolume]:
    """The volumes with ``slices_unseen``, from (position in mm, phase) of slices without an image."""
    unseen: dict[int, set[int]] = {}
    for position, phase in absent:
        number = int(np.abs(np.asarray(positions) - position).argmin())
        if abs(positions[number] - position) < POSITION_TOLERANCE_MM:
            unseen.setdefault(phase, set()).add(number)
    return [
        dataclasses.replace(
            volume, slices_unseen=tuple(i for i in volume.slices_beyond if i in unseen.get(volume.phase, ()))
        )
        for volume in volumes
    ]


def _is_sparse(volume: PhaseVolume, volumes: Sequence[PhaseVolume]) -> bool:
    fullest = max(len(other.slices_used) for other in volumes)
    return len(volume.slices_used) < MINIMUM_SLICE_SHARE * fullest


def _phase_findings(
    volumes: Sequence[PhaseVolume], num_slices: int, missing: str, chosen: tuple[int | None, int | None]
) -> list[Finding]:
    findings = []
    done = {"interpolate": "interpolated", "omit": "left out"}[missing]
    for volume in volumes:
        phase = stack_place(phases=volume.phase)
        if volume.slices_missing:
            text = f"{phase}: no contour in {stack_place(volume.slices_missing, num_slices)}, {done}"
            findings.append(Finding("missing_contour", text))
        if volume.slices_unseen:
            taken = "although it was chosen" if volume.phase in chosen else "and it is not taken"
            text = (
                f"{phase}: no image in outer {stack_place(volume.slices_unseen, num_slices)}, where other phases have "
                f"a contour: its volume is too small, {taken} for end-diastole or -systole"
            )
            findings.append(Finding("unseen_slice", text))
        outside = [number for number in volume.slices_beyond if number not in volume.slices_unseen]
        if outside:
            text = f"{phase}: no contour in outer {stack_place(outside, num_slices)}, taken as outside"
            findings.append(Finding("fewer_slices", text))
        if _is_sparse(volume, volumes):
            text = f"{phase}: {len(volume.slices_used)} slice(s), too few to be end-diastole or -systole"
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
    raise ValueError(
        f"Expected `{name}` to be the index of a phase with contours, one of {phases}, but got {requested}."
    )


def _check_areas(areas: Iterable[ContourArea]) -> list[ContourArea]:
    areas = list(areas)
    if not areas:
        raise ValueError("Expected at least one contour area, but got none: is the ventricle contoured in this series?")
    for area in areas:
        if not (np.isfinite(area.area_mm2) and area.area_mm2 >= 0 and np.isfinite(area.position_mm)):
            raise ValueError(
                f"Expected a finite position and an area of at least 0, but got {area.area_mm2} mm2 at "
                f"{area.position_mm} mm in {stack_place(phases=area.phase)}: leave this contour out."
            )
    return areas


LARGEST_STRETCH = 1.25
"""Heart beats of one series differ by less; a larger ratio of the frames' time steps comes from missing frames."""
IDENTIFIER_SHARE = 1.5
"""Identifiers of phases repeat from slice to slice: more than this many per phase identify something else."""
NEAR_SHARE = 0.25
"""A single frame is near a phase within this share of the shortest step between phases."""
FEWEST_PHASES = 3
"""Of a cine. With fewer frames per slice, as where only end-diastole and end-systole are kept, their number varies."""


def find_phases(
    slice_index: Sequence[int], keys: Mapping[str, Sequence[float | None]], findings: list[Finding]
) -> list[int]:
    """The phase of each frame, counted from 0.

    Args:
        slice_index: slice of each frame.
        keys: numbers by the DICOM keyword that they come from, one per frame, None where it is missing; the first
            keyword that orders all frames is used. TemporalPositionIdentifier names phases, InstanceNumber counts
            frames, any other is a time.
        findings: receives irregularities.

    Raises:
        ValueError: when no keyword distinguishes the frames of a slice, when it is unknown which frames are missing, or
            when a slice was acquired several times.
    """
    counts = Counter(slice_index)
    if max(counts.values()) == 1:
        return [0] * len(slice_index)
    _check_repeated(counts)
    reasons = []
    for keyword, numbers in keys.items():
        values = [float(number) for number in numbers if number is not None]
        if len(values) < len(slice_index):
            reasons.append(f"{keyword} is missing in {len(slice_index) - len(values)} frame(s)")
            continue
        if len(set(zip(slice_index, values, strict=True))) < len(values):
            reasons.append(f"{keyword} repeats within a slice")
            continue
        phases = _phases(keyword, slice_index, values)
        if phases is not None:
            if reasons and keyword == "InstanceNumber":
                findings.append(Finding("phases_by_number", f"phases follow InstanceNumber: {'; '.join(reasons)}"))
            return phases
        reasons.append(f"{keyword} does not tell which phases are missing in some slices")
    raise ValueError(
        f"Expected to tell the phase of each of {len(slice_index)} frames, but cannot: {'; '.join(reasons)}. Drop "
        "duplicates, choose one series, or export it again with its times."
    )


def repeated_slices(counts: Mapping[int, int]) -> tuple[list[int], int]:
    """Slices of a cine that have a multiple of the frames of most slices, so that they were acquired several times.

    Args:
        counts: number of frames by slice.

    Returns:
        The slices, ascending, and the usual number of frames.
    """
    usual, slices = Counter(counts.values()).most_common(1)[0]
    if usual < FEWEST_PHASES or 2 * slices <= len(counts):
        return [], usual
    return sorted(number for number, count in counts.items() if count > usual and count % usual == 0), usual


def _check_repeated(counts: Mapping[int, int]) -> None:
    """Refuse a cine with a slice that was acquired several times: its frames would count as additional phases.

    Args:
        counts: number of frames by slice.
    """
    repeated, usual = repeated_slices(counts)
    if repeated:
        raise ValueError(
            f"Expected each slice once, but {stack_place(repeated, len(counts))} has {counts[repeated[0]]} frames, and "
            f"most others have {usual}: it was acquired several times; leave out all of its frames but one acquisition."
        )


def _phases(keyword: str, slice_index: Sequence[int], values: Sequence[float]) -> list[int] | None:
    """Phases by one key, or None where it is ambiguous."""
    slices: dict[int, list[int]] = {}
    for frame, number in enumerate(slice_index):
        slices.setdefault(number, []).append(frame)
    # Ascending within each slice.
    ranked = [sorted(frames, key=lambda frame: values[frame]) for frames in slices.values()]
    num_phases = max(len(frames) for frames in ranked)
    if keyword == "TemporalPositionIdentifier":
        identifiers = sorted(set(values))
        if len(identifiers) > IDENTIFIER_SHARE * num_phases:
            return None
        return [identifiers.index(value) for value in values]
    phases = [0] * len(values)
    full = np.array([[values[frame] for frame in frames] for frames in ranked if len(frames) == num_phases])
    # A single complete slice may be one that was acquired twice.
    is_usual = 2 * len(full) >= len(ranked)
    for frames in ranked:
        own = np.array([values[frame] for frame in frames])
        if len(frames) == num_phases:
            found: np.ndarray | None = np.arange(num_phases)
        elif keyword == "InstanceNumber":
            found = _from_numbers(own, full) if is_usual else None
        else:
            found = _from_times(own, full.mean(axis=0), is_usual)
        if found is None:
            return None
        for frame, phase in zip(frames, found, strict=True):
            phases[frame] = int(phase)
    return phases


def _from_times(own: np.ndarray, typical: np.ndarray, is_usual: bool = True) -> np.ndarray | None:
    """Phases of the frames of an incomplete slice, by their times and those of complete slices, ascending.

    The slice has its own heart rate. Its times are stretched so that one of its steps equals 1, 2 or 3 usual steps, or
    not at all: the stretch that fits best counts, and of equally good ones the smallest. A single frame that is not
    near a phase is ambiguous (None), unless most slices are complete.
    """
    steps = np.median(np.diff(typical)) * np.arange(1, 4)[:, None] / np.diff(own)
    stretches = np.unique(np.concatenate([[1.0], steps.ravel()]))
    stretches = stretches[(stretches >= 1 / LARGEST_STRETCH) & (stretches <= LARGEST_STRETCH)]
    best, phases = np.inf, np.arange(own.size)
    for stretch in sorted(stretches, key=lambda value: abs(np.log(value))):
        costs = np.abs(own[:, None] * stretch - typical[None])
        rows, columns = linear_sum_assignment(costs)
        cost = float(costs[rows, columns].sum())
        if cost < best - 1e-6 * typical[-1]:
            best, phases = cost, np.sort(columns)
    if own.size == 1 and not is_usual and best > NEAR_SHARE * np.diff(typical).min():
        return None
    return phases


def _from_numbers(own: np.ndarray, full: np.ndarray) -> np.ndarray | None:
    """Phases of the frames of an incomplete slice, where each complete slice is numbered without a break."""
    num_phases = full.shape[1]
    starts = {int(start) % num_phases for start in full[:, 0]}
    if len(starts) > 1 or (full[:, -1] - full[:, 0] != num_phases - 1).any():
        return None
    phases = np.mod(own - starts.pop(), num_phases)
    return phases if len(np.unique(phases)) == phases.size else None


MAX_TILT_DEGREES = 1.0
"""Slices whose normals differ by more do not form a stack."""


@dataclass(frozen=True)
class FrameHeader:
    """Header values of a frame that place it in the stack; None where absent.

    Attributes:
        position: ImagePositionPatient, (x, y, z) mm.
        orientation: ImageOrientationPatient, direction of a row and of a column, six numbers.
        slice_location: SliceLocation, mm.
        slice_spacing_mm: SpacingBetweenSlices.
        trigger_time_ms: TriggerTime; of enhanced objects NominalCardiacTriggerDelayTime.
        temporal_position: TemporalPositionIdentifier; of enhanced objects TemporalPositionIndex.
        instance_number: InstanceNumber.
    """

    position: tuple[float, ...] | None = None
    orientation: tuple[float, ...] | None = None
    slice_location: float | None = None
    slice_spacing_mm: float | None = None
    trigger_time_ms: float | None = None
    temporal_position: int | None = None
    instance_number: int | None = None

    @classmethod
    def from_dataset(cls, dataset: Any) -> FrameHeader:
        """Read the header of a single-frame object; absent, empty and malformed elements become None.

        Args:
            dataset: a pydicom ``Dataset``, or any mapping from DICOM keywords to values.
        """
        temporal = _numbers(dataset, "TemporalPositionIdentifier", 1)
        number = _numbers(dataset, "InstanceNumber", 1)
        return cls(
            position=_numbers(dataset, "ImagePositionPatient", 3),
            orientation=_numbers(dataset, "ImageOrientationPatient", 6),
            slice_location=_number(dataset, "SliceLocation"),
            slice_spacing_mm=_number(dataset, "SpacingBetweenSlices"),
            trigger_time_ms=_number(dataset, "TriggerTime"),
            temporal_position=None if temporal is None else int(temporal[0]),
            instance_number=None if number is None else int(number[0]),
        )


@dataclass(frozen=True)
class CineGrid:
    """Slices by phases.

    Attributes:
        slice_index: slice of each frame, counted from 0, in the order of the frames given.
        phase: phase of each frame, counted from 0.
        positions_mm: of each slice along the normal, ascending.
        times_ms: of each phase after the R wave, mean over the slices; None where no frame states it.
        missing_frames: (slice, phase) pairs that no frame fills.
        findings: deviations from a complete, regular stack.
    """

    slice_index: tuple[int, ...]
    phase: tuple[int, ...]
    positions_mm: tuple[float, ...]
    times_ms: tuple[float | None, ...]
    missing_frames: tuple[tuple[int, int], ...]
    findings: tuple[Finding, ...]

    @property
    def num_slices(self) -> int:
        """Number of slices."""
        return len(self.positions_mm)

    @property
    def num_phases(self) -> int:
        """Number of phases."""
        return len(self.times_ms)

    @property
    def absent(self) -> list[tuple[float, int]]:
        """:attr:`missing_frames` as (position in mm, phase), for :func:`ventricle_volumes`."""
        return [(self.positions_mm[number], phase) for number, phase in self.missing_frames]

    def place(self, frame: int) -> str:
        """Slice and phase of a frame, by its number from 0, in words (:func:`stack_place`)."""
        return stack_place(self.slice_index[frame], self.num_slices, self.phase[frame], self.num_phases)

    def contour_areas(self, areas_mm2: Mapping[int, float]) -> list[ContourArea]:
        """Areas by the number of the frame, for :func:`~monai_acdr.measures.ventricle.ventricle_volumes`.

        Raises:
            ValueError: for a number that is not a frame of this grid.
        """
        wrong = [frame for frame in areas_mm2 if not 0 <= frame < len(self.phase)]
        if wrong:
            raise ValueError(f"Expected frame numbers from 0 to {len(self.phase) - 1}, but got {wrong}.")
        return [
            ContourArea(
                position_mm=self.positions_mm[self.slice_index[frame]],
                phase=self.phase[frame],
                area_mm2=float(area),
                time_ms=self.times_ms[self.phase[frame]],
            )
            for frame, area in sorted(areas_mm2.items())
        ]


def group_frames(headers: Iterable[FrameHeader]) -> CineGrid:
    """Sort the frames of ONE short-axis cine series into slices and phases.

    Args:
        headers: one per frame, in any order.

    Raises:
        ValueError: when the slices are not parallel, or a position or the phases cannot be determined.
    """
    headers = list(headers)
    if not headers:
        raise ValueError("Expected at least one frame, but got none: is the series empty?")
    findings: list[Finding] = []
    index, positions = cluster_positions(_positions_along_normal(headers, findings))
    phases = find_phases(
        index,
        {
            "TemporalPositionIdentifier": [header.temporal_position for header in headers],
            "TriggerTime": [header.trigger_time_ms for header in headers],
            "InstanceNumber": [header.instance_number for header in headers],
        },
        findings,
    )
    num_phases = max(phases) + 1
    filled = set(zip(index, phases, strict=True))
    missing = [(s, p) for s in range(len(positions)) for p in range(num_phases) if (s, p) not in filled]
    if missing:
        text = (
            f"{len(missing)} of the {len(positions) * num_phases} frames of {len(positions)} slice(s) and {num_phases} "
            "phases are missing; slices without any image are not counted"
        )
        findings.append(Finding("missing_frame", text))
    times = [_mean_time(headers, phases, phase) for phase in range(num_phases)]
    return CineGrid(tuple(index), tuple(phases), tuple(positions), tuple(times), tuple(missing), tuple(findings))


def _positions_along_normal(headers: Sequence[FrameHeader], findings: list[Finding]) -> list[float]:
    """Position of each frame in mm."""
    places = [(h.position, h.orientation) for h in headers if h.position is not None and h.orientation is not None]
    if len(places) == len(headers):
        normal = _common_normal([orientation for _, orientation in places])
        return [float(np.asarray(position) @ normal) for position, _ in places]
    locations = [header.slice_location for header in headers if header.slice_location is not None]
    spacings = [header.slice_spacing_mm for header in headers if (header.slice_spacing_mm or 0) > 0]
    if len(locations) < len(headers) or not spacings:
        raise ValueError(
            "Expected ImagePositionPatient and ImageOrientationPatient in every frame, or SliceLocation in every frame "
            f"and SpacingBetweenSlices, but {len(headers) - len(places)} of {len(headers)} frames lack the former and "
            f"{len(headers) - len(locations)} SliceLocation (SpacingBetweenSlices: {'yes' if spacings else 'no'}): "
            "export the series again with its positions."
        )
    lacking = f"{len(headers) - len(places)} frame(s) lack ImagePositionPatient or ImageOrientationPatient"
    findings.append(Finding("no_position", f"{lacking}: slices ordered by SliceLocation, SpacingBetweenSlices apart"))
    return _scaled_locations(locations, float(np.median(np.asarray(spacings, dtype=np.float64))))


def _scaled_locations(locations: Sequence[float], spacing: float) -> list[float]:
    """Slice locations, stretched so that their usual step is `spacing`: a gap remains a gap."""
    values = np.asarray(locations, dtype=np.float64)
    _, distinct = cluster_positions(locations)
    step = usual_distance(np.diff(distinct)) if len(distinct) > 1 else spacing
    return [float(value) for value in (values - values.min()) * (spacing / step)]


def _common_normal(orientations: Sequence[Sequence[float]]) -> np.ndarray:
    """Unit normal (3,) of parallel slices."""
    values = np.asarray(orientations, dtype=np.float64).reshape(-1, 2, 3)
    normals = np.cross(values[:, 0], values[:, 1])
    lengths = np.linalg.norm(normals, axis=1)
    if not (np.abs(lengths - 1) < 0.01).all():
        raise ValueError(
            "Expected ImageOrientationPatient to hold two orthogonal unit vectors, but got "
            f"{values[int(np.abs(lengths - 1).argmax())].ravel().tolist()}: repair the header."
        )
    normals /= lengths[:, None]
    cosines = np.clip(normals @ normals[0], -1, 1)
    tilt = float(np.degrees(np.arccos(cosines.min())))
    if tilt > MAX_TILT_DEGREES:
        raise ValueError(
            f"Expected parallel slices, but their normals differ by up to {tilt:.0f} degrees: pass the frames of one "
            "short-axis series, without long-axis views or scouts."
        )
    mean = normals.mean(axis=0)
    return np.asarray(mean / np.linalg.norm(mean))


def _mean_time(headers: Sequence[FrameHeader], phases: Sequence[int], phase: int) -> float | None:
    times = [h.trigger_time_ms for h, p in zip(headers, phases, strict=True) if p == phase]
    known = [time for time in times if time is not None]
    return float(np.mean(known)) if known else None


def _number(dataset: Any, keyword: str) -> float | None:
    values = _numbers(dataset, keyword, 1)
    return None if values is None else values[0]


def _numbers(dataset: Any, keyword: str, count: int) -> tuple[float, ...] | None:
    """The finite numbers of an element; None unless there are `count` of them."""
    try:
        value = dataset.get(keyword)
        values = np.atleast_1d(np.asarray(value if value is not None else [], dtype=np.float64))
    except (TypeError, ValueError, OverflowError):
        return None
    if values.shape != (count,) or not np.isfinite(values).all():
        return None
    return tuple(float(number) for number in values)


MYOCARDIUM_G_PER_ML = 1.05
"""Density of the myocardium, g/mL (Schulz-Menger et al., JCMR 2020, 22:19)."""

PERIMETER_VERTICES = 64
"""Perimeters are measured on at most this many points at equal arc length: the steps of contours that follow a pixel
grid, as readers' files and label maps do, would lengthen them by 5 % and more."""


@dataclass(frozen=True)
class WallSlice:
    """The contours of one slice in one phase; None for an absent contour.

    Attributes:
        position_mm: of the slice along the normal, mm.
        endocardium_area_mm2: enclosed by the endocardium.
        epicardium_area_mm2: enclosed by the epicardium.
        middle_length_mm: mean of the two perimeters; None unless both contours exist.
    """

    position_mm: float
    endocardium_area_mm2: float | None
    epicardium_area_mm2: float | None
    middle_length_mm: float | None = None

    @property
    def area_mm2(self) -> float | None:
        """Area of the wall; None unless both contours exist."""
        if self.endocardium_area_mm2 is None or self.epicardium_area_mm2 is None:
            return None
        return self.epicardium_area_mm2 - self.endocardium_area_mm2

    @property
    def thickness_mm(self) -> float | None:
        """Mean thickness of the wall in this slice; None unless both contours exist."""
        area = self.area_mm2
        return area / self.middle_length_mm if area is not None and self.middle_length_mm else None


@dataclass(frozen=True)
class VentricleWall:
    """Wall of the left ventricle in one phase. Slices are indices of ``slice_positions_mm``, from 0.

    Attributes:
        mass_g: 1.05 g/mL times the volume.
        volume_ml: of the myocardium, disc sum.
        mean_thickness_mm: volume over middle surface of the slices that have both contours; None without one.
        slice_positions_mm: all slices of the stack, ascending; without a stack those with a contour.
        slice_heights_mm: height of each slice along the normal.
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
        return {**dataclasses.asdict(self), "findings": tuple(finding.as_dict() for finding in self.findings)}


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

    A slice with an epicardium alone, beyond those that have an endocardium, is the apex without cavity: all of it is
    myocardium. At the base, the wide end (:func:`find_base_end`), it lacks its endocardium, and has no wall. Where a
    contour is missing between others, the wall's area is interpolated linearly in position. Outer slices that have an
    endocardium but no epicardium have no wall. Findings say so, since the mass is then too small.

    Args:
        slices: one entry per slice, in any order; entries without any contour are optional.
        stack_positions_mm: positions of all slices of the series, which give the height of the outermost ones.
        slice_spacing_mm: needed for a single slice only, which has no distance to a neighbor.

    Returns:
        The measures, with the missing slices.

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
    areas, findings = _wall_areas(table, len(positions))
    if not areas:
        raise ValueError(
            "Expected a slice with an endocardial contour inside an epicardial one, but got none: is the epicardium "
            "contoured in this phase?"
        )
    first, last = min(areas), max(areas)
    chosen = range(first, last + 1)
    missing = [i for i in chosen if i not in areas]
    if missing:
        text = f"no wall in {stack_place(missing, len(positions))} between others, its area was interpolated"
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
        slice_positions_mm=tuple(positions),
        slice_heights_mm=tuple(heights),
        slice_thickness_mm=tuple(table[i].thickness_mm if i in both else None for i in range(len(positions))),
        slices_missing=tuple(missing),
        findings=tuple(findings),
    )


def _smooth_perimeter(contour: torch.Tensor) -> float:
    points = contour if contour.shape[0] <= PERIMETER_VERTICES else resample(contour, PERIMETER_VERTICES)
    return float(perimeter(points))


def _wall_areas(table: dict[int, WallSlice], num_slices: int) -> tuple[dict[int, float], list[Finding]]:
    """Area of the wall by slice that has one, and findings about contours that do not fit together."""
    cavity = {i: wall.endocardium_area_mm2 or 0.0 for i, wall in table.items() if wall.endocardium_area_mm2 is not None}
    base_first, base_last = _base_ends([cavity[i] for i in sorted(cavity)])
    areas: dict[int, float] = {}
    no_epicardium, no_endocardium, not_around = [], [], []
    for i, wall in sorted(table.items()):
        inner, outer = wall.endocardium_area_mm2, wall.epicardium_area_mm2
        if outer is None:
            no_epicardium.append(i)
        elif inner is not None and outer < inner:
            not_around.append(i)
        elif inner is not None:
            areas[i] = outer - inner
        elif cavity and ((i < min(cavity) and base_first) or (i > max(cavity) and base_last)):
            no_endocardium.append(i)
        elif cavity and not min(cavity) < i < max(cavity):
            areas[i] = outer
    findings = []
    for kind, places, text in (
        ("no_epicardium", no_epicardium, "an endocardium but no epicardium"),
        ("no_endocardium", no_endocardium, "at the base an epicardium but no endocardium"),
        ("epicardium_not_around", not_around, "an epicardium smaller than the endocardium"),
    ):
        if places:
            findings.append(Finding(kind, f"{text} in {stack_place(places, num_slices)}: mass is less certain"))
    return areas, findings


def _base_ends(cavities: Sequence[float]) -> tuple[bool, bool]:
    """Whether the base is at the first or at the last of the cavities of a stack; neither where both ends are alike."""
    areas = np.array(cavities, dtype=np.float64)[:, None]
    ends = (find_base_end(areas), find_base_end(areas[::-1])) if len(areas) else (0, 0)
    return ends == (0, -1), ends == (-1, 0)


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


FEWEST_SLICES = 4
"""With fewer slices the median of the wall is unreliable."""

SPREAD_FACTOR = 1.5
"""Multiple of the endocardium's spread that is subtracted from the wall."""

MAX_APICAL_SPREAD = 0.35
"""Share of a cavity's radius above which the spread of its endocardium indicates that there is no cavity."""

SOLID = 0.985
"""Smallest :func:`monai_acdr.measures.solidity` of an epicardium in a short-axis slice, where it is convex."""


def find_base_end(areas: np.ndarray) -> int:
    """Index of the base slice of a stack: 0 for the first slice, -1 for the last one.

    A ventricle is wide at the base and ends in a point, so the base is the end whose two outermost slices enclose more,
    in the phase of the largest area.

    Args:
        areas: (S, P) of the cavity by slice and phase, NaN where there is no contour.
    """
    filled = np.nan_to_num(areas)
    fullest = filled[:, filled.sum(0).argmax()]
    present = fullest[fullest > 0]
    half = max(min(2, len(present) // 2), 1)
    return 0 if present[:half].sum() >= present[-half:].sum() else -1


def slices_above_base(
    areas: np.ndarray,
    walls: np.ndarray,
    share: float,
    spreads: np.ndarray | None = None,
    plausible: np.ndarray | None = None,
) -> np.ndarray:
    """Slices at the base end that do not show a ventricle.

    In each phase, slices with contours are tested from the base inwards up to the first that does not lie above it. A
    slice lies above the base where its wall, less :data:`SPREAD_FACTOR` times the spread of its endocardium, is thinner
    than ``share`` times the median wall of the phase, or where it is not ``plausible``. At most two slices, and at most
    a third of them, lie above the base, and none in phases of fewer than four. The base moves toward the apex in
    systole: what lies above it in the phase of the largest cavity, end-diastole, does so in all phases.

    Args:
        areas: (S, P) of the cavity by slice and phase, in order along the stack, NaN where there is no contour.
        walls: (S, P) mean thickness of the wall, in any unit, NaN where it is not known.
        share: of the median, from 0 (none) to 1.
        spreads: (S, P) mean spread of the endocardium over the networks of an ensemble
            (:func:`monai_acdr.inferers.vertex_spread`), in the unit of the walls; None or NaN if unknown.
        plausible: (S, P) bool, False where a slice shows no ventricle whatever its wall, as with an epicardium that is
            not convex (:data:`SOLID`); all True if None.

    Returns:
        (S, P) bool, True where a slice lies above the base.

    Raises:
        ValueError: for arrays of another shape, or a share out of range.
    """
    certain = _certain_walls(areas, walls, share, spreads)
    if plausible is not None:
        certain = np.where(plausible, certain, -np.inf)
    above = _end_slices(areas, walls, certain, share, most=2, at_base=True)
    if not above.size:
        return above
    fullest = np.nan_to_num(areas).sum(0).argmax()
    return np.asarray((above | above[:, [fullest]]) & ~np.isnan(areas))


def slices_below_apex(areas: np.ndarray, walls: np.ndarray, spreads: np.ndarray) -> np.ndarray:
    """The outermost slices at the apex end whose endocardium is less certain than its wall is thick.

    A slice lies below the apex where its wall is thinner than :data:`SPREAD_FACTOR` times the spread of its
    endocardium, or where that spread is above :data:`MAX_APICAL_SPREAD` times the radius of a circle of the cavity's
    area: one slice of a phase at most, and none in phases of fewer than four.

    Args:
        areas: as for :func:`slices_above_base`, in the square of the unit of the walls.
        walls: as for :func:`slices_above_base`.
        spreads: (S, P) in the unit of the walls, NaN where it is not known.

    Returns:
        (S, P) bool, True where a slice lies below the apex.

    Raises:
        ValueError: for arrays of another shape.
    """
    certain = _certain_walls(areas, walls, 0.0, spreads)
    radii = np.sqrt(np.where(areas > 0, areas, 0.0) / math.pi)
    certain = np.where(np.nan_to_num(spreads) > MAX_APICAL_SPREAD * radii, -np.inf, certain)
    return _end_slices(areas, walls, certain, 0.0, most=1, at_base=False)


def cavities_too_wide(areas: np.ndarray, outer_areas: np.ndarray, multiple: float) -> np.ndarray:
    """Slices whose cavity is implausibly wide, compared with the other slices and with end-diastole.

    The width of a cavity is the root of its area over the area inside the epicardium. A contour half way to the
    epicardium, as happens where a thick wall leaves only a slit at end-systole, is detected by either of

    - an area above that of the same slice at end-diastole, and a width above ``multiple`` times the median width of the
      phase;
    - a width above ``multiple`` times that of each adjacent slice that has a contour and is not too wide by the first
      rule; without such a slice there is nothing to compare with.

    The first slice of a phase at the base, into which the atrium may reach, is not tested, and none is too wide in
    phases of fewer than four slices with contours.

    Args:
        areas: (S, P) inside of the endocardium by slice and phase, in order along the stack, NaN where there is no
            contour.
        outer_areas: (S, P) inside of the epicardium, in the same unit.
        multiple: at least 1.

    Returns:
        (S, P) bool, True where the cavity is too wide.

    Raises:
        ValueError: for arrays of another shape, or a multiple out of range.
    """
    if areas.ndim != 2 or areas.shape != outer_areas.shape or not 1 <= multiple < math.inf:
        raise ValueError(
            f"Expected `areas` and `outer_areas` of one shape (S, P) and `multiple` of at least 1, but got "
            f"{areas.shape}, {outer_areas.shape} and {multiple}."
        )
    known = (areas > 0) & (outer_areas > 0)
    known &= known.sum(0) >= FEWEST_SLICES
    if not known.any():
        return known
    widths = np.sqrt(np.divide(areas, outer_areas, out=np.full(areas.shape, np.nan), where=known))
    fullest = np.nan_to_num(areas).sum(0).argmax()
    medians = np.array([np.median(w[k]) if k.any() else np.nan for w, k in zip(widths.T, known.T, strict=True)])
    too_wide = known & (areas > areas[:, [fullest]]) & (widths > multiple * medians)
    from_first = find_base_end(areas) == 0
    for phase in range(areas.shape[1]):
        base = np.flatnonzero(known[:, phase])[:: 1 if from_first else -1][:1]
        too_wide[base, phase] = False
        others = np.where(known[:, phase] & ~too_wide[:, phase], widths[:, phase], np.nan)
        neighbors = np.fmax(np.append(others[1:], np.nan), np.insert(others[:-1], 0, np.nan))
        beside = others > multiple * neighbors  # False without any neighbor
        beside[base] = False
        too_wide[:, phase] |= beside
    return too_wide


LARGEST_AT_APEX = 0.45
"""Largest share of the largest cavity at end-diastole that the last slice toward the apex has in complete stacks: 0.41
in 29 of 30 hearts of ACDC, outlined by the shipped weights, and 0.8 in one with an aneurysm of the apex. Of stacks cut
there, those that have less have lost 4 % (one slice) to 17 % (three) of the end-diastolic volume at most."""

FULL_AT_BASE = 0.9
"""Share of the largest cavity, mean of end-diastole and end-systole, and of the median wall at end-systole, from which
the last slice toward the base shows a full ventricle: so in 1 of 34 complete stacks (ACDC, Sunnybrook), and in 23 of
them without the two slices at the base."""

SHORTEST = 1.0
"""Height of the outlined slices over the diameter of the largest cavity; 1.07 to 1.9 in complete stacks of ACDC."""


def incomplete_stack(
    areas: np.ndarray,
    outer_areas: np.ndarray,
    positions_mm: Sequence[float],
    end_diastole: int,
    end_systole: int | None = None,
) -> list[Finding]:
    """Find out whether a stack lacks slices at the apex or at the base.

    A ventricle ends in a point at the apex, and in systole its base moves toward the apex. It is incomplete where

    - the last slice toward the apex that has a contour at end-diastole has a cavity of more than
      :data:`LARGEST_AT_APEX` of the largest one;
    - the last slice of the stack toward the base shows a full ventricle: its share of the largest cavity, the mean of
      end-diastole and end-systole, and its wall at end-systole over the median wall are both at least
      :data:`FULL_AT_BASE`. Without epicardium or end-systole this is not tested;
    - the slices outlined at end-diastole are together less than :data:`SHORTEST` times as high as the largest cavity is
      wide.

    A stack that lacks a single slice at the base mostly passes, since complete stacks begin as abruptly.

    Args:
        areas: (S, P) inside of the endocardium in mm2 by slice and phase, NaN where there is no contour.
        outer_areas: (S, P) inside of the epicardium in mm2.
        positions_mm: (S,) of all slices of the stack, ascending, at least two.
        end_diastole: index of the phase.
        end_systole: index of the phase; None where it is not known.

    Returns:
        A finding ``incomplete_stack`` with all reasons, or none.

    Raises:
        ValueError: for arrays of another shape, or phases that do not exist.
    """
    if areas.ndim != 2 or areas.shape != outer_areas.shape or len(positions_mm) != len(areas):
        raise ValueError(
            f"Expected `areas` and `outer_areas` (S, P) and `positions_mm` (S,), but got {areas.shape}, "
            f"{outer_areas.shape} and {len(positions_mm)} positions."
        )
    for phase in (end_diastole, end_systole):
        if phase is not None and not 0 <= phase < areas.shape[1]:
            raise ValueError(f"Expected indices of phases from 0 to {areas.shape[1] - 1}, but got {phase}.")
    full = np.nan_to_num(areas[:, end_diastole])
    known = np.flatnonzero(full > 0)
    if len(known) == 0:
        return []
    heights = slice_heights(positions_mm)
    base, apex = (0, known[-1]) if find_base_end(areas) == 0 else (len(areas) - 1, known[0])
    reasons = []
    share = full[apex] / full.max()
    if share > LARGEST_AT_APEX:
        among = "" if apex in (0, len(areas) - 1) else " that is outlined"
        reasons.append(
            f"{stack_place(int(apex), len(areas))}, the last one toward the apex{among}, has {100 * share:.0f} % of "
            f"the largest cavity at end-diastole, in complete stacks less than {100 * LARGEST_AT_APEX:.0f} %"
        )
    if end_systole is not None and _is_full(areas, outer_areas, base, (end_diastole, end_systole)):
        reasons.append(
            f"{stack_place(base, len(areas))}, the last one toward the base, shows a full ventricle at end-diastole "
            "and end-systole"
        )
    height, width = sum(heights[known[0] : known[-1] + 1]), 2 * math.sqrt(full.max() / math.pi)
    if height < SHORTEST * width:
        reasons.append(
            f"the {len(known)} slice(s) outlined at end-diastole are {height:.0f} mm high, less than the cavity is "
            f"wide, {width:.0f} mm"
        )
    if not reasons:
        return []
    text = "slices of the ventricle may be missing, which makes volumes, mass and ejection fraction wrong"
    return [Finding("incomplete_stack", f"{text}: {'; '.join(reasons)}")]


def _is_full(areas: np.ndarray, outer_areas: np.ndarray, base: int, phases: tuple[int, int]) -> bool:
    cavities = np.nan_to_num(areas[:, phases])
    if not (cavities[base] > 0).all():
        return False
    walls = np.sqrt(outer_areas[:, phases[1]]) - np.sqrt(areas[:, phases[1]])
    if not np.isfinite(walls[base]):
        return False
    share = float((cavities[base] / cavities.max(0)).mean())
    return share >= FULL_AT_BASE and bool(walls[base] >= FULL_AT_BASE * np.nanmedian(walls))


def _certain_walls(areas: np.ndarray, walls: np.ndarray, share: float, spreads: np.ndarray | None) -> np.ndarray:
    spreads = np.zeros_like(walls) if spreads is None else spreads
    if areas.ndim != 2 or areas.shape != walls.shape or areas.shape != spreads.shape or not 0 <= share <= 1:
        raise ValueError(
            f"Expected `areas`, `walls` and `spreads` of one shape (S, P) and `share` from 0 to 1, but got "
            f"{areas.shape}, {walls.shape}, {spreads.shape} and {share}."
        )
    return walls - SPREAD_FACTOR * np.nan_to_num(spreads)


def _end_slices(
    areas: np.ndarray, walls: np.ndarray, certain: np.ndarray, share: float, most: int, at_base: bool
) -> np.ndarray:
    thin = np.zeros(areas.shape, dtype=bool)
    if not np.isfinite(areas).any():
        return thin
    from_first = (find_base_end(areas) == 0) == at_base
    for phase in range(areas.shape[1]):
        known = np.flatnonzero(np.isfinite(walls[:, phase]) & np.isfinite(areas[:, phase]))
        if len(known) < FEWEST_SLICES:
            continue
        thinnest = share * float(np.median(walls[known, phase]))
        inwards = known if from_first else known[::-1]
        for index in inwards[: min(most, len(known) // 3)]:
            if certain[index, phase] >= thinnest:
                break
            thin[index, phase] = True
    return thin
