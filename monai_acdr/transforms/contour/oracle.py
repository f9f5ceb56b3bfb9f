# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Initial contour of an image's evolution, for pictures and records."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from typing import Any

from monai.config import KeysCollection
from monai.data.meta_tensor import MetaTensor
from monai.transforms import MapTransform
from torch import Tensor

from monai_acdr.transforms.contour.frames import present_grid, vertices_in

__all__ = ["InitialContourD", "InitialContourDict", "InitialContourd"]


class InitialContourd(MapTransform):
    """Initial contour of an image, from a network's oracle.

    Args:
        keys: image (C, H, W) as the network sees it.
        oracle: images (B, C, H, W) to vertices (B, K, 2), or (B, N, K, 2) of N structures, e.g.
            ``network.initial_contour``.
        output_key: item to write, (1, K, 2) or (N, K, 2) vertices in the image's present pixels, with its affine.
    """

    def __init__(self, keys: KeysCollection, oracle: Callable[[Tensor], Tensor], output_key: str = "initial") -> None:
        super().__init__(keys)
        self.oracle = oracle
        self.output_key = output_key

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        d = dict(data)
        image = d[self.first_key(d)]
        pixels = image.as_tensor() if isinstance(image, MetaTensor) else image
        vertices = self.oracle(pixels[None])
        d[self.output_key] = vertices_in(vertices[0] if vertices.ndim == 4 else vertices, present_grid(image)[1])
        return d


InitialContourD = InitialContourDict = InitialContourd
