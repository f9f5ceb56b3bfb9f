# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Random views of a whole batch of images with their contours: one interpolation per image, on any device.

A dictionary transform works on one sample at a time, which costs more than the network's own step when samples are as
small as regions of interest. These work on the batch: :class:`RandView` on regions about a nest of contours,
:class:`RandFrame` on whole frames.
"""

from __future__ import annotations

from monai_acdr.transforms.batch.frames import FrameOptions, RandFrame
from monai_acdr.transforms.batch.views import (
    RandAppearance,
    RandView,
    RingWarp,
    View,
    ViewOptions,
    polar_radii,
    standardize,
)

__all__ = [
    "FrameOptions",
    "RandAppearance",
    "RandFrame",
    "RandView",
    "RingWarp",
    "View",
    "ViewOptions",
    "polar_radii",
    "standardize",
]
