# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Handlers of a training: random seeds by epoch, gradient clipping, time, progress, validation, end of its records."""

from __future__ import annotations

import logging
import math
import random
import time
import weakref
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

import monai.handlers
import numpy as np
import torch
from monai.data import set_rnd
from monai.engines import IterationEvents
from monai.utils import IgniteInfo, min_version, optional_import
from torch import nn
from torch.utils.data import Dataset

if TYPE_CHECKING:
    from ignite.engine import Engine

__all__ = [
    "CloseTensorBoard",
    "EpochSeed",
    "GradientClip",
    "TimeLimit",
    "TrainingProgress",
    "ValidationHandler",
]

Events, _ = optional_import("ignite.engine", IgniteInfo.OPT_IMPORT_VERSION, min_version, "Events")
idist, _ = optional_import("ignite", IgniteInfo.OPT_IMPORT_VERSION, min_version, "distributed")


_MAX_SEED = 2**32


class EpochSeed:
    """Seed torch, numpy, ``random`` and the data set's random transforms at the start of each epoch.

    Shuffling, augmentation and dropout of an epoch are then the same whether the training ran through or was resumed.
    Attach it before other handlers that draw random numbers. Each of several processes draws different numbers; a
    ``DistributedSampler``, which has to shuffle alike in all of them, is seeded separately.

    Args:
        seed: of the training.
        dataset: MONAI data set whose transforms are seeded; with worker processes MONAI's worker_init_fn takes their
            seeds from torch instead.
    """

    def __init__(self, seed: int, dataset: Dataset | None = None) -> None:
        self.seed = int(seed)
        self.dataset = dataset

    def attach(self, engine: Engine) -> None:
        """Attach to the trainer."""
        engine.add_event_handler(Events.EPOCH_STARTED, self)

    def __call__(self, engine: Engine) -> None:
        """Seed the epoch that starts."""
        rank = idist.get_rank()
        entropy = [self.seed, engine.state.epoch, *([rank] if rank > 0 else [])]
        seed = int(np.random.SeedSequence(entropy).generate_state(1)[0]) % _MAX_SEED
        random.seed(seed)
        np.random.seed(seed)  # noqa: NPY002 - MONAI's and the user's code may use the global generator
        torch.manual_seed(seed)
        if self.dataset is not None:
            set_rnd(self.dataset, seed=seed)


class CloseTensorBoard:
    """Close the TensorBoard files of handlers when a training ends, which MONAI's handlers leave to the end of Python.

    Handlers of the validation are closed with those of the training: their own engine completes after each validation.
    A training that stops with an error is closed when its trainer is collected, at the latest when Python ends.

    Args:
        handlers: those with a TensorBoard writer are closed (:class:`monai.handlers.TensorBoardHandler`), others and
            None are ignored.
    """

    def __init__(self, handlers: Iterable[Any]) -> None:
        self.handlers = [handler for handler in handlers if isinstance(handler, monai.handlers.TensorBoardHandler)]

    def attach(self, engine: Engine) -> None:
        """Attach to the trainer, whose handlers write nothing more once it has completed."""
        engine.add_event_handler(Events.COMPLETED, self)
        weakref.finalize(engine, _close, self.handlers)

    def __call__(self, _engine: Engine) -> None:
        """Close the files; a trainer that runs again writes new ones."""
        _close(self.handlers)


def _close(handlers: Iterable[Any]) -> None:
    for handler in handlers:
        handler.close()


class GradientClip:
    """Scale the gradient of all weights together down to a largest norm, after the backward pass of each step.

    For MONAI's SupervisedTrainer, with and without mixed precision: gradients that the trainer's GradScaler has scaled
    are unscaled before. With ``accumulation_steps`` the gradient of the whole step is clipped, once.

    Args:
        network: network whose gradients are clipped.
        max_norm: largest L2 norm; None leaves gradients as they are.
    """

    def __init__(self, network: nn.Module, max_norm: float | None) -> None:
        if max_norm is not None and not max_norm > 0:
            raise ValueError(f"Expected `max_norm` to be positive or None, but got {max_norm}.")
        self.network = network
        self.max_norm = max_norm

    def attach(self, engine: Engine) -> None:
        """Attach to the trainer."""
        engine.add_event_handler(IterationEvents.BACKWARD_COMPLETED, self)

    def __call__(self, engine: Engine) -> None:
        """Clip the gradients of the backward pass."""
        if self.max_norm is None or not _completes_a_step(engine):
            return
        scaler = getattr(engine, "scaler", None)
        if scaler is not None:
            scaler.unscale_(engine.optimizer)  # type: ignore[attr-defined]  # of MONAI's trainers
        nn.utils.clip_grad_norm_(self.network.parameters(), self.max_norm)


def _completes_a_step(engine: Engine) -> bool:
    """Whether MONAI's trainer calls the optimizer after this backward pass."""
    steps = getattr(engine, "accumulation_steps", 1)
    if steps == 1:
        return True
    length = engine.state.epoch_length
    iteration = engine.state.iteration if length is None else (engine.state.iteration - 1) % length + 1
    return iteration % steps == 0 or iteration == length


class TimeLimit:
    """Shorten a training to the epochs that fit into a time, in steps of whole epochs.

    After each epoch, the mean duration of the complete ones, with their validations, or of the last three where that is
    longer, tells how many more fit, up to the number of the trainer; the first epoch is always completed. What depends
    on the length of the training follows: the learning rate has decayed when the last epoch ends, and the averaged
    network does not remember its random weights. Attach it after the handlers that restore a training.

    Args:
        deadline: gives the time at which the training should end, in seconds of ``clock``; asked after each epoch,
            since what has to follow the training may take longer than was known. ``math.inf`` for no limit.
        lr_scheduler: MONAI's WarmupCosineSchedule; None, or a schedule without ``t_total``, is not changed.
        clock: present time in seconds.
    """

    def __init__(
        self,
        deadline: Callable[[], float],
        lr_scheduler: Any = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.deadline = deadline
        self.lr_scheduler = lr_scheduler if hasattr(lr_scheduler, "t_total") else None
        self.clock = clock
        self._times: list[float] = []
        self._most = 1
        self._warmup = getattr(lr_scheduler, "warmup_steps", 0)
        self._momentum: float | None = None

    def attach(self, engine: Engine) -> None:
        """Attach to the trainer."""
        engine.add_event_handler(Events.STARTED, self.start)
        engine.add_event_handler(Events.ITERATION_COMPLETED, self)

    def start(self, engine: Engine) -> None:
        """Start the clock; a training that was shortened before may become as long as the trainer's again."""
        self._times, self._most = [self.clock()], int(engine.state.max_epochs or 1)
        self._momentum = getattr(engine.state, EMA_MOMENTUM, None)
        self._set_epochs(engine, self._most)

    def __call__(self, engine: Engine) -> None:
        """Set the number of epochs after the last step of each, before the handlers that validate the last one."""
        if engine.state.iteration % (engine.state.epoch_length or 1) != 0:
            return
        self._times.append(self.clock())
        left = self.deadline() - self._times[-1]
        if not math.isfinite(left):
            return
        recent = self._times[-1 - RECENT_EPOCHS :]
        duration = max((times[-1] - times[0]) / (len(times) - 1) for times in (self._times, recent))
        fit = int(left / max(1e-9, duration))
        self._set_epochs(engine, min(self._most, engine.state.epoch + max(0, fit)))

    def _set_epochs(self, engine: Engine, number: int) -> None:
        engine.state.max_epochs = number
        if self._momentum is not None:  # it was chosen for the planned number of steps
            longest = max(self._momentum, LARGEST_MOMENTUM)
            setattr(engine.state, EMA_MOMENTUM, min(longest, self._momentum * self._most / number))
        if self.lr_scheduler is not None and engine.state.epoch_length is not None:
            self.lr_scheduler.t_total = number * engine.state.epoch_length + 1
            self.lr_scheduler.warmup_steps = round(self._warmup * number / self._most)


EMA_MOMENTUM = "ema_momentum"
"""Name of the momentum of ignite's EMAHandler in the state of a trainer."""

RECENT_EPOCHS = 3
"""Epochs by which :class:`TimeLimit` notices that the machine has become slower."""

LARGEST_MOMENTUM = 0.2
"""Share of the new weights in the averaged network, each step, that :class:`TimeLimit` does not exceed."""


ProgressBar, _found = optional_import(
    "ignite.handlers.tqdm_logger", IgniteInfo.OPT_IMPORT_VERSION, min_version, "ProgressBar"
)
if not _found:  # its place before ignite 0.5
    ProgressBar, _ = optional_import(
        "ignite.contrib.handlers.tqdm_logger", IgniteInfo.OPT_IMPORT_VERSION, min_version, "ProgressBar"
    )


logger = logging.getLogger(__name__)


class TrainingProgress:
    """Show a progress bar with the remaining time, and log a line after each epoch of a training.

    Bar and line have the mean loss of the epoch and the metrics of the last validation. The bar is shown in terminals
    only.

    Args:
        desc: label in front of the bar.
        unit: ``epoch`` for a training, ``iteration`` for an evaluation or inference.
        validator: engine that validates; attach after the handler that runs it. None for a training without validation.

    Raises:
        ModuleNotFoundError: when tqdm is missing (``pip install "monai_acdr[bundle]"``).
    """

    def __init__(self, desc: str = "Training", unit: str = "epoch", validator: Engine | None = None) -> None:
        if unit not in ("epoch", "iteration"):
            raise ValueError(f"Expected `unit` to be 'epoch' or 'iteration', but got {unit!r}.")
        self.unit = unit
        self.validator = validator
        self.bar = ProgressBar(desc=desc, persist=True, disable=None)
        self._loss_sum, self._batches = 0.0, 0

    def attach(self, engine: Engine) -> None:
        """Attach to a trainer or an evaluator."""
        epochs = self.unit == "epoch"
        if epochs:
            engine.add_event_handler(Events.EPOCH_STARTED, self._start_epoch)
            engine.add_event_handler(Events.ITERATION_COMPLETED, self._add_loss)
            engine.add_event_handler(Events.EPOCH_COMPLETED, self._log_epoch)
        self.bar.attach(
            engine,
            event_name=Events.EPOCH_COMPLETED if epochs else Events.ITERATION_COMPLETED,
            closing_event_name=Events.COMPLETED if epochs else Events.EPOCH_COMPLETED,
            output_transform=lambda _output: self._numbers(),
        )

    def _start_epoch(self, _engine: Engine) -> None:
        self._loss_sum, self._batches = 0.0, 0

    def _add_loss(self, engine: Engine) -> None:
        output = engine.state.output
        first = output[0] if isinstance(output, list) and output else output
        if isinstance(first, dict) and "loss" in first:
            self._loss_sum, self._batches = self._loss_sum + float(first["loss"]), self._batches + 1

    def _log_epoch(self, engine: Engine) -> None:
        validated = self.validator is not None and self.validator.state.epoch == engine.state.epoch
        numbers = self._numbers() if validated else {k: v for k, v in self._numbers().items() if k == "loss"}
        text = ", ".join(f"{name} {value:.4f}" for name, value in numbers.items()) or "done"
        if validated and getattr(self.validator.state, "best_metric_epoch", None) == engine.state.epoch:  # type: ignore[union-attr]
            text += " (best so far)"
        logger.info("Epoch %d/%s: %s", engine.state.epoch, engine.state.max_epochs, text)

    def _numbers(self) -> dict[str, float]:
        """Mean loss of the epoch, and the metrics of the last validation that are single numbers."""
        numbers = {"loss": self._loss_sum / self._batches} if self._batches else {}
        metrics = {} if self.validator is None else self.validator.state.metrics
        return numbers | {name: float(value) for name, value in metrics.items() if isinstance(value, (int, float))}


class ValidationHandler(monai.handlers.ValidationHandler):
    """MONAI's handler, which also validates after the last epoch if the interval does not divide its number.

    Arguments are those of :class:`monai.handlers.ValidationHandler`.
    """

    def attach(self, engine: Engine) -> None:
        """Attach to a trainer."""
        super().attach(engine)
        engine.add_event_handler(Events.EPOCH_COMPLETED, self._validate_the_last)

    def _validate_the_last(self, engine: Engine) -> None:
        if engine.state.epoch == engine.state.max_epochs and self.validator.state.epoch != engine.state.epoch:  # type: ignore[union-attr]
            self(engine)
