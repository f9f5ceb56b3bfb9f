# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Synthetic copies of the data sets, with true contours and without patient data, generated in seconds."""

from __future__ import annotations

from monai_acdr.data.phantoms.heart import END_DIASTOLE, FrameContours, ShortAxisPhantom, end_systole
from monai_acdr.data.phantoms.mammograms import write_cbis_ddsm_cases, write_ddsm_cases, write_inbreast_cases
from monai_acdr.data.phantoms.output_folder import check_replaceable
from monai_acdr.data.phantoms.pairs import write_pair_folder
from monai_acdr.data.phantoms.short_axis import split_groups, write_short_axis_studies

__all__ = [
    "END_DIASTOLE",
    "FrameContours",
    "ShortAxisPhantom",
    "check_replaceable",
    "end_systole",
    "split_groups",
    "write_cbis_ddsm_cases",
    "write_ddsm_cases",
    "write_inbreast_cases",
    "write_pair_folder",
    "write_short_axis_studies",
]
