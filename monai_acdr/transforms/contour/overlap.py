# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Agreement of two contours on the grid of a crop, beside the metrics on the original pixel grid."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any

import torch
from monai.config import KeysCollection
from monai.transforms import MapTransform

from monai_acdr.transforms.contour.array import FollowImage
from monai_acdr.transforms.contour.frames import plain_vertices, present_grid
from monai_acdr.transforms.contour.tracing import contour_to_mask

__all__ = ["ContourDiceD", "ContourDiceDict", "ContourDiced"]


class ContourDiced(MapTransform):
    """Dice of a contour and a reference, both drawn on the image's present grid (pixels covered by at least half).

    Args:
        keys: contour (1, K, 2), or (N, K, 2) of N structures, in the image's present pixels.
        reference_key: contour (1, P, 2) or (N, P, 2) of any frame of the same image, MetaTensor; without it nothing is
            written. A structure that is NaN everywhere is missing.
        image_key: image whose present grid is used.
        output_key: item to write: a float; for several structures a tensor (N,). 1 when both are empty, NaN when the
            reference is missing.
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
        if one.shape != other.shape:
            raise ValueError(
                f"Expected a reference contour for each structure, but got {len(one)} contours and {len(other)} "
                "references: fill those that are missing with NaN."
            )
        total = (one + other).sum((1, 2), dtype=torch.float64)
        dice = torch.where(total == 0, 1, 2 * (one * other).sum((1, 2), dtype=torch.float64) / total)
        d[self.output_key] = float(dice[0]) if len(dice) == 1 else dice
        return d


ContourDiceD = ContourDiceDict = ContourDiced
