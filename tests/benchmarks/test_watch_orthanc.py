# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import json
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from monai_acdr.dicom import OrthancError, OrthancSeries, OrthancStudy


class StandIn:
    """Two studies; `missing` and `twice` say of which results there are none and two."""

    def __init__(self, missing: str = "", twice: str = "", studies: int = 2) -> None:
        self.missing, self.twice, self.count = missing, twice, studies

    def studies(self) -> list[OrthancStudy]:
        return [OrthancStudy(str(number), "1.2", "", "", True) for number in range(self.count)]

    def series(self, study: str) -> list[OrthancSeries]:
        names = [name for name in ("MR", "SEG", "RTSTRUCT", "SR") if study == "0" or name != self.missing]
        return [OrthancSeries("1.2", name, "", ("a", "b") if name in ("MR", self.twice) else ("a",)) for name in names]


@pytest.mark.parametrize(
    ("pacs", "faults"),
    [
        (StandIn(), 0),
        (StandIn(missing="SR"), 1),
        (StandIn(twice="SEG"), 2),
        (StandIn(studies=1), 1),
    ],
)
def test_faults_are_found(pacs: StandIn, faults: int, monkeypatch: pytest.MonkeyPatch) -> None:
    script = import_module("watch_orthanc")
    servers = SimpleNamespace(pacs_url="pacs", inbox_url="inbox")
    monkeypatch.setattr(script, "Orthanc", lambda url: pacs if url == "pacs" else StandIn())
    assert len(script.find_faults(servers, 2)) == faults


def test_a_silent_server_is_a_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    script = import_module("watch_orthanc")

    def refuse(_url: str) -> Any:
        raise OrthancError("silent")

    monkeypatch.setattr(script, "Orthanc", lambda _url: SimpleNamespace(studies=lambda: refuse("")))
    assert script.find_faults(SimpleNamespace(pacs_url="", inbox_url=""), 2) == ["pacs: silent"]


def test_the_servers_are_those_of_the_documentation(tmp_path: Path) -> None:
    script = import_module("watch_orthanc")
    servers = script.Servers(tmp_path)
    inbox = json.loads(servers.configs["inbox"].read_text())
    pacs = json.loads(servers.configs["pacs"].read_text())
    assert inbox["UserMetadata"] == {"MonaiAcdr": 4200, "MonaiAcdrSent": 4201}
    assert all(Path(path).is_file() for path in inbox["LuaScripts"])
    assert inbox["DicomModalities"]["pacs"] == [pacs["DicomAet"], "127.0.0.1", pacs["DicomPort"]]
    (table,) = script.make_tables({"soak": {"studies": 3, "faults": ["x"]}})
    assert table.rows == [["studies", "3"], ["faults", "1"]]
    assert script.metrics(script.free_port()) == {}
