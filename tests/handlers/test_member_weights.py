# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import pytest
import torch
from torch import nn

from monai_acdr.handlers.checkpoints import ENSEMBLE, join_members, network_weights, split_members
from monai_acdr.networks.nets import ActiveContourNet, DisplacementEnsemble


def test_names_are_those_of_the_networks() -> None:
    """Handlers import no networks, so the names stand in two places."""
    members = [nn.Conv2d(1, 2, 1), nn.Conv2d(1, 2, 1)]
    singles = [ActiveContourNet(member).state_dict() for member in members]
    ensemble = ActiveContourNet(DisplacementEnsemble(members)).state_dict()
    assert all(name.startswith(ENSEMBLE) for name in ensemble)
    torch.testing.assert_close(join_members(singles), dict(ensemble))
    torch.testing.assert_close(split_members(ensemble), [dict(single) for single in singles])


def test_other_weights_are_everybody_s() -> None:
    one, two = torch.zeros(1), torch.ones(1)
    members = [{"initial_contour.start": one, "displacement_net.a.b": value} for value in (one, two)]
    joined = join_members(members)
    assert set(joined) == {"initial_contour.start", f"{ENSEMBLE}0.a.b", f"{ENSEMBLE}1.a.b"}
    assert split_members(joined) == members
    assert split_members(members[0]) == members[:1]


def test_more_than_ten_members_keep_their_order() -> None:
    members = [{"displacement_net.x": torch.tensor(float(index))} for index in range(12)]
    assert split_members(dict(sorted(join_members(members).items()))) == members


@pytest.mark.parametrize("numbers", [("0", "2"), ("1",), ("0", "one")])
def test_members_that_are_missing(numbers: tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match=f"Expected members 0 to {len(numbers) - 1}, but got .*{numbers[-1]}"):
        split_members({f"{ENSEMBLE}{number}.x": torch.zeros(1) for number in numbers})


def test_averaged_weights_first() -> None:
    assert network_weights({"ema": {"a": 1}, "network": {"a": 2}}) == {"a": 1}
    assert network_weights({"network": {"a": 2}, "epoch": 3}) == {"a": 2}
    assert network_weights({"a": 3}) == {"a": 3}
