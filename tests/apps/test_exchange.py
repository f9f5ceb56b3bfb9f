# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Markups, GeoJSON and COCO: written as their tools have them, read back unchanged, hostile files refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from monai_acdr.apps import convert
from monai_acdr.apps.documents import (
    ContourDocument,
    FrameContours,
    frame_names,
    read_contour_document,
    write_contour_document,
)
from monai_acdr.apps.study_files import find_series
from monai_acdr.dicom import LV_ENDOCARDIUM, LV_EPICARDIUM, Region, SourceFrame
from monai_acdr.geometry import circle

HOLED = [np.array([[10.0, 10], [40, 10], [40, 40], [10, 40]]), np.array([[20.0, 20], [30, 20], [30, 30], [20, 30]])]


def ring(radius: float, number: int = 24) -> np.ndarray:
    return circle(torch.tensor([56.0, 50.0], dtype=torch.float64), radius, number).numpy()


@pytest.fixture(scope="module")
def sources(study: Path) -> list[SourceFrame]:
    return find_series(study)[0][0]


@pytest.fixture()
def contours(sources: list[SourceFrame], tmp_path: Path) -> Path:
    """Endocardium on all frames, epicardium on the first, as a document."""
    inner = tuple((ring(10 + index),) for index in range(len(sources)))
    outer = ((ring(25, 31),), *[()] * (len(sources) - 1))
    document = ContourDocument.from_regions([Region(LV_ENDOCARDIUM, inner), Region(LV_EPICARDIUM, outer)], sources)
    return write_contour_document(tmp_path / "contours.json", document)


def same(one: Path, other: Path, abs_: float = 1e-3) -> None:
    first, second = (read_contour_document(path) for path in (one, other))
    assert first.structures == second.structures
    assert {f.name: f.size for f in first.frames} == {f.name: f.size for f in second.frames}
    by_name = {frame.name: frame for frame in second.frames}
    for frame in first.frames:
        found = by_name[frame.name]
        assert found.indices == frame.indices and found.holes == frame.holes
        for vertices, own in zip(found.contours, frame.contours, strict=True):
            start = int(np.argmin(np.abs(own - vertices[0]).sum(1)))
            turned = np.roll(own, -start, axis=0)
            assert vertices == pytest.approx(turned, abs=abs_) or vertices[::-1] == pytest.approx(
                np.roll(own, -start - 1, axis=0), abs=abs_
            )


@pytest.mark.parametrize("name", ["curves.mrk.json", "polygons.geojson", "polygons.coco.json"])
def test_contours_come_back(name: str, contours: Path, study: Path, tmp_path: Path) -> None:
    report = convert(contours, tmp_path / name, images=study)
    assert report.contours == 13 and report.lost == ()
    convert(tmp_path / name, tmp_path / "back.json", images=study)
    same(contours, tmp_path / "back.json")


def test_curves_are_where_the_vertices_are(
    contours: Path, study: Path, sources: list[SourceFrame], tmp_path: Path
) -> None:
    convert(contours, tmp_path / "curves.mrk.json", images=study)
    content = json.loads((tmp_path / "curves.mrk.json").read_text())
    assert content["@schema"].endswith("markups-schema-v1.0.3.json#")
    first = content["markups"][0]
    assert (first["type"], first["coordinateSystem"], first["name"]) == ("ClosedCurve", "LPS", "LV endocardium")
    points = np.array([point["position"] for point in first["controlPoints"]])
    index = frame_names(sources).index(first["description"].split("; frame ")[1])
    assert points == pytest.approx(sources[index].to_world(ring(10 + index)), abs=1e-3)


def test_curves_in_ras_and_without_a_description_are_read(
    study: Path, sources: list[SourceFrame], tmp_path: Path
) -> None:
    phases = [index for index, source in enumerate(sources) if source.position == sources[0].position]
    world = sources[0].to_world(ring(12)) * [-1, -1, 1]
    curve: dict[str, Any] = {
        "type": "ClosedCurve",
        "coordinateSystem": "RAS",
        "name": "LV endocardium",
        "controlPoints": [{"position": point} for point in world.tolist()],
    }
    path = tmp_path / "curves.mrk.json"
    path.write_text(json.dumps({"markups": [{"type": "Fiducial"}, curve]}))
    with pytest.raises(ValueError, match=f"in the planes of {len(phases)}"):  # which phase is not said
        convert(path, tmp_path / "back.json", images=study)
    convert(path, tmp_path / "back.json", images=sources[phases[1]].path)
    (frame,) = read_contour_document(tmp_path / "back.json").frames
    assert frame.contours[0] == pytest.approx(ring(12), abs=1e-3)


def test_coco_says_what_its_tools_read(contours: Path, study: Path, tmp_path: Path) -> None:
    convert(contours, tmp_path / "polygons.coco.json", images=study)
    content = json.loads((tmp_path / "polygons.coco.json").read_text())
    assert [c["name"] for c in content["categories"]] == ["LV endocardium", "LV epicardium"]
    assert len(content["images"]) == 12 and content["images"][0]["height"] == 100
    found = content["annotations"][0]
    polygon = np.array(found["segmentation"][0]).reshape(-1, 2)
    low, high = polygon.min(0), polygon.max(0)
    assert found["bbox"] == pytest.approx([*low, *(high - low)], abs=1e-3)
    following = np.roll(polygon, -1, axis=0)
    area = 0.5 * abs(np.sum(polygon[:, 0] * following[:, 1] - following[:, 0] * polygon[:, 1]))
    assert found["area"] == pytest.approx(area, abs=0.01)


def test_geojson_keeps_holes_and_closes_rings(tmp_path: Path) -> None:
    frame = FrameContours("a", (60, 60), (*HOLED, HOLED[1] + 25), holes=(False, True, False))
    write_contour_document(tmp_path / "in.json", ContourDocument((LV_ENDOCARDIUM,), (frame,)))
    convert(tmp_path / "in.json", tmp_path / "out.geojson")
    (feature,) = json.loads((tmp_path / "out.geojson").read_text())["features"]
    assert feature["geometry"]["type"] == "MultiPolygon" and feature["properties"]["objectType"] == "annotation"
    outer, inner = feature["geometry"]["coordinates"][0]
    assert outer[0] == outer[-1] and len(outer) == 5 and len(inner) == 5
    convert(tmp_path / "out.geojson", tmp_path / "back.json")
    same(tmp_path / "in.json", tmp_path / "back.json")
    with pytest.raises(ValueError, match="without holes for COCO, .* write .geojson"):
        convert(tmp_path / "in.json", tmp_path / "out.coco.json")


def test_markups_follow_the_mm_of_a_document(contours: Path, study: Path, tmp_path: Path) -> None:
    """Without images: the plane of each frame is that of its vertices, given in pixels and in mm."""
    convert(contours, tmp_path / "with.mrk.json", images=study)
    convert(contours, tmp_path / "without.mrk.json")
    curves, alone = (
        [item["controlPoints"] for item in json.loads((tmp_path / name).read_text())["markups"]]
        for name in ("with.mrk.json", "without.mrk.json")
    )
    for points, found in zip(curves, alone, strict=True):
        expected = [point["position"] for point in points]
        assert [point["position"] for point in found] == [pytest.approx(place, abs=1e-3) for place in expected]


def test_markups_need_images(contours: Path, tmp_path: Path) -> None:
    document = json.loads(contours.read_text())
    for frame in document["frames"]:
        for contour in frame["contours"]:
            del contour["vertices_mm"]
    contours.write_text(json.dumps(document))
    with pytest.raises(ValueError, match="Expected a place in mm for markups, .*--images"):
        convert(contours, tmp_path / "curves.mrk.json")
    (tmp_path / "curves.mrk.json").write_text('{"markups": []}')
    with pytest.raises(ValueError, match="Expected the images that markups were drawn on"):
        convert(tmp_path / "curves.mrk.json", tmp_path / "back.json")


def geojson(**changes: Any) -> Callable[[], Any]:
    feature = {"geometry": {"type": "Polygon", "coordinates": [[[0, 0], [9, 0], [9, 9]]]}, "properties": {}}
    return lambda: {"type": "FeatureCollection", "features": [feature | changes]}


def coco(**changes: Any) -> Callable[[], Any]:
    annotation = {"id": 1, "image_id": 1, "category_id": 1, "segmentation": [[0, 0, 9, 0, 9, 9]]}
    return lambda: {
        "images": [{"id": 1, "file_name": "a.png", "height": 20, "width": 20}],
        "categories": [{"id": 1, "name": "mass"}],
        "annotations": [annotation | changes],
    }


@pytest.mark.parametrize(
    ("suffix", "content", "message"),
    [
        (".geojson", lambda: [], "Expected an object"),
        (".geojson", lambda: {"type": "FeatureCollection"}, '"features" to be a list'),
        (".geojson", geojson(geometry=None), "feature 1 to have a geometry"),
        (".geojson", geojson(geometry={"type": "Polygon", "coordinates": 7}), "a polygon of feature 1"),
        (".geojson", geojson(geometry={"type": "Polygon", "coordinates": [[[0, 0], [1, 1]]]}), "at least 3 points"),
        (".geojson", geojson(geometry={"type": "Polygon", "coordinates": [[[0, 0], [1e9, 1], [2, 2]]]}), "finite"),
        (".geojson", geojson(geometry={"type": "Point", "coordinates": [0, 0]}), "is empty"),
        (".geojson", geojson(properties={"frame": "../x"}), "plain file name"),
        (".coco.json", lambda: {"images": [], "categories": []}, '"annotations" to be a list'),
        (".coco.json", coco(image_id=2), "annotation 1 to name an image and a category"),
        (".coco.json", coco(segmentation={"counts": "x"}), "but got a mask"),
        (".coco.json", coco(segmentation=[[0, 0, 9]]), "at least 3 points"),
        (".coco.json", coco(segmentation=[[0, 0, 9, 0, 9, "x"]]), "finite numbers"),
    ],
)
def test_broken_files_are_refused(suffix: str, content: Callable[[], Any], message: str, tmp_path: Path) -> None:
    path = tmp_path / f"broken{suffix}"
    path.write_text(json.dumps(content()))
    with pytest.raises(ValueError, match=message):
        convert(path, tmp_path / "back.json", size=(20, 20))


def test_files_of_others_are_read(tmp_path: Path) -> None:
    (tmp_path / "slide.geojson").write_text(json.dumps(geojson()()))
    convert(tmp_path / "slide.geojson", tmp_path / "a.json", size=(20, 20))
    (frame,) = read_contour_document(tmp_path / "a.json").frames
    assert frame.name == "slide" and len(frame.contours[0]) == 3
    (tmp_path / "x.coco.json").write_text(json.dumps(coco()()))
    convert(tmp_path / "x.coco.json", tmp_path / "b.json")
    document = read_contour_document(tmp_path / "b.json")
    assert (document.frames[0].name, document.frames[0].size) == ("a", (20, 20))
    assert document.structures[0].label == "Mass"
