# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Slice and phase of each frame of a cine series, from its header.

Slices come from ImagePositionPatient along the normal of ImageOrientationPatient. SliceLocation is not a substitute for
it: scanners fill it with one coordinate of the oblique plane, whose steps are up to a third too short (Sunnybrook).
Where nothing else is left it only orders the slices, and SpacingBetweenSlices gives their distance.

Phases come from the first of TemporalPositionIdentifier, TriggerTime and InstanceNumber that every frame has and that
differs within each slice. Trigger times of a phase differ between slices, since each has its own heart beats: frames
are ranked within their slice, and only slices that lack frames are compared with the others' times.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from monai_acdr.measures.cine_phases import find_phases
from monai_acdr.measures.slice_stack import Finding, cluster_positions, usual_distance
from monai_acdr.measures.ventricle import ContourArea

__all__ = ["CineGrid", "FrameHeader", "group_frames"]

MAX_TILT_DEGREES = 1.0
"""Slices whose normals differ by more are not stack."""


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
        times_ms: of each phase after the R wave, mean over the slices; None where no frame tells it.
        missing_frames: (slice, phase) pairs that no frame fills.
        findings: deviations from a complete, regular stack.
    """

    slice_index: tuple[int, ...]
    phase: tuple[int, ...]
    positions_mm: tuple[float, ...]
    times_ms: tuple[float | None, ...]
    missing_frames: tuple[tuple[int, int], ...]
    findings: tuple[Finding, ...]

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
        ValueError: when the slices are not parallel, a position cannot be told, or the phases cannot.
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
        findings.append(Finding("missing_frame", f"{len(missing)} of {len(positions) * num_phases} frames are missing"))
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
    """The finite numbers of an element; None when there are not `count` of them."""
    try:
        value = dataset.get(keyword)
        values = np.atleast_1d(np.asarray(value if value is not None else [], dtype=np.float64))
    except (TypeError, ValueError, OverflowError):
        return None
    if values.shape != (count,) or not np.isfinite(values).all():
        return None
    return tuple(float(number) for number in values)
