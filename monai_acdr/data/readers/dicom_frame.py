# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""One frame of any modality from DICOM: a MONAI image reader with the pixels that `monai-acdr segment` has.

MONAI's PydicomReader leaves MONOCHROME1 inverted and palettes as their indices, knows no modality LUT, and puts the
whole header with the patient's name into the metadata.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from monai.config import PathLike as MonaiPath
from monai.data.image_reader import ImageReader
from monai.utils import ensure_tuple
from monai.utils.enums import MetaKeys, SpaceKeys

from monai_acdr.data.image_headers import is_dicom_file
from monai_acdr.data.readers.mammogram_geometry import image_affine
from monai_acdr.dicom.elements import quiet_values
from monai_acdr.dicom.files import load_dataset
from monai_acdr.dicom.frames import NO_ANATOMY, frame_component
from monai_acdr.dicom.gray import gray_values
from monai_acdr.dicom.pixels import pixel_format, stored_frames
from monai_acdr.dicom.plane import frame_plane

__all__ = ["DicomFileReader", "DicomFrameReader"]


def frame_metadata(values: np.ndarray, affine: np.ndarray) -> dict[str, Any]:
    """MONAI's metadata of pixels (H, W) with an affine (4, 4), index (row, column, slice) to RAS mm."""
    meta = {
        MetaKeys.AFFINE: affine,
        MetaKeys.ORIGINAL_AFFINE: affine.copy(),
        MetaKeys.SPACE: SpaceKeys.RAS,
        MetaKeys.SPATIAL_SHAPE: np.array(values.shape),
        MetaKeys.ORIGINAL_CHANNEL_DIM: "no_channel",
    }
    return {str(key): value for key, value in meta.items()}


class DicomFileReader(ImageReader):
    """What MONAI readers of one DICOM file share: subclasses make pixels and metadata of the data set."""

    kind = "image"
    """What a file holds, for messages."""

    def verify_suffix(self, filename: Sequence[MonaiPath] | MonaiPath) -> bool:
        """True when every file begins like DICOM; the suffix does not matter."""
        paths = [Path(name) for name in ensure_tuple(filename)]
        return all(path.is_file() and is_dicom_file(path) for path in paths)

    def read(self, data: Sequence[MonaiPath] | MonaiPath, **kwargs: Any) -> Any:
        """Read one file to a ``pydicom.Dataset``; pixels are not decoded yet.

        Raises:
            FileNotFoundError: when there is no such file.
            ValueError: for several files, no DICOM, or a damaged file.
        """
        paths = ensure_tuple(data)
        if len(paths) != 1:
            raise ValueError(f"Expected one {self.kind}, but got {len(paths)} files: make one data item of each.")
        path = Path(paths[0])
        if not path.exists():
            raise FileNotFoundError(
                f"Expected one {self.kind}, but {path} does not exist: check the data set's folder."
            )
        if not path.is_file() or not is_dicom_file(path):
            raise ValueError(f"Expected a DICOM file, but {path} is not one: pass another reader for other formats.")
        return load_dataset(path, force=True)


class DicomFrameReader(DicomFileReader):
    """Read one gray DICOM image per file, rows first, as float32 values in which larger is brighter.

    See :func:`monai_acdr.dicom.gray_values` for what is done to the stored values. The metadata hold ``affine`` and
    ``original_affine`` ((4, 4), RAS mm, as PydicomReader makes them with ``swap_ij=False``), ``spatial_shape``,
    ``original_channel_dim`` and ``space``; nothing of the patient.

    Raises:
        ValueError: for colors, several frames, phase images, and anything that cannot be read without doubt: the
            message names the file and the next step.

    Example:
        ``LoadImaged(keys="image", reader=DicomFrameReader(), image_only=True)``
    """

    def get_data(self, img: Any) -> tuple[np.ndarray, dict[str, Any]]:
        """Pixels (H, W), float32, and metadata of a dataset that :meth:`read` gave.

        Raises:
            ValueError: see the class.
        """
        path = str(getattr(img, "filename", "") or "the dataset")
        with quiet_values():
            form, component = pixel_format(img, path), frame_component(img, 1, path)
            if form.frames > 1:
                raise ValueError(f"Expected one image per file, but {path} has {form.frames} frames: split it first.")
            if component in NO_ANATOMY:
                raise ValueError(
                    f"Expected an image of the anatomy, but {path} is {NO_ANATOMY[component]}: leave it out."
                )
            values = gray_values(img, path, next(stored_frames(img, path)))
            affine = image_affine(img, frame_plane(img, 1, path)[0])
        return values, frame_metadata(values, affine)
