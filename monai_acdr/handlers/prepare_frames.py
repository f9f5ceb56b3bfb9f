# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""The batch as the trainer of a localizer gets it: random views of whole frames, and where their hearts are."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from monai.engines import PrepareBatch
from torch import Tensor

from monai_acdr.transforms import frame_view, standardize_frames

__all__ = ["PrepareFrames"]


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
        frames, objects = (
            torch.as_tensor(batchdata[key]).to(device=device, non_blocking=non_blocking)
            for key in (self.image_key, self.object_key)
        )
        with torch.no_grad():
            if self.augment is not None:
                views, target = self.augment(frames, objects)
            else:
                view = frame_view(frames, self.size)
                views = standardize_frames(view.image)
                target = torch.cat([view.from_frame(objects[:, :2]), objects[:, 2:3] / view.side, objects[:, 3:]], 1)
        return views.contiguous(memory_format=torch.channels_last), target
