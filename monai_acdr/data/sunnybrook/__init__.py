# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Sunnybrook Cardiac Data in its four layouts: patients, frames with their contours, and the quality of a copy."""

from __future__ import annotations

from monai_acdr.data.sunnybrook.cases import CASES, SunnybrookCase
from monai_acdr.data.sunnybrook.pairing import DISPLACED_EPICARDIA, DISPLACED_PATIENTS, sunnybrook_data_list
from monai_acdr.data.sunnybrook.quality import sunnybrook_quality_report

__all__ = [
    "CASES",
    "DISPLACED_EPICARDIA",
    "DISPLACED_PATIENTS",
    "SunnybrookCase",
    "sunnybrook_data_list",
    "sunnybrook_quality_report",
]
