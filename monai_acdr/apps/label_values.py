# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Label maps of several structures: values of pixels, and names of the values.

A pixel has one value, so structures that contain each other are drawn as rings: value k + 1 is structure k without the
structures before it. Of endocardium and epicardium 1 is the cavity and 2 the myocardium.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence

import numpy as np
import torch

from monai_acdr.dicom import LV_ENDOCARDIUM, LV_EPICARDIUM, LV_MYOCARDIUM, Structure
from monai_acdr.dicom.seg import THRESHOLD
from monai_acdr.transforms import contour_to_mask

__all__ = [
    "draw_label_map",
    "draw_pixels",
    "label_structures",
    "merge_masks",
    "overlap_in_part",
    "picture_values",
    "stack_masks",
    "structure_masks",
]

NESTED_SHARE = 0.99
"""Share of a mask's pixels inside another mask from which it counts as nested; pixels on a common edge are rounded."""

_RINGS = {(LV_ENDOCARDIUM, LV_EPICARDIUM): LV_MYOCARDIUM}
"""(inner, outer) structure -> structure between their contours, if it has its own name."""


def merge_masks(masks: Sequence[np.ndarray]) -> np.ndarray:
    """Label map of binary masks.

    Args:
        masks: (H, W) bool each, of the structures in their order.

    Returns:
        (H, W) uint8: k + 1 in structure k outside of all structures before it, 0 outside of all.
    """
    labels = np.zeros(masks[0].shape, dtype=np.uint8)
    for index in reversed(range(len(masks))):
        labels[masks[index]] = index + 1
    return labels


def overlap_in_part(masks: Mapping[int, np.ndarray]) -> tuple[int, int] | None:
    """Find two masks that overlap without one containing the other, which a label map cannot hold.

    Args:
        masks: (H, W) bool each, by number.

    Returns:
        The numbers of the first such pair; None where all are disjoint or nested, except for rounding.
    """
    for one, other in itertools.combinations(masks, 2):
        both = int((masks[one] & masks[other]).sum())
        if both and both < NESTED_SHARE * min(int(masks[one].sum()), int(masks[other].sum())):
            return one, other
    return None


def stack_masks(masks: Mapping[int, np.ndarray], size: tuple[int, int]) -> np.ndarray:
    """Label map of disjoint or nested masks: smaller ones are drawn over larger ones.

    Args:
        masks: (H, W) bool each, by their value from 1.
        size: (H, W).

    Returns:
        (H, W) uint8.
    """
    labels = np.zeros(size, dtype=np.uint8)
    for value in sorted(masks, key=lambda value: (-int(masks[value].sum()), -value)):
        labels[masks[value]] = value
    return labels


def draw_pixels(vertices: np.ndarray | torch.Tensor, size: tuple[int, int]) -> np.ndarray:
    """Pixels of which a contour covers at least half.

    Args:
        vertices: (K, 2) in pixels.
        size: (H, W).

    Returns:
        (H, W) bool.
    """
    points = torch.as_tensor(np.ascontiguousarray(vertices))
    return contour_to_mask(points[None], size, THRESHOLD)[0].numpy() > 0


def draw_label_map(contours: Sequence[np.ndarray] | np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Label map of contours: a pixel is in a structure when its contour covers at least half of it.

    Args:
        contours: (K, 2) pixels of each structure, in their order; K may differ.
        size: (H, W).

    Returns:
        (H, W) uint8, as :func:`merge_masks`.
    """
    return merge_masks([draw_pixels(vertices, size) for vertices in contours])


def structure_masks(labels: np.ndarray, num_structures: int, nested: bool) -> list[np.ndarray]:
    """Masks of the structures of a label map, as drawn by :func:`draw_label_map`.

    A nested structure without its own value is missing: where readers labeled only the cavity, the extent of the
    myocardium is unknown, and its mask is empty.

    Args:
        labels: label map of one image, of any shape, whole numbers from 0. With one structure every value counts.
        num_structures: N.
        nested: whether each structure contains the ones before it.

    Returns:
        N arrays bool of the shape of `labels`.
    """
    if num_structures == 1:
        return [labels > 0]
    own = [labels == number for number in range(1, num_structures + 1)]
    if not nested:
        return own
    return [(labels > 0) & (labels <= number) & mask.any() for number, mask in enumerate(own, start=1)]


def label_structures(structures: Sequence[Structure], nested: bool) -> tuple[Structure, ...]:
    """Structures of the values 1, 2, ... of a label map: for nested structures the rings between their contours."""
    if not nested:
        return tuple(structures)
    rings = [_RINGS.get(pair, pair[1]) for pair in zip(structures, structures[1:], strict=False)]
    return (structures[0], *rings)


def picture_values(num_structures: int) -> np.ndarray:
    """Gray values of a label map as a picture, by label: 255 for label 1, darker ones for the others, 0 for none.

    Returns:
        (N + 1,) uint8: (0, 255) for one structure, (0, 255, 128) for two.
    """
    steps = [round(255 * (num_structures - index) / num_structures) for index in range(num_structures)]
    return np.array([0, *steps], dtype=np.uint8)
