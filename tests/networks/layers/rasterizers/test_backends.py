# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Which backend runs: choice, messages, and what happens when a kernel fails."""

from __future__ import annotations

import logging
import os
import sys
import warnings
from collections.abc import Iterator
from importlib.metadata import version
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from packaging.version import Version
from torch import Tensor

from monai_acdr.networks.layers import ExactOptions, available_backends, rasterize_polygons, rasterizer_backend
from monai_acdr.networks.layers.rasterizers import exact, operator

CPU = torch.device("cpu")
TRIANGLE = torch.tensor([[[1.0, 1.0], [5.5, 1.5], [2.5, 6.0]]])


@pytest.fixture(autouse=True)
def fresh(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(operator, "_failed", {})
    operator._fastest.cache_clear()
    yield
    operator._fastest.cache_clear()


def pretend_installed(monkeypatch: pytest.MonkeyPatch, *names: str) -> None:
    monkeypatch.setattr(operator, "_is_installed", lambda package: package in names)
    operator._fastest.cache_clear()


def does_not_compile(*arguments: Any) -> Any:
    """A compiled kernel that fails when it is tried."""
    raise RuntimeError("LLVM says no\nand a long trace")


@pytest.mark.skipif(os.environ.get("CI") != "true" or sys.platform != "linux", reason="for CI on Linux")
def test_the_gpu_kernels_are_tested_in_ci() -> None:
    """Their tests are skipped without triton, which a CPU build of torch does not bring."""
    assert Version(version("triton")) >= Version("3.7")


def test_auto_takes_the_fastest_that_is_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    pretend_installed(monkeypatch, "numba", "triton")
    assert available_backends("cpu") == ("numba", "torch", "dense")
    assert available_backends("cuda:1") == ("triton", "torch", "dense")
    assert available_backends("mps") == ("torch", "dense")
    assert operator.resolve_backend("auto", CPU) == "numba"
    pretend_installed(monkeypatch)
    assert available_backends("cpu") == ("torch", "dense")
    assert operator.resolve_backend("auto", CPU) == "torch"


def test_auto_says_once_what_it_took(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    pretend_installed(monkeypatch)
    with caplog.at_level(logging.INFO, logger=operator.__name__):
        for _ in range(3):
            rasterize_polygons(TRIANGLE, (8, 8))
    assert [record.message for record in caplog.records] == ["Exact rasterizer on cpu: backend 'torch'."]


@pytest.mark.parametrize(
    ("name", "device", "command"),
    [("numba", "cpu", r"pip install 'monai_acdr\[fast\]'"), ("triton", "cuda", "install torch for CUDA on Linux")],
)
def test_a_missing_backend_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, name: str, device: str, command: str
) -> None:
    pretend_installed(monkeypatch)
    with pytest.raises(ImportError, match=command):
        operator.resolve_backend(name, torch.device(device))


def test_a_backend_for_another_device() -> None:
    with pytest.raises(ValueError, match="Expected vertices on cpu for backend 'numba', but got cuda"):
        operator.resolve_backend("numba", torch.device("cuda"))


def test_a_backend_for_a_block(monkeypatch: pytest.MonkeyPatch) -> None:
    pretend_installed(monkeypatch, "numba")
    with rasterizer_backend("torch"):
        assert operator.resolve_backend("auto", CPU) == "torch"
        assert operator.resolve_backend("numba", CPU) == "numba"  # a name given in the call goes first
        with pytest.raises(KeyError, match="anything"), rasterizer_backend("dense"):
            assert operator.is_dense("auto")
            raise KeyError("anything")
        assert operator.resolve_backend("auto", CPU) == "torch"
    assert operator.resolve_backend("auto", CPU) == "numba"
    with pytest.raises(ValueError, match="Expected `backend` to be one of"), rasterizer_backend("fast"):
        pass


def test_a_kernel_that_fails_gives_way_with_one_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    pretend_installed(monkeypatch, "numba")
    monkeypatch.setattr(operator, "load_kernel", does_not_compile)
    vertices = TRIANGLE.clone().requires_grad_()
    expected = rasterize_polygons(TRIANGLE, (8, 8), ExactOptions(backend="torch"))
    with pytest.warns(RuntimeWarning, match=r"numba rasterizer does not work here \(RuntimeError: LLVM says no\)"):
        masks = rasterize_polygons(vertices, (8, 8))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        masks.sum().backward()
        again = rasterize_polygons(vertices, (8, 8))
    assert torch.equal(masks, expected)
    assert torch.equal(again, expected)
    assert vertices.grad is not None
    assert vertices.grad.any()
    assert available_backends("cpu") == ("torch", "dense")


@pytest.mark.parametrize("by_name", [True, False])
def test_a_kernel_that_was_asked_for_fails_aloud(monkeypatch: pytest.MonkeyPatch, by_name: bool) -> None:
    pretend_installed(monkeypatch, "numba")
    monkeypatch.setattr(operator, "load_kernel", does_not_compile)
    with pytest.raises(RuntimeError, match="LLVM says no"):
        if by_name:
            rasterize_polygons(TRIANGLE, (8, 8), ExactOptions(backend="numba"))
        else:
            with rasterizer_backend("numba"):
                rasterize_polygons(TRIANGLE, (8, 8))


def test_memory_is_not_a_reason_to_change_the_backend(monkeypatch: pytest.MonkeyPatch) -> None:
    def out_of_memory(*arguments: Any) -> Any:
        raise torch.OutOfMemoryError("CUDA out of memory")

    pretend_installed(monkeypatch, "numba")
    monkeypatch.setattr(operator, "load_kernel", out_of_memory)
    with pytest.raises(torch.OutOfMemoryError, match="out of memory"):
        rasterize_polygons(TRIANGLE, (8, 8))
    assert available_backends("cpu")[0] == "numba"


LIES: dict[str, Any] = {
    "mask": lambda mask, winding: (mask * 1.001, winding),
    "winding": lambda mask, winding: (mask, -winding),
    "nan": lambda mask, winding: (mask / mask, winding),
}


def kernel_of_torch(lie: str = "") -> SimpleNamespace:
    """A kernel like the compiled ones, computed by plain torch, of which one result may be wrong."""

    def forward(vertices: Tensor, size: tuple[int, int], rule: str, rings: int, keep: bool) -> tuple[Tensor, Tensor]:
        mask, winding = exact.rasterize_forward(vertices, size, rule, rings)
        mask, winding = LIES.get(lie, lambda *both: both)(mask, winding)
        return mask, winding if keep else winding.new_empty(0, 0, 0)

    def backward(grad: Tensor, vertices: Tensor, winding: Tensor, rule: str, rings: int) -> Tensor:
        gradient = exact.rasterize_backward(grad, vertices, winding, rule, rings)
        return gradient.roll(1, 1) if lie == "gradient" else gradient

    return SimpleNamespace(rasterize_forward=forward, rasterize_backward=backward)


@pytest.fixture
def kernels(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Any]]:
    """Make `triton` the compiled kernel of the CPU; its module is the last item of the list."""
    stack: list[Any] = []
    pretend_installed(monkeypatch, "triton")
    monkeypatch.setattr(operator, "_COMPILED", {"cpu": "triton"})
    monkeypatch.setattr(operator, "import_module", lambda name: stack[-1])
    operator.load_kernel.cache_clear()
    yield stack
    operator.load_kernel.cache_clear()


@pytest.mark.parametrize("fill_rule", exact.FILL_RULES)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_kernel_that_agrees_is_used_after_one_check(
    kernels: list[Any], monkeypatch: pytest.MonkeyPatch, fill_rule: str, dtype: torch.dtype
) -> None:
    kernels.append(kernel_of_torch())
    checks: list[Any] = []
    check = operator.check_parity
    monkeypatch.setattr(operator, "check_parity", lambda *arguments: checks.append(check(*arguments)))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for _ in range(3):
            vertices = TRIANGLE.to(dtype, copy=True).requires_grad_()
            rasterize_polygons(vertices, (8, 8), ExactOptions(fill_rule)).sum().backward()
    assert len(checks) == 1
    assert max(checks[0].values()) < (1e-6 if dtype == torch.float32 else 1e-14)
    assert available_backends("cpu")[0] == "triton"


@pytest.mark.parametrize("lie", [*LIES, "gradient"])
def test_a_kernel_that_lies_gives_way_with_one_warning(kernels: list[Any], lie: str) -> None:
    kernels.append(kernel_of_torch(lie))
    vertices = TRIANGLE.clone().requires_grad_()
    what = "mask" if lie == "nan" else lie
    with pytest.warns(RuntimeWarning, match=rf"triton .* does not work here \(ArithmeticError: .* torch: {what} by"):
        masks = rasterize_polygons(vertices, (8, 8))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        masks.sum().backward()
    expected = TRIANGLE.clone().requires_grad_()
    reference = rasterize_polygons(expected, (8, 8), ExactOptions(backend="torch"))
    reference.sum().backward()
    assert torch.equal(masks, reference)
    assert vertices.grad is not None
    assert expected.grad is not None
    assert torch.equal(vertices.grad, expected.grad)
    assert available_backends("cpu") == ("torch", "dense")


def test_a_kernel_that_lies_is_not_used_by_name(kernels: list[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRITON_INTERPRET", "1")
    kernels.append(kernel_of_torch("mask"))
    with pytest.raises(ArithmeticError, match=r"torch\.float32 polygons by rule 'nonzero' differ from plain torch"):
        rasterize_polygons(TRIANGLE, (8, 8), ExactOptions(backend="triton"))


def test_a_kernel_is_not_tried_while_a_graph_is_captured(kernels: list[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """And not given up for that: after one call outside of the capture it is in use."""
    kernels.append(kernel_of_torch())
    monkeypatch.setattr(torch.cuda, "is_current_stream_capturing", lambda: True)
    with pytest.raises(RuntimeError, match="make one call before the capture"):
        operator.load_kernel("triton", torch.device("cuda", 0), torch.float32, "nonzero")
    assert not operator._failed
