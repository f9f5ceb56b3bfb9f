# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Data lists for training and inference, contour files, and checks of data sets.

Checks have a command line as well: ``python -m monai_acdr.data.quality DATASET_DIR``.
"""

from __future__ import annotations

from monai_acdr.data.contour_files import read_contour, write_contour
from monai_acdr.data.images import image_data_list
from monai_acdr.data.mask_alignment import MaskFit, judge_masks, mask_contrast
from monai_acdr.data.mass_reference import (
    DrawLabelD,
    DrawLabeld,
    DrawLabelDict,
    LoadMassReferenceD,
    LoadMassReferenced,
    LoadMassReferenceDict,
)
from monai_acdr.data.reference import LoadReference, LoadReferenceD, LoadReferenced, LoadReferenceDict
from monai_acdr.data.report import Finding, QualityReport
from monai_acdr.data.selection import default_exclusions, excluded_patients, inference_data_list
from monai_acdr.data.sunnybrook import DISPLACED_PATIENTS, sunnybrook_data_list
from monai_acdr.data.sunnybrook_cases import CASES, SunnybrookCase
from monai_acdr.data.sunnybrook_quality import sunnybrook_quality_report

__all__ = [
    "CASES",
    "DISPLACED_PATIENTS",
    "DrawLabelD",
    "DrawLabelDict",
    "DrawLabeld",
    "Finding",
    "LoadMassReferenceD",
    "LoadMassReferenceDict",
    "LoadMassReferenced",
    "LoadReference",
    "LoadReferenceD",
    "LoadReferenceDict",
    "LoadReferenced",
    "MaskFit",
    "QualityReport",
    "SunnybrookCase",
    "default_exclusions",
    "excluded_patients",
    "image_data_list",
    "inference_data_list",
    "judge_masks",
    "mask_contrast",
    "read_contour",
    "sunnybrook_data_list",
    "sunnybrook_quality_report",
    "write_contour",
]
