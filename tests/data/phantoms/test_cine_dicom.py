# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Frames as DICOM: geometry, identifiers, decimal strings."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pydicom
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monai_acdr.data.phantoms.short_axis import SLICE_DISTANCE, CineGeometry, CineStudy, _decimal

SIZE, SPACING = (6, 4), (1.5, 2.5)


def make(seed: int = 0, entropy: str = "a") -> CineStudy:
    return CineStudy("SYN0000009", 3, SIZE, SPACING, CineGeometry.draw(np.random.default_rng(seed)), (entropy,))


def write(study: CineStudy, folder: Path, slice_index: int = 1, phase: int = 2) -> pydicom.Dataset:
    path = folder / f"{study.frame_number(slice_index, phase)}.dcm"
    study.write(path, np.arange(24, dtype=np.int16).reshape(SIZE) - 5, slice_index, phase)
    return pydicom.dcmread(path)


@given(seed=st.integers(0, 10_000))
def test_plane_is_orthonormal_and_its_middle_is_the_center(seed: int) -> None:
    geometry = CineGeometry.draw(np.random.default_rng(seed))
    frame = np.stack([geometry.row, geometry.column, geometry.normal])
    assert np.allclose(frame @ frame.T, np.eye(3), atol=1e-12)
    assert np.linalg.det(frame) == pytest.approx(1)
    middle = geometry.position(2, SIZE, SPACING) + 1.5 * 2.5 * geometry.row + 2.5 * 1.5 * geometry.column
    assert np.allclose(middle, geometry.center + 2 * SLICE_DISTANCE * geometry.normal)


def test_pixels_come_back_with_their_sign(tmp_path: Path) -> None:
    dataset = write(make(), tmp_path)
    assert np.array_equal(dataset.pixel_array, np.arange(24).reshape(SIZE) - 5)
    assert (dataset.Rows, dataset.Columns) == SIZE


def test_frames_are_numbered_slice_by_slice(tmp_path: Path) -> None:
    study = make()
    assert [study.frame_number(s, p) for s in (0, 1) for p in (0, 1, 2)] == [1, 2, 3, 4, 5, 6]
    dataset = write(study, tmp_path)
    assert dataset.InstanceNumber == 6
    assert dataset.TriggerTime == pytest.approx(800 * 2 / 3)


def test_nothing_of_one_frame_stays_in_the_next(tmp_path: Path) -> None:
    study = make()
    first = write(study, tmp_path, 0, 0)
    write(study, tmp_path, 1, 2)
    assert write(study, tmp_path, 0, 0) == first
    assert first.file_meta.MediaStorageSOPInstanceUID == first.SOPInstanceUID


def test_uids_follow_from_patient_and_entropy(tmp_path: Path) -> None:
    dataset, again, other = (write(make(entropy=entropy), tmp_path) for entropy in "aab")
    for keyword in ("SOPInstanceUID", "SeriesInstanceUID", "StudyInstanceUID", "FrameOfReferenceUID"):
        assert dataset[keyword] == again[keyword]
        assert dataset[keyword] != other[keyword]
        assert dataset[keyword].value.is_valid


def test_nobody_can_take_it_for_a_patient(tmp_path: Path) -> None:
    dataset = write(make(), tmp_path)
    assert dataset.PatientName == "Synthetic^Phantom"
    assert dataset.QualityControlSubject == "YES"
    assert "ynthetic" in dataset.StudyDescription and "ynthetic" in dataset.SeriesDescription
    assert (dataset.PatientBirthDate, dataset.PatientSex) == ("", "")


@given(value=st.floats(-9999, 9999))
def test_decimal_strings_fit(value: float) -> None:
    text = _decimal(value)
    assert len(text) <= 16
    assert float(text) == pytest.approx(value, abs=1e-8)
    assert text != "-0"


def test_frames_of_a_large_stack_have_identifiers_of_their_own(tmp_path: Path) -> None:
    """Slice 1, phase 10 and slice 11, phase 0 had the same one."""
    study = make()
    uids = {
        str(write(study, tmp_path, *place).SOPInstanceUID) for place in ((1, 10), (11, 0), (1, 1), (11, 1), (1, 11))
    }
    assert len(uids) == 5
