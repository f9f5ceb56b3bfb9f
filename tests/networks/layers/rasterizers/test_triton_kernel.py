# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""The GPU kernels against plain torch: on CUDA where there is one, else in triton's interpreter, on the CPU."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator
from types import ModuleType

import numpy as np
import pytest
import torch
from torch import Tensor

from monai_acdr.networks.layers import rasterize_polygons
from monai_acdr.networks.layers.rasterizers import exact

HAS_CUDA = torch.cuda.is_available()
# The interpreter of older versions does not take numpy 2.4's arrays.
MIN_VERSION = None if HAS_CUDA else "3.7"
pytest.importorskip("triton", minversion=MIN_VERSION, reason=".ci/run installs it beside a CPU build of torch")
DEVICE = torch.device("cuda" if HAS_CUDA else "cpu")
SIZE = (6, 7)


@pytest.fixture(scope="module")
def module() -> Iterator[ModuleType]:
    """The kernels' module as this machine can run it. Triton decides for good when the kernels are defined."""
    names = [f"monai_acdr.networks.layers.rasterizers.triton_{name}" for name in ("cover", "programs", "kernel")]
    modules = [importlib.import_module(name) for name in names]
    if HAS_CUDA:
        yield modules[-1]
        return
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TRITON_INTERPRET", "1")
        yield [importlib.reload(module) for module in modules][-1]
    for module in modules:
        importlib.reload(module)


@pytest.fixture
def kernel(module: ModuleType, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The module; triton's interpreter, which pays for each program, works with few large ones."""
    if not HAS_CUDA:
        monkeypatch.setattr(module, "_ROWS", 16)
        monkeypatch.setattr(module, "_VERTICES", 64)
    return module


def polygons(kind: str, dtype: torch.dtype, num_vertices: int = 6) -> Tensor:
    vertices = torch.rand(3 if kind == "not finite" else 2, num_vertices, 2, dtype=torch.float64) * 10 - 2
    if kind == "grid":
        vertices = vertices.round()
    if kind == "far":
        vertices[:, ::3] = (vertices[:, ::3] - 4) * 1e7
    if kind == "repeated":
        vertices[:, 3:5] = vertices[:, 2:3]
    if kind == "outside":
        vertices += torch.tensor([[[-8.5, 0.0]], [[7.0, 3.0]]])
    if kind == "not finite":
        vertices[0, 4, 0], vertices[2, 0, 1] = float("nan"), float("inf")
    return vertices.to(DEVICE, dtype)


def check_parity(kernel: ModuleType, vertices: Tensor, fill_rule: str, rings: int, far: bool = False) -> None:
    single = vertices.dtype == torch.float32
    expected = exact.rasterize_forward(vertices, SIZE, fill_rule, rings)
    found = kernel.rasterize_forward(vertices, SIZE, fill_rule, rings)
    tolerance = 2e-6 if single else 1e-7 if far else 1e-12  # the ulp of 1e8 is 1.5e-8
    for ours, theirs in zip(found, expected, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=0, atol=tolerance, equal_nan=True)
    grad = torch.randn_like(expected[0])
    gradient = kernel.rasterize_backward(grad, vertices, expected[1], fill_rule, rings)
    reference = exact.rasterize_backward(grad, vertices, expected[1], fill_rule, rings)
    torch.testing.assert_close(gradient, reference, rtol=1e-5, atol=1e-5 if single else 1e-10)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("kind", ["any", "grid", "far", "repeated", "outside", "not finite"])
def test_parity_with_plain_torch(kernel: ModuleType, kind: str, dtype: torch.dtype) -> None:
    check_parity(kernel, polygons(kind, dtype), "nonzero", 1, kind == "far")


@pytest.mark.parametrize(("fill_rule", "rings"), [("nonzero", 2), ("evenodd", 1), ("signed", 2)])
@pytest.mark.parametrize("kind", ["any", "grid"])
def test_parity_of_other_rules_and_of_rings(kernel: ModuleType, kind: str, fill_rule: str, rings: int) -> None:
    check_parity(kernel, polygons(kind, torch.float32), fill_rule, rings)


def test_one_ring_that_is_not_finite_spoils_its_mask(kernel: ModuleType) -> None:
    vertices = polygons("any", torch.float32)[[0, 1, 1, 0]]
    vertices[2, 1, 1] = -torch.inf
    check_parity(kernel, vertices, "nonzero", 2)
    assert kernel.rasterize_forward(vertices, SIZE, "nonzero", 2)[0].isnan().flatten(1).all(1).tolist() == [False, True]


@pytest.mark.parametrize("num_vertices", [1, 2, 3, 35])
def test_parity_of_other_numbers_of_vertices(kernel: ModuleType, num_vertices: int) -> None:
    vertices = polygons("any", torch.float64, num_vertices)
    check_parity(kernel, vertices if num_vertices < 4 else 3 + vertices[:1] / 4, "nonzero", 1)


def test_parity_on_the_border_of_the_frame(kernel: ModuleType) -> None:
    height, width = SIZE
    frame = torch.tensor([[[0.0, 0.0], [width, 0.0], [width, height], [0.0, height]]], dtype=torch.float64)
    check_parity(kernel, torch.cat([frame, frame.flip(1), frame.flip(2)]).to(DEVICE), "nonzero", 1)


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 2e-6), (torch.float64, 1e-12)])
def test_area_is_shapely_s(
    kernel: ModuleType,
    exact_coverage: Callable[[np.ndarray, tuple[int, int]], np.ndarray],
    dtype: torch.dtype,
    tolerance: float,
) -> None:
    angles = torch.arange(11, dtype=torch.float64) * (2 * torch.pi / 11)
    radii = 3 + 4 * torch.rand(11, dtype=torch.float64)
    vertices = torch.stack([radii * angles.cos() + 1005, radii * angles.sin() + 7], dim=-1).to(dtype)
    mask, _ = kernel.rasterize_forward(vertices[None].to(DEVICE), (12, 1024), "nonzero")
    expected = exact_coverage(vertices.numpy() - np.array([990, 0], dtype=np.float64), (12, 34))
    assert np.abs(mask[0, :, 990:].cpu().double().numpy() - expected).max() <= tolerance
    assert not mask[0, :, :990].any()


def test_nothing_is_left_right_of_the_polygon(kernel: ModuleType) -> None:
    vertices = torch.rand(2, 16, 2) * 6 + 1.5
    _, winding = kernel.rasterize_forward(vertices.to(DEVICE), (9, 20), "signed")
    assert winding[:, 2:7].any()
    assert not winding[..., 8:].any()


def test_blocks_change_no_bit(kernel: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    vertices = (torch.rand(1, 7, 2) * 20 - 3).to(DEVICE)
    size = (7, 17)
    grad = torch.randn(1, *size).to(DEVICE)
    mask, winding = kernel.rasterize_forward(vertices, size, "evenodd")
    gradient = kernel.rasterize_backward(grad, vertices, winding, "evenodd")
    monkeypatch.setattr(kernel, "_ROWS", 4)
    monkeypatch.setattr(kernel, "_COLUMNS", 8)
    monkeypatch.setattr(kernel, "_VERTICES", 4)
    in_blocks = kernel.rasterize_forward(vertices, size, "evenodd")
    assert torch.equal(in_blocks[0], mask)
    assert torch.equal(in_blocks[1], winding)
    assert torch.equal(kernel.rasterize_backward(grad, vertices, winding, "evenodd"), gradient)


def test_two_runs_give_the_same_bits(kernel: ModuleType) -> None:
    vertices = polygons("any", torch.float32)
    grad = torch.randn(2, *SIZE).to(DEVICE)
    first, second = (kernel.rasterize_forward(vertices, SIZE, "nonzero") for _ in range(2))
    assert torch.equal(first[0], second[0])
    assert torch.equal(first[1], second[1])
    gradients = [kernel.rasterize_backward(grad, vertices, first[1], "nonzero") for _ in range(2)]
    assert torch.equal(*gradients)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_translation_by_whole_pixels_changes_no_bit(
    kernel: ModuleType, monkeypatch: pytest.MonkeyPatch, dtype: torch.dtype
) -> None:
    vertices = torch.round((torch.rand(1, 8, 2) * 7 + 1) * 2**16) / 2**16  # so that the sum below is exact
    vertices[:, 5] = vertices[:, 5].round()
    shift, grad = torch.tensor([21.0, 5.0]), torch.randn(1, 9, 9, dtype=dtype).to(DEVICE)
    monkeypatch.setattr(kernel, "_COLUMNS", 8)
    moved = (vertices + shift).to(DEVICE, dtype)
    vertices = vertices.to(DEVICE, dtype)
    mask, winding = kernel.rasterize_forward(vertices, (9, 9), "nonzero")
    mask_moved, winding_moved = kernel.rasterize_forward(moved, (14, 30), "nonzero")
    assert torch.equal(mask_moved[:, 5:, 21:], mask)
    assert torch.equal(winding_moved[:, 5:, 21:], winding)
    grad_moved = torch.zeros_like(mask_moved)
    grad_moved[:, 5:, 21:] = grad
    gradient = kernel.rasterize_backward(grad, vertices, winding, "nonzero")
    assert torch.equal(kernel.rasterize_backward(grad_moved, moved, winding_moved, "nonzero"), gradient)


def test_gradient_on_a_grid_line_is_the_mean_of_both_sides(kernel: ModuleType) -> None:
    square = torch.tensor([[[1.0, 1.0], [3.0, 1.0], [3.0, 2.0], [1.0, 2.0]]], device=DEVICE)
    weights = torch.zeros(1, 3, 5, device=DEVICE)
    weights[0, 1, 2], weights[0, 1, 3] = 10, 2
    _, winding = kernel.rasterize_forward(square, (3, 5), "nonzero")
    gradient = kernel.rasterize_backward(weights, square, winding, "nonzero").cpu()
    # By hand, as in test_exact.py: each end of the right edge sweeps half of it, half of the mean 6.
    torch.testing.assert_close(gradient[0, 1:3, 0], torch.tensor([3.0, 3.0]))
    torch.testing.assert_close(gradient[0, :, 0].sum(), torch.tensor(6.0))
    torch.testing.assert_close(gradient[0, :, 1].sum(), torch.tensor(0.0))


def test_a_hole_is_a_ring_that_turns_the_other_way(kernel: ModuleType) -> None:
    outer = torch.tensor([[1.0, 1.0], [7.0, 1.0], [7.0, 6.0], [1.0, 6.0]])
    hole = torch.tensor([[2.5, 2.0], [2.5, 4.0], [5.0, 4.0], [5.0, 2.0]])
    mask, _ = kernel.rasterize_forward(torch.stack([outer, hole]).to(DEVICE), (7, 8), "nonzero", rings=2)
    expected = torch.zeros(7, 8)
    expected[1:6, 1:7] = 1
    expected[2:4, 2:5] -= torch.tensor([0.5, 1.0, 1.0])
    assert torch.equal(mask[0].cpu(), expected)


def test_any_stride(kernel: ModuleType) -> None:
    vertices = polygons("any", torch.float32)
    sparse = vertices.permute(2, 1, 0).contiguous().permute(2, 1, 0)
    assert not sparse.is_contiguous()
    mask, winding = kernel.rasterize_forward(vertices, SIZE, "nonzero")
    assert torch.equal(kernel.rasterize_forward(sparse, SIZE, "nonzero")[0], mask)
    grad = torch.randn(1, 1, SIZE[1], device=DEVICE).expand(mask.shape)
    assert torch.equal(
        kernel.rasterize_backward(grad, sparse, winding.mT.contiguous().mT, "nonzero"),
        kernel.rasterize_backward(grad.contiguous(), vertices, winding, "nonzero"),
    )


def test_the_signed_coverage_is_left_out_where_no_gradient_is_asked_for(kernel: ModuleType) -> None:
    vertices = polygons("any", torch.float32)
    mask, winding = kernel.rasterize_forward(vertices, SIZE, "nonzero", keep_winding=False)
    assert winding.numel() == 0
    assert torch.equal(mask, kernel.rasterize_forward(vertices, SIZE, "nonzero")[0])


@pytest.mark.parametrize(("batch", "size"), [(0, (4, 5)), (2, (0, 5)), (2, (4, 0))])
def test_nothing_to_fill(kernel: ModuleType, batch: int, size: tuple[int, int]) -> None:
    vertices = torch.rand(batch, 3, 2, device=DEVICE)
    mask, winding = kernel.rasterize_forward(vertices, size, "nonzero")
    assert mask.shape == winding.shape == (batch, *size)
    gradient = kernel.rasterize_backward(mask, vertices, winding, "nonzero")
    assert gradient.shape == vertices.shape
    assert not gradient.any()


def test_the_face_of_the_rasterizer_takes_it_by_name(kernel: ModuleType) -> None:
    vertices = polygons("any", torch.float64)[:1].requires_grad_()
    expected, found = (
        torch.autograd.grad(rasterize_polygons(vertices, SIZE, backend=backend).square().sum(), vertices)[0]
        for backend in ("torch", "triton")
    )
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-10)


def test_where_it_runs(module: ModuleType) -> None:
    assert module.is_available("cuda")
    assert module.is_available("cpu") is not HAS_CUDA
