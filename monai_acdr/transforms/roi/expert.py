# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""The region of interest that a reader marks: the box about a mass, somewhat larger than the mass itself."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import torch
from monai.data.meta_tensor import MetaTensor
from monai.transforms import MapTransform
from torch import Tensor

from monai_acdr.geometry import map_vertices
from monai_acdr.transforms.contour.frames import file_grid, present_grid
from monai_acdr.transforms.roi.array import LabelROI

__all__ = ["EXPERT_SCALE", "ExpertROID", "ExpertROIDict", "ExpertROId"]

EXPERT_SCALE = 1.2
"""Factor on the bounding box of a mass in Zhu et al., MICCAI 2018, whose protocol the paper follows."""


class ExpertROId(MapTransform):
    """Write the ROI about a mass: its bounding box, or one that a user drew, scaled and moved inside the image.

    Args:
        image_key: image (C, H, W), MetaTensor, flipped or not.
        box: (x0, y0, x1, y1) in pixels of the image's FILE, for all images; None takes that of the item.
        box_key: item with such a box; absent or None takes the bounding box of the reference contour.
        contour_key: reference contour (1, N, 2), MetaTensor of any frame of the image.
        scale: factor on the sides, about the center.
        square: make both sides the longer one. The published protocol resizes the box as it is.
        inside: move the ROI inside the image, as the protocol does.
        roi_key: item to write, (5,) in the image's present pixels.

    Raises:
        ValueError: when there is neither a box nor a contour, or the box has no area.
    """

    def __init__(
        self,
        image_key: str = "image",
        box: Sequence[float] | None = None,
        box_key: str = "box",
        contour_key: str = "reference",
        scale: float = EXPERT_SCALE,
        square: bool = False,
        inside: bool = True,
        roi_key: str = "roi",
    ) -> None:
        super().__init__(image_key)
        self.box = box
        self.box_key = box_key
        self.contour_key = contour_key
        self.roi_key = roi_key
        self.make = LabelROI(None, None, scale, square, inside)

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        d = dict(data)
        image = d[self.keys[0]]
        size, present = present_grid(image)
        vertices, affine = self._marked(d, image)
        d[self.roi_key] = self.make(map_vertices(vertices, affine, present), size)
        return d

    def _marked(self, d: Mapping[Hashable, Any], image: Tensor) -> tuple[Tensor, Tensor]:
        """What was marked, and the affine of the pixels it is given in."""
        box = self.box if self.box is not None else d.get(self.box_key)
        if box is not None:
            return _corners(box), file_grid(image)[1]
        contour = d.get(self.contour_key)
        if not isinstance(contour, MetaTensor):
            raise ValueError(
                "Expected a box or a reference contour to place the ROI by, but the image has neither: add "
                '--roi_box "[x0, y0, x1, y1]" in pixels of its file.'
            )
        return contour.as_tensor(), contour.affine


def _corners(box: Sequence[float]) -> Tensor:
    values = [float(value) for value in box]
    if len(values) != 4 or not (values[0] < values[2] and values[1] < values[3]):
        raise ValueError(f"Expected a box (x0, y0, x1, y1) with x0 < x1 and y0 < y1, but got {values}.")
    x0, y0, x1, y1 = values
    return torch.tensor([[x0, y0], [x1, y0], [x1, y1], [x0, y1]], dtype=torch.float64)


ExpertROID = ExpertROIDict = ExpertROId
