# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Slices above the base: what a contour surrounds there is the atrium or the outflow tract, whose wall is thin.

In systole the base moves towards the apex, so that the slice nearest to the base shows the ventricle at end-diastole
and the atrium at end-systole. Its contour would count into the end-systolic volume. The wall of an atrium has a third
to two thirds of the thickness of the ventricle's at that moment, and that of the ventricle's base has more.
"""

from __future__ import annotations

import numpy as np

__all__ = ["find_base_end", "slices_above_base"]

FEWEST_SLICES = 4
"""With fewer the median of the wall says nothing."""


def find_base_end(areas: np.ndarray) -> int:
    """Which end of a stack is the base: 0 for the first slice, -1 for the last one.

    A ventricle is wide at the base and ends in a point: the end whose two outermost slices enclose more, in the phase
    of the largest area.

    Args:
        areas: (S, P) of the cavity by slice and phase, NaN where there is no contour.
    """
    filled = np.nan_to_num(areas)
    fullest = filled[:, filled.sum(0).argmax()]
    present = fullest[fullest > 0]
    half = max(min(2, len(present) // 2), 1)
    return 0 if present[:half].sum() >= present[-half:].sum() else -1


def slices_above_base(areas: np.ndarray, walls: np.ndarray, share: float) -> np.ndarray:
    """Slices at the base end whose wall is too thin for a ventricle.

    In each phase, from the base inwards: the outermost slice with contours lies above the base where its wall is
    thinner than ``share`` times the median of the phase, and so on to the first slice whose wall is not. At most two
    slices and a third of them are taken for it, and none in phases of fewer than four.

    Args:
        areas: (S, P) of the cavity by slice and phase, in order along the stack, NaN where there is no contour.
        walls: (S, P) mean thickness of the wall, in any unit, NaN where it is not known.
        share: of the median, from 0 (none) to 1.

    Returns:
        (S, P) bool, True where a slice lies above the base.

    Raises:
        ValueError: for arrays of another shape, or a share out of range.
    """
    if areas.ndim != 2 or areas.shape != walls.shape or not 0 <= share <= 1:
        raise ValueError(
            f"Expected `areas` and `walls` of one shape (S, P) and `share` from 0 to 1, but got {areas.shape}, "
            f"{walls.shape} and {share}."
        )
    above = np.zeros(areas.shape, dtype=bool)
    if not np.isfinite(areas).any():
        return above
    end = find_base_end(areas)
    for phase in range(areas.shape[1]):
        known = np.flatnonzero(np.isfinite(walls[:, phase]) & np.isfinite(areas[:, phase]))
        if len(known) < FEWEST_SLICES:
            continue
        thinnest = share * float(np.median(walls[known, phase]))
        inwards = known if end == 0 else known[::-1]
        for index in inwards[: min(2, len(known) // 3)]:
            if walls[index, phase] >= thinnest:
                break
            above[index, phase] = True
    return above
