# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""DDSM: films in lossless JPEG, ``.ics`` and ``.OVERLAY`` text files, and the BCRP subset."""

from __future__ import annotations

from monai_acdr.data.ddsm.chain_codes import chain_contour, chain_mask
from monai_acdr.data.ddsm.ddsm import bcrp_data_list, ddsm_data_list
from monai_acdr.data.ddsm.ics import DDSMCase, DDSMFilm, read_ics
from monai_acdr.data.ddsm.ljpeg import read_ljpeg
from monai_acdr.data.ddsm.optical_density import optical_density
from monai_acdr.data.ddsm.overlay import DDSMLesion, read_overlay
from monai_acdr.data.ddsm.reader import DDSMReader

__all__ = [
    "DDSMCase",
    "DDSMFilm",
    "DDSMLesion",
    "DDSMReader",
    "bcrp_data_list",
    "chain_contour",
    "chain_mask",
    "ddsm_data_list",
    "optical_density",
    "read_ics",
    "read_ljpeg",
    "read_overlay",
]
