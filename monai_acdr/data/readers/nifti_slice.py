# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""One slice of a NIfTI volume as an image or as a mask: names of slices, and a MONAI image reader of them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from monai.config import PathLike as MonaiPath
from monai.data.image_reader import ImageReader
from monai.utils import ensure_tuple

from monai_acdr.data.nifti import NiftiVolume, read_nifti
from monai_acdr.data.readers.dicom_frame import frame_metadata

__all__ = ["NiftiSlice", "NiftiSliceReader", "parse_slice_name", "slice_name"]

CACHED_VOLUMES = 4
"""Volumes kept in memory: an image and its label map, for two workers that share a process."""

_NAME = re.compile(r"(.+\.nii(?:\.gz)?)#slice=(\d{1,6})(?:&label=(\d{1,6}(?:,\d{1,6})*))?", re.IGNORECASE)


class NiftiSlice(NamedTuple):
    """What the name of a slice says: the file, the slice counted from 0, and the labels of a mask's object."""

    path: Path
    slice_index: int
    labels: tuple[int, ...] = ()


def slice_name(path: str | Path, index: int, labels: Sequence[int] = ()) -> str:
    """Name of a slice, for a data item: ``ED_gt.nii.gz#slice=4&label=2,3``.

    Args:
        path: NIfTI file, (X, Y, Z).
        index: slice, counted from 0.
        labels: values of a label map that are the object; none for an image.
    """
    label = f"&label={','.join(str(int(value)) for value in labels)}" if labels else ""
    return f"{path}#slice={int(index)}{label}"


def parse_slice_name(name: str | Path) -> NiftiSlice | None:
    """What the name of a slice says; None for any other name."""
    match = _NAME.fullmatch(str(name))
    if match is None:
        return None
    return NiftiSlice(Path(match[1]), int(match[2]), tuple(map(int, match[3].split(","))) if match[3] else ())


class NiftiSliceReader(ImageReader):
    """Read a slice of a NIfTI volume, rows first, by its name (:func:`slice_name`).

    Pixels (H, W) are float32, of an image as they are, of a label map 1 in the object and 0 elsewhere. The metadata
    hold ``affine`` and ``original_affine`` ((4, 4), index (row, column, slice) to RAS mm), ``spatial_shape``,
    ``original_channel_dim`` and ``space``. The last few volumes are kept in memory.

    Raises:
        FileNotFoundError: when there is no such file.
        ValueError: for another name, a volume that cannot be read, several phases, or a slice that is not there.

    Example:
        ``LoadImaged("image", reader=NiftiSliceReader())``
    """

    def verify_suffix(self, filename: Sequence[MonaiPath] | MonaiPath) -> bool:
        """True when every name is that of a slice."""
        return all(parse_slice_name(str(name)) is not None for name in ensure_tuple(filename))

    def read(self, data: Sequence[MonaiPath] | MonaiPath, **kwargs: Any) -> NiftiSlice:
        """Look at one name; voxels are read by :meth:`get_data`."""
        names = ensure_tuple(data)
        found = parse_slice_name(str(names[0])) if len(names) == 1 else None
        if found is None:
            raise ValueError(
                f"Expected the name of one slice, FILE.nii.gz#slice=NUMBER, but got {[str(n) for n in names]}: make it "
                "with slice_name()."
            )
        return found

    def get_data(self, img: NiftiSlice) -> tuple[np.ndarray, dict[str, Any]]:
        """Pixels (H, W), float32, and metadata."""
        volume = _volume(img.path)
        if volume.num_phases > 1 or img.slice_index >= volume.voxels.shape[2]:
            raise ValueError(
                f"Expected {img.path} to have a slice {img.slice_index} of one phase, but its shape is {volume.shape}: "
                "make the data list again."
            )
        values = volume.frame(img.slice_index, 0)
        if img.labels:
            values = np.isin(values, img.labels)
        affine = volume.frame_affine(img.slice_index).numpy()
        return values.astype(np.float32), frame_metadata(values, affine)


def _volume(path: Path) -> NiftiVolume:
    if not path.is_file():  # the reader of NIfTI says what is there instead
        return read_nifti(path)
    state = path.stat()
    return _cached(path, state.st_mtime_ns, state.st_size)


@lru_cache(maxsize=CACHED_VOLUMES)
def _cached(path: Path, _changed: int, _size: int) -> NiftiVolume:
    return read_nifti(path)
