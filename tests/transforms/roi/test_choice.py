# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import pytest
import torch
from monai.data.meta_tensor import MetaTensor

from monai_acdr.transforms import roi_transform

IMAGE = MetaTensor(torch.zeros(1, 100, 120), affine=torch.eye(4, dtype=torch.float64))
SQUARE = MetaTensor(
    torch.tensor([[[30.0, 40.0], [50.0, 40.0], [50.0, 60.0], [30.0, 60.0]]]), affine=torch.eye(4, dtype=torch.float64)
)


@pytest.mark.parametrize(
    ("kind", "options", "expected"),
    [
        ("center", {"center_side": 50}, [60, 50, 50, 50, 0]),
        ("label", {"label_side": 70}, [40, 50, 70, 70, 0]),
        ("box", {"box": [10, 20, 30, 60]}, [20, 40, 40, 40, 0]),
    ],
)
def test_kinds(kind: str, options: dict[str, object], expected: list[float]) -> None:
    data = roi_transform(kind, **options)({"image": IMAGE, "reference": SQUARE})  # type: ignore[arg-type]
    assert data["roi"].tolist() == pytest.approx(expected)


def test_errors() -> None:
    with pytest.raises(ValueError, match=r"one of \('center', 'label', 'box'\), but got 'middle'"):
        roi_transform("middle")
    with pytest.raises(ValueError, match="add --roi_box"):
        roi_transform("box")
