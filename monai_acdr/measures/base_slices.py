# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Detection of slices beyond the ventricle: above the base, where the wall is thin, and below the apex.

In systole the base moves toward the apex, so that the slice nearest to the base shows the ventricle at end-diastole
and the atrium at end-systole. Its contour would be added to the end-systolic volume. The wall of an atrium has a third
to two thirds of the thickness of the ventricle's at that moment, and that of the ventricle's base has more. The apex
moves little, but its cavity closes: a slice of muscle alone is left, where the networks of an ensemble each see another
cavity. Both rules compare the wall minus :data:`SPREADS` times the spread of the endocardium.
"""

from __future__ import annotations

import numpy as np

__all__ = ["find_base_end", "slices_above_base", "slices_below_apex"]

FEWEST_SLICES = 4
"""With fewer slices the median of the wall is unreliable."""

SPREADS = 2.0
"""Multiple of the endocardium's spread that is subtracted from the wall."""


def find_base_end(areas: np.ndarray) -> int:
    """Index of the base slice of a stack: 0 for the first slice, -1 for the last one.

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


def slices_above_base(
    areas: np.ndarray, walls: np.ndarray, share: float, spreads: np.ndarray | None = None
) -> np.ndarray:
    """Slices at the base end whose wall is too thin for a ventricle.

    In each phase, from the base inwards: the outermost slice with contours lies above the base where its wall, less
    :data:`SPREADS` times the spread of its endocardium, is thinner than ``share`` times the median wall of the phase,
    and so on to the first slice of which that is not so. At most two slices and a third of them are taken for it, and
    none in phases of fewer than four.

    Args:
        areas: (S, P) of the cavity by slice and phase, in order along the stack, NaN where there is no contour.
        walls: (S, P) mean thickness of the wall, in any unit, NaN where it is not known.
        share: of the median, from 0 (none) to 1.
        spreads: (S, P) mean spread of the endocardium over the networks of an ensemble
            (:func:`monai_acdr.inferers.vertex_spread`), in the unit of the walls; None or NaN if unknown.

    Returns:
        (S, P) bool, True where a slice lies above the base.

    Raises:
        ValueError: for arrays of another shape, or a share out of range.
    """
    return _thin_slices(areas, walls, share, spreads, most=2, at_base=True)


def slices_below_apex(areas: np.ndarray, walls: np.ndarray, spreads: np.ndarray) -> np.ndarray:
    """The outermost slices at the apex end whose endocardium is less certain than its wall is thick.

    A slice lies below the apex where its wall is thinner than :data:`SPREADS` times the spread of its endocardium: one
    slice of a phase at most, and none in phases of fewer than four.

    Args:
        areas: as for :func:`slices_above_base`.
        walls: as for :func:`slices_above_base`.
        spreads: (S, P) in the unit of the walls, NaN where it is not known.

    Returns:
        (S, P) bool, True where a slice lies below the apex.

    Raises:
        ValueError: for arrays of another shape.
    """
    return _thin_slices(areas, walls, 0.0, spreads, most=1, at_base=False)


def _thin_slices(
    areas: np.ndarray, walls: np.ndarray, share: float, spreads: np.ndarray | None, most: int, at_base: bool
) -> np.ndarray:
    spreads = np.zeros_like(walls) if spreads is None else spreads
    if areas.ndim != 2 or areas.shape != walls.shape or areas.shape != spreads.shape or not 0 <= share <= 1:
        raise ValueError(
            f"Expected `areas`, `walls` and `spreads` of one shape (S, P) and `share` from 0 to 1, but got "
            f"{areas.shape}, {walls.shape}, {spreads.shape} and {share}."
        )
    thin = np.zeros(areas.shape, dtype=bool)
    if not np.isfinite(areas).any():
        return thin
    from_first = (find_base_end(areas) == 0) == at_base
    certain = walls - SPREADS * np.nan_to_num(spreads)
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
