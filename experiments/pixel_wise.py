# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Counterparts for networks that predict masks: loss, mapping back to the image, and ensemble."""

from __future__ import annotations

import copy
from collections.abc import Hashable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from monai.config import KeysCollection
from monai.data import MetaTensor
from monai.losses import DeepSupervisionLoss, DiceCELoss
from monai.transforms import MapTransform
from torch import Tensor, nn

from monai_acdr.geometry import resample
from monai_acdr.handlers import load_network, save_checkpoint
from monai_acdr.networks.layers import rasterize_polygons
from monai_acdr.networks.nets import DisplacementEnsemble
from monai_acdr.transforms import MASK_RULE, MaskToContour, draw_mask, mask_rule, mask_to_contour, paste_roi
from monai_acdr.transforms.contour.functional import mask_to_rings

_TO_CONTOUR = MaskToContour()
NUM_VERTICES = 256
"""Vertices of each contour of several structures."""


class PixelLoss(nn.Module):
    """Dice and cross-entropy, nnU-Net's loss, of each structure, at each depth under deep supervision.

    Each structure is a separate class against the rest, since structures contain each other. A reference that is NaN
    everywhere is missing: it is left out, and the mean is over the known references, as in ``ActiveContourLoss``.
    """

    def __init__(self) -> None:
        super().__init__()
        self.loss = DeepSupervisionLoss(DiceCELoss(sigmoid=True))

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        """Logits (B, C, H, W), or (B, D, C, H, W) of D depths, against masks (B, N, H, W) in [0, 1], N of the C."""
        depths = input.unbind(1) if input.ndim == 5 else (input,)
        known = ~target.isnan().flatten(2).all(2)
        if not bool(known.any()):
            return 0 * input.sum()
        number = target.shape[1]
        return self.loss([depth[:, :number][known][:, None] for depth in depths], target[known][:, None])


class MeanLogits(DisplacementEnsemble):
    """Several networks of one architecture as one, by the mean of their logits: the counterpart of averaged fields.

    Args:
        network: copied ``number`` times.
        number: of networks.
    """

    def __init__(self, network: nn.Module, number: int) -> None:
        super().__init__(copy.deepcopy(network) for _ in range(number))

    def write(self, checkpoints: Sequence[Path], path: Path) -> None:
        """Write one checkpoint with the weights of ``number`` trainings."""
        for member, checkpoint in zip(self.members, checkpoints, strict=True):
            load_network(member, checkpoint)
        save_checkpoint(self.state_dict(), path)


class CropMaskToImaged(MapTransform):
    """Logits (C, h, w) of a crop to `pred_mask` on the label's grid, and to the contours of its largest objects.

    The probability is resampled, then thresholded at one half: the best that a mask of the crop's size allows. The
    readers' references are shifted from the heart by ``shift_key``, and so is the mask. Where the reference was drawn
    with its outline, the mask is, too: like is compared with like. An empty mask has no contour.

    Args:
        keys: the logits, of which the first channels are used, as many as the label has; replaced by the contour
            (1, P, 2) or None, with several structures by (N, 256, 2), NaN for a missing structure.
        roi_key: region of the crop, in pixels of the label.
        label_key: the reference masks (N, H, W).
        contour_key: second key of the contour, for evaluations of masses.
        shift_key: item with (x, y) in pixels of the label, from the readers' contours to the objects; may be absent.
    """

    def __init__(
        self,
        keys: KeysCollection,
        roi_key: str = "roi",
        label_key: str = "label",
        contour_key: str = "pred_window",
        shift_key: str = "reader_shift",
    ) -> None:
        super().__init__(keys)
        self.roi_key = roi_key
        self.label_key = label_key
        self.contour_key = contour_key
        self.shift_key = shift_key

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        d = dict(data)
        label, roi = d[self.label_key], d[self.roi_key].clone()
        if d.get(self.shift_key) is not None:
            roi[:2] -= torch.as_tensor(d[self.shift_key]).to(roi)
        rule = mask_rule(label)
        for key in self.key_iterator(d):
            logits = d[key].as_tensor() if isinstance(d[key], MetaTensor) else d[key]
            probability = paste_roi(logits[: len(label)].float().sigmoid(), roi, label.shape[-2:])
            masks = (probability >= 0.5).float()
            d[key] = d[self.contour_key] = _contours(masks)
            if rule == "drawn":
                masks = torch.stack([_drawn(each) for each in probability])
            d["pred_mask"] = MetaTensor(masks, affine=label.affine, meta={MASK_RULE: rule})
        return d


def _contours(masks: Tensor) -> Tensor | None:
    """Contours of the largest objects of masks (N, H, W): (1, P, 2) or None for one, otherwise (N, 256, 2)."""
    if len(masks) == 1:
        return _TO_CONTOUR(masks) if masks.any() else None
    contours = torch.full((len(masks), NUM_VERTICES, 2), torch.nan, dtype=torch.float64)
    for index, mask in enumerate(masks):
        if mask.any():
            contours[index] = resample(mask_to_contour(mask), NUM_VERTICES)
    return contours


def _drawn(probability: Tensor) -> Tensor:
    """The mask (H, W) of probabilities above one half when its outlines are drawn by the rule of the public masks."""
    drawn = torch.zeros_like(probability)
    if not (probability > 0.5).any():
        return drawn
    size = (probability.shape[0], probability.shape[1])
    for ring, is_hole in zip(*mask_to_rings(probability, 0.5), strict=True):
        if is_hole:
            drawn *= rasterize_polygons(ring[None], size)[0, 0] < 0.5
        else:
            drawn = torch.maximum(drawn, draw_mask(ring, size)[0])
    return drawn
