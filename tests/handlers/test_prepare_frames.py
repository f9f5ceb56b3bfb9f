# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import torch
from torch import Tensor

from monai_acdr.handlers import PrepareFrames
from monai_acdr.transforms import standardize_frames


def batch() -> dict[str, object]:
    torch.manual_seed(0)
    objects = torch.tensor([[32.0, 64.0, 16.0, 1.0], [64.0, 64.0, 10.0, 0.0]])
    return {"image": torch.rand(2, 2, 128, 128), "heart": objects, "name": ["a", "b"]}


def test_without_augmentation() -> None:
    data = batch()
    views, target = PrepareFrames(size=128)(data, torch.device("cpu"))
    torch.testing.assert_close(views, standardize_frames(data["image"]))  # type: ignore[arg-type]
    assert target.tolist() == [[0.25, 0.5, 0.125, 1.0], [0.5, 0.5, 0.078125, 0.0]]
    assert PrepareFrames(size=64)(data)[0].shape == (2, 2, 64, 64)


def test_with_augmentation() -> None:
    data = {"frames": batch()["image"], "objects": batch()["heart"]}
    seen: list[Tensor] = []

    def augment(frames: Tensor, objects: Tensor) -> tuple[Tensor, Tensor]:
        seen.extend([frames, objects])
        return frames[:, :, :64, :64], objects / 2

    views, target = PrepareFrames(augment, image_key="frames", object_key="objects")(data)
    assert views.shape == (2, 2, 64, 64)
    torch.testing.assert_close(target, seen[1] / 2)
