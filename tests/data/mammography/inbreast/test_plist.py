# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Property lists: what OsiriX writes, and what an attacker would."""

from __future__ import annotations

import plistlib
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from monai_acdr.data.mammography import inbreast
from monai_acdr.data.mammography.inbreast import InbreastRoi, is_mass, read_inbreast_rois
from monai_acdr.read_budget import read_budget

DOCTYPE = (
    '<?xml version="1.0" encoding="UTF-8"?>\n<!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" '
    '"http://www.apple.com/DTDs/PropertyList-1.0.dtd"'
)
BODY = (
    '<plist version="1.0"><dict><key>Images</key><array><dict><key>ROIs</key><array>{}</array></dict></array>'
    "</dict></plist>"
)
BOMB = '<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;&a;&a;">'
EXTERNAL = '<!ENTITY a SYSTEM "file:///etc/passwd">'


def write(path: Path, text: str, encoding: str = "utf-8") -> Path:
    path.write_bytes(text.encode(encoding))
    return path


def roi(*texts: Any) -> InbreastRoi:
    return InbreastRoi("Mass", texts, None, "file.xml, region 1")


def test_regions_and_points(tmp_path: Path, make_outlines: Callable[..., Path], make_region: Any) -> None:
    regions = [make_region("Mass ", [(1, 2), (3.5, -4), (5, 6)]), {"Name": "Cluster"}]
    first, second = read_inbreast_rois(make_outlines(tmp_path / "a.xml", regions))
    assert (first.name, first.declared, first.location) == ("Mass ", 3, f"{tmp_path / 'a.xml'}, region 1")
    assert first.vertices().tolist() == [[1, 2], [3.5, -4], [5, 6]]
    assert second.vertices().shape == (0, 2)
    assert second.declared is None


def test_the_form_that_osirix_writes_is_read(tmp_path: Path) -> None:
    assert read_inbreast_rois(write(tmp_path / "a.xml", DOCTYPE + ">" + BODY.format(""))) == []


@pytest.mark.parametrize(("name", "expected"), [("Mass", True), (" mass ", True), ("MASS", True), ("Masses", False)])
def test_spellings_of_mass(name: str, expected: bool) -> None:
    assert is_mass(name) is expected


@pytest.mark.parametrize("text", ["(1, 2)", "( 1.0,2 )", " (1e0, +2.) "])
def test_points_are_read(text: str) -> None:
    assert np.array_equal(roi(text).vertices(), [[1, 2]])


@pytest.mark.parametrize(
    "text",
    ["1, 2", "(1, 2, 3)", "(1; 2)", "(nan, 1)", "(inf, 1)", "(1e99, 1)", "(1e999, 1)", "(0x1, 1)", "(1, 2)x", 7]
    + ["(١, 2)", "(" + "1" * 200 + ", 2)", "", ["(1, 2)"], "__import__('os')"],
)
def test_other_points_are_refused(text: Any) -> None:
    with pytest.raises(ValueError, match=r"point 2 of file\.xml, region 1"):
        roi("(1, 2)", text).vertices()


@pytest.mark.parametrize("declarations", [BOMB, EXTERNAL, "<!ELEMENT plist ANY>", " "])
def test_declarations_are_refused_unparsed(tmp_path: Path, declarations: str, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path / "bomb.xml", f"{DOCTYPE} [{declarations}]>" + BODY.format("&b;"))
    monkeypatch.setattr(plistlib, "loads", None)
    with pytest.raises(ValueError, match=r"bomb\.xml declares entities"):
        read_inbreast_rois(path)


def test_python_refuses_entities_as_well(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without our own check: nothing is expanded by plistlib either."""
    monkeypatch.setattr(inbreast, "_check_xml", lambda path, data: None)
    path = write(tmp_path / "bomb.xml", f"{DOCTYPE} [{BOMB}]>" + BODY.format("<string>&b;</string>"))
    with pytest.raises(ValueError, match=r"bomb\.xml is damaged.*entity"):
        read_inbreast_rois(path)


@pytest.mark.parametrize("encoding", ["utf-16", "utf-32"])
def test_declarations_cannot_hide_in_another_encoding(tmp_path: Path, encoding: str) -> None:
    path = write(tmp_path / "a.xml", f"{DOCTYPE} [{BOMB}]>" + BODY.format(""), encoding)
    with pytest.raises(ValueError, match=r"Expected XML in UTF-8, but .*a\.xml"):
        read_inbreast_rois(path)


def test_binary_property_lists_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a.xml").write_bytes(plistlib.dumps({"Images": []}, fmt=plistlib.FMT_BINARY))
    with pytest.raises(ValueError, match="binary"):
        read_inbreast_rois(tmp_path / "a.xml")


def test_sizes_are_bounded(tmp_path: Path) -> None:
    with read_budget(0.001), pytest.raises(ValueError, match=r"a\.xml to need at most .* MiB of memory"):
        read_inbreast_rois(write(tmp_path / "a.xml", DOCTYPE + ">" + BODY.format("")))


@pytest.mark.parametrize(
    ("begin", "part", "message"),
    [
        ("", "<!DOCTYPE", "is damaged"),
        ("<plist>", "<!--", "is damaged"),
        ("<plist>", "<array>", "Expected at most 32 levels of elements"),
        ("<plist ", ' a="1"', "Expected at most 100 attributes"),
        ("<plist><integer>", "9", "is damaged"),
        ("<plist><string>", "(1,", "is damaged"),
    ],
)
def test_long_files_are_refused_in_linear_time(tmp_path: Path, begin: str, part: str, message: str) -> None:
    """A megabyte each; with time as the square of the length it took minutes."""
    path = write(tmp_path / "a.xml", begin + part * (1_000_000 // len(part)))
    start = time.process_time()
    with pytest.raises(ValueError, match=message):
        read_inbreast_rois(path)
    assert time.process_time() - start < 2


def test_integers_are_bounded(tmp_path: Path) -> None:
    text = "<plist><integer>" + "9" * 1001 + "</integer></plist>"
    with pytest.raises(ValueError, match=r"Expected integers of at most 1000 digits, but .*a\.xml"):
        read_inbreast_rois(write(tmp_path / "a.xml", text))


@pytest.mark.parametrize(
    "text",
    ["", "hello", "<plist><dict>", DOCTYPE + "><plist><integer>x</integer></plist>", "<plist><date>1</date></plist>"],
)
def test_damaged_files_are_named(tmp_path: Path, text: str) -> None:
    with pytest.raises(ValueError, match=r"a\.xml is damaged"):
        read_inbreast_rois(write(tmp_path / "a.xml", text))


@pytest.mark.parametrize(
    "content",
    [[], {}, {"Images": 3}, {"Images": ["x"]}, {"Images": [{"ROIs": ["x"]}]}, {"Images": [{"ROIs": [{"Name": 3}]}]}]
    + [{"Images": [{"ROIs": [{"Name": "Mass", "Point_px": "(1, 2)"}]}]}],
)
def test_other_structures_are_refused(tmp_path: Path, content: Any) -> None:
    (tmp_path / "a.xml").write_bytes(plistlib.dumps(content))
    with pytest.raises(ValueError, match=r"Expected Images > ROIs.*a\.xml"):
        read_inbreast_rois(tmp_path / "a.xml")


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"no\.xml does not exist"):
        read_inbreast_rois(tmp_path / "no.xml")


def test_fixture(shared_data: Path) -> None:
    rois = read_inbreast_rois(shared_data / "inbreast_fixture" / "99999901.xml")
    assert [one.name for one in rois] == ["Mass", "Mass", "Calcification", "Spiculated Region", "Mass"]
    assert [len(one.vertices()) for one in rois] == [one.declared for one in rois] == [40, 40, 1, 20, 40]
    assert rois[0].vertices()[0].tolist() == [160, 200]
    assert np.allclose(rois[0].vertices().mean(axis=0), [120, 200])
