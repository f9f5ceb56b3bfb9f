# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""DICOM segmentations (PS3.3 A.51): written with highdicom, and read, including those of other programs.

highdicom distinguishes frames by position alone and refuses cine series, whose phases share positions. It is given such
a series with distinct, made-up positions; the true ones are restored afterwards, with a dimension for time.

A segment is read completely or not at all, and a faulty one does not affect the others, as with the ROIs of
:mod:`monai_acdr.dicom.rtstruct`.
"""

from __future__ import annotations

import copy
import logging
import math
import os
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence as DicomSequence
from pydicom.sr.coding import Code
from pydicom.tag import Tag
from pydicom.uid import UID

from monai_acdr.dicom.elements import code, is_present, items, quiet_values, text
from monai_acdr.dicom.files import check_target, read_dataset, save_dataset
from monai_acdr.dicom.identity import Algorithm, copy_identity, new_uid, without_identity
from monai_acdr.dicom.pixels import stored_frames
from monai_acdr.dicom.plane import frame_plane
from monai_acdr.dicom.reading import broken_file_errors, choose_number, element_integer, element_label, element_text
from monai_acdr.dicom.regions import (
    TISSUE,
    MaskRegion,
    Structure,
    as_regions,
    check_length,
    rasterize_region,
)
from monai_acdr.dicom.rtstruct import decimal_string
from monai_acdr.dicom.source import MissingImageError, SourceFrame, check_sources, reference_frame, slice_numbers
from monai_acdr.dicom.toolkit import require_highdicom, source_errors
from monai_acdr.read_budget import ReadBudget, check_bytes

__all__ = [
    "LABEL_MAP_STORAGE",
    "SEGMENTATION_STORAGE",
    "Segmentation",
    "THRESHOLD",
    "check_seg_sources",
    "index_by_time",
    "plain_geometry",
    "read_seg",
    "read_segmentation",
    "seg_groups",
    "slice_distance",
    "source_of_frame",
    "spread_positions",
    "state_measures",
    "write_seg",
]

_SEGMENT = (Tag("ReferencedSegmentNumber"), Tag("SegmentIdentificationSequence"), "Segment")
_POSITION = (Tag("ImagePositionPatient"), Tag("PlanePositionSequence"), "Slice")
_TIME = (Tag("TemporalPositionIndex"), Tag("FrameContentSequence"), "Phase")

_PLACEHOLDER = 1.0

UNKNOWN_THICKNESS = "Slice thickness not known: distance between slices stated"
"""ContentDescription of segmentations whose SliceThickness is not that of their source; at most 64 characters."""

STEP_TOLERANCE_MM = 0.01
"""Largest difference in mm between the steps of evenly spaced slices."""


def plain_geometry(instances: Sequence[Dataset], sources: Sequence[SourceFrame]) -> None:
    """Write the geometry of frames into headers that are copies, in the one form that highdicom reads.

    highdicom takes pixel measures from the shared functional groups, or the top level, and requires a thickness. An
    unknown thickness gets a placeholder, which :func:`state_measures` removes.
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
    """Give frames that share positions made-up ones, in headers that are copies; others stay unchanged.

    Frames of a multi-frame instance that are not sources get one as well.
    """
    if not _needs_placeholder_positions(sources):
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
    """Restore the true positions in a segmentation made from :func:`spread_positions`, and index its frames by time."""
    if not _needs_placeholder_positions(sources):
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

    Measures that differ between frames are written per frame. The distance between neighboring slices is written where
    it is constant: without it dcmqi uses SliceThickness, and misplaces slices that have gaps between them. PS3.3
    C.7.6.16.2.1 requires a thickness in each segmentation with a frame of reference. Where the thickness of the source
    is unknown, this distance is used, and ContentDescription says so; without a distance it is left out.
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
    """Distance between neighboring slices in mm, None unless it is constant."""
    one = dict(zip(slice_numbers(sources), sources, strict=True))
    steps = np.diff(sources[0].distance(np.array([one[number].position for number in sorted(one)])))
    return round(float(steps.mean()), 6) if len(steps) and np.ptp(steps) <= STEP_TOLERANCE_MM else None


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


def _needs_placeholder_positions(sources: Sequence[SourceFrame]) -> bool:
    """Whether frames share positions, or belong to an instance with other frames, which may have no position."""
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


THRESHOLD = 0.5
"""A pixel belongs to a BINARY segment when at least this share of it is covered."""

DIRECTION_TOLERANCE = 1e-5
"""Largest difference of direction cosines of parallel images: they are written in six decimals and fewer."""

_GROUPS = "PerFrameFunctionalGroupsSequence"
_CROSS_SECTIONS = ("MR", "CT", "PT", "NM")
"""Modalities whose images have a frame of reference (PS3.3 A.3 and following)."""

LEVELS = 255
"""MaximumFractionalValue of FRACTIONAL segmentations."""


def write_seg(
    path: str | os.PathLike[str],
    regions: Sequence[Any],
    sources: Sequence[SourceFrame],
    kind: str = "BINARY",
    structure: Structure | None = None,
    algorithm: Algorithm | None = None,
    series_number: int = 902,
    overwrite: bool = False,
) -> Path:
    """Write masks, or exactly rasterized contours, on the grid of their images.

    Frames in which a segment is empty are left out. Phases of a cine series, which share their positions, are told
    apart by TemporalPositionIndex, a separate dimension.

    Args:
        path: file to write; nothing about the patient is added to its name.
        regions: :class:`MaskRegion`s, each a segment; or contours in any form that :func:`as_regions` takes.
        sources: frames of one series, of one size; exactly one frame when they have no frame of reference.
        kind: ``BINARY`` (coverage >= 0.5) or ``FRACTIONAL`` (coverage as OCCUPANCY in 255 levels).
        structure: the structure that plain contours outline.
        algorithm: what made them.
        series_number: of the new series.
        overwrite: replace an existing file.

    Returns:
        The path.

    Raises:
        FileExistsError: when the file exists and `overwrite` is false.
        ImportError: when highdicom cannot be imported.
        ValueError: for masks, contours or sources that do not fit.
    """
    path, algorithm = check_target(path, overwrite), algorithm or Algorithm()
    if kind not in ("BINARY", "FRACTIONAL"):
        raise ValueError(f"Expected `kind` to be 'BINARY' or 'FRACTIONAL', but got {kind!r}.")
    check_sources(sources)
    check_seg_sources(sources)
    highdicom = require_highdicom("Writing a DICOM segmentation")
    segments = _segments(regions, sources, structure)
    instead = "write contours or masks in another format"
    with quiet_values(), source_errors("a DICOM segmentation", sources[0].path, instead):
        array, instances = _pixels(segments, sources, kind)
        if sources[0].has_place:
            plain_geometry(instances, sources)
            spread_positions(instances, sources)
        result = highdicom.seg.Segmentation(
            source_images=instances,
            pixel_array=array,
            segmentation_type=kind,
            fractional_type="OCCUPANCY",
            max_fractional_value=LEVELS,
            segment_descriptions=[_describe(highdicom, n, s, algorithm) for n, s in enumerate(segments, start=1)],
            series_instance_uid=new_uid(),
            series_number=series_number,
            sop_instance_uid=new_uid(),
            instance_number=1,
            manufacturer=algorithm.manufacturer,
            manufacturer_model_name=algorithm.model_name,
            software_versions=algorithm.software_version,
            device_serial_number=algorithm.serial_number,
            content_label="ACDR",
            series_description=f"Segmentation, {kind.lower()}",
        )
        if sources[0].has_place:
            index_by_time(result, sources)
            state_measures(result, sources)
        if not sources[0].has_place:
            result.PatientOrientation = sources[0].header.get("PatientOrientation", "")  # type 2C, PS3.3 C.7.6.1
        result.ContentCreatorName = algorithm.reader  # type 2, PS3.3 table 10-12
        copy_identity(sources[0].header, result)
        return save_dataset(result, path, overwrite)


def _is_multi_frame_class(source: SourceFrame) -> bool:
    """Whether objects of this class may have several frames: highdicom decides by the class."""
    name = UID(text(source.header, "SOPClassUID")).name
    return any(word in name for word in ("Enhanced", "Multi-frame"))


def seg_groups(sources: Sequence[SourceFrame]) -> list[list[int]]:
    """Indices of the frames of each segmentation, since one can refer to one series only.

    Several frames without a position in the patient have one each.
    """
    if len(sources) > 1 and not all(source.has_place for source in sources):
        return [[index] for index in range(len(sources))]
    groups: dict[str, list[int]] = {}
    for index, source in enumerate(sources):
        groups.setdefault(str(source.header.SeriesInstanceUID), []).append(index)
    return list(groups.values())


def check_seg_sources(sources: Sequence[SourceFrame]) -> None:
    """Raise an error unless one segmentation can refer to these frames.

    Raises:
        ValueError: for several series, sizes, frames of reference or objects of a multi-frame class, even with a single
            frame each; for planes that are not parallel; for several frames without a position in the patient; and for
            cross sections with a position but no frame of reference, which PS3.3 requires.
    """
    if len({str(source.header.SeriesInstanceUID) for source in sources}) > 1:
        raise ValueError(
            "Expected images of one series, but got several: write one for each series, as segment --seg does, and "
            "convert to a folder with --to seg."
        )
    if len({(source.size, source.frame_of_reference) for source in sources}) > 1:
        raise ValueError("Expected images of one size and one frame of reference, but got several: split the series.")
    instances = {source.key[0] for source in sources}
    enhanced = [source for source in sources if source.num_frames > 1 or _is_multi_frame_class(source)]
    if len(instances) > 1 and enhanced:
        raise ValueError(
            "Expected one enhanced or multi-frame object for a segmentation, since highdicom refers to one only, but "
            f"got {len(instances)} files, such as {enhanced[0].path}: write an RT structure set or masks instead "
            "(--rtstruct, --mask), or a segmentation for each file in a separate run."
        )
    unplaced = next((source for source in sources if not source.has_place), None)
    if unplaced is not None and (unplaced.position or code(unplaced.header, "Modality") in _CROSS_SECTIONS):
        raise ValueError(
            f"Expected cross sections with a place in the patient for a segmentation, but {unplaced.path} lacks "
            f"{', '.join(unplaced.lacking)}: write a mask or a report instead (--mask, --sr)."
        )
    if unplaced is not None and (len(instances) > 1 or unplaced.num_frames > 1):
        raise ValueError(
            f"Expected a single frame where there is no place in the patient, as {unplaced.path} lacks "
            f"{', '.join(unplaced.lacking)}: write a segmentation for each image, of several frames a mask or a report "
            "(--mask, --sr)."
        )
    directions = np.array([source.orientation or (0.0,) * 6 for source in sources])
    if np.ptp(directions, axis=0).max() > DIRECTION_TOLERANCE:
        raise ValueError(
            "Expected parallel images for a segmentation, but ImageOrientationPatient varies: split the series, or "
            "write an RT structure set, in which each contour has its own plane (--rtstruct)."
        )


def _segments(regions: Sequence[Any], sources: Sequence[SourceFrame], structure: Structure | None) -> list[MaskRegion]:
    segments = list(regions)
    if not segments or not all(isinstance(segment, MaskRegion) for segment in segments):
        segments = [rasterize_region(region, sources) for region in as_regions(regions, sources, structure)]
    for segment in segments:
        check_length(segment.masks, sources)
        for mask, source in zip(segment.masks, sources, strict=True):
            if mask is None:
                continue
            if mask.shape != source.size or not (mask.min() >= 0 and mask.max() <= 1):
                raise ValueError(
                    f"Expected the mask of {source.path} to be {source.size} with values in [0, 1], but got "
                    f"{mask.shape}."
                )
    return segments


def _pixels(
    segments: Sequence[MaskRegion], sources: Sequence[SourceFrame], kind: str
) -> tuple[np.ndarray, list[Dataset]]:
    """(F, H, W, S) for the frames of the source instances, and these instances without the patient's identity.

    BINARY: uint8. FRACTIONAL: float32, rounded to the levels that will be written.
    """
    many = sources[0].num_frames
    slots = [source.frame - 1 for source in sources] if many > 1 else list(range(len(sources)))
    shape = (many if many > 1 else len(sources), *sources[0].size, len(segments))
    dtype = np.dtype(np.uint8 if kind == "BINARY" else np.float32)
    check_bytes("the segments of all frames", math.prod(shape) * dtype.itemsize)
    # Segments lie one after the other in memory: highdicom adds them up pixel by pixel, which along an axis of two or
    # three numbers takes ten times as long.
    array = np.moveaxis(np.zeros((shape[-1], *shape[:-1]), dtype=dtype), 0, -1)
    for channel, segment in enumerate(segments):
        for slot, mask in zip(slots, segment.masks, strict=True):
            if mask is not None:
                array[slot, ..., channel] = mask >= THRESHOLD if kind == "BINARY" else np.round(mask * LEVELS) / LEVELS
    if not array.any():
        raise ValueError("Expected at least one pixel in a segment, but all are empty: there is nothing to write.")
    return array, _instances(sources)


def _instances(sources: Sequence[SourceFrame]) -> list[Dataset]:
    """Headers of the instances, copies without the patient's identity, in one frame of reference."""
    headers = {}
    for source in sources:
        if source.key[0] not in headers:
            headers[source.key[0]] = header = without_identity(source.header)
            if source.frame_of_reference:
                header.FrameOfReferenceUID = source.frame_of_reference
    instances = list(headers.values())
    _state_compression(instances)
    return instances


_LOSSY = ("LossyImageCompressionRatio", "LossyImageCompressionMethod")
_LOSSY_SYNTAXES = tuple(f"1.2.840.10008.1.2.4.{number}" for number in (50, 51, 81))
"""JPEG Baseline and Extended, and near-lossless JPEG-LS: no lossless ones."""


def _state_compression(instances: Sequence[Dataset]) -> None:
    """Write into the first header, from which highdicom copies it, whether any image was compressed with losses.

    LossyImageCompression is type 1 in segmentations (PS3.3 C.8.20.2), type 3 and often empty in images.
    """
    lossy = [
        header
        for header in instances
        if code(header, "LossyImageCompression") == "01"
        or text(header.file_meta, "TransferSyntaxUID") in _LOSSY_SYNTAXES
    ]
    elements = [lossy[0][keyword] for keyword in _LOSSY if lossy and is_present(lossy[0], keyword)]
    for keyword in _LOSSY:
        instances[0].pop(keyword, None)
    instances[0].LossyImageCompression = "01" if lossy else "00"
    for element in elements:
        instances[0].add(element)


def _describe(highdicom: Any, number: int, segment: MaskRegion, algorithm: Algorithm) -> Any:
    structure = segment.structure or TISSUE
    identification = highdicom.AlgorithmIdentificationSequence(
        name=algorithm.name,
        family=algorithm.family,
        version=algorithm.version,
        source=algorithm.manufacturer,
        parameters=dict(algorithm.parameters) or None,
    )
    description = highdicom.seg.SegmentDescription(
        segment_number=number,
        segment_label=structure.label,
        segmented_property_category=structure.category,
        segmented_property_type=structure.property_type,
        algorithm_type=segment.generation,
        algorithm_identification=None if segment.generation == "MANUAL" else identification,
        tracking_uid=str(segment.tracking_uid),
        tracking_id=structure.label,
        anatomic_regions=[structure.region] if structure.region else None,
    )
    description.RecommendedDisplayCIELabValue = cielab(structure.color)
    return description


def cielab(color: tuple[int, int, int]) -> list[int]:
    """(R, G, B) of sRGB as DICOM's CIELab, three numbers of 16 bits (PS3.3 C.10.7.1.1; white point D65)."""
    rgb = np.array(color) / 255
    linear = np.where(rgb > 0.04045, ((rgb + 0.055) / 1.055) ** 2.4, rgb / 12.92)
    matrix = [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]]
    xyz = np.array(matrix) @ linear / [0.95047, 1.0, 1.08883]
    f = np.where(xyz > (6 / 29) ** 3, np.cbrt(xyz), xyz / (3 * (6 / 29) ** 2) + 4 / 29)
    lightness, a, b = 116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])
    return [round(lightness / 100 * 65535), round((a + 128) / 255 * 65535), round((b + 128) / 255 * 65535)]


SEGMENTATION_STORAGE = UID("1.2.840.10008.5.1.4.1.1.66.4")
LABEL_MAP_STORAGE = UID("1.2.840.10008.5.1.4.1.1.66.7")

POSITION_TOLERANCE_MM = 0.01
"""Largest difference in mm between a frame's place and that of its source, for both to have the same grid."""

_KINDS = ("BINARY", "FRACTIONAL", "LABELMAP")

_logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Segmentation:
    """Result of reading.

    Attributes:
        regions: a region for each segment that could be read, by the order in the file.
        left_out: segments that were not read, with the reason.
        notes: remarks that the masks do not show.
    """

    regions: tuple[MaskRegion, ...]
    left_out: tuple[str, ...]
    notes: tuple[str, ...] = ()


def read_seg(
    path: str | os.PathLike[str], sources: Sequence[SourceFrame], structure: str | None = None
) -> list[MaskRegion]:
    """Read a segmentation whose frames have the grid of their source images; segments left out are logged.

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
        # Label maps name their background, where it is not 0 (PS3.3 C.8.20.2).
        self.background = element_integer(dataset, "PixelPaddingValue", path, 0) if self.kind == "LABELMAP" else None
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
                elif segment not in self.numbers and segment != self.background:
                    problem = f"{self.path} has one of a segment #{segment}"
                    self.faults[segment] = ValueError(f"Expected frames of segments of the file, but {problem}.")

    def result(self) -> Segmentation:
        """The result; an error with the reason when nothing could be read."""
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
            if number == self.background:
                continue
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
        """Check that the header describes a readable segmentation; return its number of frames."""
        count = element_integer(self.dataset, "NumberOfFrames", self.path, 0)
        bits = element_integer(self.dataset, "BitsAllocated", self.path, 0)
        samples = element_integer(self.dataset, "SamplesPerPixel", self.path, 1)
        if self.kind not in _KINDS or min(count, *self.size) < 1 or bits not in (1, 8, 16) or samples != 1:
            raise ValueError(
                f"Expected a segmentation of type {', '.join(_KINDS)} with frames of 1, 8 or 16 bits, but {self.path} "
                "is not one."
            )
        parts = element_integer(self.dataset, "InConcatenationTotalNumber", self.path, 0)
        if element_text(self.dataset, "ConcatenationUID", self.path) and parts != 1:
            raise ValueError(
                f"Expected a whole segmentation, but {self.path} is one of {parts or 'several'} parts of a "
                "concatenation: have it exported as one object."
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
        """Index of the source with the grid of a frame: the one that it names, otherwise the only one in its place."""
        holders = (item, *self.shared)
        derivations = next(filter(None, (items(one, "DerivationImageSequence", self.path) for one in holders)), ())
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
        raise MissingImageError(
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
        return np.nonzero(away <= 10 * POSITION_TOLERANCE_MM)[0].tolist()

    def _differences(self, place: tuple, source: SourceFrame) -> list[str]:
        """How a frame differs from a source: empty when their corners coincide, or neither has a position."""
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
        if np.abs(frame.to_world(corners) - source.to_world(corners)).max() <= POSITION_TOLERANCE_MM:
            return []
        pairs = {
            "spacing": np.subtract(spacing, source.spacing or ()) * max(source.size),
            "orientation": np.subtract(orientation, source.orientation or ()) * max(source.size),
            "position": np.subtract(position, source.position or ()),
        }
        return [name for name, values in pairs.items() if np.abs(values).max() > POSITION_TOLERANCE_MM / 2] or [
            "position"
        ]
