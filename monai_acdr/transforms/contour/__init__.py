# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Contours: from masks and to masks, along with an image, and to its file's pixels or the patient."""

from __future__ import annotations

from monai_acdr.transforms.contour.array import (
    ContourToImage,
    ContourToMask,
    ContourToWorld,
    FollowImage,
    LastContour,
    MaskToContour,
    SelectContour,
)
from monai_acdr.transforms.contour.dictionary import (
    ContourToImageD,
    ContourToImaged,
    ContourToImageDict,
    ContourToMaskD,
    ContourToMaskd,
    ContourToMaskDict,
    ContourToWorldD,
    ContourToWorldd,
    ContourToWorldDict,
    FollowImageD,
    FollowImaged,
    FollowImageDict,
    LastContourD,
    LastContourd,
    LastContourDict,
    MaskToContourD,
    MaskToContourd,
    MaskToContourDict,
    SelectContourD,
    SelectContourd,
    SelectContourDict,
)
from monai_acdr.transforms.contour.frames import file_grid, file_name, plain_vertices, present_grid, vertices_in
from monai_acdr.transforms.contour.oracle import InitialContourD, InitialContourd, InitialContourDict
from monai_acdr.transforms.contour.overlap import ContourDiceD, ContourDiced, ContourDiceDict
from monai_acdr.transforms.contour.radial import (
    RadialScale,
    RandRadialScale,
    RandRadialScaleD,
    RandRadialScaled,
    RandRadialScaleDict,
)
from monai_acdr.transforms.contour.tracing import (
    TRACING_LEVEL,
    contour_to_mask,
    mask_to_contour,
    mask_to_contours,
)

__all__ = [
    "TRACING_LEVEL",
    "ContourDiceD",
    "ContourDiceDict",
    "ContourDiced",
    "ContourToImage",
    "ContourToImageD",
    "ContourToImageDict",
    "ContourToImaged",
    "ContourToMask",
    "ContourToMaskD",
    "ContourToMaskDict",
    "ContourToMaskd",
    "ContourToWorld",
    "ContourToWorldD",
    "ContourToWorldDict",
    "ContourToWorldd",
    "FollowImage",
    "FollowImageD",
    "FollowImageDict",
    "FollowImaged",
    "InitialContourD",
    "InitialContourDict",
    "InitialContourd",
    "LastContour",
    "LastContourD",
    "LastContourDict",
    "LastContourd",
    "MaskToContour",
    "MaskToContourD",
    "MaskToContourDict",
    "MaskToContourd",
    "RadialScale",
    "RandRadialScale",
    "RandRadialScaleD",
    "RandRadialScaleDict",
    "RandRadialScaled",
    "SelectContour",
    "SelectContourD",
    "SelectContourDict",
    "SelectContourd",
    "contour_to_mask",
    "file_grid",
    "file_name",
    "mask_to_contour",
    "mask_to_contours",
    "plain_vertices",
    "present_grid",
    "vertices_in",
]
