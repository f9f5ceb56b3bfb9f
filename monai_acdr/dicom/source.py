# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Source frames of a result: the frames of one study of one patient, in spatial and temporal order."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from pydicom.dataset import Dataset
from torch import Tensor

from monai_acdr.dicom.elements import code, codes, number, text, whole_number
from monai_acdr.dicom.files import read_dataset
from monai_acdr.dicom.plane import FrameTime, frame_component, frame_plane, frame_thickness, frame_time, plane_affine
from monai_acdr.geometry import pixel_to_world, world_to_pixel

__all__ = [
    "MAX_FRAMES",
    "MissingImageError",
    "SourceFrame",
    "check_sources",
    "order_sources",
    "read_instance",
    "read_sources",
    "reference_frame",
    "slice_numbers",
]

MAX_FRAMES = 10_000
"""Frames of one instance beyond this are refused."""

_logger = logging.getLogger(__name__)

_MAX_SIDE = 65535
_UIDS = ("SOPClassUID", "SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID")
_PLANE_STEP = 0.01
"""Neighboring positions that differ by less, in mm along the normal, are one slice."""


class MissingImageError(ValueError):
    """Contours or masks lie on an image that is not among the given ones."""


@dataclass(frozen=True, eq=False)
class SourceFrame:
    """One frame of an image.

    Attributes:
        path: its file.
        header: the instance's data set without pixels, shared by the frames of an instance. It names the patient.
        frame: number within the instance, from 1.
        num_frames: of the instance.
        size: (H, W).
        spacing: (between rows, between columns) in mm; None when the file does not state it.
        orientation: ImageOrientationPatient, 6 numbers, or None.
        position: ImagePositionPatient, the center of the first pixel in mm, LPS, or None.
        frame_of_reference: its UID, the same in a series, or None, as in projections.
        thickness: SliceThickness in mm, or None.
        component: of the complex MR signal: see :func:`~monai_acdr.dicom.plane.frame_component`.
        time: acquisition time, as far as the header states it.
    """

    path: Path
    header: Dataset
    frame: int
    num_frames: int
    size: tuple[int, int]
    spacing: tuple[float, float] | None
    orientation: tuple[float, ...] | None
    position: tuple[float, ...] | None
    frame_of_reference: str | None
    thickness: float | None = None
    component: str = ""
    time: FrameTime = FrameTime()

    @cached_property
    def key(self) -> tuple[str, int]:
        """(SOPInstanceUID, frame number): what references name."""
        return str(self.header.SOPInstanceUID), self.frame

    @property
    def has_place(self) -> bool:
        """Whether its pixels have a position in the patient."""
        return not self.lacking

    @property
    def lacking(self) -> list[str]:
        """Missing elements that are needed for the position of its pixels in the patient."""
        place = {
            "FrameOfReferenceUID": self.frame_of_reference,
            "ImagePositionPatient": self.position,
            "ImageOrientationPatient": self.orientation,
            "PixelSpacing": self.spacing,
        }
        return [keyword for keyword, value in place.items() if value is None]

    @property
    def affine(self) -> Tensor:
        """(4, 4) float64, as MONAI's readers give it: index (row, column, slice) to RAS mm."""
        return self._affine.clone()

    @cached_property
    def _affine(self) -> Tensor:
        return torch.from_numpy(plane_affine(self.spacing, self.orientation, self.position))

    def to_world(self, vertices: np.ndarray) -> np.ndarray:
        """(K, 2) pixels to (K, 3) mm, LPS."""
        return pixel_to_world(torch.from_numpy(np.asarray(vertices, dtype=np.float64)), self._affine).numpy()

    def to_pixel(self, points: np.ndarray) -> np.ndarray:
        """(K, 3) mm, LPS, to (K, 2) pixels, along the normal."""
        return world_to_pixel(torch.from_numpy(np.asarray(points, dtype=np.float64)), self._affine).numpy()

    def distance(self, points: np.ndarray) -> np.ndarray:
        """Signed distance (K,) in mm of points (K, 3) from the plane, along the normal."""
        orientation = np.array(self.orientation)
        return (points - np.array(self.position)) @ np.cross(orientation[:3], orientation[3:])


def read_sources(paths: Iterable[str | os.PathLike[str]]) -> list[SourceFrame]:
    """Read the headers of images; each frame of a multi-frame instance becomes a source frame.

    Args:
        paths: DICOM files, all of one study.

    Returns:
        Frames by series, then along the normal of the slices, then by time, then by number.

    Raises:
        OSError: when a file cannot be opened.
        ValueError: when a file is not a DICOM image or its geometry is invalid, when an instance occurs twice, or when
            there is more than one patient or study.
    """
    return order_sources([frame for path in paths for frame in read_instance(path)])


def read_instance(path: str | os.PathLike[str]) -> list[SourceFrame]:
    """Read the header of one image.

    Returns:
        Its frames, by number.

    Raises:
        OSError, ValueError: as :func:`read_sources`.
    """
    path = Path(path)
    header = read_dataset(path, header_only=True)
    missing = [key for key in _UIDS if not _uid(header, key)]
    if missing:
        raise ValueError(
            f"Expected {path} to have {', '.join(missing)}, one of each: without it nothing can refer to this file."
        )
    size = _count(header, "Rows", path), _count(header, "Columns", path)
    frames = _count(header, "NumberOfFrames", path, 1)
    if max(size) > _MAX_SIDE or frames > MAX_FRAMES:
        raise ValueError(
            f"Expected at most {MAX_FRAMES} frames of {_MAX_SIDE} pixels, but {path} has {frames} of {size}."
        )
    _check_kind(header, path)
    reference, name = text(header, "FrameOfReferenceUID") or None, str(path)
    return [
        SourceFrame(
            path,
            header,
            frame,
            frames,
            size,
            *frame_plane(header, frame, name),
            reference,
            frame_thickness(header, frame, name),
            frame_component(header, frame, name),
            frame_time(header, frame, name),
        )
        for frame in range(1, frames + 1)
    ]


def order_sources(sources: Sequence[SourceFrame]) -> list[SourceFrame]:
    """Frames by series, then along the normal of the slices, then by time, then by number.

    Raises:
        ValueError: as :func:`check_sources`.
    """
    check_sources(sources)
    by_series: dict[tuple[float, str], list[SourceFrame]] = {}
    for source in sources:
        key = header_number(source.header, "SeriesNumber"), str(source.header.SeriesInstanceUID)
        by_series.setdefault(key, []).append(source)
    return [source for key in sorted(by_series) for source in _one_frame_of_reference(_ordered(by_series[key]))]


def check_sources(sources: Sequence[SourceFrame]) -> None:
    """Raise a ValueError unless these are different frames of one study of one patient; no patient is named."""
    if not sources:
        raise ValueError("Expected at least one source image, but got none.")
    seen: dict[tuple[str, int], SourceFrame] = {}
    for source in sources:
        earlier = seen.setdefault(source.key, source)
        if earlier is not source:
            raise ValueError(
                f"Expected each instance once, but {earlier.path} and {source.path} are the same: leave out the copy."
            )
    for keyword, description in (("PatientID", "patient"), ("StudyInstanceUID", "study")):
        first: dict[str, SourceFrame] = {}
        for source in sources:
            first.setdefault(text(source.header, keyword), source)
        if len(first) > 1:
            one, other = list(first.values())[:2]
            raise ValueError(
                f"Expected images of one {description}, but got {len(first)} different {keyword}s, such as those of "
                f"{one.path} and {other.path}: write a result for each {description}."
            )


def reference_frame(item: Dataset) -> int:
    """Frame number, from 1, that the item of an image reference names first; 1 when it names none."""
    number: Any = item.get("ReferencedFrameNumber") or 1
    try:
        return int(number[0] if hasattr(number, "append") else number)
    except (TypeError, ValueError):
        return 0  # no frame has this number


def slice_numbers(sources: Sequence[SourceFrame]) -> list[int]:
    """For each frame the number of its slice, from 0 along the normal of the first frame; 0 without a position."""
    placed = [index for index, source in enumerate(sources) if source.orientation and source.position]
    numbers = [0] * len(sources)
    if not placed:
        return numbers
    first = sources[placed[0]]
    places = first.distance(np.array([sources[index].position for index in placed]))
    order = np.argsort(places, kind="stable")
    steps = np.diff(places[order], prepend=places[order[0]]) > _PLANE_STEP
    for index, place in zip(order, np.cumsum(steps), strict=True):
        numbers[placed[index]] = int(place)
    return numbers


def _uid(header: Dataset, keyword: str) -> str:
    value = header.get(keyword)
    return value.strip() if isinstance(value, str) else ""


def _count(header: Dataset, keyword: str, path: Path, default: int = 0) -> int:
    value = whole_number(header, keyword, path) or default  # some files say 0 frames and have one
    if value < 1:
        raise ValueError(f"Expected an image with a positive {keyword}, but {path} has none: is it a report or a plan?")
    return value


def _check_kind(header: Dataset, path: Path) -> None:
    """Refuse images whose pixels are not one picture of one plane."""
    whole_number(header, "SamplesPerPixel", path)
    if "MOSAIC" in codes(header, "ImageType"):
        raise ValueError(
            f"Expected one slice per frame, but {path} is a mosaic of slices in one picture: export it as an enhanced "
            "object or as single slices."
        )
    if code(header, "Modality") == "SM":
        raise ValueError(f"Expected a radiological image, but {path} is whole-slide microscopy: leave it out.")


def _with_clock(frames: list[SourceFrame]) -> list[SourceFrame]:
    """Frames of a series that only have date and time: with the ms since the first frame at the same position."""
    if any(frame.time.clock_ms is None for frame in frames):
        return frames
    first: dict[object, float] = {}
    for frame in frames:
        clock = frame.time.clock_ms or 0.0
        first[frame.position] = min(first.get(frame.position, clock), clock)
    return [
        replace(frame, time=replace(frame.time, trigger_ms=(frame.time.clock_ms or 0.0) - first[frame.position]))
        for frame in frames
    ]


def _ordered(series: list[SourceFrame]) -> list[SourceFrame]:
    """By slice, time, instance number and frame, or by UID where none of these is known."""
    series = sorted(
        _with_clock(series), key=lambda source: (header_number(source.header, "InstanceNumber"), *source.key)
    )
    slices = slice_numbers(series)
    times = [source.time for source in series]
    order = sorted(range(len(series)), key=lambda i: (slices[i], times[i].trigger_ms or 0, times[i].position or 0, i))
    return [series[i] for i in order]


def _one_frame_of_reference(series: list[SourceFrame]) -> list[SourceFrame]:
    """A series has one frame of reference (PS3.3 C.7.4.1), but some anonymizers give each instance its own."""
    references = {source.frame_of_reference for source in series}
    if len(references) < 2 or None in references:
        return series
    _logger.warning(
        "A series of %d frames has %d frames of reference, which DICOM does not allow: took them for one, that of %s.",
        *(len(series), len(references), series[0].path),
    )
    return [replace(source, frame_of_reference=series[0].frame_of_reference) for source in series]


def header_number(header: Dataset, keyword: str) -> float:
    """A number of the header, to sort by; 0 where it is absent or none."""
    try:
        return number(header, keyword, "") or 0.0
    except ValueError:
        return 0.0
