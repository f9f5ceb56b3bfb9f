# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Several displacement networks as one: their mean field moves the contour, their differences say how sure it is.

Deep ensembles: Lakshminarayanan et al., "Simple and Scalable Predictive Uncertainty Estimation using Deep Ensembles",
NeurIPS 2017. Fields are averaged, not contours, so that Algorithm 1 stays as it is: one field, one polygon.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

__all__ = ["DisplacementEnsemble", "grow_ensemble"]

MEMBERS = "members."
"""How the names of an ensemble's weights start; the number of the member follows."""


class DisplacementEnsemble(nn.Module):
    """The mean of the fields of several networks.

    Args:
        members: at least one, each (B, C, H, W) to a field (B, 2, h, w), or (B, 2 N, h, w) for N structures, in half
            image sizes, all of one resolution.

    Example:
        >>> ensemble = DisplacementEnsemble(DisplacementUNet(channels=(8, 16)) for _ in range(3))
        >>> image = torch.zeros(4, 1, 64, 64)
        >>> ensemble(image).shape, ensemble.fields(image).shape
        (torch.Size([4, 2, 64, 64]), torch.Size([3, 4, 2, 64, 64]))
    """

    def __init__(self, members: Iterable[nn.Module]) -> None:
        super().__init__()
        self.members = nn.ModuleList(members)
        if len(self.members) == 0:
            raise ValueError("Expected `members` to be at least one displacement network, but got none.")

    def fields(self, image: Tensor) -> Tensor:
        """Each member's field.

        Args:
            image: (B, C, H, W).

        Returns:
            (M, B, 2, h, w), or (M, B, 2 N, h, w) for N structures, in half image sizes, channels (x_1, y_1, ...).

        Raises:
            ValueError: when the members' fields differ in shape.
        """
        fields: list[Tensor] = []
        for member in self.members:
            field = member(image)
            if len(fields) > 0 and field.shape != fields[0].shape:
                raise ValueError(
                    f"Expected all members to give fields of one shape, but got {list(fields[0].shape)} and "
                    f"{list(field.shape)}: build them alike."
                )
            fields.append(field)
        return torch.stack(fields)

    def forward(self, image: Tensor) -> Tensor:
        """(B, C, H, W) to the mean field (B, 2, h, w), or (B, 2 N, h, w) for N structures, in half image sizes."""
        return self.fields(image).mean(0)


def grow_ensemble(network: nn.Module, state: Mapping[str, Any], prefix: str = "") -> nn.Module:
    """The network that takes weights: itself, or an ensemble of copies of it where the weights are those of members.

    Args:
        network: a displacement network, or an ensemble of them.
        state: weights by name. Nothing but the names is looked at.
        prefix: with which the names of this network's weights start.

    Returns:
        ``network``, unless ``state`` has the weights of members 0, 1, ... M - 1 and each has exactly the names of
        ``network`` (of its first member, if it is an ensemble): then a :class:`DisplacementEnsemble` of M deep copies,
        which keep device, dtype, memory format and mode. Their values are still those of ``network``.
    """
    start = prefix + MEMBERS
    names: dict[str, set[str]] = {}
    for name in state:
        if name.startswith(start):
            number, _, rest = name[len(start) :].partition(".")
            names.setdefault(number, set()).add(rest)
    present = len(network.members) if isinstance(network, DisplacementEnsemble) else 0
    if len(names) in (0, present) or set(names) != {str(index) for index in range(len(names))}:
        return network
    template = network.members[0] if isinstance(network, DisplacementEnsemble) else network
    # Copies are made for weights that are there, so a small file cannot ask for a million of them.
    if any(found != set(template.state_dict()) for found in names.values()):
        return network
    return DisplacementEnsemble(copy.deepcopy(template) for _ in names).train(network.training)
