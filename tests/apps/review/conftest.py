# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""A small cine study with circles as contours, as results to review."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from monai_acdr.apps.documents import ContourDocument, write_contour_document
from monai_acdr.apps.study_files import find_series
from monai_acdr.dicom import LV_ENDOCARDIUM, LV_EPICARDIUM, Algorithm, Region
from monai_acdr.geometry import circle

RADII = (18.0, 14.0, 10.0, 15.0)
"""Of the endocardium by phase; the epicardium is 5 pixels farther out."""


def ring(radius: float, x: float = 56.0, y: float = 50.0, number: int = 32) -> np.ndarray:
    return circle(torch.tensor([x, y], dtype=torch.float64), radius, number).numpy()


@pytest.fixture()
def results(study: Path, tmp_path: Path) -> Path:
    """A folder with contours.json of `study`: endocardium and epicardium on all 12 frames."""
    sources = find_series(study)[0][0]
    inner = [(ring(RADII[index % 4] - index // 4),) for index in range(len(sources))]
    outer = [(ring(RADII[index % 4] - index // 4 + 5),) for index in range(len(sources))]
    regions = [Region(LV_ENDOCARDIUM, tuple(inner)), Region(LV_EPICARDIUM, tuple(outer))]
    folder = tmp_path / "results"
    document = ContourDocument.from_regions(regions, sources, Algorithm("a model", "1.0"))
    write_contour_document(folder / "contours.json", document)
    return folder


@pytest.fixture(scope="session")
def flat() -> Callable[..., list[float]]:
    """Vertices as the page sends them."""
    return lambda vertices: np.asarray(vertices).ravel().tolist()
