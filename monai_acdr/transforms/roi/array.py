# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""ROI transforms on single arrays: make a ROI, jitter it, crop by it, or keep a window about it.

:mod:`monai_acdr.transforms.roi.functional` defines a ROI.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from monai.data.meta_obj import get_track_meta
from monai.data.meta_tensor import MetaTensor
from monai.transforms import InvertibleTransform, RandomizableTransform, SpatialCrop, Transform
from monai.utils import TraceKeys, TransformBackends, convert_to_tensor
from torch import Tensor

from monai_acdr.transforms.roi.functional import (
    crop_roi,
    expand_roi,
    jitter_roi,
    paste_roi,
    roi_about_center,
    roi_about_vertices,
    roi_from_box,
    roi_matrix,
    roi_window,
    shift_roi_inside,
)

__all__ = [
    "PAPER_ANGLES",
    "PAPER_SCALES",
    "CropWindow",
    "RandRoiJitter",
    "RoiCrop",
    "RoiFromBox",
    "RoiFromCenter",
    "RoiFromLabel",
]


PAPER_SCALES = (0.75, 1.0, 1.25, 1.5)
"""Scales of the paper's augmentation (section 4.1)."""


PAPER_ANGLES = (0.0, 15.0, 45.0, 60.0, 90.0, 135.0, 180.0, 210.0, 240.0, 270.0)
"""Rotations of the paper's augmentation in degrees (section 4.1)."""


class RoiFromCenter(Transform):
    """The ROI in the middle of an image.

    Args:
        side: width and height in pixels; None for the whole image.
    """

    def __init__(self, side: float | None = 112) -> None:
        self.side = side

    def __call__(self, image: Tensor) -> Tensor:
        """``image`` (C, H, W) to its ROI (5,)."""
        return roi_about_center(_spatial_size(image), self.side)


class RoiFromLabel(Transform):
    """The ROI about a contour.

    Args:
        side, margin, scale, square: see :func:`roi_about_vertices`; ``side=None`` to use the others.
        inside: move the ROI inside the image; the call then needs the image's ``size`` (H, W).
    """

    def __init__(
        self,
        side: float | None = 100,
        margin: float | None = None,
        scale: float | None = None,
        square: bool = True,
        inside: bool = False,
    ) -> None:
        self.side = side
        self.margin = margin
        self.scale = scale
        self.square = square
        self.inside = inside

    def __call__(self, vertices: Tensor, size: Sequence[int] | None = None) -> Tensor:
        """``vertices`` (..., N, 2) in pixels to a ROI (5,)."""
        roi = roi_about_vertices(vertices, self.side, self.margin, self.scale, self.square)
        return _inside(roi, size) if self.inside else roi


class RoiFromBox(Transform):
    """The ROI of a box, e.g. one that a user drew.

    Args:
        box: (x0, y0, x1, y1) in pixels, or None when it comes with the call.
        scale: factor on both sides, about the center.
        margin: pixels added on every side, after scaling.
        square: make both sides the longer one.
        inside: move the ROI inside the image; the call then needs the image's ``size`` (H, W).
    """

    def __init__(
        self,
        box: Sequence[float] | None = None,
        scale: float = 1.0,
        margin: float = 0.0,
        square: bool = False,
        inside: bool = False,
    ) -> None:
        self.box = box
        self.scale = scale
        self.margin = margin
        self.square = square
        self.inside = inside

    def __call__(self, box: Sequence[float] | Tensor | None = None, size: Sequence[int] | None = None) -> Tensor:
        """A box (x0, y0, x1, y1) in pixels to its ROI (5,)."""
        chosen = self.box if box is None else box
        if chosen is None:
            raise ValueError("Expected a box (x0, y0, x1, y1), but got None: pass it to RoiFromBox or to its call.")
        roi = expand_roi(roi_from_box(chosen), self.scale, self.margin, self.square)
        return _inside(roi, size) if self.inside else roi


class RandRoiJitter(RandomizableTransform):
    """Draw a shift, a scale and an angle, and pass them to :func:`jitter_roi`.

    ``RandRoiJitter(scales=PAPER_SCALES, angles=PAPER_ANGLES)`` is the paper's augmentation.

    Args:
        shift: largest displacement, as a fraction of the ROI's sides, uniform in [-shift, shift] on each axis.
        scale: (low, high), uniform factor on both sides of the ROI; above 1 the object looks smaller.
        scales: finite set to choose the factor from, instead of ``scale``.
        angle: largest rotation in degrees, uniform in [-angle, angle].
        angles: finite set of degrees to choose from, instead of ``angle``.
        prob: probability of jittering at all.
        shift_prob: probability of a shift. Below 1, some ROIs are centered exactly on their object, as ROIs of a click
            or an earlier contour nearly are, and a network learns to rely on it unless the image contradicts.
    """

    def __init__(
        self,
        shift: float = 0.0,
        scale: Sequence[float] | None = None,
        scales: Sequence[float] | None = None,
        angle: float | None = None,
        angles: Sequence[float] | None = None,
        prob: float = 1.0,
        shift_prob: float = 1.0,
    ) -> None:
        RandomizableTransform.__init__(self, prob)
        if scale is not None and scales is not None:
            raise ValueError(f"Expected `scale` or `scales`, but got both, {scale} and {scales}: leave one out.")
        if angle is not None and angles is not None:
            raise ValueError(f"Expected `angle` or `angles`, but got both, {angle} and {angles}: leave one out.")
        if scale is not None and len(scale) != 2:
            raise ValueError(f"Expected `scale` to be (low, high), but got {scale}: a finite set goes into `scales`.")
        if min(scale or scales or (1.0,)) <= 0:
            raise ValueError(f"Expected positive scales, but got {scale or scales}.")
        if not 0 <= shift_prob <= 1:
            raise ValueError(f"Expected `shift_prob` between 0 and 1, but got {shift_prob}.")
        self.shift = shift
        self.scale = scale
        self.scales = scales
        self.angle = angle
        self.angles = angles
        self.shift_prob = shift_prob
        self.drawn_shift = (0.0, 0.0)
        self.drawn_scale = 1.0
        self.drawn_angle = 0.0

    def randomize(self, data: Any = None) -> None:
        """Draw the parameters; ``drawn_shift``, ``drawn_scale`` and ``drawn_angle`` (radians) keep them."""
        super().randomize(None)
        if not self._do_transform:
            return
        reach = self.shift if self.shift_prob == 1 or self.R.rand() < self.shift_prob else 0.0
        self.drawn_shift = (self.R.uniform(-reach, reach), self.R.uniform(-reach, reach))
        self.drawn_scale = self._draw(self.scale, self.scales, 1.0)
        bounds = None if self.angle is None else (-self.angle, self.angle)
        self.drawn_angle = math.radians(self._draw(bounds, self.angles, 0.0))

    def _draw(self, bounds: Sequence[float] | None, choices: Sequence[float] | None, default: float) -> float:
        if choices is not None:
            return float(self.R.choice(choices))
        return default if bounds is None else float(self.R.uniform(bounds[0], bounds[1]))

    def __call__(self, roi: Tensor, randomize: bool = True) -> Tensor:
        """Jitter a ROI (5,); ``randomize=False`` repeats the last draw."""
        if randomize:
            self.randomize()
        return jitter_roi(roi, self.drawn_shift, self.drawn_scale, self.drawn_angle) if self._do_transform else roi


class RoiCrop(InvertibleTransform):
    """Resample a ROI to a fixed size and update the affine, so that contours and masks can be mapped back.

    Args:
        size: (h, w) of the crop.
        mode: "bilinear", "nearest" or "bicubic".
        padding_mode: what lies outside the image: "border", "zeros" or "reflection".
        antialias: average where the ROI is larger than the crop (:func:`crop_roi`).
    """

    backend = [TransformBackends.TORCH]

    def __init__(
        self,
        size: Sequence[int] = (64, 64),
        mode: str = "bilinear",
        padding_mode: str = "border",
        antialias: bool = True,
    ) -> None:
        self.size = (int(size[0]), int(size[1]))
        self.mode = mode
        self.padding_mode = padding_mode
        self.antialias = antialias

    def __call__(self, image: Tensor, roi: Tensor) -> Tensor:  # type: ignore[override]
        """Crop.

        Args:
            image: (C, H, W); integers become float32.
            roi: (5,) in pixels of ``image``.

        Returns:
            (C, h, w) MetaTensor (a tensor when MONAI does not track metadata).
        """
        if image.ndim != 3:
            raise ValueError(f"Expected an image (C, H, W), but got {tuple(image.shape)}: use EnsureChannelFirstd.")
        image = convert_to_tensor(image, track_meta=get_track_meta())
        pixels = _plain(image)
        crop = crop_roi(pixels, roi, self.size, self.mode, self.padding_mode, self.antialias)
        if not isinstance(image, MetaTensor):
            return crop
        extra = {"roi": roi, "mode": self.mode, "affine": image.affine}
        matrix = roi_matrix(roi, self.size)
        meta = self.track_transform_meta(
            image, affine=matrix, extra_info=extra, transform_info=self.get_transform_info()
        )
        return _with_meta(crop, meta)

    def inverse(self, data: Tensor) -> Tensor:
        """Bring a crop, or a mask computed in it (C, h, w), back onto the image's grid; zeros outside the ROI."""
        transform = self.pop_transform(data)
        extra = transform[TraceKeys.EXTRA_INFO]
        size = [int(n) for n in transform[TraceKeys.ORIG_SIZE]]
        image = paste_roi(_plain(data), extra["roi"], size, extra["mode"], self.antialias)
        if not isinstance(data, MetaTensor):
            return image
        image = _with_meta(image, data)
        image.affine = extra["affine"]  # exact, whatever the size of the mask that comes back
        return image


def _plain(image: Tensor) -> Tensor:
    """Floating pixels without metadata: MetaTensor's dispatch would double the cost of each step."""
    pixels = image.as_tensor() if isinstance(image, MetaTensor) else image
    return pixels if pixels.is_floating_point() else pixels.to(torch.float32)


def _with_meta(pixels: Tensor, source: Any) -> MetaTensor:
    return MetaTensor(pixels).copy_meta_from(source)


def _spatial_size(image: Tensor) -> Sequence[int]:
    return image.peek_pending_shape() if isinstance(image, MetaTensor) else image.shape[1:]


def _inside(roi: Tensor, size: Sequence[int] | None) -> Tensor:
    if size is None:
        raise ValueError("Expected the image's `size` (H, W) for inside=True, but got None: pass it to the call.")
    return shift_roi_inside(roi, size)


class CropWindow(Transform):
    """Keep the window about a ROI: pixels are not resampled, and the affine records their position.

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
