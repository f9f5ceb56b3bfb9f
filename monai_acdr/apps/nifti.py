# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""NIfTI volumes as frames, row first, and masks back onto their grid."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import torch
from torch import Tensor

from monai_acdr.atomic_files import replace_file

__all__ = ["NiftiVolume", "is_nifti", "read_nifti", "write_masks"]

MAX_VOXELS = 1_000_000_000
"""Volumes of more voxels are refused unread."""


@dataclass(frozen=True, eq=False)
class NiftiVolume:
    """A volume whose first axis runs along a row, as NIfTI has it.

    Attributes:
        voxels: (X, Y, Z, T) float32.
        affine: (4, 4) voxel index to RAS mm.
        shape: as in the file, 2 to 4 numbers.
    """

    voxels: np.ndarray
    affine: np.ndarray
    shape: tuple[int, ...]

    @classmethod
    def from_voxels(cls, voxels: np.ndarray, affine: np.ndarray) -> NiftiVolume:
        """The volume of voxels of two to four dimensions."""
        shape = tuple(int(n) for n in voxels.shape)
        return cls(voxels.astype(np.float32, copy=False).reshape(*shape, *([1] * (4 - len(shape)))), affine, shape)

    @property
    def num_phases(self) -> int:
        """T."""
        return int(self.voxels.shape[3])

    @property
    def places(self) -> list[tuple[int, int]]:
        """(slice, phase) of each frame, by slice."""
        return [(z, t) for z in range(self.voxels.shape[2]) for t in range(self.num_phases)]

    def frame(self, slice_index: int, phase: int) -> np.ndarray:
        """(H, W) = (Y, X)."""
        return np.asarray(self.voxels[:, :, slice_index, phase].T)

    def frame_affine(self, slice_index: int) -> Tensor:
        """(4, 4) float64: index (row, column, slice) to RAS mm."""
        matrix = self.affine[:, [1, 0, 2, 3]].astype(np.float64)
        matrix[:, 3] = matrix[:, 3] + slice_index * matrix[:, 2]
        return torch.from_numpy(matrix)


def is_nifti(path: Path) -> bool:
    """Whether the name ends like NIfTI's: the content of a compressed one tells nothing."""
    return path.name.lower().endswith((".nii", ".nii.gz"))


def read_nifti(path: Path) -> NiftiVolume:
    """Read an image of two to four dimensions.

    Raises:
        ValueError: when it is none, is damaged, too large, or its affine is singular.
    """
    try:
        image: Any = nib.load(path)
        shape = tuple(int(n) for n in image.shape)
        if not 2 <= len(shape) <= 4 or min(shape) < 1 or int(np.prod(shape)) > MAX_VOXELS:
            raise ValueError(f"its shape is {shape}, expected 2 to 4 dimensions and at most {MAX_VOXELS} voxels")
        affine = np.asarray(image.affine, dtype=np.float64)
        if not np.isfinite(affine).all() or abs(np.linalg.det(affine)) < 1e-12:
            raise ValueError("its affine is singular")
        voxels = np.asarray(image.dataobj, dtype=np.float32)
    except (OSError, ValueError, EOFError, TypeError, nib.filebasedimages.ImageFileError) as error:
        raise ValueError(f"Expected a NIfTI volume, but {path} cannot be used: {error}.") from error
    return NiftiVolume.from_voxels(voxels, affine)


def write_masks(path: Path, volume: NiftiVolume, masks: Mapping[tuple[int, int], np.ndarray]) -> Path:
    """Write masks (H, W) of frames as one volume of the image's shape, uint8 {0, 1}, with its affine.

    Args:
        path: file to write, ``.nii`` or ``.nii.gz``.
        volume: the image.
        masks: (slice, phase) -> mask; absent frames stay empty.
    """
    array = np.zeros(volume.voxels.shape, dtype=np.uint8)
    for (slice_index, phase), mask in masks.items():
        array[:, :, slice_index, phase] = mask.T
    with replace_file(path) as temporary:
        nib.save(nib.Nifti1Image(array.reshape(volume.shape), volume.affine), temporary)
    return path
