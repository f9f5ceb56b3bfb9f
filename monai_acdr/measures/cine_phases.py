# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Phases of the heart's cycle from numbers that order the frames of a slice."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np
from scipy.optimize import linear_sum_assignment

from monai_acdr.measures.slice_stack import Finding

__all__ = ["find_phases"]

LARGEST_STRETCH = 1.25
"""Heart beats of one series differ by less; a larger ratio of the frames' time steps comes from missing frames."""
IDENTIFIER_SHARE = 1.5
"""Identifiers of phases repeat from slice to slice: more than this many per phase identify something else."""


def find_phases(
    slice_index: Sequence[int], keys: Mapping[str, Sequence[float | None]], findings: list[Finding]
) -> list[int]:
    """The phase of each frame, counted from 0.

    Args:
        slice_index: slice of each frame.
        keys: numbers by the DICOM keyword that they come from, one per frame, None where it is missing; the first
            keyword that orders all frames is used. TemporalPositionIdentifier names phases, InstanceNumber counts
            frames, any other is a time.
        findings: receives what is irregular.

    Raises:
        ValueError: when no keyword tells the frames of a slice apart, or when frames are missing and nothing tells
            which.
    """
    if max(Counter(slice_index).values()) == 1:
        return [0] * len(slice_index)
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


def _phases(keyword: str, slice_index: Sequence[int], values: Sequence[float]) -> list[int] | None:
    """Phases by one key, or None where it leaves them open."""
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
    for frames in ranked:
        own = np.array([values[frame] for frame in frames])
        if len(frames) == num_phases:
            found: np.ndarray | None = np.arange(num_phases)
        elif keyword == "InstanceNumber":
            found = _from_numbers(own, full)
        else:
            found = _from_times(own, full.mean(axis=0))
        if found is None:
            return None
        for frame, phase in zip(frames, found, strict=True):
            phases[frame] = int(phase)
    return phases


def _from_times(own: np.ndarray, usual: np.ndarray) -> np.ndarray:
    """Phases of the frames of a slice that lacks some, by their times and those of complete slices, ascending.

    The slice has its own heart rate: of the stretches that make one of its time steps 1, 2 or 3 usual ones, and no
    stretch at all, the one that fits best counts, of equals the smallest.
    """
    steps = np.median(np.diff(usual)) * np.arange(1, 4)[:, None] / np.diff(own)
    stretches = np.unique(np.concatenate([[1.0], steps.ravel()]))
    stretches = stretches[(stretches >= 1 / LARGEST_STRETCH) & (stretches <= LARGEST_STRETCH)]
    best, phases = np.inf, np.arange(own.size)
    for stretch in sorted(stretches, key=lambda value: abs(np.log(value))):
        costs = np.abs(own[:, None] * stretch - usual[None])
        rows, columns = linear_sum_assignment(costs)
        cost = float(costs[rows, columns].sum())
        if cost < best - 1e-6 * usual[-1]:
            best, phases = cost, np.sort(columns)
    return phases


def _from_numbers(own: np.ndarray, full: np.ndarray) -> np.ndarray | None:
    """Phases of the frames of an incomplete slice, where complete slices are numbered without a break, one by one."""
    num_phases = full.shape[1]
    starts = {int(start) % num_phases for start in full[:, 0]}
    if len(starts) > 1 or (full[:, -1] - full[:, 0] != num_phases - 1).any():
        return None
    phases = np.mod(own - starts.pop(), num_phases)
    return phases if len(np.unique(phases)) == phases.size else None
