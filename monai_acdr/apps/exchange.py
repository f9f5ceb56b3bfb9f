# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Contours in the formats of other tools: 3D Slicer markups, GeoJSON (QuPath), and COCO polygons.

- ``.mrk.json``, 3D Slicer: a closed curve for each contour, in mm, LPS. Its control points are the vertices, and the
  curve between them is linear. The description names the frame, since the phases of a cine share their positions.
- ``.geojson``, QuPath: a feature for each structure and frame, a Polygon or MultiPolygon in pixels, with its holes as
  separate rings. QuPath has one image per file: other readers find the frame among the properties.
- ``.coco.json``: images, categories and annotations, whose segmentations are polygons in pixels. COCO polygons have no
  holes: frames with holes are refused.

Pixel coordinates start at the upper left corner of the first pixel, as in :mod:`monai_acdr.geometry.coordinates`.
Files of these kinds by other programs are read if they state the image of each contour.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from monai_acdr.apps.documents import DECIMALS, MAX_CONTOURS, MAX_VERTICES, check_name, frame_names, structure_of
from monai_acdr.apps.layers import Layer, LayerFrame
from monai_acdr.data.text_files import read_json
from monai_acdr.dicom import SourceFrame
from monai_acdr.dicom.regions import LARGEST_COORDINATE, group_rings
from monai_acdr.dicom.source import MissingImageError
from monai_acdr.geometry import pixel_to_world, signed_area

__all__ = ["read_exchange", "write_exchange"]

MARKUPS_SCHEMA = (
    "https://raw.githubusercontent.com/slicer/slicer/master/Modules/Loadable/Markups/Resources/Schema/"
    "markups-schema-v1.0.3.json#"
)
OFF_PLANE_MM = 0.5
"""Largest distance of a curve's points from the plane of their image, in mm."""
MAX_LISTED = 100_000
"""Limit of the markups, features, images or annotations of a file; more are refused."""
_DESCRIPTION = re.compile(r"(.*?); frame (.+)", re.DOTALL)


def write_exchange(path: Path, layers: Sequence[Layer], kind: str) -> None:
    """Write contours.

    Args:
        path: a new file.
        layers: layers with contours.
        kind: ``markups``, ``geojson`` or ``coco``.

    Raises:
        OSError: when the file cannot be written.
        ValueError: for contours without a position in mm (markups), or with holes (markups, COCO).
    """
    content = {"markups": _markups, "geojson": _features, "coco": _coco}[kind](layers)
    with open(path, "x", encoding="utf-8", newline="\n") as stream:
        json.dump(content, stream, allow_nan=False, separators=(",", ":"))
        stream.write("\n")


def read_exchange(path: Path, kind: str, sources: Sequence[SourceFrame]) -> list[Layer]:
    """Read contours.

    Args:
        path: the file.
        kind: ``markups``, ``geojson`` or ``coco``.
        sources: images, needed for markups, whose points are converted from mm to pixels of their image.

    Returns:
        A layer for each structure.

    Raises:
        OSError: when the file cannot be opened.
        ValueError: when the file is of another kind, or a contour cannot be placed; the message names the file.
    """
    content = read_json(path, f"a file of {kind}")
    if not isinstance(content, dict):
        raise ValueError(f"Expected an object in {path}, but got {type(content).__name__}.")
    try:
        if kind == "markups":
            return _from_markups(content, sources)
        return _from_features(content, path) if kind == "geojson" else _from_coco(content)
    except ValueError as error:
        raise ValueError(f"{error} In {path}.") from None


# --- 3D Slicer ------------------------------------------------------------------------------------------------------


def _markups(layers: Sequence[Layer]) -> dict[str, Any]:
    curves = []
    for layer in layers:
        for frame in layer.frames:
            for vertices, hole in zip(frame.contours or (), frame.hole_flags, strict=True):
                if hole:
                    raise ValueError(
                        f"Expected contours without holes for markups, but frame {frame.name!r} has one: write "
                        "RTSTRUCT, which holds them."
                    )
                curves.append(_curve(layer.structure.label, frame, vertices, layer.structure.color))
    return {"@schema": MARKUPS_SCHEMA, "markups": curves}


def _curve(label: str, frame: LayerFrame, vertices: np.ndarray, color: Sequence[int]) -> dict[str, Any]:
    if frame.affine is None:
        raise ValueError(
            f"Expected a place in mm for markups, but frame {frame.name!r} has none: give its images with --images."
        )
    world = pixel_to_world(torch.from_numpy(vertices), torch.from_numpy(frame.affine)).numpy()
    points = [
        {
            "id": str(number),
            "label": "",
            "description": "",
            "associatedNodeID": "",
            "position": _round(point),
            "selected": True,
            "locked": False,
            "visibility": True,
            "positionStatus": "defined",
        }
        for number, point in enumerate(world, start=1)
    ]
    return {
        "type": "ClosedCurve",
        "coordinateSystem": "LPS",
        "coordinateUnits": "mm",
        "locked": False,
        "fixedNumberOfControlPoints": False,
        "labelFormat": "%N-%d",
        "name": label,
        "description": f"{label}; frame {frame.name}",
        "controlPoints": points,
        "display": {
            "visibility": True,
            "color": [round(value / 255, 4) for value in color],
            "selectedColor": [round(value / 255, 4) for value in color],
            "propertiesLabelVisibility": False,
            "pointLabelsVisibility": False,
            "glyphScale": 0.5,
        },
    }


def _from_markups(content: Mapping[str, Any], sources: Sequence[SourceFrame]) -> list[Layer]:
    if not sources:
        raise ValueError("Expected the images that markups were drawn on, but got none: name them with --images.")
    names = frame_names(sources)
    found: dict[str, dict[int, list[np.ndarray]]] = {}
    for number, item in enumerate(_list(content, "markups"), start=1):
        if not isinstance(item, dict) or item.get("type") != "ClosedCurve":
            continue
        points = [point.get("position") for point in _list(item, "controlPoints") if isinstance(point, dict)]
        world = _points(points, 3, f"closed curve {number}")
        if item.get("coordinateSystem", "LPS") in ("RAS", 0, "0"):
            world = world * [-1, -1, 1]
        elif item.get("coordinateSystem", "LPS") not in ("LPS", 1, "1"):
            raise ValueError(f"Expected LPS or RAS for closed curve {number}, but got another coordinate system.")
        described = _DESCRIPTION.fullmatch(str(item.get("description", "")))
        label = _label(described[1] if described else item.get("name"))
        index = _image_of(world, described[2] if described else None, names, sources, number)
        found.setdefault(label, {}).setdefault(index, []).append(sources[index].to_pixel(world))
    return _layers(
        {
            label: [
                LayerFrame(
                    names[index],
                    sources[index].size,
                    tuple(contours),
                    sop_instance_uid=sources[index].key[0],
                    frame=sources[index].frame,
                )
                for index, contours in sorted(frames.items())
            ]
            for label, frames in found.items()
        }
    )


def _image_of(
    world: np.ndarray, name: str | None, names: Sequence[str], sources: Sequence[SourceFrame], number: int
) -> int:
    def holds(source: SourceFrame) -> bool:
        return source.has_place and float(np.abs(source.distance(world)).max()) <= OFF_PLANE_MM

    named = None if name is None or name not in names else list(names).index(name)
    if named is not None and holds(sources[named]):
        return named
    fits = [index for index, source in enumerate(sources) if holds(source)]
    if len(fits) != 1:
        raise MissingImageError(
            f"Expected closed curve {number} to lie in the plane of one image, or to name it (description: LABEL; "
            f"frame NAME), but it lies in the planes of {len(fits)}: give the images that it was drawn on."
        )
    return fits[0]


# --- GeoJSON --------------------------------------------------------------------------------------------------------


def _features(layers: Sequence[Layer]) -> dict[str, Any]:
    features = []
    for layer in layers:
        for frame in layer.frames:
            # counterclockwise with y pointing up, holes clockwise (RFC 7946)
            polygons = group_rings(frame.contours or (), frame.hole_flags)
            if not polygons:
                continue
            several = len(polygons) > 1
            coordinates: Any = [[_closed(ring) for ring in polygon] for polygon in polygons]
            features.append(
                {
                    "type": "Feature",
                    "geometry": {
                        "type": "MultiPolygon" if several else "Polygon",
                        "coordinates": coordinates if several else coordinates[0],
                    },
                    "properties": {
                        "objectType": "annotation",
                        "classification": {"name": layer.structure.label, "color": list(layer.structure.color)},
                        "frame": frame.name,
                        **({} if frame.size is None else {"size": list(frame.size)}),
                    },
                }
            )
    return {"type": "FeatureCollection", "features": features}


def _from_features(content: Mapping[str, Any], path: Path) -> list[Layer]:
    features = _list(content, "features") if content.get("type") == "FeatureCollection" else [content]
    found: dict[str, dict[str, tuple[Any, list[np.ndarray], list[bool]]]] = {}
    for number, feature in enumerate(features, start=1):
        if not isinstance(feature, dict) or not isinstance(feature.get("geometry"), dict):
            raise ValueError(f"Expected feature {number} to have a geometry, but it has none.")
        geometry, properties = feature["geometry"], feature.get("properties") or {}
        polygons = geometry.get("coordinates")
        if geometry.get("type") == "Polygon":
            polygons = [polygons]
        elif geometry.get("type") != "MultiPolygon":
            continue  # points and lines are other annotations
        classification = properties.get("classification") if isinstance(properties, dict) else None
        label = _label(classification.get("name") if isinstance(classification, dict) else None)
        name = str(properties.get("frame") or path.name.removesuffix(".geojson"))
        rings, holes = _geojson_rings(polygons, number)
        entry = found.setdefault(label, {}).setdefault(check_name(name), (properties.get("size"), [], []))
        entry[1].extend(rings)
        entry[2].extend(holes)
    return _layers(
        {
            label: [
                LayerFrame(name, _size(size), tuple(rings), holes=tuple(holes) if any(holes) else ())
                for name, (size, rings, holes) in frames.items()
            ]
            for label, frames in found.items()
        }
    )


def _geojson_rings(polygons: Any, number: int) -> tuple[list[np.ndarray], list[bool]]:
    rings: list[np.ndarray] = []
    holes: list[bool] = []
    if not isinstance(polygons, list) or len(polygons) > MAX_CONTOURS:
        raise ValueError(f"Expected coordinates of feature {number} to be a list of at most {MAX_CONTOURS} polygons.")
    for polygon in polygons:
        if not isinstance(polygon, list) or not 1 <= len(polygon) <= MAX_CONTOURS:
            raise ValueError(f"Expected a polygon of feature {number} to be a list of rings.")
        for place, ring in enumerate(polygon):
            vertices = _points(ring, 2, f"feature {number}")
            closed = len(vertices) > 3 and np.array_equal(vertices[0], vertices[-1])
            rings.append(vertices[:-1] if closed else vertices)
            holes.append(place > 0)
    return rings, holes


# --- COCO -----------------------------------------------------------------------------------------------------------


def _coco(layers: Sequence[Layer]) -> dict[str, Any]:
    images: dict[str, dict[str, Any]] = {}
    annotations: list[dict[str, Any]] = []
    for category, layer in enumerate(layers, start=1):
        for frame in layer.frames:
            if frame.size is None:
                raise ValueError(
                    f"Expected the size of frame {frame.name!r} for COCO, but it is not known: give --images or --size."
                )
            height, width = frame.size
            image = images.setdefault(
                frame.name, {"id": len(images) + 1, "file_name": frame.name, "height": height, "width": width}
            )
            if any(frame.hole_flags):
                raise ValueError(
                    f"Expected contours without holes for COCO, but frame {frame.name!r} has one: write .geojson, "
                    "which holds them."
                )
            if frame.contours:
                annotations.append(_annotation(len(annotations) + 1, image["id"], category, frame.contours))
    return {
        "images": list(images.values()),
        "categories": [{"id": n, "name": layer.structure.label} for n, layer in enumerate(layers, start=1)],
        "annotations": annotations,
    }


def _annotation(number: int, image: int, category: int, rings: Sequence[np.ndarray]) -> dict[str, Any]:
    points = np.concatenate(rings)
    low, high = points.min(0), points.max(0)
    return {
        "id": number,
        "image_id": image,
        "category_id": category,
        "segmentation": [_round(ring.ravel()) for ring in rings],
        "area": round(sum(abs(float(signed_area(torch.from_numpy(ring)))) for ring in rings), DECIMALS),
        "bbox": _round(np.concatenate([low, high - low])),
        "iscrowd": 0,
    }


def _from_coco(content: Mapping[str, Any]) -> list[Layer]:
    images, categories = (_by_id(content, key) for key in ("images", "categories"))
    found: dict[str, dict[str, tuple[Any, list[np.ndarray]]]] = {}
    for item in _list(content, "annotations"):
        if not isinstance(item, dict):
            raise ValueError("Expected each annotation to be an object, but got something else.")
        image, category = images.get(str(item.get("image_id"))), categories.get(str(item.get("category_id")))
        if image is None or category is None:
            raise ValueError(
                f"Expected annotation {_short(item.get('id'))} to name an image and a category of the file."
            )
        polygons = item.get("segmentation")
        if not isinstance(polygons, list):
            raise ValueError(
                f"Expected annotation {_short(item.get('id'))} to have polygons, but got a mask (RLE): convert it "
                "first."
            )
        name = check_name(Path(str(image.get("file_name", ""))).stem or f"image-{item.get('image_id')}")
        label = _label(category.get("name"))
        size = [image.get("height"), image.get("width")]
        entry = found.setdefault(label, {}).setdefault(name, (size, []))
        for flat in polygons:
            values = flat if isinstance(flat, list) and len(flat) % 2 == 0 else None
            pairs = None if values is None else [values[place : place + 2] for place in range(0, len(values), 2)]
            entry[1].append(_points(pairs, 2, f"annotation {_short(item.get('id'))}"))
    return _layers(
        {
            label: [LayerFrame(name, _size(size), tuple(rings)) for name, (size, rings) in frames.items()]
            for label, frames in found.items()
        }
    )


def _by_id(content: Mapping[str, Any], key: str) -> dict[str, dict[str, Any]]:
    items = [item for item in _list(content, key) if isinstance(item, dict)]
    return {str(item.get("id")): item for item in items}


# --- Parts of all ---------------------------------------------------------------------------------------------------


def _label(value: object) -> str:
    """Label of a structure from a file, at most 64 characters."""
    return str(value or "Region")[:64].strip() or "Region"


def _layers(found: Mapping[str, Sequence[LayerFrame]]) -> list[Layer]:
    """A layer for each label, in the order of the file."""
    return [
        Layer(structure_of(label), tuple(frames), number=number)
        for number, (label, frames) in enumerate(found.items(), start=1)
    ]


def _round(values: np.ndarray) -> list[float]:
    return [float(value) for value in np.round(values, DECIMALS) + 0.0]


def _closed(ring: np.ndarray) -> list[list[float]]:
    return [_round(point) for point in (*ring, ring[0])]


def _list(item: Mapping[str, Any], key: str) -> list[Any]:
    value = item.get(key)
    limit = MAX_VERTICES if key == "controlPoints" else MAX_LISTED
    if not isinstance(value, list) or len(value) > limit:
        raise ValueError(f'Expected "{key}" to be a list of at most {limit} items, but got {_short(value)}.')
    return value


def _points(values: Any, dimensions: int, place: str) -> np.ndarray:
    """(K, dimensions) float64."""
    good = isinstance(values, list) and 3 <= len(values) <= MAX_VERTICES
    if good:
        good = all(isinstance(p, list) and len(p) >= dimensions for p in values) and all(
            type(v) in (int, float) and abs(v) <= LARGEST_COORDINATE for p in values for v in p[:dimensions]
        )
    if not good:
        raise ValueError(f"Expected {place} to have at least 3 points of {dimensions} finite numbers, but it has not.")
    return np.array([point[:dimensions] for point in values], dtype=np.float64)


def _size(value: Any) -> tuple[int, int] | None:
    if isinstance(value, list) and len(value) == 2 and all(type(v) is int and 0 < v <= 65_535 for v in value):
        return value[0], value[1]
    return None


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 40 else f"{text[:40]}..."
