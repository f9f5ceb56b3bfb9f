# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""The report of a study: one file, no script, no link, everything escaped."""

from __future__ import annotations

import base64
import io
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from monai_acdr.visualize.evolution import save_gif
from monai_acdr.visualize.report import html_report, save_html_report

PICTURE = np.arange(4 * 6 * 3, dtype=np.uint8).reshape(4, 6, 3)
VOID = {"meta", "img"}


class Reader(HTMLParser):
    """Collects elements and text, and checks that elements are closed in order."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, Any]]] = []
        self.cells: list[str] = []
        self.texts: list[str] = []
        self._open: list[str] = []
        self.feed(text)
        self.close()
        assert not self._open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts.append(data)
        if self._open and self._open[-1] in ("th", "td"):
            self.cells.append(data)


def report(**changes: Any) -> str:
    contents: dict[str, Any] = {
        "title": "Left ventricle",
        "pictures": [("Slice 1", PICTURE), ("Gray", PICTURE[..., 0])],
        "measures": [
            {"name": "a", "area_mm2": 1234.56, "self_crossing": False},
            {"name": "b", "area_mm2": 7.891, "longest_diameter_ends_px": ((1.0, 2.0), (3.0, 4.0))},
        ],
        "volumes": {"stroke_volume_ml": 55.25, "ejection_fraction_percent": 42.0, "phases": [1], "findings": ()},
        "notes": ["phase 3: one slice is missing"],
        **changes,
    }
    return html_report(**contents)


def test_contents() -> None:
    text = report()
    reader = Reader(text)
    assert text.startswith("<!DOCTYPE html>")
    assert reader.cells[:4] == ["Stroke volume (mL)", "55.25", "Ejection fraction (%)", "42.00"]
    assert reader.cells[4:8] == ["Name", "Area (mm²)", "Self crossing", "Longest diameter ends (px)"]
    assert reader.cells[8:12] == ["a", "1234.6", "no", "–"]
    assert reader.cells[12:] == ["b", "7.89", "–", "((1.00, 2.00), (3.00, 4.00))"]
    assert "phase 3: one slice is missing" in reader.texts
    assert text == report()


def test_pictures_are_inside(tmp_path: Path) -> None:
    film = save_gif(tmp_path / "film.gif", [PICTURE, 255 - PICTURE]).read_bytes()
    reader = Reader(report(pictures=[("Slice 1", PICTURE), ("Film", film)]))
    sources = [attributes["src"] for tag, attributes in reader.elements if tag == "img"]
    kinds, data = zip(*(source.removeprefix("data:").split(";base64,") for source in sources), strict=True)
    assert kinds == ("image/png", "image/gif")
    with Image.open(io.BytesIO(base64.b64decode(data[0], validate=True))) as image:
        np.testing.assert_array_equal(np.array(image), PICTURE)
    assert base64.b64decode(data[1]) == film


def test_self_contained() -> None:
    text = report()
    reader = Reader(text)
    assert {tag for tag, _ in reader.elements}.isdisjoint({"script", "link", "iframe", "object", "a", "base", "form"})
    for tag, attributes in reader.elements:
        assert not [name for name in attributes if name.startswith("on") or name == "href"], tag
        assert attributes.get("src", "data:").startswith("data:")
    assert not re.search(r"https?:|//|@import|url\(", re.sub(r"base64,[^\"]*", "", text))
    policy = next(a["content"] for _, a in reader.elements if a.get("http-equiv") == "Content-Security-Policy")
    assert policy.startswith("default-src 'none'")


HOSTILE = "<script>alert(1)</script>\" onload='x' &amp; ü"


def test_everything_is_escaped() -> None:
    text = report(
        title=HOSTILE,
        pictures=[(HOSTILE, PICTURE)],
        measures=[{HOSTILE: HOSTILE}],
        volumes={HOSTILE: HOSTILE},
        notes=[HOSTILE],
        identity={HOSTILE: HOSTILE},
    )
    reader = Reader(text)
    assert "script" not in {tag for tag, _ in reader.elements}
    assert not [attributes for _, attributes in reader.elements if "onload" in attributes]
    assert "".join(reader.texts).count(HOSTILE) == 10
    assert [a["alt"] for tag, a in reader.elements if tag == "img"] == [HOSTILE]


def test_identity_only_when_passed() -> None:
    assert "<h2>Patient</h2>" not in report()
    assert "<h2>Patient</h2>" not in report(identity={})
    reader = Reader(report(identity={"Patient ID": "SYN0000001"}))
    assert reader.cells[:2] == ["Patient ID", "SYN0000001"]


def test_empty_sections_are_left_out() -> None:
    text = html_report("Nothing")
    Reader(text)
    assert "<h2>" not in text


def test_numbers_that_are_none_or_not_finite() -> None:
    cells = Reader(
        html_report("x", volumes={"a": None, "b": float("nan"), "c": np.float32(0.5), "d": 3, "e": True})
    ).cells
    assert cells[1::2] == ["–", "–", "0.50", "3", "yes"]


def test_file_appears_whole(tmp_path: Path) -> None:
    path = save_html_report(tmp_path / "out" / "report.html", "Herzkammer – 1", notes=["ü"])
    assert path.read_text(encoding="utf-8") == html_report("Herzkammer – 1", notes=["ü"])
    assert [file.name for file in path.parent.iterdir()] == ["report.html"]


def test_wrong_input(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="uint8"):
        report(pictures=[("x", np.zeros((4, 4)))])
    with pytest.raises(ValueError, match="PNG or GIF file"):
        report(pictures=[("x", b"<svg onload=alert(1)>")])
    with pytest.raises(ValueError, match=r"ending in \.html, but got report\.txt"):
        save_html_report(tmp_path / "report.txt", "x")


def test_what_to_check_comes_before_the_other_pictures() -> None:
    text = html_report("t", pictures=[("all", PICTURE)], uncertain=[("<worst>", PICTURE), ("second", PICTURE)])
    order = [
        text.index(part) for part in ("Check first", "&lt;worst&gt;</figcaption>", "second", ">Pictures<", ">all<")
    ]
    assert order == sorted(order)
    assert "Check first" not in html_report("t", pictures=[("all", PICTURE)])
