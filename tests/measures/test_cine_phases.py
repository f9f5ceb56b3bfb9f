# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Phases from identifiers, times and numbers, with frames missing."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monai_acdr.measures.ventricle import Finding, find_phases


def test_one_frame_a_slice_is_one_phase() -> None:
    assert find_phases([0, 1, 2], {"TriggerTime": [None, None, None]}, []) == [0, 0, 0]


def test_identifiers_name_phases() -> None:
    keys = {"TemporalPositionIdentifier": [1, 3, 3, 2, 1], "TriggerTime": [9, 8, 7, 6, 5]}
    assert find_phases([0, 0, 1, 1, 1], keys, []) == [0, 2, 2, 1, 0]


def test_identifiers_that_are_no_phases_are_passed_over() -> None:
    running = {"TemporalPositionIdentifier": [1, 2, 3, 4, 5, 6], "TriggerTime": [0, 10, 0, 11, 0, 12]}
    assert find_phases([0, 0, 1, 1, 2, 2], running, []) == [0, 1, 0, 1, 0, 1]
    constant = {"TemporalPositionIdentifier": [1, 1, 1, 1], "TriggerTime": [20, 10, 5, 9]}
    assert find_phases([0, 0, 1, 1], constant, []) == [1, 0, 0, 1]


@given(st.integers(6, 25), st.floats(0.9, 1.1), st.integers(0, 2**32 - 1))
def test_missing_frames_are_found_by_time(count: int, beat: float, seed: int) -> None:
    """Each slice has its own heart rate; a third one lacks two frames, whichever they are."""
    rng = np.random.default_rng(seed)
    kept = sorted(rng.permutation(count)[:-2].tolist())
    usual = [10 + 40.0 * phase for phase in range(count)]
    times = [*usual, *(1.01 * time for time in usual), *(beat * usual[phase] for phase in kept)]
    index = [0] * count + [1] * count + [2] * len(kept)
    phases = find_phases(index, {"TriggerTime": times}, [])
    assert phases == [*range(count), *range(count), *kept]


def test_missing_frames_are_found_by_number() -> None:
    findings: list[Finding] = []
    index = [0] * 4 + [1] * 3 + [2] * 4
    numbers = [5, 6, 7, 8, 1, 2, 4, 9, 10, 11, 12]
    keys = {"TriggerTime": [None] * 11, "InstanceNumber": numbers}
    assert find_phases(index, keys, findings) == [0, 1, 2, 3, 0, 1, 3, 0, 1, 2, 3]
    assert [finding.kind for finding in findings] == ["phases_by_number"]
    assert "TriggerTime is missing in 11 frame(s)" in findings[0].text


def test_complete_slices_are_ranked_by_any_number() -> None:
    # Numbered phase by phase.
    assert find_phases([0, 1, 0, 1], {"InstanceNumber": [1, 2, 3, 4]}, []) == [0, 0, 1, 1]


@pytest.mark.parametrize(
    ("index", "numbers", "message"),
    [
        ([0, 0, 1, 1], [1, 1, 2, 3], "InstanceNumber repeats within a slice.*Drop duplicates"),
        ([0, 0, 1, 1], [1, None, 2, 3], "InstanceNumber is missing in 1 frame"),
        ([0, 1, 0, 1, 0], [1, 2, 3, 4, 5], "does not tell which phases are missing"),
    ],
)
def test_undecidable(index: list[int], numbers: list[float | None], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        find_phases(index, {"InstanceNumber": numbers}, [])
