# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""The loss of Algorithm 1, equation 8, at every step of the contour."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from monai.utils import LossReduction
from torch import Tensor
from torch.nn.modules.loss import _Loss

from monai_acdr.losses.contour_terms import (
    BalloonLoss,
    CurvatureLoss,
    DistanceLoss,
    SegmentationLoss,
    known_references,
    reduce_known,
)
from monai_acdr.networks.layers import RasterizerOptions, rasterize_polygons, rasterizer_options

__all__ = ["PRESETS", "ActiveContourLoss"]

PRESETS: dict[str, dict[str, Any]] = {
    "paper": {"balloon_weight": 1e-2, "curvature_weight": 5e-1, "distance_weight": 0.0, "squared_curvature": True},
    "reference_code": {
        "balloon_weight": 1e-2,
        "curvature_weight": 1e-3,
        "distance_weight": 1e-1,
        "squared_curvature": False,
    },
}
"""Weights as the paper states them and as its published code sets them; the two disagree."""


class ActiveContourLoss(_Loss):
    """L = sum_t  L_seg + balloon_weight L_B + curvature_weight L_K + distance_weight L_D,  eq. 8.

    Renders all T contours of the batch in one call. Each structure has an energy of its own; where its reference is
    missing it is left out, and the mean is over those that are known. Lengths are taken in the normalized [-1, 1]
    square, and masks and curvature as means over pixels and vertices, so that weights hold for any image size.

    Args:
        segmentation: ``mse`` (eq. 5) or ``dice``.
        balloon_weight: lambda_1.
        curvature_weight: lambda_2.
        distance_weight: weight of the published code's distance term; 0 leaves it out.
        squared_curvature: see :class:`CurvatureLoss`.
        step_weights: one weight for each step t; all 1 if None, as in the paper.
        rasterizer_settings: options of the renderer, see :func:`monai_acdr.networks.layers.rasterize_polygons`; or a
            mapping of names, such as ``{"method": "soft", "softness": 0.5}``; exact if None.
        reduction: over samples and structures; ``mean`` over those whose reference is known, ``sum`` or ``none``.

    Example:
        >>> loss = ActiveContourLoss.from_preset("paper")
        >>> contours = torch.rand(2, 3, 32, 2) * 64  # (B, T, K, 2)
        >>> loss(contours, torch.zeros(2, 1, 64, 64)).shape
        torch.Size([])
        >>> contours = torch.rand(2, 3, 2, 32, 2) * 64  # (B, T, N, K, 2), two structures
        >>> masks = torch.zeros(2, 2, 64, 64)
        >>> masks[0, 1] = torch.nan  # the first sample has no reference for its second structure
        >>> loss(contours, masks).shape
        torch.Size([])
    """

    def __init__(
        self,
        segmentation: str = "mse",
        balloon_weight: float = 1e-2,
        curvature_weight: float = 5e-1,
        distance_weight: float = 0.0,
        squared_curvature: bool = True,
        step_weights: Sequence[float] | None = None,
        rasterizer_settings: RasterizerOptions | Mapping[str, Any] | None = None,
        reduction: LossReduction | str = LossReduction.MEAN,
    ) -> None:
        super().__init__(reduction=LossReduction(reduction).value)
        for name, weight in (
            ("balloon", balloon_weight),
            ("curvature", curvature_weight),
            ("distance", distance_weight),
        ):
            if not weight >= 0:
                raise ValueError(f"Expected `{name}_weight` to be at least 0, but got {weight}.")
        self.balloon_weight = balloon_weight
        self.curvature_weight = curvature_weight
        self.distance_weight = distance_weight
        self.step_weights = None if step_weights is None else tuple(float(w) for w in step_weights)
        if rasterizer_settings is None or isinstance(rasterizer_settings, Mapping):
            rasterizer_settings = rasterizer_options(**(rasterizer_settings or {}))
        self.rasterizer = rasterizer_settings
        self.segmentation = SegmentationLoss(segmentation, LossReduction.NONE)
        self.balloon = BalloonLoss(LossReduction.NONE)
        self.curvature = CurvatureLoss(squared_curvature, LossReduction.NONE)
        self.distance = DistanceLoss(LossReduction.NONE)

    @classmethod
    def from_preset(cls, preset: str, **overrides: Any) -> ActiveContourLoss:
        """Build the loss with the weights of one of :data:`PRESETS`, and ``overrides`` on top."""
        if preset not in PRESETS:
            raise ValueError(f"Expected `preset` to be one of {sorted(PRESETS)}, but got {preset!r}.")
        return cls(**{**PRESETS[preset], **overrides})

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        """Compare contours with the reference mask.

        Args:
            input: contours (B, T, K, 2), or (B, T, N, K, 2) of N structures, in pixels of the target.
            target: reference masks (B, N, H, W) in [0, 1], N = 1 for one structure. A channel that is NaN everywhere
                is a reference that is missing.

        Returns:
            A scalar; unreduced (B,), or (B, N) for several structures, 0 where the reference is missing. A scalar is 0
            where all are missing.
        """
        self._check(input, target)
        batch, steps = input.shape[:2]
        structures = target.shape[1]
        size = (target.shape[-2], target.shape[-1])
        vertices = input.flatten(0, -3)  # one polygon for each sample, step and structure
        masks = rasterize_polygons(vertices, size, self.rasterizer)
        target = target.to(masks.dtype)
        references = target[:, None].expand(-1, steps, -1, -1, -1).reshape(masks.shape)
        energy = self.segmentation(masks, references)
        if self.balloon_weight:
            energy = energy + self.balloon_weight * self.balloon(masks)
        if self.curvature_weight:
            energy = energy + self.curvature_weight * self.curvature(vertices, size)
        if self.distance_weight:
            energy = energy + self.distance_weight * self.distance(vertices, size)
        energy = energy.reshape(batch, steps, structures)
        if self.step_weights is not None:
            weights = torch.tensor(self.step_weights, dtype=energy.dtype, device=energy.device)
            energy = energy * weights[:, None]
        return reduce_known(energy.sum(1), known_references(target), self.reduction)

    def _check(self, input: Tensor, target: Tensor) -> None:
        if input.ndim not in (4, 5) or input.shape[-1] != 2:
            raise ValueError(
                "Expected `input` to be contours (B, T, K, 2), or (B, T, N, K, 2) of N structures, "
                f"but got {tuple(input.shape)}."
            )
        structures = input.shape[2] if input.ndim == 5 else 1
        if target.ndim != 4 or target.shape[:2] != (input.shape[0], structures):
            raise ValueError(
                f"Expected `target` to be ({input.shape[0]}, {structures}, H, W), one mask for each of {structures} "
                f"structures, but got {tuple(target.shape)}."
            )
        if self.step_weights is not None and len(self.step_weights) != input.shape[1]:
            raise ValueError(f"Expected {len(self.step_weights)} steps as in `step_weights`, but got {input.shape[1]}.")
