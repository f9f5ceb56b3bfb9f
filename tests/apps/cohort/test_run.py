# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Whole cohorts in this process: tables, failures, and starting again."""

from __future__ import annotations

import csv
import errno
import hashlib
import json
import os
import re
import shutil
import sqlite3
import stat
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from PIL import Image

from monai_acdr.apps import SegmentOptions, segment
from monai_acdr.apps.cohort import CohortReport, run
from monai_acdr.apps.cohort import study as one_study
from monai_acdr.apps.cohort.tables import result_hashes
from monai_acdr.dicom import DicomWebError
from monai_acdr.measures import compute_agreement
from monai_acdr.signals import Stopped

from .conftest import NUM_STUDIES, OPTIONS

Do = Callable[..., CohortReport]


def rows_of(path: Path) -> dict[str, dict[str, str]]:
    with open(path, newline="", encoding="utf-8") as stream:
        return {row["study"]: row for row in csv.DictReader(stream)}


def without_seconds(path: Path) -> list[dict[str, str]]:
    return [{key: value for key, value in row.items() if key != "seconds"} for row in rows_of(path).values()]


def test_tables_say_what_the_studies_say(do: Do, cohort_tree: Path, tiny_heart: Path, tmp_path: Path) -> None:
    """A row per study and per frame, with the values that `segment` gives for each study alone."""
    pq = pytest.importorskip("pyarrow.parquet")
    report = do(cohort_tree, key=tmp_path / "key.csv")
    assert (report.studies, report.done, report.failed, report.earlier) == (NUM_STUDIES, NUM_STUDIES, 0, 0)
    assert report.files == ["cohort.csv", "cohort.parquet", "frames.parquet", "cohort.html"]
    rows = rows_of(tmp_path / "run" / "cohort.csv")
    table = pq.read_table(tmp_path / "run" / "cohort.parquet").to_pylist()
    assert [row["study"] for row in table] == sorted(rows)
    frames = pq.read_table(tmp_path / "run" / "frames.parquet").to_pylist()
    assert len(frames) == 4 * NUM_STUDIES
    assert stat.S_IMODE((tmp_path / "key.csv").stat().st_mode) == 0o600
    for key in rows_of(tmp_path / "key.csv").values():
        assert Path(key["source"]).parent == cohort_tree
        alone = segment(key["source"], tmp_path / key["study"], tiny_heart, "center", options=OPTIONS)
        assert alone.volumes is not None and alone.wall is not None
        row = next(row for row in table if row["study"] == key["study"])
        assert row["edv_ml"] == pytest.approx(alone.volumes.end_diastolic_volume_ml)
        assert row["ef_percent"] == pytest.approx(alone.volumes.ejection_fraction_percent)
        assert row["mass_g"] == pytest.approx(alone.wall.mass_g)
        assert (row["frames"], row["outlined"], row["state"]) == (4, 4, "done")
        own = [frame for frame in frames if frame["study"] == key["study"]]
        assert [frame["number"] for frame in own] == [1, 2, 3, 4]
        for frame, expected in zip(own, alone.frames, strict=True):
            assert (frame["slice"], frame["phase"]) == (expected.slice_index, expected.phase)
            area = expected.measures["LV epicardium"]["area_mm2"]
            assert frame["lv_epicardium_area_mm2"] == pytest.approx(area)
    page = (tmp_path / "run" / "cohort.html").read_text()
    assert page.count("data:image/png") == 2 and "gap" in page
    everything = page + "".join(map(str, table)) + "".join(path.name for path in (tmp_path / "run").rglob("*"))
    assert "SYN0" not in everything


def test_hashes_of_results() -> None:
    """Of several segmentations, in `seg/`, that of their hashes; a picture called sr is none of the reports."""
    files = {"contours.json": "c", "seg/b.dcm": "2", "seg/sr.dcm": "9", "seg/a.dcm": "1", "sr.dcm": "s"}
    expected = {"contours_sha256": "c", "seg_sha256": hashlib.sha256(b"129").hexdigest(), "sr_sha256": "s"}
    assert result_hashes(files) == {**expected, "rtstruct_sha256": None}
    assert result_hashes({"seg.dcm": "1"})["seg_sha256"] == "1"


def test_studies_to_check_have_a_finding_that_says_why(do: Do, cohort_tree: Path, tmp_path: Path) -> None:
    """A study may be to check without a doubtful frame: two slices are no whole ventricle."""
    do(next(cohort_tree.iterdir()), options=SegmentOptions(device="cpu"))
    (row,) = rows_of(tmp_path / "run" / "cohort.csv").values()
    assert "doubtful" not in row and (row["doubtful_frames"], row["to_check"]) == ("0", "true")
    assert "incomplete_stack" in row["findings"]
    page = (tmp_path / "run" / "cohort.html").read_text()
    assert "0 of 4 outlined frame(s) doubtful" in page and "; implausible volume, incomplete stack" in page


def test_started_again_it_does_what_is_missing(do: Do, cohort_tree: Path, tmp_path: Path) -> None:
    do(cohort_tree)
    table = without_seconds(tmp_path / "run" / "cohort.csv")
    studies = sorted((tmp_path / "run" / "studies").glob("*/*"))
    shutil.rmtree(studies[0])
    shutil.rmtree(studies[1])
    times = {path: path.stat().st_mtime_ns for path in studies[2:]}
    report = do(cohort_tree)
    assert (report.done, report.earlier) == (NUM_STUDIES, NUM_STUDIES - 2)
    assert {path: path.stat().st_mtime_ns for path in times} == times
    assert without_seconds(tmp_path / "run" / "cohort.csv") == table
    with pytest.raises(FileExistsError, match="mask was False and is True"):
        do(cohort_tree, options=replace(OPTIONS, mask=True))


@pytest.mark.parametrize("how", ["written", "removed"])
def test_a_study_whose_files_have_changed_is_named(do: Do, cohort_tree: Path, tmp_path: Path, how: str) -> None:
    said: list[str] = []
    tree = Path(shutil.copytree(cohort_tree, tmp_path / "tree"))
    do(tree, say=said.append)
    do(tree, say=said.append)
    assert not any("other files" in line for line in said)
    file = next(path for path in sorted(tree.rglob("*")) if path.is_file() and path.suffix == ".dcm")
    if how == "written":
        os.utime(file, (time.time() + 5,) * 2)
    else:
        file.unlink()
    do(tree, say=said.append)
    (line,) = [line for line in said if "other files" in line]
    assert line.startswith("1 of the studies that are done have other files now")
    (folder,) = re.findall(r"studies/[0-9a-f]{2}/[0-9a-f]+", line)
    shutil.rmtree(tmp_path / "run" / folder)
    assert do(tree, say=said.append).done == NUM_STUDIES
    assert (tmp_path / "run" / folder).is_dir()


def test_a_run_that_is_stopped_goes_on(do: Do, cohort_tree: Path, tmp_path: Path, monkeypatch: Any) -> None:
    real, calls = one_study.segment, iter(range(100))

    def stopped(*arguments: Any, **options: Any) -> Any:
        if next(calls) == 2:
            raise Stopped(15)
        return real(*arguments, **options)

    with monkeypatch.context() as patch:
        patch.setattr(one_study, "segment", stopped)
        with pytest.raises(Stopped, match="SIGTERM"):
            do(cohort_tree)
    assert len(list((tmp_path / "run" / "studies").glob("*/*"))) == 2
    assert [path for path in (tmp_path / "run").rglob("*") if path.name.startswith(".")] == []
    assert do(cohort_tree).done == NUM_STUDIES
    assert list((tmp_path / "run" / "running").iterdir()) == []


def bomb(path: Path) -> None:
    """A picture of a few kilobytes that asks for 625 MB."""
    Image.new("1", (12500, 12500)).save(path)


def test_a_poisoned_cohort(do: Do, cohort_tree: Path, tmp_path: Path, monkeypatch: Any) -> None:
    """The rest is done, and each reason is right."""
    root = tmp_path / "root"
    for name in ("good", "cut", "two", "later", "disk", "crash", "memory"):
        shutil.copytree(sorted(cohort_tree.iterdir())[0], root / name)
    for path in (root / "cut").iterdir():
        path.write_bytes(path.read_bytes()[:3000])
    some = sorted((root / "two").iterdir())[0]
    dataset = pydicom.dcmread(some)
    dataset.PatientID, dataset.SOPInstanceUID = "another", "1.2.3"
    dataset.save_as(str(root / "two" / "other.dcm"))
    partly = sorted((root / "later").iterdir())[-1]
    partly.write_bytes(partly.read_bytes()[:3000])
    (root / "empty").mkdir()
    (root / "bomb").mkdir()
    bomb(root / "bomb" / "1.png")
    names = ["good", "cut", "two", "later", "disk", "crash", "memory", "empty", "bomb", "absent"]
    server = "http://127.0.0.1:9/dicom-web/studies/1.2.3"
    (root / "list.txt").write_text("\n".join([*names, server]))
    real = one_study.segment

    def poisoned(path: Path, *arguments: Any, **options: Any) -> Any:
        errors = {
            "disk": OSError(errno.ENOSPC, "No space left on device"),
            "crash": ZeroDivisionError("in a codec"),
            "memory": MemoryError(),
        }
        if path.name in errors:
            raise errors[path.name]
        return real(path, *arguments, **options)

    monkeypatch.setattr(one_study, "segment", poisoned)
    report = do(root / "list.txt", key=tmp_path / "key.csv")
    assert (report.studies, report.done, report.failed) == (11, 2, 9)
    pseudonyms = {row["name"]: row["study"] for row in rows_of(tmp_path / "key.csv").values()}
    rows = rows_of(tmp_path / "run" / "cohort.csv")
    expected = {
        "good": ("done", "", ""),
        "later": ("done", "", ""),
        "cut": ("failed", "input", "Expected"),
        "two": ("failed", "input", "patient"),
        "disk": ("failed", "output", "No space left on device"),
        "crash": ("failed", "unexpected", "in a codec"),
        "memory": ("failed", "memory", "MemoryError"),
        "empty": ("failed", "input", "found none"),
        "bomb": ("failed", "input", "MiB"),
        "absent": ("failed", "input", "does not exist"),
        server: ("failed", "server", "cannot be reached"),
    }
    for name, (state, kind, words) in expected.items():
        row = rows[pseudonyms[name]]
        assert (row["state"], row["kind"]) == (state, kind), row
        assert re.search(words, row["reason"]), row
        assert str(root) not in row["reason"]
    assert rows[pseudonyms["later"]]["skipped"] == "1"
    page = (tmp_path / "run" / "cohort.html").read_text()
    assert "No space left on device" in page and "in a codec" in page
    assert do(root / "list.txt").earlier == 11
    monkeypatch.setattr(one_study, "segment", real)
    again = do(root / "list.txt", retry_failed=True)
    assert (again.done, again.failed, again.earlier) == (5, 6, 2)


def test_a_truncated_copy_is_counted_and_found_by_its_number(do: Do, cohort_tree: Path, tmp_path: Path) -> None:
    """The other images are outlined, results name the copy by its number, and only the index has its own name."""
    shutil.copytree(sorted(cohort_tree.iterdir())[0], tmp_path / "data" / "Doe Jane")
    (first, *_), damaged = sorted((tmp_path / "data" / "Doe Jane").iterdir()), tmp_path / "data" / "Doe Jane" / "x.dcm"
    damaged.write_bytes(first.read_bytes()[:-100])
    assert do(tmp_path / "data").failed == 0
    (row,) = rows_of(tmp_path / "run" / "cohort.csv").values()
    assert (row["state"], row["frames"], row["skipped"]) == ("done", "4", "1")
    (report,) = (tmp_path / "run" / "studies").rglob("report.json")
    (entry,) = json.loads(report.read_text())["skipped"]
    assert entry["file"] == "00005.dcm" and re.fullmatch(r"a truncated copy, .* of 0000\d\.dcm", entry["reason"])
    assert "Doe" not in report.read_text()
    with closing(sqlite3.connect(tmp_path / "run" / "index" / "index.sqlite")) as index:
        ((path, uid),) = index.execute("SELECT path, study FROM names WHERE name = ?", (entry["file"],))
    assert path == "Doe Jane/x.dcm" and uid == str(pydicom.dcmread(first, stop_before_pixels=True).StudyInstanceUID)


def test_a_server_that_goes_away(do: Do, cohort_tree: Path, tmp_path: Path, monkeypatch: Any) -> None:
    """What could be stored is done; the rest is repeated when the server is back."""
    real, calls = one_study.segment, iter(range(100))

    def gone(*arguments: Any, **options: Any) -> Any:
        if next(calls) >= 3:
            raise DicomWebError("Expected a DICOMweb server at http://host, but it cannot be reached.")
        return real(*arguments, **options)

    with monkeypatch.context() as patch:
        patch.setattr(one_study, "segment", gone)
        report = do(cohort_tree)
    assert (report.done, report.failed) == (3, NUM_STUDIES - 3)
    kinds = [row["kind"] for row in rows_of(tmp_path / "run" / "cohort.csv").values()]
    assert sorted(kinds) == ["", "", "", "server", "server"]
    assert do(cohort_tree, retry_failed=True).done == NUM_STUDIES


def test_a_failure_that_cannot_be_recorded(do: Do, cohort_tree: Path, tmp_path: Path, monkeypatch: Any) -> None:
    """On a full disk neither results nor the failure can be written: it is in the table, and done by the next run."""

    def full(*_: object, **__: object) -> Any:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(one_study, "segment", full)
        patch.setattr(one_study, "write_failure", full)
        assert do(cohort_tree).failed == NUM_STUDIES
    rows = rows_of(tmp_path / "run" / "cohort.csv").values()
    assert {row["kind"] for row in rows} == {"output"}
    report = do(cohort_tree)
    assert (report.done, report.earlier) == (NUM_STUDIES, 0)


def test_parts_make_the_whole(do: Do, cohort_tree: Path, tmp_path: Path) -> None:
    names: list[set[str]] = []
    for number in (1, 2):
        report = do(cohort_tree, part=f"{number}/2")
        assert report.files[0] == f"cohort-{number}-of-2.csv"
        names.append(set(rows_of(tmp_path / "run" / report.files[0])))
        assert len(names[-1]) == report.studies == report.done
    assert not names[0] & names[1] and len(names[0] | names[1]) == NUM_STUDIES
    whole = do(cohort_tree)
    assert whole.earlier == NUM_STUDIES
    assert set(rows_of(tmp_path / "run" / "cohort.csv")) == names[0] | names[1]


def test_agreement_with_a_reference(do: Do, cohort_tree: Path, tmp_path: Path) -> None:
    do(cohort_tree, key=tmp_path / "key.csv")
    rows, keys = rows_of(tmp_path / "run" / "cohort.csv"), list(rows_of(tmp_path / "key.csv").values())
    measured = [float(rows[key["study"]]["edv_ml"]) for key in keys]
    ways = ["study", "study_instance_uid", "name", "patient_id", "study"]
    lines = [
        f"{key[way]},{value + number}"
        for number, (key, way, value) in enumerate(zip(keys, ways, measured, strict=True))
    ]
    (tmp_path / "reference.csv").write_text("study,edv_ml\n" + "\n".join([*lines, "unknown,7"]))
    told: list[str] = []
    report = do(cohort_tree, reference=tmp_path / "reference.csv", say=told.append)
    assert [line for line in told if line.startswith("1 of 6 rows of the reference are not used")]
    expected = compute_agreement(measured, np.add(measured, np.arange(5))).as_dict()
    assert report.agreement == {"edv_ml": pytest.approx(expected)}
    assert "Agreement" in (tmp_path / "run" / "cohort.html").read_text()
    for text, message in (
        ("study,volume\n1,2\n", "Expected the column study and at least one of edv_ml"),
        ("study,edv_ml\nunknown,2\n", "Expected .* to name studies of the source"),
        ("study,edv_ml\nunknown,many\n", "Expected numbers in .*reference.csv"),
        ("study,edv_ml\nunknown,-1\n", "Expected numbers from 0 in .*reference.csv, but got -1.0"),
    ):
        (tmp_path / "reference.csv").write_text(text)
        with pytest.raises(ValueError, match=message):
            do(cohort_tree, reference=tmp_path / "reference.csv")


def test_another_source_in_the_same_folder(do: Do, cohort_tree: Path, tmp_path: Path) -> None:
    """Its table has its own studies, and it is said how many others there are; names of pictures are in no result."""
    pq = pytest.importorskip("pyarrow.parquet")
    pictures = tmp_path / "pictures" / "Maier_Otto"
    pictures.mkdir(parents=True)
    for name in ("Maier_10.png", "Maier_9.png"):
        Image.fromarray(np.random.default_rng(1).integers(0, 255, (96, 96), np.uint8)).save(pictures / name)
    do(cohort_tree)
    told: list[str] = []
    report = do(tmp_path / "pictures", say=told.append)
    assert report.studies == report.done == 1
    assert [line for line in told if line.startswith(f"{NUM_STUDIES} studies in ") and "other sources" in line]
    (name,) = rows_of(tmp_path / "run" / "cohort.csv")
    table = pq.read_table(tmp_path / "run" / "frames.parquet")
    assert table["frame"].to_pylist() == ["00001", "00002"]
    for path in (tmp_path / "run" / "studies" / name[:2] / name).iterdir():
        assert b"Maier" not in path.read_bytes(), path.name
    with pytest.raises(FileExistsError, match="Expected a folder for the results, but .*list.txt is a file"):
        (tmp_path / "list.txt").touch()
        do(cohort_tree, "list.txt")


def test_studies_that_ended_a_process_come_last(do: Do, cohort_tree: Path, tmp_path: Path, monkeypatch: Any) -> None:
    order: list[str] = []

    def noted(started: Any, study: Any, *_: Any) -> Any:
        order.append(started.pseudonym(study))
        return one_study.Outcome(order[-1], "failed", "memory")

    monkeypatch.setattr(run, "process_study", noted)
    do(cohort_tree)
    first, order[:] = order[0], []
    (tmp_path / "run" / "running").mkdir()
    (tmp_path / "run" / "running" / first).write_text("earlier\n")
    do(cohort_tree)
    assert order[-1] == first and len(order) == NUM_STUDIES
    assert json.loads((tmp_path / "run" / "cohort.json").read_text())["roi"] == "center"


def test_progress_in_words() -> None:
    told: list[str] = []
    count = run._Count(1000, {"done": 10, "failed": 1}, told.append)
    count._started -= 3600
    for number in range(99):
        count(one_study.Outcome(str(number), "failed" if number == 5 else "done"))
    assert told[-1] == "110 of 1000 studies, 2 failed, 99 an hour, 8 h 59 min left"
