# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Contours as an RT structure set (PS3.3 A.19): straight from the vertices, no raster in between."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence as DicomSequence
from pydicom.uid import UID

from monai_acdr.dicom.elements import quiet_values
from monai_acdr.dicom.files import check_target, choose_transfer_syntax, save_dataset
from monai_acdr.dicom.identity import Algorithm, new_result
from monai_acdr.dicom.regions import Region, as_regions
from monai_acdr.dicom.rings import find_holes, join_keyholes
from monai_acdr.dicom.source import SourceFrame, check_sources
from monai_acdr.dicom.structures import Structure, code_item
from monai_acdr.dicom.toolkit import source_errors

__all__ = ["RT_STRUCTURE_SET_STORAGE", "write_rtstruct"]

RT_STRUCTURE_SET_STORAGE = UID("1.2.840.10008.5.1.4.1.1.481.3")
_STUDY_CLASS = UID("1.2.840.10008.3.1.2.3.1")
"""Detached Study Management: retired, and still what the RT Referenced Study Sequence asks for."""

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

    Holes become part of the contour around them, by the "keyhole" technique (PS3.3 C.8.8.6.3), which every reader
    draws right.

    Args:
        path: file to write; its name is yours, nothing of the patient is put there.
        contours: see :func:`as_regions`. Each region becomes an ROI.
        sources: frames of one study and one frame of reference, as :func:`read_sources` gives them.
        structure: what plain contours show.
        algorithm: what made them.
        label: StructureSetLabel, at most 16 characters.
        series_number: of the new series.
        overwrite: replace an existing file.

    Returns:
        The path.

    Raises:
        FileExistsError: when the file exists and `overwrite` is false.
        ValueError: for contours or sources that do not fit, above all images without a place in the patient.
    """
    path, algorithm = check_target(path, overwrite), algorithm or Algorithm()
    if not 1 <= len(label) <= 16:
        raise ValueError(f"Expected `label` to have 1 to 16 characters, but got {label!r}.")
    check_sources(sources)
    reference = _frame_of_reference(sources)
    regions = as_regions(contours, sources, structure)
    with quiet_values(), source_errors("an RT structure set", sources[0].path, "leave out --rtstruct"):
        numbered = list(enumerate(regions, start=1))
        drawn = DicomSequence(_contours(number, region, sources) for number, region in numbered)
        identity = sources[0].header, algorithm, series_number, "Contours", choose_transfer_syntax(_lengths(drawn))
        result = new_result(RT_STRUCTURE_SET_STORAGE, "RTSTRUCT", *identity)
        now = datetime.now()
        result.StructureSetLabel, result.ApprovalStatus = label, "UNAPPROVED"
        result.StructureSetDate, result.StructureSetTime = now.strftime("%Y%m%d"), now.strftime("%H%M%S")
        result.FrameOfReferenceUID, result.PositionReferenceIndicator = reference, ""
        result.ReferencedFrameOfReferenceSequence = DicomSequence([_referenced_images(sources, reference)])
        result.StructureSetROISequence = DicomSequence(_roi(n, r, reference, algorithm) for n, r in numbered)
        result.ROIContourSequence = drawn
        result.RTROIObservationsSequence = DicomSequence(_observation(n, region.structure) for n, region in numbered)
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
    item.ROIName, item.ROIGenerationAlgorithm = region.structure.label, "AUTOMATIC"
    item.ROIGenerationDescription = f"{algorithm.name} {algorithm.version}"[:64]
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
            item.ContourData = [decimal_string(value) for value in source.to_world(vertices).ravel()]
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
            yield sum(len(str(value)) + 1 for value in item.ContourData)


def _observation(number: int, structure: Structure) -> Dataset:
    item = Dataset()
    item.ObservationNumber = item.ReferencedROINumber = number
    item.RTROIIdentificationCodeSequence = DicomSequence([code_item(structure.property_type)])
    item.RTROIInterpretedType, item.ROIInterpreter = structure.interpreted_type, ""
    return item


def decimal_string(value: float) -> str:
    """A number in at most 16 characters, fixed point."""
    whole = len(f"{int(np.trunc(value))}") + (1 if -1 < value < 0 else 0)
    decimals = min(DECIMALS, 15 - whole)
    if decimals < 3:
        raise ValueError(f"Expected a coordinate in mm, but got {value:g}: it is too large for a decimal string.")
    return f"{round(value, decimals) + 0.0:.{decimals}f}".rstrip("0").rstrip(".")
