# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import json
import logging
from pathlib import Path

import pytest

from monai_acdr.data import QualityReport


def test_summary_names_kind_meaning_and_first_subjects() -> None:
    report = QualityReport(layout="png", counts={"frames": 3})
    for number in range(7):
        report.add("empty_mask", f"a{number}.png")
    report.add("mask_displaced", "SC-N-6", "contrast 0.1")
    text = report.summary()
    assert text.startswith("layout: png\nframes: 3\n[7] empty_mask: ")
    assert "    a4.png\n    ... and 2 more\n" in text
    assert text.endswith("    SC-N-6: contrast 0.1")
    assert report.kinds() == {"empty_mask": 7, "mask_displaced": 1}
    assert [finding.subject for finding in report.of("mask_displaced")] == ["SC-N-6"]


def test_empty_report() -> None:
    assert QualityReport().summary() == "layout: unknown\nno findings"


def test_unknown_kind() -> None:
    with pytest.raises(ValueError, match="Expected a kind of .* but got 'odd'"):
        QualityReport().add("odd", "x")


def test_json(tmp_path: Path) -> None:
    report = QualityReport("link", {"frames": 1})
    report.add("no_contours", "SC-N-2", "détail")
    report.write(tmp_path / "report.json")
    data = json.loads((tmp_path / "report.json").read_text())
    assert data == {
        "layout": "link",
        "counts": {"frames": 1},
        "findings": [{"kind": "no_contours", "subject": "SC-N-2", "detail": "détail"}],
        "kinds": {"no_contours": 1},
        "notes": [],
    }


@pytest.mark.parametrize(("kept", "level"), [((), "WARNING"), (("point_count",), "INFO")])
def test_one_line_in_the_log(caplog: pytest.LogCaptureFixture, kept: tuple[str, ...], level: str) -> None:
    report = QualityReport(counts={"mass_images": 3, "masses": 4})
    report.add("point_count", "a")
    with caplog.at_level(logging.INFO):
        report.log(logging.getLogger("source"), Path("folder"), kept)
    (record,) = caplog.records
    left_out = "nothing" if kept else "1 point_count"
    assert (record.levelname, record.name) == (level, "source")
    assert record.message == f"folder: 3 mass images, 4 masses; left out: {left_out}."
