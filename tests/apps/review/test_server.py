# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""The server of the review page: who is served, what is answered, and what Finish writes."""

from __future__ import annotations

import io
import json
import os
import re
import shutil
import signal
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
import torch
from click.testing import CliRunner
from PIL import Image

from monai_acdr.apps import convert, segment
from monai_acdr.apps.cli import main
from monai_acdr.apps.documents import ContourDocument, FrameContours, read_contour_document, write_contour_document
from monai_acdr.apps.inputs import read_inputs
from monai_acdr.apps.layers import earlier_contours
from monai_acdr.apps.measurements import find_grid, measure_contours
from monai_acdr.apps.model import ContourModel, load_model
from monai_acdr.apps.monailabel.images import read_label_image
from monai_acdr.apps.monailabel.saved_labels import labels_of_seg
from monai_acdr.apps.review import http as review_http
from monai_acdr.apps.review import server as review_server
from monai_acdr.apps.review.http import FILES, STATIC, make_app
from monai_acdr.apps.review.results import VersionReport, measure_review, write_version
from monai_acdr.apps.review.server import ReviewOptions, ReviewSession, start_review
from monai_acdr.apps.review.state import Review
from monai_acdr.apps.review.study import open_study
from monai_acdr.apps.study_files import find_series
from monai_acdr.dicom import TISSUE, read_rtstruct
from monai_acdr.dicom.seg import read_seg
from monai_acdr.files import file_sha256
from monai_acdr.inferers import correct_contour, push_contours
from monai_acdr.measures import Finding
from monai_acdr.signals import Stopped

testclient = pytest.importorskip("starlette.testclient")

PORT = 8123
HOST = f"127.0.0.1:{PORT}"


class Client:
    """The page, as far as requests go."""

    def __init__(self, session: ReviewSession) -> None:
        self.session = session
        self.http = testclient.TestClient(make_app(session, [], PORT), base_url=f"http://{HOST}")
        self.http.headers.update({"authorization": f"Bearer {session.token}", "origin": f"http://{HOST}"})
        self.page = ""

    def get(self, path: str) -> Any:
        response = self.http.get(path)
        assert response.status_code == 200, response.text
        return response

    def post(self, path: str, body: Any, status: int = 200) -> Any:
        response = self.http.post(path, json=body, headers={"x-review-session": self.page})
        assert response.status_code == status, response.text
        return response.json()

    def open(self) -> Client:
        self.page = self.post("/api/open", {})["session"]
        return self

    def change(self, **body: Any) -> Any:
        return self.post("/api/change", {"sequence": self.session.review.sequence, **body})

    def set(self, frame: int, contours: Sequence[dict[str, Any]], action: str = "drag") -> Any:
        return self.change(do="contours", action=action, frame=frame, contours=list(contours))


def open_session(results: Path, images: Path, **options: Any) -> ReviewSession:
    path = results / "contours.json" if results.is_dir() else results
    document = read_contour_document(path)
    study, places = open_study(images, document)
    folder = path.parent / "review"
    folder.mkdir(exist_ok=True)
    names, sizes = [frame.name for frame in study.frames], [frame.size for frame in study.frames]
    review = Review(document, names, sizes, places, folder, file_sha256(path))
    return ReviewSession(review, study, folder, ReviewOptions(**options))


@pytest.fixture()
def client(results: Path, study: Path) -> Iterator[Client]:
    session = open_session(results, study)
    yield Client(session).open()
    session.review.close()


def moved(client: Client, frame: int, number: int, by: float = 1.0) -> list[dict[str, Any]]:
    records = [contour.record() for contour in client.session.review.contours[frame]]
    records[number] = records[number] | {"vertices": [value + by for value in records[number]["vertices"]]}
    return records


# --- Who is served --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"host": "evil.example"}, 403),
        ({"host": "evil.example:8123"}, 403),
        ({"host": "127.0.0.1"}, 403),
        ({"host": "127.0.0.1:81"}, 403),
        ({"host": "127.0.0.1.evil.example:8123"}, 403),
        ({"host": "localhost:8123", "origin": "http://localhost:8123"}, 200),
        ({"host": "LOCALHOST:8123", "origin": "http://localhost:8123"}, 200),
        ({"origin": "http://evil.example"}, 403),
        ({"origin": "null"}, 403),
        ({"origin": f"https://{HOST}"}, 403),
        ({"origin": "http://localhost:8123"}, 403),
        ({"sec-fetch-site": "cross-site"}, 403),
        ({"sec-fetch-site": "same-site"}, 403),
        ({"authorization": ""}, 401),
        ({"authorization": "Bearer nonsense"}, 401),
        ({"authorization": "Bearer é"}, 401),
        ({"authorization": "Basic eDp5"}, 401),
    ],
)
def test_wrong_host_origin_and_token_are_refused(client: Client, headers: dict[str, str], status: int) -> None:
    raw = [(name.encode(), value.encode("latin-1")) for name, value in headers.items()]
    assert client.http.get("/api/study", headers=raw).status_code == status
    assert client.http.post("/api/open", json={"take_over": True}, headers=raw).status_code == status


def test_a_change_without_origin_is_refused(client: Client) -> None:
    del client.http.headers["origin"]
    assert client.http.post("/api/open", json={}).status_code == 403
    assert client.http.get("/api/study").status_code == 200  # a GET of the page has none


def test_the_page_alone_needs_no_token_but_the_right_host(client: Client) -> None:
    del client.http.headers["authorization"]
    for path, (name, _) in FILES.items():
        assert client.http.get(path).content == (STATIC / name).read_bytes()
        assert client.http.get(path, headers={"host": "evil.example"}).status_code == 403
    for path in ("/../server.py", "/server.py", "/static/index.html", "/api"):
        assert client.http.get(path).status_code in (401, 404)


def test_every_answer_has_the_headers_of_security(client: Client) -> None:
    policy = "default-src 'none'; script-src 'self'; style-src 'self'"
    for path, headers in (("/", {}), ("/api/study", {}), ("/api/nothing", {}), ("/", {"host": "evil.example"})):
        found = client.http.get(path, headers=headers).headers
        assert found["content-security-policy"].startswith(policy)
        assert "unsafe" not in found["content-security-policy"] and "frame-ancestors 'none'" in str(found)
        assert found["x-content-type-options"] == "nosniff" and found["cache-control"] == "no-store"
        assert found["referrer-policy"] == "no-referrer" and "server" not in found


def test_the_page_loads_nothing_from_elsewhere_and_has_no_inline_code() -> None:
    tags: list[tuple[str, dict[str, str | None]]] = []

    class Reader(HTMLParser):
        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            tags.append((tag, dict(attrs)))

    Reader().feed((STATIC / "index.html").read_text(encoding="utf-8"))
    assert not [tag for tag, attributes in tags if "style" in attributes or any(k.startswith("on") for k in attributes)]
    assert all("src" in attributes for tag, attributes in tags if tag == "script")
    assert "style" not in [tag for tag, _ in tags]
    for name, _ in FILES.values():
        text = (STATIC / name).read_text(encoding="utf-8")
        assert set(re.findall(r"https?://[^'\" ]+", text)) <= {"http://www.w3.org/2000/svg"}, name
        assert "innerHTML" not in text and "eval(" not in text


def test_a_second_reader_is_refused_until_the_first_one_leaves_or_is_taken_over(client: Client) -> None:
    second = Client(client.session)
    assert "open in another window" in second.post("/api/open", {}, 423)["error"]
    assert "taken over" in second.post("/api/change", {"do": "undo", "sequence": 0}, 423)["error"]
    client.set(0, moved(client, 0, 0))  # the first one goes on
    second.page = second.post("/api/open", {"take_over": True})["session"]
    assert "taken over" in client.post("/api/change", {"do": "undo", "sequence": 1}, 423)["error"]
    assert second.change(do="undo")["frame"] == 0
    second.post("/api/leave", {})
    client.open().set(0, moved(client, 0, 0))


def test_a_page_that_is_silent_may_be_replaced(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    client.session.heard = time.monotonic() - review_server.LEASE_SECONDS - 1
    Client(client.session).open()


@pytest.mark.parametrize("body", [b"", b"[]", b"nonsense", b"[" * 100_000, b'{"do": "drop", "sequence": 0}', b"\xff"])
def test_hostile_bodies_are_refused(client: Client, body: bytes) -> None:
    response = client.http.post("/api/change", content=body, headers={"x-review-session": client.page})
    assert response.status_code == 400 and response.json()["error"].startswith("Expected")


@pytest.mark.parametrize("number", ["9" * 5000, "0" * 5000, "12", "1" * 16, "-1", "1.0", "x", "%D9%A1", "%C2%B2"])
def test_numbers_in_addresses_that_cannot_be_are_refused(client: Client, number: str) -> None:
    for path in ("contours", "frame", "sheet"):
        response = client.http.get(f"/api/{path}/{number}")
        assert response.status_code == 404 and response.json()["error"].startswith("Expected a number from 0 to ")


@pytest.mark.parametrize("number", ["9" * 400, "-" + "9" * 5000, "9" * 5000, "1e999", "NaN", '"\\ud800"', "true"])
def test_numbers_in_bodies_that_cannot_be_are_refused(client: Client, number: str) -> None:
    vertices = f"[1, 2, 3, 4, 5, {number}]"
    contour = '{"structure": 0, "hole": false, "generation": "MANUAL", "vertices": [1, 2, 3, 4, 5, 6]}'
    bodies = [
        f'"do": "contours", "action": "drag", "frame": 0, "contours": [{contour[:-1]}, "vertices": {vertices}}}]',
        f'"do": "contours", "action": "drag", "frame": 0, "contours": [{contour[:-1]}, "structure": {number}}}]',
        f'"do": "contours", "action": "drag", "frame": {number}, "contours": [{contour}]',
        f'"do": "click", "frame": 0, "contour": 0, "inside": true, "point": [{number}, 5]',
        f'"do": "click", "frame": 0, "contour": {number}, "inside": true, "point": [5, 5]',
        f'"do": "phases", "end_diastole": {number}, "end_systole": null',
        f'"do": "seen", "frame": {number}, "seen": true',
        f'"do": {number}',
        f'"do": "undo", "sequence": {number}',
    ]
    for body in bodies:
        content = f'{{"sequence": 0, {body}}}'.encode()
        response = client.http.post("/api/change", content=content, headers={"x-review-session": client.page})
        assert response.status_code == 400 and response.json()["error"].startswith("Expected")
    assert client.session.review.sequence == 0


def test_a_body_that_is_too_large_is_refused(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(review_http, "MAX_BODY", 1000)
    assert "1000 bytes" in client.post("/api/change", {"do": "x" * 1000}, 413)["error"]


# --- What is answered -----------------------------------------------------------------------------------------------


def test_the_description_names_no_patient(client: Client, study: Path) -> None:
    header = pydicom.dcmread(next(study.rglob("*.dcm")), stop_before_pixels=True)
    texts = [client.get(path).text for path in ("/", "/api/study", "/api/contours/0")]
    answer = json.loads(texts[1])
    assert answer["nested"] is True and (answer["inner"], answer["outer"]) == (0, 1) and len(answer["frames"]) == 12
    for text in texts:
        assert str(header.PatientID) not in text and str(header.PatientName).split("^")[0] not in text
        assert str(study) not in text and str(header.StudyInstanceUID) not in text


def test_pixels_come_exactly_and_thumbnails_show_the_contours(client: Client, study: Path) -> None:
    inputs = read_inputs(study)
    for index in (0, 7):
        response = client.get(f"/api/frame/{index}")
        how = json.loads(response.headers["x-frame"])
        numbers = np.frombuffer(response.content, "<u2").reshape(how["height"], how["width"])
        values = inputs.frames[index].image[0].numpy()
        assert np.abs(how["low"] + how["step"] * numbers - values).max() <= np.ptp(values) / 65_535
        assert how["window"][0] < how["window"][1]
    sheet = Image.open(io.BytesIO(client.get("/api/sheet/0").content))
    assert sheet.mode == "L" and sheet.size == (16 * 64, 64) and len(np.unique(np.asarray(sheet)[:, :64])) > 10
    for path in ("/api/frame/12", "/api/sheet/1", "/api/contours/1"):
        assert client.http.get(path).status_code == 404


def test_a_drag_is_saved_and_measured(client: Client) -> None:
    before = client.get("/api/study").json()["frames"][0]["areas"]
    records = moved(client, 0, 0)
    answer = client.set(0, records)
    state = {"sequence": 1, "undo": True, "redo": False, "phases": [None, None], "version": 0}
    assert {key: answer["state"][key] for key in state} == state
    assert answer["contours"][0]["generation"] == "SEMIAUTOMATIC" and answer["changed"]
    assert answer["contours"][0]["vertices"] == pytest.approx(records[0]["vertices"], abs=1e-4)
    frame = client.get("/api/study").json()["frames"][0]
    assert frame["changed"] and frame["before"] == before
    again = open_session(client.session.folder.parent, Path(client.session.study.inputs.sources[0].path).parent)
    assert [c.record() for c in again.review.contours[0]] == answer["contours"]
    again.review.close()
    assert "reload" in client.post("/api/change", {"do": "undo", "sequence": 0}, 409)["error"]
    assert client.change(do="undo")["contours"] == [c.record() for c in client.session.review.originals[0]]


def test_a_click_corrects_as_in_monai_label_and_the_other_contour_makes_room(client: Client) -> None:
    inner, outer = (c.vertices for c in client.session.review.contours[0])
    point = [56.0 + 26.0, 50.0]  # outside of both
    answer = client.change(do="click", frame=0, contour=0, point=point, inside=True)
    expected = push_contours(
        [correct_contour(torch.from_numpy(inner), torch.tensor([point])), torch.from_numpy(outer)], 0
    )
    assert expected is not None
    for record, vertices in zip(answer["contours"], expected, strict=True):
        assert record["vertices"] == pytest.approx(vertices.ravel().tolist(), abs=1e-4)
    answer = client.change(do="click", frame=1, contour=1, point=[56.0, 33.0], inside=None)
    ring = np.array(answer["contours"][1]["vertices"]).reshape(-1, 2)
    assert np.hypot(*(ring - [56.0, 33.0]).T).min() < 1e-3
    for body, words in (
        ({"contour": 5}, "one of 2 contour(s)"),
        ({"contour": None}, "the contour that is corrected"),
        ({"point": [1]}, "Expected a point [x, y]"),
        ({"point": [1e9, 0]}, "in the image, 112 x 100 pixels, but got (1e+09, 0)"),
        ({"point": [50, -1]}, "click in the image"),
        ({"inside": "yes"}, "true, false or null"),
        ({"frame": 99}, "Expected a frame from 0 to 11"),
    ):
        click = {"do": "click", "frame": 0, "contour": 0, "sequence": 2, "point": [1, 2]} | body
        assert words in client.post("/api/change", click, 400)["error"]
    for body in ({"point": [500, 1]}, {"contour": 2}, {"contour": "0"}):
        client.post("/api/outline", {"frame": 0, "sequence": 2} | body, 400)


def test_contours_that_cannot_be_are_refused_with_a_reason_and_change_nothing(client: Client) -> None:
    client.set(0, moved(client, 0, 0))
    kept = [record.record() for record in client.session.review.contours[0]]
    for by, words in ((200.0, "lies outside of it"), (0.0, "cross or touch itself")):
        records = moved(client, 0, 0, by)
        if not by:
            vertices = records[0]["vertices"]
            records[0]["vertices"] = vertices[:2] + vertices[32:34] + vertices[2:32] + vertices[34:]
        body = {"do": "contours", "action": "drag", "frame": 0, "contours": records, "sequence": 1}
        assert words in client.post("/api/change", body, 400)["error"]
    assert client.get("/api/contours/0").json()["frames"][0]["contours"] == kept
    assert client.session.review.sequence == 1


def test_a_stack_that_lacks_slices_is_said_at_once(client: Client) -> None:
    """As the finding of the measures; without contours of the cavity there are no volumes, and nothing is said."""
    (note,) = client.get("/api/study").json()["state"]["notes"]
    findings = measure_review(client.session.review, client.session.study).findings
    assert [note] == [finding.text for finding in findings if finding.kind == "incomplete_stack"]
    assert "slice 3 of 3, the last one toward the apex" in note
    for frame in range(12):
        answer = client.set(frame, [], "delete")
    assert answer["state"]["notes"] == []


def test_volumes_are_computed_once_for_each_state_of_the_contours(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not for packets of contours and marks; undo and redo change the contours, too."""
    calls: list[int] = []
    counted = review_server.ventricle_volumes
    monkeypatch.setattr(review_server, "ventricle_volumes", lambda *a, **k: calls.append(1) or counted(*a, **k))
    before = client.get("/api/study").json()["state"]["notes"]
    client.get("/api/contours/0")
    client.change(do="seen", frame=2, seen=True)
    assert len(calls) == 1
    for frame in range(4):
        client.set(frame, moved(client, frame, 0, 5.0))
    for action in ("undo", "redo"):
        client.change(do=action)
    client.change(do="phases", end_diastole=0, end_systole=2)
    assert len(calls) == 8
    while client.session.review.can_undo:
        after = client.change(do="undo")["state"]["notes"]
    assert after == before and len(calls) == 13


def test_problems_of_an_earlier_log_are_shown_and_are_findings(client: Client) -> None:
    review, frame = client.session.review, client.session.study.frames[4].name
    records = [contour.record() for contour in review.contours[4]]
    records[0]["vertices"] = [value for x, y in ((0, 0), (9, 9), (9, 0), (0, 9)) for value in (40 + x, 40 + y)]
    records[1]["vertices"] = [value - 70 for value in records[1]["vertices"]]
    review._redo_record({"do": "drag", "frame": frame, "contours": [*records, records[1]]})
    problems = ["LV endocardium crosses or touches itself"]
    found = client.get("/api/study").json()["frames"][4]["problems"]
    assert found[:1] == problems and "% of LV epicardium outside of the image" in found[1]
    assert found[-1] == "2 contours of LV epicardium: counted as none in the volumes"
    answer = client.set(4, [records[0], records[1]])
    assert answer["problems"] == found[:2] == client.get("/api/contours/0").json()["frames"][4]["problems"]
    kinds = [finding.kind for finding in measure_review(review, client.session.study).findings]
    assert {"self_crossing", "contour_outside"} <= set(kinds) and "several_contours" not in kinds
    client.change(do="undo")
    findings = measure_review(review, client.session.study).findings
    (several,) = [finding.text for finding in findings if finding.kind == "several_contours"]
    assert several == f"1 frame(s) with several contours of a structure, which were not measured: {frame}"


def test_phases_that_cannot_be_are_refused(client: Client) -> None:
    for chosen, words in (
        ((2, 2), "two different phases, but phase 3"),
        ((0, 4), "Expected indices of phases, 0 to 3, or null, but got 4"),
        ((0, 11), "Expected indices of phases, 0 to 3"),
        ((0, -1), "Expected indices of phases"),
        ((0, "1"), "Expected indices of phases"),
    ):
        body = {"do": "phases", "end_diastole": chosen[0], "end_systole": chosen[1], "sequence": 0}
        assert words in client.post("/api/change", body, 400)["error"]
    assert client.session.review.phases == (None, None) and client.session.review.sequence == 0


def test_chosen_phases_give_the_volumes(client: Client) -> None:
    client.change(do="phases", end_diastole=3, end_systole=1)
    volumes = measure_review(client.session.review, client.session.study).volumes
    assert volumes is not None and (volumes.end_diastole_phase, volumes.end_systole_phase) == (3, 1)
    client.change(do="seen", frame=2, seen=True)
    assert client.get("/api/study").json()["frames"][2]["seen"]


def test_the_network_outlines_again_where_the_contour_was_put(client: Client, nested_model: ContourModel) -> None:
    client.session._model = nested_model
    client.set(0, [r | {"vertices": [v - 7 for v in r["vertices"]]} for r in moved(client, 0, 0, 0.0)])
    answer = client.post("/api/outline", {"frame": 0, "point": None, "contour": 0, "sequence": 1})
    middle = np.array(answer["contours"][0]["vertices"]).reshape(-1, 2).mean(0)
    assert middle == pytest.approx([49.0, 43.0], abs=0.1) and answer["scale"] == ""
    assert [c["generation"] for c in answer["contours"]] == ["SEMIAUTOMATIC"] * 2
    answer = client.post("/api/outline", {"frame": 0, "point": [60, 44], "contour": None, "sequence": 2})
    assert np.array(answer["contours"][1]["vertices"]).reshape(-1, 2).mean(0) == pytest.approx([60, 44], abs=0.1)
    client.session._model = replace(nested_model, regions=replace(nested_model.regions, pixel_mm=30.0))
    client.session.study.inputs.frames[0] = replace(client.session.study.frames[0], spacing=None)
    answer = client.post("/api/outline", {"frame": 0, "point": [60, 44], "contour": None, "sequence": 3})
    assert answer["scale"].startswith("100 x 112 pixels (H x W) would be 3000 x 3360 mm")


def test_a_model_of_something_else_is_refused(client: Client, tiny_mass: Path) -> None:
    client.session._model = load_model(tiny_mass, device="cpu")
    answer = client.post("/api/outline", {"frame": 0, "point": None, "contour": 0, "sequence": 0}, 400)
    assert "start the review with another --model" in answer["error"]


# --- Finish ---------------------------------------------------------------------------------------------------------


def test_finish_writes_a_version_that_others_read_and_keeps_the_old_one(client: Client, study: Path) -> None:
    folder = client.session.folder
    digest = file_sha256(folder.parent / "contours.json")
    records = moved(client, 0, 0)
    client.set(0, records)
    client.set(5, [], "delete")
    answer = client.post("/api/finish", {"reader": " Doe^Jane ", "sequence": 2})
    assert answer["files"] == ["contours.json", "review.json", "rtstruct.dcm", "seg.dcm", "sr.dcm"]
    assert answer["skipped"] == [] and file_sha256(folder.parent / "contours.json") == digest
    version = folder / "version-0001"
    document = read_contour_document(version / "contours.json")
    assert len(document.frames) == 11
    by_name = {frame.name: frame for frame in document.frames}
    first = by_name[client.session.study.frames[0].name]
    assert first.contours[0].ravel().tolist() == pytest.approx(records[0]["vertices"], abs=1e-4)
    rtstruct, seg = pydicom.dcmread(version / "rtstruct.dcm"), pydicom.dcmread(version / "seg.dcm")
    assert [roi.ROIGenerationAlgorithm for roi in rtstruct.StructureSetROISequence] == ["SEMIAUTOMATIC"] * 2
    assert (str(rtstruct.ReviewerName), rtstruct.ApprovalStatus) == ("Doe^Jane", "APPROVED")
    assert [s.SegmentAlgorithmType for s in seg.SegmentSequence] == ["SEMIAUTOMATIC"] * 2
    assert str(seg.ContentCreatorName) == "Doe^Jane"
    assert "Doe^Jane" in str(pydicom.dcmread(version / "sr.dcm"))
    sources = find_series(study)[0][0]
    assert sum(bool(entry) for entry in read_rtstruct(version / "rtstruct.dcm", sources)[0].contours) == 11
    assert sum(mask is not None for mask in read_seg(version / "seg.dcm", sources)[0].masks) == 11
    record = json.loads((version / "review.json").read_text())
    areas = [tuple(c.vertices for c in frame) if frame else None for frame in client.session.review.contours]
    inputs = read_inputs(study)
    expected = measure_contours(inputs.frames, areas, document.structures, find_grid(inputs.frames)[0]).volumes
    assert expected is not None
    assert record["volumes"]["ejection_fraction_percent"] == pytest.approx(expected.ejection_fraction_percent)
    second = client.post("/api/finish", {"reader": "", "sequence": 3})
    assert second["version"] == 2 and (version / "seg.dcm").is_file()
    earlier = earlier_contours(version / "contours.json", inputs, document.structures)  # as `segment --roi` reads them
    assert [bool(found) for found in earlier] == [own is not None for own in areas]
    assert areas[0] is not None and earlier[0][0].shape in [vertices.shape for vertices in areas[0]]
    assert min(float(np.abs(earlier[0][0] - vertices).max()) for vertices in areas[0]) < 1e-4
    labels = labels_of_seg(version / "seg.dcm", read_label_image(study))  # as MONAI Label reads them
    for index, (row, own) in enumerate(zip(labels.reshape(*labels.shape[:2], -1).T, areas, strict=True)):
        assert (int((row == 1).sum()) > 0) == (own is not None), index
    report = convert(folder / "version-0002" / "contours.json", folder / "masks.nii.gz", images=study)
    assert report.frames == 11
    assert pydicom.dcmread(folder / "version-0002" / "rtstruct.dcm").ApprovalStatus == "UNAPPROVED"


@pytest.mark.parametrize("name", ["a" * 65, "a\\b", "a=b", "a\nb", 7])
def test_names_that_dicom_does_not_hold_are_refused(client: Client, name: Any) -> None:
    assert "the reader's name" in client.post("/api/finish", {"reader": name, "sequence": 0}, 400)["error"]
    assert not list(client.session.folder.glob("version-*"))


def test_contours_drawn_by_hand_alone_are_manual(client: Client, flat: Callable[..., list[float]]) -> None:
    square = flat([[40, 40], [60, 40], [60, 60], [40, 60]])
    for index in range(12):
        drawn = {"structure": 0, "vertices": square, "hole": False, "generation": "MANUAL"}
        client.set(index, [drawn], "draw")
    client.post("/api/finish", {"reader": "R", "sequence": 12})
    seg = pydicom.dcmread(client.session.folder / "version-0001" / "seg.dcm")
    (segment_item,) = [s for s in seg.SegmentSequence if s.SegmentLabel == "LV endocardium"]
    assert segment_item.SegmentAlgorithmType == "MANUAL" and "SegmentAlgorithmName" not in segment_item


def test_results_that_cannot_be_sent_are_kept_and_said(
    results: Path, study: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = open_session(results, study, store="http://127.0.0.1:9/dicom-web")
    written = VersionReport(1, session.folder, ("seg.dcm",), ())
    monkeypatch.setattr(review_server, "write_version", lambda *arguments: written)
    shutil.copy(session.study.inputs.sources[0].path, session.folder / "seg.dcm")
    answer = Client(session).open().post("/api/finish", {"reader": "", "sequence": 0})
    assert answer["stored"] == 0 and any(text.startswith("sending: ") for text in answer["skipped"])
    session.review.close()


# --- Other inputs ---------------------------------------------------------------------------------------------------


def test_pictures_with_several_contours_each(tmp_path: Path, flat: Callable[..., list[float]]) -> None:
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    for name in ("one", "two"):
        Image.fromarray(np.random.default_rng(0).integers(0, 255, (60, 80), np.uint8)).save(pictures / f"{name}.png")
    square = np.array([[10.0, 10], [20, 10], [20, 20], [10, 20]])
    frame = FrameContours("one", (60, 80), (square, square + 30))
    write_contour_document(tmp_path / "masses.json", ContourDocument((TISSUE,), (frame,)))
    session = open_session(tmp_path / "masses.json", pictures)
    client = Client(session).open()
    description = client.get("/api/study").json()
    assert description["grid"] is None and not description["nested"] and description["inner"] is None
    extra = {"structure": 0, "vertices": flat(square + 15), "hole": False, "generation": "MANUAL"}
    client.set(0, [c.record() for c in session.review.contours[0]] + [extra], "draw")
    client.set(1, [extra], "draw")
    answer = client.post("/api/finish", {"reader": "R", "sequence": 2})
    assert answer["files"] == ["contours.json", "review.json"] and "not DICOM" in answer["skipped"][0]
    written = read_contour_document(session.folder / "version-0001" / "contours.json")
    assert [len(frame.contours) for frame in written.frames] == [3, 1]
    session.review.close()


def test_colors_are_shown_and_a_network_of_gray_values_gets_gray_values(tmp_path: Path, tiny_mass: Path) -> None:
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    colors = np.random.default_rng(0).integers(0, 255, (60, 80, 3), np.uint8)
    Image.fromarray(colors).save(pictures / "one.png")
    Image.fromarray(colors[..., 0]).save(pictures / "two.png")
    square = np.array([[10.0, 10], [30, 10], [30, 30], [10, 30]])
    frames = tuple(FrameContours(name, (60, 80), (square,)) for name in ("one", "two"))
    write_contour_document(tmp_path / "masses.json", ContourDocument((TISSUE,), frames))
    session = open_session(tmp_path / "masses.json", pictures, model=tiny_mass, device="cpu")
    client = Client(session).open()
    for index, shape in enumerate([(60, 80, 3), (60, 80)]):
        response = client.get(f"/api/frame/{index}")
        how = json.loads(response.headers["x-frame"])
        numbers = np.frombuffer(response.content, "<u2").reshape(shape)
        assert (how["channels"], how["step"]) == (3 - 2 * index, 1)
        assert np.array_equal(how["low"] + numbers, colors if index == 0 else colors[..., 0])
        assert index == 1 or how["window"] == [0, 255]
    assert Image.open(io.BytesIO(client.get("/api/sheet/0").content)).mode == "RGB"
    for channels in (1, 3):
        expected = read_inputs(pictures, color=channels == 3).frames[0].image
        assert torch.equal(session.study.frame(0, channels).image, expected)
    answer = client.post("/api/outline", {"frame": 0, "point": None, "contour": 0, "sequence": 0})
    assert len(answer["contours"]) == 1
    session.review.close()


def test_a_mammogram_with_its_masses(mammogram: Path, tiny_mass: Path, tmp_path: Path) -> None:
    segment(mammogram, tmp_path / "out", tiny_mass, "box 30 40 60 70", pictures=False, device="cpu")
    session = open_session(tmp_path / "out", mammogram, model=tiny_mass, device="cpu")
    client = Client(session).open()
    how = json.loads(client.get("/api/frame/0").headers["x-frame"])
    assert (how["height"], how["width"]) == session.study.frames[0].size
    first = session.review.contours[0][0].record()
    second = first | {"vertices": [value + 30 for value in first["vertices"]], "generation": "MANUAL"}
    client.set(0, [first, second], "draw")
    answer = client.post("/api/outline", {"frame": 0, "point": None, "contour": 1, "sequence": 1})
    assert len(answer["contours"]) == 2 and answer["contours"][0] == first
    answer = client.post("/api/finish", {"reader": "R", "sequence": 2})
    assert {"contours.json", "review.json", "sr.dcm"} <= set(answer["files"])
    assert any(name.startswith("seg") for name in answer["files"])
    session.review.close()


def test_contours_of_other_images_are_refused(results: Path, mammogram: Path) -> None:
    with pytest.raises(ValueError, match="give the images that the contours were drawn on"):
        open_session(results, mammogram)


# --- Starting -------------------------------------------------------------------------------------------------------


def test_a_second_server_on_the_same_results_is_refused(client: Client, study: Path) -> None:
    from monai_acdr.files import lock_folder

    results = client.session.folder.parent
    with (
        lock_folder(results / "review"),
        pytest.raises(FileExistsError, match="Expected no other run in .*review"),
    ):
        start_review(results, study, browser=False)


def test_missing_contours_and_addresses_are_said(results: Path, study: Path, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="Expected contours at .*monai-acdr convert makes one"):
        start_review(tmp_path, study, browser=False)
    shutil.copytree(results, tmp_path / "cohort" / "studies" / "ab" / "abcdef")
    with pytest.raises(FileNotFoundError, match="is the folder of a cohort: .*such as .*/studies/ab/abcdef;"):
        start_review(tmp_path / "cohort", study, browser=False)
    with pytest.raises(OSError, match="Expected to listen on 203.0.113.1"):
        start_review(results, study, host="203.0.113.1", browser=False)
    with pytest.raises(TypeError, match="unexpected keyword"):
        start_review(results, study, colour="red")


@pytest.mark.parametrize("name", ["shapely", "starlette", "uvicorn"])
def test_a_missing_extra_is_named(name: str, results: Path, study: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(ImportError, match=r"not all installed: pip install 'monai_acdr\[review\]'"):
        start_review(results, study, browser=False)


def test_names_of_a_server_on_the_network() -> None:
    assert review_server._server_names("127.0.0.2") == ["127.0.0.2"]
    assert review_server._server_names("192.0.2.7") == ["192.0.2.7"]
    assert review_server._server_names("fd00::1") == ["[fd00::1]"]
    assert not review_server._is_loopback("0.0.0.0") and review_server._is_loopback("::1")


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 0), (signal.SIGTERM, 143)])
def test_ctrl_c_ends_a_review_calmly(
    results: Path, study: Path, monkeypatch: pytest.MonkeyPatch, number: int, status: int
) -> None:
    def stop(address: str) -> None:
        with urllib.request.urlopen(address) as page:  # in place of the browser: the server is up
            assert page.status == 200
        os.kill(os.getpid(), number)

    monkeypatch.setattr(review_server, "_open_browser", stop)
    done = CliRunner().invoke(main, ["review", str(results), "--images", str(study)])
    assert done.exit_code == status, done.output
    assert ("Error: stopped by SIGTERM" in done.output) == (number == signal.SIGTERM)


@pytest.mark.parametrize(("stop", "status"), [(KeyboardInterrupt(), 0), (Stopped(signal.SIGTERM), 143)])
def test_what_a_review_says_when_it_ends(
    results: Path, study: Path, monkeypatch: pytest.MonkeyPatch, stop: BaseException, status: int
) -> None:
    def run(_server: Any, sockets: Any) -> None:
        raise stop

    monkeypatch.setattr("uvicorn.Server.run", run)
    done = CliRunner().invoke(main, ["review", str(results), "--images", str(study), "--no-browser"])
    assert done.exit_code == status, done.output
    assert ("The review has ended; its changes are saved" in done.output) == (status == 0)


def test_the_command_line(results: Path, study: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[Any] = []
    monkeypatch.setattr(
        "monai_acdr.apps.review.start_review", lambda *places, **options: started.append((*places, options))
    )
    monkeypatch.setattr("monai_acdr.apps.segment_study.segment", lambda **arguments: SegmentReportStub())
    run = CliRunner().invoke
    told = run(main, ["review", str(results), "--images", str(study), "--reader", "R", "--no-browser"])
    assert told.exit_code == 0 and told.output.startswith("Reading the contours and their images")
    assert run(main, ["segment", str(study), "--output", str(tmp_path / "out"), "--review"]).exit_code == 0
    assert started[0][:2] == (str(results), str(study)) and started[0][2]["reader"] == "R"
    assert started[1][:2] == (str(tmp_path / "out"), str(study)) and "say" in started[1][2]
    for options in (started[0][2], started[1][2]):
        ReviewOptions(**{key: value for key, value in options.items() if key != "say"})
    refused = run(main, ["segment", "https://host/studies/1", "--output", str(tmp_path / "out"), "--review"])
    assert refused.exit_code == 2 and "on this machine for --review" in refused.output
    monkeypatch.undo()
    refused = run(main, ["review", str(tmp_path / "nothing"), "--images", str(study)])
    assert refused.exit_code == 3 and "Expected contours at" in refused.output


class SegmentReportStub:
    """The part of a report that the command line prints."""

    files = ("contours.json",)

    def summary(self) -> list[str]:
        return []

    def as_dict(self) -> dict[str, Any]:
        return {}


def test_implausible_scales_are_shown_until_the_contours_are_drawn_anew(client: Client, tmp_path: Path) -> None:
    """Of the frame on the page, in `review.json` and in the new contours.json; of the images at once."""
    review, study = client.session.review, client.session.study
    reason = "what was located is 100 pixels across, its region 60"
    review.frames[4] = replace(review.frames[4], scale=reason, spacing=None)
    study.findings.append(Finding("implausible_scale", "a pixel spacing of 9 x 9 mm"))
    shown = client.get("/api/study").json()
    assert shown["findings"] == ["implausible scale: a pixel spacing of 9 x 9 mm"]
    assert [frame["problems"] for frame in shown["frames"][4:6]] == [[f"implausible scale: {reason}"], []]
    image, frame = (f for f in measure_review(review, study).findings if f.kind == "implausible_scale")
    assert image is study.findings[-1]
    assert frame.text.startswith(f"frame {review.names[4]}: {reason}: the pixel spacing is not known, and the region")
    assert "may have a wrong size" in frame.text
    report = write_version(review, study, tmp_path, "")
    kept = read_contour_document(report.folder / "contours.json")
    assert [frame.scale for frame in kept.frames if frame.scale] == [reason]
    records = [contour.record() for contour in review.contours[4]]
    for record in records:
        record["vertices"] = [value + 0.5 for value in record["vertices"]]
    assert client.set(4, records[:1])["problems"] == []
    assert client.post("/api/change", {"do": "undo", "sequence": 2})["problems"] == [f"implausible scale: {reason}"]
    assert client.set(4, records)["problems"] == []
    assert [f for f in measure_review(review, study).findings if f.kind == "implausible_scale"] == [image]


def test_why_a_ventricle_has_no_volumes_is_said(results: Path, own_study: Path) -> None:
    """A slice that was acquired twice, its frames without contours: no stack, on the page and in `review.json`."""
    for number, source in enumerate(find_series(own_study)[0][0][:4]):
        header = pydicom.dcmread(source.path)
        header.SOPInstanceUID = header.file_meta.MediaStorageSOPInstanceUID = f"1.2.3.{number}"
        header.TriggerTime, header.InstanceNumber = 900 + number, 900 + number
        header.save_as(own_study / f"again-{number}.dcm")
    session = open_session(results, own_study)
    expected = "slice 1 of 3 has 8 frames, and most others have 4: it was acquired several times"
    (shown,) = Client(session).open().get("/api/study").json()["findings"]
    assert shown.startswith("no stack: ") and expected in shown
    measured = measure_review(session.review, session.study)
    assert measured.volumes is None and [finding.kind for finding in measured.findings].count("no_stack") == 1
    session.review.close()


def test_cavities_like_their_neighbors_are_problems_until_they_are_changed(client: Client) -> None:
    review = client.session.review
    known = review.frames[4]
    review.frames[4] = replace(known, repairs=(("neighbors",), ()))
    expected = ["LV endocardium was implausibly wide: now like its neighbors"]
    assert client.get("/api/study").json()["frames"][4]["problems"] == expected
    records = [contour.record() for contour in review.contours[4]]
    assert client.set(4, records)["problems"] == expected
    records[0]["vertices"] = [value + 0.5 for value in records[0]["vertices"]]
    assert client.set(4, records)["problems"] == []
