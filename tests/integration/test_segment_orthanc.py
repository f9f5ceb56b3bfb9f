# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""`monai-acdr segment` from and to a real server: study out, results in, found and fetched again."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pydicom
import pytest
from click.testing import CliRunner

from monai_acdr.apps.cli import main
from monai_acdr.data.phantoms import write_short_axis_studies
from monai_acdr.dicom import DicomWeb, read_rtstruct, read_sources

LogIn = Callable[..., None]


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = write_short_axis_studies(tmp_path_factory.mktemp("studies") / "x", 1, num_slices=2, num_phases=3, seed=5)
    return next((made / "dicoms").iterdir())


def run(*words: object) -> Any:
    return CliRunner().invoke(main, ["segment", *map(str, words), "--roi", "center", "-d", "cpu"])


def test_there_and_back(orthanc: Any, log_in: LogIn, study: Path, tmp_path: Path) -> None:
    log_in()
    web = DicomWeb(orthanc.url)
    web.store(sorted(study.iterdir()))
    uid = str(pydicom.dcmread(next(study.iterdir()), stop_before_pixels=True).StudyInstanceUID)
    url = f"{orthanc.url}/studies/{uid}"
    out = tmp_path / "out"
    done = run(url, "-o", out, "--seg", "--rtstruct", "--sr", "--store", orthanc.url, "--json")
    assert done.exit_code == 0, done.output
    record = json.loads(done.stdout)
    assert record["stored"] == 3
    assert json.loads((out / "report.json").read_text())["stored"] == 3
    for modality in ("RTSTRUCT", "SEG", "SR"):
        (series,) = web.find_series(uid, modality)
        (path,) = web.retrieve(uid, tmp_path / modality, series.uid)
        assert pydicom.dcmread(path).SOPInstanceUID
    (path,) = (tmp_path / "RTSTRUCT").iterdir()
    regions = read_rtstruct(path, read_sources(sorted(study.iterdir())))
    assert [region.structure.label for region in regions] == ["LV endocardium", "LV epicardium"]
    assert [sum(map(len, region.contours)) for region in regions] == [6, 6]
    # results of the first run do not disturb the second
    again = run(url, "-o", tmp_path / "again", "--no-pictures")
    assert again.exit_code == 0, again.output


def test_refusals_leave_no_output(orthanc: Any, log_in: LogIn, tmp_path: Path) -> None:
    log_in(password="wrong")
    done = run(f"{orthanc.url}/studies/1.2.3", "-o", tmp_path / "out")
    assert done.exit_code == 6
    assert "wrong" not in done.stderr
    log_in()
    done = run(f"{orthanc.url}/studies/1.2.3", "-o", tmp_path / "out")
    assert done.exit_code == 6
    assert run(f"{orthanc.url}/patients/1", "-o", tmp_path / "out").exit_code == 3
    assert run("http://127.0.0.1:9/studies/1.2.3", "-o", tmp_path / "out").exit_code == 6
    assert not (tmp_path / "out").exists()


def test_results_stay_when_they_cannot_be_stored(own_orthanc: Any, log_in: LogIn, study: Path, tmp_path: Path) -> None:
    log_in()
    own_orthanc.stop()
    out = tmp_path / "out"
    done = run(study, "-o", out, "--rtstruct", "--no-pictures", "--store", own_orthanc.url)
    assert done.exit_code == 6
    assert sorted(path.name for path in out.iterdir()) == ["contours.json", "report.json", "rtstruct.dcm"]
