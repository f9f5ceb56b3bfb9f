# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Checkpoints of single networks joined, and the ensemble that comes of them."""

from __future__ import annotations

import hashlib
import logging
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from monai_acdr.handlers import (
    count_members,
    join_checkpoints,
    load_checkpoint,
    load_network,
    save_checkpoint,
    write_ensemble,
)
from monai_acdr.networks.blocks import CenteredCircle
from monai_acdr.networks.nets import ActiveContourNet, DisplacementEnsemble, DisplacementUNet


def network(seed: int, channels: tuple[int, ...] = (4, 8)) -> ActiveContourNet:
    torch.manual_seed(seed)
    return ActiveContourNet(DisplacementUNet(channels=channels, num_convs=1), CenteredCircle(8)).eval()


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    """Three networks: as weights, and as the state of a training with averaged weights and without."""
    states: list[Any] = [network(seed).state_dict() for seed in range(3)]
    states[1] = {"network": network(7).state_dict(), "ema": states[1], "trainer": {"epoch": 3}}
    states[2] = {"network": states[2]}
    return [save_checkpoint(state, tmp_path / f"{index}.pt") for index, state in enumerate(states)]


def test_joined_networks_are_their_ensemble(files: list[Path], tmp_path: Path) -> None:
    path = save_checkpoint(join_checkpoints(files), tmp_path / "all.pt")
    loaded, image = network(9), torch.rand(2, 1, 16, 24)
    assert load_network(loaded, path) is loaded
    ensemble = loaded.displacement_net
    assert isinstance(ensemble, DisplacementEnsemble)
    fields = [network(seed).displacement_net(image) for seed in range(3)]
    torch.testing.assert_close(ensemble.fields(image), torch.stack(fields))
    torch.testing.assert_close(ensemble(image), sum(fields) / 3)
    assert [count_members(file) for file in (path, files[0], tmp_path / "none.pt")] == [3, 1, 1]
    load_network(loaded, files[1])  # an ensemble becomes one network again
    torch.testing.assert_close(loaded.displacement_net(image), fields[1])


def test_one_member_of_it(files: list[Path], tmp_path: Path) -> None:
    path = save_checkpoint(join_checkpoints(files), tmp_path / "all.pt")
    for member in range(3):
        loaded = load_network(network(9), path, member=member)
        torch.testing.assert_close(loaded.state_dict(), network(member).state_dict())
    torch.testing.assert_close(load_network(network(9), files[0], member=0).state_dict(), network(0).state_dict())
    with pytest.raises(ValueError, match=r"`member` to be from 0 to 2 for .*all\.pt, but got 3"):
        load_network(network(9), path, member=3)
    with pytest.raises(ValueError, match=r"`member` to be from 0 to 0 for .*0\.pt, but got 1"):
        load_network(network(9), files[0], member=1)


def test_an_ensemble_takes_further_members(files: list[Path], tmp_path: Path) -> None:
    pair = save_checkpoint(join_checkpoints(files[:2]), tmp_path / "pair.pt")
    torch.testing.assert_close(join_checkpoints([pair, files[2]]), join_checkpoints(files))


def test_what_was_written_is_logged(files: list[Path], tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        path = write_ensemble([str(each) for each in files], str(tmp_path / "new" / "all.pt"))
    torch.testing.assert_close(load_checkpoint(path), join_checkpoints(files))
    content = path.read_bytes()
    assert f"3 members: {path}, {len(content)} bytes, SHA-256 {hashlib.sha256(content).hexdigest()}" in caplog.text
    with pytest.raises(FileExistsError, match=r"all\.pt exists: choose another --checkpoint"):
        write_ensemble(files, path)
    assert path.read_bytes() == content


def test_a_member_is_not_overwritten(files: list[Path]) -> None:
    with pytest.raises(FileExistsError, match=r"0\.pt exists"):
        write_ensemble(files, files[0])


@pytest.mark.parametrize(
    ("other", "message"),
    [
        (
            network(1, (4, 6)),
            r"other\.pt has 0 tensors that .*0\.pt has not, lacks 0, and 11 differ in shape.*\[4, 10, .* \[4, 12, ",
        ),
        (network(1, (4, 8, 8)), r"other\.pt has \d+ tensors that .*0\.pt has not, lacks 0.*same network_def"),
        (network(1).double(), r"0 tensors .* lacks 0, and \d+ differ in shape or dtype"),
        (network(0), r"different networks, but those of .*other\.pt and .*0\.pt are the same"),
        (nn.Conv2d(1, 2, 1), r"weights of an ActiveContourNet in checkpoint .*other\.pt"),
    ],
    ids=["widths", "levels", "dtype", "twin", "no contour net"],
)
def test_networks_that_do_not_go_together(files: list[Path], tmp_path: Path, other: nn.Module, message: str) -> None:
    path = save_checkpoint(other.state_dict(), tmp_path / "other.pt")
    with pytest.raises(ValueError, match=message):
        join_checkpoints([files[0], path])


def test_initial_contours_that_differ(tmp_path: Path) -> None:
    paths = []
    for seed in range(2):
        state = network(seed).state_dict() | {"initial_contour.start": torch.full((2,), float(seed))}
        paths.append(save_checkpoint(state, tmp_path / f"{seed}.pt"))
    with pytest.raises(ValueError, match=r"initial_contour\.start differs .*use the same initial contour"):
        join_checkpoints(paths)


@pytest.mark.parametrize("state", [{"network": torch.zeros(1)}, {"displacement_net.x": 3}], ids=["tensor", "number"])
def test_no_weights(files: list[Path], tmp_path: Path, state: dict[str, Any]) -> None:
    path = save_checkpoint(state, tmp_path / "other.pt")
    with pytest.raises(ValueError, match=r"Expected weights by name in checkpoint .*other\.pt"):
        join_checkpoints([files[0], path])


def test_members_that_are_missing(files: list[Path], tmp_path: Path) -> None:
    weights = {name.replace("members.0", "members.5"): value for name, value in join_checkpoints(files).items()}
    path = save_checkpoint(weights, tmp_path / "other.pt")
    with pytest.raises(ValueError, match=r"members 0 to 2, but got \['1', '2', '5'\]. In checkpoint .*other\.pt"):
        join_checkpoints([path])
    with pytest.raises(ValueError, match=r"other\.pt, but it is a checkpoint of another architecture"):
        load_network(network(9), path)


def test_too_few(files: list[Path]) -> None:
    with pytest.raises(ValueError, match=r"at least two networks, but got only that of .*0\.pt"):
        join_checkpoints(files[:1])
    for paths in ([], str(files[0]), files[0], None):
        with pytest.raises(ValueError, match=r"Expected `paths` to be a list of checkpoints.*--members"):
            join_checkpoints(paths)  # type: ignore[arg-type]
    with pytest.raises(FileNotFoundError, match="does not exist"):
        join_checkpoints([files[0], files[0].with_name("none.pt")])


def test_another_architecture_is_refused(files: list[Path], tmp_path: Path) -> None:
    path = save_checkpoint(join_checkpoints(files), tmp_path / "all.pt")
    for other in (network(9, (4, 6)), network(9, (4, 8, 8)), nn.Conv2d(1, 2, 1)):
        with pytest.raises(ValueError, match=r"all\.pt, but it is a checkpoint of another architecture.*network_def"):
            load_network(other, path)
