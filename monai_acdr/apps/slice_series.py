# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Stacks whose slices are series of their own, as many scanners store breath-holds, and which slices were repeated."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np

from monai_acdr.dicom import SourceFrame
from monai_acdr.dicom.elements import text
from monai_acdr.measures.ventricle import MAX_TILT_DEGREES, POSITION_TOLERANCE_MM, cluster_positions

__all__ = ["Series", "SliceStack", "find_stacks", "series_number", "series_numbers"]

Series = list[SourceFrame]

FEWEST_PHASES = 3
"""Of a cine: slices with fewer frames, as of late enhancement, form a stack of their own."""
COMPLETE = 0.8
"""A repeated acquisition counts with this share of the frames of the one that has most; otherwise it was broken off."""
SPACING_TOLERANCE = 1e-3
"""Relative difference up to which two spacings are equal."""
_SHARED = ("Modality", "ScanningSequence", "SequenceVariant")


@dataclass(frozen=True, eq=False)
class SliceStack:
    """Parallel series of one slice each.

    Attributes:
        series: all of them, along the normal of the first one.
        slices: number of the slice of each, from 0; series of one number are acquisitions of the same slice.
    """

    series: Sequence[Series]
    slices: Sequence[int]

    def chosen(self, instances: Collection[str] = ()) -> tuple[list[Series], list[tuple[Series, Series]]]:
        """One series per slice, and each of the others with the one that was taken instead.

        Of several acquisitions of a slice, the one with any of the SOP Instance UIDs counts, otherwise the last one
        that is complete: slices are acquired again when something was wrong.
        """
        kept: list[Series] = []
        others: list[tuple[Series, Series]] = []
        for number in sorted(set(self.slices)):
            same = [series for series, own in zip(self.series, self.slices, strict=True) if own == number]
            most = max(len(series) for series in same)
            known = [series for series in same if any(source.key[0] in instances for source in series)]
            complete = [series for series in same if len(series) >= COMPLETE * most]
            one = max(known or complete, key=_acquired)
            kept.append(one)
            others += [(series, one) for series in same if series is not one]
        return kept, others

    @property
    def numbers(self) -> str:
        """SeriesNumbers, in words."""
        return series_numbers(self.series)


def find_stacks(all_series: Sequence[Series], any_reference: bool = False) -> list[SliceStack]:
    """Groups of two or more slices that belong together, each in a series of its own.

    Series of one slice with a position form a stack where they are parallel, and agree in frame of reference, size,
    spacing, thickness and pulse sequence, and all or none of them are cines. A series of several slices is a stack of
    its own and never part of one.

    Args:
        all_series: of a study.
        any_reference: also of different frames of reference, whose positions need not be comparable: some anonymizers
            give each series or image its own.
    """
    groups: list[list[Series]] = []
    for series in all_series:
        if not _is_slice(series):
            continue
        group = next((group for group in groups if _belong_together(group[0], series, any_reference)), None)
        if group is None:
            groups.append([series])
        else:
            group.append(series)
    stacks = [_ordered(group) for group in groups if len(group) > 1]
    return [stack for stack in stacks if stack is not None and max(stack.slices) > 0]


def series_number(series: Series) -> str:
    """SeriesNumber as text, empty where there is none."""
    value = series[0].header.get("SeriesNumber")
    return "" if value in (None, "") else str(value)


def series_numbers(all_series: Sequence[Series]) -> str:
    """SeriesNumbers, in words."""
    return ", ".join(series_number(series) or "-" for series in all_series)


def _ordered(group: list[Series]) -> SliceStack | None:
    places = [_place(group[0], series) for series in group]
    try:
        numbers, _ = cluster_positions(places)
    except ValueError:  # they run into each other
        return None
    order = sorted(range(len(group)), key=lambda index: (numbers[index], _acquired(group[index])))
    return SliceStack([group[index] for index in order], [numbers[index] for index in order])


def _place(first: Series, series: Series) -> float:
    """Position in mm along the normal of the first series."""
    return float(first[0].distance(np.array([series[0].position]))[0])


def _is_slice(series: Series) -> bool:
    if not all(source.has_place for source in series):
        return False
    positions = np.array([source.position for source in series])
    directions = np.array([source.orientation for source in series])
    return bool(
        np.abs(series[0].distance(positions)).max() <= POSITION_TOLERANCE_MM
        and np.ptp(directions, axis=0).max() <= np.radians(MAX_TILT_DEGREES)
        and len({source.size for source in series}) == 1
    )


def _belong_together(one: Series, other: Series, any_reference: bool) -> bool:
    first, second = one[0], other[0]
    assert first.spacing and second.spacing and first.orientation and second.orientation
    directions = [np.array(source.orientation, dtype=np.float64).reshape(2, 3) for source in (first, second)]
    return bool(
        (any_reference or first.frame_of_reference == second.frame_of_reference)
        and first.size == second.size
        and np.allclose(first.spacing, second.spacing, rtol=SPACING_TOLERANCE, atol=0)
        and first.thickness == second.thickness
        and ((directions[0] * directions[1]).sum(1) >= np.cos(np.radians(MAX_TILT_DEGREES))).all()
        and (len(one) >= FEWEST_PHASES) == (len(other) >= FEWEST_PHASES)
        and _sequence(first) == _sequence(second)
    )


def _sequence(source: SourceFrame) -> tuple[object, ...]:
    """The pulse sequence; Siemens appends numbers to its name that vary with the heart rate."""
    name = re.sub(r"\d+", "", text(source.header, "SequenceName"))
    return name, source.component, *(str(source.header.get(keyword, "")) for keyword in _SHARED)


def _acquired(series: Series) -> tuple[str, float, str]:
    """Sorts series by the time of their acquisition, then by their numbers."""
    header = series[0].header
    date = text(header, "AcquisitionDateTime") or text(header, "AcquisitionDate") + text(header, "AcquisitionTime")
    try:
        number = float(series_number(series) or 0)
    except ValueError:
        number = 0.0
    return date, number, str(header.SeriesInstanceUID)
