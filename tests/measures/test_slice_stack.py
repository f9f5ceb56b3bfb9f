# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Slices from positions, their heights, and what is reported about them."""

from __future__ import annotations

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monai_acdr.measures.ventricle import check_stack, cluster_positions, slice_heights


def test_clusters_in_any_order() -> None:
    index, positions = cluster_positions([20.0, -10.02, 10.0, -9.98, 0.0, 20.1])
    assert index == [3, 0, 2, 0, 1, 3]
    assert positions == pytest.approx([-10, 0, 10, 20.05])


@given(st.lists(st.integers(-50, 50), min_size=1, max_size=30), st.integers(0, 1000))
def test_clusters_do_not_depend_on_the_order(steps: list[int], seed: int) -> None:
    values = [8.0 * step for step in steps]
    shuffled = random.Random(seed).sample(range(len(values)), len(values))
    index, positions = cluster_positions(values)
    again, same = cluster_positions([values[i] for i in shuffled])
    assert positions == same == sorted(set(values))
    assert [index[i] for i in shuffled] == again


def test_heights() -> None:
    assert slice_heights([0, 10, 20]) == [10, 10, 10]
    # A slice is missing at 20 mm: its neighbors stand for half of it each.
    assert slice_heights([0, 10, 30, 40]) == [10, 15, 15, 10]
    assert slice_heights([5.0], slice_spacing_mm=8) == [8]


@given(st.lists(st.floats(1, 20), min_size=1, max_size=12))
def test_heights_fill_the_stack(distances: list[float]) -> None:
    positions = [sum(distances[:count]) for count in range(len(distances) + 1)]
    heights = slice_heights(positions)
    usual = sorted(distances)[(len(distances) - 1) // 2]
    assert sum(heights) == pytest.approx(sum(distances) + usual)
    assert min(heights) > 0


def test_findings() -> None:
    assert check_stack([0, 10, 20, 30]) == check_stack([0, 10, 20], 10.0) == check_stack([0.0]) == []
    (lost,) = check_stack([0, 10, 40, 50, 60])
    assert lost.kind == "missing_slice"
    assert "30.0 mm between the slices at 10.0 and 40.0 mm, usually 10.0 mm: 2 slice(s)" in lost.text
    assert [finding.kind for finding in check_stack([0, 10, 15, 25, 35])] == ["uneven_spacing"]
    (overlap,) = check_stack([0, 6, 12], thickness_mm=8)
    assert (overlap.kind, overlap.text) == ("overlap", "2 of 2 pairs of slices, up to 2.0 mm; thickness 8 mm")
    assert [finding.kind for finding in check_stack([0, 10, 20], thickness_mm=8)] == ["gap"]


def test_wrong_input() -> None:
    with pytest.raises(ValueError, match="at least one finite slice position"):
        cluster_positions([])
    with pytest.raises(ValueError, match="at least one finite slice position"):
        cluster_positions([0.0, math.nan])
    with pytest.raises(ValueError, match="at least two slices"):
        slice_heights([0.0])
    with pytest.raises(ValueError, match="`slice_spacing_mm` to be positive"):
        slice_heights([0.0], slice_spacing_mm=0)
    with pytest.raises(ValueError, match="`thickness_mm` to be positive"):
        check_stack([0.0, 1.0], thickness_mm=-1)
