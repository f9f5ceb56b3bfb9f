# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch
from ignite.engine import Engine, Events
from torch import nn

from monai_acdr.handlers import EpochSeed, TrainingCheckpoint, load_checkpoint


class Training:
    """A tiny training with dropout and momentum: each weight depends on every random number before it."""

    def __init__(
        self, folder: Path, figures: list[float] | None = None, resume: bool = False, best: bool = True
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
            evaluator=self.evaluator if best else None,
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


def test_the_best_network_is_kept(tmp_path: Path) -> None:
    training = Training(tmp_path).run(2)
    best = {name: value.clone() for name, value in training.network.state_dict().items()}
    resumed = Training(tmp_path, resume=True).run(4)
    torch.testing.assert_close(load_checkpoint(tmp_path / "model.pt"), best)
    assert not torch.equal(resumed.network.state_dict()["0.weight"], best["0.weight"])


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    (tmp_path / "model.pt").write_bytes(b"weights of another training")
    Training(tmp_path).run(1)
    assert (tmp_path / "model.pt.previous").read_bytes() == b"weights of another training"
    with pytest.raises(FileExistsError, match=r"last\.pt is there: add --resume true .* another --output_dir"):
        Training(tmp_path).run(1)


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
    with pytest.raises(ValueError, match="without the names 'trainer' and 'best'"):
        TrainingCheckpoint(tmp_path / "last.pt", {"trainer": nn.Linear(1, 1)})
    with pytest.raises(ValueError, match="together, or none of them"):
        TrainingCheckpoint(tmp_path / "last.pt", {}, best_path=tmp_path / "model.pt")


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
