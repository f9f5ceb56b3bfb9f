# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import pytest
from ignite.engine import Engine
from monai.engines import Evaluator

from monai_acdr.handlers import TrainingProgress, ValidationHandler


@pytest.mark.parametrize("unit", ["epoch", "iteration"])
def test_runs_and_is_silent_without_a_terminal(unit: str, capfd: pytest.CaptureFixture[str]) -> None:
    engine = Engine(lambda engine, batch: [{"loss": 0.25}])
    TrainingProgress(unit=unit).attach(engine)
    engine.run([0, 1], max_epochs=2)
    assert "Training" not in capfd.readouterr().err


def test_shows_the_loss(capfd: pytest.CaptureFixture[str]) -> None:
    engine = Engine(lambda engine, batch: {"loss": 0.25})
    progress = TrainingProgress("Heart")
    progress.bar.tqdm_kwargs["disable"] = False
    progress.attach(engine)
    engine.run([0, 1], max_epochs=2)
    assert "loss=0.25" in capfd.readouterr().err


class Validator(Evaluator):
    """Counts its runs, and has a metric."""

    def __init__(self) -> None:
        super().__init__(device="cpu", val_data_loader=[0], iteration_update=lambda engine, batch: {})
        self.epochs: list[int] = []

    def run(self, global_epoch: int = 1) -> None:
        super().run(global_epoch)
        self.epochs.append(global_epoch)
        self.state.metrics["val_mean_dice"] = 0.1 * global_epoch


@pytest.mark.parametrize(("epochs", "expected"), [(5, [2, 4, 5]), (4, [2, 4]), (1, [1])])
def test_the_last_epoch_is_always_validated(epochs: int, expected: list[int]) -> None:
    trainer, validator = Engine(lambda engine, batch: {"loss": 1.0}), Validator()
    ValidationHandler(interval=2, validator=validator).attach(trainer)
    trainer.run([0, 1], max_epochs=epochs)
    assert validator.epochs == expected


def test_a_line_per_epoch(caplog: pytest.LogCaptureFixture) -> None:
    """The mean loss of the epoch's batches, and metrics in the epochs that were validated."""
    trainer, validator = Engine(lambda engine, batch: [{"loss": float(batch)}]), Validator()
    ValidationHandler(interval=2, validator=validator).attach(trainer)
    TrainingProgress(validator=validator).attach(trainer)
    with caplog.at_level("INFO", "monai_acdr"):
        trainer.run([1, 2, 6], max_epochs=3)
    lines = [record.getMessage() for record in caplog.records if record.name.startswith("monai_acdr")]
    assert lines == [
        "Epoch 1/3: loss 3.0000",
        "Epoch 2/3: loss 3.0000, val_mean_dice 0.2000",
        "Epoch 3/3: loss 3.0000, val_mean_dice 0.3000",
    ]


def test_unknown_unit() -> None:
    with pytest.raises(ValueError, match="Expected `unit` to be 'epoch' or 'iteration', but got 'hour'"):
        TrainingProgress(unit="hour")
