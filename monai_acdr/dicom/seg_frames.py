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

from monai_acdr.dicom.identity import new_uid
from monai_acdr.dicom.rtstruct import decimal_string
from monai_acdr.dicom.source import SourceFrame, reference_frame, slice_numbers

__all__ = ["index_by_time", "source_of_frame", "spread_positions", "state_slice_spacing"]

_SEGMENT = (Tag("ReferencedSegmentNumber"), Tag("SegmentIdentificationSequence"), "Segment")
_POSITION = (Tag("ImagePositionPatient"), Tag("PlanePositionSequence"), "Slice")
_TIME = (Tag("TemporalPositionIndex"), Tag("FrameContentSequence"), "Phase")

EVEN_STEPS = 0.01
"""Largest difference in mm between the steps of evenly spaced slices."""


def spread_positions(instances: Sequence[Dataset], sources: Sequence[SourceFrame]) -> None:
    """Give frames that share their positions made-up ones, in headers that are copies; others are left alone."""
    if not _share_positions(sources):
        return
    if sources[0].num_frames > 1 and len(sources) != sources[0].num_frames:
        raise ValueError("Expected all frames of the multi-frame instance, but got some: phases cannot be told apart.")
    along = np.cross(np.array(sources[0].orientation)[:3], np.array(sources[0].orientation)[3:])
    # Uneven steps: evenly spaced planes would be taken for a volume.
    places = [[decimal_string(v) for v in along * (i + 0.001 * i * i)] for i in range(len(sources))]
    if sources[0].num_frames == 1:
        for instance, place in zip(instances, places, strict=True):
            instance.ImagePositionPatient = place
        return
    groups = copy.deepcopy(instances[0].PerFrameFunctionalGroupsSequence)
    for source, place in zip(sources, places, strict=True):
        groups[source.frame - 1].PlanePositionSequence[0].ImagePositionPatient = place
    instances[0].PerFrameFunctionalGroupsSequence = groups


def index_by_time(result: Dataset, sources: Sequence[SourceFrame]) -> None:
    """Put the true positions into a segmentation made from :func:`spread_positions`, and index its frames by time."""
    if not _share_positions(sources):
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


def state_slice_spacing(result: Dataset, sources: Sequence[SourceFrame]) -> None:
    """Write the distance between neighbouring slices, when it is the same everywhere, and take it away otherwise.

    Without it dcmqi takes SliceThickness, and puts slices with gaps between them into wrong places.
    """
    measures = result.SharedFunctionalGroupsSequence[0].PixelMeasuresSequence[0]
    one = dict(zip(slice_numbers(sources), sources, strict=True))
    steps = np.diff(sources[0].distance(np.array([one[number].position for number in sorted(one)])))
    if len(steps) and np.ptp(steps) <= EVEN_STEPS:
        measures.SpacingBetweenSlices = decimal_string(float(steps.mean()))
    elif "SpacingBetweenSlices" in measures:
        del measures.SpacingBetweenSlices


def source_of_frame(item: Dataset, sources: Sequence[SourceFrame]) -> int | None:
    """Index of the source that a frame's Derivation Image Sequence names; None when it names none of them."""
    keys = {source.key: index for index, source in enumerate(sources)}
    for derivation in item.get("DerivationImageSequence") or []:
        for reference in derivation.get("SourceImageSequence") or []:
            index = keys.get((str(reference.get("ReferencedSOPInstanceUID") or ""), reference_frame(reference)))
            if index is not None:
                return index
    return None


def _segment_number(item: Dataset, result: Dataset) -> int:
    shared = result.SharedFunctionalGroupsSequence[0]
    holder = item if "SegmentIdentificationSequence" in item else shared
    return int(holder.SegmentIdentificationSequence[0].ReferencedSegmentNumber)


def _share_positions(sources: Sequence[SourceFrame]) -> bool:
    return len(set(slice_numbers(sources))) < len(sources)


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
