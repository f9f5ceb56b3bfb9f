# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Building blocks of the networks."""

from __future__ import annotations

from monai_acdr.networks.blocks.contour_evolution import evolve_contour, sample_displacement
from monai_acdr.networks.blocks.displacement_blocks import DecoderBlock, EncoderBlock
from monai_acdr.networks.blocks.initial_contour import BoxContour, CenteredCircle, GivenContour, contour_from_box
from monai_acdr.networks.blocks.normalized_blocks import NormalizedDecoderBlock, NormalizedEncoderBlock

__all__ = [
    "BoxContour",
    "CenteredCircle",
    "DecoderBlock",
    "EncoderBlock",
    "GivenContour",
    "NormalizedDecoderBlock",
    "NormalizedEncoderBlock",
    "contour_from_box",
    "evolve_contour",
    "sample_displacement",
]
