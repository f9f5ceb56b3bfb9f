# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""RT structure sets, ours and others', as contours in pixels of their images. What is read may be hostile."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from pydicom.dataset import Dataset

from monai_acdr.dicom.files import quiet_values, read_dataset
from monai_acdr.dicom.regions import LARGEST_COORDINATE, Region
from monai_acdr.dicom.rtstruct import RT_STRUCTURE_SET_STORAGE
from monai_acdr.dicom.source import SourceFrame, check_sources, reference_frame
from monai_acdr.dicom.structures import BREAST_MASS, LV_BLOOD_POOL, LV_ENDOCARDIUM, LV_EPICARDIUM, TISSUE, Structure

__all__ = ["read_rtstruct"]

MAX_POINTS = 5_000_000
"""Points of a structure set beyond this are refused."""

OFF_PLANE = 0.5
"""Largest distance in mm of a contour's points from the plane of its image."""

_KNOWN = (LV_ENDOCARDIUM, LV_BLOOD_POOL, LV_EPICARDIUM, BREAST_MASS)

_logger = logging.getLogger(__name__)


def read_rtstruct(path: str | os.PathLike[str], sources: Sequence[SourceFrame]) -> list[Region]:
    """Read closed planar contours.

    A contour belongs to the image that its Contour Image Sequence names; without one, to the only image in whose plane
    it lies. Contours of other kinds (points, open lines) are left out and counted in one log message.

    Args:
        path: the file.
        sources: frames that the structure set was drawn on, as :func:`read_sources` gives them.

    Returns:
        A region for each ROI, with contours in pixels of each source; ROIs without contours are empty.

    Raises:
        OSError: when the file cannot be opened.
        ValueError: when it is no RT structure set, names images or a frame of reference that are not among `sources`,
            or holds numbers that make no sense.
    """
    path = Path(path)
    check_sources(sources)
    dataset = read_dataset(path, header_only=False)
    if str(dataset.get("SOPClassUID")) != RT_STRUCTURE_SET_STORAGE:
        raise ValueError(f"Expected an RT structure set, but {path} is of SOP class {dataset.get('SOPClassUID')}.")
    indices = {source.key: index for index, source in enumerate(sources)}
    with quiet_values():
        rois = _rois(dataset, path)
        contours: dict[int, list[list[np.ndarray]]] = {number: [[] for _ in sources] for number in rois}
        skipped = points = 0
        for item in dataset.get("ROIContourSequence") or []:
            number = _integer(item, "ReferencedROINumber", path)
            if number not in rois:
                raise ValueError(f"Expected contours of an ROI of the file, but {path} has some of an ROI {number}.")
            for contour in item.get("ContourSequence") or []:
                if contour.get("ContourGeometricType") != "CLOSED_PLANAR":
                    skipped += 1
                    continue
                world = _points(contour, path)
                points += len(world)
                if points > MAX_POINTS:
                    raise ValueError(f"Expected at most {MAX_POINTS} points, but {path} has more.")
                index = _image_of(contour, world, sources, indices, path)
                contours[number][index].append(_in_plane(world, sources[index], rois[number][1], path))
    if skipped:
        _logger.warning("Left out %d contours of %s that are not closed and planar.", skipped, path)
    return [Region(rois[number][0], tuple(map(tuple, entries))) for number, entries in contours.items()]


def _rois(dataset: Dataset, path: Path) -> dict[int, tuple[Structure, str]]:
    """ROI number -> its structure, and its frame of reference or an empty string."""
    codes = {}
    for item in dataset.get("RTROIObservationsSequence") or []:
        identification = item.get("RTROIIdentificationCodeSequence") or [Dataset()]
        codes[_integer(item, "ReferencedROINumber", path)] = str(identification[0].get("CodeValue") or "")
    rois: dict[int, tuple[Structure, str]] = {}
    for item in dataset.get("StructureSetROISequence") or []:
        number = _integer(item, "ROINumber", path)
        label = str(item.get("ROIName") or "").strip()[:64] or f"ROI {number}"
        known = next((structure for structure in _KNOWN if structure.property_type.value == codes.get(number)), TISSUE)
        structure = Structure(label, known.category, known.property_type, known.region, known.interpreted_type)
        rois[number] = structure, str(item.get("ReferencedFrameOfReferenceUID") or "")
    if not rois:
        raise ValueError(f"Expected at least one ROI, but {path} has none.")
    return rois


def _integer(item: Dataset, keyword: str, path: Path) -> int:
    try:
        return int(str(item.get(keyword)))
    except ValueError:
        raise ValueError(f"Expected {keyword} to be an integer, but {path} has something else.") from None


def _points(contour: Dataset, path: Path) -> np.ndarray:
    """(K, 3) in mm, LPS."""
    try:
        values = np.array([float(value) for value in contour.get("ContourData") or []])
    except (TypeError, ValueError):
        values = np.full(3, np.nan)
    if len(values) % 3 or len(values) < 9 or not np.abs(values).max() <= LARGEST_COORDINATE:
        raise ValueError(
            f"Expected ContourData to be at least three finite points (x, y, z) in mm, but {path} has {len(values)} "
            "values, or values that are no coordinates."
        )
    return values.reshape(-1, 3)


def _image_of(
    contour: Dataset,
    points: np.ndarray,
    sources: Sequence[SourceFrame],
    indices: Mapping[tuple[str, int], int],
    path: Path,
) -> int:
    references = contour.get("ContourImageSequence") or []
    if references:
        instance = str(references[0].get("ReferencedSOPInstanceUID") or "")
        frame = reference_frame(references[0])
        index = indices.get((instance, frame))
        if index is None:
            raise ValueError(
                f"Expected the images of {path} among the sources, but instance {instance}, frame {frame}, is not "
                "there: give all files of the series that it was drawn on."
            )
        return index
    matches = [
        index
        for index, source in enumerate(sources)
        if source.has_place and float(np.abs(source.distance(points)).max()) <= OFF_PLANE
    ]
    if len(matches) != 1:
        raise ValueError(
            f"Expected each contour of {path} to name its image or to lie in the plane of one of them, but one names "
            f"none and lies in the planes of {len(matches)}."
        )
    return matches[0]


def _in_plane(points: np.ndarray, source: SourceFrame, reference: str, path: Path) -> np.ndarray:
    """(K, 2) pixels of points that lie in the image's plane."""
    known = ("", source.frame_of_reference, str(source.header.get("FrameOfReferenceUID")))
    if not source.has_place or reference not in known:
        raise ValueError(
            f"Expected the contours of {path} in the frame of reference of {source.path}, but they are in another one."
        )
    away = float(np.abs(source.distance(points)).max())
    if away > OFF_PLANE:
        raise ValueError(
            f"Expected the contours of {path} in the planes of their images, but one is {away:.2f} mm off "
            f"{source.path}."
        )
    return source.to_pixel(points)
