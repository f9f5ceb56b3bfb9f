# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""The terms of the energy, equations 5 to 7, and the published code's distance term.

Masks of N structures are (B, N, H, W). A term that is not reduced is (B,) for one structure and (B, N) for several.
"""

from __future__ import annotations

import torch
from monai.losses import DiceLoss
from monai.utils import LossReduction
from torch import Tensor
from torch.nn.modules.loss import _Loss

from monai_acdr.geometry import check_vertices, pixel_to_normalized

__all__ = ["BalloonLoss", "CurvatureLoss", "DistanceLoss", "SegmentationLoss"]

MASK_TOLERANCE = 1e-2
"""How far a reference may leave [0, 1]: interpolation of higher order overshoots a little."""


def _reduce(values: Tensor, reduction: str) -> Tensor:
    """Reduce one value for each sample, or sample and structure, by a LossReduction."""
    if reduction == LossReduction.MEAN.value:
        return values.mean()
    return values.sum() if reduction == LossReduction.SUM.value else values


def _per_structure(values: Tensor) -> Tensor:
    """(B, N) values as they are, (B, 1) of one structure as (B,)."""
    return values[:, 0] if values.shape[1] == 1 else values


def known_references(target: Tensor) -> Tensor:
    """(B, N) bool: which of the references (B, N, H, W) are there. A channel that is NaN everywhere is missing."""
    return ~target.isnan().flatten(2).all(2)


def reduce_known(values: Tensor, known: Tensor, reduction: str) -> Tensor:
    """Reduce (B, N) values of which some have no reference: those are 0, and do not count in the mean.

    Nothing known gives 0, whose gradients are 0 too.
    """
    values = torch.where(known, values, 0)
    if reduction == LossReduction.MEAN.value:
        return values.sum() / known.sum().clamp(min=1)
    return values.sum() if reduction == LossReduction.SUM.value else _per_structure(values)


def check_reference(target: Tensor) -> None:
    """Raise a ValueError unless a reference mask holds values of [0, 1]; not while a graph is traced or transformed.

    A mask of {0, 255} or class numbers would train toward nonsense, and NaN to NaN, without a word. Channels that are
    NaN everywhere are missing references, not wrong ones, and have to be taken out before.
    """
    if torch.compiler.is_compiling() or target.numel() == 0:
        return
    if torch.func.debug_unwrap(target) is not target:  # within a transform its values cannot be seen
        return
    if target.is_cuda and torch.cuda.is_current_stream_capturing():
        return
    low, high = torch.stack(target.detach().aminmax()).tolist()  # one wait for the device
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

        A channel of ``target`` that is NaN everywhere is a reference that is missing: it is left out, and 0 unreduced.

        Raises:
            ValueError: for another shape, or a reference that is no mask of 0 .. 1, such as one of {0, 255}; values are
                not looked at in compiled code and in transforms of ``torch.func``, which do not let them be seen.
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

    A term of the published code, not of the paper; like there a sum, so that it falls with 1 / K for a given shape.
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
