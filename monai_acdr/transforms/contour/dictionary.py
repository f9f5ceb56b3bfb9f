# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Dictionary versions of :mod:`monai_acdr.transforms.contour.array`.

All take ``output_keys``: where to write, one for each of ``keys``; None overwrites.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Any, ClassVar

import torch
from monai.config import KeysCollection
from monai.data.meta_tensor import MetaTensor
from monai.transforms import MapTransform
from monai.utils import TransformBackends, ensure_tuple
from torch import Tensor

from monai_acdr.geometry import pixel_spacing
from monai_acdr.transforms.contour.array import (
    ContourToImage,
    ContourToMask,
    ContourToWorld,
    FollowImage,
    LastContour,
    MaskToContour,
    NestContours,
    OffsetContour,
    ResampleContour,
    SelectContour,
    ShiftContour,
)
from monai_acdr.transforms.contour.functional import (
    MASK_RULE,
    TRACING_LEVEL,
    check_same_frame,
    contour_to_mask,
    file_grid,
    mask_rule,
    plain_vertices,
    present_grid,
    vertices_in,
)

__all__ = [
    "ContourDiceD",
    "ContourDiceDict",
    "ContourDiced",
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
    "InitialContourD",
    "InitialContourDict",
    "InitialContourd",
    "LastContourD",
    "LastContourDict",
    "LastContourd",
    "MaskToContourD",
    "MaskToContourDict",
    "MaskToContourd",
    "NestContoursD",
    "NestContoursDict",
    "NestContoursd",
    "OffsetContourD",
    "OffsetContourDict",
    "OffsetContourd",
    "ResampleContourD",
    "ResampleContourDict",
    "ResampleContourd",
    "SelectContourD",
    "SelectContourDict",
    "SelectContourd",
    "ShiftContourD",
    "ShiftContourDict",
    "ShiftContourd",
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
        keys: KeysCollection,
        output_keys: KeysCollection | None = None,
        allow_missing_keys: bool = False,
    ) -> None:
        super().__init__(keys, output_keys, allow_missing_keys)
        self.function = type(self).array_transform()

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        return self._apply(data, self.function)


class _ContourOfImaged(_ContourTransformd):
    """Dictionary version of a transform of vertices and their image, whose class is ``array_transform``."""

    array_transform: ClassVar[Callable[[], Callable[[Any, Any], Any]]]

    def __init__(
        self,
        keys: KeysCollection,
        image_key: str = "image",
        output_keys: KeysCollection | None = None,
        allow_missing_keys: bool = False,
    ) -> None:
        super().__init__(keys, output_keys, allow_missing_keys)
        self.image_key = image_key
        self.function = type(self).array_transform()

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        return self._apply(data, lambda vertices: self.function(vertices, data[self.image_key]))


class MaskToContourd(_ContourTransformd):
    """Trace masks (C, H, W) to contours (C, N, 2). See :class:`MaskToContour`.

    Args:
        keys: masks.
        level: value that separates object and background.
        num_vertices: see :class:`MaskToContour`.
        output_keys: where to write the contours.
        allow_missing_keys: skip keys that are absent.
    """

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
        rule: "covered", or "drawn" to compare with masks that were drawn with their outline. Masks record it in their
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
        rule: str = "covered",
        rule_key: str | None = None,
        output_keys: KeysCollection | None = None,
        allow_missing_keys: bool = False,
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


class FollowImaged(_ContourOfImaged):
    """Bring vertices into the present pixels of ``image_key``. See :class:`FollowImage`.

    Args:
        keys: vertices (..., N, 2), MetaTensor.
        image_key: image (C, H, W), MetaTensor.
        output_keys: where to write the vertices.
        allow_missing_keys: skip keys that are absent.
    """

    array_transform = FollowImage


class ContourToImaged(_ContourOfImaged):
    """Bring vertices from the present pixels of ``image_key`` to those of its file. See :class:`ContourToImage`.

    Args:
        keys: vertices (..., N, 2) in the present pixels of the image.
        image_key: image (C, H, W), MetaTensor.
        output_keys: where to write the vertices.
        allow_missing_keys: skip keys that are absent.
    """

    array_transform = ContourToImage


class ContourToWorldd(_ContourOfImaged):
    """Bring vertices from the present pixels of ``image_key`` to mm, LPS. See :class:`ContourToWorld`.

    Args:
        keys: vertices (..., N, 2) in the present pixels of the image.
        image_key: image (C, H, W), MetaTensor.
        output_keys: where to write the points (..., N, 3).
        allow_missing_keys: skip keys that are absent.
    """

    array_transform = ContourToWorld


class SelectContourd(_ContourTransformd):
    """Take one contour of each evolution, (T, K, 2) to (1, K, 2), or (T, N, K, 2) to (N, K, 2).

    See :class:`SelectContour`.

    Args:
        keys: contours of evolutions.
        index: iteration, 0 the first, -1 the last.
        output_keys: where to write the contours.
        allow_missing_keys: skip keys that are absent.
    """

    def __init__(
        self,
        keys: KeysCollection,
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


class ShiftContourd(MapTransform):
    """Move contours by the shift that their item holds. See :class:`ShiftContour`.

    Args:
        keys: contours (..., K, 2), in pixels of the image's file.
        shift_key: item with (x, y); items without it stay as they are.
        factor: on the shift; -1 undoes it.
        allow_missing_keys: skip keys that are absent.
    """

    backend = [TransformBackends.TORCH]

    def __init__(
        self,
        keys: KeysCollection,
        shift_key: str = "reader_shift",
        factor: float = 1.0,
        allow_missing_keys: bool = False,
    ) -> None:
        super().__init__(keys, allow_missing_keys)
        self.shift_key = shift_key
        self.move = ShiftContour(factor)

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        d = dict(data)
        if d.get(self.shift_key) is not None:
            for key in self.key_iterator(d):
                d[key] = self.move(d[key], d[self.shift_key])
        return d


class OffsetContourd(MapTransform):
    """Move contours outwards by distances in mm, unless the spacing is unknown. See :class:`OffsetContour`.

    Args:
        keys: contours (N, K, 2), in pixels of the image's file.
        offset_mm: one number for each structure; None moves nothing.
        image_key: image in whose file's pixels the contours are given.
        spacing_key: item that is true where the file states its spacing.
        allow_missing_keys: skip keys that are absent.
    """

    backend = [TransformBackends.TORCH]

    def __init__(
        self,
        keys: KeysCollection,
        offset_mm: Sequence[float] | None,
        image_key: str = "image",
        spacing_key: str = "has_spacing",
        allow_missing_keys: bool = False,
    ) -> None:
        super().__init__(keys, allow_missing_keys)
        self.image_key, self.spacing_key = image_key, spacing_key
        self.move = None if offset_mm is None else OffsetContour(offset_mm)

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        d = dict(data)
        if self.move is not None and d.get(self.spacing_key):
            spacing = pixel_spacing(file_grid(d[self.image_key])[1])
            for key in self.key_iterator(d):
                d[key] = self.move(d[key], spacing)
        return d


class ResampleContourd(MapTransform):
    """Place vertices at equal arc length along closed contours. See :class:`ResampleContour`.

    Args:
        keys: contours (N, P, 2).
        num_vertices: of each of them.
        allow_missing_keys: skip keys that are absent.
    """

    backend = [TransformBackends.TORCH]

    def __init__(self, keys: KeysCollection, num_vertices: int = 128, allow_missing_keys: bool = False) -> None:
        super().__init__(keys, allow_missing_keys)
        self.resample = ResampleContour(num_vertices)

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        d = dict(data)
        for key in self.key_iterator(d):
            d[key] = self.resample(d[key])
        return d


class InitialContourd(MapTransform):
    """Initial contour of an image, from a network's oracle.

    Args:
        keys: image (C, H, W) as the network sees it.
        oracle: images (B, C, H, W) to vertices (B, K, 2), or (B, N, K, 2) of N structures, e.g.
            ``network.initial_contour``.
        output_key: item to write, (1, K, 2) or (N, K, 2) vertices in the image's present pixels, with its affine.
        allow_missing_keys: leave an item without the image as it is.
    """

    def __init__(
        self,
        keys: KeysCollection,
        oracle: Callable[[Tensor], Tensor],
        output_key: str = "initial",
        allow_missing_keys: bool = False,
    ) -> None:
        super().__init__(keys, allow_missing_keys)
        self.oracle = oracle
        self.output_key = output_key

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        d = dict(data)
        key = self.first_key(d)
        if key == ():
            return d
        image = d[key]
        pixels = image.as_tensor() if isinstance(image, MetaTensor) else image
        vertices = self.oracle(pixels[None])
        d[self.output_key] = vertices_in(vertices[0] if vertices.ndim == 4 else vertices, present_grid(image)[1])
        return d


class ContourDiced(MapTransform):
    """Dice of a contour and a reference, both drawn on the image's present grid (pixels covered by at least half).

    Args:
        keys: contour (1, K, 2), or (N, K, 2) of N structures, in the image's present pixels.
        reference_key: contour (1, P, 2) or (N, P, 2) of any frame of the same image, MetaTensor; without it nothing is
            written. A structure that is NaN everywhere is missing.
        image_key: image whose present grid is used.
        output_key: item to write: a float; for several structures a tensor (N,). 1 when both are empty, NaN when the
            reference is missing.
        allow_missing_keys: write nothing where the contour is absent.
    """

    def __init__(
        self,
        keys: KeysCollection,
        reference_key: str = "reference",
        image_key: str = "image",
        output_key: str = "roi_dice",
        allow_missing_keys: bool = False,
    ) -> None:
        super().__init__(keys, allow_missing_keys)
        self.reference_key = reference_key
        self.image_key = image_key
        self.output_key = output_key
        self.follow = FollowImage()

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        d = dict(data)
        key = self.first_key(d)
        if key == () or self.reference_key not in d:
            return d
        image = d[self.image_key]
        size, _ = present_grid(image)
        reference = self.follow(d[self.reference_key], image)
        one = contour_to_mask(plain_vertices(d[key]), size, threshold=0.5)
        other = contour_to_mask(plain_vertices(reference), size, threshold=0.5)
        if one.shape != other.shape:
            raise ValueError(
                f"Expected a reference contour for each structure, but got {len(one)} contours and {len(other)} "
                "references: fill those that are missing with NaN."
            )
        total = (one + other).sum((1, 2), dtype=torch.float64)
        dice = torch.where(total == 0, 1, 2 * (one * other).sum((1, 2), dtype=torch.float64) / total)
        d[self.output_key] = float(dice[0]) if len(dice) == 1 else dice
        return d


NestContoursD = NestContoursDict = NestContoursd
MaskToContourD = MaskToContourDict = MaskToContourd
ContourToMaskD = ContourToMaskDict = ContourToMaskd
FollowImageD = FollowImageDict = FollowImaged
ContourToImageD = ContourToImageDict = ContourToImaged
ContourToWorldD = ContourToWorldDict = ContourToWorldd
SelectContourD = SelectContourDict = SelectContourd
LastContourD = LastContourDict = LastContourd
OffsetContourD = OffsetContourDict = OffsetContourd
ShiftContourD = ShiftContourDict = ShiftContourd
ResampleContourD = ResampleContourDict = ResampleContourd
InitialContourD = InitialContourDict = InitialContourd
ContourDiceD = ContourDiceDict = ContourDiced
