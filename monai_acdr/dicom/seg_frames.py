# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Frames of a segmentation in space and time.

highdicom tells frames apart by their position alone and refuses cine series, whose phases share it. Such a series is
given to it with made-up, distinct positions, and the true ones are put in afterwards, with a dimension for time.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

import numpy as np
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence as DicomSequence
from pydicom.tag import Tag

from monai_acdr.dicom.elements import text
from monai_acdr.dicom.identity import new_uid
from monai_acdr.dicom.rtstruct import decimal_string
from monai_acdr.dicom.source import SourceFrame, reference_frame, slice_numbers

__all__ = ["index_by_time", "plain_geometry", "slice_distance", "source_of_frame", "spread_positions", "state_measures"]

_SEGMENT = (Tag("ReferencedSegmentNumber"), Tag("SegmentIdentificationSequence"), "Segment")
_POSITION = (Tag("ImagePositionPatient"), Tag("PlanePositionSequence"), "Slice")
_TIME = (Tag("TemporalPositionIndex"), Tag("FrameContentSequence"), "Phase")

_PLACEHOLDER = 1.0

UNKNOWN_THICKNESS = "Slice thickness not known: distance between slices stated"
"""ContentDescription of segmentations whose SliceThickness is not that of their source; at most 64 characters."""

EVEN_STEPS = 0.01
"""Largest difference in mm between the steps of evenly spaced slices."""


def plain_geometry(instances: Sequence[Dataset], sources: Sequence[SourceFrame]) -> None:
    """Write the geometry of frames into headers that are copies, in the one form that highdicom reads.

    It takes the measures of pixels from the shared functional groups, or the top level, and asks for a thickness. An
    unknown one gets a placeholder, which :func:`state_measures` takes away.
    """
    first = sources[0]
    if first.num_frames > 1:
        shared, frames = Dataset(), [Dataset() for _ in range(first.num_frames)]
        plane = Dataset()
        plane.ImageOrientationPatient = [decimal_string(v) for v in first.orientation or ()]
        shared.PlaneOrientationSequence = DicomSequence([plane])
        shared.PixelMeasuresSequence = DicomSequence([_measures(first, _PLACEHOLDER)])
        for source in sources:
            place = Dataset()
            place.ImagePositionPatient = [decimal_string(v) for v in source.position or ()]
            frames[source.frame - 1].PlanePositionSequence = DicomSequence([place])
        instances[0].SharedFunctionalGroupsSequence = DicomSequence([shared])
        instances[0].PerFrameFunctionalGroupsSequence = DicomSequence(frames)
        return
    for instance in instances:
        # Parallel but for rounding, see `check_seg_sources`; highdicom asks for equal ones.
        instance.ImageOrientationPatient = list(first.orientation or ())
        instance.update(_measures(first, _PLACEHOLDER))


def spread_positions(instances: Sequence[Dataset], sources: Sequence[SourceFrame]) -> None:
    """Give frames that share their positions made-up ones, in headers that are copies; others are left alone.

    Frames of a multi-frame instance that are no sources get one as well.
    """
    if not _has_made_up_positions(sources):
        return
    along = np.cross(np.array(sources[0].orientation)[:3], np.array(sources[0].orientation)[3:])
    # Uneven steps: evenly spaced planes would be taken for a volume.
    count = max(len(sources), sources[0].num_frames)
    places = [[decimal_string(v) for v in along * (i + 0.001 * i * i)] for i in range(count)]
    if sources[0].num_frames == 1:
        for instance, place in zip(instances, places, strict=True):
            instance.ImagePositionPatient = place
        return
    groups = copy.deepcopy(instances[0].PerFrameFunctionalGroupsSequence)
    for group, place in zip(groups, places, strict=True):
        plane = Dataset()
        plane.ImagePositionPatient = place
        group.PlanePositionSequence = DicomSequence([plane])
    instances[0].PerFrameFunctionalGroupsSequence = groups


def index_by_time(result: Dataset, sources: Sequence[SourceFrame]) -> None:
    """Put the true positions into a segmentation made from :func:`spread_positions`, and index its frames by time."""
    if not _has_made_up_positions(sources):
        return
    places, phases = _slices_and_phases(sources)
    for item in result.PerFrameFunctionalGroupsSequence:
        source = source_of_frame(item, sources)
        if source is None:
            raise ValueError("Expected each frame to name its source, but one does not: highdicom has changed.")
        item.PlanePositionSequence[0].ImagePositionPatient = [decimal_string(v) for v in sources[source].position or ()]
        content = item.FrameContentSequence[0]
        segment = _segment_number(item, result)
        content.DimensionIndexValues = [segment, places[source], phases[source]]
        content.TemporalPositionIndex = phases[source]
    uid = new_uid()
    result.DimensionIndexSequence = DicomSequence(_dimension(uid, *pointer) for pointer in (_SEGMENT, _POSITION, _TIME))
    organization = Dataset()
    organization.DimensionOrganizationUID = uid
    result.DimensionOrganizationSequence = DicomSequence([organization])
    if "DimensionOrganizationType" in result:
        del result.DimensionOrganizationType


def state_measures(result: Dataset, sources: Sequence[SourceFrame]) -> None:
    """Write spacing and thickness of the pixels as the sources have them, and the distance between slices.

    Measures that differ between frames go to each frame. The distance of neighboring slices is written where it is the
    same everywhere: without it dcmqi takes SliceThickness, and puts slices with gaps between them into wrong places.
    PS3.3 C.7.6.16.2.1 asks for a thickness of each segmentation with a frame of reference. Where that of the source is
    not known, this distance stands for it, and ContentDescription says so; without a distance it is left out.
    """
    distance = slice_distance(sources)
    if distance is not None and any(source.thickness is None for source in sources):
        result.ContentDescription = UNKNOWN_THICKNESS
    shared = result.SharedFunctionalGroupsSequence[0]
    if len({(source.spacing, source.thickness) for source in sources}) == 1:
        shared.PixelMeasuresSequence = DicomSequence([_measures(sources[0], distance, distance)])
        return
    if "PixelMeasuresSequence" in shared:
        del shared.PixelMeasuresSequence
    for item in result.PerFrameFunctionalGroupsSequence:
        source = source_of_frame(item, sources)
        if source is None:
            raise ValueError("Expected each frame to name its source, but one does not: highdicom has changed.")
        item.PixelMeasuresSequence = DicomSequence([_measures(sources[source], distance, distance)])


def slice_distance(sources: Sequence[SourceFrame]) -> float | None:
    """Mm between neighboring slices, where it is the same everywhere."""
    one = dict(zip(slice_numbers(sources), sources, strict=True))
    steps = np.diff(sources[0].distance(np.array([one[number].position for number in sorted(one)])))
    return round(float(steps.mean()), 6) if len(steps) and np.ptp(steps) <= EVEN_STEPS else None


def source_of_frame(item: Dataset, sources: Sequence[SourceFrame]) -> int | None:
    """Index of the source that a frame's Derivation Image Sequence names; None when it names none of them."""
    keys = {source.key: index for index, source in enumerate(sources)}
    for derivation in item.get("DerivationImageSequence") or []:
        for reference in derivation.get("SourceImageSequence") or []:
            index = keys.get((text(reference, "ReferencedSOPInstanceUID"), reference_frame(reference)))
            if index is not None:
                return index
    return None


def _segment_number(item: Dataset, result: Dataset) -> int:
    shared = result.SharedFunctionalGroupsSequence[0]
    holder = item if "SegmentIdentificationSequence" in item else shared
    return int(holder.SegmentIdentificationSequence[0].ReferencedSegmentNumber)


def _has_made_up_positions(sources: Sequence[SourceFrame]) -> bool:
    """Whether frames share their positions, or are some of an instance's, whose other frames may have none."""
    return len(set(slice_numbers(sources))) < len(sources) or len(sources) < sources[0].num_frames


def _measures(source: SourceFrame, placeholder: float | None, distance: float | None = None) -> Dataset:
    """Pixel measures of a frame; `placeholder` stands for an unknown thickness."""
    measures, thickness = Dataset(), source.thickness or placeholder
    measures.PixelSpacing = [decimal_string(v) for v in source.spacing or ()]
    if thickness is not None:
        measures.SliceThickness = decimal_string(thickness)
    if distance is not None:
        measures.SpacingBetweenSlices = decimal_string(distance)
    return measures


def _slices_and_phases(sources: Sequence[SourceFrame]) -> tuple[list[int], list[int]]:
    """Number of the slice and of the phase of each source, from 1; `sources` are in order of time."""
    places = [number + 1 for number in slice_numbers(sources)]
    seen: dict[int, int] = {}
    phases = []
    for place in places:
        seen[place] = seen.get(place, 0) + 1
        phases.append(seen[place])
    return places, phases


def _dimension(uid: str, pointer: Any, group: Any, label: str) -> Dataset:
    item = Dataset()
    item.DimensionOrganizationUID, item.DimensionIndexPointer = uid, pointer
    item.FunctionalGroupPointer, item.DimensionDescriptionLabel = group, label
    return item
