# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Other random transforms for the last epochs of a training."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from monai.data import Dataset
from monai.utils import IgniteInfo, min_version, optional_import

Events, _ = optional_import("ignite.engine", IgniteInfo.OPT_IMPORT_VERSION, min_version, "Events")
if TYPE_CHECKING:
    from ignite.engine import Engine

__all__ = ["LastEpochsTransform"]

logger = logging.getLogger(__name__)


class LastEpochsTransform:
    """Train the last epochs on images as they will come: upright, for example, where they were turned before.

    Strong augmentation keeps a small data set from being learned by heart, but hides what is always the same in it.
    Contours of one reader, say, that all lie half a pixel too far to the right are a systematic error that no network
    can learn from images turned by any angle.

    Which transform an epoch has depends on its number alone, so a resumed training has the right one.

    Args:
        dataset: of the trainer. A CacheDataset's cached items must fit both transforms: the same deterministic
            transforms first, then random ones.
        transform: for the last epochs.
        num_epochs: how many; 0 for none.
    """

    def __init__(self, dataset: Dataset, transform: Callable[[Any], Any], num_epochs: int) -> None:
        if num_epochs < 0:
            raise ValueError(f"Expected `num_epochs` to be at least 0, but got {num_epochs}.")
        self.dataset = dataset
        self.transform = transform
        self.num_epochs = num_epochs
        self.usual: Callable[[Any], Any] = dataset.transform

    def attach(self, engine: Engine) -> None:
        """Attach to the trainer, before EpochSeed: it seeds the transform that the epoch has."""
        engine.add_event_handler(Events.EPOCH_STARTED, self)

    def __call__(self, engine: Engine) -> None:
        """Give the epoch that starts its transform."""
        last = engine.state.epoch > (engine.state.max_epochs or 0) - self.num_epochs
        if last and self.dataset.transform is not self.transform:
            logger.info("Transforms of the last %d epochs from epoch %d", self.num_epochs, engine.state.epoch)
        self.dataset.transform = self.transform if last else self.usual  # type: ignore[assignment]
