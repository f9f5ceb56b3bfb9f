# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""RT structure sets, ours and others', as contours in pixels of their images. The input is untrusted.

An ROI is read as a whole or not at all: a structure without one of its slices would be a wrong result in silence. The
faults of one ROI do not concern another one: it is left out, with the reason, unless it is the one that is asked for.
"""

from __future__ import annotations

import logging
import os
import warnings
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset

from monai_acdr.dicom.elements import items, quiet_values, text
from monai_acdr.dicom.files import read_dataset
from monai_acdr.dicom.reading import (
    broken_file_errors,
    choose_number,
    element_integer,
    element_label,
    element_text,
)
from monai_acdr.dicom.regions import LARGEST_COORDINATE, Region
from monai_acdr.dicom.rings import find_holes, split_keyholes
from monai_acdr.dicom.rtstruct import RT_STRUCTURE_SET_STORAGE
from monai_acdr.dicom.source import SourceFrame, check_sources, reference_frame
from monai_acdr.dicom.structures import KNOWN_STRUCTURES, TISSUE, Structure

__all__ = ["StructureSet", "read_rtstruct", "read_structure_set"]

MAX_POINTS = 5_000_000
"""Points of a structure set beyond this are refused."""

OFF_PLANE = 0.5
"""Largest distance in mm of a contour's points from the plane of its image."""

XOR = "CLOSEDPLANAR_XOR"
_CLOSED = ("CLOSED_PLANAR", XOR)

_logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class StructureSet:
    """What was read.

    Attributes:
        regions: a region for each ROI that could be read, by the order in the file; ROIs without contours are empty.
        left_out: ROIs and contours that were not read, with the reason; they are named by their numbers.
    """

    regions: tuple[Region, ...]
    left_out: tuple[str, ...]


@dataclass
class _Roi:
    """An ROI while it is read."""

    number: int
    label: str
    code: str
    reference: str
    items: list[Dataset] = field(default_factory=list)


def read_rtstruct(
    path: str | os.PathLike[str], sources: Sequence[SourceFrame], structure: str | None = None
) -> list[Region]:
    """Read closed planar contours; what is left out is logged.

    Args, errors: as :func:`read_structure_set`.

    Returns:
        A region for each ROI, with contours in pixels of each source; ROIs without contours are empty.
    """
    found = read_structure_set(path, sources, structure)
    for note in found.left_out:
        _logger.warning("Left out of %s: %s", path, note)
    return list(found.regions)


def read_structure_set(
    path: str | os.PathLike[str], sources: Sequence[SourceFrame], structure: str | None = None
) -> StructureSet:
    """Read closed planar contours, and which of them are holes (:mod:`monai_acdr.dicom.rings`).

    A contour belongs to the image that its Contour Image Sequence names; without one, to the only image in whose plane
    it lies. Contours of other kinds (points, open lines) are left out and counted.

    Args:
        path: the file.
        sources: frames that the structure set was drawn on, as :func:`read_sources` gives them.
        structure: label, or number such as ``#2``, of the only ROI to read; by default all that can be read.

    Raises:
        OSError: when the file cannot be opened.
        ValueError: when it is not an RT structure set, has no ROI or several of the given name, or when the ROI, or
            all of them, cannot be read: of other images, another frame of reference, or numbers that make no sense.
    """
    path = Path(path)
    check_sources(sources)
    dataset = read_dataset(path, header_only=False, undecoded=("ContourData",))
    with quiet_values(), broken_file_errors(path, "RT structure set"):
        kind = element_text(dataset, "SOPClassUID", path)
        if kind != RT_STRUCTURE_SET_STORAGE:
            raise ValueError(f"Expected an RT structure set, but {path} is of another SOP class, {kind[:64]!r}.")
        rois, faults = _rois(dataset, path)
        faults += _add_contours(dataset, rois, path)
        if structure is not None:
            number = choose_number([(roi.number, roi.label) for roi in rois.values()], structure, path)
            rois = {number: rois[number]}
    regions: list[Region] = []
    left_out: list[str] = []
    drawing = _Drawing(path, sources)
    for roi in rois.values():
        try:
            with quiet_values(), broken_file_errors(path, "RT structure set"):
                region, notes = drawing.region(roi)
        except ValueError as error:
            faults.append(ValueError(f"{error} (ROI #{roi.number})"))
            continue
        regions.append(region)
        left_out += notes
    if not any(any(region.contours) for region in regions):
        if faults:
            raise faults[0]
        if left_out:
            raise ValueError(f"Expected closed planar contours in {path}, but it has none: {' '.join(left_out)}")
    return StructureSet(tuple(regions), (*left_out, *map(str, faults)))


def _rois(dataset: Dataset, path: Path) -> tuple[dict[int, _Roi], list[ValueError]]:
    """ROIs by their numbers, and what is wrong with others."""
    faults: list[ValueError] = []
    codes: dict[str, str | ValueError] = {}
    for item in items(dataset, "RTROIObservationsSequence", path):
        key = text(item, "ReferencedROINumber")
        try:
            identification = items(item, "RTROIIdentificationCodeSequence", path)[:1]
            codes[key] = element_text(identification[0], "CodeValue", path) if identification else ""
        except ValueError as error:  # concerns one ROI
            codes[key] = error
    described = items(dataset, "StructureSetROISequence", path)
    counts = Counter(text(item, "ROINumber") for item in described)
    rois: dict[int, _Roi] = {}
    for item in described:
        try:
            number = element_integer(item, "ROINumber", path)
            if counts[text(item, "ROINumber")] > 1:
                raise ValueError(f"Expected each ROI number once, but {path} has two ROIs #{number}.")
            code = codes.get(str(number), "")
            if isinstance(code, ValueError):
                raise code
            label = element_label(item, "ROIName", dataset, f"ROI {number}", path)
            reference = element_text(item, "ReferencedFrameOfReferenceUID", path)
            rois[number] = _Roi(number, label, code, reference)
        except ValueError as error:
            faults.append(error)
    if not rois:
        raise faults[0] if faults else ValueError(f"Expected at least one ROI, but {path} has none.")
    return rois, faults


def _add_contours(dataset: Dataset, rois: dict[int, _Roi], path: Path) -> list[ValueError]:
    """Give each ROI its contours, and return what is wrong with items that belong to none."""
    faults: list[ValueError] = []
    for item in items(dataset, "ROIContourSequence", path):
        try:
            number = element_integer(item, "ReferencedROINumber", path)
            if number not in rois:
                raise ValueError(f"Expected contours of an ROI of the file, but {path} has some of an ROI #{number}.")
        except ValueError as error:
            faults.append(error)
            continue
        rois[number].items.append(item)
    return faults


class _Drawing:
    """The images that contours are put on, and how many points there are so far."""

    def __init__(self, path: Path, sources: Sequence[SourceFrame]) -> None:
        self.path = path
        self.sources = sources
        self.points = 0
        self.frames: dict[str, dict[int, int]] = {}
        for index, source in enumerate(sources):
            instance, frame = source.key
            self.frames.setdefault(instance, {})[frame] = index

    def region(self, roi: _Roi) -> tuple[Region, list[str]]:
        """The region of an ROI, and what is left out of it."""
        rings: list[list[np.ndarray]] = [[] for _ in self.sources]
        kinds: list[set[str]] = [set() for _ in self.sources]
        open_contours = short = 0
        for item in (contour for each in roi.items for contour in items(each, "ContourSequence", self.path)):
            kind = element_text(item, "ContourGeometricType", self.path)
            if kind not in _CLOSED:
                open_contours += 1
                continue
            world = self._points(item)
            if len(world) < 3:
                short += 1
                continue
            index = self._image_of(item, world)
            rings[index] += split_keyholes(self._in_plane(world, self.sources[index], roi.reference))
            kinds[index].add(kind)
        drawn = [
            self._holes(found, kind, source) for found, kind, source in zip(rings, kinds, self.sources, strict=True)
        ]
        known = next((structure for structure in KNOWN_STRUCTURES if structure.property_type.value == roi.code), TISSUE)
        structure = Structure(roi.label, known.category, known.property_type, known.region, known.interpreted_type)
        contours, holes = tuple(rings for rings, _ in drawn), tuple(holes for _, holes in drawn)
        region = Region(structure, contours, holes=holes if any(map(any, holes)) else (), number=roi.number)
        notes = [
            f"ROI #{roi.number}: {count} contour(s) {what}."
            for count, what in ((open_contours, "that are not closed and planar"), (short, "of less than three points"))
            if count
        ]
        return region, notes

    def _points(self, contour: Dataset) -> np.ndarray:
        """(K, 3) in mm, LPS, without the first point repeated at the end."""
        values = _coordinates(contour, 3 * MAX_POINTS)
        if values is None or len(values) % 3 or (len(values) and not np.abs(values).max() <= LARGEST_COORDINATE):
            raise ValueError(
                f"Expected ContourData to be finite points (x, y, z) in mm, at most {MAX_POINTS}, but {self.path} has "
                f"{'other values' if values is None else f'{len(values)} values'}, or values that are no coordinates."
            )
        points = values.reshape(-1, 3)
        count = element_integer(contour, "NumberOfContourPoints", self.path, len(points))
        if count != len(points):
            raise ValueError(
                f"Expected {count} points, as NumberOfContourPoints says, but {self.path} has a contour of "
                f"{len(points)}: it is cut off or damaged."
            )
        self.points += len(points)
        if self.points > MAX_POINTS:
            raise ValueError(f"Expected at most {MAX_POINTS} points, but {self.path} has more.")
        return points[:-1] if len(points) > 3 and np.array_equal(points[0], points[-1]) else points

    def _image_of(self, contour: Dataset, points: np.ndarray) -> int:
        references = items(contour, "ContourImageSequence", self.path)
        named = [index for item in references for index in self._named(item)]
        candidates = named if references else range(len(self.sources))
        if references and not named:
            instance = element_text(references[0], "ReferencedSOPInstanceUID", self.path)
            raise ValueError(
                f"Expected the images of {self.path} among the sources, but instance {instance[:64]}, frame "
                f"{reference_frame(references[0])}, is not there: give all files of the series that it was drawn on."
            )
        if len(set(named)) == 1:
            return named[0]
        matches = {
            index
            for index in candidates
            if self.sources[index].has_place and float(np.abs(self.sources[index].distance(points)).max()) <= OFF_PLANE
        }
        if len(matches) != 1:
            raise ValueError(
                f"Expected each contour of {self.path} to name its image or to lie in the plane of one of them, but "
                f"one names {len(set(named)) or 'none'} and lies in the planes of {len(matches)}."
            )
        return matches.pop()

    def _named(self, item: Dataset) -> list[int]:
        """Indices of the sources that an item of a Contour Image Sequence names: all frames where it names none."""
        frames = self.frames.get(element_text(item, "ReferencedSOPInstanceUID", self.path), {})
        numbers = item.get("ReferencedFrameNumber")
        if numbers is None or numbers == "":
            return list(frames.values())
        listed = list(numbers) if hasattr(numbers, "append") else [numbers]
        return [index for frame, index in frames.items() if str(frame) in map(str, listed)]

    def _in_plane(self, points: np.ndarray, source: SourceFrame, reference: str) -> np.ndarray:
        """(K, 2) pixels of points that lie in the image's plane."""
        known = ("", source.frame_of_reference, text(source.header, "FrameOfReferenceUID"))
        if not source.has_place or reference not in known:
            raise ValueError(
                f"Expected the contours of {self.path} in the frame of reference of {source.path}, but they are in "
                "another one: give the images that they were drawn on."
            )
        away = float(np.abs(source.distance(points)).max())
        if away > OFF_PLANE:
            raise ValueError(
                f"Expected the contours of {self.path} in the planes of their images, but one is {away:.2f} mm off "
                f"{source.path}."
            )
        return source.to_pixel(points)

    def _holes(
        self, rings: Sequence[np.ndarray], kinds: set[str], source: SourceFrame
    ) -> tuple[tuple[np.ndarray, ...], tuple[bool, ...]]:
        if len(kinds) > 1:
            raise ValueError(
                f"Expected the contours of a slice to be all {XOR} or all CLOSED_PLANAR, but {self.path} mixes them."
            )
        try:
            return find_holes(rings, source.size, kinds == {XOR})
        except ValueError as error:
            raise ValueError(f"{error} In {self.path}.") from None


def _coordinates(contour: Dataset, limit: int) -> np.ndarray | None:
    """The numbers of ContourData, float64, from its bytes; None when they are no numbers, or more than the limit."""
    raw = contour.get_item("ContourData") if "ContourData" in contour else None
    content = raw.value if raw is not None else None
    if content is None or len(content) == 0:
        return np.zeros(0)
    if not isinstance(raw, RawDataElement) or not isinstance(content, bytes):
        return None
    text = content.rstrip(b" \0")
    count = text.count(b"\\") + 1
    if count > limit:
        return None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # numpy warns of what is no number, and stops there
            values = np.fromstring(text.decode("ascii"), dtype=np.float64, sep="\\")
    except (ValueError, DeprecationWarning):
        return None
    return values if len(values) == count else None
