# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""A classical active contour as a network without weights: morphological Chan-Vese from the same first circle."""

from __future__ import annotations

import numpy as np
import torch
from scipy import ndimage
from skimage.segmentation import morphological_chan_vese
from torch import Tensor, nn

CERTAIN = 20.0
"""Logit of a pixel that belongs to the object; negated elsewhere."""


class ChanVese(nn.Module):
    """Morphological Chan-Vese (Marquez-Neila et al. 2014) of scikit-image, from the circle in the middle of the crop.

    The object at the middle, or the one nearest to it, is kept, without holes.

    Args:
        num_iterations, smoothing: of the evolution; the best of 5, 10, 20, 40, 80 and of 1 .. 4 on every fifth frame
            of Sunnybrook's training group.
        diameter: of the first circle, as a fraction of the crop, as for the contour networks.
    """

    def __init__(self, num_iterations: int = 10, smoothing: int = 1, diameter: float = 0.25) -> None:
        super().__init__()
        self.num_iterations = num_iterations
        self.smoothing = smoothing
        self.diameter = diameter
        self.unused = nn.Parameter(torch.zeros(1))  # checkpoints and optimizers need a weight

    def forward(self, image: Tensor) -> Tensor:
        """(B, 1, H, W) to logits (B, 1, H, W) of certain pixels."""
        masks = [self._segment(each[0].detach().cpu().numpy().astype(np.float64)) for each in image]
        mask = torch.from_numpy(np.stack(masks))[:, None].to(image)
        return CERTAIN * (2 * mask - 1) + 0 * self.unused

    def _segment(self, image: np.ndarray) -> np.ndarray:
        rows, columns = np.indices(image.shape) + 0.5
        distance = np.hypot(rows - image.shape[0] / 2, columns - image.shape[1] / 2)
        start = distance <= self.diameter * min(image.shape) / 2
        found = morphological_chan_vese(image, self.num_iterations, start, self.smoothing)
        # The model does not distinguish inside and outside: the inside is the phase of most of the first circle.
        if found[start].mean() < 0.5:
            found = 1 - found
        objects, number = ndimage.label(found)
        if number == 0:
            return found.astype(np.float64)
        nearest = objects.ravel()[np.where(objects.ravel() > 0, distance.ravel(), np.inf).argmin()]
        return ndimage.binary_fill_holes(objects == nearest).astype(np.float64)
