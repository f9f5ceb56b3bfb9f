# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import pytest
import torch
from monai.engines import SupervisedTrainer

from monai_acdr.handlers import GradientClip


def _trained(max_norm: float | None) -> torch.Tensor:
    """Weights after one step of plain descent from zero, with a gradient of (-6, -8)."""
    network = torch.nn.Linear(2, 1, bias=False)
    torch.nn.init.zeros_(network.weight)
    batch = {"image": torch.tensor([[6.0, 8.0]]), "label": torch.zeros(1, 1)}
    trainer = SupervisedTrainer(
        device=torch.device("cpu"),
        max_epochs=1,
        train_data_loader=[batch],
        network=network,
        optimizer=torch.optim.SGD(network.parameters(), lr=1.0),
        loss_function=lambda output, label: -output.sum(),
    )
    GradientClip(network, max_norm).attach(trainer)
    trainer.run()
    return network.weight.detach()[0]


@pytest.mark.parametrize(("max_norm", "expected"), [(5.0, [3.0, 4.0]), (20.0, [6.0, 8.0]), (None, [6.0, 8.0])])
def test_a_long_gradient_is_shortened(max_norm: float | None, expected: list[float]) -> None:
    assert _trained(max_norm).tolist() == pytest.approx(expected, rel=1e-4)


def test_not_positive() -> None:
    with pytest.raises(ValueError, match="`max_norm` to be positive or None, but got 0"):
        GradientClip(torch.nn.Linear(1, 1), 0)
