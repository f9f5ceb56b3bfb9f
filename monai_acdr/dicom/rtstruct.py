# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""RT structure sets (PS3.3 A.19): written from vertices, and read, including those of other programs.

An ROI is read completely or not at all: a structure that lacks one of its slices would be a wrong result without a
warning. A faulty ROI does not affect the others: it is left out, with the reason, unless it is the requested one.
"""

from __future__ import annotations

import logging
import os
import warnings
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
from pydicom.dataelem import DataElement, RawDataElement
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence as DicomSequence
from pydicom.tag import Tag
from pydicom.uid import UID

from monai_acdr.dicom.elements import items, quiet_values, text
from monai_acdr.dicom.files import check_target, choose_transfer_syntax, read_dataset, save_dataset
from monai_acdr.dicom.identity import Algorithm, long_string, new_result
from monai_acdr.dicom.reading import broken_file_errors, choose_number, element_integer, element_label, element_text
from monai_acdr.dicom.regions import (
    KNOWN_STRUCTURES,
    LARGEST_COORDINATE,
    TISSUE,
    Region,
    Structure,
    as_regions,
    code_item,
    find_holes,
    join_keyholes,
    split_keyholes,
)
from monai_acdr.dicom.source import MissingImageError, SourceFrame, check_sources, reference_frame
from monai_acdr.dicom.toolkit import source_errors

__all__ = [
    "RT_STRUCTURE_SET_STORAGE",
    "StructureSet",
    "read_rtstruct",
    "read_structure_set",
    "write_rtstruct",
]

RT_STRUCTURE_SET_STORAGE = UID("1.2.840.10008.5.1.4.1.1.481.3")
_STUDY_CLASS = UID("1.2.840.10008.3.1.2.3.1")
"""Detached Study Management: retired, and still what the RT Referenced Study Sequence asks for."""

_CONTOUR_DATA = Tag("ContourData")

_logger = logging.getLogger(__name__)

DECIMALS = 9
"""Decimals of a coordinate in mm, as far as they fit into the 16 characters of a decimal string (PS3.5 6.2)."""


def write_rtstruct(
    path: str | os.PathLike[str],
    contours: Sequence[Any],
    sources: Sequence[SourceFrame],
    structure: Structure | None = None,
    algorithm: Algorithm | None = None,
    label: str = "ACDR",
    series_number: int = 901,
    overwrite: bool = False,
) -> Path:
    """Write contours as closed planar contours in mm, each with a reference to its image.

    Holes become part of the contour around them by the "keyhole" technique (PS3.3 C.8.8.6.3), which all readers draw
    correctly.

    Args:
        path: file to write; nothing about the patient is added to its name.
        contours: see :func:`as_regions`. Each region becomes an ROI.
        sources: frames of one study and one frame of reference, as :func:`read_sources` gives them.
        structure: the structure that plain contours outline.
        algorithm: what made them.
        label: StructureSetLabel, at most 16 characters, no backslash.
        series_number: of the new series.
        overwrite: replace an existing file.

    Returns:
        The path.

    Raises:
        FileExistsError: when the file exists and `overwrite` is false.
        ValueError: for contours or sources that do not fit, above all images without a place in the patient.
    """
    path, algorithm = check_target(path, overwrite), algorithm or Algorithm()
    if not label.strip() or label.strip() != long_string(label, 16):
        raise ValueError(
            "Expected `label` to have 1 to 16 characters, none of them a backslash or control character, but got "
            f"{label!r}."
        )
    check_sources(sources)
    reference = _frame_of_reference(sources)
    regions = as_regions(contours, sources, structure)
    with quiet_values(), source_errors("an RT structure set", sources[0].path, "leave out --rtstruct"):
        numbered = list(enumerate(regions, start=1))
        drawn = DicomSequence(_contours(number, region, sources) for number, region in numbered)
        identity = sources[0].header, algorithm, series_number, "Contours", choose_transfer_syntax(_lengths(drawn))
        result = new_result(RT_STRUCTURE_SET_STORAGE, "RTSTRUCT", *identity)
        now = datetime.now()
        result.StructureSetLabel, result.ApprovalStatus = label, "APPROVED" if algorithm.reader else "UNAPPROVED"
        result.StructureSetDate, result.StructureSetTime = now.strftime("%Y%m%d"), now.strftime("%H%M%S")
        if algorithm.reader:
            result.ReviewDate, result.ReviewTime = result.StructureSetDate, result.StructureSetTime
            result.ReviewerName = algorithm.reader
        result.FrameOfReferenceUID, result.PositionReferenceIndicator = reference, ""
        result.ReferencedFrameOfReferenceSequence = DicomSequence([_referenced_images(sources, reference)])
        result.StructureSetROISequence = DicomSequence(_roi(n, r, reference, algorithm) for n, r in numbered)
        result.ROIContourSequence = drawn
        result.RTROIObservationsSequence = DicomSequence(
            _observation(n, region.structure, algorithm.reader) for n, region in numbered
        )
        return save_dataset(result, path, overwrite)


def _frame_of_reference(sources: Sequence[SourceFrame]) -> str:
    for source in sources:
        if not source.has_place:
            raise ValueError(
                f"Expected images with a place in the patient, but {source.path} lacks a frame of reference, position, "
                "orientation or spacing (mammograms do): an RT structure set cannot refer to it, write SEG and SR."
            )
    references = {str(source.frame_of_reference) for source in sources}
    if len(references) > 1:
        raise ValueError(
            f"Expected images of one frame of reference, but got {len(references)}: write a structure set for each."
        )
    return references.pop()


def _referenced_images(sources: Sequence[SourceFrame], reference: str) -> Dataset:
    """Item of the Referenced Frame of Reference Sequence (PS3.3 C.8.8.5): all images, by series."""
    by_series: dict[str, dict[str, SourceFrame]] = {}
    for source in sources:
        by_series.setdefault(str(source.header.SeriesInstanceUID), {}).setdefault(source.key[0], source)
    series_items = []
    for uid, instances in by_series.items():
        series = Dataset()
        series.SeriesInstanceUID = uid
        series.ContourImageSequence = DicomSequence(_reference(source, whole=True) for source in instances.values())
        series_items.append(series)
    study = Dataset()
    study.ReferencedSOPClassUID, study.ReferencedSOPInstanceUID = _STUDY_CLASS, sources[0].header.StudyInstanceUID
    study.RTReferencedSeriesSequence = DicomSequence(series_items)
    item = Dataset()
    item.FrameOfReferenceUID, item.RTReferencedStudySequence = reference, DicomSequence([study])
    return item


def _reference(source: SourceFrame, whole: bool) -> Dataset:
    item = Dataset()
    item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID = source.header.SOPClassUID, source.header.SOPInstanceUID
    if source.num_frames > 1 and not whole:
        item.ReferencedFrameNumber = source.frame
    return item


def _roi(number: int, region: Region, reference: str, algorithm: Algorithm) -> Dataset:
    item = Dataset()
    item.ROINumber, item.ReferencedFrameOfReferenceUID = number, reference
    item.ROIName, item.ROIGenerationAlgorithm = region.structure.label, region.generation
    item.ROIGenerationDescription = long_string(f"{algorithm.name} {algorithm.version}")
    return item


def _polygons(region: Region, index: int, source: SourceFrame) -> list[np.ndarray]:
    """The polygons of a region on a source: holes as keyholes, and no polygon within another one.

    A polygon within another one of the same ROI would be read as a hole, though the region unites the two.
    """
    holes = region.holes_of(index)
    polygons = join_keyholes(region.contours[index], holes)
    if any(holes) or len(polygons) < 2:
        return polygons
    rings, nested = find_holes(polygons, source.size)
    if not any(nested) and len(rings) == len(polygons):
        return polygons
    kept = [ring for ring, inner in zip(rings, nested, strict=True) if not inner]
    _logger.warning(
        "Left out %d contour(s) of %r that lie within another one: readers of RT structure sets take them for holes.",
        *(len(polygons) - len(kept), region.structure.label),
    )
    return kept


def _contours(number: int, region: Region, sources: Sequence[SourceFrame]) -> Dataset:
    items: list[Dataset] = []
    for index, source in enumerate(sources):
        for vertices in _polygons(region, index, source):
            item = Dataset()
            item.ContourNumber = len(items) + 1
            item.ContourImageSequence = DicomSequence([_reference(source, whole=False)])
            item.ContourGeometricType, item.NumberOfContourPoints = "CLOSED_PLANAR", len(vertices)
            coordinates = "\\".join(map(decimal_string, source.to_world(vertices).ravel().tolist()))
            # as one text: pydicom would make an object of each of a hundred thousand numbers, and text of them again
            item.add(DataElement(_CONTOUR_DATA, "DS", coordinates, already_converted=True))
            items.append(item)
    result = Dataset()
    result.ROIDisplayColor, result.ReferencedROINumber = list(region.structure.color), number
    if items:
        result.ContourSequence = DicomSequence(items)
    return result


def _lengths(drawn: Sequence[Dataset]) -> Iterator[int]:
    """Bytes of the coordinates of each contour."""
    for roi in drawn:
        for item in roi.get("ContourSequence") or []:
            yield len(item.ContourData) + 1


def _observation(number: int, structure: Structure, reader: str) -> Dataset:
    item = Dataset()
    item.ObservationNumber = item.ReferencedROINumber = number
    item.RTROIIdentificationCodeSequence = DicomSequence([code_item(structure.property_type)])
    item.RTROIInterpretedType, item.ROIInterpreter = structure.interpreted_type, reader
    return item


def decimal_string(value: float) -> str:
    """A number in at most 16 characters, fixed point."""
    whole = len(str(int(value))) + (1 if -1 < value < 0 else 0)
    decimals = min(DECIMALS, 15 - whole)
    if decimals < 3:
        raise ValueError(f"Expected a coordinate in mm, but got {value:g}: it is too large for a decimal string.")
    return f"{round(value, decimals) + 0.0:.{decimals}f}".rstrip("0").rstrip(".")


MAX_POINTS = 5_000_000
"""Points of a structure set beyond this are refused."""

OFF_PLANE = 0.5
"""Largest distance in mm of a contour's points from the plane of its image."""

XOR = "CLOSEDPLANAR_XOR"
_CLOSED = ("CLOSED_PLANAR", XOR)


@dataclass(frozen=True)
class StructureSet:
    """Result of reading.

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
    """Read closed planar contours; contours that are left out are logged.

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
    """Read closed planar contours, and determine which are holes (:mod:`monai_acdr.dicom.regions`).

    A contour belongs to the image that its Contour Image Sequence names; without one, to the only image in whose plane
    it lies. Contours of other kinds (points, open lines) are left out and counted.

    Args:
        path: the file.
        sources: frames that the structure set was drawn on, as :func:`read_sources` gives them.
        structure: label, or number such as ``#2``, of the only ROI to read; by default all that can be read.

    Raises:
        OSError: when the file cannot be opened.
        ValueError: when it is not an RT structure set, has no ROI or several of the given name, or when the ROI, or
            all of them, cannot be read: other images, another frame of reference, or invalid numbers.
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
    """ROIs by number, and the faults of those that cannot be read."""
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
    """Add the contours to their ROIs; return the faults of items that belong to none."""
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
    """The images that contours belong to, and the number of points so far."""

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
            f"ROI #{roi.number}: {count} contour(s) {description}."
            for count, description in (
                (open_contours, "that are not closed and planar"),
                (short, "of less than three points"),
            )
            if count
        ]
        return region, notes

    def _points(self, contour: Dataset) -> np.ndarray:
        """(K, 3) in mm, LPS, without the first point repeated at the end."""
        values = _coordinates(contour, 3 * MAX_POINTS)
        if values is None or len(values) % 3 or (len(values) and not np.abs(values).max() <= LARGEST_COORDINATE):
            raise ValueError(
                f"Expected ContourData to be finite points (x, y, z) in mm, at most {MAX_POINTS}, but {self.path} has "
                f"{'other values' if values is None else f'{len(values)} values'}, or values that are not coordinates."
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
            raise MissingImageError(
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
    """The numbers of ContourData, float64, from its bytes; None when they are not numbers, or more than the limit."""
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
            warnings.simplefilter("error")  # numpy warns of what is not a number, and stops there
            values = np.fromstring(text.decode("ascii"), dtype=np.float64, sep="\\")
    except (ValueError, DeprecationWarning):
        return None
    return values if len(values) == count else None
