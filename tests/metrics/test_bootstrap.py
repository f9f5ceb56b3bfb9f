# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Cluster bootstrap: known cases."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from monai_acdr.metrics import bootstrap_interval


def test_equal_values_give_no_width() -> None:
    assert bootstrap_interval([0.9] * 6, ["a", "a", "b", "b", "c", "c"], num_samples=50) == pytest.approx((0.9, 0.9))


def test_groups_are_resampled_whole() -> None:
    # Two groups of constant value: a sample's mean can only be 0, 1/2 or 1.
    seen: list[float] = []

    def statistic(values: np.ndarray) -> float:
        seen.append(float(values.mean()))
        return seen[-1]

    bootstrap_interval([0, 0, 1, 1], ["a", "a", "b", "b"], statistic, num_samples=200)
    assert set(seen) == {0.0, 0.5, 1.0}


def test_against_enumeration() -> None:
    # Three groups have 27 equally likely samples: their quantiles are the limit of many draws.
    groups = {"a": [1.0], "b": [2.0, 4.0], "c": [9.0, 9.0, 6.0]}
    means = [np.mean(np.concatenate([groups[name] for name in draw])) for draw in itertools.product(groups, repeat=3)]
    values = np.concatenate(list(groups.values()))
    labels = [name for name, members in groups.items() for _ in members]
    low, high = bootstrap_interval(values, labels, level=0.6, num_samples=4000)
    assert low == pytest.approx(np.quantile(means, 0.2), abs=0.15)
    assert high == pytest.approx(np.quantile(means, 0.8), abs=0.15)


def test_means_are_those_of_the_joined_values() -> None:
    rng = np.random.default_rng(3)
    values, groups = rng.normal(size=50), rng.integers(7, size=50).tolist()
    by_hand = bootstrap_interval(values, groups, lambda joined: float(np.mean(joined)))
    assert bootstrap_interval(values, groups) == pytest.approx(by_hand, rel=1e-12)


def test_patients_widen_the_interval_of_frames() -> None:
    rng = np.random.default_rng(0)
    patients = np.repeat(np.arange(10), 20)
    values = rng.normal(size=10)[patients] + 0.05 * rng.normal(size=200)
    by_patient = bootstrap_interval(values, patients.tolist(), num_samples=500)
    by_frame = bootstrap_interval(values, list(range(200)), num_samples=500)
    assert np.ptp(by_patient) > 2 * np.ptp(by_frame)


def test_width_agrees_with_theory() -> None:
    values = np.random.default_rng(1).normal(size=400)
    low, high = bootstrap_interval(values, list(range(400)))
    assert high - low == pytest.approx(2 * 1.96 * values.std() / 20, rel=0.1)
    assert low < values.mean() < high


def test_pooled_statistic_over_rows() -> None:
    counts = np.array([[50, 60, 60], [1, 10, 10], [30, 40, 35]])
    low, high = bootstrap_interval(
        counts, ["a", "b", "c"], lambda rows: 2 * rows[:, 0].sum() / rows[:, 1:].sum(), num_samples=500
    )
    assert 0.1 <= low < 2 * 81 / 215 < high <= 100 / 120


def test_reproducible_by_seed() -> None:
    values, groups = np.random.default_rng(2).normal(size=12), list("aabbccddeeff")
    assert bootstrap_interval(values, groups, seed=3) == bootstrap_interval(values, groups, seed=3)
    assert bootstrap_interval(values, groups, seed=3) != bootstrap_interval(values, groups, seed=4)


@pytest.mark.parametrize(
    ("values", "groups", "options", "message"),
    [
        ([1.0, 2.0], ["a"], {}, "one group per value"),
        ([1.0, np.nan], ["a", "b"], {}, "finite values"),
        ([1.0, 2.0], ["a", "a"], {}, "at least 2 groups"),
        ([1.0, 2.0], ["a", "b"], {"level": 1.0}, "0 < `level` < 1"),
        ([1.0, 2.0], ["a", "b"], {"num_samples": 0}, "`num_samples` >= 1"),
    ],
)
def test_errors(values: list[float], groups: list[str], options: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        bootstrap_interval(values, groups, **options)
