# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Loss of the maps of a RegionLocalizer: center, size and presence of one object per frame."""

from __future__ import annotations

import torch
from monai.utils import LossReduction
from torch import Tensor
from torch.nn import functional as F
from torch.nn.modules.loss import _Loss

from monai_acdr.geometry import at_least_float32

__all__ = ["LocalizationLoss"]


class LocalizationLoss(_Loss):
    r"""Cross entropy of the center, relative error of the radius, and binary cross entropy of the presence.

    With the heat :math:`p`, the softmax of the first map, and a Gaussian :math:`g` of sum 1 about the true center:

    .. math:: -\sum g \log p + |\sum g \log r - \log r^*| + \mathrm{BCE}(\sum \tfrac{1}{2}(g + p) z, 1)

    where :math:`r` is the second map and :math:`z` the third one. A frame without an object contributes
    :math:`\mathrm{BCE}(\sum p z, 0)` alone: the logit counts where the network would look. As a weight, the heat has no
    gradient.

    Args:
        sigma: standard deviation of the Gaussian in cells of the maps.
        size_weight: weight of the radius.
        presence_weight: weight of the presence.
        reduction: ``mean``, each term over the frames that have it; ``sum``; or ``none``.
    """

    def __init__(
        self,
        sigma: float = 1.5,
        size_weight: float = 1.0,
        presence_weight: float = 1.0,
        reduction: LossReduction | str = LossReduction.MEAN,
    ) -> None:
        super().__init__(reduction=LossReduction(reduction).value)
        if not sigma > 0 or size_weight < 0 or presence_weight < 0:
            raise ValueError(
                f"Expected `sigma` > 0 and weights >= 0, but got {sigma}, {size_weight} and {presence_weight}."
            )
        self.sigma, self.size_weight, self.presence_weight = sigma, size_weight, presence_weight

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        """Compare maps with the truth.

        Args:
            input: (B, 3, h, w) maps of :class:`monai_acdr.networks.nets.RegionLocalizer`.
            target: (B, 4): center x and y and radius in sides of the frame, and 1 where the object is in the frame or 0
                where it is not; the first three do not matter then.

        Returns:
            Scalar, or (B,) for the reduction ``none``.

        Raises:
            ValueError: for other shapes, or objects whose radius is not positive.
        """
        if input.ndim != 4 or input.shape[1] != 3 or target.shape != (len(input), 4):
            raise ValueError(
                f"Expected `input` (B, 3, h, w) and `target` (B, 4), but got {tuple(input.shape)} and "
                f"{tuple(target.shape)}."
            )
        maps = at_least_float32(input)
        target = target.to(maps)
        present = target[:, 3] > 0.5
        if not bool((target[present, 2] > 0).all()):
            raise ValueError("Expected positive radii of the objects that are present: check the references.")
        logarithm = maps[:, 0].flatten(1).log_softmax(1)
        heat = logarithm.detach().exp()
        truth = self._gaussian(target, maps)
        zero = torch.zeros_like(target[:, 0])
        center = torch.where(present, -(truth * logarithm).sum(1), zero)
        # the maps hold half sides: log(2 r)
        size = ((truth * maps[:, 1].flatten(1)).sum(1) - (2 * target[:, 2].clamp(min=1e-6)).log()).abs()
        size = torch.where(present, size, zero)
        weight = torch.where(present[:, None], (truth + heat) / 2, heat)
        logit = (weight * maps[:, 2].flatten(1)).sum(1)
        presence = F.binary_cross_entropy_with_logits(logit, present.to(logit), reduction="none")
        located = center + self.size_weight * size
        presence = self.presence_weight * presence
        if self.reduction == LossReduction.NONE.value:
            return located + presence
        if self.reduction == LossReduction.SUM.value:
            return located.sum() + presence.sum()
        return located.sum() / present.sum().clamp(min=1) + presence.mean()

    def _gaussian(self, target: Tensor, maps: Tensor) -> Tensor:
        """(B, h w), sums to 1."""
        rows, columns = maps.shape[-2:]
        y = torch.arange(rows, dtype=maps.dtype, device=maps.device) + 0.5
        x = torch.arange(columns, dtype=maps.dtype, device=maps.device) + 0.5
        # for a center outside the frame the nearest cell counts, so that the target is not empty
        center = target[:, :2].clamp(0, 1)
        along_x = (-((x - center[:, :1] * columns) ** 2) / (2 * self.sigma**2)).softmax(1)
        along_y = (-((y - center[:, 1:] * rows) ** 2) / (2 * self.sigma**2)).softmax(1)
        return (along_y[:, :, None] * along_x[:, None]).flatten(1)
