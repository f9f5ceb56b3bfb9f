# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""The closed form of one edge against a fine sum over its length."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from types import ModuleType

import numpy as np
import pytest
import torch

triton = pytest.importorskip("triton", minversion="3.7", reason=".ci/run installs it beside a CPU build of torch")
pytestmark = pytest.mark.skipif(torch.cuda.is_available(), reason="test_triton_kernel.py tests it on the GPU")

ROWS, COLUMNS, STEPS = 4, 8, 40_000


@pytest.fixture(scope="module")
def cover() -> Iterator[ModuleType]:
    """The module as triton's interpreter takes it."""
    module = importlib.import_module("monai_acdr.networks.layers.rasterizers.triton_cover")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TRITON_INTERPRET", "1")
        yield importlib.reload(module)
    importlib.reload(module)


def by_steps(x0: float, y0: float, x1: float, y1: float) -> np.ndarray:
    """The same as a sum over short pieces of the edge."""
    t = (np.arange(STEPS) + 0.5) / STEPS
    x, y, dy = x0 + t * (x1 - x0), y0 + t * (y1 - y0), (y1 - y0) / STEPS
    shares = np.clip(np.arange(1, COLUMNS + 1) - x[:, None], 0, 1) * dy
    return np.stack([shares[(y >= row) & (y < row + 1)].sum(0) for row in range(ROWS)])


@pytest.mark.parametrize(
    "edge",
    [(1.3, 0.4, 6.2, 3.1), (6.2, 3.1, 1.3, 0.4), (2.5, 0.0, 2.5, 4.0), (-3.0, -2.0, 12.0, 6.0), (9.0, 1.0, 10.0, 3.0)],
    ids=["slanted", "backwards", "upright", "through", "right of the frame"],
)
def test_one_edge(cover: ModuleType, monkeypatch: pytest.MonkeyPatch, edge: tuple[float, ...]) -> None:
    import triton.language as tl

    monkeypatch.setenv("TRITON_INTERPRET", "1")
    monkeypatch.setitem(globals(), "tl", tl)  # triton's functions see globals only
    monkeypatch.setitem(globals(), "closed_form", cover.cover)

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
