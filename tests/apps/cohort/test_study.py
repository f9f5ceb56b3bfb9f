# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""One study of a cohort: whole or absent, once, and never with other settings."""

from __future__ import annotations

import errno
import hashlib
import hmac
import json
import stat
import tempfile
from dataclasses import replace
from pathlib import Path

import pydicom
import pytest

from monai_acdr.apps.cohort import CohortRun, Study, open_run, process_study
from monai_acdr.apps.cohort import study as module

from .conftest import OPTIONS


def files_below(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


@pytest.fixture()
def run(tiny_heart: Path, tmp_path: Path) -> CohortRun:
    return open_run(tmp_path / "run", tiny_heart, "center", OPTIONS)


def found(study: Path) -> Study:
    header = pydicom.dcmread(next(study.iterdir()), stop_before_pixels=True)
    files = tuple(str(path) for path in study.iterdir())
    return Study(str(study), study.name, str(header.PatientID), str(header.StudyInstanceUID), files, "dicom")


def test_results_appear_once_under_a_pseudonym(run: CohortRun, study: Path) -> None:
    item = found(study)
    outcome = process_study(run, item)
    secret = bytes.fromhex((run.folder / "salt").read_text())
    expected = hmac.new(secret, f"dicom\0{item.patient}\0{item.uid}".encode(), hashlib.sha256).hexdigest()[:20]
    assert (outcome.study, outcome.state, outcome.earlier) == (expected, "done", False)
    folder = run.folder / "studies" / expected[:2] / expected
    assert files_below(folder) == ["contours.json", "report.json", "study.json"]
    record = json.loads((folder / "study.json").read_text())
    assert record["sha256"]["contours.json"] == hashlib.sha256((folder / "contours.json").read_bytes()).hexdigest()
    hashes = sorted(hashlib.sha256(path.read_bytes()).hexdigest() for path in study.iterdir())
    assert record["input_sha256"] == hashlib.sha256("".join(hashes).encode()).hexdigest()
    before = {path: path.stat().st_mtime_ns for path in run.folder.rglob("*")}
    assert process_study(run, item).earlier
    assert {path: path.stat().st_mtime_ns for path in run.folder.rglob("*")} == before
    assert stat.S_IMODE((run.folder / "salt").stat().st_mode) == 0o600
    assert [path.name for path in run.folder.rglob(".*")] == []


def test_a_study_that_is_done_again_has_the_same_uids(tiny_heart: Path, study: Path, tmp_path: Path) -> None:
    options = replace(OPTIONS, seg="BINARY", rtstruct=True, sr=True)
    uids = []
    for name in "ab":
        again = open_run(tmp_path / name, tiny_heart, "center", options, salt=tmp_path / "salt")
        outcome = process_study(again, found(study))
        assert outcome.state == "done", outcome.reason
        folder = again.study_folder(outcome.study)
        uids.append([pydicom.dcmread(folder / f"{kind}.dcm").SOPInstanceUID for kind in ("seg", "rtstruct", "sr")])
    assert uids[0] == uids[1] and len(set(uids[0])) == 3


def test_a_run_is_not_continued_with_other_settings(tiny_heart: Path, tiny_cavity: Path, tmp_path: Path) -> None:
    first = open_run(tmp_path, tiny_heart, "center", OPTIONS)
    again = open_run(tmp_path, tiny_heart, "center", replace(OPTIONS, batch_size=1, device=None, store="http://x/y"))
    assert (again.digest, again.salt) == (first.digest, first.salt)
    with pytest.raises(FileExistsError, match="mask was False and is True: give the same options"):
        open_run(tmp_path, tiny_heart, "center", replace(OPTIONS, mask=True))
    with pytest.raises(FileExistsError, match="roi was 'center' and is 'auto'"):
        open_run(tmp_path, tiny_heart, "auto", OPTIONS)
    with pytest.raises(FileExistsError, match="weights_sha256 was"):
        open_run(tmp_path, tiny_cavity, "center", OPTIONS)
    (tmp_path / "other").write_text("0" * 64)
    with pytest.raises(FileExistsError, match="salt_sha256 was"):
        open_run(tmp_path, tiny_heart, "center", OPTIONS, salt=tmp_path / "other")
    (tmp_path / "other").write_text("secret")
    with pytest.raises(ValueError, match="Expected 64 hexadecimal digits in .*other, but got something else"):
        open_run(tmp_path, tiny_heart, "center", OPTIONS, salt=tmp_path / "other")


def test_a_failure_is_recorded_without_identity_and_repeated_on_request(
    run: CohortRun, own_study: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    item = found(own_study)
    content = {path: path.read_bytes() for path in own_study.iterdir()}
    for path in content:
        path.write_bytes(content[path][: len(content[path]) // 2])
    outcome = process_study(run, item)
    assert (outcome.state, outcome.kind) == ("failed", "input")
    assert str(own_study) not in outcome.reason and item.uid not in outcome.reason
    record = json.loads(run.failure_file(outcome.study).read_text())
    assert record["exit_code"] == 3 and record["reason"] == outcome.reason
    for path, whole in content.items():
        path.write_bytes(whole)
    assert process_study(run, item) == replace(outcome, seconds=record["seconds"], earlier=True)
    assert process_study(run, item, retry_failed=True).state == "done"
    assert not run.failure_file(outcome.study).exists()


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("Expected one series in {tmp}/00001.dcm: choose one with --series", None),
        ("Expected images in {source}, but found none", "Expected images in the study, but found none"),
        ("Maier_Otto has two series, 1.2.840.1.2.3.4 and 1.2.840.1.2.3.5", "*** has two series, *** and ***"),
        (
            "There are 3 frames of P 7 at 12.5 mm; 1.4.2 is a version",
            "There are 3 frames of *** at 12.5 mm; 1.4.2 is a version",
        ),
        ("a.b ser and Maier_Otto.png", "a.b *** and ***"),
    ],
)
def test_reasons_without_identity_stay_readable(text: str, reason: str | None) -> None:
    """Whole names are replaced, also such as are parts of other words."""
    study = Study("/data/a/ser/Maier_Otto", "a/ser/Maier_Otto", "P 7", "1.2.840.1.2.3.4", ("/data/x/Maier_Otto.png",))
    temporary = tempfile.gettempdir() + "/monai_acdr-abc123"
    told = module._without_identity(text.format(tmp=temporary, source=study.source), study)
    assert told == (reason or "Expected one series in 00001.dcm: choose one with --series")


def test_a_full_disk_leaves_nothing(run: CohortRun, study: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(module, "segment", full)
        outcome = process_study(run, found(study))
    assert (outcome.kind, outcome.state) == ("output", "failed")
    assert "No space left on device" in outcome.reason
    assert files_below(run.folder / "studies") == []
    assert process_study(run, found(study), retry_failed=True).state == "done"


def test_a_study_at_which_processes_die(run: CohortRun, study: Path) -> None:
    """Two processes of one start, or three in all, that did not get to its end."""
    item = found(study)
    mark = run.running_file(run.pseudonym(item))
    mark.parent.mkdir()
    mark.write_text(f"{run.session}\n" * 2)
    outcome = process_study(run, item)
    assert outcome.kind == "process_died" and "2 processes ended during it" in outcome.reason
    assert not mark.exists()
    mark.write_text(f"{run.session}\n" * 2)  # a repetition, too, ends after two
    assert process_study(run, item, retry_failed=True).kind == "process_died"
    mark.write_text("another\nanother\nanother\n")  # it is not known whether the study was the cause
    assert process_study(run, item, retry_failed=True).state == "done"
    assert not mark.exists()


def test_two_processes_at_one_study(run: CohortRun, study: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The one that comes later finds the results of the other."""
    item, real = found(study), module.segment

    def slow(*arguments: object, **options: object) -> object:
        folder = run.study_folder(run.pseudonym(item))
        folder.mkdir()
        (folder / "study.json").write_text("{}")
        return real(*arguments, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(module, "segment", slow)
    outcome = process_study(run, item)
    assert outcome.state == "done" and outcome.earlier
    assert not list(run.folder.rglob("failed"))
