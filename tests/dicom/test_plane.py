# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import numpy as np
import pytest
from pydicom.dataset import Dataset

from monai_acdr.dicom.plane import frame_plane, plane_affine


def header(**values: object) -> Dataset:
    dataset = Dataset()
    for keyword, value in values.items():
        setattr(dataset, keyword, value)
    return dataset


def test_single_frame() -> None:
    dataset = header(PixelSpacing=[0.5, 2], ImageOrientationPatient=[0, 1, 0, 0, 0, -1], ImagePositionPatient=[1, 2, 3])
    assert frame_plane(dataset, 1, "x") == ((0.5, 2.0), (0, 1, 0, 0, 0, -1), (1, 2, 3))


@pytest.mark.parametrize(
    ("values", "spacing"),
    [
        ({}, None),
        ({"ImagerPixelSpacing": [0.2, 0.1]}, (0.2, 0.1)),
        ({"ImagerPixelSpacing": [0.2, 0.1], "EstimatedRadiographicMagnificationFactor": 2}, (0.1, 0.05)),
        ({"ImagerPixelSpacing": [0.2, 0.2], "EstimatedRadiographicMagnificationFactor": 99}, (0.2, 0.2)),
        ({"ImagerPixelSpacing": [0.2, 0.2], "PixelSpacing": [0.15, 0.15]}, (0.15, 0.15)),
    ],
)
def test_spacing_of_projections(values: dict[str, object], spacing: tuple[float, float] | None) -> None:
    assert frame_plane(header(**values), 1, "x") == (spacing, None, None)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"PixelSpacing": [0.5, 0]}, "positive PixelSpacing, but x has"),
        ({"PixelSpacing": [0.5, 1, 2]}, "PixelSpacing to be 2 numbers, but x"),
        ({"ImageOrientationPatient": [1, 0, 0, 1, 0, 0]}, "two unit vectors at a right angle, but x has"),
        ({"ImageOrientationPatient": [2, 0, 0, 0, 1, 0]}, "two unit vectors"),
    ],
)
def test_nonsense(values: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        frame_plane(header(**values), 1, "x")


def test_affine_is_that_of_monai() -> None:
    affine = plane_affine((0.5, 2.0), (0, 1, 0, 0, 0, -1), (1, 2, 3))
    row, column = 3, 4
    lps = np.array([1, 2, 3]) + column * 2.0 * np.array([0, 1, 0]) + row * 0.5 * np.array([0, 0, -1])
    assert affine @ [row, column, 0, 1] == pytest.approx([-lps[0], -lps[1], lps[2], 1])
    assert np.array_equal(plane_affine((0.5, 2.0), None, None), np.diag([0.5, 2, 1, 1]))
