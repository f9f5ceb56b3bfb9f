# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""A real Orthanc with DICOMweb on a free port of the loopback, its data in a temporary folder."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

USER, PASSWORD = "reader", "s3cret:w\u00f6rd"
# Debian has it where only root looks for programs.
PROGRAM = shutil.which("Orthanc", path=f"{os.environ.get('PATH', '')}{os.pathsep}/usr/sbin")
PLUGIN = Path("/usr/share/orthanc/plugins/libOrthancDicomWeb.so")
START_SECONDS = 300


@dataclass(frozen=True)
class Orthanc:
    """A running server."""

    url: str
    process: subprocess.Popen[bytes]
    config: Path

    @property
    def rest(self) -> str:
        """Address of the REST interface."""
        return self.url.removesuffix("/dicom-web")

    @property
    def dicom_port(self) -> int:
        """Port for DICOM associations, where the configuration has one."""
        return int(json.loads(self.config.read_text(encoding="utf-8"))["DicomPort"])

    def restart(self, kill: bool = False) -> Orthanc:
        """The same server with the same data anew, at the same address; after SIGKILL on request."""
        if kill:
            self.process.kill()
            self.process.wait()
        self.stop()
        return start_orthanc(self.config)

    def stop(self) -> None:
        self.process.terminate()
        try:
            self.process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def write_config(folder: Path, port: int, changes: dict[str, Any] | None = None) -> Path:
    config = {
        "Name": "test",
        "StorageDirectory": str(folder / "storage"),
        "IndexDirectory": str(folder / "storage"),
        "HttpPort": port,
        "RemoteAccessAllowed": False,
        "AuthenticationEnabled": True,
        "RegisteredUsers": {USER: PASSWORD},
        "DicomServerEnabled": False,
        "Plugins": [str(PLUGIN)],
        "DicomWeb": {"Enable": True, "Root": "/dicom-web/"},
        **(changes or {}),
    }
    path = folder / "orthanc.json"
    path.write_text(json.dumps(config), encoding="utf-8")
    return path


def answers(port: int) -> bool:
    """Whether it asks for credentials, as it shall."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        opener.open(f"http://127.0.0.1:{port}/dicom-web/studies", timeout=5).close()
    except urllib.error.HTTPError as error:
        error.close()
        return error.code == 401
    except OSError:
        return False
    raise AssertionError("Orthanc lets everybody in.")


def start_orthanc(config: Path) -> Orthanc:
    """Start a server; it may end at once, if a port is taken."""
    # The kernel ends it with this process, should that be killed before it stops the server.
    guard = ["setpriv", "--pdeathsig", "TERM"] if shutil.which("setpriv") else []
    with open(config.with_suffix(".log"), "ab") as stream:
        process = subprocess.Popen([*guard, str(PROGRAM), str(config)], stdout=stream, stderr=subprocess.STDOUT)
    port = json.loads(config.read_text(encoding="utf-8"))["HttpPort"]
    server = Orthanc(f"http://127.0.0.1:{port}/dicom-web", process, config)
    deadline = time.monotonic() + START_SECONDS
    while process.poll() is None and time.monotonic() < deadline and not answers(port):
        time.sleep(0.1)
    return server


@contextmanager
def run_orthanc(folder: Path, changes: dict[str, Any] | None = None) -> Iterator[Orthanc]:
    """A server in a folder. `changes` go into its configuration; the port "free" is a free one."""
    (folder / "storage").mkdir(parents=True)
    for _attempt in range(3):  # the port may be taken between the look and the start
        values = {key: free_port() if value == "free" else value for key, value in (changes or {}).items()}
        server = start_orthanc(write_config(folder, free_port(), values))
        if server.process.poll() is None:
            try:
                yield server
                return
            finally:
                server.stop()
    log = server.config.with_suffix(".log").read_text(encoding="utf-8", errors="replace")
    pytest.fail(f"Orthanc does not start: {log[-2000:]}")


@pytest.fixture(scope="session")
def orthanc_installed(absent: Callable[[str], None]) -> None:
    if PROGRAM is None or not PLUGIN.exists():
        absent("Orthanc is not installed: apt-get install orthanc orthanc-dicomweb")
    pytest.importorskip("dicomweb_client")


@pytest.fixture(scope="session")
def orthanc(orthanc_installed: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Orthanc]:
    """One server for all tests (of a worker of pytest-xdist)."""
    with run_orthanc(tmp_path_factory.mktemp("orthanc")) as server:
        yield server


@pytest.fixture()
def own_orthanc(orthanc_installed: None, tmp_path: Path) -> Iterator[Orthanc]:
    """A server that the test may stop."""
    with run_orthanc(tmp_path / "orthanc") as server:
        yield server


@pytest.fixture()
def log_in(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., None]:
    """Set the credentials that the environment has."""
    monkeypatch.setenv("NETRC", str(tmp_path / "no-netrc"))
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.delenv("MONAI_ACDR_DICOMWEB_TOKEN", raising=False)

    def set_credentials(user: str = USER, password: str = PASSWORD) -> None:
        monkeypatch.setenv("MONAI_ACDR_DICOMWEB_USER", user)
        monkeypatch.setenv("MONAI_ACDR_DICOMWEB_PASSWORD", password)

    return set_credentials
