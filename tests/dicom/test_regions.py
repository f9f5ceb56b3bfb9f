# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from shapely.geometry import Polygon, box

from monai_acdr.dicom import (
    TISSUE,
    Region,
    as_regions,
    iterate_contours,
    rasterize_region,
    read_sources,
)
from monai_acdr.dicom.source import SourceFrame


@pytest.fixture()
def sources(made: SimpleNamespace, tmp_path: Path) -> list[SourceFrame]:
    return read_sources(made.series(tmp_path, [1, 0, 0, 0, 1, 0]))


def test_forms_of_contours(made: SimpleNamespace, sources: list[SourceFrame]) -> None:
    shape = made.SHAPE
    for entry in (shape, shape.tolist(), torch.tensor(shape)[None], [shape]):
        (region,) = as_regions([entry, None], sources, None)
        assert region.structure is TISSUE and region.contours[1] == ()
        assert np.array_equal(region.contours[0][0], shape)
    (region,) = as_regions([[shape, shape + 1], None], sources, TISSUE)
    assert [len(entry) for entry in region.contours] == [2, 0]
    assert as_regions([region], sources, None) == [region]
    assert [(r is region, i) for r, i, _ in iterate_contours([region])] == [(True, 0), (True, 0)]


@pytest.mark.parametrize(
    ("contours", "message"),
    [
        ([None], "each of the 2 source frames, but got 1"),
        ([None, None], "all are empty"),
        ([np.zeros((2, 2)), None], r"\(K >= 3, 2\), but got \(2, 2\)"),
        ([np.zeros((5, 3)), None], r"but got \(5, 3\)"),
        ([np.full((5, 2), np.nan), None], "finite"),
        ([np.full((5, 2), 1e9), None], "finite, but it has NaN, Inf or huge"),
    ],
)
def test_refused(sources: list[SourceFrame], contours: list[object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        as_regions(contours, sources, None)


def test_coverage_is_exact(made: SimpleNamespace, sources: list[SourceFrame]) -> None:
    far = made.SHAPE * 0.2 + [9.5, 5.5]
    mask = rasterize_region(Region(TISSUE, ((made.SHAPE, far), ())), sources)
    union = Polygon(made.SHAPE).union(Polygon(far))
    expected = [[union.intersection(box(c, r, c + 1, r + 1)).area for c in range(13)] for r in range(9)]
    assert mask.masks[1] is None and mask.masks[0] is not None
    assert np.abs(mask.masks[0] - np.array(expected)).max() < 1e-6
