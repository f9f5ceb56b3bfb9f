# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Studies from a scanner through Orthanc and `monai-acdr cohort --watch` to a PACS, with the documentation's files."""

from __future__ import annotations

import json
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pydicom
import pytest

from monai_acdr.apps.watch.queue import WatchQueue
from monai_acdr.apps.watch.rules import WatchRules, parse_rules
from monai_acdr.apps.watch.run import open_runs, run_study
from monai_acdr.apps.watch.service import Watcher
from monai_acdr.data.phantoms import write_short_axis_studies
from monai_acdr.dicom import DicomWeb
from monai_acdr.dicom.orthanc import Orthanc, OrthancError

from .conftest import run_orthanc

EXAMPLES = Path(__file__).resolve().parents[2] / "docs" / "examples" / "orthanc"
RESULTS = ("RTSTRUCT", "SEG", "SR")
SECONDS = 300.0


class Killed(BaseException):
    """Ends the service at a point."""


@pytest.fixture()
def servers(
    orthanc_installed: None, absent: Callable[[str], None], log_in: Callable[..., None], tmp_path: Path
) -> Iterator[tuple[Any, Any]]:
    """The server of the documentation, and a PACS that it sends results to."""
    if shutil.which("storescu") is None:
        absent("storescu is not installed: apt-get install dcmtk")
    log_in()
    example = json.loads((EXAMPLES / "orthanc.json").read_text(encoding="utf-8"))
    kept = {key: example[key] for key in ("DicomAet", "OverwriteInstances", "UserMetadata", "DicomModalities")}
    with run_orthanc(tmp_path / "pacs", {"DicomServerEnabled": True, "DicomAet": "PACS", "DicomPort": "free"}) as pacs:
        kept["DicomModalities"]["pacs"][2] = pacs.dicom_port
        scripts = [str(EXAMPLES / name) for name in example["LuaScripts"]]
        changes = {"DicomServerEnabled": True, "DicomPort": "free", "StableAge": 1, "LuaScripts": scripts, **kept}
        with run_orthanc(tmp_path / "inbox", changes) as inbox:
            yield inbox, pacs


def send(study: Path, title: str, server: Any) -> None:
    command = ["storescu", "-aet", title, "-aec", "INBOX", "127.0.0.1", str(server.dicom_port)]
    subprocess.run([*command, *map(str, sorted(study.iterdir()))], check=True, timeout=300)


def start(server: Any, folder: Path, rules: WatchRules) -> Watcher:
    runs, queue = open_runs(folder, rules, "cpu"), WatchQueue(folder)
    watcher = Watcher(Orthanc(server.rest), rules, folder, queue, partial(run_study, runs))
    watcher.recover()
    return watcher


def wait_until(condition: Callable[[], bool], watcher: Watcher | None = None) -> None:
    end = time.monotonic() + SECONDS
    while not condition():
        assert time.monotonic() < end
        if watcher is None or not watcher.step():
            time.sleep(0.1)


def results_of(server: Any, studies: list[str]) -> list[list[tuple[str, int | None]]]:
    """Modality and number of instances of the series of results of each study."""
    web = DicomWeb(server.url)
    return [
        sorted((one.modality, one.num_instances) for one in web.find_series(study) if one.modality in RESULTS)
        for study in studies
    ]


def example_rules() -> WatchRules:
    record = json.loads((EXAMPLES / "rules.json").read_text(encoding="utf-8"))
    record["rules"][0]["roi"] = "center"
    return replace(parse_rules(record), settle_seconds=0.5)


class Notes:
    """Stands before the processing of a service, and notes the studies and the UIDs of their results."""

    def __init__(self) -> None:
        self.studies: list[str] = []
        self.results: list[list[str]] = []

    def attach(self, watcher: Watcher) -> None:
        process = watcher.process

        def note(arrival: Any, images: Path) -> Any:
            self.studies.append(arrival.study.uid)
            processed = process(arrival, images)
            headers = [pydicom.dcmread(path, stop_before_pixels=True) for path in processed.files]
            self.results.append([str(header.SOPInstanceUID) for header in headers])
            return processed

        watcher.process = note


def test_from_the_scanner_to_the_pacs_once(servers: tuple[Any, Any], tmp_path: Path) -> None:
    inbox, pacs = servers
    made = write_short_axis_studies(tmp_path / "made", 3, num_slices=1, num_phases=2, seed=3)
    folders = sorted((made / "dicoms").iterdir())
    uids = [str(pydicom.dcmread(next(folder.iterdir())).StudyInstanceUID) for folder in folders]
    rules, output, notes = example_rules(), tmp_path / "service", Notes()
    output.mkdir()
    watcher = start(inbox, output, rules)
    watcher.step()
    for folder, title in zip(folders, ("MR1", "ER_MR", "MR1"), strict=True):
        send(folder, title, inbox)
        time.sleep(1.1)  # Orthanc counts in seconds
    wait_until(lambda: watcher.read_events() or all(study.stable for study in watcher.server.studies()))
    time.sleep(0.6)
    watcher.place()

    def kill(*_: Any) -> None:
        raise Killed

    # Killed when results are stored and the study is not marked yet; all that it has made is lost, too.
    notes.attach(watcher)
    watcher.server.set_mark = kill  # type: ignore[method-assign]
    with pytest.raises(Killed, match="^$"):
        wait_until(lambda: False, watcher)
    watcher.queue.close()
    shutil.rmtree(output / "rules")
    inbox = inbox.restart(kill=True)
    try:
        watcher = start(inbox, output, rules)
        notes.attach(watcher)
        wait_until(lambda: len(watcher.queue.entries("done")) == 3, watcher)
        # The emergency, again after the kill with the same instances, then the newest.
        assert notes.studies == [uids[1], uids[1], uids[2], uids[0]]
        assert notes.results[0] == notes.results[1]
        expected = [[(name, 1) for name in RESULTS]] * 3
        wait_until(lambda: results_of(pacs, uids) == expected)

        # The results make the studies stable once more: nothing is done again, here or there.
        wait_until(lambda: all(study.stable for study in watcher.server.studies()))
        end = time.monotonic() + 1.5
        wait_until(lambda: time.monotonic() > end, watcher)
        assert len(notes.studies) == 4
        assert results_of(inbox, uids) == results_of(pacs, uids) == expected
        sent = [watcher.server.mark(study.identifier, 4201) for study in watcher.server.studies()]
        assert [len(text.split()) for text in sent] == [3, 3, 3]
        assert not (output / "dead_letters").exists()
        watcher.queue.close()
    finally:
        inbox.stop()


def test_the_interface_says_what_is_wrong(orthanc: Any, log_in: Callable[..., None], tmp_path: Path) -> None:
    log_in(password="wr0ng")
    with pytest.raises(OrthancError, match=r"refused the credentials \(401\)") as caught:
        Orthanc(orthanc.rest).last_change()
    assert caught.value.of_server
    assert "wr0ng" not in str(caught.value)
    log_in()
    server, absent = Orthanc(orthanc.rest), "-".join(["0" * 8] * 5)
    assert server.study(absent) is None
    assert server.series(absent) == []
    assert server.mark(absent, 4200) == ""
    with pytest.raises(OrthancError, match=r"no such thing \(404\)") as caught:
        server.download("1.2", [absent], tmp_path / "x")
    assert not caught.value.of_server
    (tmp_path / "text.dcm").write_text("no DICOM")
    with pytest.raises(OrthancError, match=r"failed or refused \(400\)"):
        server.store([tmp_path / "text.dcm"])
    with pytest.raises(OrthancError, match="cannot be reached or hung up"):
        Orthanc("http://127.0.0.1:9").last_change()
    with pytest.raises(ValueError, match="5 groups of 8 hexadecimal digits"):
        server.study("../instances")
    with pytest.raises(ValueError, match="1024 to 65535, but got 1"):
        server.mark(absent, 1)
    assert [path.name for path in tmp_path.iterdir()] == ["text.dcm"]
