# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""The compiled CPU kernel against plain torch; the contract's own tests run on both of them (conftest.py)."""

from __future__ import annotations

import multiprocessing
import threading
import time

import numpy as np
import pytest
import torch

from monai_acdr.networks.layers import ExactOptions, rasterize_polygons
from monai_acdr.networks.layers.rasterizers import exact, numba_kernel
from monai_acdr.networks.layers.rasterizers.exact import cut_edges
from tests.networks.layers.conftest import polygons

pytest.importorskip("numba", reason="pip install 'monai_acdr[fast]'")


@pytest.mark.parametrize("rings", [1, 3])
@pytest.mark.parametrize("fill_rule", exact.FILL_RULES)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("kind", ["any", "grid", "far", "repeated", "not finite"])
def test_parity_with_plain_torch(kind: str, dtype: torch.dtype, fill_rule: str, rings: int) -> None:
    vertices, size = polygons(kind, dtype), (14, 17)
    tolerance = 1e-12 if dtype == torch.float64 else 3e-6
    expected = exact.rasterize_forward(vertices, size, fill_rule, rings)
    found = numba_kernel.rasterize_forward(vertices, size, fill_rule, rings)
    for ours, theirs in zip(found, expected, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=0, atol=tolerance, equal_nan=True)
    grad = torch.randn_like(expected[0])
    gradient = numba_kernel.rasterize_backward(grad, vertices, expected[1], fill_rule, rings)
    reference = exact.rasterize_backward(grad, vertices, expected[1], fill_rule, rings)
    torch.testing.assert_close(gradient, reference, rtol=1e-5, atol=1e-5 if dtype == torch.float32 else 1e-10)


def test_the_signed_coverage_is_left_out_where_no_gradient_is_asked_for() -> None:
    vertices = polygons("any", torch.float32)
    mask, winding = numba_kernel.rasterize_forward(vertices, (14, 17), "nonzero", keep_winding=False)
    assert winding.numel() == 0
    assert torch.equal(mask, numba_kernel.rasterize_forward(vertices, (14, 17), "nonzero")[0])


def test_any_stride() -> None:
    vertices = polygons("any", torch.float32)
    sparse = vertices.transpose(0, 1).contiguous().transpose(0, 1)
    assert not sparse.is_contiguous()
    mask, winding = numba_kernel.rasterize_forward(vertices, (8, 8), "nonzero")
    assert torch.equal(numba_kernel.rasterize_forward(sparse, (8, 8), "nonzero")[0], mask)
    ones = torch.ones(()).expand(mask.shape)
    torch.testing.assert_close(
        numba_kernel.rasterize_backward(ones, sparse, winding, "nonzero"),
        numba_kernel.rasterize_backward(ones.contiguous(), vertices, winding, "nonzero"),
    )


def test_threads_change_no_bit(monkeypatch: pytest.MonkeyPatch) -> None:
    vertices = torch.rand(5, 40, 2) * 40
    grad = torch.randn(5, 40, 40)
    alone = numba_kernel.rasterize_forward(vertices, (40, 40), "nonzero")
    gradient = numba_kernel.rasterize_backward(grad, vertices, alone[1], "nonzero")
    used = set()
    compiled = numba_kernel.forward_pass

    def spy(*arguments: object) -> None:
        used.add(threading.get_ident())
        time.sleep(0.02)  # so that one thread does not take all the work
        compiled(*arguments)

    monkeypatch.setattr(numba_kernel, "_SERIAL_PIXELS", 1600)
    monkeypatch.setattr(numba_kernel, "forward_pass", spy)
    monkeypatch.setattr(torch, "get_num_threads", lambda: 3)
    together = numba_kernel.rasterize_forward(vertices, (40, 40), "nonzero")
    assert len(used) == 3
    assert torch.equal(together[0], alone[0])
    assert torch.equal(together[1], alone[1])
    assert torch.equal(numba_kernel.rasterize_backward(grad, vertices, alone[1], "nonzero"), gradient)


def test_the_gil_is_released() -> None:
    vertices = torch.rand(1, 2000, 2) * 4000
    ticks = []
    running = threading.Event()

    def watch() -> None:
        while not running.is_set():
            ticks.append(time.perf_counter())
            time.sleep(0.001)

    numba_kernel.rasterize_forward(vertices[:, :3], (4, 4), "nonzero")  # compiled before it is watched
    watcher = threading.Thread(target=watch)
    watcher.start()
    start = time.perf_counter()
    numba_kernel.rasterize_forward(vertices, (4000, 4000), "nonzero")
    end = time.perf_counter()
    running.set()
    watcher.join()
    during = [tick for tick in ticks if start < tick < end]
    assert len(during) > 3, f"the watching thread ran {len(during)} times in {end - start:.3f} s"


def _in_a_child(queue: multiprocessing.Queue) -> None:  # type: ignore[type-arg]
    torch.set_num_threads(2)
    masks = rasterize_polygons(torch.rand(32, 5, 2) * 80, (80, 80), ExactOptions(backend="numba"))
    queue.put(float(masks.numpy().sum()))  # not by torch, whose own threads do not survive a fork


@pytest.mark.skipif("fork" not in multiprocessing.get_all_start_methods(), reason="this system has no fork")
def test_threads_of_a_parent_do_not_stop_a_forked_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(torch, "get_num_threads", lambda: 2)
        rasterize_polygons(torch.rand(32, 5, 2) * 80, (80, 80), ExactOptions(backend="numba"))
    assert any(key[1] == 2 for key in numba_kernel._pools)
    threads = torch.get_num_threads()
    torch.set_num_threads(2)
    torch.ones(1_000_000).sum()  # torch's own threads have run, too: in a fork, what needs them waits forever
    torch.set_num_threads(threads)
    context = multiprocessing.get_context("fork")
    queue = context.Queue()
    child = context.Process(target=_in_a_child, args=(queue,))
    child.start()
    assert queue.get(timeout=60) > 0
    child.join(timeout=60)
    assert child.exitcode == 0


@pytest.mark.parametrize("shape", ["any", "grid", "far"])
def test_the_pieces_are_those_of_plain_torch(shape: str) -> None:
    size = (9, 12)
    vertices = torch.rand(40, 2, dtype=torch.float64) * 18 - 3
    vertices = {"any": vertices, "grid": vertices.round(), "far": vertices * 1e6}[shape]
    expected = cut_edges(vertices[None], size)
    where, what = np.empty((200, 3), np.int64), np.empty((200, 4))
    count = 0
    for start in range(len(vertices)):
        found = numba_kernel._cut_edge(vertices.numpy(), start, *size, where, what)
        own = expected.edge == start
        assert found == int(own.sum())
        count += found
        flags = expected.on_column_line[own].long() + 2 * expected.on_row_line[own].long()
        assert np.array_equal(where[:found], torch.stack([expected.row[own], expected.column[own], flags], 1).numpy())
        columns = [expected.t_start, expected.t_end, expected.dy, expected.x_mean]
        np.testing.assert_allclose(what[:found], torch.stack([c[own] for c in columns], 1).numpy(), rtol=0, atol=1e-9)
    assert count == len(expected.edge)


def test_compiles_without_a_folder_for_its_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def njit(**settings: object) -> object:
        asked.append(settings)
        if settings.get("cache"):
            raise RuntimeError("cannot cache function: no locator available")
        return lambda function: function

    monkeypatch.setattr(numba_kernel.numba, "njit", njit)
    assert numba_kernel._compile(len) is len
    assert [settings.get("cache", False) for settings in asked] == [True, False]
    assert all(settings["nogil"] for settings in asked)
