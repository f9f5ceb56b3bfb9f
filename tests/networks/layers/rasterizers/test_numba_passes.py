# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""The compiled passes themselves: the cut of an edge against plain torch, and how they are compiled."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from monai_acdr.networks.layers.rasterizers.pieces import cut_edges

pytest.importorskip("numba", reason="pip install 'monai_acdr[fast]'")

from monai_acdr.networks.layers.rasterizers import numba_passes


@pytest.mark.parametrize("shape", ["any", "grid", "far"])
def test_the_pieces_are_those_of_plain_torch(shape: str) -> None:
    size = (9, 12)
    vertices = torch.rand(40, 2, dtype=torch.float64) * 18 - 3
    vertices = {"any": vertices, "grid": vertices.round(), "far": vertices * 1e6}[shape]
    expected = cut_edges(vertices[None], size)
    where, what = np.empty((200, 3), np.int64), np.empty((200, 4))
    count = 0
    for start in range(len(vertices)):
        found = numba_passes._cut_edge(vertices.numpy(), start, *size, where, what)
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

    monkeypatch.setattr(numba_passes.numba, "njit", njit)
    assert numba_passes._compile(len) is len
    assert [settings.get("cache", False) for settings in asked] == [True, False]
    assert all(settings["nogil"] for settings in asked)
