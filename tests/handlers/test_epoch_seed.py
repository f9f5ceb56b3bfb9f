# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import random

import numpy as np
import torch
from ignite.engine import Engine
from monai.data import Dataset
from monai.transforms import RandShiftIntensity

from monai_acdr.handlers import EpochSeed


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
