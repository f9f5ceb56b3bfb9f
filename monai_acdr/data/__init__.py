# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Data lists for training and inference, contour files, and checks of data sets.

Checks have a command line as well: ``python -m monai_acdr.data.quality DATASET_DIR``.
"""

from __future__ import annotations

from monai_acdr.data.cardiac_nifti import cardiac_nifti_data_list
from monai_acdr.data.cityscapes import HDF5ImageReader, cityscapes_data_list
from monai_acdr.data.contour_files import read_contour, write_contour
from monai_acdr.data.examples import example_study
from monai_acdr.data.fingerprint import DatasetFingerprint, dataset_fingerprint
from monai_acdr.data.heart_frames import heart_frames, object_frames
from monai_acdr.data.images import image_data_list
from monai_acdr.data.mammography import DDSMReader, bcrp_data_list, ddsm_data_list, inbreast_data_list, read_ljpeg
from monai_acdr.data.mammography.cbis_ddsm import cbis_ddsm_data_list, load_cbis_mask
from monai_acdr.data.mask_alignment import MaskFit, judge_masks, mask_contrast
from monai_acdr.data.mask_outline import MaskOutline
from monai_acdr.data.mass_inference import mass_inference_list, read_boxes
from monai_acdr.data.mass_reference import (
    DrawLabelD,
    DrawLabeld,
    DrawLabelDict,
    LoadMassReferenceD,
    LoadMassReferenced,
    LoadMassReferenceDict,
)
from monai_acdr.data.masses import MASS_SOURCES, find_mass_source, hold_out, mass_data_list
from monai_acdr.data.pairs import PairOptions, pair_folder_data_list
from monai_acdr.data.pictures import PictureReader
from monai_acdr.data.readers import (
    DicomFrameReader,
    LoadImage,
    LoadImageD,
    LoadImaged,
    LoadImageDict,
    MammogramReader,
    NiftiSliceReader,
    parse_slice_name,
    read_mammogram,
    slice_name,
)
from monai_acdr.data.reference import LoadReference, LoadReferenceD, LoadReferenced, LoadReferenceDict
from monai_acdr.data.report import Finding, QualityReport
from monai_acdr.data.selection import default_exclusions, excluded_patients, inference_data_list
from monai_acdr.data.sunnybrook import (
    CASES,
    DISPLACED_EPICARDIA,
    DISPLACED_PATIENTS,
    SunnybrookCase,
    sunnybrook_data_list,
    sunnybrook_quality_report,
)

__all__ = [
    "CASES",
    "DISPLACED_EPICARDIA",
    "DISPLACED_PATIENTS",
    "MASS_SOURCES",
    "DDSMReader",
    "DatasetFingerprint",
    "DrawLabelD",
    "DrawLabelDict",
    "DrawLabeld",
    "Finding",
    "HDF5ImageReader",
    "LoadMassReferenceD",
    "LoadMassReferenceDict",
    "LoadMassReferenced",
    "LoadImage",
    "LoadImageD",
    "LoadImageDict",
    "LoadImaged",
    "LoadReference",
    "LoadReferenceD",
    "LoadReferenceDict",
    "LoadReferenced",
    "DicomFrameReader",
    "MammogramReader",
    "NiftiSliceReader",
    "MaskFit",
    "MaskOutline",
    "PairOptions",
    "PictureReader",
    "QualityReport",
    "SunnybrookCase",
    "bcrp_data_list",
    "cardiac_nifti_data_list",
    "cbis_ddsm_data_list",
    "cityscapes_data_list",
    "dataset_fingerprint",
    "ddsm_data_list",
    "default_exclusions",
    "example_study",
    "excluded_patients",
    "find_mass_source",
    "heart_frames",
    "hold_out",
    "image_data_list",
    "inbreast_data_list",
    "inference_data_list",
    "judge_masks",
    "load_cbis_mask",
    "mask_contrast",
    "mass_data_list",
    "mass_inference_list",
    "object_frames",
    "pair_folder_data_list",
    "parse_slice_name",
    "read_boxes",
    "read_contour",
    "read_ljpeg",
    "read_mammogram",
    "slice_name",
    "sunnybrook_data_list",
    "sunnybrook_quality_report",
    "write_contour",
]
