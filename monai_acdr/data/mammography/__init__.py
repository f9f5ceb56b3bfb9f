# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Mammograms with outlined masses: INbreast, DDSM with its BCRP subset, and CBIS-DDSM."""

from __future__ import annotations

from monai_acdr.data.mammography.cbis_ddsm import cbis_ddsm_data_list, load_cbis_mask
from monai_acdr.data.mammography.ddsm import bcrp_data_list, ddsm_data_list
from monai_acdr.data.mammography.ddsm_files import (
    DDSMCase,
    DDSMFilm,
    DDSMLesion,
    chain_contour,
    chain_mask,
    read_ics,
    read_overlay,
)
from monai_acdr.data.mammography.ddsm_film import DDSMReader, optical_density, read_ljpeg
from monai_acdr.data.mammography.inbreast import (
    InbreastRoi,
    InbreastRow,
    inbreast_data_list,
    is_mass,
    read_inbreast_rois,
    read_inbreast_table,
)

__all__ = [
    "DDSMCase",
    "DDSMFilm",
    "DDSMLesion",
    "DDSMReader",
    "InbreastRoi",
    "InbreastRow",
    "bcrp_data_list",
    "cbis_ddsm_data_list",
    "chain_contour",
    "chain_mask",
    "ddsm_data_list",
    "inbreast_data_list",
    "is_mass",
    "load_cbis_mask",
    "optical_density",
    "read_ics",
    "read_inbreast_rois",
    "read_inbreast_table",
    "read_ljpeg",
    "read_overlay",
]
