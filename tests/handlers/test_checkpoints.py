# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Checkpoints: weights of members, files, ensembles, and trainings that resume."""

from __future__ import annotations

import errno
import hashlib
import logging
import os
import zipfile
from pathlib import Path
from typing import Any

import pytest
import torch
from ignite.engine import Engine, Events
from monai.optimizers import WarmupCosineSchedule
from torch import nn

import monai_acdr.files as claims
from monai_acdr.handlers import (
    EpochSeed,
    TrainingCheckpoint,
    check_new_training,
    count_members,
    join_checkpoints,
    load_checkpoint,
    load_network,
    save_checkpoint,
    write_ensemble,
)
from monai_acdr.handlers.checkpoints import ENSEMBLE, join_members, network_weights, split_members
from monai_acdr.networks.blocks import CenteredCircle
from monai_acdr.networks.nets import ActiveContourNet, DisplacementEnsemble, DisplacementUNet
from monai_acdr.read_budget import read_budget


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
def test_weights_of_members_that_are_missing(numbers: tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match=f"Expected members 0 to {len(numbers) - 1}, but got .*{numbers[-1]}"):
        split_members({f"{ENSEMBLE}{number}.x": torch.zeros(1) for number in numbers})


def test_averaged_weights_first() -> None:
    assert network_weights({"ema": {"a": 1}, "network": {"a": 2}}) == {"a": 1}
    assert network_weights({"network": {"a": 2}, "epoch": 3}) == {"a": 2}
    assert network_weights({"a": 3}) == {"a": 3}


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
    torch.save(torch.load(path), tmp_path / "old.pt", _use_new_zipfile_serialization=False)
    assert count_members(tmp_path / "old.pt") == 3
    many = tmp_path / "many.pt"
    torch.save({f"displacement_net.members.{number}.x": torch.zeros(0) for number in range(65)}, many)
    with pytest.raises(ValueError, match="at most 64 networks in an ensemble, but got 65"):
        count_members(many)
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


class Training:
    """A tiny training with dropout and momentum: each weight depends on every random number before it."""

    def __init__(
        self,
        folder: Path,
        figures: list[float] | None = None,
        resume: bool = False,
        best: bool = True,
        validated: bool = True,
    ) -> None:
        torch.manual_seed(1)
        self.network = nn.Sequential(nn.Linear(4, 8), nn.Dropout(0.5), nn.Linear(8, 1))
        self.optimizer = torch.optim.Adam(self.network.parameters(), 0.1)
        self.trainer = Engine(self.step)
        figures = figures or [0.1, 0.5, 0.3, 0.4]
        self.evaluator = Engine(lambda engine, batch: None)
        self.checkpoint = TrainingCheckpoint(
            folder / "last.pt",
            {"network": self.network, "optimizer": self.optimizer},
            best_path=folder / "model.pt" if best else None,
            best_network=self.network if best else None,
            evaluator=self.evaluator if best and validated else None,
            resume=resume,
        )
        EpochSeed(3).attach(self.trainer)

        @self.trainer.on(Events.EPOCH_COMPLETED)
        def validate(engine: Engine) -> None:
            self.evaluator.state.epoch = engine.state.epoch
            self.evaluator.state.metrics = {"val_mean_dice": figures[engine.state.epoch - 1]}

        self.checkpoint.attach(self.trainer)

    def step(self, engine: Engine, batch: torch.Tensor) -> float:
        self.optimizer.zero_grad()
        loss = (self.network(batch) - torch.rand(1)).square().mean()
        loss.backward()
        self.optimizer.step()
        return float(loss.detach())

    def run(self, epochs: int) -> Training:
        self.trainer.run([torch.ones(2, 4), torch.zeros(2, 4)], max_epochs=epochs)
        return self


def test_resumed_is_undisturbed(tmp_path: Path) -> None:
    whole = Training(tmp_path / "whole").run(4)
    Training(tmp_path / "parts").run(2)
    resumed = Training(tmp_path / "parts", resume=True).run(4)
    assert resumed.trainer.state.epoch == 4
    assert resumed.trainer.state.iteration == whole.trainer.state.iteration
    torch.testing.assert_close(resumed.network.state_dict(), whole.network.state_dict(), rtol=0, atol=0)
    assert resumed.checkpoint.best == whole.checkpoint.best == {"metric": 0.5, "epoch": 2}


class Scheduled:
    """A training of 4 epochs, of so many steps each, whose learning rate follows the steps."""

    def __init__(self, folder: Path, steps: int, resume: bool = False) -> None:
        self.network, self.steps, self.rates = nn.Linear(1, 1), steps, list[float]()
        self.optimizer = torch.optim.SGD(self.network.parameters(), 0.8)
        self.schedule = WarmupCosineSchedule(self.optimizer, warmup_steps=steps, t_total=4 * steps + 1)
        self.trainer = Engine(self.step)
        objects = {"network": self.network, "optimizer": self.optimizer, "schedule": self.schedule}
        TrainingCheckpoint(folder / "last.pt", objects, resume=resume).attach(self.trainer)

    def step(self, engine: Engine, batch: float) -> None:
        self.rates.append(self.optimizer.param_groups[0]["lr"])
        self.optimizer.step()
        self.schedule.step()

    def run(self, epochs: int) -> list[float]:
        self.trainer.run([0.0] * self.steps, max_epochs=epochs)
        return self.rates


@pytest.mark.parametrize(("before", "after"), [(6, 2), (2, 5), (3, 3)])
def test_a_training_goes_on_with_other_steps(tmp_path: Path, before: int, after: int) -> None:
    """As with another number of processes: the third epoch has the learning rates of its own."""
    whole = Scheduled(tmp_path / "whole", after).run(4)
    first = Scheduled(tmp_path / "parts", before).run(2)
    resumed = Scheduled(tmp_path / "parts", after, resume=True)
    assert resumed.run(4) == pytest.approx(whole[2 * after :], rel=1e-12)
    assert len(first) == 2 * before
    assert (resumed.trainer.state.epoch, resumed.trainer.state.iteration) == (4, 4 * after)
    assert load_checkpoint(tmp_path / "parts" / "last.pt")["trainer"]["epoch_length"] == after


@pytest.mark.parametrize("resumed_with", [True, False])
def test_the_scaler_of_half_precision_is_kept(tmp_path: Path, resumed_with: bool) -> None:
    """And left alone where the training goes on without."""
    training = Training(tmp_path)
    training.trainer.scaler = torch.amp.GradScaler("cpu", init_scale=8.0)  # type: ignore[attr-defined]
    training.trainer.scaler.scale(torch.ones(1))  # type: ignore[attr-defined]
    training.run(1)
    assert load_checkpoint(tmp_path / "last.pt")["scaler"]["scale"] == 8
    resumed = Training(tmp_path, resume=True)
    if resumed_with:
        resumed.trainer.scaler = torch.amp.GradScaler("cpu")  # type: ignore[attr-defined]
    resumed.run(2)
    assert resumed.trainer.state.epoch == 2
    if resumed_with:
        assert resumed.trainer.scaler.get_scale() == 8  # type: ignore[attr-defined]


def test_the_best_network_is_kept(tmp_path: Path) -> None:
    training = Training(tmp_path).run(2)
    best = {name: value.clone() for name, value in training.network.state_dict().items()}
    resumed = Training(tmp_path, resume=True).run(4)
    torch.testing.assert_close(load_checkpoint(tmp_path / "model.pt"), best)
    assert not torch.equal(resumed.network.state_dict()["0.weight"], best["0.weight"])


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    (tmp_path / "model.pt").write_bytes(b"weights that were shipped")
    with pytest.raises(FileExistsError, match=r"new file for the weights.*model\.pt exists: choose another"):
        Training(tmp_path).run(1)
    assert [path.name for path in tmp_path.iterdir()] == ["model.pt"]
    assert (tmp_path / "model.pt").read_bytes() == b"weights that were shipped"
    (tmp_path / "model.pt").unlink()
    Training(tmp_path).run(1)
    with pytest.raises(FileExistsError, match=r"last\.pt is there: add --resume true .* another --output_dir"):
        Training(tmp_path).run(1)


@pytest.mark.parametrize("validated", [True, False])
def test_a_resumed_training_keeps_weights_of_others(
    tmp_path: Path, validated: bool, caplog: pytest.LogCaptureFixture
) -> None:
    """Its own are replaced: those of the best validation, or without one those of the last epoch."""
    path, previous = tmp_path / "model.pt", tmp_path / "model.pt.previous"
    Training(tmp_path, [0.1, 0.0, 0.3, 0.4], validated=validated).run(2)
    own = path.read_bytes()
    Training(tmp_path, [0.1, 0.0, 0.3, 0.4], resume=True, validated=validated).run(3)
    assert not previous.exists() and path.read_bytes() != own and "not known" not in caplog.text
    path.write_bytes(b"weights that were shipped")  # as without --checkpoint
    training = Training(tmp_path, [0.1, 0.0, 0.3, 0.4], resume=True, validated=validated).run(4)
    torch.testing.assert_close(load_checkpoint(path), dict(training.network.state_dict()))
    assert previous.read_bytes() == b"weights that were shipped" and "is kept as model.pt.previous" in caplog.text
    path.write_bytes(b"others")
    with pytest.raises(FileExistsError, match=r"it has others, and model\.pt\.previous exists: give the --checkpoint"):
        Training(tmp_path, resume=True, validated=validated).run(5)
    assert path.read_bytes() == b"others" and previous.read_bytes() == b"weights that were shipped"


def test_the_last_network_is_kept_without_an_evaluator(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """When the training ends, not after an epoch or an error."""
    training = Training(tmp_path, validated=False)

    @training.trainer.on(Events.EPOCH_COMPLETED)
    def stop(engine: Engine) -> None:
        assert not (tmp_path / "model.pt").exists()
        if engine.state.epoch == 2:
            raise RuntimeError("stop")

    with pytest.raises(RuntimeError, match="stop"):
        training.run(3)
    assert not (tmp_path / "model.pt").exists()
    training = Training(tmp_path, resume=True, validated=False).run(3)
    torch.testing.assert_close(load_checkpoint(tmp_path / "model.pt"), dict(training.network.state_dict()))
    assert "No validation" not in caplog.text


def test_a_network_is_kept_without_any_validation(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """No number for the metric, as without references: the weights of the last epoch, and a warning."""
    training = Training(tmp_path, [float("nan")] * 3).run(3)
    torch.testing.assert_close(load_checkpoint(tmp_path / "model.pt"), dict(training.network.state_dict()))
    assert "has the weights of the last epoch, 3" in caplog.text


def test_resume_without_a_training(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"last\.pt does not exist: leave out --resume"):
        Training(tmp_path, resume=True).run(1)


def test_resume_with_another_configuration(tmp_path: Path) -> None:
    Training(tmp_path).run(1)
    other = Training(tmp_path, resume=True)
    other.checkpoint.save_dict = {"network": nn.Linear(1, 1), "optimizer": other.optimizer}
    with pytest.raises(ValueError, match=r"Expected 'network' in .*last\.pt to fit this configuration"):
        other.run(2)
    other = Training(tmp_path, resume=True)
    other.checkpoint.save_dict = {"network": other.network}
    with pytest.raises(ValueError, match=r"last\.pt.*of a training with the same configuration"):
        other.run(2)


def test_arguments(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="without the names trainer, best, scaler, best_sha256"):
        TrainingCheckpoint(tmp_path / "last.pt", {"trainer": nn.Linear(1, 1)})
    with pytest.raises(ValueError, match="together or none of them"):
        TrainingCheckpoint(tmp_path / "last.pt", {}, best_path=tmp_path / "model.pt")
    with pytest.raises(ValueError, match="`evaluator` only with them"):
        TrainingCheckpoint(tmp_path / "last.pt", {}, evaluator=Engine(lambda engine, batch: None))


def test_without_a_best_network(tmp_path: Path) -> None:
    Training(tmp_path, best=False).run(1)
    assert [path.name for path in tmp_path.iterdir()] == ["last.pt"]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs os.fork")
def test_two_trainings_at_once(tmp_path: Path) -> None:
    """Neither writes into what the other trains: not the state, and not the best network of another folder."""
    first = Training(tmp_path).checkpoint
    first.start(Engine(lambda engine, batch: None))

    def start_another() -> None:
        TrainingCheckpoint(tmp_path / name, {"network": nn.Linear(1, 1)}).start(Engine(lambda engine, batch: None))

    for name, status in (("last.pt", 7), ("model.pt", 7), ("other.pt", 0)):
        process = os.fork()
        if process == 0:
            found = 1
            try:
                start_another()
                found = 0
            except FileExistsError as error:
                found = 7 if "Expected no other process at work on" in str(error) else 8
            finally:
                os._exit(found)
        assert os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]) == status, name
    first.finish(Engine(lambda engine, batch: None))
    Training(tmp_path).run(1)  # also removes what the process that ended left
    assert sorted(os.listdir(tmp_path)) == ["last.pt", "model.pt"]


def test_leftovers_of_a_killed_training_are_removed(tmp_path: Path) -> None:
    for name in (".monai_acdr-partial.last.pt", ".last.pt.monai_acdr-lock", ".last.pt.claim.monai_acdr-lock"):
        (tmp_path / name).write_text("half")
    Training(tmp_path).run(1)
    assert sorted(os.listdir(tmp_path)) == ["last.pt", "model.pt"]


def test_a_training_that_cannot_start_is_refused_before_it_reads_data(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(claims, "CLAIM_SECONDS", 0.0)
    check_new_training(tmp_path / "new" / "last.pt", tmp_path / "new" / "model.pt")
    assert [path.name for path in (tmp_path / "new").iterdir() if not path.name.startswith(".")] == []
    other = claims._Lock(claims._lock_of(tmp_path / "new" / "model.pt.claim"))  # as another process has it
    assert other.acquire()
    with pytest.raises(FileExistsError, match=r"no other process at work on .*model\.pt, but one is: wait"):
        check_new_training(tmp_path / "new" / "last.pt", tmp_path / "new" / "model.pt")
    other.release()
    check_new_training(tmp_path / "new" / "last.pt", tmp_path / "new" / "model.pt")
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match="file"):
        check_new_training(tmp_path / "file" / "last.pt")
    with pytest.raises(FileNotFoundError, match="Expected a training to resume"):
        check_new_training(tmp_path / "absent" / "last.pt", resume=True)
    assert not (tmp_path / "absent").exists()
