# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Objects are where their targets say, whatever the view."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from monai_acdr.transforms.batch import RandFrame

SIDE = 96


def discs(number: int) -> tuple[Tensor, Tensor]:
    """A bright disc on black, with motion all over it; the last quarter of the frames is empty, with noise."""
    generator = torch.Generator().manual_seed(1)
    y, x = torch.meshgrid(torch.arange(SIDE) + 0.5, torch.arange(SIDE) + 0.5, indexing="ij")
    frames, objects = torch.zeros(number, 2, SIDE, SIDE), torch.zeros(number, 4)
    for index in range(number):
        center = torch.rand(2, generator=generator) * 32 + 32
        radius = torch.rand(1, generator=generator) * 6 + 8
        objects[index] = torch.cat([center, radius, torch.ones(1)])
        frames[index] = 100 * torch.sigmoid(3 * (radius - ((x - center[0]) ** 2 + (y - center[1]) ** 2).sqrt()))
    empty = number - number // 4
    frames[empty:, 0] = torch.rand(number - empty, SIDE, SIDE, generator=generator)
    frames[empty:, 1], objects[empty:, 3] = 0, 0
    return frames, objects


def plain(**changes: float) -> RandFrame:
    """Views without noise or bias, in which the brightest thing is the disc."""
    settings = {"gamma": 0, "bias": 0, "noise": 0, "still_prob": 0, "border_prob": 0, "lost_prob": 0, "stretch": 0}
    return RandFrame(64, **{**settings, **changes})  # type: ignore[arg-type]


def test_the_disc_is_at_its_target() -> None:
    torch.manual_seed(0)
    frames, objects = discs(40)
    frames, objects = frames[:30], objects[:30]
    views, target = plain(reach=0.25)(frames, objects)
    assert views.shape == (30, 2, 64, 64) and target.shape == (30, 4)
    line = (torch.arange(64) + 0.5) / 64
    y, x = torch.meshgrid(line, line, indexing="ij")
    for view, (at_x, at_y, radius, present) in zip(views, target.tolist(), strict=True):
        assert present == 1
        bright = view[0] > (view[0].min() + view[0].max()) / 2
        inside = (at_x - radius > 0) and (at_x + radius < 1) and (at_y - radius > 0) and (at_y + radius < 1)
        if inside:
            assert [float(x[bright].mean()), float(y[bright].mean())] == pytest.approx([at_x, at_y], abs=1 / 64)
            assert float(bright.float().mean()) == pytest.approx(3.1416 * radius**2, rel=0.15)


def test_lost_objects_are_absent() -> None:
    torch.manual_seed(0)
    frames, objects = discs(40)
    frames[:, 0] += 100 * torch.rand(40, SIDE, SIDE)
    views, target = plain(lost_prob=1.0)(frames, objects)
    assert float(target[:, 3].max()) == 0
    assert float(views[:30, 1].abs().max()) < 0.1  # neither the disc nor its motion is seen
    assert bool((target[:30, :2] < 0).any(1).logical_or((target[:30, :2] > 1).any(1)).all())


def test_borders_do_not_cover_the_center() -> None:
    torch.manual_seed(0)
    frames, objects = discs(40)
    frames = frames + 50
    views, target = plain(border_prob=1.0)(frames, objects)
    for view, (x, y, _, present) in zip(views, target.tolist(), strict=True):
        if present:
            assert float(view[0, min(int(y * 64), 63), min(int(x * 64), 63)]) > float(view[0].min()) + 0.1
    narrowed = (views[:, 0].amax(1) == views[:, 0].amin(1)).any(1) | (views[:, 0].amax(2) == views[:, 0].amin(2)).any(1)
    assert float(narrowed.float().mean()) > 0.3


def test_motion_is_left_out_at_times_and_never_invented() -> None:
    torch.manual_seed(0)
    frames, objects = discs(80)
    views, _ = RandFrame(64, still_prob=0.5)(frames, objects)
    still = views[:, 1].abs().amax((1, 2)) == 0
    assert bool(still[60:].all())
    assert 0.3 < float(still[:60].float().mean()) < 0.7


def test_the_seed_decides() -> None:
    frames, objects = discs(8)
    results = []
    for seed in (0, 0, 1):
        torch.manual_seed(seed)
        results.append(RandFrame(64)(frames, objects)[0])
    torch.testing.assert_close(results[0], results[1])
    assert not torch.equal(results[0], results[2])
    assert bool(torch.isfinite(torch.stack(results)).all())


def test_refused() -> None:
    frames, objects = discs(4)
    with pytest.raises(ValueError, match="`scale` to be 0 < smallest <= largest"):
        RandFrame(scale=(0, 1))
    with pytest.raises(ValueError, match="`size` of at least 2"):
        RandFrame(1)
    with pytest.raises(ValueError, match=r"`frames` \(B, 2, side, side\)"):
        RandFrame()(frames[:, :, :-1], objects)
    with pytest.raises(ValueError, match=r"`objects` \(4, 4\)"):
        RandFrame()(frames, objects[:3])
