# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Dictionary versions of :mod:`monai_acdr.transforms.contour.array`.

All take ``output_keys``: where to write, one for each of ``keys``; None overwrites.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Any, ClassVar

from monai.config import KeysCollection
from monai.data.meta_tensor import MetaTensor
from monai.transforms import MapTransform
from monai.utils import ensure_tuple
from torch import Tensor

from monai_acdr.transforms.contour.array import (
    ContourToImage,
    ContourToMask,
    ContourToWorld,
    FollowImage,
    LastContour,
    MaskToContour,
    NestContours,
    SelectContour,
)
from monai_acdr.transforms.contour.drawn import MASK_RULE, mask_rule
from monai_acdr.transforms.contour.frames import check_same_frame, file_grid, present_grid
from monai_acdr.transforms.contour.tracing import TRACING_LEVEL

__all__ = [
    "ContourToImageD",
    "ContourToImageDict",
    "ContourToImaged",
    "ContourToMaskD",
    "ContourToMaskDict",
    "ContourToMaskd",
    "ContourToWorldD",
    "ContourToWorldDict",
    "ContourToWorldd",
    "FollowImageD",
    "FollowImageDict",
    "FollowImaged",
    "LastContourD",
    "LastContourDict",
    "LastContourd",
    "MaskToContourD",
    "MaskToContourDict",
    "MaskToContourd",
    "NestContoursD",
    "NestContoursDict",
    "NestContoursd",
    "SelectContourD",
    "SelectContourDict",
    "SelectContourd",
]


class _ContourTransformd(MapTransform):
    """Apply a function of (item, dictionary) to each of ``keys`` and write the result to ``output_keys``."""

    def __init__(
        self, keys: KeysCollection, output_keys: KeysCollection | None = None, allow_missing_keys: bool = False
    ) -> None:
        super().__init__(keys, allow_missing_keys)
        self.output_keys = self.keys if output_keys is None else ensure_tuple(output_keys)
        if len(self.output_keys) != len(self.keys):
            raise ValueError(f"Expected one output key for each of {self.keys}, but got {self.output_keys}.")

    def _apply(self, data: Mapping[Hashable, Any], function: Callable[[Any], Any]) -> dict[Hashable, Any]:
        d = dict(data)
        for key, output_key in self.key_iterator(d, self.output_keys):
            d[output_key] = function(d[key])
        return d


class _PlainContourTransformd(_ContourTransformd):
    """Dictionary version of a transform without settings, whose class is ``array_transform``."""

    array_transform: ClassVar[Callable[[], Callable[[Any], Any]]]

    def __init__(
        self,
        keys: KeysCollection = "pred",
        output_keys: KeysCollection | None = None,
        allow_missing_keys: bool = False,
    ) -> None:
        super().__init__(keys, output_keys, allow_missing_keys)
        self.function = type(self).array_transform()

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        return self._apply(data, self.function)


class MaskToContourd(_ContourTransformd):
    """Trace masks (C, H, W). See :class:`MaskToContour`."""

    def __init__(
        self,
        keys: KeysCollection,
        level: float = TRACING_LEVEL,
        num_vertices: int | None = None,
        output_keys: KeysCollection | None = None,
        allow_missing_keys: bool = False,
    ) -> None:
        super().__init__(keys, output_keys, allow_missing_keys)
        self.trace = MaskToContour(level, num_vertices)

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        return self._apply(data, self.trace)


class ContourToMaskd(_ContourTransformd):
    """Rasterize contours on an image's grid. See :class:`ContourToMask`.

    Args:
        keys: contours (C, N, 2) or (N, 2), in the pixels of that grid.
        like_key: image whose grid and affine the mask gets; None needs ``size``.
        original: take the grid of the image's file, not its present one.
        size: (H, W), for ``like_key=None``.
        threshold: None for coverage in [0, 1], otherwise for {0, 1}; drawn masks are {0, 1} in any case.
        fill_rule: "nonzero", "evenodd" or "signed", for coverage.
        rule: "covered", or "drawn" to compare with masks that were drawn with their outline. Masks tell it in their
            metadata as "mask_rule".
        rule_key: a reference whose metadata have the rule, as :class:`~monai_acdr.data.LoadReferenced` writes it, so
            that like is compared with like; items without it are rasterized by ``rule``.
        output_keys: where to write the masks.
        allow_missing_keys: skip keys that are absent.

    Raises:
        ValueError: when vertices carry the affine of another frame than the mask's, or the rule is unknown.
    """

    def __init__(  # noqa: PLR0913
        self,
        keys: KeysCollection,
        like_key: str | None = "image",
        original: bool = False,
        size: Sequence[int] | None = None,
        threshold: float | None = None,
        fill_rule: str = "nonzero",
        output_keys: KeysCollection | None = None,
        allow_missing_keys: bool = False,
        rule: str = "covered",
        rule_key: str | None = None,
    ) -> None:
        super().__init__(keys, output_keys, allow_missing_keys)
        self.like_key = like_key
        self.original = original
        self.rasterize = ContourToMask(size, threshold, fill_rule, rule)
        self.rule_key = rule_key

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        reference = None if self.rule_key is None else data.get(self.rule_key)
        rule = mask_rule(reference, self.rasterize.rule)
        if self.like_key is None:
            return self._apply(data, lambda vertices: self.rasterize(vertices, rule=rule))
        size, affine = (file_grid if self.original else present_grid)(data[self.like_key])

        def draw(vertices: Tensor) -> MetaTensor:
            check_same_frame(vertices, affine)
            mask = self.rasterize(vertices, size, rule)
            if not isinstance(mask, MetaTensor):
                mask = MetaTensor(mask, affine=affine, meta={})
            mask.meta[MASK_RULE] = rule
            return mask

        return self._apply(data, draw)


class FollowImaged(_ContourTransformd):
    """Bring vertices into the present pixels of ``image_key``. See :class:`FollowImage`."""

    def __init__(
        self,
        keys: KeysCollection = "vertices",
        image_key: str = "image",
        output_keys: KeysCollection | None = None,
        allow_missing_keys: bool = False,
    ) -> None:
        super().__init__(keys, output_keys, allow_missing_keys)
        self.image_key = image_key
        self.follow = FollowImage()

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        return self._apply(data, lambda vertices: self.follow(vertices, data[self.image_key]))


class ContourToImaged(_ContourTransformd):
    """Bring vertices from the present pixels of ``image_key`` to those of its file. See :class:`ContourToImage`."""

    def __init__(
        self,
        keys: KeysCollection = "pred",
        image_key: str = "image",
        output_keys: KeysCollection | None = None,
        allow_missing_keys: bool = False,
    ) -> None:
        super().__init__(keys, output_keys, allow_missing_keys)
        self.image_key = image_key
        self.restore = ContourToImage()

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        return self._apply(data, lambda vertices: self.restore(vertices, data[self.image_key]))


class ContourToWorldd(_ContourTransformd):
    """Bring vertices from the present pixels of ``image_key`` to mm, LPS. See :class:`ContourToWorld`."""

    def __init__(
        self,
        keys: KeysCollection = "pred",
        image_key: str = "image",
        output_keys: KeysCollection | None = None,
        allow_missing_keys: bool = False,
    ) -> None:
        super().__init__(keys, output_keys, allow_missing_keys)
        self.image_key = image_key
        self.locate = ContourToWorld()

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        return self._apply(data, lambda vertices: self.locate(vertices, data[self.image_key]))


class SelectContourd(_ContourTransformd):
    """Take one contour of each evolution, (T, K, 2) to (1, K, 2), or (T, N, K, 2) to (N, K, 2).

    See :class:`SelectContour`.
    """

    def __init__(
        self,
        keys: KeysCollection = "pred",
        index: int = -1,
        output_keys: KeysCollection | None = None,
        allow_missing_keys: bool = False,
    ) -> None:
        super().__init__(keys, output_keys, allow_missing_keys)
        self.select = SelectContour(index)

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        return self._apply(data, self.select)


class LastContourd(_PlainContourTransformd):
    """Take the last contour of each evolution, (T, K, 2) to (1, K, 2), or (T, N, K, 2) to (N, K, 2).

    See :class:`LastContour`.
    """

    array_transform = LastContour


class NestContoursd(_PlainContourTransformd):
    """Repair contours (N, K, 2) so that each structure is within the next one. See :class:`NestContours`."""

    array_transform = NestContours


NestContoursD = NestContoursDict = NestContoursd
MaskToContourD = MaskToContourDict = MaskToContourd
ContourToMaskD = ContourToMaskDict = ContourToMaskd
FollowImageD = FollowImageDict = FollowImaged
ContourToImageD = ContourToImageDict = ContourToImaged
ContourToWorldD = ContourToWorldDict = ContourToWorldd
SelectContourD = SelectContourDict = SelectContourd
LastContourD = LastContourDict = LastContourd
