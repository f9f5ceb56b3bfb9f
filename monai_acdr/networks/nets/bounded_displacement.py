# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Head that turns the output of any network into the displacement field of Algorithm 1.

A segmentation network starts with outputs of about 1 in each pixel, unrelated from one pixel to the next. As a field,
these move each vertex by half an image in a different direction: the first step folds the contour up, the
curvature term outweighs the segmentation term, and a folded contour has no gradient that would unfold it. The loss
rises. Three things prevent it, and together they do for every network that was tried (docs/results.md, Backbones):

- the field starts near zero, a few percent of the crop's side;
- it is smooth at the scale of a vertex's step: a vertex reads four pixels of a field, so in a field of full resolution
  its gradient teaches those four alone; averaged over cells it teaches all pixels of its surroundings;
- it is bounded, so that no step is larger than a stated share of the crop.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from monai_acdr.geometry import at_least_float32
from monai_acdr.networks.nets.displacement_ensemble import DisplacementEnsemble
from monai_acdr.networks.nets.displacement_unet import DisplacementUNet

__all__ = ["BoundedDisplacement", "bound_displacement"]


class BoundedDisplacement(nn.Module):
    r"""A network and the head that turns its output into a displacement field.

    With the output :math:`z`, averaged over cells, each component of the displacement, in fractions of the crop's side,
    is

    .. math:: b \tanh(s z / b)

    which is :math:`s z` where that is small. The head has no weights.

    Args:
        network: (B, C, H, W) to (B, 2 N, h, w) of any range: MONAI's UNet, SegResNet, ... without a final activation.
        bound: b, the largest displacement of one step along an axis, as a fraction of the crop's side, in (0, 0.5].
        scale: s, displacement for an output of 1, as a fraction of the crop's side. Untrained networks give outputs of
            about 1, so their contours move by about this much.
        cell: side of the cells over which the output is averaged, in pixels of the image; 1 leaves it as it is. An
            output that is coarser than that is left as it is, too.

    Example:
        >>> unet = UNet(spatial_dims=2, in_channels=1, out_channels=2, channels=(8, 16), strides=(2,))
        >>> BoundedDisplacement(unet)(torch.zeros(4, 1, 64, 64)).shape
        torch.Size([4, 2, 16, 16])
    """

    def __init__(self, network: nn.Module, bound: float = 0.25, scale: float = 0.05, cell: int = 4) -> None:
        super().__init__()
        if not 0 < bound <= 0.5:
            raise ValueError(
                f"Expected `bound` to be a fraction of the crop's side in (0, 0.5], but got {bound}: 0.25 lets a "
                "vertex cross a quarter of the crop in one step."
            )
        if not scale > 0:
            raise ValueError(f"Expected `scale` to be a positive fraction of the crop's side, but got {scale}.")
        if cell < 1:
            raise ValueError(f"Expected `cell` to be at least 1 pixel, but got {cell}.")
        self.network = network
        self.bound, self.scale, self.cell = bound, scale, cell

    def forward(self, image: Tensor) -> Tensor:
        """(B, C, H, W) to the field (B, 2 N, h, w) in half image sizes, channels (x_1, y_1, x_2, y_2, ...), float32.

        Raises:
            ValueError: when the network returns anything but one tensor (B, 2 N, h, w).
        """
        output = self.network(image)
        if not isinstance(output, Tensor) or output.ndim != 4:
            form = list(output.shape) if isinstance(output, Tensor) else f"a {type(output).__name__}"
            raise ValueError(
                f"Expected the network to give one tensor (B, 2 N, h, w), but got {form}: switch deep supervision off, "
                "or return its first output alone."
            )
        output = at_least_float32(output)
        rows, columns = -(-image.shape[-2] // self.cell), -(-image.shape[-1] // self.cell)
        if output.shape[-2] > rows and output.shape[-1] > columns:
            output = F.adaptive_avg_pool2d(output, (rows, columns))
        # the field is in halves of the side: one fraction of the side is two of them
        return 2 * self.bound * torch.tanh(output * (self.scale / self.bound))


def bound_displacement(network: nn.Module, bound: float = 0.25) -> nn.Module:
    """The network itself where it gives a displacement field, otherwise the network with a head that makes one.

    Args:
        network: :class:`DisplacementUNet`, :class:`BoundedDisplacement` and ensembles of them are displacement
            networks; an ensemble of other networks gets one head per member.
        bound: of the head, see :class:`BoundedDisplacement`.

    Raises:
        ValueError: when the network ends in a Tanh, which would keep the head from its bound.
    """
    if isinstance(network, (DisplacementUNet, BoundedDisplacement)):
        return network
    if isinstance(network, DisplacementEnsemble):
        members = [bound_displacement(member, bound) for member in network.members]
        same = all(new is old for new, old in zip(members, network.members, strict=True))
        return network if same else DisplacementEnsemble(members)
    if isinstance(network, nn.Sequential) and len(network) > 0 and isinstance(network[-1], (nn.Tanh, nn.Sigmoid)):
        raise ValueError(
            f"Expected a network without a final activation, but got one that ends in {type(network[-1]).__name__}: "
            "pass the network alone, since ActiveContourNet bounds its output, or `bound=None` to take it as the field."
        )
    return BoundedDisplacement(network, bound)
