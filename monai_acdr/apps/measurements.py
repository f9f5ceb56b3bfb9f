# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""What is measured on the contours of one run: each frame's shape, and the ventricle over its cycle."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from monai_acdr.apps.contour_checks import contour_findings, contour_place, volume_findings
from monai_acdr.apps.inputs import Frame
from monai_acdr.dicom import LV_ENDOCARDIUM, LV_EPICARDIUM, Structure
from monai_acdr.measures import (
    CineGrid,
    Finding,
    ShapeMeasures,
    VentricleVolumes,
    VentricleWall,
    group_frames,
    measure_shape,
    measure_wall,
    ventricle_volumes,
    ventricle_wall,
)

__all__ = ["Measurements", "find_grid", "measure_contours"]

SAME_THICKNESS = 0.01
"""Largest difference of slice thicknesses in mm that are the same but for rounding."""


@dataclass(frozen=True)
class Measurements:
    """Measures of one run.

    Attributes:
        shapes: of each frame and each structure, None without contour or spacing.
        grid: slice and phase of each frame, None where that cannot be told.
        volumes: of the ventricle over its cycle, None where there is none.
        wall: mass and thickness of the left ventricle's wall at end-diastole; None without volumes or epicardium.
        findings: what was not as it should be.
    """

    shapes: tuple[tuple[ShapeMeasures | None, ...], ...]
    grid: CineGrid | None
    volumes: VentricleVolumes | None
    findings: tuple[Finding, ...]
    wall: VentricleWall | None = None


def find_grid(frames: Sequence[Frame]) -> tuple[CineGrid | None, str]:
    """Slice and phase of each frame; without them the reason."""
    headers = [frame.header for frame in frames if frame.header is not None]
    if len(headers) < len(frames):
        return None, "these images have no place in a stack"
    try:
        return group_frames(headers), ""
    except ValueError as error:
        return None, str(error)


def measure_contours(
    frames: Sequence[Frame],
    contours: Sequence[np.ndarray | None],
    structures: Sequence[Structure],
    grid: CineGrid | None,
) -> Measurements:
    """Measure the final contours. Volumes are those of the left ventricle's endocardium, where it is outlined.

    Args:
        frames: the images.
        contours: (N, K, 2) pixels for each, or None.
        structures: the N structures.
        grid: as :func:`find_grid` gives it.
    """
    shapes = tuple(
        tuple(measure_shape(vertices, frame.spacing) for vertices in found)
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
    if LV_ENDOCARDIUM in structures and max(grid.phase) > 0:
        cavity = [measured[list(structures).index(LV_ENDOCARDIUM)] for measured in shapes]
        volumes = _volumes(frames, cavity, grid, findings)
    if volumes is not None and LV_EPICARDIUM in structures:
        wall = _wall(frames, contours, structures, grid, volumes.end_diastole_phase, findings)
    return Measurements(shapes, grid, volumes, tuple(findings), wall)


def _wall(
    frames: Sequence[Frame],
    contours: Sequence[np.ndarray | None],
    structures: Sequence[Structure],
    grid: CineGrid,
    phase: int,
    findings: list[Finding],
) -> VentricleWall | None:
    """The wall in one phase; without it a finding says why."""
    inner, outer = (list(structures).index(structure) for structure in (LV_ENDOCARDIUM, LV_EPICARDIUM))
    slices = [
        measure_wall(grid.positions_mm[grid.slice_index[index]], found[inner], found[outer], frame.spacing)
        for index, (frame, found) in enumerate(zip(frames, contours, strict=True))
        if grid.phase[index] == phase and found is not None and frame.spacing is not None
    ]
    try:
        wall = ventricle_wall(slices, grid.positions_mm)
    except ValueError as error:
        findings.append(Finding("no_mass", str(error)))
        return None
    findings += wall.findings
    return wall


def _volumes(
    frames: Sequence[Frame], cavity: Sequence[ShapeMeasures | None], grid: CineGrid, findings: list[Finding]
) -> VentricleVolumes | None:
    """Volumes from the shapes of the endocardium; without them a finding says why."""
    if len(grid.positions_mm) == 1:
        text = "there is one slice: volumes need the whole short-axis stack, so give the folder with all of its slices"
        findings.append(Finding("no_volumes", text))
        return None
    areas = {index: shape.area_mm2 for index, shape in enumerate(cavity) if shape is not None}
    try:
        thickness = _thickness(frames, findings)
        volumes = ventricle_volumes(grid.contour_areas(areas), grid.positions_mm, thickness_mm=thickness)
    except ValueError as error:
        findings.append(Finding("no_volumes", str(error)))
        return None
    findings += [*volumes.findings, *volume_findings(volumes)]
    return volumes


def _thickness(frames: Sequence[Frame], findings: list[Finding]) -> float | None:
    """Thickness of the slices, None where it is not known or not the same; volumes do not need it."""
    known = [frame.source.thickness for frame in frames if frame.source is not None and frame.source.thickness]
    if not known:
        return None
    if len(known) < len(frames) or max(known) - min(known) > SAME_THICKNESS:
        lacking = f", unknown in {len(frames) - len(known)} frame(s)" if len(known) < len(frames) else ""
        text = f"{min(known):g} to {max(known):g} mm{lacking}: overlaps and gaps were not looked for"
        findings.append(Finding("slice_thickness", text))
        return None
    return known[0]
