# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""A small cine study with circles as contours, as results to review."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from monai.data.meta_tensor import MetaTensor

from monai_acdr.apps.documents import ContourDocument, FrameContours, write_contour_document
from monai_acdr.apps.inputs import Frame, Inputs
from monai_acdr.apps.review.state import Review
from monai_acdr.apps.review.study import Study
from monai_acdr.apps.study_files import find_series
from monai_acdr.dicom import LV_ENDOCARDIUM, LV_EPICARDIUM, Algorithm, Region
from monai_acdr.geometry import circle
from monai_acdr.measures import FrameHeader

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


@pytest.fixture(scope="session")
def large_review() -> Callable[[Path], tuple[Review, Study]]:
    """Makes a review of 10,000 frames in memory, 20 slices by 500 phases; the middle one has 20,000 vertices."""

    def make(folder: Path) -> tuple[Review, Study]:
        number, slices = 10_000, 20
        pixels = MetaTensor(torch.arange(64 * 64, dtype=torch.float32).reshape(1, 64, 64))
        frames = [
            Frame(
                f"frame-{index:05d}",
                pixels,
                (1.0, 1.0),
                header=FrameHeader(
                    position=(0.0, 0.0, 8.0 * (index % slices)),
                    orientation=(1.0, 0.0, 0.0, 0.0, 1.0, 0.0),
                    temporal_position=index // slices,
                ),
            )
            for index in range(number)
        ]
        square, many = np.array([[10.0, 10], [20, 10], [20, 20], [10, 20]]), ring(20.0, 32.0, 32.0, 20_000)
        drawn = [many if index == number // 2 else square for index in range(number)]
        named = [FrameContours(f.name, (64, 64), (v,), (1.0, 1.0)) for f, v in zip(frames, drawn, strict=True)]
        document = ContourDocument((LV_ENDOCARDIUM,), tuple(named))
        study = Study(Inputs("pictures", frames, []), document, range(number))
        names, sizes = [frame.name for frame in frames], [(64, 64)] * number
        return Review(document, names, sizes, range(number), folder, "0" * 64), study

    return make
