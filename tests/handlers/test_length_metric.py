# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Lengths in pixels or mm: where the spacing comes from, and what happens without one."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from ignite.engine import Engine
from monai.data import MetaTensor
from monai.handlers import from_engine

from monai_acdr.handlers import Hausdorff95, image_spacing

KEYS = ["pred_mask", "label", "has_spacing"]


def _case(has_spacing: bool = True) -> dict[str, Any]:
    """Two bars, 3 rows apart, in pixels of 2 mm (rows) by 0.5 mm (columns)."""
    pred, label = torch.zeros(2, 1, 30, 20)
    pred[:, 5:7], label[:, 8:10] = 1, 1
    affine = torch.diag(torch.tensor([2.0, 0.5, 8.0, 1.0], dtype=torch.float64))
    return {"pred_mask": pred, "label": MetaTensor(label, affine=affine), "has_spacing": torch.tensor(has_spacing)}


def _run(handler: Hausdorff95, case: dict[str, Any]) -> float:
    engine = Engine(lambda _, batch: batch)
    handler.attach(engine, "length")
    engine.run([[case]])
    return float(engine.state.metrics["length"])


@pytest.mark.parametrize(("unit", "expected"), [("pixel", 3.0), ("mm", 6.0)])
@pytest.mark.parametrize("num_keys", [2, 3])
def test_units(unit: str, expected: float, num_keys: int) -> None:
    handler = Hausdorff95(unit, output_transform=from_engine(KEYS[:num_keys]))
    assert _run(handler, _case()) == pytest.approx(expected)


def test_pixels_need_no_spacing() -> None:
    assert _run(Hausdorff95(output_transform=from_engine(KEYS)), _case(has_spacing=False)) == pytest.approx(3)


def test_mm_needs_a_spacing() -> None:
    with pytest.raises(ValueError, match="use unit='pixel'"):
        _run(Hausdorff95("mm", output_transform=from_engine(KEYS)), _case(has_spacing=False))
    plain = {**_case(), "label": _case()["label"].as_tensor()}
    with pytest.raises(ValueError, match="MetaTensor with the image's affine"):
        _run(Hausdorff95("mm", output_transform=from_engine(KEYS)), plain)


def test_bad_arguments() -> None:
    with pytest.raises(ValueError, match=r"one of \('pixel', 'mm'\), but got 'cm'"):
        Hausdorff95("cm")
    with pytest.raises(ValueError, match="but got 4 items"):
        Hausdorff95().update([1, 2, 3, 4])


def test_image_spacing() -> None:
    assert image_spacing(_case()["label"]) == (2.0, 0.5)
    with pytest.raises(ValueError, match="positive spacings"):
        image_spacing(MetaTensor(torch.zeros(1, 4, 4), affine=torch.diag(torch.tensor([0.0, 1, 1, 1]))))
