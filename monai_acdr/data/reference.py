# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Reference of one image, as a mask and as a contour, whichever of the two its file holds."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from monai.config import KeysCollection
from monai.data.image_reader import ImageReader
from monai.data.meta_tensor import MetaTensor
from monai.transforms import MapTransform, Transform
from monai.utils.enums import MetaKeys
from torch import Tensor

from monai_acdr.data.contour_files import read_contour
from monai_acdr.data.pictures import PictureReader
from monai_acdr.transforms.contour import contour_to_mask, file_name, mask_to_contour, present_grid, vertices_in

__all__ = ["LoadReference", "LoadReferenceD", "LoadReferenceDict", "LoadReferenced"]

CONTOUR_SUFFIXES = (".txt",)
"""Files that hold a contour; every other file holds a mask."""

_BYTE_THRESHOLD = 127  # of 8-bit masks, which a lossy step may have smeared


class LoadReference(Transform):
    """Read a mask or a contour file that belongs to an image.

    A mask's contour is that of its largest object (:func:`mask_to_contour`); a contour's mask holds the pixels of which
    it covers at least half.

    Args:
        contour_reader: path to (N, 2) vertices in pixels, for contour files.
        mask_reader: MONAI reader of masks, giving arrays in (row, column) order; None reads pictures
            (:class:`~monai_acdr.data.PictureReader`).
    """

    def __init__(
        self, contour_reader: Callable[[Path], Tensor] = read_contour, mask_reader: ImageReader | None = None
    ) -> None:
        self.contour_reader = contour_reader
        self.mask_reader = mask_reader

    def __call__(  # type: ignore[override]
        self, path: str | Path, image: Tensor
    ) -> tuple[MetaTensor, MetaTensor]:
        """Read the reference of ``image``.

        Args:
            path: contour (``.txt``), or mask with the values 0 and 1, 0 and 255, or 0 and 65535.
            image: (1, H, W) MetaTensor as loaded, before any spatial transform.

        Returns:
            Mask (1, H, W) float32 of 0 and 1, and contour (1, N, 2) float64 in pixels, both with the image's affine.

        Raises:
            FileNotFoundError: when there is no such file.
            ValueError: when the mask is empty or of another size than the image, or the contour misses the image.
        """
        path = Path(path)
        size, affine = present_grid(image)
        if path.suffix.lower() in CONTOUR_SUFFIXES:
            vertices = self.contour_reader(path)
            mask = contour_to_mask(vertices, size, threshold=0.5)
            if not bool(mask.any()):
                span = f"{vertices.amin(0).tolist()} .. {vertices.amax(0).tolist()}"
                raise ValueError(
                    f"Expected the contour in {path} to cover pixels of {file_name(image)}, {size[0]} x {size[1]}, "
                    f"but it spans {span}: does it belong to this image?"
                )
        else:
            mask = self._read_mask(path, size, file_name(image))
            vertices = mask_to_contour(mask[0])
        meta = {MetaKeys.SPATIAL_SHAPE: size, MetaKeys.ORIGINAL_AFFINE: affine, "filename_or_obj": str(path)}
        return MetaTensor(mask, affine=affine, meta=meta), vertices_in(vertices[None], affine)

    def _read_mask(self, path: Path, size: tuple[int, int], image_name: str) -> Tensor:
        if not path.is_file():
            raise FileNotFoundError(f"Expected a mask file, but {path} does not exist: check the dataset's folder.")
        reader = self.mask_reader or PictureReader()
        values = np.asarray(reader.get_data(reader.read(path))[0])
        if values.shape != size:
            raise ValueError(
                f"Expected {path} to have the size of {image_name}, {size[0]} x {size[1]} (H x W), but got "
                f"{' x '.join(map(str, values.shape))}: do the two belong together?"
            )
        return torch.from_numpy(foreground(values, path).astype(np.float32))[None]


class LoadReferenced(MapTransform):
    """Replace the path at ``keys`` by the reference mask and write its contour. See :class:`LoadReference`.

    Args:
        keys: item with the path; becomes the mask (1, H, W).
        image_key: the image it belongs to, already loaded.
        contour_key: item to write, (1, N, 2) vertices.
        contour_reader: see :class:`LoadReference`.
        mask_reader: see :class:`LoadReference`.
        allow_missing_keys: skip images without a reference.
    """

    def __init__(
        self,
        keys: KeysCollection = "label",
        image_key: str = "image",
        contour_key: str = "reference",
        contour_reader: Callable[[Path], Tensor] = read_contour,
        mask_reader: ImageReader | None = None,
        allow_missing_keys: bool = False,
    ) -> None:
        super().__init__(keys, allow_missing_keys)
        if len(self.keys) != 1:
            raise ValueError(f"Expected one key, but got {self.keys}: use one LoadReferenced for each reference.")
        self.image_key = image_key
        self.contour_key = contour_key
        self.load = LoadReference(contour_reader, mask_reader)

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        d = dict(data)
        for key in self.key_iterator(d):
            d[key], d[self.contour_key] = self.load(d[key], d[self.image_key])
        return d


def foreground(values: np.ndarray, path: Path) -> np.ndarray:
    """Object pixels of a mask that was stored with the values 0 and 1, 0 and 255, or 0 and 65535."""
    largest = values.max(initial=0)
    if largest <= 0:
        raise ValueError(f"Expected an object in {path}, but the mask is empty: leave this frame out.")
    if largest <= _BYTE_THRESHOLD and np.unique(values).size > 2:
        raise ValueError(
            f"Expected a mask of two values in {path}, but got {np.unique(values)[:5].tolist()}: "
            "a map of several labels has to be split into masks first."
        )
    return values > (_BYTE_THRESHOLD if _BYTE_THRESHOLD < largest <= 255 else largest / 2)


LoadReferenceD = LoadReferenceDict = LoadReferenced
