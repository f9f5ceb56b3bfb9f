# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Masks in ONNX: the same in onnxruntime as in torch, for any batch, number of vertices and size."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from monai_acdr.networks.layers.rasterizers import exact
from monai_acdr.networks.layers.rasterizers.dense import rasterize_dense
from monai_acdr.networks.nets import ActiveContourNet, DisplacementUNet

onnxruntime = pytest.importorskip("onnxruntime", reason="pip install onnxruntime")
pytest.importorskip("onnxscript", reason="pip install onnx onnxscript")

ANY = torch.export.Dim.DYNAMIC


class LikeImage(nn.Module):
    """Masks of the size of an image."""

    def __init__(self, fill_rule: str, rings: int) -> None:
        super().__init__()
        self.fill_rule = fill_rule
        self.rings = rings

    def forward(self, vertices: Tensor, image: Tensor) -> Tensor:
        return rasterize_dense(vertices, image.shape[-2:], self.fill_rule, self.rings)


class Segmentation(nn.Module):
    """An image to its contours and the mask of the last one."""

    def __init__(self) -> None:
        super().__init__()
        self.net = ActiveContourNet(DisplacementUNet(channels=(4, 8)))

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        contours = self.net(image)
        return contours, rasterize_dense(contours[:, -1], image.shape[-2:])


def to_session(module: nn.Module, example: tuple[Tensor, ...], shapes: Any, names: list[str]) -> Any:
    program = torch.onnx.export(
        module.eval(), example, dynamo=True, dynamic_shapes=shapes, input_names=names, verbose=False
    )
    assert program is not None
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(program.model_proto.SerializeToString(), options)


def check_masks(fill_rule: str, rings: int) -> None:
    example = (torch.rand(3 * rings, 5, 2) * 9, torch.zeros(3, 1, 9, 8))
    shapes = ({0: ANY, 1: ANY}, {0: ANY, 2: ANY, 3: ANY})
    session = to_session(LikeImage(fill_rule, rings), example, shapes, ["vertices", "image"])
    for batch, num_vertices, size in ((3, 5, (9, 8)), (1, 3, (1, 1)), (4, 33, (40, 23)), (2, 7, (5, 70))):
        vertices = (torch.rand(batch * rings, num_vertices, 2) * 1.2 - 0.1) * max(size)
        if batch == 4:
            vertices = vertices.round()
            vertices[0, 1, 0], vertices[-1, 0, 1] = float("nan"), float("inf")
        image = np.zeros((batch, 1, *size), dtype=np.float32)
        (mask,) = session.run(None, {"vertices": vertices.numpy(), "image": image})
        expected, _ = exact.rasterize_forward(vertices, size, fill_rule, rings)
        np.testing.assert_allclose(mask, expected.numpy(), rtol=0, atol=1e-6)


def test_masks_for_any_batch_number_of_vertices_and_size() -> None:
    check_masks("nonzero", 1)


@pytest.mark.slow
@pytest.mark.parametrize(("fill_rule", "rings"), [("nonzero", 2), ("evenodd", 2), ("signed", 2)])
def test_masks_by_other_fill_rules_and_of_rings(fill_rule: str, rings: int) -> None:
    check_masks(fill_rule, rings)


@pytest.mark.slow
def test_the_whole_network_with_its_mask() -> None:
    module = Segmentation()
    with torch.no_grad():
        module.net.displacement_net.head[-1].weight.mul_(8)  # type: ignore[index,union-attr]
    session = to_session(module, (torch.rand(2, 1, 32, 24),), ({0: ANY, 2: ANY, 3: ANY},), ["image"])
    for shape in ((3, 1, 32, 24), (1, 1, 64, 48), (2, 1, 37, 41)):
        image = torch.rand(shape)
        contours, mask = session.run(None, {"image": image.numpy()})
        with torch.no_grad():
            expected, expected_mask = module(image)
        np.testing.assert_allclose(contours, expected.numpy(), rtol=0, atol=1e-4)
        np.testing.assert_allclose(mask, expected_mask.numpy(), rtol=0, atol=1e-4)
        exact_mask, _ = exact.rasterize_forward(torch.from_numpy(contours[:, -1].copy()), shape[-2:], "nonzero")
        np.testing.assert_allclose(mask, exact_mask.numpy(), rtol=0, atol=1e-6)
