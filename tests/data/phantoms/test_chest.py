# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""What surrounds the heart: plausible signals, different at every level and in every patient."""

from __future__ import annotations

import numpy as np
import pytest

from monai_acdr.data.phantoms.heart import AIR, FAT, Chest, smooth_noise

SIZE = (48, 40)
Y, X = np.mgrid[-90:90:48j, -80:80:40j]


def make(seed: int) -> Chest:
    return Chest(np.random.default_rng(seed), SIZE, X, Y)


@pytest.mark.parametrize("seed", range(5))
def test_signals_are_in_range(seed: int) -> None:
    signal = make(seed).signal(0.4)
    assert signal.shape == SIZE
    assert 0 < signal.min() <= 2 * AIR
    assert 0.8 * FAT < signal.max() < 1.6
    assert signal[:24].mean() != pytest.approx(signal[24:].mean(), abs=0.01)


def test_levels_and_patients_differ() -> None:
    chest = make(0)
    assert np.abs(chest.signal(0.1) - chest.signal(0.9)).mean() > 0.02
    assert np.abs(chest.signal(0.5) - make(1).signal(0.5)).mean() > 0.02
    assert np.array_equal(chest.signal(0.5), make(0).signal(0.5))


def test_shading_rises_toward_the_coil() -> None:
    shading = make(3).shading()
    assert shading.min() > 0
    assert shading[:8, :8].mean() > 1.2 * shading[-8:, -8:].mean()  # the chest wall is above left
    assert shading[20:28, 16:24].mean() == pytest.approx(1, abs=0.3)


def test_noise_is_smooth_and_centerd() -> None:
    noise = smooth_noise(np.random.default_rng(0), (90, 70), 10)
    assert noise.shape == (90, 70)
    assert abs(noise.mean()) < 0.3
    assert 0.4 < noise.std() < 1.3
    assert np.abs(np.diff(noise, axis=0)).mean() < 0.2 * noise.std()
