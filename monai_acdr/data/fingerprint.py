# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Fingerprint of a data set: the sizes, spacings, objects and intensities that a training plan follows from."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy import ndimage

from monai_acdr.data.image_headers import is_dicom_file
from monai_acdr.data.mask_values import MAX_SMALL_LABEL, is_speck, read_mask_values, structure_mask
from monai_acdr.data.pictures import read_color_picture
from monai_acdr.data.readers import NiftiSliceReader, parse_slice_name
from monai_acdr.dicom import read_gray_image
from monai_acdr.geometry import signed_area

__all__ = ["PERCENTILES", "DatasetFingerprint", "dataset_fingerprint", "read_pixels"]

PERCENTILES = (5, 25, 50, 75, 95)
"""Percentiles of sizes and places; intensities have 0.5, 50 and 99.5 as well."""

_INTENSITY_PERCENTILES = (0.5, 5, 25, 50, 75, 95, 99.5)

_SAMPLES = 1_000_000
"""Pixels that are kept for the percentiles of intensities, evenly from all images."""
_LEAST_SAMPLES = 16

_MAX_NAMED_FILES = 5
"""Unreadable files that are named."""

_BORDER = 0.5
"""A contour that comes within so many pixels of the image's border touches it."""


@dataclass(frozen=True)
class DatasetFingerprint:
    """Sizes, objects and intensities of a data set.

    Percentiles are dictionaries from "p5", "p25", "p50", "p75" and "p95" to numbers, None where nothing is known.

    Attributes:
        num_items: entries of the data list that could be read.
        num_images: different images of these.
        num_patients: different patients.
        groups: number of items of each group.
        image_height: smallest, median and largest number of rows.
        image_width: smallest, median and largest number of columns.
        channels: number of images by channels: "1" for gray, also where a file repeats it in three channels; "3".
        dtypes: number of images by type of their values, as read.
        spacing: smallest, median and largest mm per pixel along rows and columns together; None where no
            file states it.
        num_with_spacing: images whose file states its spacing.
        objects_per_image: percentiles.
        object_width: extent along x in pixels, percentiles over all objects; an object joins all structures.
        object_height: extent along y in pixels.
        object_diameter: of the circle of the same area, in pixels.
        object_width_mm: as ``object_width`` in mm, of images with a spacing.
        object_height_mm: as ``object_height`` in mm.
        object_diameter_mm: as ``object_diameter`` in mm.
        object_x: center of the bounding box relative to the image's width, in [0, 1].
        object_y: center of the bounding box relative to the image's height, in [0, 1].
        border_fraction: fraction of the objects that touch the border of their image; None without objects.
        intensity: percentiles 0.5 to 99.5 over pixels of all images, of a color image over all channels.
        structures: names, as in the data list.
        structure_counts: number of items in which each structure is.
        structure_diameter: percentiles of each structure's diameter in pixels, all its objects of an item together.
        unreadable: number of items that could not be read.
        unreadable_examples: name and reason of the first ones.
    """

    num_items: int
    num_images: int
    num_patients: int
    groups: dict[str, int]
    image_height: tuple[int, float, int]
    image_width: tuple[int, float, int]
    channels: dict[str, int]
    dtypes: dict[str, int]
    spacing: tuple[float, float, float] | None
    num_with_spacing: int
    objects_per_image: dict[str, float] | None
    object_width: dict[str, float] | None
    object_height: dict[str, float] | None
    object_diameter: dict[str, float] | None
    object_width_mm: dict[str, float] | None
    object_height_mm: dict[str, float] | None
    object_diameter_mm: dict[str, float] | None
    object_x: dict[str, float] | None
    object_y: dict[str, float] | None
    border_fraction: float | None
    intensity: dict[str, float]
    structures: tuple[str, ...]
    structure_counts: dict[str, int]
    structure_diameter: dict[str, dict[str, float]]
    unreadable: int
    unreadable_examples: tuple[str, ...]

    def as_dict(self) -> dict[str, Any]:
        """Plain dictionaries, lists, texts and numbers for JSON."""
        return {key: list(value) if isinstance(value, tuple) else value for key, value in asdict(self).items()}


@dataclass
class _Object:
    """Bounding box and area of an object, in pixels, and whether it touches the border."""

    low: tuple[float, float]
    high: tuple[float, float]
    area: float
    at_border: bool


@dataclass
class _Tally:
    """Numbers of all images that were read so far."""

    sizes: list[tuple[int, int]] = field(default_factory=list)
    channels: Counter[str] = field(default_factory=Counter)
    dtypes: Counter[str] = field(default_factory=Counter)
    spacings: list[tuple[float, float]] = field(default_factory=list)
    samples: list[np.ndarray] = field(default_factory=list)
    objects: list[tuple[_Object, tuple[int, int], tuple[float, float] | None]] = field(default_factory=list)
    counts: list[int] = field(default_factory=list)
    items: list[Mapping[str, Any]] = field(default_factory=list)
    structures: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    unreadable: list[str] = field(default_factory=list)


def dataset_fingerprint(items: Sequence[Mapping[str, Any]]) -> DatasetFingerprint:
    """Read all images and masks of a data list once, with one image in memory at a time.

    Args:
        items: with ``image`` and ``label`` or ``contour``, as :func:`~monai_acdr.data.pair_folder_data_list` gives
            them.

    Raises:
        ValueError: when no item can be read; the message has the first reason.
    """
    by_image: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
    for item in items:
        by_image[str(item["image"])].append(item)
    tally = _Tally()
    quota = max(_SAMPLES // max(len(by_image), 1), _LEAST_SAMPLES)
    for image, own in by_image.items():
        _look_at(image, own, quota, tally)
    if not tally.items:
        raise ValueError(
            f"Expected a data list with images that can be read, but got {len(items)} items: check the data set with "
            f"python -m monai_acdr.data.quality. {tally.unreadable[0] if tally.unreadable else ''}".rstrip()
        )
    return _summary(tally)


def read_pixels(name: str | Path) -> np.ndarray:
    """Read an image as it is stored: a picture, a DICOM file or a slice of a NIfTI volume.

    Returns:
        (H, W), or (H, W, 3) uint8 where a picture has colors; three channels that are the same become one.

    Raises:
        FileNotFoundError: when there is no such file.
        ValueError: when it cannot be read.
    """
    part = parse_slice_name(name)
    if part is not None:
        return NiftiSliceReader().get_data(part)[0]
    if is_dicom_file(name):
        return read_gray_image(name)
    values = read_color_picture(name)
    if values.ndim == 3 and not (values != values[..., :1]).any():
        return values[..., 0]
    return values


def _look_at(image: str, items: Sequence[Mapping[str, Any]], quota: int, tally: _Tally) -> None:
    """Add one image and its objects to the tally."""
    try:
        values = read_pixels(image)
    except (OSError, ValueError) as error:
        tally.unreadable += [f"{item.get('name', image)}: {error}" for item in items]
        return
    size = (values.shape[0], values.shape[1])
    objects: list[_Object] = []
    read = []
    for item in items:
        try:
            objects += _objects(item, size, tally)
            read.append(item)
        except (OSError, ValueError) as error:
            tally.unreadable.append(f"{item.get('name', image)}: {error}")
    if not read:
        return
    spacing = read[0].get("spacing")
    tally.items += read
    tally.sizes.append(size)
    tally.channels[str(1 if values.ndim == 2 else values.shape[2])] += 1
    tally.dtypes[str(values.dtype)] += 1
    if spacing is not None:
        tally.spacings.append((float(spacing[0]), float(spacing[1])))
    tally.objects += [(found, size, spacing) for found in objects]
    tally.counts.append(len(objects))
    flat = values.reshape(-1)
    if flat.size > quota:  # drawn, as even steps might stay in one column
        flat = flat[np.random.default_rng(0).integers(0, flat.size, quota)]
    tally.samples.append(flat.astype(np.float32))


def _objects(item: Mapping[str, Any], size: tuple[int, int], tally: _Tally) -> list[_Object]:
    """Objects of one item."""
    names = tuple(item.get("structures") or ("object",))
    if item.get("contour") is not None:
        vertices = np.asarray(item["contour"], dtype=np.float64)
        area = abs(float(signed_area(torch.from_numpy(vertices))))
        low, high = vertices.min(axis=0), vertices.max(axis=0)
        limit = np.array([size[1], size[0]])
        touches = bool((low < _BORDER).any() or (high > limit - _BORDER).any())
        tally.structures[names[0]].append(_diameter(area))
        return [_Object((low[0], low[1]), (high[0], high[1]), area, touches)]
    label = item["label"]
    values = read_mask_values(label)
    if values.shape != size:
        raise ValueError(f"Expected {label} to have {size} pixels (H, W), but got {values.shape}: convert it again.")
    labels = item.get("label_values") or (None,)
    is_two_valued = len(labels) == 1 and (labels[0] is None or min(labels[0]) > MAX_SMALL_LABEL)
    masks = [structure_mask(values, None if is_two_valued else own, label) for own in labels]
    for name, mask in zip(names, masks, strict=True):
        if mask.any():
            tally.structures[name].append(_diameter(float(mask.sum())))
    return _components(np.logical_or.reduce(masks))


def _components(mask: np.ndarray) -> list[_Object]:
    """Objects of a mask (H, W) without specks."""
    labels, number = ndimage.label(mask, np.ones((3, 3)))
    areas = np.bincount(labels.ravel(), minlength=number + 1)[1:]
    found = []
    for (rows, columns), area, is_small in zip(ndimage.find_objects(labels), areas, is_speck(areas), strict=True):
        if not is_small:
            touches = (
                rows.start == 0 or columns.start == 0 or rows.stop == mask.shape[0] or columns.stop == mask.shape[1]
            )
            found.append(_Object((columns.start, rows.start), (columns.stop, rows.stop), float(area), touches))
    return found


def _summary(tally: _Tally) -> DatasetFingerprint:
    heights, widths = ([size[axis] for size in tally.sizes] for axis in (0, 1))
    boxes = [(found.high[0] - found.low[0], found.high[1] - found.low[1]) for found, _, _ in tally.objects]
    known = [
        (box, math.sqrt(spacing[0] * spacing[1]), spacing, found)
        for box, (found, _, spacing) in zip(boxes, tally.objects, strict=True)
        if spacing is not None
    ]
    steps = [step for spacing in tally.spacings for step in spacing]
    structures = tuple(dict.fromkeys(name for item in tally.items for name in item.get("structures") or ("object",)))
    return DatasetFingerprint(
        num_items=len(tally.items),
        num_images=len(tally.sizes),
        num_patients=len({item.get("patient") or item.get("name") or item["image"] for item in tally.items}),
        groups=dict(sorted(Counter(str(item.get("group") or "") for item in tally.items).items())),
        image_height=(min(heights), float(np.median(heights)), max(heights)),
        image_width=(min(widths), float(np.median(widths)), max(widths)),
        channels=dict(sorted(tally.channels.items())),
        dtypes=dict(sorted(tally.dtypes.items())),
        spacing=(min(steps), float(np.median(steps)), max(steps)) if steps else None,
        num_with_spacing=len(tally.spacings),
        objects_per_image=_percentiles(tally.counts),
        object_width=_percentiles([width for width, _ in boxes]),
        object_height=_percentiles([height for _, height in boxes]),
        object_diameter=_percentiles([_diameter(found.area) for found, _, _ in tally.objects]),
        object_width_mm=_percentiles([box[0] * spacing[1] for box, _, spacing, _ in known]),
        object_height_mm=_percentiles([box[1] * spacing[0] for box, _, spacing, _ in known]),
        object_diameter_mm=_percentiles([_diameter(found.area) * step for _, step, _, found in known]),
        object_x=_percentiles([(found.low[0] + found.high[0]) / 2 / size[1] for found, size, _ in tally.objects]),
        object_y=_percentiles([(found.low[1] + found.high[1]) / 2 / size[0] for found, size, _ in tally.objects]),
        border_fraction=float(np.mean([found.at_border for found, _, _ in tally.objects])) if tally.objects else None,
        intensity=_percentiles(np.concatenate(tally.samples), _INTENSITY_PERCENTILES) or {},
        structures=structures,
        structure_counts={name: len(tally.structures[name]) for name in structures},
        structure_diameter={name: _percentiles(tally.structures[name]) or {} for name in structures},
        unreadable=len(tally.unreadable),
        unreadable_examples=tuple(tally.unreadable[:_MAX_NAMED_FILES]),
    )


def _diameter(area: float) -> float:
    return math.sqrt(4 * area / math.pi)


def _percentiles(
    values: Sequence[float] | np.ndarray, percentiles: Sequence[float] = PERCENTILES
) -> dict[str, float] | None:
    if len(values) == 0:
        return None
    found = np.percentile(np.asarray(values, dtype=np.float64), percentiles)
    return {f"p{key:g}": float(value) for key, value in zip(percentiles, found, strict=True)}
