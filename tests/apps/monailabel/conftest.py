# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Images of the server, and a model whose contours hardly move: circles about the middle of the region."""

from __future__ import annotations

import shutil
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from monai_acdr.apps.model import ContourModel, load_model
from monai_acdr.apps.monailabel.images import LabelImage, read_label_image
from monai_acdr.apps.monailabel.model_store import ModelStore

AFFINE = np.array([[-1.2, 0.3, 1.0, 60], [0.3, 1.4, 0.5, -70], [0.2, -0.2, -8, 25], [0, 0, 0, 1]], dtype=np.float64)


@pytest.fixture(scope="session")
def heart_model(tiny_heart: Path) -> ContourModel:
    return load_model(tiny_heart, device="cpu")


@pytest.fixture(scope="session")
def mass_model(tiny_mass: Path) -> ContourModel:
    return load_model(tiny_mass, device="cpu")


@pytest.fixture(scope="session")
def volume_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """NIfTI, 112 x 100 x 3 voxels, oblique, with a bright disc that moves from slice to slice."""
    x, y, z = np.meshgrid(np.arange(112), np.arange(100), np.arange(3), indexing="ij")
    voxels = 100 * ((x - 50 - 4 * z) ** 2 + (y - 40) ** 2 < 15**2) + np.random.default_rng(0).normal(size=x.shape)
    path = tmp_path_factory.mktemp("volume") / "volume.nii.gz"
    nib.save(nib.Nifti1Image(voxels.astype(np.float32), AFFINE), path)
    return path


@pytest.fixture(scope="session")
def volume(volume_file: Path) -> LabelImage:
    return read_label_image(volume_file)


@pytest.fixture(scope="session")
def series(study: Path) -> LabelImage:
    return read_label_image(study)


@pytest.fixture()
def heart_store(tiny_heart: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModelStore:
    root = Path(shutil.copytree(tiny_heart, tmp_path / "bundle" / tiny_heart.name))
    monkeypatch.setattr("monai_acdr.apps.monailabel.model_store.bundle_root", lambda _name: root)
    store = ModelStore("sunnybrook_lv_acdr", tmp_path / "model", "cpu")
    store.prepare()
    return store
