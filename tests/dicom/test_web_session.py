# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import base64
import logging
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from monai_acdr.dicom.toolkit import require_dicomweb
from monai_acdr.dicom.web import Authorization, DicomWebError, explain, find_credentials, open_client

pytest.importorskip("dicomweb_client")
URL = "https://host/dicom-web"
USER, PASSWORD, TOKEN = (f"MONAI_ACDR_DICOMWEB_{name}" for name in ("USER", "PASSWORD", "TOKEN"))


@pytest.fixture(autouse=True)
def netrc(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """The user's own credentials play no part."""
    for name in (USER, PASSWORD, TOKEN):
        monkeypatch.delenv(name, raising=False)
    path = tmp_path / "netrc"
    monkeypatch.setenv("NETRC", str(path))
    return path


def basic(user: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


def test_names_the_feature_and_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "dicomweb_client.api", None)
    with pytest.raises(ImportError, match=r"X needs dicomweb-client .*pip install 'monai_acdr\[dicomweb\]'"):
        require_dicomweb("X")
    with pytest.raises(ImportError, match="storing to a DICOMweb server needs dicomweb-client"):
        open_client(URL, 1)


def test_credentials_from_the_environment() -> None:
    assert find_credentials(URL, {USER: "doe", PASSWORD: "p:\u00e4"}).header == basic("doe", "p:\u00e4")
    assert find_credentials(URL, {TOKEN: " abc.d_e==\n"}).header == "Bearer abc.d_e=="
    assert find_credentials(URL, {}).header is None
    assert find_credentials(URL, {USER: "", PASSWORD: "", TOKEN: ""}).header is None


def test_credentials_from_netrc(netrc: Path) -> None:
    netrc.write_text("machine host login doe password p1\nmachine other login x password y\n", encoding="utf-8")
    netrc.chmod(0o600)
    assert find_credentials(URL, {}).header == basic("doe", "p1")
    assert find_credentials("https://elsewhere/x", {}).header is None
    assert find_credentials(URL, {TOKEN: "t"}).header == "Bearer t"
    netrc.write_text("machine host login doe passwort p1\n", encoding="utf-8")
    assert find_credentials(URL, {}).header is None


@pytest.mark.parametrize(
    ("environ", "message"),
    [
        ({USER: "s3cret"}, "Expected both .*USER and .*PASSWORD, but one is not set"),
        ({PASSWORD: "s3cret"}, "Expected both .*USER and .*PASSWORD, but one is not set"),
        ({TOKEN: "s3cret", USER: "doe"}, "but got both: unset one"),
        ({TOKEN: "s3cret\nX-Evil: 1"}, "a token without spaces"),
        ({USER: "s3cret:x", PASSWORD: "y"}, "a user without a colon"),
    ],
)
def test_contradictory_credentials_are_refused_and_not_repeated(environ: dict[str, str], message: str) -> None:
    with pytest.raises(ValueError, match=message) as caught:
        find_credentials(URL, environ)
    assert "s3cret" not in str(caught.value)


def test_signing_shows_nothing() -> None:
    signer = Authorization("Bearer s3cret")
    assert "s3cret" not in repr(signer) + str(signer)
    request = signer(SimpleNamespace(headers={"Host": "host"}))
    assert request.headers == {"Authorization": "Bearer s3cret"}
    assert Authorization(None)(SimpleNamespace(headers={})).headers == {}


def test_warns_of_plain_http(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setenv(TOKEN, "s3cret")
    caplog.set_level(logging.WARNING, logger="monai_acdr")
    for quiet in (URL, "http://127.0.0.1:1/x", "http://localhost/x", "http://[::1]/x"):
        open_client(quiet, 1)
    assert not caplog.records
    open_client("http://host/x", 1)
    assert [r.getMessage() for r in caplog.records] == [
        "Credentials and images go to http://host without encryption: use https."
    ]


def test_other_errors_are_explained_without_their_text() -> None:
    with pytest.raises(DicomWebError, match=r"Expected a list, .*\(KeyError\) from https://host: is") as caught:
        with explain(URL, "a list"):
            raise KeyError("Doe^Jane")
    assert "Doe" not in str(caught.value)
    assert caught.value.__suppress_context__
