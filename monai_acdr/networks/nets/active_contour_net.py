# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Algorithm 1 of "End to End Trainable Active Contours via Differentiable Rendering" (Gur et al., ICLR 2020).

The file to read first. The loss of line 12, with the renderer R of line 11, is
:class:`monai_acdr.losses.ActiveContourLoss`; the network itself never renders.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from monai_acdr.networks.blocks import CenteredCircle, evolve_contour
from monai_acdr.networks.nets.bounded_displacement import bound_displacement
from monai_acdr.networks.nets.displacement_ensemble import copy_members, match_ensemble

__all__ = ["ActiveContourNet"]


class ActiveContourNet(nn.Module):
    """A contour that moves through a displacement field, the same in training and in evaluation.

    Several structures, such as endocardium and epicardium, have a contour and two channels of the field each, and share
    the rest of the network. The initial contours set their number: (B, K, 2) is one structure, (B, N, K, 2) are N of
    them, from the innermost to the outermost.

    Args:
        displacement_net: (B, C, H, W) to (B, 2, h, w), J = D(E(I)), eq. 1. :class:`DisplacementUNet` gives a field in
            half image sizes and is used as it is. Any other network with two output channels and no final activation,
            MONAI's UNet, SegResNet, ..., gets the head :class:`BoundedDisplacement`, so that its field starts near
            zero and stays bounded. N structures need 2 N channels, in the order (x_1, y_1, x_2, y_2, ...).
        initial_contour: the oracle A, (B, C, H, W) to (B, K, 2) or (B, N, K, 2) in pixels; a circle in the middle if
            None.
        num_iterations: T, at least 1. Not a property of the weights: it may be changed after training.
        clamp: truncate vertices to the image, eq. 3 (yes in the paper, no in its published code).
        bound: of the head of other networks: the largest displacement of one step along an axis, as a fraction of the
            crop's side. None adds no head: the output of the network is the field, in half image sizes.
        num_members: turn ``displacement_net`` into a :class:`DisplacementEnsemble` of this many copies, to load the
            weights of an ensemble; see :meth:`match_members`.

    Example:
        >>> net = ActiveContourNet(DisplacementUNet(channels=(8, 16)), CenteredCircle(num_vertices=32))
        >>> net(torch.zeros(4, 1, 64, 64)).shape
        torch.Size([4, 3, 32, 2])
        >>> two = DisplacementUNet(channels=(8, 16), num_structures=2)
        >>> net = ActiveContourNet(two, CenteredCircle(num_vertices=32, diameter=(0.3, 0.5)))
        >>> net(torch.zeros(4, 1, 64, 64)).shape
        torch.Size([4, 3, 2, 32, 2])
    """

    def __init__(
        self,
        displacement_net: nn.Module,
        initial_contour: Callable[[Tensor], Tensor] | None = None,
        num_iterations: int = 3,
        clamp: bool = True,
        bound: float | None = 0.25,
        num_members: int = 1,
    ) -> None:
        super().__init__()
        if num_iterations < 1:
            raise ValueError(f"Expected `num_iterations` to be at least 1, but got {num_iterations}.")
        if num_members < 1:
            raise ValueError(f"Expected `num_members` to be at least 1, but got {num_members}.")
        self.displacement_net = displacement_net if bound is None else bound_displacement(displacement_net, bound)
        if num_members > 1:
            self.displacement_net = copy_members(self.displacement_net, num_members)
        self.initial_contour = CenteredCircle() if initial_contour is None else initial_contour
        self.num_iterations = num_iterations
        self.clamp = clamp

    def forward(self, image: Tensor, vertices: Tensor | None = None) -> Tensor:
        """Evolve the contours of each image.

        Args:
            image: (B, C, H, W).
            vertices: (B, K, 2) or (B, N, K, 2) initial contours in pixels of ``image``; the oracle's if None.

        Returns:
            contours (B, T, K, 2) or (B, T, N, K, 2) in pixels; ``[:, -1]`` is the result.

        Raises:
            ValueError: for vertices of another shape, or a field without two channels per structure.
        """
        vertices = self._start(image, vertices)  # line 4: P^0 = A(I)
        displacement = self._field(image, vertices)  # line 6: J = D(E(I)), once
        size = (image.shape[-2], image.shape[-1])
        contours = []
        for _ in range(self.num_iterations):  # line 7
            vertices = evolve_contour(vertices, displacement, size, self.clamp)  # lines 8-10, eq. 2 and 3
            contours.append(vertices)
        return torch.stack(contours, dim=1)

    def _start(self, image: Tensor, vertices: Tensor | None) -> Tensor:
        if vertices is None:
            vertices = self.initial_contour(image)
        dimensions = vertices.ndim == 3 or vertices.ndim == 4
        if not dimensions or vertices.shape[0] != image.shape[0] or vertices.shape[-1] != 2:
            raise ValueError(
                f"Expected `vertices` to be ({image.shape[0]}, K, 2), one contour for each image, "
                f"or ({image.shape[0]}, N, K, 2) for N structures, but got {list(vertices.shape)}."
            )
        return vertices

    def _field(self, image: Tensor, vertices: Tensor) -> Tensor:
        displacement = self.displacement_net(image)
        structures = vertices.shape[1] if vertices.ndim == 4 else 1
        if displacement.ndim != 4 or displacement.shape[1] != 2 * structures:
            raise ValueError(
                f"Expected `displacement_net` to give (B, {2 * structures}, h, w), two channels (x, y) for each of "
                f"{structures} structures of the initial contours, but got {list(displacement.shape)}: build it with "
                f"{2 * structures} output channels, or start with one contour per two channels."
            )
        return displacement

    def match_members(self, weights: Mapping[str, Any]) -> None:
        """Turn ``displacement_net`` into an ensemble, or into one network, to match weights that are loaded next.

        Call it before an optimizer gets the parameters. :func:`monai_acdr.handlers.load_network` matches and loads.

        Args:
            weights: a state dictionary; only its names are read. If they do not fit this network, it is left as it is,
                and ``load_state_dict`` reports the mismatch.
        """
        prefix = "displacement_net."
        names = {name[len(prefix) :] for name in weights if name.startswith(prefix)}
        self.displacement_net = match_ensemble(self.displacement_net, names)
