# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""What a network that says a mask needs in place of the contour's loss, its way back to the image and its ensemble."""

from __future__ import annotations

import copy
from collections.abc import Hashable, Mapping, Sequence
from pathlib import Path
from typing import Any

from monai.config import KeysCollection
from monai.data import MetaTensor
from monai.losses import DeepSupervisionLoss, DiceCELoss
from monai.transforms import MapTransform
from torch import Tensor, nn

from monai_acdr.handlers import load_network, save_checkpoint
from monai_acdr.networks.nets import DisplacementEnsemble
from monai_acdr.transforms import MaskToContour, paste_roi

_TO_CONTOUR = MaskToContour()


class PixelLoss(nn.Module):
    """Dice and cross-entropy of the first channel, nnU-Net's loss, at each depth where a network says several."""

    def __init__(self) -> None:
        super().__init__()
        self.loss = DeepSupervisionLoss(DiceCELoss(sigmoid=True))

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        """Logits (B, C, H, W), or (B, D, C, H, W) of D depths, against masks (B, 1, H, W) in [0, 1]."""
        depths = input.unbind(1) if input.ndim == 5 else (input,)
        return self.loss([depth[:, :1] for depth in depths], target)


class MeanLogits(DisplacementEnsemble):
    """Several networks of one architecture as one, by the mean of their logits: what averaged fields are to contours.

    Args:
        network: copied ``number`` times.
        number: of networks.
    """

    def __init__(self, network: nn.Module, number: int) -> None:
        super().__init__(copy.deepcopy(network) for _ in range(number))

    def write(self, checkpoints: Sequence[Path], path: Path) -> None:
        """One checkpoint of the weights of ``number`` trainings."""
        for member, checkpoint in zip(self.members, checkpoints, strict=True):
            load_network(member, checkpoint)
        save_checkpoint(self.state_dict(), path)


class CropMaskToImaged(MapTransform):
    """Logits (C, h, w) of a crop to `pred_mask` on the label's grid, and to the contour of its largest object.

    The probability is resampled, then thresholded at one half: what a mask of the crop's size can say at best. A mask
    that is empty has no contour.

    Args:
        keys: the logits; replaced by the contour (1, N, 2), or by None.
        roi_key: region of the crop, in pixels of the label.
        label_key: the reference mask.
        contour_key: one more name for the contour; evaluations of masses look there.
    """

    def __init__(
        self, keys: KeysCollection, roi_key: str = "roi", label_key: str = "label", contour_key: str = "pred_window"
    ) -> None:
        super().__init__(keys)
        self.roi_key = roi_key
        self.label_key = label_key
        self.contour_key = contour_key

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        d = dict(data)
        label = d[self.label_key]
        for key in self.key_iterator(d):
            logits = d[key].as_tensor() if isinstance(d[key], MetaTensor) else d[key]
            mask = (paste_roi(logits[:1].float().sigmoid(), d[self.roi_key], label.shape[-2:]) >= 0.5).float()
            d["pred_mask"] = MetaTensor(mask, affine=label.affine)
            d[key] = d[self.contour_key] = _TO_CONTOUR(mask) if mask.any() else None
        return d
