# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Image readers for MONAI's ``LoadImage``."""

from __future__ import annotations

from monai_acdr.data.readers.dicom_frame import DicomFrameReader
from monai_acdr.data.readers.mammogram import MammogramReader, read_mammogram
from monai_acdr.data.readers.nifti_slice import NiftiSliceReader, parse_slice_name, slice_name

__all__ = [
    "DicomFrameReader",
    "MammogramReader",
    "NiftiSliceReader",
    "parse_slice_name",
    "read_mammogram",
    "slice_name",
]
