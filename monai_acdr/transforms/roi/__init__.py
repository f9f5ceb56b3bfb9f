# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Regions of interest: making, jittering and cropping them, and the way back."""

from __future__ import annotations

from monai_acdr.transforms.roi.array import (
    PAPER_ANGLES,
    PAPER_SCALES,
    BoxROI,
    CenterROI,
    CropROI,
    LabelROI,
    RandJitterROI,
)
from monai_acdr.transforms.roi.boxes import (
    check_roi,
    expand_roi,
    jitter_roi,
    roi_about_center,
    roi_about_vertices,
    roi_corners,
    roi_from_box,
    shift_roi_inside,
)
from monai_acdr.transforms.roi.choice import ROI_KINDS, roi_transform
from monai_acdr.transforms.roi.dictionary import (
    BoxROID,
    BoxROId,
    BoxROIDict,
    CenterROID,
    CenterROId,
    CenterROIDict,
    CropROID,
    CropROId,
    CropROIDict,
    LabelROID,
    LabelROId,
    LabelROIDict,
    RandJitterROID,
    RandJitterROId,
    RandJitterROIDict,
)
from monai_acdr.transforms.roi.expert import EXPERT_SCALE, ExpertROID, ExpertROId, ExpertROIDict
from monai_acdr.transforms.roi.sampling import crop_roi, paste_roi, roi_matrix
from monai_acdr.transforms.roi.window import (
    CropWindow,
    CropWindowD,
    CropWindowd,
    CropWindowDict,
    roi_window,
)

__all__ = [
    "EXPERT_SCALE",
    "PAPER_ANGLES",
    "PAPER_SCALES",
    "ROI_KINDS",
    "BoxROI",
    "BoxROID",
    "BoxROIDict",
    "BoxROId",
    "CenterROI",
    "CenterROID",
    "CenterROIDict",
    "CenterROId",
    "CropROI",
    "CropROID",
    "CropROIDict",
    "CropROId",
    "CropWindow",
    "CropWindowD",
    "CropWindowDict",
    "CropWindowd",
    "ExpertROID",
    "ExpertROIDict",
    "ExpertROId",
    "LabelROI",
    "LabelROID",
    "LabelROIDict",
    "LabelROId",
    "RandJitterROI",
    "RandJitterROID",
    "RandJitterROIDict",
    "RandJitterROId",
    "check_roi",
    "crop_roi",
    "expand_roi",
    "jitter_roi",
    "paste_roi",
    "roi_about_center",
    "roi_about_vertices",
    "roi_corners",
    "roi_from_box",
    "roi_matrix",
    "roi_transform",
    "roi_window",
    "shift_roi_inside",
]
