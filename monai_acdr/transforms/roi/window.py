# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""A window of whole pixels about a ROI: what is kept of a large image, unresampled, before anything else is done."""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import torch
from monai.config import KeysCollection
from monai.transforms import MapTransform, SpatialCrop, Transform
from monai.utils import TransformBackends
from torch import Tensor

from monai_acdr.transforms.roi.boxes import check_roi, expand_roi, roi_corners

__all__ = ["CropWindow", "CropWindowD", "CropWindowDict", "CropWindowd", "roi_window"]


def roi_window(roi: Tensor, size: Sequence[int], scale: float = 2.0) -> tuple[int, int, int, int]:
    """The whole pixels of an image that a scaled ROI meets.

    Args:
        roi: (5,) ROI in pixels.
        size: (H, W) of the image.
        scale: factor on the ROI's sides, about its center.

    Returns:
        (left, top, right, bottom), the last two exclusive, inside the image and never empty.

    Raises:
        ValueError: when the ROI does not meet the image.
    """
    check_roi(roi, size)
    corners = roi_corners(expand_roi(roi, scale))
    (left, top), (right, bottom) = corners.amin(0).tolist(), corners.amax(0).tolist()
    height, width = size
    return (
        max(math.floor(left), 0),
        max(math.floor(top), 0),
        min(math.ceil(right), width),
        min(math.ceil(bottom), height),
    )


class CropWindow(Transform):
    """Keep the window about a ROI: pixels stay what they are, and the affine says where they came from.

    A mammogram of 55 MB becomes a window of a few hundred kB that fits a cache; jitter of the ROI needs room, so the
    window is larger than the ROI.

    Args:
        scale: factor on the ROI's sides. A ROI that is jittered by a shift s (a fraction of its side), a scale m and
            any angle stays inside a window of ``scale >= 2 s + sqrt(2) m``.
    """

    backend = [TransformBackends.TORCH]

    def __init__(self, scale: float = 2.2) -> None:
        if not scale >= 1:
            raise ValueError(f"Expected `scale` to be at least 1, but got {scale}: the window holds the ROI.")
        self.scale = scale

    def __call__(self, image: Tensor, roi: Tensor) -> Tensor:  # type: ignore[override]
        """``image`` (C, H, W) and ``roi`` (5,) in its pixels to the window (C, h, w)."""
        left, top, right, bottom = roi_window(roi, image.shape[-2:], self.scale)
        return SpatialCrop(roi_start=(top, left), roi_end=(bottom, right))(image).clone()

    def shift_roi(self, roi: Tensor, size: Sequence[int]) -> Tensor:
        """The same ROI in pixels of the window of an image of ``size`` (H, W)."""
        left, top, _, _ = roi_window(roi, size, self.scale)
        return roi - torch.tensor([left, top, 0, 0, 0], dtype=roi.dtype)


class CropWindowd(MapTransform):
    """Keep the window about the ROI in all ``keys``, and give the ROI in its pixels. See :class:`CropWindow`.

    Args:
        keys: images and masks (C, H, W) on one grid.
        roi_key: ROI (5,) in their pixels; replaced.
        scale: see :class:`CropWindow`.
        allow_missing_keys: skip keys that are absent.
    """

    def __init__(
        self,
        keys: KeysCollection = "image",
        roi_key: str = "roi",
        scale: float = 2.2,
        allow_missing_keys: bool = False,
    ) -> None:
        super().__init__(keys, allow_missing_keys)
        self.roi_key = roi_key
        self.crop = CropWindow(scale)

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        d = dict(data)
        roi, size = d[self.roi_key], d[self.first_key(d)].shape[-2:]
        for key in self.key_iterator(d):
            d[key] = self.crop(d[key], roi)
        d[self.roi_key] = self.crop.shift_roi(roi, size)
        return d


CropWindowD = CropWindowDict = CropWindowd
