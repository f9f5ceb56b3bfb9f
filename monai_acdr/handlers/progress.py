# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""One progress bar for a whole run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from monai.utils import IgniteInfo, min_version, optional_import

Events, _ = optional_import("ignite.engine", IgniteInfo.OPT_IMPORT_VERSION, min_version, "Events")
ProgressBar, _found = optional_import(
    "ignite.handlers.tqdm_logger", IgniteInfo.OPT_IMPORT_VERSION, min_version, "ProgressBar"
)
if not _found:  # its place before ignite 0.5
    ProgressBar, _ = optional_import(
        "ignite.contrib.handlers.tqdm_logger", IgniteInfo.OPT_IMPORT_VERSION, min_version, "ProgressBar"
    )
if TYPE_CHECKING:
    from ignite.engine import Engine

__all__ = ["TrainingProgress"]


class TrainingProgress:
    """Show what is done, the time left and the last loss; nothing where the output is no terminal.

    Args:
        desc: label in front of the bar.
        unit: ``epoch`` for a training, ``iteration`` for an evaluation or inference.

    Raises:
        ModuleNotFoundError: when tqdm is missing (``pip install "monai_acdr[bundle]"``).
    """

    def __init__(self, desc: str = "Training", unit: str = "epoch") -> None:
        if unit not in ("epoch", "iteration"):
            raise ValueError(f"Expected `unit` to be 'epoch' or 'iteration', but got {unit!r}.")
        self.unit = unit
        self.bar = ProgressBar(desc=desc, persist=True, disable=None)

    def attach(self, engine: Engine) -> None:
        """Attach to a trainer or an evaluator."""
        epochs = self.unit == "epoch"
        self.bar.attach(
            engine,
            event_name=Events.EPOCH_COMPLETED if epochs else Events.ITERATION_COMPLETED,
            closing_event_name=Events.COMPLETED if epochs else Events.EPOCH_COMPLETED,
            output_transform=_last_loss,
        )


def _last_loss(output: object) -> dict[str, float]:
    """The loss of the last batch in MONAI's trainer output, a list of dictionaries or one of them."""
    first = output[0] if isinstance(output, list) and output else output
    return {"loss": float(first["loss"])} if isinstance(first, dict) and "loss" in first else {}
