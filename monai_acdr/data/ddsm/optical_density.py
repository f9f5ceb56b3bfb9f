# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Grey levels of DDSM's film digitizers to optical densities (the calibration published with DDSM).

    DBA                      g in [4, 64064]      (log10 g - 4.80662) / -1.07553
    HOWTEK, institution A    g <= 4006            3.789 - 0.00094568 g
    HOWTEK, institution D    g <= 4003            3.96604096 - 0.000990558 g
    LUMISYS                  g in [61, 4097]      (g - 4096.99) / -1009.01

Grey levels are clamped to the range first. Dense tissue lets less light through: low optical density, bright on the
film, high grey level.
"""

from __future__ import annotations

import numpy as np

__all__ = ["optical_density"]

_LINEAR: dict[tuple[str, str], tuple[int, int, float, float]] = {
    ("HOWTEK", "A"): (0, 4006, 3.789, -0.00094568),
    ("HOWTEK", "D"): (0, 4003, 3.96604096, -0.000990558),
    ("LUMISYS", ""): (61, 4097, 4096.99 / 1009.01, -1 / 1009.01),
}
"""By digitizer and institution: lowest and highest grey level, offset, slope."""


def optical_density(grey: np.ndarray, digitizer: str, institution: str = "") -> np.ndarray:
    """Optical density of grey levels.

    Args:
        grey: grey levels of any shape, unsigned integers as stored.
        digitizer: ``"DBA"``, ``"HOWTEK"`` or ``"LUMISYS"``.
        institution: first letter of the file names, ``"A"`` to ``"D"``; only HOWTEK's calibration depends on it.

    Returns:
        float32 optical densities of the same shape, about 0 to 4.

    Raises:
        ValueError: for a combination that has no calibration.
    """
    grey = np.asarray(grey)
    if digitizer == "DBA":
        clamped = np.clip(grey, 4, 64064).astype(np.float32)
        return (np.log10(clamped) - np.float32(4.80662)) / np.float32(-1.07553)
    key = (digitizer, institution if digitizer == "HOWTEK" else "")
    if key not in _LINEAR:
        raise ValueError(
            "Expected the digitizer DBA, LUMISYS, or HOWTEK of institution A or D, but got "
            f"{digitizer!r} of institution {institution!r}: correct DIGITIZER in the .ics file, or read grey levels."
        )
    lowest, highest, offset, slope = _LINEAR[key]
    clamped = np.clip(grey, lowest, highest).astype(np.float32)
    return np.float32(offset) + np.float32(slope) * clamped
