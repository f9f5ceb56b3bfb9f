# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Batches of a trainer: random views with masks of their contours, or with the positions of their hearts."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from monai.engines import PrepareBatch
from monai.utils import convert_to_tensor
from torch import Tensor

from monai_acdr.networks.layers import rasterize_polygons
from monai_acdr.transforms import frame_view, standardize_frames
from monai_acdr.transforms.batch import View

__all__ = ["PrepareFrames", "PrepareViews"]


class PrepareFrames(PrepareBatch):
    """Augment a batch on the device of the network, for ``prepare_batch`` of MONAI's trainers and evaluators.

    Args:
        augment: frames (B, 2, side, side) and objects (B, 4) to views and targets, as
            :class:`monai_acdr.transforms.batch.RandFrame`; None shows frames as they are, for validation.
        size: side of the views where ``augment`` is None.
        image_key: item of the batch with the frames.
        object_key: item with center x and y, radius in pixels, and presence.
    """

    def __init__(
        self,
        augment: Callable[[Tensor, Tensor], tuple[Tensor, Tensor]] | None = None,
        size: int = 128,
        image_key: str = "image",
        object_key: str = "heart",
    ) -> None:
        self.augment = augment
        self.size = size
        self.image_key = image_key
        self.object_key = object_key

    def __call__(
        self,
        batchdata: Mapping[str, Any],
        device: str | torch.device | None = None,
        non_blocking: bool = False,
        **kwargs: Any,
    ) -> tuple[Tensor, Tensor]:
        """Make the views of one batch.

        Returns:
            Views (B, 2, size, size), standardized, and targets (B, 4) of
            :class:`monai_acdr.losses.LocalizationLoss`.
        """
        frames, objects = _take(batchdata, (self.image_key, self.object_key), device, non_blocking)
        with torch.no_grad():
            if self.augment is not None:
                views, target = self.augment(frames, objects)
            else:
                view = frame_view(frames, self.size)
                views = standardize_frames(view.image)
                target = torch.cat([view.from_frame(objects[:, :2]), objects[:, 2:3] / view.side, objects[:, 3:]], 1)
        return views.contiguous(memory_format=torch.channels_last), target


class PrepareViews(PrepareBatch):
    """Augment a batch on the device of the network, and draw its reference masks.

    For ``prepare_batch`` of MONAI's SupervisedTrainer. The exact rasterizer draws the masks, so that references are as
    smooth as the masks that the loss renders.

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
        image, contours = _take(batchdata, (self.image_key, self.contour_key), device, non_blocking)
        with torch.no_grad():
            view = self.view(image, contours)
            size = (view.image.shape[-2], view.image.shape[-1])
            flat = view.contours.flatten(0, 1)
            known = torch.isfinite(flat).all(-1).all(-1)
            masks = torch.full((len(flat), 1, *size), math.nan, dtype=view.image.dtype, device=view.image.device)
            masks[known] = rasterize_polygons(flat[known], size).to(masks)
        return view.image, masks.view(*contours.shape[:2], *size)


def _take(
    batchdata: Mapping[str, Any], keys: Sequence[str], device: str | torch.device | None, non_blocking: bool
) -> list[Tensor]:
    """Items of a batch on the device, without metadata, which views do not need."""
    plain = [convert_to_tensor(batchdata[key], track_meta=False) for key in keys]
    return [torch.as_tensor(item).to(device=device, non_blocking=non_blocking) for item in plain]
