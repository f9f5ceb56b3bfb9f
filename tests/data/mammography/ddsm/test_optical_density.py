# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Optical densities, against the published formulas written out."""

from __future__ import annotations

import math

import numpy as np
import pytest

from monai_acdr.data.mammography.ddsm_film import optical_density


@pytest.mark.parametrize(
    ("digitizer", "institution", "gray", "expected"),
    [
        ("DBA", "A", 1000, (math.log10(1000) - 4.80662) / -1.07553),
        ("DBA", "A", 0, (math.log10(4) - 4.80662) / -1.07553),
        ("DBA", "A", 65535, (math.log10(64064) - 4.80662) / -1.07553),
        ("HOWTEK", "A", 2000, 3.789 - 0.00094568 * 2000),
        ("HOWTEK", "A", 4095, 3.789 - 0.00094568 * 4006),
        ("HOWTEK", "D", 2000, 3.96604096 - 0.000990558 * 2000),
        ("HOWTEK", "D", 4095, 3.96604096 - 0.000990558 * 4003),
        ("LUMISYS", "B", 1000, (1000 - 4096.99) / -1009.01),
        ("LUMISYS", "C", 0, (61 - 4096.99) / -1009.01),
        ("LUMISYS", "", 65535, (4097 - 4096.99) / -1009.01),
    ],
)
def test_formulas(digitizer: str, institution: str, gray: int, expected: float) -> None:
    density = optical_density(np.full((2, 3), gray, dtype=np.uint16), digitizer, institution)
    assert density.dtype == np.float32
    np.testing.assert_allclose(density, np.full((2, 3), expected), atol=2e-6)


@pytest.mark.parametrize(("digitizer", "institution"), [("DBA", "A"), ("HOWTEK", "D"), ("LUMISYS", "B")])
def test_dense_film_is_dark(digitizer: str, institution: str) -> None:
    density = optical_density(np.arange(61, 4000, dtype=np.uint16), digitizer, institution)
    assert np.all(np.diff(density) < 0)
    assert density[0] > 2.5


def test_unknown_calibration() -> None:
    with pytest.raises(ValueError, match="Expected the digitizer DBA, .*but got 'HOWTEK' of institution 'B'"):
        optical_density(np.zeros(1, dtype=np.uint16), "HOWTEK", "B")
    with pytest.raises(ValueError, match="but got '' of institution 'A': correct DIGITIZER"):
        optical_density(np.zeros(1, dtype=np.uint16), "", "A")
