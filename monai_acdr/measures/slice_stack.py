# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Stacks of parallel slices: slice positions, slice heights, and findings about gaps and overlaps.

Positions are distances in mm along the slices' common normal. A slice represents everything nearer to it than to any
other slice. Its height is therefore taken from the positions: the slice thickness is the extent of the signal, and
differs from the distance of the slices wherever they overlap or leave gaps.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

__all__ = ["POSITION_TOLERANCE_MM", "Finding", "check_stack", "cluster_positions", "slice_heights", "usual_distance"]

POSITION_TOLERANCE_MM = 0.5
"""Positions that differ by less belong to the same slice: scanners round, and slices are never that close."""
UNEVEN_SHARE = 0.25
"""A distance that differs from the median by more than this share of it is reported."""
THICKNESS_TOLERANCE_MM = 0.1
"""Overlaps and gaps below this are rounding."""


@dataclass(frozen=True)
class Finding:
    """A finding about a study.

    Attributes:
        kind: a fixed word for programs, such as ``overlap``.
        text: a sentence for people; never a patient's identity.
    """

    kind: str
    text: str


def cluster_positions(positions_mm: Sequence[float]) -> tuple[list[int], list[float]]:
    """Find the slices among positions.

    Args:
        positions_mm: one position for each frame, in any order, finite.

    Returns:
        The slice of each frame, counted from 0 at the lowest position, and the position of each slice in mm, ascending.

    Raises:
        ValueError: when there is no position, or one is not finite.
    """
    values = np.asarray(positions_mm, dtype=np.float64)
    if values.ndim != 1 or values.size == 0 or not np.isfinite(values).all():
        raise ValueError(
            f"Expected at least one finite slice position in mm, but got {values.tolist()}: check the frames' headers."
        )
    order = np.argsort(values, kind="stable")
    starts = np.concatenate([[False], np.diff(values[order]) > POSITION_TOLERANCE_MM])
    index = np.empty(values.size, dtype=np.int64)
    index[order] = np.cumsum(starts)
    centers = np.bincount(index, weights=values) / np.bincount(index)
    return [int(value) for value in index], [float(value) for value in centers]


def slice_heights(positions_mm: Sequence[float], slice_spacing_mm: float | None = None) -> list[float]:
    """Height of each slice in mm along the normal.

    Half of the distance to either neighbor. Outwards of the outermost slices it is half of the usual (median)
    distance, so that a uniform stack gets the plain disc sum, area times distance.

    Args:
        positions_mm: of the slices, ascending, all different.
        slice_spacing_mm: distance to assume for a single slice, which has no neighbor.

    Raises:
        ValueError: for a single slice without `slice_spacing_mm`, or a spacing that is not positive.
    """
    if slice_spacing_mm is not None and not 0 < slice_spacing_mm < np.inf:
        raise ValueError(f"Expected `slice_spacing_mm` to be positive, but got {slice_spacing_mm}.")
    distances = np.diff(np.asarray(positions_mm, dtype=np.float64))
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


def check_stack(positions_mm: Sequence[float], thickness_mm: float | None = None) -> list[Finding]:
    """Report uneven distances (missing slices, most likely), and overlaps and gaps between slices.

    Args:
        positions_mm: of the slices, ascending.
        thickness_mm: SliceThickness, where it is known: without it overlaps and gaps are not looked for.

    Raises:
        ValueError: when the thickness is not positive.
    """
    if thickness_mm is not None and not 0 < thickness_mm < np.inf:
        raise ValueError(f"Expected `thickness_mm` to be positive, but got {thickness_mm}.")
    positions = np.asarray(positions_mm, dtype=np.float64)
    distances = np.diff(positions)
    if distances.size == 0:
        return []
    findings, usual = [], usual_distance(distances)
    for below, distance in zip(positions, distances, strict=False):
        where = f"between the slices at {below:.1f} and {below + distance:.1f} mm"
        if distance > (1 + UNEVEN_SHARE) * usual:
            lost = max(1, round(distance / usual) - 1)
            text = f"{distance:.1f} mm {where}, usually {usual:.1f} mm: {lost} slice(s) may be missing"
            findings.append(Finding("missing_slice", text))
        elif distance < (1 - UNEVEN_SHARE) * usual:
            findings.append(Finding("uneven_spacing", f"{distance:.1f} mm {where}, usually {usual:.1f} mm"))
    if thickness_mm is not None:
        findings += _thickness_findings(distances, thickness_mm)
    return findings


def usual_distance(distances: np.ndarray) -> float:
    """Median of distances (N,), of two middle ones the smaller: slices go missing, and too many are rare."""
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
