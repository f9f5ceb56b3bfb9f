# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

from pathlib import Path

import numpy as np
import pydicom
import pytest

from monai_acdr.data.phantoms import write_short_axis_studies
from monai_acdr.dicom import SourceFrame, read_sources

SIZE = (60, 80)
SHAPE = np.array([[20.25, 11.5], [61.75, 14.0], [58.5, 25.25], [33.5, 24.0], [31.0, 47.75], [18.0, 44.5]])
"""An L: no flip, rotation or transposition maps it to itself. (x, y) in pixels."""


@pytest.fixture(scope="session")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two oblique slices of two phases, (60, 80) pixels of 2.1 mm x 1.7 mm."""
    folder = tmp_path_factory.mktemp("study") / "study"
    return write_short_axis_studies(folder, 1, num_slices=2, num_phases=2, size=SIZE, spacing=(2.1, 1.7))


@pytest.fixture(scope="session")
def images(study: Path) -> Path:
    return next((study / "dicoms").iterdir())


@pytest.fixture(scope="session")
def sources(images: Path) -> list[SourceFrame]:
    return read_sources(sorted(images.glob("*.dcm")))


@pytest.fixture(scope="session")
def mammogram(images: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One image without a place in the patient."""
    dataset = pydicom.dcmread(images / "1.dcm")
    for keyword in (
        *("FrameOfReferenceUID", "PositionReferenceIndicator", "ImagePositionPatient", "ImageOrientationPatient"),
        *("PixelSpacing", "SliceThickness", "TriggerTime", "SliceLocation"),
    ):
        if keyword in dataset:
            del dataset[keyword]
    dataset.Modality, dataset.ImagerPixelSpacing, dataset.PatientOrientation = "MG", [0.2, 0.2], ["A", "R"]
    dataset.SOPClassUID = dataset.file_meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.1.2"
    path = tmp_path_factory.mktemp("mammogram") / "mass.dcm"
    dataset.save_as(path)
    return path


@pytest.fixture
def shape() -> np.ndarray:
    return SHAPE.copy()


def coverage(polygon: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """(H, W) share of each pixel within a polygon, by shapely."""
    shapely = pytest.importorskip("shapely")
    rows, columns = np.indices(size)
    boxes = shapely.box(columns, rows, columns + 1, rows + 1)
    return shapely.area(shapely.intersection(boxes, shapely.Polygon(polygon)))


@pytest.fixture(scope="session")
def exact_coverage() -> np.ndarray:
    return coverage(SHAPE, SIZE)
