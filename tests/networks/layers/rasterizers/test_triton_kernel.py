# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""The GPU kernels against plain torch: on CUDA where there is one, otherwise in triton's interpreter, on the CPU."""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch
from torch import Tensor

from monai_acdr.networks.layers import ExactOptions, rasterize_polygons
from monai_acdr.networks.layers.rasterizers import exact, operator

HAS_CUDA = torch.cuda.is_available()
# The interpreter of older versions does not take numpy 2.4's arrays.
MIN_VERSION = None if HAS_CUDA else "3.7"
triton = pytest.importorskip("triton", minversion=MIN_VERSION, reason=".ci/run installs it beside a CPU build of torch")
DEVICE = torch.device("cuda" if HAS_CUDA else "cpu")
SIZE = (6, 7)


@pytest.fixture(scope="module")
def module() -> Iterator[ModuleType]:
    """The kernels' module as this machine can run it. Triton decides for good when the kernels are defined."""
    module = importlib.import_module("monai_acdr.networks.layers.rasterizers.triton_kernel")
    if HAS_CUDA:
        yield module
        return
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TRITON_INTERPRET", "1")
        yield importlib.reload(module)
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
        torch.autograd.grad(rasterize_polygons(vertices, SIZE, ExactOptions(backend=backend)).square().sum(), vertices)[
            0
        ]
        for backend in ("torch", "triton")
    )
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-10)


def test_the_check_before_the_first_use_passes(kernel: ModuleType) -> None:
    differences = operator.check_parity(kernel, DEVICE, torch.float32, "nonzero")
    assert 0 < max(differences.values()) < 2e-6


def test_where_it_runs(module: ModuleType) -> None:
    assert module.is_available("cuda")
    assert module.is_available("cpu") is not HAS_CUDA


ROWS, COLUMNS, STEPS = 4, 8, 40_000


def by_steps(x0: float, y0: float, x1: float, y1: float) -> np.ndarray:
    """The same as a sum over short pieces of the edge."""
    t = (np.arange(STEPS) + 0.5) / STEPS
    x, y, dy = x0 + t * (x1 - x0), y0 + t * (y1 - y0), (y1 - y0) / STEPS
    shares = np.clip(np.arange(1, COLUMNS + 1) - x[:, None], 0, 1) * dy
    return np.stack([shares[(y >= row) & (y < row + 1)].sum(0) for row in range(ROWS)])


@pytest.mark.skipif(HAS_CUDA, reason="by the interpreter, where there is no GPU")
@pytest.mark.parametrize(
    "edge",
    [(1.3, 0.4, 6.2, 3.1), (6.2, 3.1, 1.3, 0.4), (2.5, 0.0, 2.5, 4.0), (-3.0, -2.0, 12.0, 6.0), (9.0, 1.0, 10.0, 3.0)],
    ids=["slanted", "backwards", "upright", "through", "right of the frame"],
)
def test_one_edge(module: ModuleType, monkeypatch: pytest.MonkeyPatch, edge: tuple[float, ...]) -> None:
    import triton.language as tl

    monkeypatch.setenv("TRITON_INTERPRET", "1")
    monkeypatch.setitem(globals(), "tl", tl)  # triton's functions see globals only
    monkeypatch.setitem(globals(), "closed_form", module.cover)

    def probe(result, x0, y0, x1, y1, ROWS: tl.constexpr, COLUMNS: tl.constexpr):  # type: ignore[no-untyped-def]
        rows, columns = tl.arange(0, ROWS), tl.arange(0, COLUMNS)
        ends = tl.load(x0), tl.load(y0), tl.load(x1), tl.load(y1)
        top, right = rows.to(tl.float32)[:, None], (columns + 1).to(tl.float32)[None, :]
        shares = closed_form(ends[0], ends[1], ends[2], ends[3], top, right)  # noqa: F821
        tl.store(result + rows[:, None] * COLUMNS + columns[None, :], shares)

    result = torch.zeros(ROWS, COLUMNS)
    numbers = [torch.tensor([value]) for value in edge]
    triton.jit(probe)[(1,)](result, *numbers, ROWS=ROWS, COLUMNS=COLUMNS)
    np.testing.assert_allclose(result.numpy(), by_steps(*edge), rtol=0, atol=3e-4)
    inside = [min(max(value, 0), ROWS) for value in (edge[1], edge[3])]
    if max(edge[0], edge[2]) < COLUMNS:
        assert result[:, -1].sum().item() == pytest.approx(inside[1] - inside[0], abs=1e-5)


OPTIONS = {"num_warps": 1, "enable_fp_fusion": True}


@pytest.mark.skipif(HAS_CUDA, reason="the tests above compile them for the GPU that is here")
def test_compiles_for_gpus_that_are_not_here(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from triton.backends.compiler import GPUTarget
    from triton.compiler import ASTSource

    monkeypatch.delenv("TRITON_INTERPRET", raising=False)
    monkeypatch.setenv("TRITON_CACHE_DIR", str(tmp_path))
    spec = importlib.util.find_spec("monai_acdr.networks.layers.rasterizers.triton_kernel")
    assert spec is not None
    assert spec.loader is not None
    programs = importlib.util.module_from_spec(spec)  # a second copy, which is not interpreted
    spec.loader.exec_module(programs)
    settings = {
        "forward": {"KEEP_WINDING": True, "ROWS": 2, "COLUMNS": 64, "EDGES": 32, "axis_stride": 1},
        "backward": {"VERTICES": 16, "axis_stride": 1, "column_stride": 1, "width": 1},  # as triton treats any 1
    }
    pointers = ("vertices", "mask", "winding", "grad", "result")
    for (name, constants), (rule, dtype) in zip(
        [*settings.items()] * 2, [(0, "fp32"), (1, "fp32"), (2, "fp64"), (1, "fp64")], strict=True
    ):
        function = getattr(programs, name)
        constants = {"RULE": rule, **constants}
        signature = {key: f"*{dtype}" if key in pointers else "i32" for key in function.arg_names}
        signature.update(dict.fromkeys(constants, "constexpr"))
        source = ASTSource(function, signature, constexprs=constants)
        compiled = triton.compile(source, target=GPUTarget("cuda", 80, 32), options=OPTIONS)
        assert compiled.asm["cubin"]
