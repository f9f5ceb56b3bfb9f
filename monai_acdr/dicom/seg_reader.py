# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""DICOM segmentations, ours and others', as masks on the grid of their images. What is read may be hostile."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from pydicom.dataset import Dataset
from pydicom.sr.coding import Code
from pydicom.uid import UID

from monai_acdr.dicom.files import quiet_values, read_dataset
from monai_acdr.dicom.identity import new_uid
from monai_acdr.dicom.plane import frame_plane
from monai_acdr.dicom.regions import MaskRegion
from monai_acdr.dicom.seg_frames import source_of_frame
from monai_acdr.dicom.source import SourceFrame, check_sources
from monai_acdr.dicom.structures import TISSUE, Structure

__all__ = ["SEGMENTATION_STORAGE", "read_seg"]

SEGMENTATION_STORAGE = UID("1.2.840.10008.5.1.4.1.1.66.4")

MAX_VALUES = 1 << 31
"""Pixels of all frames together; more are refused."""

SAME_PLACE = 0.01
"""Largest difference in mm between a frame's place and that of its source, for both to have the same grid."""


def read_seg(path: str | os.PathLike[str], sources: Sequence[SourceFrame]) -> list[MaskRegion]:
    """Read a segmentation whose frames have the grid of their source images.

    Args:
        path: the file, BINARY or FRACTIONAL.
        sources: frames that it was made from, as :func:`read_sources` gives them.

    Returns:
        A region for each segment: masks (H, W) float32 in [0, 1], None where the file has no frame.

    Raises:
        OSError: when the file cannot be opened.
        ValueError: when it is no segmentation, belongs to other images, has another grid, or is broken.
    """
    path = Path(path)
    check_sources(sources)
    dataset = read_dataset(path, header_only=False)
    if str(dataset.get("SOPClassUID")) != SEGMENTATION_STORAGE:
        raise ValueError(f"Expected a DICOM segmentation, but {path} is of SOP class {dataset.get('SOPClassUID')}.")
    with quiet_values():
        frames = _frames(dataset, path)
        structures = _structures(dataset, path)
        masks: dict[int, list[np.ndarray | None]] = {number: [None] * len(sources) for number in structures}
        per_frame = dataset.get("PerFrameFunctionalGroupsSequence") or []
        if len(per_frame) != len(frames):
            raise ValueError(f"Expected functional groups for {len(frames)} frames, but {path} has {len(per_frame)}.")
        for number, (item, pixels) in enumerate(zip(per_frame, frames, strict=True), start=1):
            segment = _segment_number(dataset, item)
            if segment not in masks:
                raise ValueError(f"Expected frames of segments of the file, but {path} has one of a segment {segment}.")
            index = _source_index(dataset, item, number, sources, path)
            if masks[segment][index] is not None:
                raise ValueError(f"Expected one frame for a segment and an image, but {path} has two (frame {number}).")
            masks[segment][index] = pixels
    return [_region(structures[number], layers) for number, layers in masks.items()]


def _region(described: tuple[Structure, str], layers: list[np.ndarray | None]) -> MaskRegion:
    return MaskRegion(described[0], tuple(layers), described[1])


def _frames(dataset: Dataset, path: Path) -> np.ndarray:
    """(F, H, W) float32 in [0, 1]."""
    kind = dataset.get("SegmentationType")
    count = int(dataset.get("NumberOfFrames") or 0)
    size = int(dataset.get("Rows") or 0), int(dataset.get("Columns") or 0)
    if kind not in ("BINARY", "FRACTIONAL") or min(count, *size) < 1:
        raise ValueError(f"Expected a BINARY or FRACTIONAL segmentation with frames, but {path} is none.")
    if count * size[0] * size[1] > MAX_VALUES:
        raise ValueError(f"Expected at most {MAX_VALUES} pixels, but {path} says {count} frames of {size}.")
    try:
        pixels = dataset.pixel_array.reshape(count, *size)
    except Exception as error:  # pydicom and its decoders raise whatever comes up
        raise ValueError(
            f"Expected readable pixels, but those of {path} are broken ({type(error).__name__})."
        ) from None
    if kind == "BINARY":
        return (pixels != 0).astype(np.float32)
    largest = int(dataset.get("MaximumFractionalValue") or 0)
    if largest < 1 or pixels.max() > largest:
        raise ValueError(
            f"Expected fractions up to MaximumFractionalValue, but {path} has {pixels.max()} of {largest}."
        )
    return pixels.astype(np.float32) / np.float32(largest)


def _structures(dataset: Dataset, path: Path) -> dict[int, tuple[Structure, str]]:
    """Segment number -> structure and tracking UID."""
    found: dict[int, tuple[Structure, str]] = {}
    for item in dataset.get("SegmentSequence") or []:
        number = int(item.get("SegmentNumber") or 0)
        label = str(item.get("SegmentLabel") or "").strip()[:64] or f"Segment {number}"
        category = _code(item, "SegmentedPropertyCategoryCodeSequence") or TISSUE.category
        kind = _code(item, "SegmentedPropertyTypeCodeSequence") or TISSUE.property_type
        structure = Structure(label, category, kind, _code(item, "AnatomicRegionSequence"))
        found[number] = structure, str(item.get("TrackingUID") or new_uid())
    if not found:
        raise ValueError(f"Expected at least one segment, but {path} has none.")
    return found


def _code(item: Dataset, keyword: str) -> Code | None:
    sequence = item.get(keyword)
    if not sequence:
        return None
    keywords = ("CodeValue", "CodingSchemeDesignator", "CodeMeaning")
    return Code(*(str(sequence[0].get(part) or "") for part in keywords))


def _segment_number(dataset: Dataset, item: Dataset) -> int:
    for holder in (item, *(dataset.get("SharedFunctionalGroupsSequence") or [])[:1]):
        identification = holder.get("SegmentIdentificationSequence")
        if identification:
            return int(identification[0].get("ReferencedSegmentNumber") or 0)
    return 0


def _source_index(dataset: Dataset, item: Dataset, number: int, sources: Sequence[SourceFrame], path: Path) -> int:
    """Index of the source with the grid of a frame: the one that it names, else the only one in its place."""
    named = source_of_frame(item, sources)
    place = frame_plane(dataset, number, str(path))
    fits = [i for i, source in enumerate(sources) if _same_grid(dataset, place, source)]
    if named is not None and named not in fits:
        raise ValueError(
            f"Expected the frames of {path} on the grid of their images, but frame {number} differs from "
            f"{sources[named].path} in size, spacing, orientation or position: resample it first."
        )
    if named is not None:
        return named
    if item.get("DerivationImageSequence") or len(fits) != 1 or not sources[fits[0]].has_place:
        raise ValueError(
            f"Expected the images of {path} among the sources, but frame {number} names none of them and lies in the "
            f"place of {len(fits)}: give all files of the series that it was made from."
        )
    return fits[0]


def _same_grid(dataset: Dataset, place: tuple, source: SourceFrame) -> bool:
    """Whether the corners of a frame and of a source are in the same place, or neither has one."""
    if (int(dataset.Rows), int(dataset.Columns)) != source.size:
        return False
    spacing, orientation, position = place
    if orientation is None or position is None or not source.has_place:
        return not source.has_place
    known = (source.frame_of_reference, str(source.header.get("FrameOfReferenceUID")))
    if str(dataset.get("FrameOfReferenceUID") or "") not in known or spacing is None:
        return False
    height, width = source.size
    corners = np.array([[0, 0], [width, 0], [0, height]], dtype=np.float64)
    frame = SourceFrame(source.path, source.header, 1, 1, source.size, spacing, orientation, position, None)
    return bool(np.abs(frame.to_world(corners) - source.to_world(corners)).max() <= SAME_PLACE)
