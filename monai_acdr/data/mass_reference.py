# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Reference of one mass: vertices from a data list, or a mask file, rendered only within a window of the image."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any

import numpy as np
import torch
from monai.config import KeysCollection
from monai.data.image_reader import ImageReader
from monai.data.meta_tensor import MetaTensor
from monai.transforms import EnsureChannelFirstd, MapTransform
from torch import Tensor

from monai_acdr.data.pictures import PictureReader
from monai_acdr.data.readers import DicomFrameReader, LoadImaged, NiftiSliceReader
from monai_acdr.data.reference import LoadReference, LoadReferenced
from monai_acdr.transforms import CheckImaged
from monai_acdr.transforms.contour import FollowImage, contour_to_mask, file_name, present_grid, vertices_in

__all__ = [
    "DrawLabelD",
    "DrawLabelDict",
    "DrawLabeld",
    "LoadMassReferenceD",
    "LoadMassReferenceDict",
    "LoadMassReferenced",
    "load_pair",
]


class LoadMassReferenced(MapTransform):
    """Write the reference contour of a mass, and its mask where the data set has one.

    A label map whose item says which values are which structure (``label_values``) gives masks (N, H, W) and contours
    (N, P, 2), as :class:`LoadReferenced` does.

    Args:
        keys: path of a mask on the image's grid; becomes the mask (1, H, W). Absent where vertices are given.
        vertices_key: (N, 2) vertices in pixels of the image's file, N >= 3; removed.
        image_key: the image, as loaded.
        contour_key: item to write, (1, N, 2) vertices with the image's affine.
        mask_reader: see :class:`LoadReference`.
        allow_missing_keys: leave items that have neither vertices nor a mask as they are.

    Raises:
        ValueError: when an item has neither vertices nor a mask, or the vertices lie outside the image.
    """

    def __init__(
        self,
        keys: KeysCollection,
        vertices_key: str = "contour",
        image_key: str = "image",
        contour_key: str = "reference",
        mask_reader: ImageReader | None = None,
        allow_missing_keys: bool = False,
    ) -> None:
        super().__init__(keys, allow_missing_keys)
        self.vertices_key = vertices_key
        self.image_key = image_key
        self.contour_key = contour_key
        self.load = LoadReferenced(self.keys, image_key, contour_key, LoadReference(mask_reader=mask_reader))

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        d = dict(data)
        key, image = self.keys[0], d[self.image_key]
        vertices = d.pop(self.vertices_key, None)
        if vertices is not None:
            d.pop(key, None)
            d[self.contour_key] = vertices_in(_check(vertices, image)[None], present_grid(image)[1])
        elif d.get(key) is not None:
            d = self.load(d)
        elif not self.allow_missing_keys:
            raise ValueError(
                f"Expected {file_name(image)} to come with {self.vertices_key!r} or {key!r}, but it has neither: "
                "make the data list with one of the functions of monai_acdr.data."
            )
        return d


class DrawLabeld(MapTransform):
    """Draw the mask of a contour on the current grid of an image, where there is no mask yet.

    Args:
        keys: mask (1, H, W) to write; one that is there already is left as it is.
        contour_key: (1, N, 2) vertices; they are transformed to the image's current pixels.
        image_key: image (C, H, W).
        allow_missing_keys: skip items without a contour.
    """

    def __init__(
        self,
        keys: KeysCollection,
        contour_key: str = "reference",
        image_key: str = "image",
        allow_missing_keys: bool = False,
    ) -> None:
        super().__init__(keys, allow_missing_keys)
        self.contour_key = contour_key
        self.image_key = image_key
        self.follow = FollowImage()

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        d = dict(data)
        if isinstance(d.get(self.keys[0]), Tensor) or (self.allow_missing_keys and self.contour_key not in d):
            return d
        size, affine = present_grid(d[self.image_key])
        vertices = self.follow(d[self.contour_key], d[self.image_key])
        mask = contour_to_mask(vertices.as_tensor(), size, threshold=0.5)
        d[self.keys[0]] = MetaTensor(mask, affine=affine, meta={})
        return d


def _check(vertices: Any, image: Tensor) -> Tensor:
    points = torch.as_tensor(np.asarray(vertices, dtype=np.float64))
    name, (height, width) = file_name(image), present_grid(image)[0]
    if points.ndim != 2 or points.shape[-1] != 2 or points.shape[0] < 3:
        raise ValueError(f"Expected the mass of {name} to have (N >= 3, 2) vertices, but got {tuple(points.shape)}.")
    if not bool(torch.isfinite(points).all()):
        raise ValueError(f"Expected the mass of {name} to have finite vertices, but got NaN or Inf: repair its file.")
    low, high = points.amin(0), points.amax(0)
    if bool((high <= 0).any()) or float(low[0]) >= width or float(low[1]) >= height:
        raise ValueError(
            f"Expected the mass of {name} to lie inside {height} x {width} (H x W), but it spans {low.tolist()} .. "
            f"{high.tolist()} (x, y): does it belong to this image?"
        )
    return points


def load_pair(channels: int = 1) -> list[Any]:
    """Transforms that load the image and the reference of an item of :func:`monai_acdr.data.pair_folder_data_list`.

    Args:
        channels: of the image: 1, gray values, or 3, colors.
    """
    return [
        LoadImaged("image", reader=[NiftiSliceReader(), DicomFrameReader(), PictureReader(channels == 3)]),
        EnsureChannelFirstd("image"),
        CheckImaged("image", channels=channels),
        LoadMassReferenced("label"),
    ]


LoadMassReferenceD = LoadMassReferenceDict = LoadMassReferenced
DrawLabelD = DrawLabelDict = DrawLabeld
