# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""INbreast: DICOM mammograms, OsiriX outlines as property lists, one table."""

from __future__ import annotations

from monai_acdr.data.inbreast.inbreast import inbreast_data_list
from monai_acdr.data.inbreast.plist import InbreastROI, is_mass, read_inbreast_rois
from monai_acdr.data.inbreast.tables import InbreastRow, read_inbreast_table

__all__ = [
    "InbreastROI",
    "InbreastRow",
    "inbreast_data_list",
    "is_mass",
    "read_inbreast_rois",
    "read_inbreast_table",
]
