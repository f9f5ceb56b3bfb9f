# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Dictionary versions of :mod:`monai_acdr.transforms.roi.array`; the ROI travels as its own item of the dictionary."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import numpy as np
from monai.config import KeysCollection
from monai.data.meta_tensor import MetaTensor
from monai.transforms import InvertibleTransform, MapTransform, RandomizableTransform
from monai.utils import ensure_tuple_rep

from monai_acdr.geometry import map_vertices
from monai_acdr.transforms.roi.array import BoxROI, CenterROI, CropROI, LabelROI, RandJitterROI

__all__ = [
    "BoxROID",
    "BoxROIDict",
    "BoxROId",
    "CenterROID",
    "CenterROIDict",
    "CenterROId",
    "CropROID",
    "CropROIDict",
    "CropROId",
    "LabelROID",
    "LabelROIDict",
    "LabelROId",
    "RandJitterROID",
    "RandJitterROIDict",
    "RandJitterROId",
]


class CenterROId(MapTransform):
    """Write the ROI in the middle of ``image_key`` to ``roi_key``. See :class:`CenterROI`.

    Args:
        image_key: image (C, H, W).
        side: width and height in pixels; None for the whole image.
        roi_key: item to write.
    """

    def __init__(self, image_key: str = "image", side: float | None = 112, roi_key: str = "roi") -> None:
        super().__init__(image_key)
        self.roi_key = roi_key
        self.make = CenterROI(side)

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        d = dict(data)
        d[self.roi_key] = self.make(d[self.first_key(d)])
        return d


class LabelROId(MapTransform):
    """Write the ROI about a contour to ``roi_key``. See :class:`LabelROI`.

    Args:
        contour_key: contour (..., N, 2); a MetaTensor is first mapped to the image's present pixels by the affines.
        side, margin, scale, square, inside: see :class:`LabelROI`.
        image_key: image in whose pixels the ROI is given; None takes the contour as it is.
        roi_key: item to write.
    """

    def __init__(
        self,
        contour_key: str = "reference",
        side: float | None = 100,
        margin: float | None = None,
        scale: float | None = None,
        square: bool = True,
        inside: bool = False,
        image_key: str | None = "image",
        roi_key: str = "roi",
    ) -> None:
        super().__init__(contour_key)
        self.image_key = image_key
        self.roi_key = roi_key
        self.make = LabelROI(side, margin, scale, square, inside)

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        d = dict(data)
        if self.keys[0] not in d:
            raise ValueError(
                f"Expected a reference contour {self.keys[0]!r} to place the ROI by, but the image has none: use the "
                "ROI 'center' or 'box' for images without reference."
            )
        vertices = d[self.keys[0]]
        image = None if self.image_key is None else d[self.image_key]
        if isinstance(image, MetaTensor) and isinstance(vertices, MetaTensor):
            vertices = map_vertices(vertices.as_tensor(), vertices.affine, image.peek_pending_affine())
        d[self.roi_key] = self.make(vertices, _size(image))
        return d


class BoxROId(MapTransform):
    """Write the ROI of a box to ``roi_key``. See :class:`BoxROI`.

    Args:
        box: (x0, y0, x1, y1) in pixels of the image, or None to read it from ``box_key``.
        box_key: item that holds the box.
        scale, margin, square, inside: see :class:`BoxROI`.
        image_key: image inside which ``inside`` moves the ROI.
        roi_key: item to write.
    """

    def __init__(
        self,
        box: Sequence[float] | None = None,
        box_key: str = "box",
        scale: float = 1.0,
        margin: float = 0.0,
        square: bool = False,
        inside: bool = False,
        image_key: str = "image",
        roi_key: str = "roi",
    ) -> None:
        super().__init__(image_key)
        self.box_key = box_key
        self.roi_key = roi_key
        self.make = BoxROI(box, scale, margin, square, inside)

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        d = dict(data)
        box = d[self.box_key] if self.make.box is None else None
        d[self.roi_key] = self.make(box, _size(d.get(self.keys[0])))
        return d


class RandJitterROId(RandomizableTransform, MapTransform):
    """Jitter the ROI at ``roi_key`` in place. See :class:`RandJitterROI` for the other arguments."""

    def __init__(
        self,
        roi_key: str = "roi",
        shift: float = 0.0,
        scale: Sequence[float] | None = None,
        scales: Sequence[float] | None = None,
        angle: float | None = None,
        angles: Sequence[float] | None = None,
        prob: float = 1.0,
        shift_prob: float = 1.0,
    ) -> None:
        MapTransform.__init__(self, roi_key)
        RandomizableTransform.__init__(self, prob)
        self.jitter = RandJitterROI(shift, scale, scales, angle, angles, prob, shift_prob)

    def set_random_state(self, seed: int | None = None, state: np.random.RandomState | None = None) -> RandJitterROId:
        """Seed the array transform as well."""
        super().set_random_state(seed, state)
        self.jitter.set_random_state(seed, state)
        return self

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        d = dict(data)
        for key in self.key_iterator(d):
            d[key] = self.jitter(d[key])
        return d


class CropROId(MapTransform, InvertibleTransform):
    """Crop images and masks by one ROI. See :class:`CropROI`.

    Args:
        keys: images (C, H, W) on one grid.
        roi_key: ROI (5,) in their pixels.
        size: (h, w) of the crops.
        mode: interpolation, one for all keys or one for each.
        padding_mode: what lies outside the image, one for all keys or one for each.
        antialias: average where the ROI is larger than the crop.
        allow_missing_keys: skip keys that are absent.
    """

    def __init__(
        self,
        keys: KeysCollection,
        roi_key: str = "roi",
        size: Sequence[int] = (64, 64),
        mode: str | Sequence[str] = "bilinear",
        padding_mode: str | Sequence[str] = "border",
        antialias: bool = True,
        allow_missing_keys: bool = False,
    ) -> None:
        super().__init__(keys, allow_missing_keys)
        self.roi_key = roi_key
        modes = ensure_tuple_rep(mode, len(self.keys))
        paddings = ensure_tuple_rep(padding_mode, len(self.keys))
        self.croppers = [CropROI(size, *how, antialias) for how in zip(modes, paddings, strict=True)]

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        d = dict(data)
        for key, cropper in self.key_iterator(d, self.croppers):
            d[key] = cropper(d[key], d[self.roi_key])
        return d

    def inverse(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Bring crops back onto the image's grid."""
        d = dict(data)
        for key, cropper in self.key_iterator(d, self.croppers):
            d[key] = cropper.inverse(d[key])
        return d


def _size(image: Any) -> Sequence[int] | None:
    if image is None:
        return None
    return image.peek_pending_shape() if isinstance(image, MetaTensor) else image.shape[-2:]


CenterROID = CenterROIDict = CenterROId
LabelROID = LabelROIDict = LabelROId
BoxROID = BoxROIDict = BoxROId
RandJitterROID = RandJitterROIDict = RandJitterROId
CropROID = CropROIDict = CropROId
