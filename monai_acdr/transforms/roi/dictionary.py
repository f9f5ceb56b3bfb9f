# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Dictionary versions of :mod:`monai_acdr.transforms.roi.array`, and regions by name; a ROI is a separate item."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from monai.config import KeysCollection
from monai.data.meta_tensor import MetaTensor
from monai.transforms import InvertibleTransform, MapTransform, RandomizableTransform
from monai.utils import ensure_tuple_rep
from torch import Tensor

from monai_acdr.geometry import map_vertices, pixel_spacing
from monai_acdr.transforms.contour.functional import file_grid, present_grid
from monai_acdr.transforms.roi.array import CropWindow, RandRoiJitter, RoiCrop, RoiFromBox, RoiFromCenter, RoiFromLabel
from monai_acdr.transforms.roi.functional import roi_corners, roi_from_box, shift_roi_inside

__all__ = [
    "EXPERT_SCALE",
    "ROI_KINDS",
    "CropWindowD",
    "CropWindowDict",
    "CropWindowd",
    "RandRoiJitterD",
    "RandRoiJitterDict",
    "RandRoiJitterd",
    "RoiCropD",
    "RoiCropDict",
    "RoiCropd",
    "RoiFromBoxD",
    "RoiFromBoxDict",
    "RoiFromBoxd",
    "RoiFromCenterD",
    "RoiFromCenterDict",
    "RoiFromCenterd",
    "RoiFromExpertD",
    "RoiFromExpertDict",
    "RoiFromExpertd",
    "RoiFromLabelD",
    "RoiFromLabelDict",
    "RoiFromLabeld",
    "roi_transform",
]


class RoiFromCenterd(MapTransform):
    """Write the ROI in the middle of an image to ``roi_key``. See :class:`RoiFromCenter`.

    Args:
        keys: image (C, H, W); of several keys the first one present.
        side: width and height in pixels; None for the whole image.
        roi_key: item to write, (5,).
        allow_missing_keys: write nothing where the image is absent.
    """

    def __init__(
        self,
        keys: KeysCollection,
        side: float | None = 112,
        roi_key: str = "roi",
        allow_missing_keys: bool = False,
    ) -> None:
        super().__init__(keys, allow_missing_keys)
        self.roi_key = roi_key
        self.make = RoiFromCenter(side)

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        d = dict(data)
        key = self.first_key(d)
        if key != ():
            d[self.roi_key] = self.make(d[key])
        return d


class RoiFromLabeld(MapTransform):
    """Write the ROI about a contour to ``roi_key``. See :class:`RoiFromLabel`.

    Args:
        keys: contour (..., N, 2), of several keys the first one present; a MetaTensor is first mapped to the image's
            present pixels by the affines.
        side, margin, scale, square, inside: see :class:`RoiFromLabel`.
        image_key: image in whose pixels the ROI is given; None takes the contour as it is.
        roi_key: item to write, (5,).
        allow_missing_keys: write nothing where the contour is absent.

    Raises:
        ValueError: when the contour is absent.
    """

    def __init__(  # noqa: PLR0913
        self,
        keys: KeysCollection,
        side: float | None = 100,
        margin: float | None = None,
        scale: float | None = None,
        square: bool = True,
        inside: bool = False,
        image_key: str | None = "image",
        roi_key: str = "roi",
        allow_missing_keys: bool = False,
    ) -> None:
        super().__init__(keys, allow_missing_keys)
        self.image_key = image_key
        self.roi_key = roi_key
        self.make = RoiFromLabel(side, margin, scale, square, inside)

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        d = dict(data)
        key = next((key for key in self.keys if key in d), None)
        if key is None:
            if self.allow_missing_keys:
                return d
            raise ValueError(
                f"Expected a reference contour {self.keys[0]!r} to place the ROI by, but the image has none: use the "
                "ROI 'center' or 'box' for images without reference."
            )
        vertices = d[key]
        image = None if self.image_key is None else d[self.image_key]
        if isinstance(image, MetaTensor) and isinstance(vertices, MetaTensor):
            vertices = map_vertices(vertices.as_tensor(), vertices.affine, image.peek_pending_affine())
        d[self.roi_key] = self.make(vertices, _size(image))
        return d


class RoiFromBoxd(MapTransform):
    """Write the ROI of a box to ``roi_key``. See :class:`RoiFromBox`.

    Args:
        keys: image (C, H, W) that the box is on, and inside which ``inside`` moves the ROI.
        box: (x0, y0, x1, y1) in pixels of the image, or None to read it from ``box_key``.
        box_key: item that holds the box.
        scale, margin, square, inside: see :class:`RoiFromBox`.
        roi_key: item to write, (5,).
        allow_missing_keys: write nothing where the image is absent.
    """

    def __init__(  # noqa: PLR0913
        self,
        keys: KeysCollection,
        box: Sequence[float] | None = None,
        box_key: str = "box",
        scale: float = 1.0,
        margin: float = 0.0,
        square: bool = False,
        inside: bool = False,
        roi_key: str = "roi",
        allow_missing_keys: bool = False,
    ) -> None:
        super().__init__(keys, allow_missing_keys)
        self.box_key = box_key
        self.roi_key = roi_key
        self.make = RoiFromBox(box, scale, margin, square, inside)

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        d = dict(data)
        key = self.first_key(d)
        if key != ():
            box = d[self.box_key] if self.make.box is None else None
            d[self.roi_key] = self.make(box, _size(d[key]))
        return d


class RandRoiJitterd(RandomizableTransform, MapTransform):
    """Move, scale and turn ROIs at random. See :class:`RandRoiJitter`.

    Args:
        keys: ROIs (5,); replaced.
        shift, scale, scales, angle, angles, prob, shift_prob: see :class:`RandRoiJitter`.
        allow_missing_keys: skip keys that are absent.
    """

    def __init__(  # noqa: PLR0913
        self,
        keys: KeysCollection,
        shift: float = 0.0,
        scale: Sequence[float] | None = None,
        scales: Sequence[float] | None = None,
        angle: float | None = None,
        angles: Sequence[float] | None = None,
        prob: float = 1.0,
        shift_prob: float = 1.0,
        allow_missing_keys: bool = False,
    ) -> None:
        MapTransform.__init__(self, keys, allow_missing_keys)
        RandomizableTransform.__init__(self, prob)
        self.jitter = RandRoiJitter(shift, scale, scales, angle, angles, prob, shift_prob)

    def set_random_state(self, seed: int | None = None, state: np.random.RandomState | None = None) -> RandRoiJitterd:
        """Seed the array transform as well."""
        super().set_random_state(seed, state)
        self.jitter.set_random_state(seed, state)
        return self

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        d = dict(data)
        for key in self.key_iterator(d):
            d[key] = self.jitter(d[key])
        return d


class RoiCropd(MapTransform, InvertibleTransform):
    """Crop images and masks by one ROI. See :class:`RoiCrop`.

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
        self.croppers = [RoiCrop(size, *options, antialias) for options in zip(modes, paddings, strict=True)]

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


class CropWindowd(MapTransform):
    """Keep the window about the ROI in all ``keys``, and convert the ROI to its pixels. See :class:`CropWindow`.

    Args:
        keys: images and masks (C, H, W) on one grid.
        roi_key: ROI (5,) in their pixels; replaced.
        scale: see :class:`CropWindow`.
        allow_missing_keys: skip keys that are absent.
    """

    def __init__(
        self,
        keys: KeysCollection,
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


EXPERT_SCALE = 1.2
"""Factor on the bounding box of a mass in Zhu et al., MICCAI 2018, whose protocol the paper follows."""


class RoiFromExpertd(MapTransform):
    """Write the ROI about an object: its bounding box, or one that a user drew, scaled and moved inside the image.

    With ``side`` the ROI is a square of that side about the middle of the box or the centroid of the reference: the
    place of the object is known, its size is not.

    Args:
        keys: image (C, H, W), MetaTensor, flipped or not.
        box: (x0, y0, x1, y1) in pixels of the image's FILE, for all images; None reads it from ``box_key``.
        box_key: item with such a box; if absent or None, the bounding box of the reference contour is used.
        contour_key: reference contour (1, N, 2), MetaTensor of any frame of the image.
        scale: factor on the sides, about the center.
        square: make both sides the longer one. The published protocol resizes the box as it is.
        inside: move the ROI inside the image, as the protocol does.
        roi_key: item to write, (5,) in the image's present pixels.
        side: width and height of the ROI in pixels; None takes the scaled box.
        pixel_mm: size of the pixels that ``side`` is counted in, for images whose file states its spacing; None counts
            in the pixels of each image.
        spacing_key: item that is true where the image's file states its spacing.
        room: final factor on both sides of the ROI, for views that are drawn at random within it.
        allow_missing_keys: write nothing where the image is absent.

    Raises:
        ValueError: when there is neither a box nor a contour, or the box has no area.
    """

    def __init__(  # noqa: PLR0913
        self,
        keys: KeysCollection,
        box: Sequence[float] | None = None,
        box_key: str = "box",
        contour_key: str = "reference",
        scale: float = EXPERT_SCALE,
        square: bool = False,
        inside: bool = True,
        roi_key: str = "roi",
        side: float | None = None,
        pixel_mm: float | None = None,
        spacing_key: str = "has_spacing",
        room: float = 1.0,
        allow_missing_keys: bool = False,
    ) -> None:
        super().__init__(keys, allow_missing_keys)
        if not room > 0 or not (side is None or side > 0):
            raise ValueError(f"Expected positive `side` and `room`, but got {side} and {room}.")
        self.box = box
        self.box_key = box_key
        self.contour_key = contour_key
        self.roi_key = roi_key
        self.side, self.pixel_mm, self.spacing_key, self.room = side, pixel_mm, spacing_key, room
        self.inside = inside
        self.make = RoiFromLabel(side, None, None if side is not None else scale, square)

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        d = dict(data)
        key = self.first_key(d)
        if key == ():
            return d
        image = d[key]
        size, present = present_grid(image)
        vertices, affine = self._marked(d, image)
        roi = self.make(map_vertices(vertices, affine, present))
        if self.side is not None and self.pixel_mm is not None and d.get(self.spacing_key):
            rows, columns = pixel_spacing(present).tolist()
            roi[2:4] = torch.tensor([self.side * self.pixel_mm / columns, self.side * self.pixel_mm / rows])
        roi[2:4] *= self.room
        d[self.roi_key] = shift_roi_inside(roi, size) if self.inside else roi
        return d

    def _marked(self, d: Mapping[Hashable, Any], image: Tensor) -> tuple[Tensor, Tensor]:
        """The marked box or contour, and the affine of the pixels in which it is given."""
        box = self.box if self.box is not None else d.get(self.box_key)
        if box is not None:
            return roi_corners(roi_from_box(box)), file_grid(image)[1]
        contour = d.get(self.contour_key)
        if not isinstance(contour, MetaTensor):
            raise ValueError(
                "Expected a box or a reference contour to place the ROI by, but the image has neither: add "
                '--roi_box "[x0, y0, x1, y1]" in pixels of its file.'
            )
        return contour.as_tensor(), contour.affine


ROI_KINDS = ("center", "label", "box")
"""``center``: nothing is known. ``label``: the position is known, the size is not. ``box``: a user drew it."""


def roi_transform(
    kind: str,
    center_side: float = 112,
    label_side: float = 100,
    box: Sequence[float] | None = None,
    image_key: str = "image",
    contour_key: str = "reference",
    roi_key: str = "roi",
) -> MapTransform:
    """Make the transform that writes the ROI.

    Args:
        kind: one of :data:`ROI_KINDS`.
        center_side: side in pixels of the square about the image's center.
        label_side: side in pixels of the square about the reference contour's centroid.
        box: (x0, y0, x1, y1) in pixels, for ``box``.
        image_key: image to make the ROI for.
        contour_key: reference contour, for ``label``.
        roi_key: item to write.

    Raises:
        ValueError: for another kind, or ``box`` without a box.
    """
    if kind == "center":
        return RoiFromCenterd(image_key, center_side, roi_key)
    if kind == "label":
        return RoiFromLabeld(contour_key, label_side, image_key=image_key, roi_key=roi_key)
    if kind == "box":
        if box is None:
            raise ValueError(
                "Expected a `box` for ROI 'box', but got None: add --roi_box \"[x0, y0, x1, y1]\" in pixels."
            )
        return RoiFromBoxd(image_key, box, square=True, roi_key=roi_key)
    raise ValueError(f"Expected the ROI to be one of {ROI_KINDS}, but got {kind!r}.")


RoiFromCenterD = RoiFromCenterDict = RoiFromCenterd
RoiFromLabelD = RoiFromLabelDict = RoiFromLabeld
RoiFromBoxD = RoiFromBoxDict = RoiFromBoxd
RandRoiJitterD = RandRoiJitterDict = RandRoiJitterd
RoiCropD = RoiCropDict = RoiCropd
CropWindowD = CropWindowDict = CropWindowd
RoiFromExpertD = RoiFromExpertDict = RoiFromExpertd
