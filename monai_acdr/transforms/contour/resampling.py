# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Contours with a given number of vertices, so that those of several images fit into one batch."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any

import torch
from monai.config import KeysCollection
from monai.data.meta_tensor import MetaTensor
from monai.transforms import MapTransform, Transform
from monai.utils import TransformBackends
from torch import Tensor

from monai_acdr.geometry import resample
from monai_acdr.transforms.contour.frames import plain_vertices, vertices_in

__all__ = ["ResampleContour", "ResampleContourD", "ResampleContourDict", "ResampleContourd"]


class ResampleContour(Transform):
    """Place vertices at equal arc length along closed contours; what is missing, NaN, stays missing.

    Args:
        num_vertices: of each contour, at least 3.
    """

    backend = [TransformBackends.TORCH]

    def __init__(self, num_vertices: int = 128) -> None:
        if num_vertices < 3:
            raise ValueError(f"Expected `num_vertices` to be at least 3, but got {num_vertices}.")
        self.num_vertices = num_vertices

    def __call__(self, vertices: Tensor) -> Tensor:
        """(N, P, 2) in pixels to (N, num_vertices, 2), of the same type and frame."""
        plain = plain_vertices(vertices)
        known = torch.isfinite(plain).flatten(1).all(1)
        result = plain.new_full((len(plain), self.num_vertices, 2), torch.nan)
        result[known] = resample(plain[known], self.num_vertices)
        return vertices_in(result, vertices.affine) if isinstance(vertices, MetaTensor) else result


class ResampleContourd(MapTransform):
    """Place vertices at equal arc length along closed contours. See :class:`ResampleContour`.

    Args:
        keys: contours (N, P, 2).
        num_vertices: of each of them.
        allow_missing_keys: skip keys that are absent.
    """

    backend = [TransformBackends.TORCH]

    def __init__(
        self, keys: KeysCollection = "reference", num_vertices: int = 128, allow_missing_keys: bool = False
    ) -> None:
        super().__init__(keys, allow_missing_keys)
        self.resample = ResampleContour(num_vertices)

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        d = dict(data)
        for key in self.key_iterator(d):
            d[key] = self.resample(d[key])
        return d


ResampleContourD = ResampleContourDict = ResampleContourd
