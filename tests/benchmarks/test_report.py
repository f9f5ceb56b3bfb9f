# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Tables from records, and the committed document against the committed records."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

import pytest


def test_tables_go_between_their_marks(tmp_path: Path) -> None:
    timing, report = import_module("timing"), import_module("report")
    table = timing.Table("times", ["job", "ms"], [["a", "1.5"], ["b", "2"]])
    timing.write_record(tmp_path / "speed.json", "how fast?", {}, {}, [table])
    page = tmp_path / "page.md"
    page.write_text("before\n<!-- benchmark: speed times -->\nold\n<!-- end -->\nafter\n")
    assert report.main(["--records", str(tmp_path), "--documents", str(page)]) == 0
    expected = [
        "before",
        "<!-- benchmark: speed times -->",
        "",
        "| job | ms |",
        "| --- | --- |",
        "| a | 1.5 |",
        "| b | 2 |",
    ]
    assert page.read_text().splitlines() == [*expected, "", "<!-- end -->", "after"]
    assert report.fill(page.read_text(), tmp_path) == page.read_text()
    with pytest.raises(FileNotFoundError, match="other.json"):
        report.fill("<!-- benchmark: other times -->\n<!-- end -->", tmp_path)


def test_thresholds_are_not_published() -> None:
    published = import_module("report").published
    plain = {"header": ["figure", "target", "measured"], "rows": [["Dice", "> 0.9", "0.95"]]}
    assert published(plain) == [["value", "measured"], ["Dice", "0.95"]]
    ratios = {
        "header": ["target", "device", "measured", ""],
        "rows": [["soft / exact >= 1.5", "cpu", "2", "met"], ["triton <= 60", "cuda", "", "not measured"]],
    }
    assert published(ratios) == [["ratio", "device", "measured"], ["soft / exact", "cpu", "2"]]


def test_documents_are_what_the_records_say() -> None:
    report = import_module("report")
    for document in report.DOCUMENTS:
        text = document.read_text(encoding="utf-8")
        assert report.fill(text, report.RECORDS) == text, f"{document.name}: run `python benchmarks/report.py`"
