# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pydicom
import pytest
from click.testing import CliRunner

from monai_acdr.apps.cli import main
from monai_acdr.apps.mercure_task import IN_DIR, OUT_DIR, mercure


def task(**settings: Any) -> dict[str, Any]:
    """As mercure writes it (app/common/types.py, Task)."""
    return {
        "id": "0b5c3e5e-0000-11ef-8000-000000000000",
        "info": {
            "action": "both",
            "uid": "1.2",
            "uid_type": "series",
            "triggered_rules": {"hearts": True},
            "applied_rule": "hearts",
            "patient_name": "Doe^Jane",
            "mrn": "P1",
            "acc": "A1",
            "mercure_version": "0.4.0",
            "mercure_appliance": "master",
            "mercure_server": "host",
            "sender_aet": "MR1",
            "receiver_aet": "MERCURE",
        },
        "dispatch": {"target_name": "pacs", "status": {}, "retries": 0, "next_retry_at": 0, "series_uid": None},
        "process": {
            "module_name": "acdr",
            "module_config": {"docker_tag": "acdr:latest", "settings": {}},
            "settings": settings,
            "retain_input_images": False,
            "output": None,
        },
        "study": {},
        "nomad_info": None,
    }


@pytest.fixture()
def folders(phantom: Path, tmp_path: Path) -> tuple[Path, Path]:
    """The folders of a task on a synthetic heart."""
    source, target = tmp_path / "in", tmp_path / "out"
    source.mkdir()
    target.mkdir()
    for path in phantom.glob("dicoms/*/*.dcm"):
        header = pydicom.dcmread(path, stop_before_pixels=True)
        name = f"{header.SeriesInstanceUID}#{header.SOPInstanceUID}"
        shutil.copyfile(path, source / f"{name}.dcm")
        (source / f"{name}.tags").write_text('{"PatientName": "Doe^Jane"}')
    return source, target


def write_task(source: Path, **settings: Any) -> None:
    (source / "task.json").write_text(json.dumps(task(**settings)))


def test_images_in_results_out(folders: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    source, target = folders
    write_task(source, roi="center", notify=True)
    monkeypatch.setenv(IN_DIR, str(source))
    monkeypatch.setenv(OUT_DIR, str(target))
    done = CliRunner().invoke(main, ["mercure", "-d", "cpu"])
    assert done.exit_code == 0, done.output
    files = sorted(target.glob("*.dcm"))
    headers = [pydicom.dcmread(path, stop_before_pixels=True) for path in files]
    assert sorted(header.Modality for header in headers) == ["RTSTRUCT", "SEG", "SR"]
    assert [path.name for path in files] == [f"{h.SeriesInstanceUID}#{h.SOPInstanceUID}.dcm" for h in headers]
    first = pydicom.dcmread(next(source.glob("*.dcm")), stop_before_pixels=True)
    assert {header.StudyInstanceUID for header in headers} == {first.StudyInstanceUID}
    result = json.loads((target / "result.json").read_text())
    assert (result["frames"], result["outlined"], result["files"]) == (12, 12, 3)
    assert result["volumes"]["end_diastolic_volume_ml"] > 0
    assert "frame(s) outlined" in result["__mercure_notification"]["text"]
    for secret in (first.PatientID, str(first.PatientName), first.StudyInstanceUID, first.SOPInstanceUID, "Doe"):
        assert secret not in json.dumps(result)
    assert sorted(path.name for path in target.iterdir()) == sorted([*(path.name for path in files), "result.json"])

    # A task that is repeated adds nothing; other settings are other results.
    mercure(source, target, device="cpu")
    assert sorted(target.glob("*.dcm")) == files
    write_task(source, roi="center", options={"all_frames": True})
    mercure(source, target, device="cpu")
    assert len(list(target.glob("*.dcm"))) == 6


@pytest.mark.parametrize(
    ("record", "message"),
    [
        ({}, "to have an object at"),
        ([], "to have an object at"),
        ({"process": {"settings": []}}, "to have an object at"),
        (task(modle="x"), "did you mean 'model'"),
        (task(notify="yes"), '"notify" in .* to be true or false'),
        (task(options={"sr": "yes"}), "to be true or false"),
    ],
)
def test_settings_that_are_wrong(record: object, message: str, folders: tuple[Path, Path]) -> None:
    source, target = folders
    (source / "task.json").write_text(json.dumps(record))
    with pytest.raises(ValueError, match=message):
        mercure(source, target)
    assert not list(target.iterdir())


def test_folders_that_are_wrong(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(IN_DIR, raising=False)
    done = CliRunner().invoke(main, ["mercure"])
    assert done.exit_code == 3
    assert "the environment variable MERCURE_IN_DIR" in done.stderr
    with pytest.raises(FileNotFoundError, match=r"absent \(MERCURE_IN_DIR\) to be a folder"):
        mercure(tmp_path / "absent", tmp_path)
    with pytest.raises(FileNotFoundError, match="task"):
        mercure(tmp_path, tmp_path)
    write_task(tmp_path)
    with pytest.raises(ValueError, match=r"Expected images, \*\.dcm"):
        mercure(tmp_path, tmp_path)
