# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Checkpoints of a training: its full state after each epoch, for resuming, and the network that validated best."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from monai.utils import IgniteInfo, min_version, optional_import

from monai_acdr.files import claim_file, release_file
from monai_acdr.handlers.checkpoint_files import load_checkpoint, save_checkpoint

Events, _ = optional_import("ignite.engine", IgniteInfo.OPT_IMPORT_VERSION, min_version, "Events")
idist, _ = optional_import("ignite", IgniteInfo.OPT_IMPORT_VERSION, min_version, "distributed")
if TYPE_CHECKING:
    from ignite.engine import Engine

__all__ = ["TrainingCheckpoint"]


class TrainingCheckpoint:
    """Attach to a trainer, after its validation handler.

    Together with :class:`EpochSeed` a training that was killed and resumed ends where an undisturbed one does: all
    objects of ``save_dict``, the trainer's own state and the best metric so far are saved and restored.

    Args:
        path: file of the full state, written after each epoch.
        save_dict: named objects with ``state_dict`` and ``load_state_dict``: network, optimizer, scheduler, ...
        best_path: file of the best network's weights; None keeps none. A file that lies there when a new training
            starts is kept as ``<name>.previous``.
        best_network: network whose weights are written to ``best_path``, the averaged one for example.
        evaluator: engine that validates; its ``key_metric`` after each validation decides.
        key_metric: name of the deciding metric, greater is better.
        resume: go on from ``path``; otherwise ``path`` must not exist, so that no training overwrites another.

    Raises:
        FileExistsError: at the start, when ``path`` exists and ``resume`` is False, or when another process trains into
            ``path`` or ``best_path``.
        FileNotFoundError: at the start, when ``resume`` is True and ``path`` does not exist.
        OSError: when a checkpoint cannot be written; the previous one is kept.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        save_dict: Mapping[str, Any],
        best_path: str | os.PathLike[str] | None = None,
        best_network: torch.nn.Module | None = None,
        evaluator: Engine | None = None,
        key_metric: str = "val_mean_dice",
        resume: bool = False,
    ) -> None:
        if "trainer" in save_dict or "best" in save_dict:
            raise ValueError("Expected `save_dict` without the names 'trainer' and 'best': they are used here.")
        if (best_path is None) != (best_network is None) or (best_path is not None and evaluator is None):
            raise ValueError("Expected `best_path`, `best_network` and `evaluator` together, or none of them.")
        self.path = Path(path)
        self.save_dict = dict(save_dict)
        self.best_path = None if best_path is None else Path(best_path)
        self.best_network = best_network
        self.evaluator = evaluator
        self.key_metric = key_metric
        self.resume = resume
        self._claimed: list[Path] = []
        self.best: dict[str, float] = {"metric": float("-inf"), "epoch": 0}
        self.logger = logging.getLogger(__name__)

    def attach(self, engine: Engine) -> None:
        """Attach to the trainer."""
        engine.add_event_handler(Events.STARTED, self.start)
        engine.add_event_handler(Events.EPOCH_COMPLETED, self)
        engine.add_event_handler(Events.COMPLETED, self.finish)
        engine.add_event_handler(Events.EXCEPTION_RAISED, self.give_up)

    def start(self, engine: Engine) -> None:
        """Restore the training, or make sure that a new one overwrites nothing; claim both files for this process."""
        with self._released_after_an_error():
            self._start(engine)

    def _start(self, engine: Engine) -> None:
        if idist.get_rank() == 0 and not (self.resume and not self.path.is_file()):
            for path in (self.path, self.best_path):
                if path is not None and claim_file(path):
                    self._claimed.append(path)
        if self.resume:
            self._restore(engine)
            return
        if self.path.exists():
            raise FileExistsError(
                f"Expected no training in {self.path.parent}, but {self.path.name} is there: add --resume true to go "
                "on with it, or choose another --output_dir."
            )
        if self.best_path is not None and self.best_path.is_file() and idist.get_rank() == 0:
            previous = self.best_path.with_name(self.best_path.name + ".previous")
            os.replace(self.best_path, previous)
            self.logger.info("Kept the earlier %s as %s", self.best_path.name, previous.name)

    def finish(self, engine: Engine | None = None) -> None:
        """Let another process go on with the training; a network that never validated is kept as it is at the end."""
        if engine is not None and self.best["epoch"] == 0 and engine.state.epoch > 0 and idist.get_rank() == 0:
            with self._released_after_an_error():
                self._keep_last(engine)
        while self._claimed:
            release_file(self._claimed.pop())

    def _keep_last(self, engine: Engine) -> None:
        if self.best_path is None or self.best_network is None:
            return
        save_checkpoint(self.best_network.state_dict(), self.best_path)
        self.logger.warning(
            "No validation of this training gave a number for %s: %s has the weights of the last epoch, %d. Check the "
            "references of the validation data.",
            self.key_metric,
            self.best_path,
            engine.state.epoch,
        )

    def give_up(self, _engine: Engine, error: BaseException) -> None:
        """Let another process go on with a training that ends with an error of any part, and pass that on."""
        self.finish()
        raise error

    @contextmanager
    def _released_after_an_error(self) -> Iterator[None]:
        """For errors of this handler: MONAI's StatsHandler, which comes first, raises before `give_up` is asked."""
        try:
            yield
        except BaseException:
            self.finish()
            raise

    def __call__(self, engine: Engine) -> None:
        """Save after an epoch: the best network first, so that the full state never promises a missing file."""
        with self._released_after_an_error():
            self._save(engine)

    def _save(self, engine: Engine) -> None:
        improved = self._improved(engine)
        if idist.get_rank() != 0:
            return
        if improved and self.best_path is not None and self.best_network is not None:
            save_checkpoint(self.best_network.state_dict(), self.best_path)
        state = {name: item.state_dict() for name, item in self.save_dict.items()}
        state["trainer"] = dict(engine.state_dict())
        state["best"] = dict(self.best)
        save_checkpoint(state, self.path)

    def _improved(self, engine: Engine) -> bool:
        if self.evaluator is None or self.evaluator.state.epoch != engine.state.epoch:
            return False  # no validation in this epoch
        metric = float(self.evaluator.state.metrics[self.key_metric])
        if not metric > self.best["metric"]:
            return False
        self.best = {"metric": metric, "epoch": int(engine.state.epoch)}
        return True

    def _restore(self, engine: Engine) -> None:
        if not self.path.is_file():
            raise FileNotFoundError(
                f"Expected a training to resume, but {self.path} does not exist: leave out --resume to start one, or "
                "give the --output_dir of the training."
            )
        state = load_checkpoint(self.path)
        expected = {*self.save_dict, "trainer", "best"}
        if set(state) != expected:
            raise ValueError(
                f"Expected {sorted(expected)} in {self.path}, but got {sorted(map(str, state))}: resume needs the "
                "last.pt of a training with the same configuration."
            )
        best = state["best"]
        if not isinstance(best, dict) or not all(isinstance(best.get(key), (int, float)) for key in self.best):
            raise ValueError(
                f"Expected the best metric and its epoch in {self.path}, but its 'best' has no such numbers: resume "
                "needs the last.pt of a training."
            )
        max_epochs = engine.state.max_epochs
        for name, item in self.save_dict.items():
            try:
                item.load_state_dict(state[name])
            except Exception as error:  # optimizers, schedulers and scalers raise whatever comes up
                raise _misfit(name, self.path, error) from error
        try:
            engine.load_state_dict(state["trainer"])
        except Exception as error:
            raise _misfit("trainer", self.path, error) from error
        if max_epochs is not None:
            engine.state.max_epochs = max_epochs  # a resumed training may be longer or shorter
        self.best = {key: best[key] for key in self.best}
        if self.evaluator is not None:
            setattr(self.evaluator.state, "best_metric", self.best["metric"])  # noqa: B010 - MONAI's, unknown to ignite
            setattr(self.evaluator.state, "best_metric_epoch", self.best["epoch"])  # noqa: B010
        self.logger.info("Resumed from %s after epoch %d", self.path, engine.state.epoch)


def _misfit(name: str, path: Path, error: Exception) -> ValueError:
    reason = (str(error).splitlines() or [type(error).__name__])[0][:200]
    return ValueError(
        f"Expected {name!r} in {path} to fit this configuration, but it does not ({reason}): resume with the "
        "configuration that it was trained with."
    )
