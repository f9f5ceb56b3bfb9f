# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Contours under autocast, and a training by MONAI's trainer in half precision, on the CPU."""

from __future__ import annotations

from importlib import import_module
from types import ModuleType

import pytest
import torch
from torch import nn

from monai_acdr.geometry import ellipse
from monai_acdr.networks.blocks import CenteredCircle
from monai_acdr.networks.layers import rasterize_polygons
from monai_acdr.networks.nets import ActiveContourNet, DisplacementUNet


@pytest.fixture
def script() -> ModuleType:
    return import_module("half_precision")


@pytest.fixture
def network() -> nn.Module:
    torch.manual_seed(0)
    field = DisplacementUNet(channels=(4, 8), num_convs=1, dropout=0.2, blocks="normalized")
    return ActiveContourNet(field, CenteredCircle(16))


def test_float16_is_nearer_than_bfloat16_and_parts_in_float32_help(script: ModuleType, network: nn.Module) -> None:
    images = torch.rand(3, 1, 24, 24)
    for mode in ("evaluation", "training"):
        fine = script.distances(network, images, (), torch.float16, mode)
        rough = script.distances(network, images, (), torch.bfloat16, mode)
        everything = ("head", "decoder.0", "encoder.0", "encoder.1")
        assert 0 < fine["mean"] < rough["mean"] < 0.05
        assert script.distances(network, images, everything, torch.bfloat16, mode)["max"] == 0


def test_losses_fall_alike(script: ModuleType, network: nn.Module) -> None:
    masks = rasterize_polygons(ellipse(torch.tensor([[12.0, 11.0]]), torch.tensor([[7.0, 5.0]]), 32), (24, 24))
    images, masks = (masks + 0.1 * torch.rand(4, 1, 24, 24)), masks.expand(4, -1, -1, -1)
    options = script.read_options(["--epochs", "3", "--batch-size", "2", "--steps", "3"])
    curves = {name: script.train(network, images, masks, name, options) for name in ("float32", *script.DTYPES)}
    assert all(len(curve) == 3 and curve[-1] < curve[0] for curve in curves.values())
    assert curves["bfloat16"] == pytest.approx(curves["float32"], rel=0.2)
    assert curves["bfloat16"] != curves["float32"]


def test_a_part_in_float32_is_not_cast(script: ModuleType) -> None:
    part = script.Float32(nn.Conv2d(1, 2, 1))
    with torch.autocast("cpu", torch.bfloat16):
        assert part(torch.rand(1, 1, 4, 4, dtype=torch.bfloat16)).dtype == torch.float32
