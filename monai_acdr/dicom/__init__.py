# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""DICOM results: RT structure sets, segmentations and reports that refer to their source images, and back again."""

from __future__ import annotations

from monai_acdr.dicom.gray import gray_values, read_gray_frames, read_gray_image
from monai_acdr.dicom.identity import Algorithm
from monai_acdr.dicom.orthanc import Orthanc, OrthancChange, OrthancError, OrthancSeries, OrthancStudy
from monai_acdr.dicom.regions import (
    BREAST_MASS,
    LV_BLOOD_POOL,
    LV_ENDOCARDIUM,
    LV_EPICARDIUM,
    LV_MYOCARDIUM,
    TISSUE,
    MaskRegion,
    Region,
    Structure,
    as_regions,
    iterate_contours,
    named_structure,
    rasterize_region,
)
from monai_acdr.dicom.rtstruct import read_rtstruct, write_rtstruct
from monai_acdr.dicom.seg import read_seg, write_seg
from monai_acdr.dicom.source import SourceFrame, check_sources, order_sources, read_instance, read_sources
from monai_acdr.dicom.sr import MEASURES, VOLUMES, WALL, SrOptions, write_sr
from monai_acdr.dicom.web import DicomWeb, DicomWebError, RemoteSeries, RemoteStudy, parse_study_url

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
    "Orthanc",
    "OrthancChange",
    "OrthancError",
    "OrthancSeries",
    "OrthancStudy",
    "Region",
    "RemoteSeries",
    "RemoteStudy",
    "SourceFrame",
    "SrOptions",
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
    "named_structure",
]
