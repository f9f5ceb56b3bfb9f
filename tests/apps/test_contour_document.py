# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest

from monai_acdr.apps.documents import (
    ContourDocument,
    FrameContours,
    contour_document_schema,
    match_frames,
    structure_of,
    write_contour_document,
)
from monai_acdr.data.phantoms import write_short_axis_studies
from monai_acdr.dicom import LV_ENDOCARDIUM, LV_EPICARDIUM, Algorithm, Region, SourceFrame, read_sources

SHAPE = np.array([[2.25, 1.5], [9.75, 2.0], [9.5, 4.25], [4.5, 4.0], [4.0, 7.75], [2.0, 7.5]])


def frame(name: str = "0001", **changes: object) -> FrameContours:
    return FrameContours(name, (9, 13), **{"contours": (SHAPE,), **changes})  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> list[SourceFrame]:
    study = write_short_axis_studies(
        tmp_path_factory.mktemp("study"), 1, num_slices=2, num_phases=2, size=(60, 80), spacing=(2.1, 1.7)
    )
    return read_sources(sorted(study.glob("dicoms/*/*.dcm")))


def test_the_file_is_as_documented(tmp_path: Path) -> None:
    world = np.concatenate([SHAPE, np.ones((6, 1))], 1)
    document = ContourDocument(
        (LV_ENDOCARDIUM,),
        (frame(spacing=(0.7, 1.9), sop_instance_uid="1.2.3", frame=4, world=(world,)), frame("b", contours=())),
        Algorithm("net", "1.2"),
    )
    path = write_contour_document(tmp_path / "new" / "contours.json", document)
    text = path.read_text(encoding="utf-8")
    data = json.loads(text)
    assert {key: data[key] for key in ("format", "version", "structures", "algorithm")} == {
        "format": "monai_acdr.contours",
        "version": 2,
        "structures": ["LV endocardium"],
        "algorithm": {"name": "net", "version": "1.2"},
    }
    assert data["frames"][0] == {
        "name": "0001",
        "sop_instance_uid": "1.2.3",
        "frame": 4,
        "size": [9, 13],
        "spacing_mm": [0.7, 1.9],
        "contours": [
            {"structure": "LV endocardium", "vertices_px": SHAPE.tolist(), "vertices_mm": world.tolist()},
        ],
    }
    assert data["frames"][1]["contours"] == []
    assert sum('"vertices_px"' in line for line in text.splitlines()) == 1
    assert [path.name for path in path.parent.iterdir()] == ["contours.json"]


def test_spread_in_pixels_and_in_mm(tmp_path: Path) -> None:
    """A square: its normals at the corners are diagonals, 3 x 1 mm a pixel make them steeper."""
    square = np.array([[0.0, 0.0], [4.0, 0.0], [4.0, 4.0], [0.0, 4.0]])
    spread = (np.array([0.0, 0.5, 1.0, 2.0]),)
    frames = (
        frame("a", contours=(square,), spread=spread, spacing=(2.0, 2.0)),
        frame("b", contours=(square,), spread=spread, spacing=(3.0, 1.0)),
        frame("c", contours=(square,), spread=spread),
        frame("d", contours=(square,)),
    )
    path = write_contour_document(tmp_path / "a.json", ContourDocument((LV_ENDOCARDIUM,), frames))
    a, b, c, d = (each["contours"][0] for each in json.loads(path.read_text(encoding="utf-8"))["frames"])
    assert a["vertex_spread_px"] == b["vertex_spread_px"] == c["vertex_spread_px"] == [0.0, 0.5, 1.0, 2.0]
    assert a["vertex_spread_mm"] == [0.0, 1.0, 2.0, 4.0]
    # in mm the corner is that of a rectangle 4 wide, 12 high: normal (3, 1), and (1, 3) is the move along the diagonal
    along = (3 * 1 + 1 * 3) / np.sqrt(10) / np.sqrt(2)
    np.testing.assert_allclose(b["vertex_spread_mm"], along * np.array(spread[0]), atol=1e-4)
    assert "vertex_spread_mm" not in c and set(d) == {"structure", "vertices_px", "vertices_mm"}


def test_numbers_are_rounded_to_four_decimals(tmp_path: Path) -> None:
    vertices = SHAPE + 1 / 3
    vertices[0, 0] = -1e-9
    path = write_contour_document(
        tmp_path / "a.json", ContourDocument((LV_ENDOCARDIUM,), (frame(contours=(vertices,)),))
    )
    text = path.read_text(encoding="utf-8")
    assert "1.8333" in text and "1.83333" not in text and "-0.0" not in text


def test_existing_files_are_kept(tmp_path: Path) -> None:
    document = ContourDocument((LV_ENDOCARDIUM,), (frame(),))
    path = tmp_path / "a.json"
    path.write_text("mine", encoding="utf-8")
    with pytest.raises(FileExistsError, match="exists"):
        write_contour_document(path, document)
    assert path.read_text(encoding="utf-8") == "mine"
    write_contour_document(path, document, overwrite=True)
    assert json.loads(path.read_text(encoding="utf-8"))["version"] == 2


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"contours": (SHAPE[:2],)}, r"`contours` 1 to be \(K, 2\)"),
        ({"contours": (SHAPE, SHAPE.T)}, r"`contours` 2 to be \(K, 2\)"),
        ({"contours": (SHAPE * np.nan,)}, "finite"),
        ({"contours": (SHAPE * 1e9,)}, "finite"),
        ({"contours": (SHAPE,) * 1001}, "at most 1000"),
        ({"world": (SHAPE,)}, r"`world` 1 to be \(K, 3\)"),
        ({"world": ()}, "their numbers differ"),
        ({"spread": ()}, "a number for each vertex"),
        ({"spread": (np.zeros(5),)}, "a number for each vertex"),
        ({"spread": (np.full(6, np.nan),)}, "finite and not negative"),
        ({"spread": (np.full(6, -1.0),)}, "finite and not negative"),
        ({"spacing": (0.0, 1.0)}, "positive"),
        ({"spacing": (1.0, float("nan"))}, "positive"),
        ({"frame": 0}, "from 1 to"),
    ],
)
def test_wrong_frames(changes: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        frame(**changes)


def test_wrong_sizes_and_names() -> None:
    with pytest.raises(ValueError, match="`size`"):
        FrameContours("a", (0, 3))
    with pytest.raises(ValueError, match="plain file name"):
        FrameContours("../a", (3, 3))


def test_frames_are_there_once() -> None:
    with pytest.raises(ValueError, match="'0001' is there twice"):
        ContourDocument((LV_ENDOCARDIUM,), (frame(), frame()))
    with pytest.raises(ValueError, match="'b' is there twice"):
        ContourDocument((LV_ENDOCARDIUM,), (frame(sop_instance_uid="1.2"), frame("b", sop_instance_uid="1.2")))


def test_regions_there_and_back(sources: list[SourceFrame]) -> None:
    region = Region(LV_EPICARDIUM, ((SHAPE, SHAPE + 20), (), (SHAPE + 7,), ()))
    document = ContourDocument.from_regions([region], sources)
    assert [item.name for item in document.frames] == [sources[i].path.stem for i in (0, 2)]
    first = document.frames[0]
    assert (first.sop_instance_uid, first.frame) == sources[0].key
    assert first.spacing == pytest.approx((2.1, 1.7))
    # The plane by hand: PS3.3 equation C.7.6.2.1-1 with pixel centers at half numbers.
    x, y = np.array(sources[0].orientation[:3]), np.array(sources[0].orientation[3:])
    expected = np.array(sources[0].position) + (SHAPE[:, :1] - 0.5) * x * 1.7 + (SHAPE[:, 1:] - 0.5) * y * 2.1
    np.testing.assert_allclose(first.world[0], expected, atol=1e-3)
    (back,) = document.to_regions(list(reversed(sources)))
    assert back.structure == LV_EPICARDIUM
    assert [len(entry) for entry in back.contours] == [0, 1, 0, 2]
    np.testing.assert_array_equal(back.contours[3][1], SHAPE + 20)


def test_frames_are_found_by_name(sources: list[SourceFrame]) -> None:
    size = sources[0].size
    stem = sources[2].path.stem
    assert match_frames([FrameContours(stem, size)], sources) == [2]
    assert match_frames([FrameContours(f"IM-0001-{int(stem):04d}-icontour-manual", size)], sources) == [2]
    assert match_frames([FrameContours("anything", size)], sources[1:2]) == [0]
    with pytest.raises(ValueError, match="'anything' is not among them"):
        match_frames([FrameContours("anything", size)], sources)
    with pytest.raises(ValueError, match="SOP Instance UID"):
        match_frames([FrameContours(stem, size, sop_instance_uid="1.2")], sources)
    with pytest.raises(ValueError, match="there twice"):
        match_frames([FrameContours(stem, size), FrameContours("b", size, sop_instance_uid=sources[2].key[0])], sources)
    with pytest.raises(ValueError, match=r"size \(H, W\)"):
        match_frames([FrameContours(stem, (5, 5))], sources)


def test_structures_by_label() -> None:
    assert structure_of(" lv EPIcardium") is LV_EPICARDIUM
    other = structure_of("Infarct")
    assert (other.label, other.property_type.meaning) == ("Infarct", "Tissue")


# --- JSON Schema ----------------------------------------------------------------------------------------------------


def validator() -> jsonschema.Draft202012Validator:
    schema = contour_document_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)


def test_what_is_written_is_as_the_schema_says(tmp_path: Path) -> None:
    world = np.concatenate([SHAPE, np.ones((6, 1))], 1)
    everything = frame(
        contours=(SHAPE, SHAPE + 1, SHAPE),
        spacing=(0.7, 1.9),
        sop_instance_uid="1.2.3",
        world=(world, world, world),
        spread=(np.arange(6) / 10,) * 3,
        holes=(False, True, False),
        structures=(0, 0, 1),
        confidence=(0.5, None, 0.25),
        doubtful=(False, False, True),
        repairs=((), ("nesting",), ("collapse", "self_intersection")),
        scale="too large",
    )
    for document in (
        ContourDocument((LV_ENDOCARDIUM, LV_EPICARDIUM), (everything, frame("b", contours=())), Algorithm("net", "1")),
        ContourDocument((LV_ENDOCARDIUM,), (frame(),)),
    ):
        data = json.loads(write_contour_document(tmp_path / "contours.json", document, overwrite=True).read_text())
        validator().validate(data)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda data: data.update(version=3), "2 was expected"),
        (lambda data: data.update(structures=[]), "should be non-empty"),
        (lambda data: data["frames"][0].pop("size"), "'size' is a required property"),
        (lambda data: data["frames"][0]["contours"][0].update(vertices_px=[[0, 0], [1, 1]]), "is too short"),
        (lambda data: data["frames"][0]["contours"][0]["vertices_px"].append([1, 2, 3]), "is too long"),
        (lambda data: data["frames"][0]["contours"][0].update(confidence=1.5), "1.5 is greater than the maximum"),
    ],
)
def test_the_schema_refuses(tmp_path: Path, change: Callable[[Any], object], message: str) -> None:
    document = ContourDocument((LV_ENDOCARDIUM,), (frame(),))
    data = json.loads(write_contour_document(tmp_path / "contours.json", document).read_text())
    change(data)
    with pytest.raises(jsonschema.ValidationError, match=message):
        validator().validate(data)
