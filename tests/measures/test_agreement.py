# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Statistics of agreement against numpy, scipy and a published example."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from monai_acdr.measures.agreement import _intraclass_correlation, compute_agreement

PAIRS = st.lists(st.tuples(st.floats(10, 500), st.floats(10, 500)), min_size=3, max_size=30)


def test_by_hand() -> None:
    result = compute_agreement([12.0, 18.0, 33.0], [10.0, 20.0, 30.0])
    assert (result.number, result.bias) == (3, 1.0)
    assert result.standard_deviation == pytest.approx(7**0.5)
    assert result.lower_limit == pytest.approx(1 - 1.96 * 7**0.5)
    assert result.upper_limit == pytest.approx(1 + 1.96 * 7**0.5)
    assert result.mean_absolute_error == pytest.approx(7 / 3)
    assert result.bias_percent == pytest.approx((20 - 10 + 10) / 3)
    assert result.standard_deviation_percent == pytest.approx(np.std([20, -10, 10], ddof=1))


@given(PAIRS)
def test_correlation_is_scipy_s(pairs: list[tuple[float, float]]) -> None:
    measured, reference = (list(values) for values in zip(*pairs, strict=True))
    result = compute_agreement(measured, reference)
    if result.correlation is not None and np.std(measured) > 1e-3 and np.std(reference) > 1e-3:
        assert result.correlation == pytest.approx(stats.pearsonr(measured, reference)[0], abs=1e-9)


def test_intraclass_correlation_of_shrout_and_fleiss() -> None:
    ratings = [[9, 2, 5, 8], [6, 1, 3, 2], [8, 4, 6, 8], [7, 1, 2, 6], [10, 5, 6, 9], [6, 2, 4, 7]]
    assert _intraclass_correlation(np.array(ratings, dtype=np.float64)) == pytest.approx(0.29, abs=0.005)


def test_intraclass_correlation_sees_a_bias_that_correlation_does_not() -> None:
    reference = [60.0, 80.0, 100.0, 120.0]
    same = compute_agreement(reference, reference)
    assert (same.correlation, same.intraclass_correlation) == (pytest.approx(1), pytest.approx(1))
    shifted = compute_agreement([value + 20 for value in reference], reference)
    assert shifted.correlation == pytest.approx(1)
    assert shifted.intraclass_correlation is not None and shifted.intraclass_correlation < 0.8


def test_what_cannot_be_told_is_none() -> None:
    one = compute_agreement([3.0], [0.0])
    assert one.as_dict() == {
        **dict.fromkeys(one.as_dict()),
        **{"number": 1, "bias": 3.0, "mean_absolute_error": 3.0},
    }
    constant = compute_agreement([2.0, 2.0], [2.0, 2.0])
    assert constant.correlation is None and constant.intraclass_correlation is None


def test_wrong_arguments() -> None:
    for measured, reference in (([], []), ([1.0], [1.0, 2.0]), ([[1.0]], [[1.0]])):
        with pytest.raises(ValueError, match="as many measured values as references"):
            compute_agreement(measured, reference)
    with pytest.raises(ValueError, match="finite values"):
        compute_agreement([float("nan")], [1.0])
