# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Masks as a DICOM segmentation (PS3.3 A.51), BINARY or FRACTIONAL, built with highdicom."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from pydicom.dataset import Dataset
from pydicom.uid import UID

from monai_acdr.dicom.elements import code, quiet_values, text
from monai_acdr.dicom.files import check_target, save_dataset
from monai_acdr.dicom.identity import Algorithm, copy_identity, new_uid, without_identity
from monai_acdr.dicom.regions import MaskRegion, as_regions, check_length, rasterize_region
from monai_acdr.dicom.seg_frames import index_by_time, plain_geometry, spread_positions, state_measures
from monai_acdr.dicom.source import SourceFrame, check_sources
from monai_acdr.dicom.structures import LV_ENDOCARDIUM, Structure
from monai_acdr.dicom.toolkit import require_highdicom, source_errors
from monai_acdr.read_budget import check_bytes

__all__ = ["THRESHOLD", "check_seg_sources", "write_seg"]

THRESHOLD = 0.5
"""A pixel belongs to a BINARY segment when at least this share of it is covered."""

SAME_DIRECTION = 1e-5
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
    """Write masks, or contours rasterized exactly, on the grid of their images.

    Frames in which a segment is empty are left out. Phases of a cine series, which share their positions, are told
    apart by TemporalPositionIndex, a dimension of its own.

    Args:
        path: file to write; its name is yours, nothing of the patient is put there.
        regions: :class:`MaskRegion`s, each a segment; or contours in any form that :func:`as_regions` takes.
        sources: frames of one series, of one size; exactly one frame when they have no frame of reference.
        kind: ``BINARY`` (coverage >= 0.5) or ``FRACTIONAL`` (coverage as OCCUPANCY in 255 levels).
        structure: what plain contours show.
        algorithm: what made them.
        series_number: of the new series.
        overwrite: replace an existing file.

    Returns:
        The path.

    Raises:
        FileExistsError: when the file exists and `overwrite` is false.
        ImportError: without highdicom.
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
        result.ContentCreatorName = ""  # type 2, PS3.3 table 10-12
        copy_identity(sources[0].header, result)
        return save_dataset(result, path, overwrite)


def _is_multi_frame_class(source: SourceFrame) -> bool:
    """Whether objects of this class may have several frames, which is what highdicom goes by."""
    name = UID(text(source.header, "SOPClassUID")).name
    return any(word in name for word in ("Enhanced", "Multi-frame"))


def check_seg_sources(sources: Sequence[SourceFrame]) -> None:
    """Raise an error unless one segmentation can refer to these frames.

    Raises:
        ValueError: for several series, sizes, frames of reference or objects of a multi-frame class, even if these
            have a frame each; for planes that are not
            parallel; for several frames without a place in the patient; and for cross sections that have a place but
            no frame of reference, which PS3.3 asks of them.
    """
    if len({str(source.header.SeriesInstanceUID) for source in sources}) > 1:
        raise ValueError("Expected images of one series, but got several: write a segmentation for each series.")
    if len({(source.size, source.frame_of_reference) for source in sources}) > 1:
        raise ValueError("Expected images of one size and one frame of reference, but got several: split the series.")
    instances = {source.key[0] for source in sources}
    enhanced = [source for source in sources if source.num_frames > 1 or _is_multi_frame_class(source)]
    if len(instances) > 1 and enhanced:
        raise ValueError(
            "Expected one enhanced or multi-frame object for a segmentation, since highdicom refers to one only, but "
            f"got {len(instances)} files, such as {enhanced[0].path}: write an RT structure set or masks instead "
            "(--rtstruct, --mask), or a segmentation for each file in a run of its own."
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
    if np.ptp(directions, axis=0).max() > SAME_DIRECTION:
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
    array = np.zeros(shape, dtype=dtype)
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
    return list(headers.values())


def _describe(highdicom: Any, number: int, segment: MaskRegion, algorithm: Algorithm) -> Any:
    structure = segment.structure or LV_ENDOCARDIUM
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
        algorithm_type="AUTOMATIC",
        algorithm_identification=identification,
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
