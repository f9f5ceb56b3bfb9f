# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import pytest
from ignite.engine import Engine

from monai_acdr.handlers import TrainingProgress


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


def test_unknown_unit() -> None:
    with pytest.raises(ValueError, match="Expected `unit` to be 'epoch' or 'iteration', but got 'hour'"):
        TrainingProgress(unit="hour")
