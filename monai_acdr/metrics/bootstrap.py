# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Bootstrap intervals over patients: frames of one patient are not independent, patients are."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence

import numpy as np
from numpy.typing import ArrayLike

__all__ = ["bootstrap_interval"]


def bootstrap_interval(
    values: ArrayLike,
    groups: Sequence[Hashable],
    statistic: Callable[[np.ndarray], float] = np.mean,
    level: float = 0.95,
    num_samples: int = 2000,
    seed: int = 0,
) -> tuple[float, float]:
    """Percentile interval of a statistic under resampling of whole groups (cluster bootstrap).

    As many groups as there are, are drawn with replacement, each with all its values; the statistic sees them joined.
    See Davison and Hinkley 1997, "Bootstrap Methods and their Application", section 3.8. With few groups
    (15 patients) percentile intervals are somewhat too narrow.

    Args:
        values: (N,) numbers, or (N, D) rows, e.g. the counts of a pooled Dice.
        groups: N group labels, e.g. patients, in any order.
        statistic: maps an array of the form of `values`, of another length, to a number.
        level: coverage of the interval, in (0, 1).
        num_samples: bootstrap samples.
        seed: of the draws; equal seeds and groups draw equal samples whatever the values.

    Returns:
        Lower and upper end.

    Raises:
        ValueError: when lengths differ, values are not finite, there are fewer than two groups (nothing is known
            about the variation between patients then), or `level` or `num_samples` is out of range.
    """
    array, members = _check(np.asarray(values, dtype=np.float64), groups, level, num_samples)
    draws = np.random.default_rng(seed).integers(len(members), size=(num_samples, len(members)))
    samples = [float(statistic(array[np.concatenate([members[group] for group in draw])])) for draw in draws]
    low, high = np.quantile(samples, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def _check(
    array: np.ndarray, groups: Sequence[Hashable], level: float, num_samples: int
) -> tuple[np.ndarray, list[np.ndarray]]:
    """The values, and per group the indices of its values, in order of first appearance."""
    if array.ndim == 0 or len(array) != len(groups):
        raise ValueError(f"Expected one group per value, but got values {array.shape} and {len(groups)} groups.")
    if not np.isfinite(array).all():
        raise ValueError("Expected finite values, but got NaN or infinity: leave such cases out, and count them.")
    if not 0 < level < 1 or num_samples < 1:
        raise ValueError(f"Expected 0 < `level` < 1 and `num_samples` >= 1, but got {level} and {num_samples}.")
    members: dict[Hashable, list[int]] = {}
    for index, group in enumerate(groups):
        members.setdefault(group, []).append(index)
    if len(members) < 2:
        raise ValueError(f"Expected at least 2 groups to resample, but got {len(members)}: there is no interval then.")
    return array, [np.asarray(indices) for indices in members.values()]
