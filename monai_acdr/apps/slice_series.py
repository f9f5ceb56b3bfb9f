# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Stacks whose slices are series of their own, as many scanners store breath-holds, and which slices were repeated."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from monai_acdr.dicom import SourceFrame
from monai_acdr.dicom.elements import codes, text
from monai_acdr.dicom.plane import date_time_ms
from monai_acdr.dicom.source import header_number, slice_numbers
from monai_acdr.measures.ventricle import (
    FEWEST_PHASES,
    MAX_TILT_DEGREES,
    POSITION_TOLERANCE_MM,
    cluster_positions,
    repeated_slices,
)

__all__ = [
    "Series",
    "SliceStack",
    "drop_repeats",
    "find_candidates",
    "find_stacks",
    "is_uncorrected",
    "num_slices",
    "possible_stacks",
    "series_number",
    "series_numbers",
    "similar_series",
    "why_apart",
    "why_other_taken",
    "with_any",
]

Series = list[SourceFrame]

FEWEST_SLICES = 3
"""Of a stack: long axes may be parallel, at most two of them."""
COMPLETE = 0.8
"""A repeated acquisition counts with this share of the frames of the one that has most; otherwise it was broken off."""
SAME_ACQUISITION_MS = 500.0
"""Series of one slice whose times of acquisition differ by less are one acquisition: another takes a heartbeat."""
SAME_PHASE = 0.5
"""Frames of two acquisitions that differ by less, in steps between phases, are of one phase."""
TOLERANCE = 1e-3
"""Relative difference up to which two spacings, or thicknesses, are equal."""
SIMILAR_TILT_DEGREES = 5.0
"""A slice that is tilted by less may have been planned with the stack."""
_UNCORRECTED = "ND"
"""Siemens' value of Image Type for images without correction of distortion, often stored beside those with it."""
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
        that is complete: slices are acquired again when something was wrong. Of one acquisition with and without
        correction of distortion, it is the one with it, which has the right sizes.
        """
        kept: list[Series] = []
        others: list[tuple[Series, Series]] = []
        for number in sorted(set(self.slices)):
            same = [series for series, own in zip(self.series, self.slices, strict=True) if own == number]
            most = max(len(series) for series in same)
            complete = [series for series in same if len(series) >= COMPLETE * most]
            one = _latest(with_any(same, instances) or complete)
            kept.append(one)
            others += [(series, one) for series in same if series is not one]
        return kept, others

    def holds(self, some: Sequence[Series]) -> bool:
        """Whether these series, at least one, are all in the stack."""
        return len(some) > 0 and {id(series) for series in some} <= {id(series) for series in self.series}

    @property
    def numbers(self) -> str:
        """SeriesNumbers, in words."""
        return series_numbers(self.series)


def find_stacks(all_series: Sequence[Series], any_reference: bool = False) -> list[SliceStack]:
    """Groups of two or more slices that belong together, each in a series of its own.

    Series of one slice with a position form a stack where they are parallel, and agree in frame of reference, size,
    spacing, thickness and pulse sequence, and all or none of them are cines. A series of several slices is a stack of
    its own and never part of one. A series of a frame or two that agrees with the cines of a stack otherwise, and
    lies where one of them does, was broken off, unless there are as many of them as cines.

    Args:
        all_series: of a study.
        any_reference: also of different frames of reference, whose positions need not be comparable: some anonymizers
            give each series or image its own.
    """
    groups: list[list[Series]] = []
    for series in all_series:
        if not _is_slice(series):
            continue
        group = next((group for group in groups if not _difference(group[0], series, any_reference)), None)
        if group is None:
            groups.append([series])
        else:
            group.append(series)
    of_frames = [group for group in groups if len(group[0]) < FEWEST_PHASES]
    for cines in [group for group in groups if len(group) > 1 and len(group[0]) >= FEWEST_PHASES]:
        for group in [group for group in of_frames if len(group) < len(cines)]:
            broken_off = [one for one in group if _is_broken_off(one, cines, any_reference)]
            group[:] = [one for one in group if not any(one is other for other in broken_off)]
            cines += broken_off
    stacks = [_ordered(group) for group in groups if len(group) > 1]
    return [stack for stack in stacks if stack is not None and max(stack.slices) > 0]


def drop_repeats(series: Series, instances: Collection[str] = ()) -> tuple[Series, list[tuple[Series, Series]]]:
    """A series with one acquisition of each slice, and each of the others with the one that was taken instead.

    Of a cine most of whose slices have the same number of frames, slices with a multiple of it were acquired several
    times. Their acquisitions are told apart by AcquisitionNumber, or by the times of acquisition, and count only where
    each has frames at the same times after the R wave. What cannot be told apart is kept.

    Args:
        series: frames of one series.
        instances: as for :meth:`SliceStack.chosen`.
    """
    slices: dict[int, Series] = {}
    for source, number in zip(series, slice_numbers(series), strict=True):
        slices.setdefault(number, []).append(source)
    repeated, usual = repeated_slices({number: len(frames) for number, frames in slices.items()})
    others: list[tuple[Series, Series]] = []
    for number in repeated:
        parts = _acquisitions(slices[number], usual)
        if parts:
            one = _latest(with_any(parts, instances) or parts)
            others += [(part, one) for part in parts if part is not one]
    if not others:
        return series, []
    dropped = {source.key for part, _ in others for source in part}
    return [source for source in series if source.key not in dropped], others


def _acquisitions(frames: Series, usual: int) -> list[Series]:
    """Acquisitions of one slice, the earliest first; empty where they cannot be told apart."""
    numbers: dict[str, Series] = {}
    for source in frames:
        numbers.setdefault(str(source.header.get("AcquisitionNumber", "")), []).append(source)
    parts = [list(part) for part in numbers.values()]
    if len(parts) == 1:
        order = sorted(frames, key=_frame_order)
        parts = [order[start : start + usual] for start in range(0, len(order), usual)]
    if any(len(part) != usual for part in parts):
        return []
    times = [sorted(source.time.trigger_ms for source in part if source.time.trigger_ms is not None) for part in parts]
    if any(len(own) != usual for own in times):
        return []
    steps = np.diff(np.array(times), axis=1)
    if steps.min() <= 0:
        return []
    # In steps of their own: acquisitions have heart rates of their own.
    phases = np.array(times) / np.median(steps, axis=1, keepdims=True)
    if np.ptp(phases, axis=0).max() >= SAME_PHASE:
        return []
    parts.sort(key=lambda part: max(map(_frame_order, part)))
    apart = all(max(map(_frame_order, one)) < min(map(_frame_order, other)) for one, other in pairwise(parts))
    return parts if apart else []


def with_any(all_series: Sequence[Series], instances: Collection[str]) -> list[Series]:
    """Series that have any of the SOP Instance UIDs."""
    return [series for series in all_series if any(source.key[0] in instances for source in series)]


def possible_stacks(all_series: Sequence[Series]) -> list[SliceStack]:
    """Stacks of one frame of reference, or of several where there are none of one."""
    return find_stacks(all_series) or find_stacks(all_series, any_reference=True)


def find_candidates(all_series: Sequence[Series]) -> list[list[Series]]:
    """What may be the short-axis stack of a study: series of several parallel slices, and stacks of series.

    Cines if there are any, otherwise stacks of single frames.
    """
    stacks = possible_stacks(all_series)
    large = [stack for stack in stacks if max(stack.slices) + 1 >= FEWEST_SLICES]
    found = [[series] for series in all_series if _holds_stack(series)] + [list(stack.series) for stack in large]
    found = found or [list(stack.series) for stack in stacks]
    return [candidate for candidate in found if is_cine(candidate[0])] or found


def is_cine(series: Series) -> bool:
    """Whether most slices of a series have several phases."""
    return len(series) >= FEWEST_PHASES * num_slices(series)


def num_slices(series: Series) -> int:
    """Number of positions of the frames of a series; 1 where they are unknown."""
    return max(slice_numbers(series)) + 1


def why_apart(all_series: Sequence[Series]) -> str:
    """Why series are not the slices of one stack whatever their frames of reference, in words."""
    for series in all_series:
        if not _is_slice(series):
            return f"series {series_number(series) or '-'} is not one slice with a position and a frame of reference"
    first = all_series[0]
    for series in all_series[1:]:
        difference = _difference(first, series, any_reference=True)
        if difference:
            numbers = f"{series_number(first) or '-'} and {series_number(series) or '-'}"
            return f"series {numbers} differ in {difference}"
    return "their slices are the same one, or too close to each other"


def similar_series(stack: Sequence[Series], others: Sequence[Series]) -> list[tuple[Series, str]]:
    """Series that may be slices of a stack although they differ in something, and in what.

    Series of one slice of the same size and spacing, at a place of their own, nearly parallel.

    Args:
        stack: one series per slice.
        others: series of the study that are not of it.
    """
    first, taken = stack[0], [_place(stack[0], series) for series in stack]
    found = []
    for series in others:
        if _is_slice(series) and _is_similar(first[0], series[0]):
            place = _place(first, series)
            if min(abs(place - own) for own in taken) > POSITION_TOLERANCE_MM:
                found.append((series, _difference(first, series, any_reference=False)))
    return found


def _is_similar(first: SourceFrame, second: SourceFrame) -> bool:
    is_near = (_cosines(first, second) >= np.cos(np.radians(SIMILAR_TILT_DEGREES))).all()
    assert first.spacing and second.spacing
    return bool(is_near) and first.size == second.size and _is_close(first.spacing, second.spacing)


def is_uncorrected(series: Series) -> bool:
    """Whether the distortion by gradients is stated not to be corrected in any of the frames."""
    return any(_UNCORRECTED in codes(source.header, "ImageType") for source in series)


def why_other_taken(series: Series, taken: Series) -> str:
    """Why another acquisition of a slice was taken, in words that follow its name."""
    own, other = _moment(series), _moment(taken)
    is_one = own is None or other is None or abs(own - other) < SAME_ACQUISITION_MS
    if is_one and len(series) >= COMPLETE * len(taken) and is_uncorrected(series) and not is_uncorrected(taken):
        return "which is corrected for distortion"
    return "of which the last complete acquisition was taken"


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


def _is_broken_off(series: Series, cines: Sequence[Series], any_reference: bool) -> bool:
    if _difference(cines[0], series, any_reference, of_frames=False):
        return False
    place = _place(cines[0], series)
    return min(abs(_place(cines[0], cine) - place) for cine in cines) <= POSITION_TOLERANCE_MM


def _is_slice(series: Series) -> bool:
    return (
        _is_parallel(series)
        and bool(np.abs(series[0].distance(np.array([s.position for s in series]))).max() <= POSITION_TOLERANCE_MM)
        and len({source.size for source in series}) == 1
    )


def _holds_stack(series: Series) -> bool:
    return _is_parallel(series) and num_slices(series) >= FEWEST_SLICES


def _is_parallel(series: Series) -> bool:
    """Whether all frames have a place in the patient, and directions that agree."""
    if not all(source.has_place for source in series):
        return False
    directions = np.array([source.orientation for source in series])
    return bool(np.ptp(directions, axis=0).max() <= np.radians(MAX_TILT_DEGREES))


def _difference(one: Series, other: Series, any_reference: bool, of_frames: bool = True) -> str:
    """In what two series of one slice differ that belong to different stacks, in words; empty if they may be of one."""
    first, second = one[0], other[0]
    assert first.spacing and second.spacing
    is_parallel = (_cosines(first, second) >= np.cos(np.radians(MAX_TILT_DEGREES))).all()
    differences = {
        "frame of reference": not any_reference and first.frame_of_reference != second.frame_of_reference,
        "size": first.size != second.size,
        "pixel spacing": not _is_close(first.spacing, second.spacing),
        "slice thickness": not _is_close(first.thickness or 0.0, second.thickness or 0.0),
        f"direction, by more than {MAX_TILT_DEGREES:g} degree": not is_parallel,
        f"number of frames, of which a cine has at least {FEWEST_PHASES}": (
            of_frames and (len(one) >= FEWEST_PHASES) != (len(other) >= FEWEST_PHASES)
        ),
        "pulse sequence": _sequence(first) != _sequence(second),
    }
    return next((name for name, differs in differences.items() if differs), "")


def _cosines(first: SourceFrame, second: SourceFrame) -> np.ndarray:
    """Between the directions of rows, and those of columns."""
    directions = [np.array(source.orientation, dtype=np.float64).reshape(2, 3) for source in (first, second)]
    return np.asarray((directions[0] * directions[1]).sum(1))


def _is_close(one: float | Sequence[float], other: float | Sequence[float]) -> bool:
    return bool(np.allclose(one, other, rtol=TOLERANCE, atol=0))


def _sequence(source: SourceFrame) -> tuple[object, ...]:
    """The pulse sequence; Siemens appends numbers to its name that vary with the heart rate."""
    name = re.sub(r"\d+", "", text(source.header, "SequenceName"))
    return name, source.component, *(str(source.header.get(keyword, "")) for keyword in _SHARED)


def _acquired(series: Series) -> tuple[float, float, str]:
    """Sorts series by the time of their acquisition, then by their numbers."""
    header = series[0].header
    return _moment(series) or 0.0, header_number(header, "SeriesNumber"), str(header.SeriesInstanceUID)


def _latest(acquisitions: Sequence[Series]) -> Series:
    """The last acquisition; of one that is stored several times the one with correction, then the last number."""
    moments = [_moment(series) for series in acquisitions]
    newest = max((moment for moment in moments if moment is not None), default=0.0)
    last = [
        (not is_uncorrected(series), header_number(series[0].header, "SeriesNumber"), index)
        for index, (series, moment) in enumerate(zip(acquisitions, moments, strict=True))
        if moment is None or moment > newest - SAME_ACQUISITION_MS
    ]
    return acquisitions[max(last)[-1]]


def _moment(series: Series) -> float | None:
    """When a series was acquired, in ms, None where that is unknown: the median, since a copy may lack frames.

    Where an element is missing, the next wider one is taken: the date of the series or of the study.
    """
    known = [moment for moment in map(_frame_moment, series) if moment is not None]
    return float(np.median(known)) if known else None


def _frame_moment(source: SourceFrame) -> float | None:
    header = source.header
    stated = date_time_ms(text(header, "AcquisitionDateTime"))
    if stated is not None:
        return stated
    dates = (text(header, keyword) for keyword in ("AcquisitionDate", "SeriesDate", "StudyDate"))
    times = (text(header, keyword) for keyword in ("AcquisitionTime", "SeriesTime"))
    date = next(filter(None, dates), "19000101").replace(".", "")  # punctuation of ACR-NEMA
    time = next(filter(None, times), "").replace(":", "")
    whole, _, fraction = time.partition(".")
    return date_time_ms(f"{date}{whole.ljust(6, '0')}.{fraction or 0}") if whole else None


def _frame_order(source: SourceFrame) -> tuple[float, float]:
    """Sorts frames by the time of their acquisition, then by their numbers."""
    return _frame_moment(source) or 0.0, header_number(source.header, "InstanceNumber")
