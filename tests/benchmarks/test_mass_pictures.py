# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""The sheet shows the best, the median and the worst cases."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any

import torch
from monai.data.meta_tensor import MetaTensor
from PIL import Image

from monai_acdr.geometry import circle


def test_best_median_worst(tmp_path: Path) -> None:
    contour = MetaTensor(circle(torch.tensor([[20.0, 20.0]]), 8.0, 16))
    cases: list[dict[str, Any]] = [
        {"window": MetaTensor(torch.rand(1, 40, 40)), "pred_window": contour, "reference": contour} for _ in range(9)
    ]
    records = [{"name": str(index), "dice": 0.1 * index} for index in range(9)]
    names = import_module("mass_pictures").draw_cases(cases, records, tmp_path / "sheet.png", number=3)
    assert names == ["8", "7", "6", "5", "4", "3", "2", "1", "0"]
    width, height = Image.open(tmp_path / "sheet.png").size
    assert width == height
