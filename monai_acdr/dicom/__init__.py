# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""DICOM results: RT structure sets, segmentations and reports that refer to their source images, and back again."""

from __future__ import annotations

from monai_acdr.dicom.gray import gray_values, read_gray_frames, read_gray_image
from monai_acdr.dicom.identity import Algorithm
from monai_acdr.dicom.regions import MaskRegion, Region, as_regions, iterate_contours, rasterize_region
from monai_acdr.dicom.rtstruct import write_rtstruct
from monai_acdr.dicom.rtstruct_reader import read_rtstruct
from monai_acdr.dicom.seg import write_seg
from monai_acdr.dicom.seg_reader import read_seg
from monai_acdr.dicom.source import SourceFrame, check_sources, order_sources, read_instance, read_sources
from monai_acdr.dicom.sr import MEASURES, VOLUMES, WALL, write_sr
from monai_acdr.dicom.structures import (
    BREAST_MASS,
    LV_BLOOD_POOL,
    LV_ENDOCARDIUM,
    LV_EPICARDIUM,
    LV_MYOCARDIUM,
    TISSUE,
    Structure,
)
from monai_acdr.dicom.web import DicomWeb, RemoteSeries
from monai_acdr.dicom.web_address import DicomWebError, parse_study_url

__all__ = [
    "BREAST_MASS",
    "LV_BLOOD_POOL",
    "LV_ENDOCARDIUM",
    "LV_EPICARDIUM",
    "LV_MYOCARDIUM",
    "MEASURES",
    "TISSUE",
    "VOLUMES",
    "WALL",
    "Algorithm",
    "DicomWeb",
    "DicomWebError",
    "MaskRegion",
    "Region",
    "RemoteSeries",
    "SourceFrame",
    "Structure",
    "as_regions",
    "check_sources",
    "gray_values",
    "iterate_contours",
    "parse_study_url",
    "order_sources",
    "rasterize_region",
    "read_gray_frames",
    "read_gray_image",
    "read_instance",
    "read_rtstruct",
    "read_seg",
    "read_sources",
    "write_rtstruct",
    "write_seg",
    "write_sr",
]
