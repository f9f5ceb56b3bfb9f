# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Weights of an ensemble by name: those of its members, and back. A file says by its names how many members it has."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor

from monai_acdr.networks.nets.displacement_ensemble import MEMBERS

__all__ = ["ENSEMBLE", "join_members", "network_weights", "split_members"]

FIELD = "displacement_net."
"""Prefix of the displacement network's weights in :class:`monai_acdr.networks.nets.ActiveContourNet`."""

ENSEMBLE = f"{FIELD}{MEMBERS}"
"""Prefix of an ensemble's weights; the number of the member follows."""


def network_weights(state: Mapping[str, Any]) -> Any:
    """The weights in a checkpoint: averaged (``ema``), otherwise plain (``network``), otherwise the whole of it."""
    return state.get("ema", state.get("network", state))


def split_members(weights: Mapping[str, Tensor]) -> list[dict[str, Tensor]]:
    """For each member the weights of a network that has it as its only displacement network.

    Args:
        weights: of an ``ActiveContourNet`` by name.

    Returns:
        One dictionary a member; ``[weights]`` where there is one network and no ensemble.

    Raises:
        ValueError: when the members are not numbered 0, 1, ...
    """
    common: dict[str, Tensor] = {}
    members: dict[str, dict[str, Tensor]] = {}
    for name, value in weights.items():
        if name.startswith(ENSEMBLE):
            number, _, rest = name[len(ENSEMBLE) :].partition(".")
            members.setdefault(number, {})[FIELD + rest] = value
        else:
            common[name] = value
    numbers = [str(index) for index in range(len(members))]
    if set(members) != set(numbers):
        raise ValueError(f"Expected members 0 to {len(members) - 1}, but got {sorted(members)[:10]}.")
    return [common | members[number] for number in numbers] or [common]


def join_members(members: Sequence[Mapping[str, Tensor]]) -> dict[str, Tensor]:
    """The inverse of :func:`split_members`: an ensemble's weights; what is not of the fields is the first member's."""
    joined = {name: value for name, value in members[0].items() if not name.startswith(FIELD)}
    for number, weights in enumerate(members):
        for name, value in weights.items():
            if name.startswith(FIELD):
                joined[f"{ENSEMBLE}{number}.{name[len(FIELD) :]}"] = value
    return joined
