# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Agreement of measured values with reference values: bias, limits of agreement, errors, correlation, ICC.

Bland and Altman, "Statistical methods for assessing agreement between two methods of clinical measurement", Lancet
1986; Shrout and Fleiss, "Intraclass correlations", Psychological Bulletin 1979.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

__all__ = ["LIMITS", "Agreement", "compute_agreement"]

LIMITS = 1.96
"""Standard deviations from the bias to each limit of agreement: 95 % of normally distributed differences."""


@dataclass(frozen=True)
class Agreement:
    """Statistics of the differences measured - reference, in the unit of the values.

    Attributes:
        number: of pairs.
        bias: mean difference.
        standard_deviation: of the differences (n - 1); None for one pair, as are the limits.
        lower_limit: bias - 1.96 standard deviations.
        upper_limit: bias + 1.96 standard deviations.
        mean_absolute_error: mean of the absolute differences.
        bias_percent: mean of the differences in percent of the reference; None where a reference is zero.
        standard_deviation_percent: of the differences in percent of the reference.
        correlation: Pearson's r; None where either side does not vary.
        intraclass_correlation: ICC(2,1), two-way random effects, absolute agreement, single measurement; None for one
            pair, or where nothing varies.
    """

    number: int
    bias: float
    standard_deviation: float | None
    lower_limit: float | None
    upper_limit: float | None
    mean_absolute_error: float
    bias_percent: float | None
    standard_deviation_percent: float | None
    correlation: float | None
    intraclass_correlation: float | None

    def as_dict(self) -> dict[str, float | int | None]:
        """All statistics by name."""
        return dataclasses.asdict(self)


def compute_agreement(measured: Sequence[float], reference: Sequence[float]) -> Agreement:
    """Compare pairs of values.

    Args:
        measured: (N,) values of the method.
        reference: (N,) values of the reference, of the same subjects in the same order and unit.

    Raises:
        ValueError: for lists of different lengths or without a pair, and for values that are not finite.
    """
    one, other = (np.asarray(values, dtype=np.float64) for values in (measured, reference))
    if one.ndim != 1 or one.shape != other.shape or one.size == 0:
        raise ValueError(
            f"Expected as many measured values as references, at least one, but got {one.shape} and {other.shape}."
        )
    if not (np.isfinite(one).all() and np.isfinite(other).all()):
        raise ValueError("Expected finite values, but got NaN or infinity: leave out subjects that were not measured.")
    differences = one - other
    bias = float(differences.mean())
    deviation = float(differences.std(ddof=1)) if one.size > 1 else None
    percent = 100 * differences / other if (other != 0).all() else None
    return Agreement(
        number=int(one.size),
        bias=bias,
        standard_deviation=deviation,
        lower_limit=None if deviation is None else bias - LIMITS * deviation,
        upper_limit=None if deviation is None else bias + LIMITS * deviation,
        mean_absolute_error=float(np.abs(differences).mean()),
        bias_percent=None if percent is None else float(percent.mean()),
        standard_deviation_percent=None if percent is None or one.size < 2 else float(percent.std(ddof=1)),
        correlation=_correlation(one, other),
        intraclass_correlation=_intraclass_correlation(np.stack([one, other], axis=1)),
    )


def _correlation(one: np.ndarray, other: np.ndarray) -> float | None:
    centered = one - one.mean(), other - other.mean()
    scale = float(np.sqrt(np.square(centered[0]).sum() * np.square(centered[1]).sum()))
    return float((centered[0] * centered[1]).sum()) / scale if scale > 0 else None


def _intraclass_correlation(values: np.ndarray) -> float | None:
    """ICC(2,1) of values (subjects, raters): Shrout and Fleiss, case 2."""
    subjects, raters = values.shape
    if subjects < 2:
        return None
    mean = values.mean()
    between_subjects = raters * float(np.square(values.mean(axis=1) - mean).sum()) / (subjects - 1)
    between_raters = subjects * float(np.square(values.mean(axis=0) - mean).sum()) / (raters - 1)
    residual = values - values.mean(axis=1, keepdims=True) - values.mean(axis=0) + mean
    error = float(np.square(residual).sum()) / ((subjects - 1) * (raters - 1))
    total = between_subjects + (raters - 1) * error + raters * (between_raters - error) / subjects
    return (between_subjects - error) / total if total > 0 else None
