# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Regions: a structure with its contours or its masks on each source frame."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch

from monai_acdr.dicom.identity import new_uid
from monai_acdr.dicom.rings import rasterize_rings
from monai_acdr.dicom.source import SourceFrame
from monai_acdr.dicom.structures import LV_ENDOCARDIUM, Structure
from monai_acdr.read_budget import ReadBudget

__all__ = ["MaskRegion", "Region", "as_regions", "iterate_contours", "rasterize_region"]

LARGEST_COORDINATE = 1e6
"""Vertices farther out, in pixels, are refused: they come from a network that diverged or from a broken file."""


@dataclass(frozen=True, eq=False)
class Region:
    """A structure and its polygons.

    Attributes:
        structure: what it is.
        contours: for each source frame the polygons (K, 2) in its pixels, float64; empty where there is none.
        tracking_uid: the same in SEG and SR of one run, so that readers know that they show the same thing.
        holes: for each source frame and each of its polygons whether it is a hole, which removes what it covers from
            the polygons before it (:mod:`monai_acdr.dicom.rings`). Empty where no polygon is one: they are united.
        number: of the ROI in the file that it was read from, or None.
    """

    structure: Structure
    contours: tuple[tuple[np.ndarray, ...], ...]
    tracking_uid: str = field(default_factory=new_uid)
    holes: tuple[tuple[bool, ...], ...] = ()
    number: int | None = None

    def holes_of(self, index: int) -> tuple[bool, ...]:
        """For each polygon of the source frame of that index whether it is a hole."""
        return (self.holes[index] if self.holes else ()) or (False,) * len(self.contours[index])

    @property
    def has_holes(self) -> bool:
        """Whether a polygon is a hole."""
        return any(any(entry) for entry in self.holes)


@dataclass(frozen=True, eq=False)
class MaskRegion:
    """A structure and its masks.

    Attributes:
        structure: what it is.
        masks: for each source frame (H, W) float32 in [0, 1], the covered share of each pixel, or None.
        tracking_uid: see :class:`Region`.
        number: of the segment in the file that it was read from, or None.
    """

    structure: Structure
    masks: tuple[np.ndarray | None, ...]
    tracking_uid: str = field(default_factory=new_uid)
    number: int | None = None


def as_regions(contours: Sequence[Any], sources: Sequence[SourceFrame], structure: Structure | None) -> list[Region]:
    """Regions from regions, or from one contour for each source.

    Args:
        contours: :class:`Region`s; or, for one region, an entry for each source: (K, 2) or (1, K, 2) vertices, array or
            tensor, a list of several such, or None.
        sources: the frames.
        structure: of the region in the second case, LV endocardium by default.

    Raises:
        ValueError: when the number of entries, a shape or a value is wrong, or when there is no contour at all.
    """
    regions = list(contours)
    if not regions or not all(isinstance(region, Region) for region in regions):
        polygons = tuple(_polygons(entry) for entry in regions)
        regions = [Region(structure or LV_ENDOCARDIUM, polygons)]
    for region in regions:
        check_length(region.contours, sources)
        if region.holes and [len(entry) for entry in region.holes] != [len(entry) for entry in region.contours]:
            raise ValueError("Expected `holes` to have a value for each contour, but their numbers differ.")
        for entry, source in zip(region.contours, sources, strict=True):
            for vertices in entry:
                _check_polygon(vertices, source)
    if not any(entry for region in regions for entry in region.contours):
        raise ValueError("Expected at least one contour, but all are empty: there is nothing to write.")
    return regions


def iterate_contours(regions: Sequence[Region]) -> Iterator[tuple[Region, int, np.ndarray]]:
    """(region, index of the source, vertices (K, 2)) of each contour: by region, then by source."""
    for region in regions:
        for index, entry in enumerate(region.contours):
            for vertices in entry:
                yield region, index, vertices


def rasterize_region(region: Region, sources: Sequence[SourceFrame]) -> MaskRegion:
    """The exact covered share of each pixel; the polygons of a frame are united, holes are left out.

    Raises:
        ValueError: when the masks together need more than the budget of memory.
    """
    check_length(region.contours, sources)
    masks: list[np.ndarray | None] = []
    budget = ReadBudget("the masks of a structure")
    for index, (entry, source) in enumerate(zip(region.contours, sources, strict=True)):
        if entry:
            budget.add_pixels(source.size)
        masks.append(rasterize_rings(entry, region.holes_of(index), source.size) if entry else None)
    return MaskRegion(region.structure, tuple(masks), region.tracking_uid, region.number)


def check_length(entries: Sequence[Any], sources: Sequence[SourceFrame]) -> None:
    """Raise a ValueError unless there is an entry for each source."""
    if len(entries) != len(sources):
        raise ValueError(
            f"Expected an entry for each of the {len(sources)} source frames, but got {len(entries)}: give None where "
            "there is no contour."
        )


def _polygons(entry: Any) -> tuple[np.ndarray, ...]:
    if entry is None:
        return ()
    if isinstance(entry, (list, tuple)) and all(np.ndim(_array(part)) in (2, 3) for part in entry):
        return tuple(polygon for part in entry for polygon in _polygons(_array(part)))
    array = _array(entry)
    if array.ndim == 3:
        return tuple(array)
    return (array,)


def _array(entry: Any) -> np.ndarray:
    if isinstance(entry, torch.Tensor):
        entry = entry.detach().cpu().numpy()
    return np.array(entry, dtype=np.float64)


def _check_polygon(vertices: np.ndarray, source: SourceFrame) -> None:
    if vertices.ndim != 2 or vertices.shape[1] != 2 or len(vertices) < 3:
        raise ValueError(f"Expected a contour of {source.path} to be (K >= 3, 2), but got {vertices.shape}.")
    if not np.abs(vertices).max() <= LARGEST_COORDINATE:  # NaN fails too
        raise ValueError(f"Expected the contour of {source.path} to be finite, but it has NaN, Inf or huge vertices.")
