# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""References of one image as masks and as contours, from files of either kind."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
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
from monai_acdr.data.mask_values import MAX_SMALL_LABEL, read_mask_values, structure_mask
from monai_acdr.data.readers import parse_slice_name
from monai_acdr.geometry import resample
from monai_acdr.transforms.contour import (
    MASK_RULE,
    contour_to_mask,
    file_name,
    present_grid,
    trace_mask,
    vertices_in,
)
from monai_acdr.transforms.contour.functional import check_mask_rule

__all__ = ["LoadReference", "LoadReferenceD", "LoadReferenceDict", "LoadReferenced"]

CONTOUR_SUFFIXES = (".txt",)
"""Files that hold a contour; every other file holds a mask."""


class LoadReference(Transform):
    """Read a mask or a contour file that belongs to an image.

    A contour's mask holds the pixels of which it covers at least half. A mask's contour follows from ``mask_rule``:
    that of its largest object (:func:`mask_to_contour`), or, for a mask that was drawn with its outline as the
    Sunnybrook PNG masks were, the one it was drawn from (:func:`inset_outline`). Contour files are taken as they are.

    Args:
        contour_reader: path to (N, 2) vertices in pixels, for contour files.
        mask_reader: MONAI reader of masks, giving arrays in (row, column) order; None reads pictures, DICOM files and
            slices of label maps in NIfTI (:func:`~monai_acdr.data.mask_values.read_mask_values`).
        mask_rule: of mask files, "covered" or "drawn".
    """

    def __init__(
        self,
        contour_reader: Callable[[Path], Tensor] = read_contour,
        mask_reader: ImageReader | None = None,
        mask_rule: str = "covered",
    ) -> None:
        self.contour_reader = contour_reader
        self.mask_reader = mask_reader
        self.mask_rule = check_mask_rule(mask_rule, "mask_rule")

    def __call__(  # type: ignore[override]
        self,
        path: str | Path,
        image: Tensor,
        mask_rule: str | None = None,
        label_values: Sequence[int] | None = None,
    ) -> tuple[MetaTensor, MetaTensor]:
        """Read the reference of ``image``.

        Args:
            path: contour (``.txt``), mask with the values 0 and 1, 0 and 255, or 0 and 65535, or name of a slice
                (:func:`~monai_acdr.data.slice_name`).
            image: (1, H, W) MetaTensor as loaded, before any spatial transform.
            mask_rule: of this file, if it is a mask; None takes that of the transform.
            label_values: values of the structure, where the file is a map of several labels; None takes it for a mask
                of two values.

        Returns:
            Mask (1, H, W) float32 of 0 and 1, as in the file, with its rule in the metadata ("mask_rule"), and contour
            (1, N, 2) float64 in pixels, both with the image's affine.

        Raises:
            FileNotFoundError: when there is no such file.
            ValueError: when the mask is empty or of another size than the image, the contour misses the image, or the
                rule is unknown.
        """
        size, affine = present_grid(image)
        rule = check_mask_rule(self.mask_rule if mask_rule is None else mask_rule, "mask_rule")
        if Path(path).suffix.lower() in CONTOUR_SUFFIXES:
            path = Path(path)
            rule = "covered"
            vertices = self.contour_reader(path)
            mask = contour_to_mask(vertices, size, threshold=0.5)
            if not bool(mask.any()):
                span = f"{vertices.amin(0).tolist()} .. {vertices.amax(0).tolist()}"
                raise ValueError(
                    f"Expected the contour in {path} to cover pixels of {file_name(image)}, {size[0]} x {size[1]}, "
                    f"but it spans {span}: does it belong to this image?"
                )
        else:
            mask = self._read_mask(path, size, file_name(image), label_values)
            vertices = trace_mask(mask[0], rule)
        meta = {
            MetaKeys.SPATIAL_SHAPE: size,
            MetaKeys.ORIGINAL_AFFINE: affine,
            "filename_or_obj": str(path),
            MASK_RULE: rule,
        }
        return MetaTensor(mask, affine=affine, meta=meta), vertices_in(vertices[None], affine)

    def _read_mask(
        self, path: str | Path, size: tuple[int, int], image_name: str, label_values: Sequence[int] | None
    ) -> Tensor:
        volume_slice = parse_slice_name(path)
        file = Path(path) if volume_slice is None else volume_slice.path
        if not file.is_file():
            raise FileNotFoundError(f"Expected a mask file, but {file} does not exist: check the dataset's folder.")
        if self.mask_reader is None:
            values = read_mask_values(path)
        else:
            values = np.asarray(self.mask_reader.get_data(self.mask_reader.read(path))[0])
        if values.shape != size:
            raise ValueError(
                f"Expected {path} to have the size of {image_name}, {size[0]} x {size[1]} (H x W), but got "
                f"{' x '.join(map(str, values.shape))}: do the two belong together?"
            )
        mask = structure_mask(values, label_values, path)
        if not mask.any():
            raise ValueError(
                f"Expected pixels of {list(label_values or ())} in {path}, but it has none: leave this frame out."
            )
        return torch.from_numpy(mask.astype(np.float32))[None]


class LoadReferenced(MapTransform):
    """Replace the path at ``keys`` by the reference mask and write its contour. See :class:`LoadReference`.

    With several keys, one for each structure from the innermost to the outermost, the masks and contours are stacked:
    the first key becomes the masks (N, H, W), the others are removed. A structure whose key an item lacks is unknown:
    its mask and its contour are NaN. One key whose item names the values of several structures
    (:func:`~monai_acdr.data.pair_folder_data_list`) is stacked alike; a structure without pixels is NaN.

    Args:
        keys: items with the paths; the first becomes the masks.
        image_key: the image they belong to, already loaded.
        contour_key: item to write, (1, P, 2) vertices, or (N, ``num_vertices``, 2) for several structures.
        load: how files are read, and by which rule where items do not tell it; None takes ``LoadReference()``.
        rule_key: item with the rule of the masks, "covered" or "drawn", as data lists give it; None reads all by the
            rule of ``load``.
        values_key: item with the values of the structures in the label map at the single key, one tuple for each; None
            takes all files for masks of two values.
        num_vertices: of each contour of several structures, at equal arc length.
        allow_missing_keys: skip images without any reference.

    Raises:
        ValueError: for structures whose masks follow different rules, and as :class:`LoadReference`.
    """

    def __init__(
        self,
        keys: KeysCollection,
        image_key: str = "image",
        contour_key: str = "reference",
        load: LoadReference | None = None,
        rule_key: str | None = MASK_RULE,
        num_vertices: int = 256,
        values_key: str | None = "label_values",
        allow_missing_keys: bool = False,
    ) -> None:
        super().__init__(keys, allow_missing_keys)
        self.values_key = values_key
        if num_vertices < 3:
            raise ValueError(f"Expected `num_vertices` to be at least 3, but got {num_vertices}.")
        self.image_key = image_key
        self.contour_key = contour_key
        self.rule_key = rule_key
        self.num_vertices = num_vertices
        self.load = load or LoadReference()

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        d = dict(data)
        image, rule = d[self.image_key], None if self.rule_key is None else d.get(self.rule_key)
        paths = [d.pop(key, None) for key in self.keys]
        if all(path is None for path in paths):
            if self.allow_missing_keys:
                return d
            raise KeyError(
                f"Expected {file_name(image)} to come with one of {list(self.keys)}, but it has none: set "
                "allow_missing_keys=True to keep images without a reference."
            )
        values = None if self.values_key is None else d.get(self.values_key)
        if len(paths) == 1 and values is not None:
            loaded = [self._load_structure(paths[0], image, rule, labels, len(values)) for labels in values]
        else:
            loaded = [None if path is None else self.load(path, image, rule) for path in paths]
        d[self.keys[0]], d[self.contour_key] = loaded[0] if len(loaded) == 1 else self._stack(loaded)  # type: ignore[misc]
        return d

    def _load_structure(
        self, path: str | Path, image: Tensor, rule: str | None, labels: Sequence[int], number: int
    ) -> tuple[MetaTensor, MetaTensor] | None:
        """One of `number` structures of a label map; None where there are others, but not this one."""
        if number == 1 and len(labels) == 1 and labels[0] > MAX_SMALL_LABEL:
            return self.load(path, image, rule)  # a mask of two values, whose edges may have others
        if number > 1 and not bool(np.isin(read_mask_values(path), labels).any()):
            return None
        return self.load(path, image, rule, labels)

    def _stack(self, loaded: Sequence[tuple[MetaTensor, MetaTensor] | None]) -> tuple[MetaTensor, MetaTensor]:
        known = [pair for pair in loaded if pair is not None]
        first = known[0][0]
        if len({mask.meta[MASK_RULE] for mask, _ in known}) > 1:
            files = [str(mask.meta["filename_or_obj"]) for mask, _ in known]
            raise ValueError(
                f"Expected references of one kind for an image, but got {files}, drawn masks and contour files: their "
                "masks follow different rules; give all as masks or all as contours."
            )
        masks = torch.full((len(loaded), *first.shape[1:]), torch.nan)
        contours = torch.full((len(loaded), self.num_vertices, 2), torch.nan, dtype=torch.float64)
        for index, pair in enumerate(loaded):
            if pair is not None:
                masks[index] = pair[0].as_tensor()[0]
                contours[index] = resample(pair[1].as_tensor()[0], self.num_vertices)
        meta = {key: value for key, value in first.meta.items() if key != MetaKeys.AFFINE}
        return MetaTensor(masks, affine=first.affine, meta=meta), vertices_in(contours, first.affine)


LoadReferenceD = LoadReferenceDict = LoadReferenced
