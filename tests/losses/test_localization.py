# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from monai_acdr.losses import LocalizationLoss

SIGMA = 1.5


def by_hand(maps: np.ndarray, target: np.ndarray) -> tuple[float, float, float]:
    """The three terms of one frame in plain loops."""
    rows, columns = maps.shape[1:]
    total = np.log(np.exp(maps[0] - maps[0].max()).sum()) + maps[0].max()
    heat = np.exp(maps[0] - total)
    truth = np.zeros((rows, columns))
    for row in range(rows):
        for column in range(columns):
            distance = (column + 0.5 - target[0] * columns) ** 2 + (row + 0.5 - target[1] * rows) ** 2
            truth[row, column] = math.exp(-distance / (2 * SIGMA**2))
    truth /= truth.sum()
    if target[3] < 0.5:
        logit = float((heat * maps[2]).sum())
        return 0.0, 0.0, math.log1p(math.exp(logit))
    logit = float(((truth + heat) / 2 * maps[2]).sum())
    size = abs(float((truth * maps[1]).sum()) - math.log(2 * target[2]))
    return -float((truth * (maps[0] - total)).sum()), size, math.log1p(math.exp(-logit))


def examples() -> tuple[torch.Tensor, torch.Tensor]:
    maps = torch.randn(4, 3, 10, 12, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    target = torch.tensor(
        [[0.3, 0.6, 0.2, 1], [0.5, 0.5, 0.1, 0], [0.02, 0.97, 0.3, 1], [9.0, 9.0, 0.0, 0]], dtype=torch.float64
    )
    return maps, target


def test_against_loops() -> None:
    maps, target = examples()
    terms = np.array([by_hand(m.numpy(), t.numpy()) for m, t in zip(maps, target, strict=True)])
    weights = np.array([1, 0.5, 2.0])
    for reduction, expected in (
        ("none", terms @ weights),
        ("sum", (terms @ weights).sum()),
        ("mean", (terms[:, :2] @ weights[:2]).sum() / 2 + (weights[2] * terms[:, 2]).mean()),
    ):
        loss = LocalizationLoss(SIGMA, 0.5, 2.0, reduction=reduction)(maps, target)
        np.testing.assert_allclose(loss.numpy(), expected, rtol=1e-10)


def test_gradients() -> None:
    """Those of the heat are of the center alone: as a weight of the presence it is a constant."""
    maps, target = examples()
    maps.requires_grad_()
    LocalizationLoss(presence_weight=0)(maps, target).backward()
    alone = maps.grad.clone()
    maps.grad = None
    LocalizationLoss()(maps, target).backward()
    torch.testing.assert_close(maps.grad[:, :2], alone[:, :2])
    assert bool((maps.grad[:, 2] != 0).any(-1).any(-1).all())
    without_presence = LocalizationLoss(presence_weight=0)
    assert torch.autograd.gradcheck(lambda x: without_presence(x, target), (maps[:, :, :4, :5],))


def test_without_objects_there_is_a_graph() -> None:
    maps, target = examples()
    target[:, 3] = 0
    loss = LocalizationLoss()(maps.requires_grad_(), target)
    loss.backward()
    assert bool(torch.isfinite(maps.grad).all())


def test_a_perfect_answer_is_the_minimum_of_the_center() -> None:
    """Cross entropy with itself is the Gaussian's entropy, 1 + log(2 pi sigma^2)."""
    y, x = torch.meshgrid(torch.arange(64) + 0.5, torch.arange(64) + 0.5, indexing="ij")
    heat = -((x - 32) ** 2 + (y - 20) ** 2) / (2 * SIGMA**2)
    maps = torch.stack([heat, torch.full_like(heat, math.log(0.4)), torch.full_like(heat, 20.0)])[None]
    loss = LocalizationLoss()(maps, torch.tensor([[0.5, 20 / 64, 0.2, 1.0]]))
    assert float(loss) == pytest.approx(1 + math.log(2 * math.pi * SIGMA**2), abs=1e-3)


def test_refused() -> None:
    maps, target = examples()
    with pytest.raises(ValueError, match="Expected `sigma` > 0 and weights >= 0"):
        LocalizationLoss(sigma=0)
    with pytest.raises(ValueError, match=r"`target` \(B, 4\), but got"):
        LocalizationLoss()(maps, target[:2])
    target[0, 2] = 0
    with pytest.raises(ValueError, match="positive radii of the objects that are present"):
        LocalizationLoss()(maps, target)
