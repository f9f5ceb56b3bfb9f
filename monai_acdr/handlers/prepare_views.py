# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""The batch as the trainer gets it: random views of the images, and masks of their contours."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import torch
from monai.engines import PrepareBatch
from torch import Tensor

from monai_acdr.networks.layers import rasterize_polygons
from monai_acdr.transforms.batch import View

__all__ = ["PrepareViews"]


class PrepareViews(PrepareBatch):
    """Augment a batch on the device of the network, and draw its reference masks.

    For ``prepare_batch`` of MONAI's SupervisedTrainer. The exact rasterizer draws the masks, so that references are as
    smooth as what the loss renders.

    Args:
        view: images (B, 1, H, W) and contours (B, N, P, 2) to a :class:`monai_acdr.transforms.batch.View`.
        image_key: item of the batch with the images, all of one size.
        contour_key: item with their contours in pixels, innermost first, NaN where missing.

    Example:
        >>> prepare = PrepareViews(RandView(96, 100, appearance=RandAppearance()))
        >>> trainer = SupervisedTrainer(..., prepare_batch=prepare)
    """

    def __init__(
        self, view: Callable[[Tensor, Tensor], View], image_key: str = "image", contour_key: str = "reference"
    ) -> None:
        self.view = view
        self.image_key = image_key
        self.contour_key = contour_key

    def __call__(
        self,
        batchdata: Mapping[str, Any],
        device: str | torch.device | None = None,
        non_blocking: bool = False,
        **kwargs: Any,
    ) -> tuple[Tensor, Tensor]:
        """Make the views of one batch.

        Returns:
            Images (B, 1, size, size) and masks (B, N, size, size) in [0, 1], NaN where a contour is missing.
        """
        image, contours = (
            torch.as_tensor(batchdata[key]).to(device=device, non_blocking=non_blocking)
            for key in (self.image_key, self.contour_key)
        )
        with torch.no_grad():
            view = self.view(_plain(image), _plain(contours))
            size = (view.image.shape[-2], view.image.shape[-1])
            flat = view.contours.flatten(0, 1)
            known = torch.isfinite(flat).all(-1).all(-1)
            masks = torch.full((len(flat), 1, *size), math.nan, dtype=view.image.dtype, device=view.image.device)
            masks[known] = rasterize_polygons(flat[known], size).to(masks)
        return view.image, masks.view(*contours.shape[:2], *size)


def _plain(tensor: Tensor) -> Tensor:
    """Without metadata, which one batch of views has no use for."""
    return tensor.as_tensor() if hasattr(tensor, "as_tensor") else tensor
