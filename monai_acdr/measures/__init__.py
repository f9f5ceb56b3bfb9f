# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Measures in physical units: of one contour, and of the left ventricle over the heart's cycle."""

from __future__ import annotations

from monai_acdr.measures.agreement import Agreement, compute_agreement
from monai_acdr.measures.shape import ShapeMeasures, measure_shape, solidity
from monai_acdr.measures.ventricle import (
    MYOCARDIUM_G_PER_ML,
    SOLID,
    CineGrid,
    ContourArea,
    FrameHeader,
    PhaseVolume,
    VentricleVolumes,
    VentricleWall,
    WallSlice,
    cavities_too_wide,
    find_base_end,
    group_frames,
    incomplete_stack,
    measure_wall,
    phase_volumes,
    slices_above_base,
    slices_below_apex,
    stack_place,
    ventricle_volumes,
    ventricle_wall,
)
from monai_acdr.plausibility import Finding

__all__ = [
    "MYOCARDIUM_G_PER_ML",
    "SOLID",
    "Agreement",
    "CineGrid",
    "ContourArea",
    "Finding",
    "FrameHeader",
    "PhaseVolume",
    "ShapeMeasures",
    "VentricleVolumes",
    "VentricleWall",
    "WallSlice",
    "cavities_too_wide",
    "compute_agreement",
    "find_base_end",
    "group_frames",
    "incomplete_stack",
    "measure_shape",
    "measure_wall",
    "phase_volumes",
    "slices_above_base",
    "slices_below_apex",
    "solidity",
    "stack_place",
    "ventricle_volumes",
    "ventricle_wall",
]
