# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Mammograms from DICOM, as hospitals store them: a MONAI image reader.

MONAI's own readers leave MONOCHROME1 inverted, ignore ImagerPixelSpacing, VOI and padding, or depend on what else is
installed; this one gives one answer: row first (H, W), float32, bright means dense tissue, background dark, spacing
in mm at the breast. The image stays in the file's own orientation; nothing of the patient's identity is in the
metadata.
"""

from __future__ import annotations

from collections.abc import Callable
from os import PathLike
from typing import Any

import numpy as np

from monai_acdr.data.readers.dicom_frame import DicomFileReader, frame_metadata
from monai_acdr.data.readers.mammogram_geometry import (
    Spacing,
    check_spacing,
    image_affine,
    implant,
    laterality,
    pixel_spacing_of,
    view,
)
from monai_acdr.dicom.elements import quiet_values
from monai_acdr.dicom.gray import VOI, GrayImage, apply_voi, gray_values
from monai_acdr.dicom.pixels import MONOCHROME, pixel_format, stored_frames

__all__ = ["MammogramReader", "read_mammogram"]


class MammogramReader(DicomFileReader):
    """Read one DICOM mammogram (MG, also CR or DX of a breast) a file.

    The array is (H, W) float32 in the file's own orientation. In this order: padding is found, the modality LUT or
    rescale slope and intercept are applied, then the VOI transformation if wanted, then MONOCHROME1 is inverted
    (within the range that BitsStored allows, so that the same stored value always gives the same result), then
    padding becomes the darkest value of the rest of the image.

    The metadata hold ``affine`` and ``original_affine`` ((4, 4), RAS mm; see
    :func:`~monai_acdr.data.readers.mammogram_geometry.image_affine`), ``spacing`` (row, column) in mm, NaN when
    unknown, ``spacing_source``, ``has_spacing``, ``laterality`` ("L", "R" or ""), ``view`` ("CC", "MLO", ... or ""),
    ``breast_implant_present`` ("YES", "NO" or ""), ``photometric_interpretation`` and ``presentation_intent_type``
    of the file, ``bits_stored``, ``spatial_shape``, ``original_channel_dim`` and ``space``.

    Args:
        voi: "none" gives modality values; "window" applies the first WindowCenter and WindowWidth (PS3.3
            C.11.2.1.2), "lut" the first VOI LUT, "auto" the LUT, else the window, else the full range. All but "none"
            give values in [0, 1].
        modality: apply the modality LUT or rescale; False gives stored values, only with ``voi="none"``.
        spacing: (row, column) or one number in mm for files that do not tell theirs; "allow" reads such files
            without, with 1 pixel as unit in ``affine`` and ``has_spacing`` False. None refuses them.

    Raises:
        ValueError: for anything that cannot be read without doubt: the message names the file and the next step.

    Example:
        ``LoadImaged(keys="image", reader=MammogramReader(), image_only=True)``
    """

    kind = "mammogram"

    def __init__(self, voi: str = "none", modality: bool = True, spacing: Spacing = None) -> None:
        super().__init__()
        if voi not in VOI:
            raise ValueError(f"Expected `voi` to be one of {VOI}, but got {voi!r}.")
        if voi != "none" and not modality:
            raise ValueError(f"Expected modality=True with voi={voi!r}: VOI is defined on modality values.")
        self.voi = voi
        self.modality = modality
        self.spacing = check_spacing(spacing)

    def get_data(self, img: Any) -> tuple[np.ndarray, dict[str, Any]]:
        """Pixels (H, W), float32, and metadata of a dataset that :meth:`read` gave.

        Raises:
            ValueError: see the class.
        """
        path = str(getattr(img, "filename", "") or "the dataset")
        with quiet_values():
            stored = _stored_pixels(img, path)
            spacing, source = pixel_spacing_of(img, path, self.spacing)
            values = gray_values(img, path, stored, modality=self.modality, voi=self._voi(img, path))
            affine = image_affine(img, spacing)
            meta = {
                "laterality": laterality(img),
                "view": view(img),
                "breast_implant_present": implant(img),
                "photometric_interpretation": str(img.PhotometricInterpretation),
                "presentation_intent_type": _plain(img.get("PresentationIntentType")),
                "bits_stored": int(img.BitsStored),
            }
        meta |= {
            "spacing": np.array(spacing or (np.nan, np.nan)),
            "spacing_source": source,
            "has_spacing": spacing is not None,
        }
        return values, {**meta, **frame_metadata(values, affine)}

    def _voi(self, dataset: Any, path: str) -> Callable[[GrayImage], None] | None:
        return None if self.voi == "none" else lambda image: apply_voi(image, dataset, path, self.voi)


def read_mammogram(
    path: str | PathLike[str], voi: str = "none", modality: bool = True, spacing: Spacing = None
) -> tuple[np.ndarray, dict[str, Any]]:
    """Read one DICOM mammogram: (H, W) float32 and metadata; arguments and errors as :class:`MammogramReader`."""
    reader = MammogramReader(voi, modality, spacing)
    return reader.get_data(reader.read(path))


def _stored_pixels(dataset: Any, path: str) -> np.ndarray:
    """(H, W), of an image that can be a mammogram."""
    form = pixel_format(dataset, path)
    if form.frames > 1:
        raise ValueError(
            f"Expected one image per file, but {path} has {form.frames} frames: it is tomosynthesis or a cine; read "
            "the 2-D (or synthesized 2-D) mammogram of the study, or split the file first."
        )
    if form.photometric not in MONOCHROME:
        raise ValueError(
            f"Expected a gray mammogram, {' or '.join(MONOCHROME)}, but {path} is {form.photometric}: palettes are "
            "screenshots; read the original image."
        )
    return next(stored_frames(dataset, path))


def _plain(value: Any) -> str:
    """A code string of the standard, or "" for anything else."""
    text = str(value or "").strip().upper()
    return text if text in ("FOR PRESENTATION", "FOR PROCESSING") else ""
