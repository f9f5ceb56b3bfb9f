# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Check of a loaded image: one gray 2-D frame, channel first, with a known grid."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any

import torch
from monai.config import KeysCollection
from monai.data.meta_tensor import MetaTensor
from monai.transforms import MapTransform, Transform
from monai.utils import TransformBackends
from monai.utils.enums import MetaKeys
from torch import Tensor

from monai_acdr.transforms.contour.functional import file_name

__all__ = ["CheckImage", "CheckImageD", "CheckImageDict", "CheckImaged"]


class CheckImage(Transform):
    """Raise unless an image is one finite 2-D frame, and write the file's grid into its metadata.

    Metadata ``spatial_shape`` becomes (H, W), since MONAI's readers of pictures leave (W, H), and
    ``original_affine`` is filled in where the reader has none (PNG). An image that already went through a spatial
    transform keeps its metadata.

    Args:
        channels: required number of channels; None accepts any.
    """

    backend = [TransformBackends.TORCH]

    def __init__(self, channels: int | None = 1) -> None:
        self.channels = channels

    def __call__(self, image: Tensor) -> Tensor:
        """``image`` (C, H, W), returned with completed metadata.

        Raises:
            ValueError: naming the file, the problem and the next step.
        """
        name, shape = file_name(image), tuple(image.shape)
        if len(shape) != 3:
            raise ValueError(
                f"Expected {name} to be one 2-D frame (C, H, W), but got {shape}: "
                "use EnsureChannelFirstd, and take one frame of a multi-frame file or volume."
            )
        if self.channels is not None and shape[0] != self.channels:
            raise ValueError(
                f"Expected {name} to have {self.channels} channel(s), but got {shape}: "
                "read color pictures with monai_acdr.data.PictureReader(), color DICOM cannot be used as it is."
            )
        if 0 in shape:
            raise ValueError(f"Expected {name} to have pixels, but got {shape}: the file is empty.")
        if image.is_floating_point() and not _is_finite(image):
            raise ValueError(f"Expected {name} to be finite, but it has NaN or Inf: repair it or leave it out.")
        if isinstance(image, MetaTensor) and not image.applied_operations and not image.pending_operations:
            image.meta[MetaKeys.SPATIAL_SHAPE] = shape[1:]
            image.meta.setdefault(MetaKeys.ORIGINAL_AFFINE, image.affine.clone())
        return image


def _is_finite(image: Tensor) -> bool:
    """One NaN or Inf spoils the sum, so the usual case needs no second image. Large values may overflow the sum."""
    return bool(torch.isfinite(image.sum())) or bool(torch.isfinite(image).all())


class CheckImaged(MapTransform):
    """Dictionary version of :class:`CheckImage`.

    Args:
        keys: images (C, H, W).
        channels: required number of channels; None accepts any.
        allow_missing_keys: skip keys that are absent.
    """

    def __init__(self, keys: KeysCollection, channels: int | None = 1, allow_missing_keys: bool = False) -> None:
        super().__init__(keys, allow_missing_keys)
        self.check = CheckImage(channels)

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        d = dict(data)
        for key in self.key_iterator(d):
            d[key] = self.check(d[key])
        return d


CheckImageD = CheckImageDict = CheckImaged
