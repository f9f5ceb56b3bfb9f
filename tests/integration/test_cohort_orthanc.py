# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""`monai-acdr cohort` on a real server: 60 studies found by QIDO, some of them outlined and stored back."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pydicom
import pytest
from click.testing import CliRunner

from monai_acdr.apps.cli import main
from monai_acdr.apps.cohort import find_studies
from monai_acdr.data.phantoms import write_short_axis_studies
from monai_acdr.dicom import DicomWeb

LogIn = Callable[..., None]
NUM_STUDIES, NUM_DATED = 60, 3


def test_studies_by_qido(own_orthanc: Any, log_in: LogIn, tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    log_in()
    web, files = DicomWeb(own_orthanc.url), []
    phantom = write_short_axis_studies(tmp_path / "phantom", 1, num_slices=1, num_phases=2, size=(96, 96))
    dataset = pydicom.dcmread(min((phantom / "dicoms").rglob("*.dcm")))
    for number in range(NUM_STUDIES):
        dataset.PatientID, dataset.StudyInstanceUID = f"P{number}", f"1.2.3.{number}"
        dataset.SeriesInstanceUID, dataset.SOPInstanceUID = f"1.2.3.{number}.1", f"1.2.3.{number}.1.1"
        dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
        dataset.StudyDate = "20240229" if number < NUM_DATED else "20230101"
        files.append(tmp_path / f"{number}.dcm")
        dataset.save_as(str(files[-1]))
    web.store(files)
    found = find_studies(own_orthanc.url, tmp_path).studies
    assert {(study.patient, study.uid) for study in found} == {(f"P{n}", f"1.2.3.{n}") for n in range(NUM_STUDIES)}
    words = ["cohort", own_orthanc.url, "-o", str(tmp_path / "out"), "--roi", "center", "-d", "cpu", "--no-pictures"]
    words += ["--query", "Modality=MR", "--query", "StudyDate=20240201-20240301", "--key", str(tmp_path / "key.csv")]
    words += ["--rtstruct", "--store", own_orthanc.url, "--json"]
    done = CliRunner().invoke(main, words)
    assert done.exit_code == 0, done.output
    record = json.loads(done.stdout)
    assert (record["studies"], record["done"], record["failed"]) == (NUM_DATED, NUM_DATED, 0)
    with open(tmp_path / "key.csv", newline="") as stream:
        keys = {row["study_instance_uid"]: row["study"] for row in csv.DictReader(stream)}
    assert set(keys) == {f"1.2.3.{number}" for number in range(NUM_DATED)}
    for uid, name in keys.items():
        (series,) = web.find_series(uid, "RTSTRUCT")
        (stored,) = web.retrieve(uid, tmp_path / name, series.uid)
        written = pydicom.dcmread(tmp_path / "out" / "studies" / name[:2] / name / "rtstruct.dcm")
        assert pydicom.dcmread(stored).SOPInstanceUID == written.SOPInstanceUID
    own_orthanc.stop()  # the results are there; without the server no list is
    again = CliRunner().invoke(main, words)
    assert again.exit_code == 6 and "cannot be reached" in again.stderr
