# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""What is measured on the contours of one run: each frame's shape, and the ventricle over its cycle."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from monai_acdr.apps.contour_checks import contour_findings, volume_findings
from monai_acdr.apps.inputs import Frame
from monai_acdr.measures import (
    CineGrid,
    Finding,
    ShapeMeasures,
    VentricleVolumes,
    group_frames,
    measure_shape,
    ventricle_volumes,
)

__all__ = ["Measurements", "find_grid", "measure_contours"]

SAME_THICKNESS = 0.01
"""Largest difference of slice thicknesses in mm that are the same but for rounding."""


@dataclass(frozen=True)
class Measurements:
    """Measures of one run.

    Attributes:
        shapes: of each frame, None without contour or spacing.
        grid: slice and phase of each frame, None where that cannot be told.
        volumes: of the ventricle over its cycle, None where there is none.
        findings: what was not as it should be.
    """

    shapes: tuple[ShapeMeasures | None, ...]
    grid: CineGrid | None
    volumes: VentricleVolumes | None
    findings: tuple[Finding, ...]


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
    frames: Sequence[Frame], contours: Sequence[np.ndarray | None], with_volumes: bool, grid: CineGrid | None
) -> Measurements:
    """Measure the final contours.

    Args:
        frames: the images.
        contours: (K, 2) pixels for each, or None.
        with_volumes: whether the contours are those of a left ventricle.
        grid: as :func:`find_grid` gives it.
    """
    shapes = tuple(
        measure_shape(vertices, frame.spacing) if vertices is not None and frame.spacing is not None else None
        for frame, vertices in zip(frames, contours, strict=True)
    )
    findings = [
        Finding("self_crossing", f"frame {frame.name}: the contour crosses itself")
        for frame, shape in zip(frames, shapes, strict=True)
        if shape is not None and shape.self_crossing
    ]
    findings += contour_findings(frames, contours, shapes)
    if grid is None:
        return Measurements(shapes, None, None, tuple(findings))
    findings += grid.findings
    volumes = None
    if with_volumes and max(grid.phase) > 0 and len(grid.positions_mm) == 1:
        text = "there is one slice: volumes need the whole short-axis stack, so give the folder with all of its slices"
        findings.append(Finding("no_volumes", text))
    elif with_volumes and max(grid.phase) > 0:
        areas = {index: shape.area_mm2 for index, shape in enumerate(shapes) if shape is not None}
        try:
            thickness = _thickness(frames, findings)
            volumes = ventricle_volumes(grid.contour_areas(areas), grid.positions_mm, thickness_mm=thickness)
            findings += [*volumes.findings, *volume_findings(volumes)]
        except ValueError as error:
            findings.append(Finding("no_volumes", str(error)))
    return Measurements(shapes, grid, volumes, tuple(findings))


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
