# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Measurements of the contours of one run, and plausibility checks of images and contours.

A network draws a contour in any region, even a black one, and mm follow any header. Implausible numbers are not
corrected here: they become findings, so that readers are warned.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from monai_acdr.apps.inputs import Frame
from monai_acdr.dicom import LV_ENDOCARDIUM, LV_EPICARDIUM, Structure
from monai_acdr.geometry import signed_area
from monai_acdr.measures import (
    SOLID,
    CineGrid,
    Finding,
    ShapeMeasures,
    VentricleVolumes,
    VentricleWall,
    WallSlice,
    group_frames,
    incomplete_stack,
    measure_shape,
    measure_wall,
    phase_volumes,
    stack_place,
    ventricle_volumes,
    ventricle_wall,
)
from monai_acdr.measures.ventricle import check_stack
from monai_acdr.read_budget import check_pixels
from monai_acdr.transforms import contour_to_mask
from monai_acdr.transforms.roi import roi_window

if TYPE_CHECKING:
    from monai_acdr.apps.documents import FrameContours
    from monai_acdr.apps.outlines import Outline

__all__ = [
    "ABOVE_BASE",
    "BELOW_APEX",
    "MIN_CONTRAST",
    "Measurements",
    "NO_CONTRAST",
    "beyond_ends_findings",
    "contour_findings",
    "contour_place",
    "dented_finding",
    "doubtful_finding",
    "doubtful_slice_finding",
    "find_grid",
    "incomplete_stack_finding",
    "measure_contours",
    "no_contrast_finding",
    "no_stack_finding",
    "outside_share",
    "region_contrast",
    "scale_findings",
    "scattered_finding",
    "wide_cavity_finding",
    "volume_findings",
    "join_wall",
    "listed",
    "wall_slices",
    "Contours",
]

Contours = tuple[np.ndarray | None, np.ndarray | None]
"""Endocardium and epicardium of a frame, (K, 2) pixels each; None if absent."""

ABOVE_BASE = "the wall is too thin for a ventricle: above the base"
"""Reason of frames next to the base without a contour in the results."""

BELOW_APEX = "the networks disagree by more than the wall about a cavity: below the apex"
"""Reason of the last frames at the apex without a contour in the results."""

MIN_CONTRAST = 0.002
"""Smallest contrast of a region (:func:`region_contrast`) in which a contour is drawn; a constant region has 0.

The smallest of 400 regions about the reference in Sunnybrook's images is 0.17, the smallest of masses in CDD-CESM 0.21,
but a mass in a raw mammogram, whose air has 25 times the values of the breast, or an organ beside padding of -3024 has
0.01.
"""

NO_CONTRAST = "no contrast in the region of interest"
"""Reason of frames without a contour."""

MAX_OUTSIDE = 0.05
"""Share of a contour's area outside of its image beyond which it is a finding."""

END_DIASTOLIC_VOLUME_ML = (10.0, 700.0)
"""Volumes from small children's to the largest dilated left ventricles; adults have 60 to 250 mL."""

EJECTION_FRACTION_PERCENT = (5.0, 95.0)
"""Below, the heart hardly moves; above, the ventricle vanishes: neither is compatible with life."""

_ROUNDING = 1e-6
_MOST_SAMPLES = 1_000_000
_MAX_LISTED = 3


def region_contrast(pixels: Tensor, region: Tensor) -> float:
    """The range of a region's values as a share of the range of its image, both without extremes.

    The ranges are those of the 2nd to the 98th percentile in the upright box about the region, and of the 0.1th to the
    99.9th percentile in the image: a few bright or dead pixels are not contrast. Scale and offset of the values do not
    matter.

    Args:
        pixels: (1, H, W).
        region: (5,) in pixels.

    Returns:
        From 0, for a constant region, to about 1, for a region with the range of the image.

    Raises:
        ValueError: when the region does not meet the image.
    """
    values = pixels[0].numpy()
    left, top, right, bottom = roi_window(region, values.shape, 1.0)
    low, high = np.percentile(_sample(values[top:bottom, left:right]), [2, 98])
    darkest, brightest = np.percentile(_sample(values), [0.1, 99.9])
    if high <= low:
        return 0.0
    return float(high - low) / max(float(brightest - darkest), float(high - low))


def contour_findings(
    frames: Sequence[Frame],
    contours: Sequence[np.ndarray | Sequence[np.ndarray | None] | None],
    shapes: Sequence[Sequence[ShapeMeasures | None]],
    structures: Sequence[Structure],
) -> list[Finding]:
    """Findings about implausible contours, one per kind.

    Args:
        frames: the images.
        contours: as for :func:`measure_contours`.
        shapes: measures of each frame and structure, None without contour or spacing.
        structures: the N structures.
    """
    outside: list[str] = []
    areas: list[str] = []
    for frame, found, measured in zip(frames, contours, shapes, strict=True):
        for index, vertices in enumerate(() if found is None else found):
            if vertices is None:
                continue
            place = contour_place(frame, structures, index)
            share = outside_share(vertices, frame.size)
            if share > MAX_OUTSIDE:
                outside.append(f"{place}: {100 * share:.0f} % of the contour's area")
            shape = measured[index]
            problem = None if shape is None else _area_problem(shape, frame)
            if problem:
                areas.append(f"{place}: {problem}")
    kinds = (("contour_outside", outside, "lie outside of the image"), ("implausible_area", areas, ""))
    return [Finding(kind, listed(texts, end)) for kind, texts, end in kinds if texts]


def contour_place(frame: Frame, structures: Sequence[Structure], index: int) -> str:
    """The frame, and the structure if there are several, for the text of a finding."""
    return f"frame {frame.name}" + (f", {structures[index].label}" if len(structures) > 1 else "")


def doubtful_finding(
    frames: Sequence[Frame], outlines: Sequence[Outline], threshold: float | None, in_volumes: int | None
) -> list[Finding]:
    """One finding for all frames whose contours are kept with a low confidence; it names the lowest.

    Args:
        frames: the images.
        outlines: outline of each frame.
        threshold: confidence below which contours are doubtful.
        in_volumes: number of these frames that are used in the reported volumes; None without volumes.
    """
    low = sorted(
        (
            (outline.confidence or 0.0, frame.name)
            for frame, outline in zip(frames, outlines, strict=True)
            if outline.doubtful
        ),
    )
    if not low:
        return []
    outlined = sum(outline.final is not None for outline in outlines)
    named = listed([f"frame {name} ({confidence:.2f})" for confidence, name in low], "")
    counted = "" if in_volumes is None else f"; {in_volumes} of them at end-diastole or end-systole, in the volumes"
    text = f"{len(low)} of {outlined} outlined frame(s) have a confidence below {threshold:g}: {named}{counted}"
    return [Finding("doubtful", text)]


def volume_findings(end_diastolic_ml: float | None, ejection_percent: float | None) -> list[Finding]:
    """Findings about volumes that no heart has, from a wrong scale, order of phases, or contours.

    Args:
        end_diastolic_ml: end-diastolic volume in mL, None if there is none.
        ejection_percent: ejection fraction in %, None if there is none.
    """
    findings = []
    values = (
        ("end-diastolic volume", end_diastolic_ml, "mL", END_DIASTOLIC_VOLUME_ML),
        ("ejection fraction", ejection_percent, "%", EJECTION_FRACTION_PERCENT),
    )
    for name, value, unit, (low, high) in values:
        if value is not None and not low <= value <= high:
            text = (
                f"{name} {value:.4g} {unit}, in hearts {low:g} to {high:g} {unit}: check the spacing, the distance of "
                "the slices, the phases and the contours"
            )
            findings.append(Finding("implausible_volume", text))
    return findings


def no_contrast_finding(names: Sequence[str]) -> list[Finding]:
    """One finding for all frames without a contour because of :data:`NO_CONTRAST`."""
    return [Finding("no_contrast", listed([f"frame {name}" for name in names], NO_CONTRAST))] if names else []


def scale_findings(
    frames: Sequence[Frame | FrameContours], scales: Sequence[str], located: bool | None = None
) -> list[Finding]:
    """A finding for the frames without spacing whose scale cannot be right, and one for those with a spacing.

    Args:
        frames: the images, or their entries in a contour document.
        scales: for each frame why its scale cannot be right; empty if it can.
        located: whether regions are those of a localizer, which then also gives them their size; None if unknown.
    """
    findings = []
    for known in (False, True):
        names = [
            f"frame {frame.name}: {scale}"
            for frame, scale in zip(frames, scales, strict=True)
            if scale and (frame.spacing is not None) == known
        ]
        if not names:
            continue
        if known:
            end = "contours and measures cannot be right: correct the pixel spacing"
        else:
            sizes = {None: "may have a wrong size", True: "has the size of what was located, which is a guess"}
            region = sizes.get(located, "has a wrong size")
            end = (
                f"the pixel spacing is not known, and the region of interest {region}: give the spacing in mm with "
                "--spacing ROWS COLUMNS (in Python spacing=)"
            )
        findings.append(Finding("implausible_scale", listed(names, end)))
    return findings


def beyond_ends_findings(above: Sequence[str], below: Sequence[str]) -> list[Finding]:
    """A finding for all frames without a contour because of :data:`ABOVE_BASE`, and one because of :data:`BELOW_APEX`.

    A reader may decide differently in both cases.
    """
    kinds = (("above_base", above, ABOVE_BASE), ("below_apex", below, BELOW_APEX))
    return [
        Finding(kind, listed([f"frame {name}" for name in names], reason)) for kind, names, reason in kinds if names
    ]


def scattered_finding(scattered: Sequence[bool]) -> list[Finding]:
    """One finding for a stack in which the localizer did not find the same heart in all slices.

    Args:
        scattered: for each frame whether it is outlined, in such a stack.
    """
    count = sum(scattered)
    text = (
        "the centers found in the slices do not lie on a line, as those of a ventricle do: any of the "
        f"{count} outlined frames may show something else; check them, or give the place of the heart"
    )
    return [Finding("scattered_centers", text)] if count else []


def wide_cavity_finding(frames: Sequence[Frame], outlines: Sequence[Outline]) -> list[Finding]:
    """One finding for all frames whose cavity was outlined like the cavities of the neighboring slices."""
    names = [
        f"frame {frame.name}"
        for frame, outline in zip(frames, outlines, strict=True)
        if outline.final is not None and any("neighbors" in repairs for repairs in outline.repairs)
    ]
    reason = "the cavity was implausibly wide, and is outlined like those of the neighboring slices: check it"
    return [Finding("wide_cavity", listed(names, reason))] if names else []


def dented_finding(frames: Sequence[Frame], outlines: Sequence[Outline]) -> list[Finding]:
    """One finding for all frames whose epicardium is not convex, as that of a ventricle is."""
    names = [f"frame {frame.name}" for frame, outline in zip(frames, outlines, strict=True) if outline.dented]
    reason = f"the epicardium fills less than {SOLID:.1%} of its convex hull, as no ventricle does: check it"
    return [Finding("dented", listed(names, reason))] if names else []


def doubtful_slice_finding(
    frames: Sequence[Frame], outlines: Sequence[Outline], grid: CineGrid | None, structures: Sequence[Structure]
) -> list[Finding]:
    """One finding for the slices whose inclusion is uncertain; in hearts those at the base and the apex.

    Args:
        frames: the images.
        outlines: outline of each frame.
        grid: slice of each frame; None for single frames.
        structures: those of the model, which the finding names.
    """
    groups: dict[int, list[int]] = {}
    for index, outline in enumerate(outlines):
        if outline.close_call and outline.reason != NO_CONTRAST:
            groups.setdefault(index if grid is None else grid.slice_index[index], []).append(index)
    texts: list[str] = []
    for key in sorted(groups):
        members = [outlines[index] for index in groups[key]]
        kept = sum(outline.final is not None for outline in members)
        values = sorted(outline.confidence or 0.0 for outline in members)
        span = f"{values[0]:.2f}" if len(values) == 1 else f"{values[0]:.2f} to {values[-1]:.2f}"
        if grid is None:
            texts.append(f"frame {frames[key].name} ({span}): {'kept' if kept else 'left out'}")
        else:
            place = stack_place(key, grid.num_slices)
            texts.append(f"{place} ({span} at {len(members)} phase(s)): kept at {kept} of these phases")
    if not texts:
        return []
    labels = ", ".join(structure.label for structure in structures)
    what = "an object" if labels == "object" else f"an object ({labels})"
    what = "a ventricle" if LV_ENDOCARDIUM in structures else what
    return [Finding("doubtful_slice", f"probability of {what} near the threshold in {listed(texts, '')}")]


def _sample(values: np.ndarray) -> np.ndarray:
    """Every n-th pixel of a large image: percentiles do not need more."""
    step = max(1, math.isqrt(values.size // _MOST_SAMPLES))
    return values[::step, ::step]


def outside_share(vertices: np.ndarray, size: tuple[int, int]) -> float:
    """Share of a contour's area that lies outside of its image.

    Args:
        vertices: (K, 2) pixels.
        size: (H, W) of the image.
    """
    low, high = vertices.min(axis=0), vertices.max(axis=0)
    if (low >= 0).all() and high[0] <= size[1] and high[1] <= size[0]:
        return 0.0
    points = torch.from_numpy(np.ascontiguousarray(vertices, dtype=np.float64))
    area = abs(float(signed_area(points)))
    # Only where contour and image meet: the image size that a document states may be anything.
    first = np.clip(np.floor(low), 0, (size[1], size[0]))
    last = np.clip(np.ceil(high), 0, (size[1], size[0]))
    columns, rows = (int(extent) for extent in last - first)
    if min(rows, columns) == 0:
        return 1.0 if area > 0 else 0.0
    check_pixels("the part of an image that a contour covers", (rows, columns))
    inside = float(contour_to_mask(points[None] - torch.from_numpy(first), (rows, columns))[0].sum())
    return min(max(1 - inside / area, 0.0), 1.0) if area > 0 else 0.0


def _area_problem(shape: ShapeMeasures, frame: Frame) -> str:
    assert frame.spacing is not None
    whole = frame.size[0] * frame.size[1] * frame.spacing[0] * frame.spacing[1]
    if shape.area_mm2 > whole * (1 + _ROUNDING):
        return f"an area of {shape.area_mm2:.4g} mm2, the image has {whole:.4g} mm2"
    # among all shapes with a given diameter the circle has the largest area (Bieberbach's isodiametric inequality)
    largest = math.pi / 4 * shape.longest_diameter_mm**2
    if shape.area_mm2 > largest * (1 + _ROUNDING):
        return f"an area of {shape.area_mm2:.4g} mm2, its diameter allows {largest:.4g} mm2"
    return ""


def listed(texts: Sequence[str], end: str = "") -> str:
    """The first texts, the number of the others, and a common ending."""
    more = f" and {len(texts) - _MAX_LISTED} more" if len(texts) > _MAX_LISTED else ""
    return f"{'; '.join(texts[:_MAX_LISTED])}{more}{': ' if end else ''}{end}"


THICKNESS_TOLERANCE_MM = 0.01
"""Largest difference in mm of slice thicknesses that count as equal, because of rounding."""


@dataclass(frozen=True)
class Measurements:
    """Measures of one run.

    Attributes:
        shapes: measures of each frame and structure, None without contour or spacing.
        grid: slice and phase of each frame, None where they are unknown.
        volumes: volumes of the ventricle over its cycle, None if absent.
        wall: mass and thickness of the left ventricle's wall at end-diastole; None without volumes or epicardium.
        findings: deviations from a complete, regular stack.
    """

    shapes: tuple[tuple[ShapeMeasures | None, ...], ...]
    grid: CineGrid | None
    volumes: VentricleVolumes | None
    findings: tuple[Finding, ...]
    wall: VentricleWall | None = None


def find_grid(frames: Sequence[Frame]) -> tuple[CineGrid | None, str]:
    """Slice and phase of each frame; None and the reason where they are unknown."""
    headers = [frame.header for frame in frames if frame.header is not None]
    if len(headers) < len(frames):
        return None, "these images have no position in a stack"
    try:
        return group_frames(headers), ""
    except ValueError as error:
        return None, str(error)


def no_stack_finding(kind: str, structures: Sequence[Structure], reason: str) -> list[Finding]:
    """The finding that a ventricle has no volumes because its frames are no stack.

    Args:
        kind: kind of the images; pictures are not expected to be a stack.
        structures: the structures.
        reason: reason from :func:`find_grid`; empty for a stack.
    """
    return [Finding("no_stack", reason)] if reason and kind != "pictures" and LV_ENDOCARDIUM in structures else []


def measure_contours(
    frames: Sequence[Frame],
    contours: Sequence[np.ndarray | Sequence[np.ndarray | None] | None],
    structures: Sequence[Structure],
    grid: CineGrid | None,
    phases: tuple[int | None, int | None] = (None, None),
) -> Measurements:
    """Measure the final contours. Volumes are those of the left ventricle's endocardium, where it is outlined.

    Args:
        frames: the images.
        contours: for each frame (N, K, 2) pixels, or N arrays (K, 2) of which some may be None; None without any.
        structures: the N structures.
        grid: grid from :func:`find_grid`.
        phases: phases of end-diastole and end-systole, where they were chosen.
    """
    shapes = tuple(
        tuple(None if vertices is None else measure_shape(vertices, frame.spacing) for vertices in found)
        if found is not None and frame.spacing is not None
        else (None,) * len(structures)
        for frame, found in zip(frames, contours, strict=True)
    )
    findings = [
        Finding("self_crossing", f"{contour_place(frame, structures, index)}: the contour crosses itself")
        for frame, measured in zip(frames, shapes, strict=True)
        for index, shape in enumerate(measured)
        if shape is not None and shape.self_crossing
    ]
    findings += contour_findings(frames, contours, shapes, structures)
    if grid is None:
        return Measurements(shapes, None, None, tuple(findings))
    findings += grid.findings
    volumes, wall = None, None
    if LV_ENDOCARDIUM in structures:
        cavity, around = (_areas(shapes, structures, structure) for structure in (LV_ENDOCARDIUM, LV_EPICARDIUM))
        number = list(structures).index(LV_ENDOCARDIUM)
        unscaled = [
            frame.name
            for frame, found in zip(frames, contours, strict=True)
            if frame.spacing is None and found is not None and found[number] is not None
        ]
        volumes = _volumes(frames, cavity, grid, findings, phases, unscaled)
        if volumes is not None or (grid.num_phases == 1 and not unscaled):
            findings += incomplete_stack_finding(cavity, around, grid, volumes)
    if volumes is not None and LV_EPICARDIUM in structures:
        inner, outer = (list(structures).index(structure) for structure in (LV_ENDOCARDIUM, LV_EPICARDIUM))
        pairs = [(None, None) if found is None else (found[inner], found[outer]) for found in contours]
        wall = join_wall(wall_slices(frames, pairs, grid, volumes.end_diastole_phase), grid, findings)
    return Measurements(shapes, grid, volumes, tuple(findings), wall)


def _areas(
    shapes: Sequence[Sequence[ShapeMeasures | None]], structures: Sequence[Structure], structure: Structure
) -> dict[int, float]:
    """Area in mm2 of a structure by the number of the frame; empty where it is not outlined."""
    if structure not in structures:
        return {}
    index = list(structures).index(structure)
    return {number: shape.area_mm2 for number, own in enumerate(shapes) if (shape := own[index]) is not None}


def incomplete_stack_finding(
    cavity: Mapping[int, float], outer: Mapping[int, float], grid: CineGrid, volumes: VentricleVolumes | None
) -> list[Finding]:
    """The finding that the stack lacks slices at the apex or the base (:func:`monai_acdr.measures.incomplete_stack`).

    Args:
        cavity: area in mm2 inside of the endocardium by the number of the frame.
        outer: the same inside of the epicardium.
        grid: slice and phase of each frame.
        volumes: volumes of the same contours; without them the phase with the largest cavity counts as end-diastole.
    """
    if grid.num_slices < 2 or not cavity:
        return []
    areas = np.full((2, grid.num_slices, grid.num_phases), np.nan)
    for table, values in zip(areas, (cavity, outer), strict=True):
        for number, area in values.items():
            table[grid.slice_index[number], grid.phase[number]] = area
    if volumes is None:
        return incomplete_stack(areas[0], areas[1], grid.positions_mm, int(np.nansum(areas[0], axis=0).argmax()))
    return incomplete_stack(
        areas[0], areas[1], grid.positions_mm, volumes.end_diastole_phase, volumes.end_systole_phase
    )


def wall_slices(frames: Sequence[Frame], contours: Sequence[Contours], grid: CineGrid, phase: int) -> list[WallSlice]:
    """The wall on each frame of one phase that has a contour and a spacing.

    Args:
        frames: the images.
        contours: endocardium and epicardium of each frame.
        grid: slice and phase of each frame.
        phase: phase of the grid.
    """
    return [
        measure_wall(grid.positions_mm[grid.slice_index[index]], inner, outer, frame.spacing)
        for index, (frame, (inner, outer)) in enumerate(zip(frames, contours, strict=True))
        if grid.phase[index] == phase and frame.spacing is not None and not (inner is None and outer is None)
    ]


def join_wall(slices: Sequence[WallSlice], grid: CineGrid, findings: list[Finding]) -> VentricleWall | None:
    """The wall of the ventricle from its slices; None, and a finding with the reason, where it cannot be measured."""
    try:
        wall = ventricle_wall(slices, grid.positions_mm)
    except ValueError as error:
        findings.append(Finding("no_mass", str(error)))
        return None
    findings += wall.findings
    return wall


def _volumes(
    frames: Sequence[Frame],
    areas: Mapping[int, float],
    grid: CineGrid,
    findings: list[Finding],
    phases: tuple[int | None, int | None],
    unscaled: Sequence[str],
) -> VentricleVolumes | None:
    """Volumes from the areas of the endocardium; None, and a finding with the reason, where they are unknown.

    Args:
        frames: the images.
        areas: area in mm2 by the number of the frame.
        grid: slice and phase of each frame.
        findings: receives findings.
        phases: phases of end-diastole and end-systole, where they were chosen.
        unscaled: names of the frames with an endocardium whose area is not known, since they have no spacing.
    """
    if grid.num_slices == 1:
        text = "there is one slice: volumes need the whole short-axis stack, so give the folder with all of its slices"
        findings.append(Finding("no_volumes", text))
        return None
    thickness = _thickness(frames, findings)
    try:
        if unscaled:
            raise ValueError(
                f"the pixel spacing of {len(unscaled)} outlined frame(s), such as {unscaled[0]}, is not known, and "
                "volumes would lack these frames: correct the headers, or give the spacing with --spacing ROWS COLUMNS"
            )
        if grid.num_phases == 1:
            raise ValueError(_one_phase(areas, grid))
        volumes = ventricle_volumes(
            grid.contour_areas(areas),
            grid.positions_mm,
            thickness_mm=thickness,
            end_diastole=phases[0],
            end_systole=phases[1],
            absent=grid.absent,
        )
    except ValueError as error:
        # volumes would tell which slices are missing: without them it may be the reason
        if areas:
            slices = [grid.slice_index[number] for number in areas]
            findings += check_stack(grid.positions_mm, thickness, range(min(slices), max(slices) + 1))
        findings.append(Finding("no_volumes", str(error)))
        return None
    if grid.num_phases == 2:
        text = (
            "there are 2 phases: the larger volume counts as end-diastolic and the smaller one as end-systolic, which "
            "is right only if the images show these two moments"
        )
        findings.append(Finding("few_phases", text))
    findings += [
        *volumes.findings,
        *volume_findings(volumes.end_diastolic_volume_ml, volumes.ejection_fraction_percent),
    ]
    return volumes


def _one_phase(areas: Mapping[int, float], grid: CineGrid) -> str:
    """Why there are no volumes, and what can be told of the only phase."""
    text = "there is one phase: end-systolic volume and ejection fraction need all phases of the cycle"
    if not areas:
        return text
    (volume,), _, _ = phase_volumes(grid.contour_areas(areas), grid.positions_mm)
    return f"{text}; the volume is {volume.volume_ml:.1f} mL, the end-diastolic one if the images show end-diastole"


def _thickness(frames: Sequence[Frame], findings: list[Finding]) -> float | None:
    """Thickness of the slices in mm, None where it is not known or not the same; volumes do not need it."""
    known = [frame.source.thickness for frame in frames if frame.source is not None and frame.source.thickness]
    if not known:
        return None
    if len(known) < len(frames) or max(known) - min(known) > THICKNESS_TOLERANCE_MM:
        lacking = f", unknown in {len(frames) - len(known)} frame(s)" if len(known) < len(frames) else ""
        text = f"{min(known):g} to {max(known):g} mm{lacking}: overlaps and gaps were not checked"
        findings.append(Finding("slice_thickness", text))
        return None
    return known[0]
