# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""DICOM segmentations, ours and others', as masks on the grid of their images. The input is untrusted.

A segment is read as a whole or not at all, and the faults of one do not concern another one, as with the ROIs of
:mod:`monai_acdr.dicom.rtstruct_reader`.
"""

from __future__ import annotations

import logging
import os
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from pydicom.dataset import Dataset
from pydicom.sr.coding import Code
from pydicom.uid import UID

from monai_acdr.dicom.elements import items, quiet_values, text
from monai_acdr.dicom.files import read_dataset
from monai_acdr.dicom.identity import new_uid
from monai_acdr.dicom.pixels import stored_frames
from monai_acdr.dicom.plane import frame_plane
from monai_acdr.dicom.reading import (
    broken_file_errors,
    choose_number,
    element_integer,
    element_label,
    element_text,
)
from monai_acdr.dicom.regions import MaskRegion
from monai_acdr.dicom.source import SourceFrame, check_sources
from monai_acdr.dicom.structures import TISSUE, Structure
from monai_acdr.read_budget import ReadBudget

__all__ = ["LABEL_MAP_STORAGE", "SEGMENTATION_STORAGE", "Segmentation", "read_seg", "read_segmentation"]

SEGMENTATION_STORAGE = UID("1.2.840.10008.5.1.4.1.1.66.4")
LABEL_MAP_STORAGE = UID("1.2.840.10008.5.1.4.1.1.66.7")

SAME_PLACE = 0.01
"""Largest difference in mm between a frame's place and that of its source, for both to have the same grid."""

_KINDS = ("BINARY", "FRACTIONAL", "LABELMAP")

_logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Segmentation:
    """What was read.

    Attributes:
        regions: a region for each segment that could be read, by the order in the file.
        left_out: segments that were not read, with the reason.
        notes: what the masks do not say.
    """

    regions: tuple[MaskRegion, ...]
    left_out: tuple[str, ...]
    notes: tuple[str, ...] = ()


def read_seg(
    path: str | os.PathLike[str], sources: Sequence[SourceFrame], structure: str | None = None
) -> list[MaskRegion]:
    """Read a segmentation whose frames have the grid of their source images; what is left out is logged.

    Args, errors: as :func:`read_segmentation`.

    Returns:
        A region for each segment: masks (H, W) float32 in [0, 1], None where the file has no frame.
    """
    found = read_segmentation(path, sources, structure)
    for note in found.left_out:
        _logger.warning("Left out of %s: %s", path, note)
    for note in found.notes:
        _logger.warning("%s", note)
    return list(found.regions)


def read_segmentation(
    path: str | os.PathLike[str], sources: Sequence[SourceFrame], structure: str | None = None
) -> Segmentation:
    """Read a segmentation whose frames have the grid of their source images.

    Args:
        path: the file, BINARY, FRACTIONAL, or a label map.
        sources: frames that it was made from, as :func:`read_sources` gives them.
        structure: label, or number such as ``#2``, of the only segment to read; by default all that can be read.

    Raises:
        OSError: when the file cannot be opened.
        ValueError: when it is not a segmentation, has no segment or several of the given name, needs more than the
            budget of memory, or when the segment, or all of them, cannot be read: broken, or of another grid.
    """
    path = Path(path)
    check_sources(sources)
    dataset = read_dataset(path, header_only=False)
    with quiet_values(), broken_file_errors(path, "DICOM segmentation"):
        kind = element_text(dataset, "SOPClassUID", path)
        if kind not in (SEGMENTATION_STORAGE, LABEL_MAP_STORAGE):
            raise ValueError(f"Expected a DICOM segmentation, but {path} is of another SOP class, {kind[:64]!r}.")
        reader = _Reader(path, dataset, sources)
        if structure is not None:
            labels = [(number, segment.label) for number, (segment, _) in reader.segments.items()]
            number = choose_number(labels, structure, path)
            reader.segments = {number: reader.segments[number]}
        reader.read()
    return reader.result()


class _Reader:
    """A segmentation while it is read: its segments, their masks on the sources, and their faults."""

    def __init__(self, path: Path, dataset: Dataset, sources: Sequence[SourceFrame]) -> None:
        self.path, self.dataset, self.sources = path, dataset, sources
        self.kind = element_text(dataset, "SegmentationType", path)
        self.faults: dict[int, ValueError] = {}
        self.notes: list[str] = []
        self.segments = self._segments()
        self.numbers = set(self.segments)
        self.masks: dict[tuple[int, int], np.ndarray] = {}
        self.budget = ReadBudget(path)
        self.size = element_integer(dataset, "Rows", path, 0), element_integer(dataset, "Columns", path, 0)
        self.shared = items(dataset, "SharedFunctionalGroupsSequence", path)[:1]
        self.positions = np.array([source.position or (np.nan,) * 3 for source in sources])
        self.frames: dict[str, dict[int, int]] = {}
        for index, source in enumerate(sources):
            self.frames.setdefault(source.key[0], {})[source.frame] = index

    def read(self) -> None:
        """Put every frame of the segments on its image."""
        count = self._frame_count()
        per_frame = items(self.dataset, "PerFrameFunctionalGroupsSequence", self.path)
        if len(per_frame) != count:
            raise ValueError(f"Expected functional groups for {count} frames, but {self.path} has {len(per_frame)}.")
        pixels = stored_frames(self.dataset, self.path)
        for number, (item, values) in enumerate(zip(per_frame, pixels, strict=True), start=1):
            try:
                present = np.unique(values).tolist() if self.kind == "LABELMAP" else [self._segment_number(item)]
            except ValueError as error:
                self.faults.setdefault(-number, ValueError(f"{error} (frame {number})"))
                continue
            for segment in present:
                if segment in self.segments and segment not in self.faults:
                    try:
                        with broken_file_errors(self.path, "DICOM segmentation"):
                            self._add(segment, number, item, values)
                    except ValueError as error:
                        self.faults[segment] = ValueError(f"{error} (segment #{segment})")
                elif segment not in self.numbers and not (self.kind == "LABELMAP" and segment == 0):
                    problem = f"{self.path} has one of a segment #{segment}"
                    self.faults[segment] = ValueError(f"Expected frames of segments of the file, but {problem}.")

    def result(self) -> Segmentation:
        """What was read; an error when nothing was, for a reason."""
        read = [number for number in self.segments if number not in self.faults]
        if self.faults and not any(segment in read for segment, _ in self.masks):
            raise next(iter(self.faults.values()))
        regions = [
            MaskRegion(
                self.segments[number][0],
                tuple(self.masks.get((number, index)) for index in range(len(self.sources))),
                self.segments[number][1],
                number,
            )
            for number in read
        ]
        return Segmentation(tuple(regions), tuple(map(str, self.faults.values())), tuple(self.notes))

    def _segments(self) -> dict[int, tuple[Structure, str]]:
        """Segment number -> structure and tracking UID."""
        described = items(self.dataset, "SegmentSequence", self.path)
        counts = Counter(text(item, "SegmentNumber") for item in described)
        found: dict[int, tuple[Structure, str]] = {}
        for item in described:
            number = element_integer(item, "SegmentNumber", self.path)
            if counts[text(item, "SegmentNumber")] > 1:
                raise ValueError(f"Expected each segment number once, but {self.path} has two segments #{number}.")
            if number == 0 and self.kind == "LABELMAP":
                continue  # the background
            label = element_label(item, "SegmentLabel", self.dataset, f"Segment {number}", self.path)
            category = self._code(item, "SegmentedPropertyCategoryCodeSequence") or TISSUE.category
            meaning = self._code(item, "SegmentedPropertyTypeCodeSequence") or TISSUE.property_type
            structure = Structure(label, category, meaning, self._code(item, "AnatomicRegionSequence"))
            tracking = element_text(item, "TrackingUID", self.path)
            found[number] = structure, tracking if re.fullmatch(r"[0-9.]{1,64}", tracking) else str(new_uid())
        if not found:
            raise ValueError(f"Expected at least one segment, but {self.path} has none.")
        return found

    def _code(self, item: Dataset, keyword: str) -> Code | None:
        parts = items(item, keyword, self.path)[:1]
        names = ("CodeValue", "CodingSchemeDesignator", "CodeMeaning")
        values = [element_text(part, name, self.path) for part in parts for name in names]
        fits = all(0 < len(value) <= limit for value, limit in zip(values, (16, 16, 64), strict=False))
        return Code(*values) if values and fits else None

    def _frame_count(self) -> int:
        """The number of frames, once the header says a segmentation that can be read."""
        count = element_integer(self.dataset, "NumberOfFrames", self.path, 0)
        bits = element_integer(self.dataset, "BitsAllocated", self.path, 0)
        samples = element_integer(self.dataset, "SamplesPerPixel", self.path, 1)
        if self.kind not in _KINDS or min(count, *self.size) < 1 or bits not in (1, 8, 16) or samples != 1:
            raise ValueError(
                f"Expected a segmentation of type {', '.join(_KINDS)} with frames of 1, 8 or 16 bits, but {self.path} "
                "is not one."
            )
        if self.kind == "FRACTIONAL" and element_text(self.dataset, "SegmentationFractionalType", self.path) == (
            "PROBABILITY"
        ):
            self.notes.append(f"{self.path} has probabilities: they are taken for the covered share of each pixel.")
        return count

    def _fractions(self, values: np.ndarray) -> np.ndarray:
        """(H, W) float32 in [0, 1]."""
        largest = element_integer(self.dataset, "MaximumFractionalValue", self.path, 0)
        lowest, highest = int(values.min()), int(values.max())
        if not 0 < largest or lowest < 0 or highest > largest:
            raise ValueError(
                f"Expected fractions from 0 to MaximumFractionalValue, but {self.path} has {lowest} to {highest} of "
                f"{largest}."
            )
        return values.astype(np.float32) / np.float32(largest)

    def _segment_number(self, item: Dataset) -> int:
        for holder in (item, *self.shared):
            for identification in items(holder, "SegmentIdentificationSequence", self.path)[:1]:
                return element_integer(identification, "ReferencedSegmentNumber", self.path)
        return 0

    def _add(self, segment: int, number: int, item: Dataset, values: np.ndarray) -> None:
        index = self._source_index(item, number)
        if (segment, index) in self.masks:
            raise ValueError(
                f"Expected one frame for a segment and an image, but {self.path} has two (frame {number})."
            )
        if self.kind == "FRACTIONAL":
            mask = self._fractions(values)
        else:
            chosen = values == segment if self.kind == "LABELMAP" else values != 0
            mask = chosen.astype(np.uint8)
        self.budget.add_bytes(mask.nbytes)
        self.masks[segment, index] = mask

    def _source_index(self, item: Dataset, number: int) -> int:
        """Index of the source with the grid of a frame: the one that it names, else the only one in its place."""
        derivations = items(item, "DerivationImageSequence", self.path)
        named = sorted({index for derivation in derivations for index in self._named(derivation)})
        place = frame_plane(self.dataset, number, str(self.path))
        near = named if named or place[2] is None else self._near(place[2])
        differences = {index: self._differences(place, self.sources[index]) for index in near}
        fits = [index for index in near if not differences[index]]
        if len(fits) == 1 and (named or (not derivations and self.sources[fits[0]].has_place)):
            return fits[0]
        if named and not fits:
            raise ValueError(
                f"Expected the frames of {self.path} on the grid of their images, but frame {number} differs from "
                f"{self.sources[named[0]].path} in {', '.join(differences[named[0]])}: resample it first."
            )
        raise ValueError(
            f"Expected the images of {self.path} among the sources, but frame {number} names {len(named) or 'none'} of "
            f"them and lies in the place of {len(fits)}: give all files of the series that it was made from."
        )

    def _named(self, derivation: Dataset) -> list[int]:
        """Indices of the sources that an item of a Derivation Image Sequence names: all frames where it names none."""
        found = []
        for reference in items(derivation, "SourceImageSequence", self.path):
            frames = self.frames.get(element_text(reference, "ReferencedSOPInstanceUID", self.path), {})
            numbers = reference.get("ReferencedFrameNumber")
            listed = list(numbers) if hasattr(numbers, "append") else [numbers]
            every = numbers is None or numbers == ""
            found += [index for frame, index in frames.items() if every or str(frame) in map(str, listed)]
        return found

    def _near(self, position: tuple[float, ...]) -> list[int]:
        away = np.abs(self.positions - np.array(position)).max(1)
        return np.nonzero(away <= 10 * SAME_PLACE)[0].tolist()

    def _differences(self, place: tuple, source: SourceFrame) -> list[str]:
        """In what a frame differs from a source: nothing when their corners are in one place, or neither has one."""
        if self.size != source.size:
            return [f"size, {self.size} for {source.size}"]
        spacing, orientation, position = place
        if orientation is None or position is None or not source.has_place:
            return ["having a place in the patient"] if source.has_place else []
        known = (source.frame_of_reference, text(source.header, "FrameOfReferenceUID"))
        if element_text(self.dataset, "FrameOfReferenceUID", self.path) not in known:
            return ["frame of reference"]
        if spacing is None:
            return ["spacing, which it lacks"]
        height, width = source.size
        corners = np.array([[0, 0], [width, 0], [0, height]], dtype=np.float64)
        frame = SourceFrame(source.path, source.header, 1, 1, source.size, spacing, orientation, position, None)
        if np.abs(frame.to_world(corners) - source.to_world(corners)).max() <= SAME_PLACE:
            return []
        pairs = {
            "spacing": np.subtract(spacing, source.spacing or ()) * max(source.size),
            "orientation": np.subtract(orientation, source.orientation or ()) * max(source.size),
            "position": np.subtract(position, source.position or ()),
        }
        return [name for name, values in pairs.items() if np.abs(values).max() > SAME_PLACE / 2] or ["position"]
