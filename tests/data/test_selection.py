# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from monai_acdr.data import DISPLACED_PATIENTS, default_exclusions, excluded_patients, inference_data_list
from monai_acdr.data.phantoms import write_short_axis_studies


@pytest.fixture(scope="module")
def studies(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_short_axis_studies(
        tmp_path_factory.mktemp("studies") / "set", num_patients=3, num_slices=1, num_phases=3
    )


def _png(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full((8, 8), 255, np.uint8)).save(path)
    return path


def test_exclusions_by_layout(studies: Path, tmp_path: Path) -> None:
    assert default_exclusions(studies) == ()
    for folder in ("images", "endo_masks"):
        _png(tmp_path / "validation" / folder / "SC-N-06-IM-0001-0001.png")
    assert default_exclusions(tmp_path) == DISPLACED_PATIENTS
    with pytest.raises(FileNotFoundError, match="check `dataset_dir`"):
        default_exclusions(tmp_path / "absent")


def test_a_data_set_gives_its_labeled_frames(studies: Path) -> None:
    items = inference_data_list(studies)
    assert items
    assert all("label" in item for item in items)


def test_a_folder_gives_its_images(studies: Path) -> None:
    patient = next(path for path in sorted((studies / "dicoms").iterdir()))
    items = inference_data_list(patient)
    assert len(items) == len(list(patient.glob("*.dcm")))
    assert all("label" not in item and item["has_spacing"] for item in items)
    assert len(inference_data_list(studies, pattern=f"dicoms/{patient.name}/*.dcm")) == len(items)


def test_a_file(tmp_path: Path) -> None:
    assert [item["name"] for item in inference_data_list(_png(tmp_path / "frame.png"))] == ["frame"]


def test_excluded_patients(studies: Path) -> None:
    items = inference_data_list(studies)
    assert excluded_patients(items, studies) == ()
    assert excluded_patients(items, studies, ()) == ()
    assert excluded_patients(items, studies, ["SYN-01", "SC-N-06"]) == ("SYN-01", "SC-N-6")
    with pytest.raises(ValueError, match=r"got \['SYM-01'\]: write them as 'SC-N-6'"):
        excluded_patients(items, studies, ["SYM-01"])
    with pytest.raises(ValueError, match=r"write \['SC-N-6'\]"):
        excluded_patients(items, studies, "SC-N-6")
