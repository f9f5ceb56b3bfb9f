# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Gradient clipping by norm."""

from __future__ import annotations

from typing import TYPE_CHECKING

from monai.engines import IterationEvents
from torch import nn

if TYPE_CHECKING:
    from ignite.engine import Engine

__all__ = ["GradientClip"]


class GradientClip:
    """Scale the gradient of all weights together down to a largest norm, after each backward pass.

    For MONAI's SupervisedTrainer without mixed precision: scaled gradients are not unscaled here.

    Args:
        network: whose gradients.
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
        """Clip what the backward pass left."""
        if self.max_norm is not None:
            nn.utils.clip_grad_norm_(self.network.parameters(), self.max_norm)
