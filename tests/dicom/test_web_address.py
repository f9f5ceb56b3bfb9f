# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import pytest

from monai_acdr.dicom.web import DicomWebError, check_uid, check_url, origin, parse_study_url

BASE = "https://host:8443/a/dicom-web"


def test_takes_addresses_apart() -> None:
    assert parse_study_url(f"{BASE}/studies/1.2.3") == (BASE, "1.2.3", None)
    assert parse_study_url(f"{BASE}/studies/1.2.3/") == (BASE, "1.2.3", None)
    assert parse_study_url(f"{BASE}/studies/1.2.3/series/1.04") == (BASE, "1.2.3", "1.04")
    assert parse_study_url("http://[::1]:8042/studies/1") == ("http://[::1]:8042", "1", None)


@pytest.mark.parametrize(
    "path", ["", "/studies", "/studies/1.2/instances/3", "/studies/1/series/2/instances/3", "/studies/1/rendered"]
)
def test_other_addresses_are_refused(path: str) -> None:
    with pytest.raises(ValueError, match="Expected the address of a study, .* another one on https://host:8443"):
        parse_study_url(BASE + path)


@pytest.mark.parametrize("uid", ["1.2..3", "..", "%2e%2e", "1.2.x", "1" * 65, "1.2.", "\u0661.2"])
def test_uids_are_checked(uid: str) -> None:
    for url in (f"{BASE}/studies/{uid}", f"{BASE}/studies/1/series/{uid}"):
        with pytest.raises(ValueError, match="of at most 64 digits and dots, but got something else"):
            parse_study_url(url)
    with pytest.raises(ValueError, match="Expected a thing of at most 64 digits"):
        check_uid(uid, "thing")


@pytest.mark.parametrize("value", [None, 12, b"1.2"])
def test_a_uid_is_text(value: object) -> None:
    with pytest.raises(ValueError, match="digits and dots"):
        check_uid(value, "x")


@pytest.mark.parametrize(
    "url", ["https://doe:s3cret@host/x", "https://s3cret@host/x", "https://:s3cret@host/studies/1"]
)
def test_credentials_in_an_address_are_refused_and_not_repeated(url: str) -> None:
    for function in (check_url, parse_study_url):
        with pytest.raises(ValueError, match="without credentials.*MONAI_ACDR_DICOMWEB_USER.*netrc") as caught:
            function(url)
        assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize(
    "url",
    ["", "host/x", "file:///etc/passwd", "ftp://host/x", "https://", "https://h:99999/", "http://[::1", "http://h/a b"]
    + ["http://h:0/", "http://h/a\nb", "http://doe:s3cret@h:port/"],
)
def test_what_is_no_address(url: str) -> None:
    with pytest.raises(ValueError, match="Expected the http or https address of a DICOMweb service") as caught:
        check_url(url)
    assert "s3cret" not in str(caught.value)
    assert (
        caught.value.__context__ is None
        or caught.value.__suppress_context__
        or "s3cret" not in str(caught.value.__context__)
    )


def test_queries_are_refused() -> None:
    for end in ("?PatientName=Doe", "#x"):
        with pytest.raises(ValueError, match=r"without \? and #, but that on https://host:8443 has one") as caught:
            check_url(BASE + end)
        assert "Doe" not in str(caught.value)


def test_slashes_at_the_end_go() -> None:
    assert check_url(BASE + "/") == check_url(BASE) == BASE
    assert check_url("http://host") == "http://host"


def test_origins_have_no_secrets() -> None:
    assert origin("https://doe:s3cret@host:1/p?PatientName=Doe") == "https://host:1"
    assert origin("http://[::1]/x") == "http://[::1]"
    assert origin("http://[::1") == "an unreadable address"
    assert origin("/x") == "an address without a host"


def test_is_a_runtime_error() -> None:
    assert issubclass(DicomWebError, RuntimeError)
