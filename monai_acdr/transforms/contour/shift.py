# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Contours moved as a whole: from where a reader put them to where the object lies, and back."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import torch
from monai.config import KeysCollection
from monai.data.meta_tensor import MetaTensor
from monai.transforms import MapTransform, Transform
from monai.utils import TransformBackends
from torch import Tensor

from monai_acdr.geometry import at_least_float32
from monai_acdr.transforms.contour.frames import plain_vertices, vertices_in

__all__ = ["ShiftContour", "ShiftContourD", "ShiftContourDict", "ShiftContourd"]


class ShiftContour(Transform):
    """Add a shift to all vertices.

    Args:
        factor: on the shift; -1 goes back.
    """

    backend = [TransformBackends.TORCH]

    def __init__(self, factor: float = 1.0) -> None:
        self.factor = float(factor)

    def __call__(self, vertices: Tensor, shift: Sequence[float] | Tensor) -> Tensor:  # type: ignore[override]
        """Move (..., K, 2) vertices by ``shift`` (x, y), in their pixels; type, dtype and frame stay.

        Raises:
            ValueError: when the shift is not two finite numbers.
        """
        plain = at_least_float32(plain_vertices(vertices))
        step = torch.as_tensor(shift, dtype=plain.dtype, device=plain.device)
        if step.shape != (2,) or not bool(torch.isfinite(step).all()):
            raise ValueError(f"Expected `shift` to be (x, y), two finite numbers in pixels, but got {shift}.")
        moved = plain + self.factor * step
        return vertices_in(moved, vertices.affine) if isinstance(vertices, MetaTensor) else moved


class ShiftContourd(MapTransform):
    """Move contours by the shift that their item holds. See :class:`ShiftContour`.

    Args:
        keys: contours (..., K, 2), in pixels of the image's file.
        shift_key: item with (x, y); items without it stay as they are.
        factor: on the shift; -1 goes back.
        allow_missing_keys: skip keys that are absent.
    """

    backend = [TransformBackends.TORCH]

    def __init__(
        self,
        keys: KeysCollection = "reference",
        shift_key: str = "reader_shift",
        factor: float = 1.0,
        allow_missing_keys: bool = False,
    ) -> None:
        super().__init__(keys, allow_missing_keys)
        self.shift_key = shift_key
        self.move = ShiftContour(factor)

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        d = dict(data)
        if d.get(self.shift_key) is not None:
            for key in self.key_iterator(d):
                d[key] = self.move(d[key], d[self.shift_key])
        return d


ShiftContourD = ShiftContourDict = ShiftContourd
