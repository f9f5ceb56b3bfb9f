# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""A server that answers whatever a test wants; the real one is in tests/integration."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from monai_acdr.dicom.orthanc import Orthanc, OrthancChange, OrthancError
from monai_acdr.read_budget import read_budget

pytest.importorskip("dicomweb_client")
ID = "-".join(["01234567"] * 5)


class StandIn(ThreadingHTTPServer):
    """Answers each request with what is set for its path, and keeps the requests."""

    daemon_threads = True

    def __init__(self) -> None:
        self.answers: dict[str, tuple[int, bytes, dict[str, str]]] = {}
        self.requests: list[tuple[str, str, bytes, dict[str, str]]] = []
        super().__init__(("127.0.0.1", 0), Handler)

    def set(self, path: str, body: object, status: int = 200, **headers: str) -> None:
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.answers[path] = (status, data, headers)


class Handler(BaseHTTPRequestHandler):
    server: StandIn

    def do_GET(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.server.requests.append((self.command, self.path, body, dict(self.headers)))
        status, data, headers = self.server.answers.get(self.path, (404, b"", {}))
        self.send_response(status)
        for name, value in {"Content-Length": str(len(data)), **headers}.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(data)
        self.close_connection = True

    do_PUT = do_POST = do_GET

    def log_message(self, format: str, *args: object) -> None:
        """No log."""


@pytest.fixture()
def stand_in(monkeypatch: pytest.MonkeyPatch) -> Iterator[StandIn]:
    for name in ("USER", "PASSWORD", "TOKEN"):
        monkeypatch.delenv(f"MONAI_ACDR_DICOMWEB_{name}", raising=False)
    monkeypatch.setenv("NETRC", "/nonexistent")
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with StandIn() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture()
def orthanc(stand_in: StandIn) -> Orthanc:
    return Orthanc(f"http://127.0.0.1:{stand_in.server_address[1]}", timeout=30)


def change(number: object, kind: str = "StableStudy", identifier: str = ID) -> dict[str, Any]:
    return {"Seq": number, "ChangeType": kind, "ID": identifier, "Date": "20261129T120000"}


def test_changes(orthanc: Orthanc, stand_in: StandIn) -> None:
    listed = [change(4), change(7, "NewStudy"), change(9, "Deleted", "x")]
    stand_in.set("/changes?since=3&limit=200", {"Changes": listed, "Done": False, "Last": 9})
    found, last, complete = orthanc.changes(3)
    assert found == [OrthancChange(4, "StableStudy", ID), OrthancChange(7, "NewStudy", ID)]
    assert (last, complete) == (9, False)
    stand_in.set("/changes?since=9&limit=200", {"Changes": [], "Done": True, "Last": 9})
    assert orthanc.changes(9) == ([], 9, True)


@pytest.mark.parametrize(
    "body",
    [
        b"<html>",
        b"[" * 100_000,
        [],
        {"Changes": 3},
        {"Changes": [change(3)]},
        {"Changes": [change("4")]},
        {"Changes": [change(5), change(4)]},
        {"Changes": [1]},
    ],
)
def test_nonsense_is_named_as_such(orthanc: Orthanc, stand_in: StandIn, body: object) -> None:
    stand_in.set("/changes?since=3&limit=200", body)
    with pytest.raises(OrthancError, match="is this the address of an Orthanc server") as caught:
        orthanc.changes(3)
    assert not caught.value.of_server


def test_studies_page_by_page(orthanc: Orthanc, stand_in: StandIn) -> None:
    def study(number: int) -> dict[str, Any]:
        tags = {"StudyInstanceUID": f"1.{number}", "StudyDescription": " Heart ", "StudyDate": 3}
        return {"ID": ID, "IsStable": number % 2 == 0, "LastUpdate": "20261129T120000", "MainDicomTags": tags}

    stand_in.set("/studies?expand&since=0&limit=200", [study(number) for number in range(200)])
    stand_in.set("/studies?expand&since=200&limit=200", [study(200)])
    found = list(orthanc.studies())
    assert [one.uid for one in found] == [f"1.{number}" for number in range(201)]
    assert (found[1].description, found[0].stable, found[1].stable) == ("Heart", True, False)
    stand_in.set("/studies?expand&since=0&limit=200", [{"ID": "../x"}])
    with pytest.raises(OrthancError, match="Expected a study from"):
        list(orthanc.studies())
    stand_in.set(f"/studies/{ID}/series", [{"MainDicomTags": {}, "Instances": ["../x"]}])
    with pytest.raises(OrthancError, match="Expected a list of instances"):
        orthanc.series(ID)


def test_a_mark_is_replaced_at_its_revision(orthanc: Orthanc, stand_in: StandIn) -> None:
    path = f"/studies/{ID}/metadata/4200"
    stand_in.set(path, b"old", ETag='"3-abc"')
    assert orthanc.mark(ID, 4200) == "old"
    orthanc.set_mark(ID, 4200, "new \u00e4")
    method, asked, body, headers = stand_in.requests[-1]
    assert (method, asked, body, headers["If-Match"]) == ("PUT", path, "new \u00e4".encode(), '"3-abc"')


@pytest.mark.parametrize(
    ("status", "headers", "message", "of_server"),
    [
        (302, {"Location": "http://127.0.0.1:9/"}, r"another address \(302\)", False),
        (401, {}, r"refused the credentials \(401\)", True),
        (500, {}, r"failed or refused \(500\)", False),
        (503, {}, r"failed or refused \(503\)", True),
        (200, {"Content_Length": "9"}, "cannot be reached or hung up|ended half-way", True),
    ],
)
def test_refusals(
    orthanc: Orthanc, stand_in: StandIn, status: int, headers: dict[str, str], message: str, of_server: bool
) -> None:
    stand_in.set(f"/studies/{ID}", b"{}", status, **headers)
    with pytest.raises(OrthancError, match=message) as caught:
        orthanc.study(ID)
    assert caught.value.of_server is of_server


def test_nothing_half_or_foreign_is_kept(orthanc: Orthanc, stand_in: StandIn, tmp_path: Path) -> None:
    stand_in.set(f"/instances/{ID}/file", b"no DICOM")
    with pytest.raises(OrthancError, match="an instance of the study, but"):
        orthanc.download("1.2", [ID], tmp_path / "study")
    for instances in ([], [ID, ID]):
        with pytest.raises(ValueError, match="1 to 20000 instances, each once"):
            orthanc.download("1.2", instances, tmp_path / "study")
    assert not list(tmp_path.iterdir())
    stand_in.set("/instances", {"Status": "FilteredOut", "ID": ID})
    (tmp_path / "seg.dcm").write_bytes(b"x")
    with pytest.raises(OrthancError, match="to store seg.dcm, but it did not"):
        orthanc.store([tmp_path / "seg.dcm"])
    stand_in.set("/instances", {"Status": "AlreadyStored", "ID": ID})
    assert orthanc.store([tmp_path / "seg.dcm"]) == [ID]
    assert stand_in.requests[-1][2] == b"x"


def test_answers_that_become_large(orthanc: Orthanc, stand_in: StandIn) -> None:
    stand_in.set("/changes?since=3&limit=200", b'{"Changes": [' + b"[]," * 9_000 + b"[]]}")
    with read_budget(2), pytest.raises(OrthancError, match="fits into the memory, but it sends more") as caught:
        orthanc.changes(3)
    assert not caught.value.of_server


def test_warns_of_plain_http(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setenv("MONAI_ACDR_DICOMWEB_TOKEN", "s3cret")
    for quiet in ("https://host", "http://127.0.0.1:8042"):
        Orthanc(quiet)
    assert not caplog.records
    Orthanc("http://host:8042")
    assert [record.getMessage() for record in caplog.records] == [
        "Credentials and images go to http://host:8042 without encryption: use https."
    ]


def test_addresses_and_times() -> None:
    with pytest.raises(ValueError, match="without credentials"):
        Orthanc("http://user:password@host:8042")
    with pytest.raises(ValueError, match="a positive number of seconds"):
        Orthanc("http://host", timeout=0)
    assert repr(Orthanc("http://host/orthanc/")) == "Orthanc('http://host/orthanc')"
