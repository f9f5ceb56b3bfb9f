# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Mask files of any format as binary masks and as outlines of their objects, on the grid of their image."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from monai_acdr.data.files import check_regular_file
from monai_acdr.data.image_headers import is_dicom_file, read_image_header
from monai_acdr.data.mask_values import foreground
from monai_acdr.data.pictures import read_picture, verify_picture
from monai_acdr.dicom import read_gray_image
from monai_acdr.read_budget import check_pixels
from monai_acdr.transforms.contour import mask_to_contour, mask_to_contours

__all__ = ["MaskOutline", "file_size", "fit_mask", "object_outlines", "read_mask"]


def file_size(path: str | Path) -> tuple[int, int]:
    """(H, W) of an image or mask file, from its header; a PNG or DICOM file that is cut off is refused.

    Raises:
        FileNotFoundError: when there is no such file.
        ValueError: when it is not an image, is damaged or larger than the memory budget; the message names the file.
    """
    path = Path(path)
    check_regular_file(path, "an image or mask")
    size = read_image_header(path).size if is_dicom_file(path) else verify_picture(path)
    check_pixels(path, size)
    return size


def read_mask(path: str | Path) -> np.ndarray:
    """Read a mask with the values 0 and 1, 0 and 255 or 0 and 65535, in a file that Pillow or pydicom reads.

    Returns:
        (H, W) bool, True in the object.

    Raises:
        FileNotFoundError: when there is no such file.
        ValueError: when it cannot be read, is empty or full, or holds several labels.
    """
    path = Path(path)
    file_size(path)
    values = read_gray_image(path) if is_dicom_file(path) else read_picture(path)
    if values.ndim != 2:
        raise ValueError(f"Expected a mask (H, W) in {path}, but got {values.shape}: take one channel or frame.")
    if is_dicom_file(path) and not bool(((values == values.min()) | (values == values.max())).all()):
        # Files that were never compressed with losses: other values mean that this is an image.
        raise ValueError(f"Expected a mask of two values in {path}, but it has more: is it an image?")
    mask = foreground(values, path)
    if bool(mask.all()):
        raise ValueError(f"Expected object and background in {path}, but every pixel is set: is it a mask?")
    return mask


def fit_mask(mask: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Resize a mask (h, w) to ``size`` (H, W): each pixel takes the value that lies under its center (nearest)."""
    if mask.shape == tuple(size):
        return mask
    rows, columns = (
        np.minimum(((np.arange(new) + 0.5) * old / new).astype(np.int64), old - 1)
        for new, old in zip(size, mask.shape, strict=True)
    )
    return mask[rows[:, None], columns]


def object_outlines(mask: np.ndarray) -> list[np.ndarray]:
    """Outer outlines of the objects of a mask (H, W), largest first; pixels that touch by a corner are one object.

    Returns:
        For each object (N, 2) float64 vertices (x, y) in pixels, not closed; see
        :func:`~monai_acdr.transforms.contour.mask_to_contours`.
    """
    part, corner = _crop(mask)
    return [_inside(contour.numpy() + corner, mask.shape) for contour in mask_to_contours(part)]


@dataclass(frozen=True)
class MaskOutline:
    """Outline of the largest object of a mask file, traced only when it is used: ``np.asarray(outline)``.

    A data list of a thousand large masks stays cheap, and its items still provide vertices as ``contour``.

    Attributes:
        path: mask file; see :func:`read_mask`.
        size: (H, W) of the image; a mask of another size is resized (:func:`fit_mask`).
    """

    path: str
    size: tuple[int, int]

    def mask(self) -> np.ndarray:
        """The mask on the image's grid, (H, W) bool.

        Raises:
            ValueError: when the file cannot be used; the message names it.
        """
        mask = fit_mask(read_mask(self.path), self.size)
        if not bool(mask.any()):
            raise ValueError(f"Expected an object in {self.path}, but nothing is left of it at {self.size} pixels.")
        return mask

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        """(N, 2) vertices (x, y) in pixels of the image."""
        mask = self.mask()
        part, corner = _crop(mask)
        vertices = _inside(mask_to_contour(part).numpy() + corner, mask.shape)
        return vertices if dtype is None else vertices.astype(dtype)


def _inside(vertices: np.ndarray, size: tuple[int, ...]) -> np.ndarray:
    """Traced edges lie a thousandth of a pixel outside the pixels' own, so outside the image at its border."""
    return np.clip(vertices, 0, (size[1], size[0]))


def _crop(mask: np.ndarray) -> tuple[torch.Tensor, tuple[int, int]]:
    """The part of a mask that holds objects, and its corner (x, y): tracing a whole mammogram is slow."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if not rows.size:
        return torch.from_numpy(mask), (0, 0)
    part = mask[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    return torch.from_numpy(np.ascontiguousarray(part)), (int(columns[0]), int(rows[0]))
