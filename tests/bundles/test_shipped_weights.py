# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Weights that come along: what the model cards say of them, and that they can be used."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
import torch
from monai.data.meta_tensor import MetaTensor

from monai_acdr.apps.model import load_model
from monai_acdr.transforms import CheckImage, roi_from_box

BUNDLES = Path(__file__).resolve().parents[2] / "bundles"
WEIGHTS = sorted(BUNDLES.glob("*/models/*.pt"))
MIB = 2**20


def test_every_bundle_has_some() -> None:
    assert {path.parts[-3] for path in WEIGHTS} == {path.name for path in BUNDLES.iterdir() if path.is_dir()}


@pytest.mark.parametrize("path", WEIGHTS, ids=lambda path: f"{path.parts[-3]}-{path.name}")
def test_the_card_names_them(path: Path) -> None:
    card = (path.parents[1] / "docs" / "README.md").read_text(encoding="utf-8")
    assert f"models/{path.name}" in card
    assert hashlib.sha256(path.read_bytes()).hexdigest() in card
    assert path.stat().st_size < 20 * MIB


@pytest.mark.parametrize("path", WEIGHTS, ids=lambda path: f"{path.parts[-3]}-{path.name}")
def test_they_outline_something(path: Path) -> None:
    """A bright disk: the contour is nearer to it than the start is, and the networks say how far they agree."""
    model = load_model(path.parents[1], path, "cpu")
    y, x = torch.meshgrid(torch.arange(128.0), torch.arange(128.0), indexing="ij")
    disk = ((x - 63.5) ** 2 + (y - 63.5) ** 2).sqrt() < 20
    torch.manual_seed(0)
    image = CheckImage()(MetaTensor(100 + 100 * disk[None].float() + 5 * torch.randn(1, 128, 128)))
    (contours,), (spread,) = model.infer.with_spread([image], [roi_from_box((14, 14, 114, 114))])
    radii = (contours - torch.tensor([64.0, 64.0])).norm(dim=-1)
    assert float((radii[-1] - 20).abs().mean()) < float((radii[0] - 20).abs().mean())
    assert spread.shape == (contours.shape[1],) and bool((spread >= 0).all())
