# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Networks."""

from __future__ import annotations

from monai_acdr.networks.nets.active_contour_net import ActiveContourNet
from monai_acdr.networks.nets.bounded_displacement import BoundedDisplacement
from monai_acdr.networks.nets.displacement_ensemble import DisplacementEnsemble
from monai_acdr.networks.nets.displacement_unet import DisplacementUNet
from monai_acdr.networks.nets.region_localizer import LocatedRegions, RegionLocalizer, center_errors, decode_regions

__all__ = [
    "ActiveContourNet",
    "BoundedDisplacement",
    "DisplacementEnsemble",
    "DisplacementUNet",
    "LocatedRegions",
    "RegionLocalizer",
    "center_errors",
    "decode_regions",
]
