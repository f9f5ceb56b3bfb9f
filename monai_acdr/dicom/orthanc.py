# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""REST interface of an Orthanc server: its feed of changes, studies, files, and marks on studies.

DICOMweb (:mod:`monai_acdr.dicom.web`) knows neither when a study is complete nor who sent it. Orthanc does, and reports
it at ``/changes``; the other requests use the same interface, so that the server needs no plugin.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from monai_acdr.dicom.files import read_dataset
from monai_acdr.dicom.toolkit import require_dicomweb
from monai_acdr.dicom.web import (
    MAX_ANSWER_BYTES,
    MAX_INSTANCE_BYTES,
    MAX_INSTANCES,
    MAX_STUDY_BYTES,
    DicomWebError,
    check_uid,
    check_url,
    find_credentials,
    object_bytes,
    origin,
    warn_of_plain_http,
)
from monai_acdr.files import replace_folder
from monai_acdr.read_budget import read_budget_bytes

__all__ = ["Orthanc", "OrthancChange", "OrthancError", "OrthancSeries", "OrthancStudy"]

_IDENTIFIER = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{8}){4}")
_PAGE = 200
"""Studies or changes of one request."""
_LONGEST_TEXT = 1024
FIRST_USER_METADATA, LAST_USER_METADATA = 1024, 65535
"""Numbers that Orthanc leaves to its users."""


class OrthancError(DicomWebError):
    """The server cannot be reached, refuses, or sends an unexpected answer.

    Messages contain neither credentials nor anything that identifies a patient.

    Args:
        message: text for users.
        status: HTTP status; None when there was no answer.
    """

    def __init__(self, message: str, status: int | None = None) -> None:
        super().__init__(message)
        self.status = status

    @property
    def of_server(self) -> bool:
        """Whether every other request would fail as well: no answer, no access, or too many requests."""
        return self.status in (None, 401, 403, 407, 429, 502, 503, 504)


@dataclass(frozen=True)
class OrthancChange:
    """An event of the feed.

    Attributes:
        number: sequence number, rising.
        kind: such as ``StableStudy``.
        identifier: Orthanc's identifier of the resource.
    """

    number: int
    kind: str
    identifier: str


@dataclass(frozen=True)
class OrthancSeries:
    """A series on an Orthanc server.

    Attributes:
        uid: SeriesInstanceUID.
        modality: such as MR; empty when absent, as the texts below.
        description: SeriesDescription.
        instances: Orthanc's identifiers of its instances, hashes of their UIDs.
    """

    uid: str
    modality: str
    description: str
    instances: tuple[str, ...]


@dataclass(frozen=True)
class OrthancStudy:
    """A study on an Orthanc server.

    Attributes:
        identifier: Orthanc's identifier, a hash of PatientID and StudyInstanceUID.
        uid: StudyInstanceUID.
        description: StudyDescription; empty when absent.
        last_update: when the last instance arrived, by the clock of the server, ``YYYYMMDDTHHMMSS``.
        stable: whether no instance has arrived for the server's StableAge, as far as the server knows: after a restart
            it considers all studies stable.
    """

    identifier: str
    uid: str
    description: str
    last_update: str
    stable: bool


class Orthanc:
    """An Orthanc server, by its REST interface.

    Credentials as for :class:`monai_acdr.dicom.DicomWeb`. Redirects are not followed.

    Args:
        url: such as ``http://127.0.0.1:8042``; no credentials in it.
        timeout: seconds to wait for a connection, and for each next piece of an answer.

    Raises:
        ImportError: without dicomweb-client, which brings requests.
        ValueError: for another kind of URL, time or credentials.
    """

    def __init__(self, url: str, timeout: float = 30.0) -> None:
        if not 0 < timeout < float("inf"):
            raise ValueError(f"Expected `timeout` to be a positive number of seconds, but got {timeout}.")
        self.url, self.timeout = check_url(url), timeout
        require_dicomweb("Following an Orthanc server")
        self._session = import_module("requests").Session()
        self._session.auth = find_credentials(self.url)
        warn_of_plain_http(self.url, self._session.auth)

    def __repr__(self) -> str:
        return f"Orthanc({self.url!r})"

    def changes(self, since: int) -> tuple[list[OrthancChange], int, bool]:
        """The next events after a sequence number.

        Returns:
            Events in order, the number to go on from, and whether there are no more.
        """
        answer = self._json("GET", f"/changes?since={int(since)}&limit={_PAGE}")
        listed = answer.get("Changes") if isinstance(answer, dict) else None
        if not isinstance(listed, list):
            raise self._invalid_answer("a list of changes")
        found = []
        for item in listed:
            number, kind = _get(item, "Seq"), _text(item, "ChangeType")
            if not isinstance(number, int) or number <= since:
                raise self._invalid_answer("rising numbers of changes")
            if _IDENTIFIER.fullmatch(_text(item, "ID")):
                found.append(OrthancChange(number, kind, _text(item, "ID")))
            since = number
        return found, since, not listed or bool(answer.get("Done"))

    def last_change(self) -> int:
        """Sequence number of the latest event; 0 if there was none."""
        number = _get(self._json("GET", "/changes?last"), "Last")
        if not isinstance(number, int) or number < 0:
            raise self._invalid_answer("the number of the last change")
        return number

    def studies(self) -> Iterator[OrthancStudy]:
        """All studies of the server, page by page."""
        position = 0
        while True:
            page = self._json("GET", f"/studies?expand&since={position}&limit={_PAGE}")
            if not isinstance(page, list):
                raise self._invalid_answer("a list of studies")
            yield from map(self._study, page)
            if len(page) < _PAGE:
                return
            position += len(page)

    def study(self, identifier: str) -> OrthancStudy | None:
        """A study by Orthanc's identifier; None when the server has none."""
        with self._absent():
            return self._study(self._json("GET", f"/studies/{_check_identifier(identifier)}"))
        return None

    def series(self, identifier: str) -> list[OrthancSeries]:
        """The series of a study, by UID; empty when the study is gone."""
        answer: Any = []
        with self._absent():
            answer = self._json("GET", f"/studies/{_check_identifier(identifier)}/series")
        if not isinstance(answer, list) or len(answer) > MAX_INSTANCES:
            raise self._invalid_answer("a list of series")
        return sorted(map(self._series, answer), key=lambda series: series.uid)

    def sender(self, instance: str) -> tuple[str, str]:
        """Calling and called AE title with which an instance arrived; empty when it arrived another way."""
        answer = self._json("GET", f"/instances/{_check_identifier(instance)}/metadata?expand")
        return _text(answer, "RemoteAET"), _text(answer, "CalledAET")

    def mark(self, identifier: str, number: int) -> str:
        """One metadata value of a study; empty if it is not set.

        Args:
            identifier: of the study.
            number: of the metadatum, 1024 to 65535.
        """
        return self._mark(identifier, number)[0]

    def set_mark(self, identifier: str, number: int, value: str) -> None:
        """Set one metadata value of a study; Orthanc then calls ``OnUpdatedStudy`` of its Lua scripts.

        Args:
            identifier: of the study.
            number: of the metadatum, 1024 to 65535.
            value: its text.
        """
        revision = self._mark(identifier, number)[1]
        headers = {"If-Match": revision} if revision else {}
        path = f"/studies/{_check_identifier(identifier)}/metadata/{_check_number(number)}"
        with self._answer("PUT", path, data=value.encode(), headers=headers) as response:
            self._read(response)

    def download(
        self,
        study_uid: str,
        instances: Sequence[str],
        folder: str | os.PathLike[str],
        progress: Callable[[int, int], None] | None = None,
    ) -> list[Path]:
        """Download instances, all or none: the folder appears complete, readable by its owner only.

        Args:
            study_uid: StudyInstanceUID that each must have.
            instances: Orthanc's identifiers.
            folder: absent or empty; the folder that it lies in exists.
            progress: called with the number of instances that are there and that of all.

        Returns:
            The files, in the order of the instances.

        Raises:
            OrthancError: when one is not there or not what it should be.
            FileExistsError: when the folder holds anything.
            OSError: when it cannot be written.
        """
        check_uid(study_uid, "StudyInstanceUID")
        if not 0 < len(set(instances)) == len(instances) <= MAX_INSTANCES:
            raise ValueError(f"Expected 1 to {MAX_INSTANCES} instances, each once, but got {len(instances)}.")
        names, size = [], 0
        with replace_folder(folder) as temporary:
            for number, instance in enumerate(instances, start=1):
                names.append(f"{number:05d}.dcm")
                size += self._fetch(instance, temporary / names[-1], study_uid)
                if size > MAX_STUDY_BYTES:
                    raise OrthancError(f"Expected a study of at most {MAX_STUDY_BYTES} bytes, but got more.", 413)
                if progress is not None:
                    progress(number, len(instances))
        return [Path(folder) / name for name in names]

    def store(self, paths: Iterable[str | os.PathLike[str]]) -> list[str]:
        """Store DICOM files; those that the server already has stay unchanged.

        Returns:
            Orthanc's identifiers of the instances, in the order of the paths.

        Raises:
            OrthancError: when one is refused.
            OSError: when a file cannot be read.
        """
        stored = []
        for path in map(Path, paths):
            if path.stat().st_size > MAX_INSTANCE_BYTES:
                raise ValueError(f"Expected {path} to have at most {MAX_INSTANCE_BYTES} bytes, but it has more.")
            with open(path, "rb") as stream:
                answer = self._json("POST", "/instances", data=stream, headers={"Content-Type": "application/dicom"})
            if _text(answer, "Status") not in ("Success", "AlreadyStored"):
                raise OrthancError(f"Expected {origin(self.url)} to store {path.name}, but it did not.", 500)
            stored.append(_check_identifier(_text(answer, "ID")))
        return stored

    def _fetch(self, instance: str, path: Path, study_uid: str) -> int:
        with self._answer("GET", f"/instances/{_check_identifier(instance)}/file") as response:
            size = 0
            with open(path, "xb") as stream:
                for piece in self._pieces(response, MAX_INSTANCE_BYTES):
                    stream.write(piece)
                    size += len(piece)
        try:
            found = str(read_dataset(path, header_only=True).get("StudyInstanceUID"))
        except ValueError:
            found = ""
        if found != study_uid:
            raise OrthancError(f"Expected an instance of the study, but {origin(self.url)} sent something else.", 500)
        return size

    def _mark(self, identifier: str, number: int) -> tuple[str, str]:
        path = f"/studies/{_check_identifier(identifier)}/metadata/{_check_number(number)}"
        with self._absent(), self._answer("GET", path) as response:
            return self._read(response).decode("utf-8", errors="replace"), response.headers.get("ETag", "")
        return "", ""

    def _study(self, item: Any) -> OrthancStudy:
        identifier, tags = _text(item, "ID"), _get(item, "MainDicomTags")
        if not _IDENTIFIER.fullmatch(identifier):
            raise self._invalid_answer("a study")
        return OrthancStudy(
            identifier=identifier,
            uid=_text(tags, "StudyInstanceUID"),
            description=_text(tags, "StudyDescription"),
            last_update=_text(item, "LastUpdate"),
            stable=_get(item, "IsStable") is True,
        )

    def _series(self, item: Any) -> OrthancSeries:
        tags, instances = _get(item, "MainDicomTags"), _get(item, "Instances")
        if not isinstance(instances, list) or not all(_IDENTIFIER.fullmatch(str(one)) for one in instances):
            raise self._invalid_answer("a list of instances")
        uid, modality, description = (
            _text(tags, name) for name in ("SeriesInstanceUID", "Modality", "SeriesDescription")
        )
        return OrthancSeries(uid, modality, description, tuple(sorted(instances)))

    def _json(self, method: str, path: str, **options: Any) -> Any:
        with self._answer(method, path, **options) as response:
            body = self._read(response)
        if object_bytes(body) > read_budget_bytes():
            raise OrthancError(
                f"Expected an answer of {origin(self.url)} that fits into the memory, but it sends more: raise the "
                "budget with --read-budget MIB.",
                413,
            )
        try:
            return json.loads(body)
        except (ValueError, RecursionError):
            raise self._invalid_answer("JSON") from None

    @contextmanager
    def _answer(self, method: str, path: str, **options: Any) -> Iterator[Any]:
        exceptions, server = import_module("requests.exceptions"), origin(self.url)
        try:
            response = self._session.request(
                method, self.url + path, stream=True, timeout=self.timeout, allow_redirects=False, **options
            )
            with response:
                if response.status_code != 200:
                    raise _refusal(server, response.status_code)
                yield response
        except exceptions.Timeout:
            raise OrthancError(f"Expected an answer from {server} in time, but none came: try later.") from None
        except exceptions.RequestException as error:
            raise OrthancError(
                f"Expected an Orthanc server at {server}, but it cannot be reached or hung up "
                f"({type(error).__name__}): check the address, and whether the server runs."
            ) from None

    def _read(self, response: Any) -> bytes:
        return b"".join(self._pieces(response, MAX_ANSWER_BYTES))

    def _pieces(self, response: Any, limit: int) -> Iterator[bytes]:
        size, length = 0, response.headers.get("Content-Length", "")
        for piece in response.iter_content(1 << 16):
            size += len(piece)
            if size > limit:
                raise OrthancError(f"Expected at most {limit} bytes from {origin(self.url)}, but it sends more.", 413)
            yield piece
        if length.isdigit() and "Content-Encoding" not in response.headers and int(length) != size:
            raise OrthancError(f"Expected a whole answer from {origin(self.url)}, but it ended half-way: try again.")

    @contextmanager
    def _absent(self) -> Iterator[None]:
        """Leave the block without an error when the server answers that nothing is there."""
        try:
            yield
        except OrthancError as error:
            if error.status != 404:
                raise

    def _invalid_answer(self, expected: str) -> OrthancError:
        return OrthancError(
            f"Expected {expected} from {origin(self.url)}, but got something else: is this the address of an Orthanc "
            "server, such as http://127.0.0.1:8042?",
            500,
        )


def _refusal(server: str, status: int) -> OrthancError:
    if status in (401, 403):
        problem = (
            f"{server} refused the credentials ({status}): set MONAI_ACDR_DICOMWEB_USER and "
            "MONAI_ACDR_DICOMWEB_PASSWORD, and ask for access to its REST interface"
        )
    elif status == 404:
        problem = f"{server} has no such thing (404): was the study deleted, or is the address wrong?"
    elif 300 <= status < 400:
        problem = f"{server} sends on to another address ({status}): give the final one"
    else:
        problem = f"{server} failed or refused ({status}): look into its log"
    return OrthancError(f"Expected an answer, but {problem}.", status)


def _get(item: Any, key: str) -> Any:
    return item.get(key) if isinstance(item, dict) else None


def _text(item: Any, key: str) -> str:
    value = _get(item, key)
    return value[:_LONGEST_TEXT].strip() if isinstance(value, str) else ""


def _check_identifier(value: str) -> str:
    if not _IDENTIFIER.fullmatch(value):
        raise ValueError("Expected an Orthanc identifier, 5 groups of 8 hexadecimal digits, but got something else.")
    return value


def _check_number(number: int) -> int:
    if not FIRST_USER_METADATA <= number <= LAST_USER_METADATA:
        raise ValueError(
            f"Expected the number of a metadatum, {FIRST_USER_METADATA} to {LAST_USER_METADATA}, but got {number}."
        )
    return number
