# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Alignment of left and right breasts: all chest walls on one side, so that a network sees one anatomy."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any

from monai.config import KeysCollection
from monai.data.meta_tensor import MetaTensor
from monai.transforms import Flip, InvertibleTransform, MapTransform, Transform
from monai.utils import TransformBackends
from torch import Tensor

__all__ = ["AlignLaterality", "AlignLateralityD", "AlignLateralityDict", "AlignLateralityd"]

_FLIP = Flip(spatial_axis=1)
_SIDES = {"l": "L", "left": "L", "r": "R", "right": "R"}


class AlignLaterality(Transform):
    """Flip images of the other side left-right, as Zhu et al. (MICCAI 2018) do with right breasts.

    The flip changes the image's affine, so vertices follow it (:class:`FollowImage`) and results come back unflipped
    (:class:`ContourToImage`); ``inverse`` undoes it on images.

    Args:
        side: ``L`` or ``R``: the side that stays as it is.
    """

    backend = [TransformBackends.TORCH]

    def __init__(self, side: str = "L") -> None:
        self.side = _side(side)

    def __call__(self, image: Tensor, laterality: str | None) -> Tensor:  # type: ignore[override]
        """``image`` (C, H, W) of a breast; one of unknown laterality (None or empty) is left as it is.

        Raises:
            ValueError: for an unknown laterality.
        """
        return _FLIP(image) if self._is_other(laterality) else image

    def inverse(self, image: Tensor, laterality: str | None) -> Tensor:
        """Undo :meth:`__call__`."""
        return _FLIP.inverse(image) if self._is_other(laterality) else image

    def _is_other(self, laterality: str | None) -> bool:
        return bool(laterality) and _side(laterality) != self.side


class AlignLateralityd(MapTransform, InvertibleTransform):
    """Dictionary version of :class:`AlignLaterality`.

    Args:
        keys: images and masks (C, H, W).
        laterality_key: item with ``L`` or ``R``; where it is absent or empty, the image's metadata entry of that name,
            which :class:`monai_acdr.data.MammogramReader` writes.
        side: the side that stays as it is.
        allow_missing_keys: skip keys that are absent.
    """

    def __init__(
        self,
        keys: KeysCollection,
        laterality_key: str = "laterality",
        side: str = "L",
        allow_missing_keys: bool = False,
    ) -> None:
        super().__init__(keys, allow_missing_keys)
        self.laterality_key = laterality_key
        self.align = AlignLaterality(side)

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        d = dict(data)
        laterality = self._laterality(d)
        for key in self.key_iterator(d):
            d[key] = self.align(d[key], laterality)
        return d

    def inverse(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Undo the flip."""
        d = dict(data)
        laterality = self._laterality(d)
        for key in self.key_iterator(d):
            d[key] = self.align.inverse(d[key], laterality)
        return d

    def _laterality(self, d: Mapping[Hashable, Any]) -> str | None:
        if d.get(self.laterality_key):
            return d[self.laterality_key]
        image = d.get(self.keys[0])
        return image.meta.get(self.laterality_key) if isinstance(image, MetaTensor) else None


def _side(text: str | None) -> str:
    side = _SIDES.get(str(text).strip().lower())
    if side is None:
        raise ValueError(f"Expected a laterality 'L' or 'R', but got {text!r}: leave it empty where it is not known.")
    return side


AlignLateralityD = AlignLateralityDict = AlignLateralityd
