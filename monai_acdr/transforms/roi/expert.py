# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""The region of interest that a reader marks: a box about an object, somewhat larger than it, or its place alone."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import torch
from monai.data.meta_tensor import MetaTensor
from monai.transforms import MapTransform
from torch import Tensor

from monai_acdr.geometry import map_vertices, pixel_spacing
from monai_acdr.transforms.contour.frames import file_grid, present_grid
from monai_acdr.transforms.roi.array import LabelROI
from monai_acdr.transforms.roi.boxes import shift_roi_inside

__all__ = ["EXPERT_SCALE", "ExpertROID", "ExpertROIDict", "ExpertROId"]

EXPERT_SCALE = 1.2
"""Factor on the bounding box of a mass in Zhu et al., MICCAI 2018, whose protocol the paper follows."""


class ExpertROId(MapTransform):
    """Write the ROI about an object: its bounding box, or one that a user drew, scaled and moved inside the image.

    With ``side`` the ROI is a square of that side about the middle of the box or the centroid of the reference: the
    place of the object is known, its size is not.

    Args:
        image_key: image (C, H, W), MetaTensor, flipped or not.
        box: (x0, y0, x1, y1) in pixels of the image's FILE, for all images; None takes that of the item.
        box_key: item with such a box; absent or None takes the bounding box of the reference contour.
        contour_key: reference contour (1, N, 2), MetaTensor of any frame of the image.
        scale: factor on the sides, about the center.
        square: make both sides the longer one. The published protocol resizes the box as it is.
        inside: move the ROI inside the image, as the protocol does.
        roi_key: item to write, (5,) in the image's present pixels.
        side: width and height of the ROI in pixels; None takes the scaled box.
        pixel_mm: size of the pixels that ``side`` is counted in, for images that tell their spacing; None counts in
            the pixels of each image.
        spacing_key: item that says whether the image tells its spacing.
        room: factor on both sides of the ROI in the end, for views that are drawn at random within it.

    Raises:
        ValueError: when there is neither a box nor a contour, or the box has no area.
    """

    def __init__(  # noqa: PLR0913
        self,
        image_key: str = "image",
        box: Sequence[float] | None = None,
        box_key: str = "box",
        contour_key: str = "reference",
        scale: float = EXPERT_SCALE,
        square: bool = False,
        inside: bool = True,
        roi_key: str = "roi",
        side: float | None = None,
        pixel_mm: float | None = None,
        spacing_key: str = "has_spacing",
        room: float = 1.0,
    ) -> None:
        super().__init__(image_key)
        if not room > 0 or not (side is None or side > 0):
            raise ValueError(f"Expected positive `side` and `room`, but got {side} and {room}.")
        self.box = box
        self.box_key = box_key
        self.contour_key = contour_key
        self.roi_key = roi_key
        self.side, self.pixel_mm, self.spacing_key, self.room = side, pixel_mm, spacing_key, room
        self.inside = inside
        self.make = LabelROI(side, None, None if side is not None else scale, square)

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        d = dict(data)
        image = d[self.keys[0]]
        size, present = present_grid(image)
        vertices, affine = self._marked(d, image)
        roi = self.make(map_vertices(vertices, affine, present))
        if self.side is not None and self.pixel_mm is not None and d.get(self.spacing_key):
            rows, columns = pixel_spacing(present).tolist()
            roi[2:4] = torch.tensor([self.side * self.pixel_mm / columns, self.side * self.pixel_mm / rows])
        roi[2:4] *= self.room
        d[self.roi_key] = shift_roi_inside(roi, size) if self.inside else roi
        return d

    def _marked(self, d: Mapping[Hashable, Any], image: Tensor) -> tuple[Tensor, Tensor]:
        """The marked box or contour, and the affine of the pixels in which it is given."""
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
