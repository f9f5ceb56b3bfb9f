# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import errno
import os
import zipfile
from pathlib import Path

import pytest
import torch
from torch import nn

from monai_acdr.handlers import load_checkpoint, load_network, save_checkpoint
from monai_acdr.read_budget import read_budget


def test_round_trip(tmp_path: Path) -> None:
    network = nn.Linear(3, 2)
    path = save_checkpoint({"network": network.state_dict(), "epoch": 3}, tmp_path / "new" / "last.pt")
    assert load_checkpoint(path)["epoch"] == 3
    other = load_network(nn.Linear(3, 2), path)
    torch.testing.assert_close(other.state_dict(), network.state_dict())
    averaged = save_checkpoint(
        {"network": nn.Linear(3, 2).state_dict(), "ema": network.state_dict()}, tmp_path / "a.pt"
    )
    torch.testing.assert_close(load_network(nn.Linear(3, 2), averaged).state_dict(), network.state_dict())
    bare = save_checkpoint(network.state_dict(), tmp_path / "model.pt")
    torch.testing.assert_close(load_network(nn.Linear(3, 2), bare).state_dict(), network.state_dict())


def test_a_full_disk_keeps_the_previous_checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = save_checkpoint({"epoch": 1}, tmp_path / "last.pt")

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(
        OSError, match=r"last\.pt.*No space left.*earlier checkpoint of that name is kept.*--resume true"
    ):
        save_checkpoint({"epoch": 2}, path)
    assert load_checkpoint(path) == {"epoch": 1}
    assert os.listdir(tmp_path) == ["last.pt"]


@pytest.mark.skipif(os.name == "nt", reason="needs POSIX file size limits")
def test_a_real_short_write_keeps_the_previous_checkpoint(tmp_path: Path) -> None:
    import resource

    path = save_checkpoint({"weight": torch.zeros(4)}, tmp_path / "last.pt")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (4096, limits[1]))
        with pytest.raises(OSError, match=r"Could not write \d+ bytes to checkpoint .*last\.pt \(File too large\)"):
            save_checkpoint({"weight": torch.zeros(10_000)}, path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    torch.testing.assert_close(load_checkpoint(path), {"weight": torch.zeros(4)})
    assert os.listdir(tmp_path) == ["last.pt"]


def test_an_unreadable_file_gets_no_advice_to_run_its_code(tmp_path: Path) -> None:
    """Torch's own message says to load it with weights_only=False."""
    (tmp_path / "model.pt").write_bytes(b"no checkpoint")
    with pytest.raises(ValueError, match="cannot be read") as raised:
        load_checkpoint(tmp_path / "model.pt")
    assert "`False`" not in str(raised.value)


@pytest.mark.parametrize("content", [b"", b"no checkpoint", b"PK\x03\x04 cut off"])
def test_a_broken_file(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "model.pt"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"model\.pt, but it cannot be read .*: copy or train it again"):
        load_checkpoint(path)


def test_code_in_a_checkpoint_is_not_run(tmp_path: Path) -> None:
    marker = tmp_path / "was_run"

    class Hostile:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return os.mkdir, (str(marker),)

    torch.save({"network": Hostile()}, tmp_path / "model.pt")
    with pytest.raises(ValueError, match="checkpoint of tensors"):
        load_checkpoint(tmp_path / "model.pt")
    assert not marker.exists()


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"model\.pt does not exist: train first"):
        load_network(nn.Linear(3, 2), tmp_path / "model.pt")


@pytest.mark.parametrize("network", [nn.Linear(4, 2), nn.Conv2d(1, 1, 3), nn.Sequential(nn.Linear(3, 2))])
def test_another_architecture(tmp_path: Path, network: nn.Module) -> None:
    path = save_checkpoint(nn.Linear(3, 2).state_dict(), tmp_path / "model.pt")
    with pytest.raises(ValueError, match=r"model\.pt, but it is a checkpoint of another architecture.*network_def"):
        load_network(network, path)


def test_tensors_that_do_not_fit_are_named(tmp_path: Path) -> None:
    path = save_checkpoint({"weight": torch.zeros(2, 3), "scale": torch.zeros(1)}, tmp_path / "model.pt")
    expected = (
        "1 tensors are missing, such as 'bias'; 1 tensors are unknown, such as 'scale'; "
        r"1 tensors are of another shape, such as 'weight', \(2, 3\) instead of \(2, 4\)\."
    )
    with pytest.raises(ValueError, match=expected):
        load_network(nn.Linear(4, 2), path)


@pytest.mark.parametrize("text", [b"epoch loss", b"e", b"import torch", b"\n\n"])
def test_texts_are_told_in_words(tmp_path: Path, text: bytes) -> None:
    (tmp_path / "model.pt").write_bytes(text)
    with pytest.raises(ValueError, match=r"cannot be read \(\D+[^)]*\): copy or train it again"):
        load_checkpoint(tmp_path / "model.pt")


@pytest.mark.parametrize(("path", "kind"), [("", "a folder"), ("pipe", "a device, pipe or socket")])
def test_what_is_no_file_is_told(tmp_path: Path, path: str, kind: str) -> None:
    if path:
        os.mkfifo(tmp_path / path)
    with pytest.raises(ValueError, match=f"is {kind}: give the path of a file"):
        load_checkpoint(tmp_path / path)


def test_something_else_than_a_dictionary(tmp_path: Path) -> None:
    path = save_checkpoint([torch.zeros(1)], tmp_path / "model.pt")
    with pytest.raises(ValueError, match="Expected a dictionary"):
        load_checkpoint(path)


def test_weights_that_are_no_numbers(tmp_path: Path) -> None:
    network = nn.Linear(3, 2)
    state = network.state_dict()
    path = save_checkpoint({**state, "bias": torch.tensor([1.0, float("nan")])}, tmp_path / "nan.pt")
    with pytest.raises(ValueError, match=r"finite weights in .*nan\.pt, but bias has NaN or infinity: the training"):
        load_network(network, path)
    path = save_checkpoint({**state, "bias": torch.tensor([1, 2])}, tmp_path / "int.pt")
    with pytest.raises(ValueError, match=r"Expected bias in .*int\.pt to be torch.float32, but it is torch.int64"):
        load_network(network, path)


@pytest.mark.parametrize("name", [3, ("a", 1), None])
def test_names_that_are_no_text(tmp_path: Path, name: object) -> None:
    path = save_checkpoint({name: torch.zeros(2)}, tmp_path / "a.pt")
    with pytest.raises(ValueError, match=r"a\.pt, but it is a checkpoint of another architecture"):
        load_network(nn.Linear(3, 2), path)


def test_packed_parts_are_held_to_the_budget(tmp_path: Path) -> None:
    """A megabyte of zeros, packed to a kilobyte: torch would unpack it whole, however large it is."""
    plain = save_checkpoint({"weight": torch.zeros(300_000)}, tmp_path / "plain.pt")
    packed = tmp_path / "packed.pt"
    with zipfile.ZipFile(plain) as source, zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as target:
        for name in source.namelist():
            target.writestr(name, source.read(name))
    assert packed.stat().st_size < 10_000
    with read_budget(1):
        with pytest.raises(ValueError, match=r"packed\.pt to need at most 1 MiB of memory"):
            load_checkpoint(packed)
        assert load_checkpoint(plain)["weight"].shape == (300_000,)  # as large as its file: no budget is asked


def test_tensors_without_memory_are_held_to_the_budget(tmp_path: Path) -> None:
    path = save_checkpoint({"weight": {"nested": [torch.zeros(1).expand(1 << 40)]}}, tmp_path / "a.pt")
    with pytest.raises(ValueError, match=r"a\.pt to need at most 512 MiB of memory, but it asks for 4,194,304 MiB"):
        load_checkpoint(path)
