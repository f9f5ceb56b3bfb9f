# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Several displacement networks as one: their mean field moves the contour, their spread estimates the uncertainty.

Deep ensembles: Lakshminarayanan et al., "Simple and Scalable Predictive Uncertainty Estimation using Deep Ensembles",
NeurIPS 2017. Fields are averaged, not contours, so that Algorithm 1 stays as it is: one field, one polygon.
"""

from __future__ import annotations

import copy
from collections.abc import Collection, Iterable

import torch
from torch import Tensor, nn

__all__ = ["DisplacementEnsemble", "copy_members", "match_ensemble"]

MEMBERS = "members."
"""Prefix of an ensemble's weights; the number of the member follows."""


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


def copy_members(network: nn.Module, number: int) -> DisplacementEnsemble:
    """An ensemble of deep copies of a network, which keep its device, dtype, memory format, mode and values."""
    return DisplacementEnsemble(copy.deepcopy(network) for _ in range(number)).train(network.training)


def match_ensemble(network: nn.Module, names: Collection[str]) -> nn.Module:
    """Return the network that weights of these names fit: itself, an ensemble of copies, or one member of an ensemble.

    Args:
        network: a displacement network, or an ensemble of them.
        names: names of the weights; those of members 0, 1, ... M - 1 select an ensemble of M.

    Returns:
        ``network`` itself if it already has that many members, or if the names are not exactly those of its copies.
    """
    template = network.members[0] if isinstance(network, DisplacementEnsemble) else network
    own = set(template.state_dict())
    members: dict[str, set[str]] = {}
    for name in names:
        if name.startswith(MEMBERS):
            number, _, rest = name[len(MEMBERS) :].partition(".")
            members.setdefault(number, set()).add(rest)
    if not members:
        return template if set(names) == own else network
    present = len(network.members) if isinstance(network, DisplacementEnsemble) else 0
    # Every copy needs weights in the file, so a small file cannot ask for a million of them.
    fitting = set(members) == set(map(str, range(len(members)))) and all(found == own for found in members.values())
    return copy_members(template, len(members)) if fitting and len(members) != present else network
