# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Loss of Algorithm 1: its terms (equations 5 to 7, and the published code's distance term) and their sum (eq. 8).

Masks of N structures are (B, N, H, W). A term that is not reduced is (B,) for one structure and (B, N) for several.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from monai.losses import DiceLoss
from monai.utils import LossReduction
from torch import Tensor
from torch.nn.modules.loss import _Loss

from monai_acdr.geometry import check_vertices, pixel_to_normalized
from monai_acdr.networks.layers import RasterizerOptions, rasterize_polygons, rasterizer_options

__all__ = ["PRESETS", "ActiveContourLoss", "BalloonLoss", "CurvatureLoss", "DistanceLoss", "SegmentationLoss"]

MASK_TOLERANCE = 1e-2
"""Tolerance of a reference's range [0, 1]: interpolation of higher order overshoots a little."""


def _reduce(values: Tensor, reduction: str) -> Tensor:
    """Reduce one value for each sample, or sample and structure, by a LossReduction."""
    if reduction == LossReduction.MEAN.value:
        return values.mean()
    return values.sum() if reduction == LossReduction.SUM.value else values


def _per_structure(values: Tensor) -> Tensor:
    """(B, N) values as they are, (B, 1) of one structure as (B,)."""
    return values[:, 0] if values.shape[1] == 1 else values


def known_references(target: Tensor) -> Tensor:
    """(B, N) bool: which of the references (B, N, H, W) exist. A channel that is NaN everywhere is missing."""
    return ~target.isnan().flatten(2).all(2)


def reduce_known(values: Tensor, known: Tensor, reduction: str) -> Tensor:
    """Reduce (B, N) values; those without a reference are 0, and do not count in the mean.

    Without any reference the result and its gradients are 0.
    """
    values = torch.where(known, values, 0)
    if reduction == LossReduction.MEAN.value:
        return values.sum() / known.sum().clamp(min=1)
    return values.sum() if reduction == LossReduction.SUM.value else _per_structure(values)


def check_reference(target: Tensor) -> None:
    """Raise a ValueError unless a reference mask holds values in [0, 1]; skipped in traced or transformed graphs.

    A mask of {0, 255} or class numbers would silently train toward meaningless values, and NaN to NaN. Channels that
    are NaN everywhere are missing references, not wrong ones, and have to be taken out before.
    """
    if torch.compiler.is_compiling() or target.numel() == 0:
        return
    if torch.func.debug_unwrap(target) is not target:  # within a transform its values cannot be seen
        return
    if target.is_cuda and torch.cuda.is_current_stream_capturing():
        return
    low, high = torch.stack(target.detach().aminmax()).tolist()  # one synchronization with the device
    if not (low >= -MASK_TOLERANCE and high <= 1 + MASK_TOLERANCE):
        raise ValueError(
            f"Expected `target` to be masks with values in [0, 1], but got values from {low:g} to {high:g}: scale a "
            "mask of {0, 255}, make one of a label map with `mask == label`, and fill a whole channel with NaN where "
            "its reference is missing."
        )


class SegmentationLoss(_Loss):
    """Distance between the rendered mask and the reference, eq. 5 for one step.

    Args:
        kind: ``mse``, the mean over pixels of the squared difference, or ``dice``, MONAI's soft Dice loss.
        reduction: over samples and structures; ``mean`` over those whose reference is known, ``sum`` or ``none``.
    """

    def __init__(self, kind: str = "mse", reduction: LossReduction | str = LossReduction.MEAN) -> None:
        super().__init__(reduction=LossReduction(reduction).value)
        if kind not in ("mse", "dice"):
            raise ValueError(f"Expected `kind` to be 'mse' or 'dice', but got {kind!r}.")
        self.kind = kind
        self.dice = DiceLoss(reduction="none")

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        """Masks (B, N, H, W) in [0, 1] and references of the same shape to a scalar, or (B,) or (B, N) unreduced.

        A channel of ``target`` that is NaN everywhere is a missing reference: it is left out, and is 0 unreduced.

        Raises:
            ValueError: for another shape, or a reference that is not a mask of 0 .. 1, such as one of {0, 255}; values
                are not checked in compiled code and in transforms of ``torch.func``, where they are not accessible.
        """
        if input.shape != target.shape:
            raise ValueError(f"Expected `target` to be {tuple(input.shape)}, but got {tuple(target.shape)}.")
        known = known_references(target)
        target = torch.where(known[..., None, None], target, 0)
        check_reference(target)
        distance = self.dice(input, target) if self.kind == "dice" else (input - target).square()
        return reduce_known(distance.flatten(2).mean(2), known, self.reduction)


class BalloonLoss(_Loss):
    """Fraction of the frame that the mask leaves empty, eq. 6: its gradient makes the contour grow."""

    def __init__(self, reduction: LossReduction | str = LossReduction.MEAN) -> None:
        super().__init__(reduction=LossReduction(reduction).value)

    def forward(self, input: Tensor) -> Tensor:
        """Masks (B, N, H, W) in [0, 1] to a scalar, or (B,) or (B, N) unreduced."""
        return _reduce(_per_structure((1 - input).flatten(2).mean(2)), self.reduction)


class CurvatureLoss(_Loss):
    """Mean over the vertices of |p[j-1] - 2 p[j] + p[j+1]|, eq. 7, in the normalized [-1, 1] square.

    Args:
        squared: squared norm, as in Algorithm 1 of the paper; plain norm, as in the published code, if False.
        reduction: over samples.
    """

    def __init__(self, squared: bool = True, reduction: LossReduction | str = LossReduction.MEAN) -> None:
        super().__init__(reduction=LossReduction(reduction).value)
        self.squared = squared

    def forward(self, input: Tensor, size: tuple[int, int]) -> Tensor:
        """Vertices (..., K, 2) in pixels of a frame (H, W) to a scalar, or (...) unreduced."""
        check_vertices(input)
        vertices = pixel_to_normalized(input, size)
        bend = torch.roll(vertices, 1, dims=-2) - 2 * vertices + torch.roll(vertices, -1, dims=-2)
        return _reduce(_length(bend, self.squared).mean(-1), self.reduction)


class DistanceLoss(_Loss):
    """Sum over the vertices of |p[j] - p[j-1]|^2 in the normalized square: short, evenly spaced edges.

    A term of the published code, not of the paper; a sum as in that code, so that it falls with 1 / K for a given
    shape.
    """

    def __init__(self, reduction: LossReduction | str = LossReduction.MEAN) -> None:
        super().__init__(reduction=LossReduction(reduction).value)

    def forward(self, input: Tensor, size: tuple[int, int]) -> Tensor:
        """Vertices (..., K, 2) in pixels of a frame (H, W) to a scalar, or (...) unreduced."""
        check_vertices(input)
        vertices = pixel_to_normalized(input, size)
        return _reduce(_length(vertices - torch.roll(vertices, 1, dims=-2), True).sum(-1), self.reduction)


def _length(vectors: Tensor, squared: bool) -> Tensor:
    """Norm (...) of (..., 2) vectors; the plain norm has derivatives zero, not NaN, at zero, the second one too."""
    square = vectors.square().sum(-1)
    if squared:
        return square
    is_zero = square == 0
    return torch.where(is_zero, 0, torch.where(is_zero, 1, square).sqrt())


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

    Renders all T contours of the batch in one call. Each structure has a separate energy; where its reference is
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
                is a missing reference.

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
