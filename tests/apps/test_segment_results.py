# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Parts of the writing that whole runs (test_segment_study.py) do not reach."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pydicom
import pytest
from pydicom.uid import generate_uid

from monai_acdr.apps import segment
from monai_acdr.apps.inputs import read_inputs
from monai_acdr.apps.segment_results import RESULT_NAMES, Wanted, check_wanted

NOTHING = Wanted(None, False, False, False, False, False, False, False)


def test_several_mammograms_get_a_segmentation_each(
    mammogram: Path, tiny_mass: Path, tmp_path: Path, edit: Callable[..., Path]
) -> None:
    folder = tmp_path / "study"
    folder.mkdir()
    shutil.copy(mammogram, folder / "a.dcm")
    edit(mammogram, to=folder / "b.dcm", SOPInstanceUID=generate_uid(), InstanceNumber=2)
    out = tmp_path / "out"
    segment(folder, out, tiny_mass, "box 40 60 80 90", seg="BINARY", device="cpu")
    files = sorted((out / "seg").iterdir())
    assert [path.name for path in files] == ["a.dcm", "b.dcm"]
    referenced = {
        pydicom.dcmread(path).ReferencedSeriesSequence[0].ReferencedInstanceSequence[0].ReferencedSOPInstanceUID
        for path in files
    }
    assert len(referenced) == 2


def test_names_of_results_have_no_twin() -> None:
    assert len(set(RESULT_NAMES)) == len(RESULT_NAMES)
    assert all(Path(name).name == name for name in RESULT_NAMES)


def test_nothing_is_asked_of_pictures(study: Path) -> None:
    inputs = read_inputs(study)
    check_wanted(NOTHING, inputs, store=False)
    with pytest.raises(ValueError, match="Expected a DICOM result to store"):
        check_wanted(NOTHING, inputs, store=True)
