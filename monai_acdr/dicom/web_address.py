# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Addresses of DICOMweb services and studies (PS3.18, 10.4.1), checked before anything is sent."""

from __future__ import annotations

import re
from urllib.parse import SplitResult, urlsplit

__all__ = ["DicomWebError", "check_uid", "check_url", "origin", "parse_study_url"]

_UID = re.compile(r"[0-9]+(\.[0-9]+)*")
_STUDY = re.compile(r"(?P<base>.*)/studies/(?P<study>[^/]+)(/series/(?P<series>[^/]+))?/?")


class DicomWebError(RuntimeError):
    """A DICOMweb server cannot be reached, refuses, or answers something else than was asked for.

    Messages contain neither credentials nor queries nor anything that identifies a patient.
    """


def check_uid(value: object, what: str) -> str:
    """The UID, once it is one. Leading zeros are let pass: real archives have them.

    Args:
        value: to check.
        what: its name for the message.

    Raises:
        ValueError: unless it consists of at most 64 digits and dots. What it was instead is not repeated.
    """
    if not isinstance(value, str) or len(value) > 64 or not _UID.fullmatch(value):
        raise ValueError(f"Expected a {what} of at most 64 digits and dots, but got something else.")
    return value


def check_url(url: str) -> str:
    """The base URL of a service without its last slash.

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
