# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""How requests go to a DICOMweb server: credentials, time limit, no redirects, whole answers of bounded size."""

from __future__ import annotations

import base64
import logging
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.message import Message
from importlib import import_module
from io import BytesIO
from ipaddress import ip_address
from typing import Any
from urllib.parse import urljoin, urlsplit

from pydicom.uid import DeflatedExplicitVRLittleEndian

from monai_acdr.dicom.elements import quiet_values
from monai_acdr.dicom.toolkit import require_dicomweb
from monai_acdr.dicom.web_address import DicomWebError, origin
from monai_acdr.read_budget import read_budget_bytes

__all__ = ["MAX_INSTANCE_BYTES", "Authorization", "explain", "find_credentials", "open_client"]

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
    """Signs requests; its text does not show with what.

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
    """Credentials for a server from the environment, or else from the netrc file (``NETRC`` or ``~/.netrc``).

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


@dataclass
class Answers:
    """What the last answer said beside its content.

    Attributes:
        partial: it has a warning that there are more results than it lists (PS3.18 8.3.4.4).
    """

    partial: bool = False


def open_client(url: str, timeout: float) -> tuple[Any, Answers]:
    """A dicomweb_client.api.DICOMwebClient that keeps to the rules of this module, and what its answers say beside.

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
    if session.auth.header is not None and url.startswith("http:") and not _is_loopback(url):
        _logger.warning("Credentials and images go to %s without encryption: use https.", origin(url))
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
    """Turn whatever a request runs into into a DicomWebError; messages of the libraries repeat queries and values.

    Args:
        url: the server.
        task: what was asked for, such as "a list of series".
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
        raise _nonsense(server, f"{task}, but got something that is none ({type(error).__name__})") from None


def _adapter(requests: Any, seconds: float, signed: bool, answers: Answers) -> Any:
    class Adapter(requests.adapters.HTTPAdapter):
        """Waits `seconds` for each piece of an answer, and lets whole answers of the right kind through."""

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
    """Check the content type; that of JSON loses its parameters, which dicomweb-client does not expect there."""
    kind = _media_type(response)
    if response.status_code == 204:
        return
    wanted = response.request.headers.get("Accept", "")
    if "multipart/related" in wanted:
        if kind.get_content_type() != "multipart/related" or not kind.get_boundary():
            raise _nonsense(origin(response.request.url), "multipart/related with a boundary, but got another type")
    elif kind.get_content_type() in ("application/dicom+json", "application/json"):
        response.headers["Content-Type"] = kind.get_content_type()
    else:
        raise _nonsense(origin(response.request.url), "DICOM JSON, but got another type")


def _read(response: Any) -> bytes:
    """The whole body, and the certainty that it is whole."""
    errors, server = import_module("urllib3.exceptions"), origin(response.request.url)
    boundary = _media_type(response).get_boundary()
    budget = read_budget_bytes()
    limit = min(MAX_ANSWER_BYTES, budget) if boundary is None else min(MAX_INSTANCE_BYTES, budget) + _ENVELOPE_BYTES
    body, objects = bytearray(), 0
    try:
        for piece in response.raw.stream(1 << 16, decode_content=True):
            body += piece
            objects += sum(map(piece.count, (b"{", b"[", b",", b"<"))) if boundary is None else 0
            if len(body) > limit or objects * _ATTRIBUTE_BYTES > budget:
                raise DicomWebError(
                    f"Expected at most {limit} bytes from {server}, and {budget >> 20} MiB of memory for them, but it "
                    "sends more: fetch a series, or raise the budget with --read-budget MIB."
                )
    except errors.ReadTimeoutError:
        raise _timed_out(server) from None
    except (errors.HTTPError, OSError):
        raise _half_sent(server) from None
    length = response.headers.get("Content-Length", "")
    if length.isdigit() and "Content-Encoding" not in response.headers and int(length) != len(body):
        raise _half_sent(server)
    if boundary is not None:
        if f"--{boundary}--".encode() not in body:
            raise _half_sent(server)
        if DeflatedExplicitVRLittleEndian.encode() in body:
            raise DicomWebError(f"Expected instances of known size, but {server} sends a deflated one.")
    return bytes(body)


def _media_type(response: Any) -> Message:
    message = Message()
    message["Content-Type"] = response.headers.get("Content-Type", "").replace("\r", "").replace("\n", "") or "none"
    return message


def _timed_out(server: str) -> DicomWebError:
    return DicomWebError(
        f"Expected an answer from {server} in time, but none came: try later, or pass a longer timeout."
    )


def _half_sent(server: str) -> DicomWebError:
    return DicomWebError(f"Expected a whole answer from {server}, but it ended half-way: try again.")


def _nonsense(server: str, expected: str) -> DicomWebError:
    return DicomWebError(f"Expected {expected} from {server}: is this the address of a DICOMweb service?")


def _is_loopback(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False
