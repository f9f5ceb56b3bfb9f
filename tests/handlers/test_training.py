# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Seeds by epoch, gradient clipping, a time limit, progress and validation."""

from __future__ import annotations

import gc
import math
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from ignite.engine import Engine, Events
from monai.data import Dataset
from monai.engines import Evaluator, SupervisedTrainer
from monai.handlers import TensorBoardStatsHandler
from monai.optimizers import WarmupCosineSchedule
from monai.transforms import RandShiftIntensity
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from monai_acdr.handlers import (
    CloseTensorBoard,
    EpochSeed,
    GradientClip,
    TimeLimit,
    TrainingProgress,
    ValidationHandler,
)


def _drawn(seed: int, epochs: int) -> list[tuple[float, ...]]:
    dataset = Dataset([torch.zeros(1, 1)], RandShiftIntensity(offsets=1.0, prob=1.0))
    drawn: list[tuple[float, ...]] = []

    def step(engine: Engine, batch: object) -> None:
        numpy_number = float(np.random.rand())  # noqa: NPY002 - the global generator is what is seeded
        drawn.append((random.random(), numpy_number, float(torch.rand(1)), float(dataset[0])))

    engine = Engine(step)
    EpochSeed(seed, dataset).attach(engine)
    engine.run([0, 1], max_epochs=epochs)
    return drawn


def test_an_epoch_depends_on_seed_and_epoch_alone() -> None:
    torch.manual_seed(11)
    first = _drawn(5, 3)
    torch.manual_seed(12)
    assert _drawn(5, 3) == first
    assert len(set(first)) == 6
    assert not set(_drawn(6, 3)) & set(first)


def test_an_epoch_does_not_depend_on_those_before() -> None:
    engine = Engine(lambda engine, batch: None)
    handler = EpochSeed(5)
    engine.state.epoch = 2
    torch.rand(7)
    handler(engine)
    after = torch.rand(3)
    handler(engine)
    assert torch.equal(torch.rand(3), after)


def _trained(max_norm: float | None, batches: int = 1, **options: Any) -> torch.Tensor:
    """Weights after steps of plain descent from zero, with gradients of (-6, -8)."""
    network = torch.nn.Linear(2, 1, bias=False)
    torch.nn.init.zeros_(network.weight)
    batch = {"image": torch.tensor([[6.0, 8.0]]), "label": torch.zeros(1, 1)}
    trainer = SupervisedTrainer(
        device=torch.device("cpu"),
        max_epochs=1,
        train_data_loader=[batch] * batches,
        network=network,
        optimizer=torch.optim.SGD(network.parameters(), lr=1.0),
        loss_function=lambda output, label: -output.sum(),
        **options,
    )
    GradientClip(network, max_norm).attach(trainer)
    trainer.run()
    return network.weight.detach()[0]


@pytest.mark.parametrize(("max_norm", "expected"), [(5.0, [3.0, 4.0]), (20.0, [6.0, 8.0]), (None, [6.0, 8.0])])
def test_a_long_gradient_is_shortened(max_norm: float | None, expected: list[float]) -> None:
    assert _trained(max_norm).tolist() == pytest.approx(expected, rel=1e-4)


@pytest.fixture
def cpu_amp(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Let MONAI's trainer, which names CUDA, use autocast and a GradScaler of a given scale on the CPU."""
    autocast = torch.autocast

    def start(scale: float) -> None:
        monkeypatch.setattr(torch, "autocast", lambda device, **options: autocast("cpu", **options))
        monkeypatch.setattr(torch.cuda.amp, "GradScaler", lambda: torch.amp.GradScaler("cpu", init_scale=scale))

    return start


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize(("max_norm", "expected"), [(5.0, [3.0, 4.0]), (20.0, [6.0, 8.0]), (None, [6.0, 8.0])])
def test_scaled_gradients_are_unscaled_before(
    cpu_amp: Callable[[float], None], dtype: torch.dtype, max_norm: float | None, expected: list[float]
) -> None:
    cpu_amp(512.0)
    assert _trained(max_norm, amp=True, amp_kwargs={"dtype": dtype}).tolist() == pytest.approx(expected, rel=1e-4)


def test_a_step_that_overflows_is_left_out(cpu_amp: Callable[[float], None]) -> None:
    """The scaler halves its scale, 8 * 2 ** 13 being the first above float16's range, and the second step counts."""
    cpu_amp(2.0**13)
    weights = _trained(5.0, batches=2, amp=True, amp_kwargs={"dtype": torch.float16})
    assert weights.tolist() == pytest.approx([3.0, 4.0], rel=1e-4)


@pytest.mark.parametrize("amp", [False, True])
def test_accumulated_gradients_are_clipped_once_a_step(cpu_amp: Callable[[float], None], amp: bool) -> None:
    """Five batches in steps of two: (6, 8) twice is the mean of two, and the last step has half of one."""
    cpu_amp(512.0)
    options: dict[str, Any] = {"amp": amp, "amp_kwargs": {"dtype": torch.float16}, "accumulation_steps": 2}
    assert _trained(100.0, batches=5, **options).tolist() == pytest.approx([15.0, 20.0], rel=1e-4)
    assert _trained(7.5, batches=5, **options).tolist() == pytest.approx([2 * 4.5 + 3, 2 * 6 + 4.0], rel=1e-4)


def test_not_positive() -> None:
    with pytest.raises(ValueError, match="`max_norm` to be positive or None, but got 0"):
        GradientClip(torch.nn.Linear(1, 1), 0)


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


@pytest.mark.parametrize("fails", [False, True])
def test_tensorboard_files_are_closed_when_a_training_ends(tmp_path: Path, fails: bool) -> None:
    """Validations in between leave theirs open; after an error the end of the trainer closes them."""

    def step(engine: Engine, batch: float) -> float:
        if fails and engine.state.epoch == 2:
            raise RuntimeError("stop")
        return batch

    trainer, validator = Engine(step), Engine(lambda engine, batch: engine.state.metrics.update(dice=batch))
    handlers = [
        TensorBoardStatsHandler(
            log_dir=str(tmp_path / name), iteration_log=name == "train", output_transform=lambda loss: loss
        )
        for name in ("train", "validate")
    ]
    for engine, handler in zip((trainer, validator), handlers, strict=True):
        handler.attach(engine)
    trainer.add_event_handler(Events.EPOCH_COMPLETED, lambda: validator.run([0.5]))
    CloseTensorBoard([None, *handlers, EpochSeed(0)]).attach(trainer)
    if fails:
        with pytest.raises(RuntimeError, match="stop"):
            trainer.run([1.0, 2.0], max_epochs=2)
        assert all(handler._writer.file_writer is not None for handler in handlers)
        del trainer, engine
        gc.collect()
    else:
        trainer.run([1.0, 2.0], max_epochs=2)
    for name, steps, handler in zip(("train", "validate"), (2, 1) if fails else (4, 2), handlers, strict=True):
        assert handler._writer.file_writer is None
        (path,) = (tmp_path / name).iterdir()
        events = EventAccumulator(str(path)).Reload()
        (tag,) = events.Tags()["scalars"]
        assert len(events.Scalars(tag)) == steps


def limited(
    seconds: Callable[[int], float], deadline: float, resumed: int = 0
) -> tuple[Engine, list[float], list[int], float]:
    """Forty epochs of two steps by their own clock: the trainer, learning rates, validated epochs, time at the end.

    ``seconds`` is the duration of a step in an epoch. A validation takes 2 s, which the limit leaves for the last one.
    """
    now = [100.0]
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
    schedule = WarmupCosineSchedule(optimizer, warmup_steps=8, t_total=81)
    rates: list[float] = []

    def step(engine: Engine, batch: object) -> None:
        now[0] += seconds(engine.state.epoch)
        optimizer.step()
        schedule.step()
        rates.append(schedule.get_last_lr()[0])

    def validated(_engine: Engine) -> None:
        now[0] += 2

    trainer, validator = Engine(step), Validator()
    validator.add_event_handler(Events.COMPLETED, validated)
    ValidationHandler(interval=10, validator=validator).attach(trainer)
    trainer.state.ema_momentum = 0.02
    if resumed:
        cut = {**schedule.state_dict(), "last_epoch": 2 * resumed, "t_total": 21, "warmup_steps": 2}
        trainer.add_event_handler(Events.STARTED, lambda: schedule.load_state_dict(cut))
        trainer.add_event_handler(Events.STARTED, lambda: setattr(trainer.state, "max_epochs", 40))
        trainer.load_state_dict({"epoch": resumed, "max_epochs": 10, "epoch_length": 2})
    TimeLimit(lambda: 98 + deadline, schedule, lambda: now[0]).attach(trainer)
    trainer.run([0, 1], max_epochs=40)
    return trainer, rates, validator.epochs, now[0] - 100


@pytest.mark.parametrize(
    ("seconds", "deadline", "epochs", "end"),
    [
        (lambda epoch: 1, math.inf, 40, 88),
        (lambda epoch: 1, 1000, 40, 88),  # never more than the trainer's
        (lambda epoch: 1, 50, 21, 48),  # 2 s an epoch, and validations after 10, 20 and the last one
        (lambda epoch: 1 if epoch <= 10 else 3, 50, 14, 48),  # the machine gets busy
        (lambda epoch: 3 if epoch <= 5 else 1, 50, 12, 48),  # and idle again
        (lambda epoch: 20, 50, 1, 42),  # a second epoch would not fit
        (lambda epoch: 100, 50, 1, 202),  # one epoch is the least
    ],
)
def test_a_training_ends_by_its_deadline(
    seconds: Callable[[int], float], deadline: float, epochs: int, end: float
) -> None:
    trainer, rates, validated, spent = limited(seconds, deadline)
    assert (trainer.state.epoch, spent) == (epochs, end)
    assert validated == sorted({*range(10, epochs + 1, 10), epochs})
    assert len(rates) == 2 * epochs
    # as in a training that was planned to be so short: decayed, and averaged over the last twentieth
    assert rates[-1] < 0.02 or epochs == 1
    assert trainer.state.ema_momentum == pytest.approx(min(0.2, 0.02 * 40 / epochs))


def test_a_shortened_training_that_is_resumed_may_become_longer() -> None:
    """Its schedule, which had decayed for ten epochs, has not for forty."""
    trainer, rates, _, _ = limited(lambda epoch: 1, 1000, resumed=9)
    assert (trainer.state.epoch, len(rates)) == (40, 2 * 31)
    assert rates[0] == pytest.approx(0.5 * (1 + math.cos(math.pi * (19 - 8) / (81 - 8))))
    _, short, _, _ = limited(lambda epoch: 1, 7, resumed=9)
    assert len(short) == 4  # two more epochs, and their validations
