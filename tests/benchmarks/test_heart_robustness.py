# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""What is measured is the changed heart, whose labels move with its image."""

from __future__ import annotations

import json
from importlib import import_module
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest

from monai_acdr.apps.model import ContourModel

SHAPE = (40, 60, 6)


@pytest.fixture()
def hearts(tmp_path: Path) -> Path:
    """A bright block, whose label it has, off the middle of each image."""
    (tmp_path / "hearts" / "a").mkdir(parents=True)
    random = np.random.default_rng(0)
    for phase in ("ED", "ES"):
        labels = np.zeros(SHAPE, np.uint8)
        labels[14:20, 26:36] = 3
        image = 100 + random.normal(0, 1, SHAPE) + 400 * (labels == 3)
        affine = np.diag([1.5, 1.5, 8.0, 1.0])
        for values, end in ((image.astype(np.float32), ""), (labels, "_gt")):
            nib.save(nib.Nifti1Image(values, affine), tmp_path / "hearts" / "a" / f"{phase}{end}.nii.gz")
    return tmp_path / "hearts"


def read(path: Path) -> tuple[np.ndarray, np.ndarray]:
    volume = nib.load(path)
    return np.asarray(volume.dataobj), volume.affine


def test_labels_stay_on_what_they_mark(hearts: Path, tmp_path: Path) -> None:
    script = import_module("heart_robustness")
    shapes = {
        "turned by a quarter": (60, 40, 6),
        "transposed": (60, 40, 6),
        "field of view x 1.25": (50, 76, 6),
        "field of view x 0.6": (24, 36, 6),
        "every other slice": (40, 60, 3),
    }
    for number, (name, change) in enumerate(script.CHANGES.items()):
        script.write_changed(hearts, tmp_path / str(number), change)
        (image, affine), (labels, _) = (read(tmp_path / str(number) / "a" / f"ES{end}.nii.gz") for end in ("", "_gt"))
        assert image.shape == labels.shape == shapes.get(name, (58, 86, 6) if name.endswith("1.45") else SHAPE)
        assert image[labels == 3].mean() > 1.5 * image[labels == 0].mean(), name
        assert (labels == 3).sum() == 6 * 10 * labels.shape[2]
        assert affine[2, 2] == (16 if name == "every other slice" else 8)
        again = tmp_path / f"again {number}"
        script.write_changed(hearts, again, change)
        assert np.array_equal(read(again / "a" / "ES.nii.gz")[0], image)


@pytest.mark.parametrize("plain", [False, True])
def test_rows_are_those_of_the_runs(hearts: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, plain: bool) -> None:
    script = import_module("heart_robustness")

    def agreement(dataset: Path, output: Path, model: ContourModel, roi: str) -> dict[str, Any]:
        assert roi == "auto" and not output.exists() and model.localizer is not None
        assert (model.localizer.orientations, model.localizer.field_mm) == ((1, None) if plain else (8, 400))
        slices = read(dataset / "a" / "ED.nii.gz")[0].shape[2]
        found = {"ef_percent": {"mean_absolute_error": slices / 2}} if slices > 3 else {}
        dice = {"ED": 0.9, "ES": 0.8} if slices > 3 else {}
        findings = ["a: scattered_centers: beside", "a: dented: as always"][: 6 - slices or 2]
        counts = {"lost_slices": slices, "added_slices": 1, "failed": [], "findings": findings}
        return {**counts, "mean_dice": dice, "measures": found}

    monkeypatch.setattr(script, "agreement", agreement)
    output = tmp_path / "record.json"
    names = ["as they are", "every other slice"]
    flags = ["--plain"] if plain else []
    assert script.main([*flags, "--dataset", str(hearts), "--output", str(output), "--changes", *names]) == 0
    rows = json.loads(output.read_text())["tables"]["changes"]["rows"]
    assert rows == [
        ["as they are", "0.900 / 0.800", "3.0", "6 / 1", "1"],
        ["every other slice", "-", "-", "3 / 1", "1"],
    ]
