# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Saved labels as a data set that the bundles' own training reads: a folder of pairs, by group."""

from __future__ import annotations

import hashlib
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from monai_acdr.apps.label_values import structure_masks
from monai_acdr.apps.monailabel.images import LabelImage
from monai_acdr.apps.monailabel.saved_labels import frame_labels
from monai_acdr.data import pair_folder_data_list

__all__ = ["TrainingSet", "is_held_out", "training_items", "write_training_set"]

GROUPS = ("training", "validation")
MIN_PIXELS = 10
"""Masks of fewer pixels are left out: the outline of less says nothing."""


@dataclass(frozen=True)
class TrainingSet:
    """What was written.

    Attributes:
        frames: of each group.
        images: of each group.
        pixel_mm: median distance of pixels, None where no image tells it.
        side: of the smallest square into which each frame fits, in pixels.
    """

    frames: dict[str, int]
    images: dict[str, int]
    pixel_mm: float | None
    side: int


def is_held_out(image_id: str, share: float) -> bool:
    """Whether an image validates. It depends on the image alone: an image never changes sides when others come."""
    digest = hashlib.sha256(image_id.encode("utf-8")).digest()
    return int.from_bytes(digest[:8], "big") / 2**64 < share


def write_training_set(
    folder: Path,
    labeled: Iterable[tuple[str, LabelImage, np.ndarray]],
    share: float = 0.25,
    num_structures: int = 1,
    nested: bool = False,
) -> TrainingSet:
    """Write ``<group>/images`` and ``<group>/masks``: PNG, 16 bit and 0 or 255, of each frame with a label.

    Of several structures ``masks`` are those of the first one, ``masks-2`` and so on those of the others, where a frame
    has them; a frame without the first one is left out.

    Names are numbers: no identity of a patient gets there.

    Args:
        folder: to write into, empty or absent.
        labeled: image id, image, and label map on its grid.
        share: of images that are held out for validation; at least one, and at least one is not.
        num_structures: N; with one all values of a label map count.
        nested: whether each structure contains the one before it, so that label maps have rings
            (:mod:`monai_acdr.apps.label_values`).

    Raises:
        ValueError: when there are fewer than two images with a label.
    """
    items = sorted(labeled, key=lambda item: item[0])
    read = [(name, image, _frame_masks(labels, image, num_structures, nested)) for name, image, labels in items]
    filled = [(name, image, masks) for name, image, masks in read if any(_is_large(frame[0]) for frame in masks)]
    if len(filled) < 2:
        raise ValueError(
            f"Expected saved labels of at least 2 images, one to train and one to validate, but got {len(filled)}: "
            "save more labels first."
        )
    held_out = [is_held_out(name, share) for name, _, _ in filled]
    if all(held_out) or not any(held_out):
        held_out = [index == len(filled) - 1 for index in range(len(filled))]
    frames, images = dict.fromkeys(GROUPS, 0), dict.fromkeys(GROUPS, 0)
    spacings: list[float] = []
    side = 0
    for number, ((_, image, masks), is_validation) in enumerate(zip(filled, held_out, strict=True), start=1):
        group = GROUPS[is_validation]
        images[group] += 1
        for index, (frame, own) in enumerate(zip(image.inputs.frames, masks, strict=True)):
            if not _is_large(own[0]):
                continue
            breast = f"_{frame.laterality}" if frame.laterality else ""
            name = f"{number:05d}-{index:05d}{breast}.png"
            _write_png(folder / group / "images" / name, _sixteen_bit(frame.image.as_tensor()[0].numpy()))
            for place, mask in enumerate(own):
                if _is_large(mask):
                    _write_png(folder / group / _masks(place) / name, mask.astype(np.uint8) * np.uint8(255))
            frames[group] += 1
            side = max(side, *frame.size)
            if frame.spacing is not None:
                spacings.append(sum(frame.spacing) / 2)
    if not all(frames.values()):
        raise ValueError(f"Expected labels of at least {MIN_PIXELS} pixels in both groups, but got {frames} frames.")
    return TrainingSet(frames, images, statistics.median(spacings) if spacings else None, side)


def training_items(folder: Path, group: str, keys: Sequence[str] = ("label",)) -> list[dict[str, Any]]:
    """The data list of a group, without what is not known: batches are made of all that an item has.

    The masks of the first structure are at ``label``, those of the others at the further `keys`, where there are any.
    Where a file's name tells a side, every item has one, else none: left breasts are the ones that are not flipped.
    """
    items = pair_folder_data_list(folder, group)
    known = [{key: value for key, value in item.items() if value is not None} for item in items]
    for item in known:
        for place, key in enumerate(keys[1:], start=1):
            mask = folder / group / _masks(place) / Path(item["image"]).name
            if mask.is_file():
                item[key] = str(mask)
    sides = [Path(item["image"]).stem.rpartition("_")[2] for item in known]
    if any(side in ("L", "R") for side in sides):
        for item, side in zip(known, sides, strict=True):
            item["laterality"] = "R" if side == "R" else "L"
    return known


def _frame_masks(labels: np.ndarray, image: LabelImage, number: int, nested: bool) -> list[list[np.ndarray]]:
    """For each frame the masks (H, W) bool of the structures."""
    return [structure_masks(frame, number, nested) for frame in frame_labels(labels, image)]


def _is_large(mask: np.ndarray) -> bool:
    return int(mask.sum()) >= MIN_PIXELS


def _masks(place: int) -> str:
    """Folder of the masks of a structure, from 0."""
    return "masks" if place == 0 else f"masks-{place + 1}"


def _sixteen_bit(pixels: np.ndarray) -> np.ndarray:
    """Values as 16 bits; crops are normalized, so scale and offset do not matter."""
    low, high = float(pixels.min()), float(pixels.max())
    return np.round((pixels - low) / max(high - low, 1e-12) * 65535).astype(np.uint16)


def _write_png(path: Path, pixels: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path, format="PNG")
