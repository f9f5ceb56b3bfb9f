# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from monai_acdr.apps.inputs import read_inputs
from monai_acdr.apps.model import load_model
from monai_acdr.apps.outlines import outline_frames
from monai_acdr.apps.regions import parse_region


def test_batches_and_progress(study: Path, tiny_heart: Path) -> None:
    inputs = read_inputs(study)
    told: list[tuple[str, int, int]] = []
    model = load_model(tiny_heart, device="cpu", batch_size=5)
    outlines = outline_frames(parse_region("centre"), inputs, model, None, progress=lambda *step: told.append(step))
    assert told == [("outline", 5, 12), ("outline", 10, 12), ("outline", 12, 12)]
    whole = outline_frames(parse_region("centre"), inputs, load_model(tiny_heart, device="cpu"), None)
    for one, other in zip(outlines, whole, strict=True):
        assert one.evolution is not None
        assert one.evolution.shape == (4, 1, 16, 2)
        np.testing.assert_allclose(one.evolution, other.evolution, atol=1e-4)
        np.testing.assert_array_equal(one.final, one.evolution[-1])


def test_an_ensemble_tells_its_spread(study: Path, tiny_heart: Path, ensemble_weights: Path) -> None:
    """The second member moves contours to the right, so members differ at the left and right, not above and below."""
    inputs = read_inputs(study)
    model = load_model(tiny_heart, ensemble_weights, device="cpu", batch_size=5)
    outlines = outline_frames(parse_region("centre"), inputs, model, None)
    for outline in outlines:
        assert outline.spread is not None and outline.spread.shape == (1, 16)
        across = np.abs(outline.evolution[-1] - outline.evolution[-1].mean(1))
        sides, ends = across[..., 0] > 3 * across[..., 1], across[..., 1] > 3 * across[..., 0]
        assert outline.spread[sides].min() > 1.5 * outline.spread[ends].max()
    (single, *_) = outline_frames(parse_region("centre"), inputs, load_model(tiny_heart, device="cpu"), None)
    assert single.spread is None


def test_a_right_breast_is_seen_flipped(mammogram: Path, tiny_mass: Path) -> None:
    """The same image, said to be of the left breast, gives another contour; its start lies in the box either way."""
    from dataclasses import replace

    inputs = read_inputs(mammogram)
    model = load_model(tiny_mass, device="cpu")
    request = parse_region("box 40 60 80 90")
    (right,) = outline_frames(request, inputs, model, None)
    left_inputs = replace(inputs, frames=[replace(inputs.frames[0], laterality="L")])
    (left,) = outline_frames(request, left_inputs, model, None)
    np.testing.assert_allclose(right.evolution[0, 0].mean(0), [60, 75], atol=1e-3)
    np.testing.assert_allclose(left.evolution[0, 0].mean(0), [60, 75], atol=1e-3)
    assert np.abs(np.sort(right.final[0], axis=0) - np.sort(left.final[0], axis=0)).max() > 1e-3


def test_auto_is_for_hearts(mammogram: Path, tiny_mass: Path) -> None:
    with pytest.raises(ValueError, match="ROI auto finds left ventricles only"):
        outline_frames(parse_region("auto"), read_inputs(mammogram), load_model(tiny_mass, device="cpu"), None)
