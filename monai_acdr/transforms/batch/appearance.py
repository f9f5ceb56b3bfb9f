# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Random appearance of a batch of regions: intensities as of other scanners and other hearts."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from monai_acdr.transforms.batch.draws import draw_some

__all__ = ["RandAppearance"]


class RandAppearance:
    """Contrast between structures, gamma, bias field, resolution and noise of each image of a batch, in this order.

    Draws from torch's global generator (``torch.manual_seed``), as dropout does.

    Args:
        wall: smallest and largest share of the contrast between the first ring and the second that is added to the
            second: at 1 the wall is as bright as the blood.
        blood: smallest and largest share of the same contrast that is subtracted from the first ring.
        gamma: largest |log gamma|.
        bias: largest coefficient of a second-order polynomial, the logarithm of the bias field.
        noise: largest standard deviation, in units of the image's range between its 1st and 99.5th percentile.
        prob: of gamma, and of a bias field; the others have half of it.
    """

    def __init__(
        self,
        wall: tuple[float, float] = (-0.15, 0.6),
        blood: tuple[float, float] = (-0.2, 0.35),
        gamma: float = 0.5,
        bias: float = 0.4,
        noise: float = 0.08,
        prob: float = 0.6,
    ) -> None:
        if not 0 <= prob <= 1:
            raise ValueError(f"Expected `prob` to be a probability, but got {prob}.")
        self.wall, self.blood = wall, blood
        self.gamma, self.bias, self.noise, self.prob = gamma, bias, noise, prob

    def __call__(self, image: Tensor, first: Tensor, second: Tensor) -> Tensor:
        """Change intensities.

        Args:
            image: (B, 1, H, W) floating point.
            first: (B, 1, H, W) soft mask in [0, 1] of the inside of the innermost contour.
            second: (B, 1, H, W) soft mask in [0, 1] of the ring around it.

        Returns:
            (B, 1, H, W), at least 0 and about 1 at its brightest.
        """
        low, high = _quantiles(image)
        image = ((image - low) / (high - low).clamp(min=1e-6)).clamp(0, 1.5)
        contrast = _mean(image, first) - _mean(image, second)
        image = image + second * contrast * draw_some(image, *self.wall, self.prob * 5 / 6)
        image = (image - first * contrast * draw_some(image, *self.blood, self.prob / 2)).clamp(min=1e-4)
        image = image ** torch.exp(draw_some(image, -self.gamma, self.gamma, self.prob))
        image = image * torch.exp(self._bias_field(image))
        image = self._blurred(image)
        noise = draw_some(image, 0, self.noise, self.prob * 5 / 6)
        return image + noise * torch.randn(image.shape).to(image)

    def _bias_field(self, image: Tensor) -> Tensor:
        rows, columns = image.shape[-2:]
        y = torch.linspace(-1, 1, rows).to(image)[:, None]
        x = torch.linspace(-1, 1, columns).to(image)
        on = (torch.rand(len(image), 1, 1, 1) < self.prob).to(image)
        terms = (x + 0 * y, y + 0 * x, x * y, x * x - y * y, x * x + y * y)
        drawn = [(torch.rand(len(image), 1, 1, 1).to(image) * 2 - 1) * self.bias for _ in terms]
        return on * torch.stack([weight * term for weight, term in zip(drawn, terms, strict=True)]).sum(0)

    def _blurred(self, image: Tensor) -> Tensor:
        on = (torch.rand(len(image), 1, 1, 1) < self.prob / 2).to(image)
        weight = torch.rand(len(image), 1, 1, 1).to(image)
        smooth = F.avg_pool2d(F.pad(image, (1, 1, 1, 1), mode="replicate"), 3, 1)
        coarse = F.interpolate(image, scale_factor=0.5, mode="area", recompute_scale_factor=False)
        coarse = F.interpolate(coarse, size=image.shape[-2:], mode="bilinear")
        return image + on * (weight * smooth + (1 - weight) * coarse - image)


def _quantiles(image: Tensor) -> tuple[Tensor, Tensor]:
    levels = torch.tensor([0.01, 0.995], dtype=image.dtype, device=image.device)
    low, high = torch.quantile(image.flatten(1), levels, dim=1)[..., None, None, None]
    return low, high


def _mean(image: Tensor, weight: Tensor) -> Tensor:
    """Weighted mean (B, 1, 1, 1); 0 where nothing has weight."""
    return (image * weight).sum((1, 2, 3), keepdim=True) / weight.sum((1, 2, 3), keepdim=True).clamp(min=1)
