# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Images in an HDF5 file, keyed by file name: an index, and a reader for MONAI's ``LoadImage``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from monai.config import PathLike
from monai.data.image_reader import ImageReader
from monai.utils import ensure_tuple, optional_import
from monai.utils.enums import MetaKeys

from monai_acdr.data.files import check_regular_file
from monai_acdr.data.pictures import decode_picture
from monai_acdr.read_budget import check_bytes, check_pixels

__all__ = ["HDF5_SUFFIXES", "SEPARATOR", "HDF5ImageReader", "open_hdf5"]

HDF5_SUFFIXES = (".h5", ".hdf5")

SEPARATOR = "::"
"""Between the file and the key in an item's ``image``: ``train/images.h5::aachen_000000.png``."""


class HDF5ImageReader(ImageReader):
    """Read one image of an HDF5 file, named ``<file>::<key>``.

    A data set (H, W) or (H, W, C) is taken as it is, one of bytes (1-D uint8, or one string of bytes) is decoded as a
    picture (:mod:`monai_acdr.data.pictures`). Data that lie outside the file (external links and storage) are refused.

    Raises:
        ImportError: when h5py is not installed.
        ValueError: when there is no such image, or it cannot be read; the message names file and key.
    """

    def verify_suffix(self, filename: Sequence[PathLike] | PathLike) -> bool:
        """Whether every name is of the form ``<file>.h5::<key>``."""
        return all(
            SEPARATOR in str(name) and str(name).partition(SEPARATOR)[0].lower().endswith(HDF5_SUFFIXES)
            for name in ensure_tuple(filename)
        )

    def read(self, data: Sequence[PathLike] | PathLike, **kwargs: Any) -> np.ndarray:
        """The image's array, (H, W) or (H, W, C), row first."""
        names = ensure_tuple(data)
        path, separator, key = str(names[0]).partition(SEPARATOR)
        if len(names) != 1 or not separator or not key:
            raise ValueError(f"Expected one name <file>{SEPARATOR}<key>, but got {names}: see cityscapes_data_list.")
        with open_hdf5(path) as file:
            return _image(file, key, f"{key} in {path}")

    def get_data(self, img: np.ndarray) -> tuple[np.ndarray, dict[str, Any]]:
        """The array and its metadata: ``affine`` of one pixel a unit, ``spatial_shape`` (H, W)."""
        meta: dict[str, Any] = {
            MetaKeys.AFFINE: np.eye(4),
            MetaKeys.ORIGINAL_AFFINE: np.eye(4),
            MetaKeys.SPATIAL_SHAPE: np.asarray(img.shape[:2]),
            MetaKeys.ORIGINAL_CHANNEL_DIM: "no_channel" if img.ndim == 2 else -1,
        }
        return img, meta


def open_hdf5(path: str | Path) -> Any:
    """Open a file for reading.

    Raises:
        ImportError: when h5py is not installed.
        FileNotFoundError: when there is no such file.
        ValueError: when it is no HDF5 file, or is truncated.
    """
    h5py, found = optional_import("h5py")
    if not found:
        raise ImportError(
            f"Expected h5py to read {path}, but it is not installed: pip install 'monai_acdr[hdf5]', or unpack the "
            "images into a folder."
        )
    check_regular_file(Path(path), "an HDF5 file")
    try:
        return h5py.File(path, "r")
    except Exception as error:  # damaged structures make h5py raise RuntimeError and others as well
        raise ValueError(f"Expected an HDF5 file, but {path} cannot be opened ({error}): copy it again.") from error


def _image(file: Any, key: str, where: str) -> np.ndarray:
    h5py, _ = optional_import("h5py")
    try:
        dataset = file[key] if key in file else None
    except Exception as error:  # a damaged file makes h5py raise nearly anything
        raise ValueError(f"Expected an image {where}, but it cannot be read ({error}): copy the file again.") from error
    if not isinstance(dataset, h5py.Dataset):
        raise ValueError(f"Expected an image {where}, but there is none: is it the file of this group?")
    if dataset.file.filename != file.filename or dataset.external or dataset.is_virtual:
        raise ValueError(f"Expected an image {where}, but its data lie in another file: copy them into this one.")
    if dataset.size is None:
        raise ValueError(f"Expected an image {where}, but its data set is empty.")
    check_bytes(where, dataset.size * dataset.dtype.itemsize)
    if dataset.dtype.kind in "uif" and dataset.ndim > 1:
        check_pixels(where, dataset.shape)
    try:
        array = np.asarray(dataset[()])
    except Exception as error:  # damaged chunks, unknown filters
        raise ValueError(
            f"Expected a readable image {where}, but it cannot be decoded ({type(error).__name__}: {error})."
        ) from error
    if array.dtype.kind in "SOV" or (array.ndim == 1 and array.dtype == np.uint8):
        array = decode_picture(_content(array, where), where)
    if array.ndim not in (2, 3) or array.dtype.kind not in "uif":
        raise ValueError(f"Expected {where} to be (H, W) or (H, W, C), but got {array.dtype} {array.shape}.")
    return array


def _content(array: np.ndarray, where: str) -> bytes:
    """The bytes of a picture."""
    if array.dtype.kind in "uSV":
        return array.tobytes()
    value = array.item() if array.size == 1 else None
    if not isinstance(value, bytes):
        raise ValueError(f"Expected an image or the bytes of a picture in {where}, but got {array.size} objects.")
    check_bytes(where, len(value))
    return value
