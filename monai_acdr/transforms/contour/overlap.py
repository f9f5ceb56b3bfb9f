# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Agreement of two contours on the grid of a crop, beside the figures on the original pixel grid."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any

from monai.config import KeysCollection
from monai.transforms import MapTransform

from monai_acdr.transforms.contour.array import FollowImage
from monai_acdr.transforms.contour.frames import plain_vertices, present_grid
from monai_acdr.transforms.contour.tracing import contour_to_mask

__all__ = ["ContourDiceD", "ContourDiceDict", "ContourDiced"]


class ContourDiced(MapTransform):
    """Dice of a contour and a reference, both drawn on the image's present grid (pixels covered by at least half).

    Args:
        keys: contour (1, K, 2), in the image's present pixels.
        reference_key: contour (1, N, 2) of any frame of the same image, MetaTensor; without it nothing is written.
        image_key: image whose present grid is used.
        output_key: item to write, a float; 1 when both are empty.
    """

    def __init__(
        self,
        keys: KeysCollection = "pred",
        reference_key: str = "reference",
        image_key: str = "image",
        output_key: str = "roi_dice",
    ) -> None:
        super().__init__(keys)
        self.reference_key = reference_key
        self.image_key = image_key
        self.output_key = output_key
        self.follow = FollowImage()

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        d = dict(data)
        if self.reference_key not in d:
            return d
        image = d[self.image_key]
        size, _ = present_grid(image)
        reference = self.follow(d[self.reference_key], image)
        one = contour_to_mask(plain_vertices(d[self.first_key(d)]), size, threshold=0.5)
        other = contour_to_mask(plain_vertices(reference), size, threshold=0.5)
        total = float(one.sum() + other.sum())
        d[self.output_key] = 2 * float((one * other).sum()) / total if total else 1.0
        return d


ContourDiceD = ContourDiceDict = ContourDiced
