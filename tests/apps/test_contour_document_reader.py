# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from monai_acdr.apps import documents
from monai_acdr.apps.documents import (
    ContourDocument,
    FrameContours,
    read_contour_document,
    structure_of,
    write_contour_document,
)
from monai_acdr.dicom import LV_ENDOCARDIUM, Algorithm
from monai_acdr.read_budget import read_budget

SHAPE = np.array([[2.25, 1.5], [9.75, 2.0], [9.5, 4.25], [4.5, 4.0], [4.0, 7.75], [2.0, 7.5]])


def minimal() -> dict[str, Any]:
    contour = {"vertices_px": SHAPE.tolist()}
    frame = {"name": "a", "size": [9, 13], "contours": [contour]}
    return {"format": "monai_acdr.contours", "version": 1, "structure": "Mass", "frames": [frame]}


def test_what_was_written_comes_back(tmp_path: Path) -> None:
    world = np.concatenate([SHAPE, np.ones((6, 1))], 1) - 100
    frames = (
        FrameContours("0001", (9, 13), (SHAPE, SHAPE[:4] + 1), (0.7, 1.9), "1.2.3", 4, (world, world[:4])),
        FrameContours("0002", (9, 13)),
        FrameContours("0003", (9, 13), (SHAPE + 0.0001,)),
    )
    written = ContourDocument((LV_ENDOCARDIUM,), frames, Algorithm("net", "1.2"))
    read = read_contour_document(write_contour_document(tmp_path / "a.json", written))
    assert read.structures == (LV_ENDOCARDIUM,)
    assert read.algorithm is not None and (read.algorithm.name, read.algorithm.version) == ("net", "1.2")
    for one, other in zip(read.frames, frames, strict=True):
        for key in ("name", "size", "spacing", "sop_instance_uid", "frame"):
            assert getattr(one, key) == getattr(other, key)
        np.testing.assert_equal(one.contours, other.contours)
        np.testing.assert_equal(one.world, other.world)


def test_spread_comes_back(tmp_path: Path) -> None:
    spread = (np.linspace(0, 2.5, 6), np.full(4, 0.25))
    frames = (
        FrameContours("0001", (9, 13), (SHAPE, SHAPE[:4] + 1), (0.5, 2.0), spread=spread),
        FrameContours("0002", (9, 13), (SHAPE,), spread=spread[:1]),
        FrameContours("0003", (9, 13), (SHAPE,)),
    )
    path = write_contour_document(tmp_path / "a.json", ContourDocument((LV_ENDOCARDIUM,), frames))
    for one, other in zip(read_contour_document(path).frames, frames, strict=True):
        np.testing.assert_equal(one.spread, other.spread)


def test_optional_keys_may_be_missing(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text(json.dumps(minimal()), encoding="utf-8")
    document = read_contour_document(path)
    assert document.algorithm is None
    assert (document.frames[0].frame, document.frames[0].world, document.frames[0].spacing) == (1, None, None)


def change(place: str, value: Any) -> Callable[[dict[str, Any]], None]:
    def apply(data: dict[str, Any]) -> None:
        *way, last = [int(part) if part.isdigit() else part for part in place.split("/")]
        holder: Any = data
        for part in way:
            holder = holder[part]
        holder[last] = value

    return apply


FRAME = "frames/0"
CONTOUR = "frames/0/contours/0"


@pytest.mark.parametrize(
    ("place", "value", "message"),
    [
        ("format", "geojson", "contour document with"),
        ("version", 3, "version 1 to 2 .*use the release"),
        ("version", True, "version 1 to 2"),
        ("structure", "", r'"structure" to be a text.*a\.json'),
        ("structure", "x" * 65, '"structure"'),
        ("algorithm", ["net"], '"algorithm" to be an object'),
        ("algorithm", {"name": "net"}, '"version" to be a text'),
        ("frames", {}, '"frames" of .*a list'),
        (FRAME, 3, r"an object, but got 3 in .*a\.json, frame 1"),
        (f"{FRAME}/name", "../../etc/passwd", "plain file name"),
        (f"{FRAME}/name", 5, '"name" to be a text'),
        (f"{FRAME}/size", [9], '"size" to be two integers'),
        (f"{FRAME}/size", [9, 1e9], '"size" to be two integers'),
        (f"{FRAME}/size", [9, 10**9], '"size" to be .H, W. of 1 to 65535'),
        (f"{FRAME}/spacing_mm", [1], '"spacing_mm"'),
        (f"{FRAME}/spacing_mm", [10**400, 1], "too large"),
        (f"{FRAME}/spacing_mm", [-1, 1], "positive"),
        (f"{FRAME}/frame", "1", '"frame" to be an integer'),
        (f"{FRAME}/sop_instance_uid", "1.2/../3", "digits and dots"),
        (f"{FRAME}/contours", None, '"contours" of .*frame 1'),
        (CONTOUR, [], "contour 1 to be an object"),
        (f"{CONTOUR}/vertices_px", [[1, 2], [3, 4]], "contour 1 to be a list of 3"),
        (f"{CONTOUR}/vertices_px", [[1, 2], [3, 4], [5]], r"point 3 .*contour 1.*frame 1"),
        (f"{CONTOUR}/vertices_px", [[1, 2], [3, 4], [5, "6"]], "point 3"),
        (f"{CONTOUR}/vertices_px", [[1, 2], [3, 4], [5, True]], "point 3"),
        (f"{CONTOUR}/vertices_px", [[1, 2], [3, 4], [5, 10**400]], "too large"),
        (f"{CONTOUR}/vertices_px", [[1, 2], [3, 4], [5, float("nan")]], "finite"),
        (f"{CONTOUR}/vertices_px", [[1, 2], [3, 4], [5, float("inf")]], "finite"),
        (f"{CONTOUR}/vertices_mm", [[1, 2], [3, 4], [5, 6]], "3 numbers"),
        (f"{CONTOUR}/vertices_mm", [[1, 2, 3]] * 3, "their numbers differ"),
        (f"{FRAME}/spacing_mm", [1e-30, 1], "spacing"),
        (f"{FRAME}/spacing_mm", [float("nan"), 1], "spacing"),
        (f"{CONTOUR}/vertex_spread_px", 3, '"vertex_spread_px" of contour 1 to be 6 numbers.*got 3'),
        (f"{CONTOUR}/vertex_spread_px", [1] * 5, "6 numbers, one per vertex, but got a list of 5"),
        (f"{CONTOUR}/vertex_spread_px", [1] * 5 + [None], "6 numbers"),
        (f"{CONTOUR}/vertex_spread_px", [1] * 5 + [10**400], "too large"),
        (f"{CONTOUR}/vertex_spread_px", [1] * 5 + [-1], "finite and not negative"),
        (f"{CONTOUR}/vertex_spread_px", [1] * 5 + [float("nan")], "finite and not negative"),
    ],
)
def test_hostile_documents(tmp_path: Path, place: str, value: Any, message: str) -> None:
    _is_refused(tmp_path / "a.json", minimal(), place, value, message)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "as JSON"),
        (b'{"format": ', "line 1, column"),
        (b"[" * 100_000, "nested too deeply"),
        (b"\xff\xfe", "not UTF-8"),
        (b"[]", "contour document with"),
        (b"9" * 5000, "too many digits"),
    ],
)
def test_files_that_are_no_documents(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "a.json"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=message):
        read_contour_document(path)


def test_frames_twice(tmp_path: Path) -> None:
    data = minimal()
    data["frames"] *= 2
    path = tmp_path / "a.json"
    path.write_text(json.dumps(data), encoding="utf-8")
    with pytest.raises(ValueError, match=r"twice.*a\.json"):
        read_contour_document(path)


def test_limits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.json"
    path.write_text(json.dumps(minimal()), encoding="utf-8")
    monkeypatch.setattr(documents, "MAX_POINTS", 5)
    with pytest.raises(ValueError, match="at most 5 vertices"):
        read_contour_document(path)


@pytest.mark.parametrize("content", ["[]," * 30_000, "{}," * 12_000, '"a",' * 25_000, "0," * 80_000, " " * 2_200_000])
def test_memory_of_small_documents(tmp_path: Path, content: str) -> None:
    """Before the first object is made: three bytes become a list."""
    path = tmp_path / "a.json"
    path.write_text(content)
    with read_budget(2), pytest.raises(ValueError, match=r"a.json to need at most 2 MiB of memory.*--read-budget"):
        read_contour_document(path)


def test_documents_of_usual_size_fit(tmp_path: Path) -> None:
    frames = tuple(FrameContours(f"{n:04d}", (99, 99), (SHAPE.repeat(10, 0),) * 5, world=None) for n in range(100))
    path = write_contour_document(tmp_path / "a.json", ContourDocument((LV_ENDOCARDIUM,), frames))
    with read_budget(12 * path.stat().st_size / 2**20):
        assert len(read_contour_document(path).frames) == 100


def test_keys_twice(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text(json.dumps(minimal())[:-1] + ', "frames": []}')
    with pytest.raises(ValueError, match=r"as JSON, but .*a\.json is not \(a key occurs twice in an object"):
        read_contour_document(path)


def test_holes(tmp_path: Path) -> None:
    frames = (
        FrameContours("a", (9, 13), (SHAPE, SHAPE[:4]), holes=(False, True)),
        FrameContours("b", (9, 13), (SHAPE,), holes=(False,)),
    )
    path = write_contour_document(tmp_path / "a.json", ContourDocument((LV_ENDOCARDIUM,), frames))
    assert path.read_text().count('"hole": true') == 1 and '"hole": false' not in path.read_text()
    assert [frame.holes for frame in read_contour_document(path).frames] == [(False, True), ()]
    path.write_text(path.read_text().replace('"hole": true', '"hole": 1'))
    with pytest.raises(ValueError, match='"hole" of contour 2 to be true or false, but got 1.*a.json, frame 1'):
        read_contour_document(path)
    with pytest.raises(ValueError, match="`holes` to have a value for each contour"):
        FrameContours("a", (9, 13), (SHAPE,), holes=(False, True))


def test_missing_files_and_folders(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="does not exist"):
        read_contour_document(tmp_path / "a.json")
    with pytest.raises(ValueError, match="not a regular file"):
        read_contour_document(tmp_path)


def test_spread_of_all_contours_or_of_none(tmp_path: Path) -> None:
    data = minimal()
    data["frames"][0]["contours"] = [
        {"vertices_px": SHAPE.tolist(), "vertex_spread_px": [1] * 6},
        *minimal()["frames"][0]["contours"],
    ]
    path = tmp_path / "a.json"
    path.write_text(json.dumps(data), encoding="utf-8")
    with pytest.raises(ValueError, match=r'"vertex_spread_px" of all contours.*some are missing.*frame 1'):
        read_contour_document(path)


@pytest.mark.parametrize(
    ("key", "value", "shown"),
    [
        ("spacing_mm", ["1.3", "1.3"], r"\['1.3', '1.3'\]"),
        ("spacing_mm", [1.3], r"\[1.3\]"),
        ("size", ["a", 1], r"\['a', 1\]"),
        ("size", [0, 5], r"\[0, 5\]"),
        ("size", [60.5, 80], r"\[60.5, 80\]"),
        ("size", [1, [2]], "a list of 2"),
        ("size", [1] * 1000, "a list of 1000"),
    ],
)
def test_short_lists_are_shown(tmp_path: Path, key: str, value: Any, shown: str) -> None:
    data = minimal()
    data["frames"][0][key] = value
    path = tmp_path / "a.json"
    path.write_text(json.dumps(data))
    with pytest.raises(ValueError, match=f'"{key}" to be .*, but got {shown}'):
        read_contour_document(path)


def several() -> dict[str, Any]:
    data = minimal()
    del data["structure"]
    data |= {"version": 2, "structures": ["LV endocardium", "Infarct"]}
    contours = [{"structure": label, "vertices_px": SHAPE.tolist()} for label in data["structures"]]
    data["frames"][0]["contours"] = contours
    return data


def test_several_structures(tmp_path: Path) -> None:
    frames = (
        FrameContours(
            "a", (9, 13), (SHAPE, SHAPE[:4]), structures=(1, 0), confidence=(0.25, None), repairs=((), ("nesting",))
        ),
        FrameContours("b", (9, 13), (SHAPE,), structures=(1,), confidence=(0.0,), doubtful=(True,)),
        FrameContours("c", (9, 13), (SHAPE,)),
    )
    written = ContourDocument((LV_ENDOCARDIUM, structure_of("Infarct")), frames)
    read = read_contour_document(write_contour_document(tmp_path / "a.json", written))
    assert read.structures == written.structures
    for one, other in zip(read.frames, frames, strict=True):
        assert (one.structures, one.confidence, one.doubtful) == (other.structures, other.confidence, other.doubtful)
        assert one.repairs == other.repairs
        np.testing.assert_equal(one.contours, other.contours)
    (first, _) = (read.frames[0].of_structure(index) for index in (0, 1))
    np.testing.assert_array_equal(first.contours[0], SHAPE[:4])
    assert first.confidence == () and first.repairs == (("nesting",),)


def test_the_only_structure_need_not_be_named(tmp_path: Path) -> None:
    data = several()
    data["structures"] = ["LV endocardium"]
    data["frames"][0]["contours"] = [{"vertices_px": SHAPE.tolist()}]
    path = tmp_path / "a.json"
    path.write_text(json.dumps(data), encoding="utf-8")
    assert read_contour_document(path).frames[0].indices == (0,)


@pytest.mark.parametrize(
    ("place", "value", "message"),
    [
        ("structures", "LV", '"structures" of the document to be a list'),
        ("structures", [], "1 to 256 structures"),
        ("structures", ["a"] * 257, "at most 256 entries"),
        ("structures", ["LV", 5], '"structures" to be a text'),
        ("structures", ["LV endocardium", "Infarct", "infarct "], "different labels"),
        (f"{CONTOUR}/structure", "Mass", "contour 1 to be one of the document's \"structures\", but got 'Mass'"),
        (f"{CONTOUR}/structure", None, "but got None"),
        (f"{CONTOUR}/structure", ["LV endocardium"], "but got"),
        (f"{CONTOUR}/confidence", 1.5, '"confidence" of contour 1 to be a number from 0 to 1, but got 1.5'),
        (f"{CONTOUR}/confidence", "0.5", '"confidence"'),
        (f"{CONTOUR}/confidence", True, '"confidence"'),
        (f"{CONTOUR}/confidence", float("nan"), '"confidence"'),
        (f"{CONTOUR}/doubtful", 1, '"doubtful" of contour 1 to be true or false, but got 1'),
        (f"{CONTOUR}/repairs", "nesting", '"repairs" of contour 1 to be a list of some'),
        (f"{CONTOUR}/repairs", ["nesting", "nesting"], "each once"),
        (f"{CONTOUR}/repairs", [["nesting"]], "but got"),
        ("frames/0/scale", 5, "`scale` to be a text of at most 200 characters, but got 5"),
        ("frames/0/scale", "x" * 201, "`scale` to be a text"),
        ("frames/0/scale", "a\nb", "`scale` to be a text"),
        ("version", 2.0, "version 1 to 2"),
        ("version", 0, "version 1 to 2"),
    ],
)
def test_hostile_documents_of_several_structures(tmp_path: Path, place: str, value: Any, message: str) -> None:
    _is_refused(tmp_path / "a.json", several(), place, value, message)


def _is_refused(path: Path, data: Any, place: str, value: Any, message: str) -> None:
    change(place, value)(data)
    path.write_text(json.dumps(data), encoding="utf-8")
    with pytest.raises(ValueError, match=message) as caught:
        read_contour_document(path)
    assert str(path) in str(caught.value)
