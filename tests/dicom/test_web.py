# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Against a stand-in for a server that misbehaves; tests/integration has a real one."""

from __future__ import annotations

import json
import logging
import struct
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pydicom
import pytest

from monai_acdr.dicom import DicomWeb, DicomWebError, RemoteSeries, web
from monai_acdr.read_budget import read_budget

pytest.importorskip("dicomweb_client")
TOKEN = "s3cret-token"
JSON, PARTS = "application/dicom+json", 'multipart/related; type="application/dicom"; boundary=b0'

Answer = tuple[int, dict[str, str], bytes]


class StandIn:
    """A server of one study; `change` answers in its place where it does not return None."""

    def __init__(self, files: list[Path]) -> None:
        self.headers = {path: pydicom.dcmread(path) for path in files}
        self.study = str(next(iter(self.headers.values())).StudyInstanceUID)
        self.seen: list[tuple[str, str, dict[str, str]]] = []
        self.change: Callable[[str, str], Answer | None] = lambda method, path: None
        self.failures: dict[str, int] = {}
        self.pause = 0.0
        self.release = threading.Event()
        self.httpd = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.url = f"http://127.0.0.1:{self.httpd.server_address[1]}/dicom-web"
        threading.Thread(target=self.httpd.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()

    def close(self) -> None:
        self.release.set()
        self.httpd.shutdown()
        self.httpd.server_close()

    def answer(self, method: str, path: str, body: bytes) -> Answer:
        changed = self.change(method, path)
        if changed is not None:
            return changed
        path, _, query = path.partition("?")
        offset = int(query.partition("offset=")[2].partition("&")[0] or 0)
        if method == "POST":
            return self._store(body)
        parts = path.removeprefix(f"/dicom-web/studies/{self.study}/").split("/")
        if parts == ["series"]:
            series = {str(header.SeriesInstanceUID): str(header.Modality) for header in self.headers.values()}
            items = [attributes("0020000E", uid, "00080060", modality) for uid, modality in series.items()]
            return 200, {"Content-Type": JSON}, json.dumps(items[offset:]).encode()
        mine = [header for header in self.headers.values() if str(header.SeriesInstanceUID) == parts[1]]
        if parts[2:] == ["instances"]:
            items = [attributes("00080018", str(h.SOPInstanceUID), "00200013", int(h.InstanceNumber)) for h in mine]
            return 200, {"Content-Type": JSON}, json.dumps(items[offset:][:2]).encode()  # pages of two
        (path_of,) = [p for p, h in self.headers.items() if h.SOPInstanceUID == parts[3]]
        return 200, {"Content-Type": PARTS}, multipart(path_of.read_bytes())

    def _store(self, body: bytes) -> Answer:
        (uid,) = [uid for h in self.headers.values() if (uid := str(h.SOPInstanceUID)).encode() in body]
        item: dict[str, Any] = attributes("00081155", uid)
        if uid in self.failures:
            item["00081197"] = {"vr": "US", "Value": [self.failures[uid]]}
        sequence = "00081198" if uid in self.failures else "00081199"
        answer = {sequence: {"vr": "SQ", "Value": [item]}}
        status = 409 if uid in self.failures else 200
        return status, {"Content-Type": f"{JSON}; charset=utf-8"}, json.dumps(answer).encode()

    def _handler(server) -> type[BaseHTTPRequestHandler]:
        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                body, length = b"", int(self.headers.get("Content-Length", 0))
                while len(body) < length:
                    time.sleep(server.pause)
                    body += self.rfile.read(min(1 << 22, length - len(body)))
                server.seen.append((self.command, self.path, dict(self.headers)))
                status, headers, content = server.answer(self.command, self.path, body)
                if status == 0:  # never
                    server.release.wait(20)
                    return
                self.send_response(status)
                for name, value in {"Content-Length": str(len(content)), **headers}.items():
                    if value:
                        self.send_header(name, value)
                self.end_headers()
                self.wfile.write(content)
                self.close_connection = headers.get("Connection") == "close"

            do_POST = do_GET

            def log_message(self, *_: Any) -> None:
                pass

        return Handler


def attributes(*pairs: Any) -> dict[str, Any]:
    return {tag: {"vr": "UI", "Value": [value]} for tag, value in zip(pairs[::2], pairs[1::2], strict=True)}


def multipart(content: bytes, end: bytes = b"\r\n--b0--\r\n") -> bytes:
    return b"--b0\r\nContent-Type: application/dicom\r\n\r\n" + content + end


@pytest.fixture()
def files(made: Any, tmp_path: Path) -> list[Path]:
    """Three images of a series and a segmentation's header, all of one study."""
    folder = tmp_path / "files"
    folder.mkdir()
    paths = [made.image(folder / f"{n}.dcm", str(n), InstanceNumber=4 - n) for n in (1, 2, 3)]
    return [*paths, made.image(folder / "seg.dcm", "seg", Modality="SEG", SeriesInstanceUID=made.uid("results"))]


@pytest.fixture()
def server(files: list[Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[StandIn]:
    monkeypatch.setenv("NETRC", str(tmp_path / "no-netrc"))
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setenv("MONAI_ACDR_DICOMWEB_TOKEN", TOKEN)
    for name in ("USER", "PASSWORD"):
        monkeypatch.delenv(f"MONAI_ACDR_DICOMWEB_{name}", raising=False)
    stand_in = StandIn(files)
    yield stand_in
    stand_in.close()


def refuse(server: StandIn, message: str, tmp_path: Path, timeout: float = 10) -> None:
    """Retrieving says so, leaves nothing, and tells no secret."""
    with pytest.raises(DicomWebError, match=message) as caught:
        DicomWeb(server.url, timeout=timeout).retrieve(server.study, tmp_path / "in")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["files"]
    for secret in (TOKEN, "Doe", "offset", "/studies"):
        assert secret not in str(caught.value)
    assert caught.value.__suppress_context__ or caught.value.__context__ is None


def only_instances(answer: Answer) -> Callable[[str, str], Answer | None]:
    return lambda _, path: answer if "/instances/" in path else None


def test_finds_series(server: StandIn, made: Any) -> None:
    service = DicomWeb(server.url + "/")
    expected = [RemoteSeries(made.uid("results"), "SEG", None), RemoteSeries(made.uid("series"), "MR", None)]
    assert service.find_series(server.study) == sorted(expected, key=lambda one: one.uid)
    assert service.find_series(server.study, "SEG") == expected[:1]  # though this server knows no filters
    assert any("Modality=SEG" in path or "00080060=SEG" in path for _, path, _ in server.seen)
    assert repr(service) == f"DicomWeb('{server.url}')"


def test_fetches_a_study(server: StandIn, files: list[Path], tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    counts: list[tuple[int, int]] = []
    paths = DicomWeb(server.url).retrieve(
        server.study, tmp_path / "in", images_only=True, progress=lambda *n: counts.append(n)
    )
    assert counts == [(1, 3), (2, 3), (3, 3)]
    assert [path.name for path in paths] == ["00001.dcm", "00002.dcm", "00003.dcm"]
    assert [path.read_bytes() for path in paths] == [path.read_bytes() for path in files[2::-1]]
    assert (tmp_path / "in").stat().st_mode & 0o077 == 0
    host = server.url.split("/")[2]
    assert {(h["Host"], h["Authorization"]) for _, _, h in server.seen} == {(host, f"Bearer {TOKEN}")}
    assert TOKEN not in caplog.text
    assert "Doe" not in caplog.text


def test_fetches_one_series_into_an_empty_folder(server: StandIn, made: Any, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (path,) = DicomWeb(server.url).retrieve(server.study, tmp_path / "in", made.uid("results"))
    assert pydicom.dcmread(path).Modality == "SEG"


def test_folders_and_arguments_are_checked_first(server: StandIn, files: list[Path], tmp_path: Path) -> None:
    service = DicomWeb(server.url)
    with pytest.raises(FileExistsError, match="is not an empty folder"):
        service.retrieve(server.study, tmp_path / "files")
    with pytest.raises(FileExistsError, match="is not an empty folder"):
        service.retrieve(server.study, files[0])
    with pytest.raises(FileNotFoundError, match="does not exist: make it first"):
        service.retrieve(server.study, tmp_path / "a" / "b")
    for uids in (("1.2/../3", None), ("1.2", "x")):
        with pytest.raises(ValueError, match="InstanceUID of at most 64 digits"):
            service.retrieve(uids[0], tmp_path / "in", uids[1])
    with pytest.raises(ValueError, match="positive number of seconds, but got 0"):
        DicomWeb(server.url, timeout=0)
    with pytest.raises(ValueError, match="without credentials"):
        DicomWeb("https://doe:x@host/")
    assert not server.seen


@pytest.mark.parametrize(
    ("status", "message"),
    [
        (401, r"refused the credentials \(401\): set MONAI_ACDR_DICOMWEB_USER"),
        (403, r"refused the credentials \(403\)"),
        (404, r"no such study, series or service \(404\): check"),
        (400, r"refused the request \(400\): look into its log"),
        (409, r"refused the request \(409\)"),
        (500, r"failed \(500\): look into its log, or try later"),
        (503, r"failed \(503\)"),
    ],
)
@pytest.mark.parametrize("part", ["/series", "/instances/"])
def test_refusals(server: StandIn, tmp_path: Path, status: int, message: str, part: str) -> None:
    answer = status, {"Content-Type": "text/html"}, b"<p>Doe^Jane</p>"
    server.change = lambda _, path: answer if part in path and (part != "/series" or path.endswith(part)) else None
    refuse(server, message, tmp_path)


def test_server_down(server: StandIn, tmp_path: Path) -> None:
    server.close()
    refuse(server, "cannot be reached or hung up .*whether the server runs", tmp_path)


@pytest.mark.parametrize("part", ["/series?", "/instances/"])
def test_server_that_hangs(server: StandIn, tmp_path: Path, part: str) -> None:
    server.change = lambda _, path: (0, {}, b"") if part in path + "?" else None
    refuse(server, "in time, but none came", tmp_path, timeout=0.2)


def test_server_that_hangs_within_an_answer(server: StandIn, tmp_path: Path) -> None:
    """More is promised than comes, and the connection stays open."""
    server.change = only_instances((200, {"Content-Type": PARTS, "Content-Length": "9999"}, multipart(b"x")))
    refuse(server, "in time, but none came", tmp_path, timeout=0.2)


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_nothing_goes_to_another_host(
    server: StandIn, files: list[Path], tmp_path: Path, method: str, made: Any
) -> None:
    other = StandIn(files)
    location = f"{other.url}/x?PatientName=Doe"
    server.change = lambda *_: (307 if method == "POST" else 302, {"Location": location}, b"")
    try:
        if method == "GET":
            refuse(server, f"sends on to {other.url.removesuffix('/dicom-web')} .*give the final address", tmp_path)
        else:
            with pytest.raises(DicomWebError, match="none stored, not stored: 1.dcm.*sends on to"):
                DicomWeb(server.url).store(files[:1])
        assert not other.seen
    finally:
        other.close()


def test_half_sent_instances(server: StandIn, files: list[Path], tmp_path: Path) -> None:
    whole, dicom = multipart(files[0].read_bytes()), files[0].read_bytes()
    cut, closed = whole[:-200], {"Connection": "close"}
    chunked = {"Transfer-Encoding": "chunked", "Content-Length": "", "Content-Type": PARTS, **closed}
    answers: list[Answer] = [
        (200, {"Content-Type": PARTS, "Content-Length": str(len(whole)), **closed}, cut),
        (200, {"Content-Type": PARTS, "Content-Length": "", **closed}, cut),
        (200, {"Content-Type": PARTS}, multipart(dicom, end=b"")),
        (200, chunked, f"{len(whole):x}\r\n".encode() + cut),
    ]
    for answer in answers:
        server.change = only_instances(answer)
        refuse(server, "it ended half-way: try again", tmp_path)


def test_half_sent_list(server: StandIn, tmp_path: Path) -> None:
    server.change = lambda *_: (
        200,
        {"Content-Type": JSON, "Content-Length": "", "Connection": "close"},
        b'[{"0020000E"',
    )
    refuse(server, "Expected a list of series, but got something that is not one", tmp_path)


def test_nonsense_instead_of_instances(server: StandIn, files: list[Path], tmp_path: Path, made: Any) -> None:
    study, other = (files[0].read_bytes(), made.image(files[0].with_name("o.dcm"), StudyInstanceUID="1.2.9"))
    answers: list[tuple[Answer, str]] = [
        ((200, {"Content-Type": "text/html"}, b"<p>log in</p>"), "multipart/related with a boundary"),
        ((200, {}, multipart(study)), "multipart/related with a boundary"),
        ((200, {"Content-Type": "application/dicom"}, study), "multipart/related with a boundary"),
        ((200, {"Content-Type": "multipart/related"}, study), "multipart/related with a boundary"),
        (
            (200, {"Content-Type": PARTS}, multipart(b"not DICOM")),
            r"a DICOM instance, but got something .*\(InvalidDicom",
        ),
        ((200, {"Content-Type": PARTS}, b"--b0--"), "a DICOM instance, but got something that is not one"),
        ((200, {"Content-Type": PARTS}, multipart(study, multipart(study, b"\r\n--b0--"))), "a DICOM instance"),
        ((200, {"Content-Type": PARTS}, multipart(other.read_bytes())), "sent another one"),
        ((200, {"Content-Type": PARTS}, multipart(b"1.2.840.10008.1.2.1.99")), "sends a deflated one"),
        ((204, {}, b""), "a DICOM instance, but got something that is not one"),
    ]
    for answer, message in answers:
        server.change = only_instances(answer)
        refuse(server, message, tmp_path)


def test_nonsense_instead_of_lists(server: StandIn, tmp_path: Path) -> None:
    lists: list[Any] = ["x", [3], [{}], [attributes("0020000E", "../x")], [{"0020000E": {"Value": 3}}], {"a": 1}]
    for body in [*(json.dumps(one).encode() for one in lists), b"{", b"\xff"]:
        server.change = lambda *_, body=body: (200, {"Content-Type": JSON}, body)  # type: ignore[misc]
        refuse(server, "a list of series, but got something that is not one", tmp_path)
    server.change = lambda *_: (200, {"Content-Type": "text/html"}, b"[]")
    refuse(server, "DICOM JSON, but got another type", tmp_path)
    for answer in ((204, {}, b""), (200, {"Content-Type": JSON}, b"[]")):
        server.change = lambda *_, answer=answer: answer  # type: ignore[misc]
        refuse(server, "lists none that you may see", tmp_path)


def test_every_announced_instance_must_be_listed(server: StandIn, made: Any, tmp_path: Path) -> None:
    series = attributes("0020000E", made.uid("series"), "00080060", "MR", "00201209", 4)
    body = json.dumps([series]).encode()
    server.change = lambda _, path: (200, {"Content-Type": JSON}, body) if "/series?" in path + "?" else None
    refuse(server, "to list 4 instances of a series, but it lists 3: is it still receiving", tmp_path)


WARNED = {"Content-Type": JSON, "Warning": '299 dicom: "There are 2 additional results that can be requested"'}


def instances(made: Any, numbers: range, headers: dict[str, str]) -> Answer:
    items = [attributes("00080018", made.uid("instance", str(n)), "00200013", n) for n in numbers]
    return 200, headers, json.dumps(items).encode()


def test_capped_lists_go_on_or_are_refused(server: StandIn, made: Any, tmp_path: Path) -> None:
    """Two of three instances, with the warning of PS3.18: the rest comes, by offset or by limit, or nothing does."""
    plain = {"Content-Type": JSON}

    def by_offset(_: str, path: str) -> Answer | None:
        if "/instances" not in path or "/instances/" in path or made.uid("series") not in path:
            return None
        offset = int(path.partition("offset=")[2] or 0)
        return instances(made, range(1, 4)[offset:][:2], WARNED if offset == 0 else plain)

    def by_limit(_: str, path: str) -> Answer | None:
        if "/instances" not in path or "/instances/" in path or made.uid("series") not in path:
            return None
        return instances(made, range(1, 4 if "limit=20001" in path else 3), plain)

    for change in (by_offset, by_limit):
        server.change = change
        paths = DicomWeb(server.url).retrieve(server.study, tmp_path / change.__name__, images_only=True)
        assert len(paths) == 3
    server.change = lambda _, path: None
    for paged, name in ((True, "paged"), (False, "same")):

        def capped(_: str, path: str, paged: bool = paged) -> Answer | None:
            if "/instances" not in path or "/instances/" in path:
                return None
            return instances(made, range(0) if paged and "offset" in path else range(1, 3), WARNED)

        server.change = capped
        with pytest.raises(DicomWebError, match="it lists 2, says that there are more, and does not give them: raise"):
            DicomWeb(server.url).retrieve(server.study, tmp_path / name)
        assert not (tmp_path / name).exists()


def test_warnings_about_filters_are_no_caps(server: StandIn, tmp_path: Path) -> None:
    body = json.dumps([attributes("0020000E", "1.2.3", "00080060", "MR")]).encode()
    warned = {"Content-Type": JSON, "Warning": '299 dicom: "The fuzzymatching parameter is not supported"'}
    server.change = lambda *_: (200, warned, body)
    assert DicomWeb(server.url).find_series(server.study) == [RemoteSeries("1.2.3", "MR", None)]


def test_hostile_lists(server: StandIn, tmp_path: Path) -> None:
    """Attributes of other types are read as absent; small lists of many objects are refused before they are parsed."""
    for value in (5, "x", ["Value"], {"Value": 5}, {"Value": [{"a": 1}]}, {"Value": [["MR"]]}, {"Value": []}, None):
        series = {**attributes("0020000E", "1.2.3"), "00080060": value, "00201209": value}
        server.change = lambda *_, series=series: (200, {"Content-Type": JSON}, json.dumps([series]).encode())  # type: ignore[misc]
        assert DicomWeb(server.url).find_series(server.study) == [RemoteSeries("1.2.3", "", None)]
    server.change = lambda *_: (200, {"Content-Type": JSON}, b"[" + b"{}," * 5000 + b"{}]")
    with (
        read_budget(2),
        pytest.raises(DicomWebError, match="2 MiB of memory for them, but it sends more: .*--read-budget"),
    ):
        DicomWeb(server.url).find_series(server.study)
    server.change = lambda *_: (200, {"Content-Type": JSON}, b"[" * 50_000)
    refuse(server, "a list of series, but got something that is not one", tmp_path)


def test_instances_within_the_budget(server: StandIn, made: Any, files: list[Path], tmp_path: Path) -> None:
    made.image(files[0], "1", Rows=1000, Columns=1000, InstanceNumber=3)
    with read_budget(1):
        refuse(server, "from http.*1 MiB of memory for them, but it sends more", tmp_path)


def test_instances_that_become_large(server: StandIn, files: list[Path], tmp_path: Path) -> None:
    """80 kB of empty items, which dicomweb-client makes 9,000 data sets of."""
    content = files[0].read_bytes()
    at = content.index(struct.pack("<HH", 0x7FE0, 0x0010))
    items = (b"\xfe\xff\x00\xe0" + bytes(4)) * 9_000 + b"\xfe\xff\xdd\xe0" + bytes(4)
    bomb = content[:at] + struct.pack("<HH2sHI", 0x6001, 0x1010, b"SQ", 0, 0xFFFFFFFF) + items + content[at:]
    server.change = only_instances((200, {"Content-Type": PARTS}, multipart(bomb)))
    with read_budget(2):
        refuse(server, "an instance of http.* to need at most 2 MiB of memory", tmp_path)


def test_sizes_are_bounded(server: StandIn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for module, name, value, message in (
        (web, "MAX_ANSWER_BYTES", 100, "at most 100 bytes"),
        (web, "MAX_INSTANCE_BYTES", -65000, "at most 536 bytes"),
        (web, "MAX_INSTANCES", 2, "at most 2 instances"),
        (web, "MAX_STUDY_BYTES", 1500, "a study of at most 1500 bytes"),
    ):
        with monkeypatch.context() as patch:
            patch.setattr(module, name, value)
            refuse(server, message, tmp_path)


def test_an_interruption_leaves_nothing(server: StandIn, tmp_path: Path) -> None:
    def stop(*_: int) -> None:
        raise KeyboardInterrupt("by the user")

    with pytest.raises(KeyboardInterrupt, match="by the user"):
        DicomWeb(server.url).retrieve(server.study, tmp_path / "in", progress=stop)
    assert [path.name for path in tmp_path.iterdir()] == ["files"]


def test_stores(server: StandIn, files: list[Path]) -> None:
    counts: list[tuple[int, int]] = []
    DicomWeb(server.url).store(files[:2], progress=lambda *n: counts.append(n))
    assert counts == [(1, 2), (2, 2)]
    assert [method for method, _, _ in server.seen] == ["POST", "POST"]


def test_a_slow_upload_is_not_a_hung_server(server: StandIn, made: Any, files: list[Path], tmp_path: Path) -> None:
    """The whole takes longer than `timeout`, each piece does not."""
    server.pause = 0.3  # six times
    DicomWeb(server.url, timeout=1.6).store([made.image(files[0], "1", Rows=3000, Columns=4000)])


def test_partial_failure_is_told_by_file(server: StandIn, files: list[Path], made: Any) -> None:
    server.failures = {made.uid("instance", "2"): 0x0110, made.uid("instance", "3"): 0xA900}
    with pytest.raises(DicomWebError, match="Expected 4 files") as caught:
        DicomWeb(server.url).store(files)
    assert str(caught.value).startswith(
        "Expected 4 files to be stored, but 2 stored (1.dcm, seg.dcm), not stored: 2.dcm (the server failed to "
        "process it), 3.dcm (failure reason A900). Look into the log of http://127.0.0.1:"
    )


def test_a_store_may_be_sent_again(server: StandIn, files: list[Path], made: Any) -> None:
    """The server refuses duplicates, of which the first attempt stored one."""
    server.failures = {made.uid("instance", "1"): 0x0111}
    counts: list[tuple[int, int]] = []
    DicomWeb(server.url).store(files[:2], progress=lambda *n: counts.append(n))
    assert counts == [(1, 2), (2, 2)]


def test_a_server_that_goes_between_files(server: StandIn, files: list[Path]) -> None:
    server.change = lambda *_: (503, {}, b"") if len(server.seen) > 1 else None
    with pytest.raises(DicomWebError, match=r"1 stored \(1.dcm\), not stored: 2.dcm, 3.dcm. .*failed \(503\)"):
        DicomWeb(server.url).store(files[:3])
    assert len(server.seen) == 2


def test_a_store_is_confirmed_or_failed(server: StandIn, files: list[Path]) -> None:
    answers: list[tuple[Answer, str]] = [
        ((200, {"Content-Type": JSON}, b"{}"), r"1.dcm \(the server did not confirm it\)"),
        ((204, {}, b""), r"1.dcm \(the server did not confirm it\)"),
        ((200, {"Content-Type": "application/dicom+xml"}, b"<x/>"), "DICOM JSON, but got another type"),
        ((200, {"Content-Type": JSON}, b"[1]"), "an answer to a store request, but got something that is not one"),
        ((409, {"Content-Type": "text/plain"}, b"no"), "DICOM JSON, but got another type"),
    ]
    for answer, message in answers:
        server.change = lambda *_, answer=answer: answer  # type: ignore[misc]
        with pytest.raises(DicomWebError, match=message):
            DicomWeb(server.url).store(files[:1])


def test_files_are_checked_before_any_is_sent(
    server: StandIn, files: list[Path], made: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    service, bad = DicomWeb(server.url), tmp_path / "bad.dcm"
    bad.write_bytes(b"x" * 200)
    with pytest.raises(ValueError, match="Expected a DICOM file .*bad.dcm is not one"):
        service.store([files[0], bad])
    with pytest.raises(FileNotFoundError, match="absent.dcm"):
        service.store([files[0], tmp_path / "absent.dcm"])
    monkeypatch.setattr(web, "MAX_INSTANCE_BYTES", 10)
    with pytest.raises(ValueError, match="1.dcm to have at most 10 bytes"):
        service.store(files)
    assert not server.seen
