# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Random seeds that depend only on the run's seed and the epoch."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import numpy as np
import torch
from monai.data import set_rnd
from monai.utils import IgniteInfo, min_version, optional_import
from torch.utils.data import Dataset

Events, _ = optional_import("ignite.engine", IgniteInfo.OPT_IMPORT_VERSION, min_version, "Events")
if TYPE_CHECKING:
    from ignite.engine import Engine

__all__ = ["EpochSeed"]

_MAX_SEED = 2**32


class EpochSeed:
    """Seed torch, numpy, ``random`` and the data set's random transforms at the start of each epoch.

    Shuffling, augmentation and dropout of an epoch are then the same whether the training ran through or was resumed.
    Attach it before other handlers that draw random numbers.

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
        seed = int(np.random.SeedSequence([self.seed, engine.state.epoch]).generate_state(1)[0]) % _MAX_SEED
        random.seed(seed)
        np.random.seed(seed)  # noqa: NPY002 - MONAI's and the user's code may use the global generator
        torch.manual_seed(seed)
        if self.dataset is not None:
            set_rnd(self.dataset, seed=seed)
