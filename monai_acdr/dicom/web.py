# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Studies from and results to a DICOMweb server: QIDO-RS, WADO-RS and STOW-RS (PS3.18, 10.4 to 10.6)."""

from __future__ import annotations

import base64
import logging
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.message import Message
from importlib import import_module
from io import BytesIO
from ipaddress import ip_address
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, urljoin, urlsplit

import pydicom
from pydicom.dataset import Dataset
from pydicom.uid import DeflatedExplicitVRLittleEndian

from monai_acdr.dicom.elements import quiet_values
from monai_acdr.dicom.files import check_objects, read_dataset
from monai_acdr.dicom.toolkit import require_dicomweb
from monai_acdr.files import replace_folder
from monai_acdr.read_budget import read_budget_bytes

__all__ = [
    "Authorization",
    "DicomWeb",
    "DicomWebError",
    "MAX_INSTANCES",
    "MAX_INSTANCE_BYTES",
    "NOT_IMAGES",
    "RemoteSeries",
    "RemoteStudy",
    "check_uid",
    "check_url",
    "explain",
    "find_credentials",
    "open_client",
    "origin",
    "parse_study_url",
]

_UID = re.compile(r"[0-9]+(\.[0-9]+)*")
_STUDY = re.compile(r"(?P<base>.*)/studies/(?P<study>[^/]+)(/series/(?P<series>[^/]+))?/?")


class DicomWebError(RuntimeError):
    """A DICOMweb server cannot be reached, refuses, or sends an unexpected answer.

    Messages contain neither credentials nor queries nor anything that identifies a patient.
    """


def check_uid(value: object, description: str) -> str:
    """Check that a value is a UID, and return it. Leading zeros are accepted: real archives have them.

    Args:
        value: to check.
        description: its name for the message.

    Raises:
        ValueError: unless it consists of at most 64 digits and dots. The message does not repeat the value.
    """
    if not isinstance(value, str) or len(value) > 64 or not _UID.fullmatch(value):
        raise ValueError(f"Expected a {description} of at most 64 digits and dots, but got something else.")
    return value


def check_url(url: str) -> str:
    """Check the base URL of a service; return it without its last slash.

    Args:
        url: such as ``https://host/dicom-web``.

    Raises:
        ValueError: unless it is an http or https URL without credentials, query and fragment; it is not repeated.
    """
    return _split(url).geturl().rstrip("/")


def parse_study_url(url: str) -> tuple[str, str, str | None]:
    """Take the address of a study or series apart.

    Args:
        url: ``https://host/dicom-web/studies/UID`` or ``https://host/dicom-web/studies/UID/series/UID``.

    Returns:
        Base URL of the service, StudyInstanceUID, and SeriesInstanceUID or None.

    Raises:
        ValueError: for any other form.
    """
    parts = _split(url)
    match = _STUDY.fullmatch(parts.path)
    if match is None:
        raise ValueError(
            "Expected the address of a study, https://host/dicom-web/studies/UID, or of a series, .../series/UID, "
            f"but got another one on {origin(url)}."
        )
    study, series = check_uid(match["study"], "StudyInstanceUID"), match["series"]
    if series is not None:
        check_uid(series, "SeriesInstanceUID")
    return check_url(parts._replace(path=match["base"]).geturl()), study, series


def origin(url: str) -> str:
    """Scheme, host and port of a URL, fit for messages."""
    try:
        parts = urlsplit(url)
        port = "" if parts.port is None else f":{parts.port}"
        host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
    except ValueError:
        return "an unreadable address"
    return f"{parts.scheme}://{host}{port}" if parts.scheme and host else "an address without a host"


def _split(url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        valid = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:  # its message repeats the URL
        valid = False
    if not valid or re.search(r"[\s\x00-\x1f\x7f\\]", url):
        raise ValueError("Expected the http or https address of a DICOMweb service, such as https://host/dicom-web.")
    if "@" in parts.netloc:
        raise ValueError(
            "Expected an address without credentials, but it contains some: take them out and set "
            "MONAI_ACDR_DICOMWEB_USER and MONAI_ACDR_DICOMWEB_PASSWORD, or MONAI_ACDR_DICOMWEB_TOKEN, or use ~/.netrc."
        )
    if parts.query or parts.fragment:
        raise ValueError(f"Expected an address without ? and #, but that on {origin(url)} has one: take it out.")
    return parts


MAX_INSTANCE_BYTES = 1 << 30
"""Instances beyond this are neither fetched nor sent, nor those beyond the budget of memory fetched."""
MAX_ANSWER_BYTES = 1 << 26
"""Search results and answers to a store beyond this are refused, and those that need more memory than the budget."""

_ATTRIBUTE_BYTES = 512
"""About what the objects of one pair of braces need: a dictionary with its values and their texts."""

_ENVELOPE_BYTES = 1 << 16
_USER, _PASSWORD, _TOKEN = (f"MONAI_ACDR_DICOMWEB_{name}" for name in ("USER", "PASSWORD", "TOKEN"))

_logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Authorization:
    """Adds credentials to requests; its repr does not show them.

    Attributes:
        header: value of the header Authorization, or None for requests without.
    """

    header: str | None = field(repr=False)

    def __call__(self, request: Any) -> Any:
        # dicomweb-client sets Host without the port, which http.client does better.
        request.headers.pop("Host", None)
        if self.header is not None:
            request.headers["Authorization"] = self.header
        return request


def find_credentials(url: str, environ: Mapping[str, str] = os.environ) -> Authorization:
    """Credentials for a server from the environment, otherwise from the netrc file (``NETRC`` or ``~/.netrc``).

    Args:
        url: the server.
        environ: the environment.

    Raises:
        ValueError: when the variables contradict each other or cannot be sent; no value is repeated.
    """
    user, password, token = (environ.get(name) or None for name in (_USER, _PASSWORD, _TOKEN))
    if token is not None and (user or password):
        raise ValueError(f"Expected {_TOKEN} or {_USER} and {_PASSWORD}, but got both: unset one of them.")
    if token is not None:
        token = token.strip()
        if not re.fullmatch(r"[\x21-\x7e]+", token):
            raise ValueError(
                f"Expected {_TOKEN} to be a token without spaces, but it has other characters: set it anew."
            )
        return Authorization(f"Bearer {token}")
    if user is None and password is None:
        user, password = import_module("requests.utils").get_netrc_auth(url) or (None, None)
        if user is None:
            return Authorization(None)
    if user is None or password is None:
        raise ValueError(f"Expected both {_USER} and {_PASSWORD}, but one is not set.")
    if ":" in user:
        raise ValueError(f"Expected a user without a colon (RFC 7617), but {_USER} has one.")
    return Authorization("Basic " + base64.b64encode(f"{user}:{password}".encode()).decode("ascii"))


def warn_of_plain_http(url: str, credentials: Authorization) -> None:
    """Log a warning when credentials go to another machine without encryption."""
    if credentials.header is not None and url.startswith("http:") and not _is_loopback(url):
        _logger.warning("Credentials and images go to %s without encryption: use https.", origin(url))


@dataclass
class Answers:
    """Facts from the headers of the last answer.

    Attributes:
        partial: a warning said that there are more results than the answer lists (PS3.18 8.3.4.4).
    """

    partial: bool = False


def open_client(url: str, timeout: float) -> tuple[Any, Answers]:
    """A dicomweb_client.api.DICOMwebClient with the rules of this module, and facts from the headers of its answers.

    Args:
        url: base URL, checked.
        timeout: seconds to wait for a connection, and for each next piece of an answer.

    Raises:
        ImportError: without dicomweb-client.
        ValueError: for contradictory credentials.
    """
    api = require_dicomweb("Reading from and storing to a DICOMweb server")
    requests = import_module("requests")
    session = requests.Session()
    session.auth = find_credentials(url)
    warn_of_plain_http(url, session.auth)
    session.headers.update({"Accept": "application/dicom+json", "Accept-Encoding": "identity"})
    answers = Answers()
    adapter = _adapter(requests, timeout, session.auth.header is not None, answers)
    for scheme in ("http://", "https://"):
        session.mount(scheme, adapter)
    # One instance a request: sent whole. UIDs are checked by us, archives have some with leading zeros.
    client = api.DICOMwebClient(url, session=session, chunk_size=2 * MAX_INSTANCE_BYTES, permissive_uid=True)
    client.set_http_retry_params(retry=False)
    return client, answers


@contextmanager
def explain(url: str, task: str) -> Iterator[None]:
    """Convert any failure of a request into a DicomWebError: messages of the libraries repeat queries and values.

    Args:
        url: the server.
        task: what was requested, such as "a list of series".
    """
    exceptions, server = import_module("requests.exceptions"), origin(url)
    try:
        with quiet_values():
            yield
    except DicomWebError:
        raise
    except exceptions.Timeout:
        raise _timed_out(server) from None
    except exceptions.SSLError:
        raise DicomWebError(
            f"Expected {server} to prove its identity, but its certificate is not trusted: set REQUESTS_CA_BUNDLE to "
            "the file of your certificate authority, or check the address."
        ) from None
    except exceptions.ConnectionError as error:
        raise DicomWebError(
            f"Expected a DICOMweb server at {server}, but it cannot be reached or hung up ({type(error).__name__}): "
            "check the address, and whether the server runs."
        ) from None
    except Exception as error:
        raise _invalid_answer(server, f"{task}, but got something that is not one ({type(error).__name__})") from None


def _adapter(requests: Any, seconds: float, signed: bool, answers: Answers) -> Any:
    class Adapter(requests.adapters.HTTPAdapter):
        """Waits `seconds` for each piece of an answer, and passes on complete answers of the right kind."""

        def send(self, request: Any, *_: Any, **options: Any) -> Any:
            options.update(stream=True, timeout=seconds)
            if isinstance(request.body, bytes):
                request.body = BytesIO(request.body)  # sent in pieces: the limit would be for all of it otherwise
            response = super().send(request, **options)
            try:
                _check_status(response, signed)
                # Free text, which dicomweb-client would log. A warning that a filter is not supported is no other list.
                warning = response.headers.pop("Warning", "")
                answers.partial = warning.strip().startswith("299") and "fuzzy" not in warning.lower()
                _check_kind(response)
                body = _read(response)
            except BaseException:
                response.close()
                raise
            response.raw.release_conn()
            response.raw = BytesIO(body)
            return response

    return Adapter()


def _check_status(response: Any, signed: bool) -> None:
    status, server, request = response.status_code, origin(response.request.url), response.request
    if 300 <= status < 400:
        target = origin(urljoin(request.url, response.headers.get("Location", "")))
        problem = f"{server} sends on to {target} ({status}), where nothing was sent: give the final address"
    elif status == 401 or status == 403:
        tried = "the credentials" if signed else "a request without credentials"
        problem = (
            f"{server} refused {tried} ({status}): set {_USER} and {_PASSWORD}, or {_TOKEN}, or use ~/.netrc, and ask "
            "whether you may access this study"
        )
    elif status == 404:
        problem = f"{server} has no such study, series or service (404): check the UIDs and the path of the address"
    elif status == 409 and request.method == "POST":
        response.status_code = 202  # nothing was stored; like after 202, the body says why (PS3.18 table 10.5.3-1)
        return
    elif status >= 500:
        problem = f"{server} failed ({status}): look into its log, or try later"
    elif not 200 <= status < 300:
        problem = f"{server} refused the request ({status}): look into its log"
    else:
        return
    raise DicomWebError(f"Expected an answer, but {problem}.")


def _check_kind(response: Any) -> None:
    """Check the content type; remove the parameters of JSON's, which dicomweb-client does not expect."""
    kind = _media_type(response)
    if response.status_code == 204:
        return
    requested = response.request.headers.get("Accept", "")
    if "multipart/related" in requested:
        if kind.get_content_type() != "multipart/related" or not kind.get_boundary():
            raise _invalid_answer(
                origin(response.request.url), "multipart/related with a boundary, but got another type"
            )
    elif kind.get_content_type() in ("application/dicom+json", "application/json"):
        response.headers["Content-Type"] = kind.get_content_type()
    else:
        raise _invalid_answer(origin(response.request.url), "DICOM JSON, but got another type")


def _read(response: Any) -> bytes:
    """The body, checked to be complete."""
    errors, server = import_module("urllib3.exceptions"), origin(response.request.url)
    boundary = _media_type(response).get_boundary()
    budget = read_budget_bytes()
    limit = min(MAX_ANSWER_BYTES, budget) if boundary is None else min(MAX_INSTANCE_BYTES, budget) + _ENVELOPE_BYTES
    body, needed = bytearray(), 0
    try:
        for piece in response.raw.stream(1 << 16, decode_content=True):
            body += piece
            needed += object_bytes(piece) if boundary is None else 0
            if len(body) > limit or needed > budget:
                raise DicomWebError(
                    f"Expected at most {limit} bytes from {server}, and {budget >> 20} MiB of memory for them, but it "
                    "sends more: fetch a series, or raise the budget with --read-budget MIB."
                )
    except errors.ReadTimeoutError:
        raise _timed_out(server) from None
    except (errors.HTTPError, OSError):
        raise _incomplete_answer(server) from None
    length = response.headers.get("Content-Length", "")
    if length.isdigit() and "Content-Encoding" not in response.headers and int(length) != len(body):
        raise _incomplete_answer(server)
    content = bytes(body)
    del body
    if boundary is not None:
        if f"--{boundary}--".encode() not in content:
            raise _incomplete_answer(server)
        if DeflatedExplicitVRLittleEndian.encode() in content:
            raise DicomWebError(f"Expected instances of known size, but {server} sends a deflated one.")
        # dicomweb-client reads the parts whole: a few megabytes of empty items become gigabytes.
        for instance in _parts(content, boundary):
            try:
                check_objects(f"an instance of {server}", instance)
            except ValueError as error:
                raise DicomWebError(str(error)) from None
    return content


def _parts(content: bytes, boundary: str) -> Iterator[bytes]:
    """What each part of a multipart body holds, one after the other: all of them together may be a gigabyte."""
    mark, start = f"\r\n--{boundary}".encode(), 0
    while start < len(content):
        end = content.find(mark, start)
        end = len(content) if end < 0 else end
        blank = content.find(b"\r\n\r\n", start, end)
        if blank >= 0:
            yield content[blank + 4 : end]
        start = end + len(mark)


def object_bytes(text: bytes) -> int:
    """About how many bytes of memory the objects of a JSON or XML text need."""
    return _ATTRIBUTE_BYTES * sum(map(text.count, (b"{", b"[", b",", b"<")))


def _media_type(response: Any) -> Message:
    message = Message()
    message["Content-Type"] = response.headers.get("Content-Type", "").replace("\r", "").replace("\n", "") or "none"
    return message


def _timed_out(server: str) -> DicomWebError:
    return DicomWebError(
        f"Expected an answer from {server} in time, but none came: try later, or pass a longer timeout."
    )


def _incomplete_answer(server: str) -> DicomWebError:
    return DicomWebError(f"Expected a whole answer from {server}, but it ended half-way: try again.")


def _invalid_answer(server: str, expected: str) -> DicomWebError:
    return DicomWebError(f"Expected {expected} from {server}: is this the address of a DICOMweb service?")


def _is_loopback(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


MAX_INSTANCES = 20_000
"""Studies with more instances are refused."""
MAX_STUDIES = 1_000_000
"""A search that gives more is refused."""
MAX_STUDY_BYTES = 1 << 35
"""Studies beyond this are refused."""

NOT_IMAGES = frozenset(
    {"AU", "DOC", "KO", "PLAN", "PR", "REG", "RTDOSE", "RTPLAN", "RTRECORD", "RTSTRUCT", "SEG", "SR"}
)
"""Modalities of what is made from images: results, our own among them."""
_REASONS = {
    0x0110: "the server failed to process it",
    0x0122: "the server does not take this kind of object",
    0xA700: "the server has no room",
}
"""FailureReason, PS3.3 table C.4-13 and PS3.4 table B.2-1."""
_DUPLICATE = 0x0111
"""The server has this instance: a UID names one object, so it is stored, as after a store that is sent again."""

_LONGEST_TEXT = 1024
"""Letters of a value that are looked at; UIDs and code strings have 64 at most."""


@dataclass(frozen=True)
class RemoteSeries:
    """A series on a server.

    Attributes:
        uid: SeriesInstanceUID.
        modality: such as MR; empty when the server does not state it.
        num_instances: their number according to the server, or None.
    """

    uid: str
    modality: str
    num_instances: int | None


@dataclass(frozen=True)
class RemoteStudy:
    """A study on a server.

    Attributes:
        uid: StudyInstanceUID.
        patient_id: PatientID; empty when the server does not state it.
    """

    uid: str
    patient_id: str


class DicomWeb:
    """A DICOMweb service.

    Credentials come from ``MONAI_ACDR_DICOMWEB_USER`` and ``MONAI_ACDR_DICOMWEB_PASSWORD``, or from
    ``MONAI_ACDR_DICOMWEB_TOKEN`` (sent as a bearer token), or from the netrc file. Redirects are not followed.

    Args:
        url: its base URL, such as ``https://host/dicom-web``; no credentials in it.
        timeout: seconds to wait for a connection, and for each next piece of an answer.

    Raises:
        ImportError: without dicomweb-client.
        ValueError: for another kind of URL, time or credentials.
    """

    def __init__(self, url: str, timeout: float = 30.0) -> None:
        if not 0 < timeout < float("inf"):
            raise ValueError(f"Expected `timeout` to be a positive number of seconds, but got {timeout}.")
        self.url = check_url(url)
        self._client, self._answers = open_client(self.url, timeout)

    def __repr__(self) -> str:
        return f"DicomWeb({self.url!r})"

    def find_studies(self, filters: Mapping[str, str]) -> list[RemoteStudy]:
        """Search for studies.

        Args:
            filters: keyword -> value as QIDO-RS has them, such as ``{"StudyDate": "20240101-20240331"}``.

        Returns:
            By UID.

        Raises:
            DicomWebError: when the server cannot be asked, or lists more than :data:`MAX_STUDIES`.
        """
        found = self._search("studies", "0020000D", search_filters=dict(filters), most=MAX_STUDIES)
        return sorted((RemoteStudy(uid, _text(found[uid], "00100020")) for uid in found), key=lambda one: one.uid)

    def find_series(self, study_uid: str, modality: str | None = None) -> list[RemoteSeries]:
        """Search for the series of a study.

        Args:
            study_uid: StudyInstanceUID.
            modality: only series of this one, such as ``SEG``.

        Returns:
            By UID; empty if absent.

        Raises:
            DicomWebError: when the server cannot be asked.
            ValueError: when `study_uid` is not a UID.
        """
        check_uid(study_uid, "StudyInstanceUID")
        filters = {} if modality is None else {"Modality": modality}
        found = self._search("series", "0020000E", study_uid, search_filters=filters)
        series = [RemoteSeries(uid, _text(item, "00080060"), _count(item, "00201209")) for uid, item in found.items()]
        return sorted((one for one in series if modality in (None, one.modality)), key=lambda one: one.uid)

    def retrieve(
        self,
        study_uid: str,
        folder: str | os.PathLike[str],
        series_uid: str | None = None,
        images_only: bool = False,
        progress: Callable[[int, int], None] | None = None,
    ) -> list[Path]:
        """Download a study, or one of its series, instance by instance.

        The result is complete or absent: the folder appears, readable by its owner only, when all instances that the
        server lists have arrived, each complete and of the right study.

        Args:
            study_uid: StudyInstanceUID.
            folder: absent or empty; the folder that it lies in exists.
            series_uid: SeriesInstanceUID; by default all series.
            images_only: leave out earlier results: series of structure sets, segmentations, reports and the like.
            progress: called with the number of instances that are there and that of all.

        Returns:
            The files: numbers, by series and InstanceNumber.

        Raises:
            DicomWebError: when the server has no such study, or sends something unexpected.
            FileExistsError: when the folder holds anything.
            OSError: when it cannot be written.
            ValueError: when a UID is malformed.
        """
        check_uid(study_uid, "StudyInstanceUID")
        if series_uid is not None:
            check_uid(series_uid, "SeriesInstanceUID")
        with replace_folder(folder) as temporary:
            keys, size = self._list(study_uid, series_uid, images_only), 0
            for number, (series, instance) in enumerate(keys, start=1):
                path = temporary / f"{number:05d}.dcm"
                self._fetch((study_uid, series, instance), path)
                size += path.stat().st_size
                if size > MAX_STUDY_BYTES:
                    raise DicomWebError(f"Expected a study of at most {MAX_STUDY_BYTES} bytes: fetch a series of it.")
                if progress is not None:
                    progress(number, len(keys))
        return sorted(Path(folder).iterdir())

    def store(
        self, paths: Iterable[str | os.PathLike[str]], progress: Callable[[int, int], None] | None = None
    ) -> None:
        """Store files. All files are read before the first one is sent; the server confirms each.

        An instance that the server has already counts as stored, so that a store may be sent again after a failure.

        Args:
            paths: DICOM files.
            progress: called with the number of files that are stored and that of all.

        Raises:
            DicomWebError: when not all were stored; the message names the stored files.
            OSError: when a file cannot be opened.
            ValueError: when a file is not a DICOM file or too large.
        """
        files = {Path(path): _instance_uid(Path(path)) for path in paths}
        stored: list[str] = []
        refused: list[str] = []
        for number, (path, uid) in enumerate(files.items()):
            try:
                reason = self._send(path, uid)
            except DicomWebError as error:
                rest = [*refused, *(one.name for one in list(files)[number:])]
                raise DicomWebError(f"{_tally(stored, rest)} {error}") from None
            if reason is None:
                stored.append(path.name)
                if progress is not None:
                    progress(len(stored), len(files))
            else:
                refused.append(f"{path.name} ({reason})")
        if refused:
            raise DicomWebError(f"{_tally(stored, refused)} Look into the log of {origin(self.url)}.")

    def _list(self, study_uid: str, series_uid: str | None, images_only: bool) -> list[tuple[str, str]]:
        """(series, instance) to fetch, in order."""
        series = [one for one in self.find_series(study_uid) if series_uid in (None, one.uid)]
        requested = [one for one in series if not images_only or one.modality not in NOT_IMAGES]
        if not requested:
            description = "this series in the study" if series_uid else "a study with this UID"
            kind = "that has images" if series else "that you may see"
            raise DicomWebError(
                f"Expected {description} on {origin(self.url)}, but it lists none {kind}: check the UIDs."
            )
        if len(requested) < len(series):
            _logger.info("Left out %d series that hold no images.", len(series) - len(requested))
        keys: list[tuple[str, str]] = []
        for one in requested:
            found = self._search("instances", "00080018", study_uid, one.uid)
            if not found or (one.num_instances is not None and len(found) < one.num_instances):
                raise DicomWebError(
                    f"Expected {origin(self.url)} to list {one.num_instances or 'the'} instances of a series, but it "
                    f"lists {len(found)}: is it still receiving them? Try again."
                )
            keys += [
                (one.uid, uid) for uid in sorted(found, key=lambda uid: (_count(found[uid], "00200013") or 0, uid))
            ]
        if len(keys) > MAX_INSTANCES or len({uid for _, uid in keys}) < len(keys):
            raise DicomWebError(f"Expected at most {MAX_INSTANCES} instances, each once: fetch one series.")
        return keys

    def _search(
        self, level: str, tag: str, *uids: str, most: int = MAX_INSTANCES, **options: Any
    ) -> dict[str, dict[str, Any]]:
        """All results by their UID, which is the attribute `tag`; asked for page by page.

        A server may list only a part, with a warning (PS3.18 8.3.4.4): the rest is requested page by page. A server
        that returns the same page again does not support offsets; it is asked once more, with the largest limit.
        """
        found: dict[str, dict[str, Any]] = {}
        partial = asked_for_all = False
        while len(found) <= most:
            pages = {"offset": len(found)} if found else {}
            if asked_for_all:
                pages = {"limit": most + 1}
            with explain(self.url, f"a list of {level}"):
                page = getattr(self._client, f"search_for_{level}")(*uids, **pages, **options)
                items = {check_uid(_text(item, tag), "UID"): item for item in page}
            if items.keys() - found.keys():
                partial, asked_for_all = self._answers.partial, False
                found.update(items)
                continue
            partial = self._answers.partial or (partial and not (asked_for_all and items))
            if asked_for_all or not (items or partial):
                break
            asked_for_all = True
        if len(found) > most:
            raise DicomWebError(f"Expected at most {most} {level}, but {origin(self.url)} lists more.")
        if partial:
            raise DicomWebError(
                f"Expected all {level} from {origin(self.url)}, but it lists {len(found)}, says that there are more, "
                "and does not give them: raise the limit of results in its configuration."
            )
        return found

    def _fetch(self, uids: tuple[str, str, str], path: Path) -> None:
        with explain(self.url, "a DICOM instance"):
            dataset = self._client.retrieve_instance(*uids)
        try:
            with quiet_values():
                pydicom.dcmwrite(str(path), dataset)
            header = read_dataset(path, header_only=True)
        except OSError:
            raise
        except Exception as error:
            raise DicomWebError(
                f"Expected a DICOM instance, but {origin(self.url)} sent a broken one ({type(error).__name__}): "
                f"SOPInstanceUID {uids[2]}."
            ) from None
        got = tuple(str(header.get(f"{level}InstanceUID")) for level in ("Study", "Series", "SOP"))
        if got != uids:
            raise DicomWebError(
                f"Expected the instance {uids[2]} of the study, but {origin(self.url)} sent another one."
            )

    def _send(self, path: Path, uid: str) -> str | None:
        """Store one file; the reason when the server refuses it, unless it has it already."""
        with quiet_values():
            dataset = pydicom.dcmread(path)
        with explain(self.url, "an answer to a store request"):
            answer = self._client.store_instances([dataset])
            for item in answer.get("FailedSOPSequence") or []:
                code = int(item.get("FailureReason") or 0) & 0xFFFF
                if code == _DUPLICATE and str(item.get("ReferencedSOPInstanceUID")) == uid:
                    return None
                return _REASONS.get(code, f"failure reason {code:04X}")
            confirmed = [str(item.ReferencedSOPInstanceUID) for item in answer.get("ReferencedSOPSequence") or []]
        return None if uid in confirmed else "the server did not confirm it"


def _instance_uid(path: Path) -> str:
    header: Dataset = read_dataset(path, header_only=True)
    if path.stat().st_size > MAX_INSTANCE_BYTES:
        raise ValueError(f"Expected {path} to have at most {MAX_INSTANCE_BYTES} bytes, but it has more.")
    if not header.get("SOPInstanceUID"):
        raise ValueError(f"Expected {path} to have a SOPInstanceUID: without it no server can store it.")
    return str(header.SOPInstanceUID)


def _tally(stored: list[str], missing: list[str]) -> str:
    done = f"{len(stored)} stored ({', '.join(stored)})" if stored else "none stored"
    return f"Expected {len(stored) + len(missing)} files to be stored, but {done}, not stored: {', '.join(missing)}."


def _text(item: dict[str, Any], tag: str) -> str:
    """First value of an attribute in the DICOM JSON model (PS3.18, F.2.2); empty if absent."""
    attribute = item.get(tag)
    values = attribute.get("Value") if isinstance(attribute, dict) else None
    value = values[0] if isinstance(values, list) and values else ""
    return str(value)[:_LONGEST_TEXT].strip() if isinstance(value, (str, int)) else ""


def _count(item: dict[str, Any], tag: str) -> int | None:
    text = _text(item, tag)
    return int(text) if text.isdecimal() and len(text) < 10 else None
