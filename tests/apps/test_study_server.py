# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from monai_acdr.apps import segment_study
from monai_acdr.apps.segment_study import fetch_study, store_results


class Server:
    """Remembers what it was asked."""

    calls: list[tuple[Any, ...]] = []

    def __init__(self, url: str) -> None:
        self.calls.append(("open", url))

    def retrieve(
        self, study: str, folder: Path, series: str | None, images_only: bool, progress: Any = None
    ) -> list[Path]:
        self.calls.append(("retrieve", study, series))
        assert images_only
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "1.dcm").write_text("x")
        if progress is not None:
            progress(1, 1)
        return [folder / "1.dcm"]

    def store(self, paths: list[Path]) -> None:
        self.calls.append(("store", *[path.name for path in paths]))


@pytest.fixture(autouse=True)
def _server(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Server, "calls", [])
    monkeypatch.setattr(segment_study, "DicomWeb", Server)


def test_paths_are_left_alone(tmp_path: Path) -> None:
    with fetch_study(tmp_path) as path:
        assert path == tmp_path
    assert not Server.calls


def test_a_copy_is_gone_afterwards() -> None:
    told: list[tuple[str, int, int]] = []
    url = "https://host/dicom-web/studies/1.2/series/1.2.3"
    with fetch_study(url, lambda *step: told.append(step)) as path:
        assert (path / "1.dcm").exists()
    assert not path.exists()
    assert Server.calls == [("open", "https://host/dicom-web"), ("retrieve", "1.2", "1.2.3")]
    assert told == [("fetch", 1, 1)]


def test_only_dicom_is_stored(tmp_path: Path) -> None:
    files = ["seg.dcm", "report.json", "seg/a.dcm"]
    assert store_results("https://host/dicom-web", tmp_path, files) == 2
    assert Server.calls[1] == ("store", "seg.dcm", "a.dcm")
