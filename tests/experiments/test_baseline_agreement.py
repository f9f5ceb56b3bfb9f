# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

from importlib import import_module
from pathlib import Path

import pytest
import torch
from monai.data import MetaTensor
from torch import Tensor, nn

from monai_acdr.apps.model import ContourModel, load_model
from monai_acdr.bundle import bundle_root
from monai_acdr.geometry import centroid, circle, signed_area
from monai_acdr.inferers import ContourInferer
from monai_acdr.networks.layers import rasterize_polygons
from monai_acdr.transforms import CheckImage, RoiCropd, roi_about_center


class _Disk(nn.Module):
    """Logits of a disk of 20 pixels in the first channel, of nothing in the others."""

    def forward(self, image: Tensor) -> Tensor:
        disk = rasterize_polygons(circle(torch.tensor([48.0, 40.0]), 20.0, 64)[None], (96, 96))
        return torch.cat([20 * disk - 10, torch.full_like(disk, -10).expand(-1, 2, -1, -1)], 1).expand(
            len(image), -1, -1, -1
        )


def test_traced_outlines_come_back_in_pixels_of_the_file() -> None:
    like = ContourInferer(nn.Identity(), [RoiCropd("image", "roi", (96, 96))])
    infer = import_module("baseline_agreement").MaskInferer(_Disk(), like, 2)
    image = CheckImage()(MetaTensor(torch.rand(1, 60, 80)))
    (contours,) = infer([image], [roi_about_center((60, 80), 48)])
    assert contours.shape == (2, 2, 256, 2)
    outline = contours[1, 0]  # a pixel of the crop is half a pixel of the file, and (48, 48) is its middle, (40, 30)
    torch.testing.assert_close(centroid(outline), torch.tensor([40.0, 26.0], dtype=torch.float64), atol=0.02, rtol=0)
    assert abs(float(signed_area(outline)) / (torch.pi * 10**2) - 1) < 0.01
    assert float(signed_area(contours[1, 1])) == 0


def test_other_contours_are_moved_like_those_of_the_bundle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Weights of a user's own have no borders, so one network alone would be measured by another rule."""
    script, seen = import_module("baseline_agreement"), {}

    def agreement(studies: str, output: str, model: ContourModel, roi: str, **options: bool) -> dict[str, object]:
        seen["model"] = model
        return dict.fromkeys(("lost_slices", "added_slices", "mean_dice", "measures"))

    monkeypatch.setattr(script, "agreement", agreement)
    own = load_model(script.BUNDLE)
    members = torch.load(bundle_root(script.BUNDLE) / "models" / "model.pt", weights_only=True)
    part = "displacement_net.members.0."
    weights = {"displacement_net." + key[len(part) :]: value for key, value in members.items() if key.startswith(part)}
    torch.save(weights, tmp_path / "member.pt")
    assert script.main(["A", "--overlays", "--weights", str(tmp_path / "member.pt"), "--output", "B"]) == 0
    assert seen["model"].border_mm == own.border_mm is not None
    assert seen["model"].checkpoint_sha256 != own.checkpoint_sha256


def test_logits_of_several_networks_are_averaged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script, seen, paths = import_module("baseline_agreement"), {}, []

    def agreement(studies: str, output: str, model: ContourModel, roi: str, **options: bool) -> dict[str, object]:
        seen["network"] = model.infer.network
        return dict.fromkeys(("lost_slices", "added_slices", "mean_dice", "measures"))

    monkeypatch.setattr(script, "agreement", agreement)
    configs = bundle_root(script.BUNDLE) / "configs"
    networks = []
    for seed in range(2):
        torch.manual_seed(seed)
        networks.append(script.overlay_configs(configs, ["pixel_wise"]).get_parsed_content("mask_network").cpu().eval())
        paths.append(str(tmp_path / f"{seed}.pt"))
        torch.save(networks[-1].state_dict(), paths[-1])
    assert script.main(["A", "--weights", *paths, "--output", "B"]) == 0
    image = torch.rand(2, 1, 96, 96)
    with torch.no_grad():
        first, second = (network(image) for network in networks)
        torch.testing.assert_close(seen["network"](image), (first + second) / 2)
    assert not torch.allclose(first, second)
