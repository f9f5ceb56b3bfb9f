# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

from pathlib import Path

import pytest

from monai_acdr.apps import demo, segment_study


def test_a_demo_is_replaced_unless_its_study_was_changed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(segment_study, "NUM_SLICES", 2)
    monkeypatch.setattr(segment_study, "NUM_PHASES", 3)
    report = demo(tmp_path / "demo", synthetic=True, device="cpu")
    assert report.num_outlined > 0
    names = {path.name for path in (tmp_path / "demo").iterdir()}
    assert {"seg.dcm", "rtstruct.dcm", "sr.dcm", "report.html", "study"} <= names
    demo(tmp_path / "demo", synthetic=True, device="cpu", overwrite=True)
    assert {path.name for path in (tmp_path / "demo").iterdir()} == names
    before = (tmp_path / "demo" / "report.json").read_bytes()
    (tmp_path / "demo" / "study" / "link.csv").write_text("changed", encoding="utf-8")
    with pytest.raises(FileExistsError, match=r"link\.csv was changed since it was written"):
        demo(tmp_path / "demo", synthetic=True, device="cpu", overwrite=True)
    assert (tmp_path / "demo" / "report.json").read_bytes() == before


def test_a_demo_that_fails_leaves_no_study(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(study: Path, *_: object, **__: object) -> None:
        assert study.is_dir()
        raise RuntimeError("out of memory")

    monkeypatch.setattr(segment_study, "segment", fail)
    monkeypatch.setattr(segment_study, "NUM_SLICES", 1)
    monkeypatch.setattr(segment_study, "NUM_PHASES", 2)
    with pytest.raises(RuntimeError, match="out of memory"):
        demo(tmp_path / "demo", synthetic=True)
    assert list(tmp_path.iterdir()) == []
