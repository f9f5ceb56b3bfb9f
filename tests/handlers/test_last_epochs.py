# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import pytest
import torch
from ignite.engine import Engine, Events
from monai.data import CacheDataset, Dataset
from monai.transforms import Compose, Lambda, RandLambda

from monai_acdr.handlers import EpochSeed, LastEpochsTransform


def _seen(dataset: Dataset, handler: LastEpochsTransform, start: int = 0) -> list[float]:
    """What each epoch reads."""
    seen: list[float] = []
    engine = Engine(lambda engine, batch: seen.append(float(dataset[0])))
    handler.attach(engine)
    if start:
        engine.load_state_dict({"epoch": start, "max_epochs": 5, "epoch_length": 1})
        engine.run([0])
    else:
        engine.run([0], max_epochs=5)
    return seen


def _dataset() -> CacheDataset:
    return CacheDataset(
        [torch.ones(1)], Compose([Lambda(lambda x: x + 1), RandLambda(lambda x: 10 * x)]), progress=False
    )


def _other() -> Compose:
    return Compose([Lambda(lambda x: x + 1), RandLambda(lambda x: 100 * x)])


def test_the_last_epochs_have_their_own() -> None:
    dataset = _dataset()
    assert _seen(dataset, LastEpochsTransform(dataset, _other(), 2)) == [20.0, 20.0, 20.0, 200.0, 200.0]


def test_none() -> None:
    dataset = _dataset()
    assert _seen(dataset, LastEpochsTransform(dataset, _other(), 0)) == [20.0] * 5


def test_a_resumed_training_has_the_right_one() -> None:
    dataset = _dataset()
    assert _seen(dataset, LastEpochsTransform(dataset, _other(), 2), start=3) == [200.0, 200.0]


def test_the_seed_reaches_it() -> None:
    def drawn() -> float:
        dataset = Dataset([torch.zeros(1)], Compose([RandLambda(lambda x: x, prob=0.5)]))
        late = RandLambda(lambda x: x, prob=0.5)
        engine = Engine(lambda engine, batch: None)
        LastEpochsTransform(dataset, Compose([late]), 1).attach(engine)
        EpochSeed(3, dataset).attach(engine)
        numbers: list[float] = []
        engine.add_event_handler(Events.EPOCH_STARTED, lambda: numbers.append(float(late.R.rand())))
        engine.run([0], max_epochs=1)
        return numbers[0]

    assert drawn() == drawn()


def test_negative() -> None:
    with pytest.raises(ValueError, match="`num_epochs` to be at least 0, but got -1"):
        LastEpochsTransform(_dataset(), _other(), -1)
