# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""The contour document: contours of one or several structures on frames, as a JSON file.

Version 2 of the file is ``{"format": "monai_acdr.contours", "version": 2, "structures": [label, ...], "algorithm": ...,
"frames": [...]}``, with a line for each frame; each contour names its structure: ``"structure": label``. Version 1,
which is still read, has one ``"structure"`` at the top for all contours.

Vertices are in pixels (:mod:`monai_acdr.geometry.coordinates`), and in mm and LPS where the place of the frame is
known. Contours of an ensemble tell how far its members disagree about each vertex, ``vertex_spread_px`` and, where the
spacing is known, ``vertex_spread_mm``; ``mean_spread_px`` and ``mean_spread_mm`` are the means over the vertices.
``confidence`` is the probability that there is something to outline, where it was estimated, and ``"doubtful": true``
marks contours below the threshold of their model. Contours of a frame and structure are united; one with
``"hole": true`` removes what it covers from those before it. The document names no patient; UIDs are references.
:func:`contour_document_schema` is its JSON Schema.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from monai_acdr.apps.frame_names import check_name, find_frame, frame_names
from monai_acdr.dicom import (
    TISSUE,
    Algorithm,
    Region,
    SourceFrame,
    Structure,
)
from monai_acdr.dicom.regions import KNOWN_STRUCTURES, named_structure
from monai_acdr.files import write_text_atomically
from monai_acdr.inferers import spread_in_mm

__all__ = [
    "ContourDocument",
    "FrameContours",
    "contour_document_schema",
    "match_frames",
    "structure_of",
    "write_contour_document",
]

FORMAT, VERSION = "monai_acdr.contours", 2
DECIMALS = 4
"""Decimals of a coordinate: a ten-thousandth of a pixel or of a mm."""

MAX_FRAMES, MAX_CONTOURS, MAX_VERTICES, MAX_STRUCTURES = 10_000, 1_000, 1_000_000, 256
"""Frames of a document, contours of a frame, vertices of a contour, structures: more are refused."""
MAX_SIDE = 65_535
WORLD_TOLERANCE_MM = 0.1
"""Largest distance of a vertex in mm from the same one in pixels; four decimals of a pixel are ten times less."""
LARGEST_COORDINATE = 1e6

_COORDINATES = "(x, y) = (column, row); pixel (c, r) covers [c, c + 1) x [r, r + 1)"
_WORLD = "(x, y, z) in mm, patient coordinates, LPS"


@dataclass(frozen=True, eq=False)
class FrameContours:
    """The contours of one frame; checked, and turned into float64 arrays, when it is made.

    Attributes:
        name: of the frame, unique in a document; a plain file name without a patient's identity.
        size: (H, W) of the frame in pixels.
        contours: polygons (K, 2) in pixels, arrays or tensors, K >= 3, not closed.
        spacing: (between rows, between columns) in mm; None when it is not known.
        sop_instance_uid: of the DICOM instance, or None.
        frame: number of the frame within its instance, from 1.
        world: the same polygons (K, 3) in mm, LPS, or None.
        spread: for each polygon (K,), standard deviation over the members of an ensemble across the contour at each
            vertex, in pixels (:func:`monai_acdr.inferers.vertex_spread`), or None.
        holes: for each polygon whether it is a hole, which removes what it covers from the polygons of its structure
            before it; empty where none is. Other polygons of a structure are united.
        structures: for each polygon the index of its structure in the document; empty where all are of the first one.
        confidence: for each polygon the probability, 0 to 1, that there is something to outline, or None; empty where
            none has one.
        doubtful: for each polygon whether its confidence is below the threshold of its model; empty where none is.
    """

    name: str
    size: tuple[int, int]
    contours: tuple[np.ndarray, ...] = ()
    spacing: tuple[float, float] | None = None
    sop_instance_uid: str | None = None
    frame: int = 1
    world: tuple[np.ndarray, ...] | None = None
    spread: tuple[np.ndarray, ...] | None = None
    holes: tuple[bool, ...] = ()
    structures: tuple[int, ...] = ()
    confidence: tuple[float | None, ...] = ()
    doubtful: tuple[bool, ...] = ()

    def __post_init__(self) -> None:
        check_name(self.name)
        height, width = self.size
        if not 1 <= min(height, width) <= max(height, width) <= MAX_SIDE:
            raise ValueError(f"Expected `size` to be (H, W) of 1 to {MAX_SIDE} pixels, but got {self.size}.")
        if self.spacing is not None and not all(0 < value < LARGEST_COORDINATE for value in self.spacing):
            raise ValueError(f"Expected `spacing` to be two positive numbers in mm, but got {self.spacing}.")
        if not 1 <= self.frame <= MAX_FRAMES:
            raise ValueError(f"Expected `frame` to be a number from 1 to {MAX_FRAMES}, but got {self.frame}.")
        object.__setattr__(self, "size", (int(height), int(width)))
        object.__setattr__(self, "contours", _polygons(self.contours, 2, "contours"))
        if self.world is not None:
            object.__setattr__(self, "world", _polygons(self.world, 3, "world"))
            if [len(vertices) for vertices in self.world] != [len(vertices) for vertices in self.contours]:
                raise ValueError("Expected `world` to have the contours' vertices in mm, but their numbers differ.")
        for key in ("holes", "structures", "confidence", "doubtful"):
            values = tuple(getattr(self, key))
            if values and len(values) != len(self.contours):
                raise ValueError(f"Expected `{key}` to have a value for each contour, but their numbers differ.")
            plain = all(value is None for value in values) if key == "confidence" else not any(values)
            object.__setattr__(self, key, () if plain else values)
        if not all(type(index) is int and 0 <= index < MAX_STRUCTURES for index in self.structures):
            raise ValueError("Expected `structures` to be indices of the document's structures, but got others.")
        if not all(value is None or 0 <= value <= 1 for value in self.confidence):  # NaN fails too
            raise ValueError(f"Expected `confidence` to be numbers from 0 to 1, but got {self.confidence}.")
        if self.spread is not None:
            object.__setattr__(self, "spread", _spreads(self.spread, self.contours))

    @property
    def indices(self) -> tuple[int, ...]:
        """For each polygon the index of its structure in the document."""
        return self.structures or (0,) * len(self.contours)

    def of_structure(self, index: int) -> FrameContours:
        """The frame with the contours of one structure alone, as a document of that structure has it."""
        kept = [number for number, own in enumerate(self.indices) if own == index]

        def chosen(values: Sequence[Any] | None) -> Any:
            return values if values is None or not len(values) else tuple(values[number] for number in kept)

        per_contour = ("contours", "world", "spread", "holes", "confidence", "doubtful")
        return replace(self, structures=(), **{key: chosen(getattr(self, key)) for key in per_contour})


@dataclass(frozen=True, eq=False)
class ContourDocument:
    """Contours of structures on frames.

    Attributes:
        structures: what the contours show, with different labels; nested ones from the innermost to the outermost.
        frames: with different names; frames without contours may be left out.
        algorithm: what made them, None when it is not known. Its name and version are written.
    """

    structures: tuple[Structure, ...]
    frames: tuple[FrameContours, ...]
    algorithm: Algorithm | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "structures", tuple(self.structures))
        object.__setattr__(self, "frames", tuple(self.frames))
        _check_labels([structure.label for structure in self.structures])
        if any(max(frame.indices, default=0) >= len(self.structures) for frame in self.frames):
            raise ValueError("Expected each contour to be of a structure of the document, but one is of another.")
        if len(self.frames) > MAX_FRAMES:
            raise ValueError(f"Expected at most {MAX_FRAMES} frames, but got {len(self.frames)}: write several files.")
        names, keys = set(), set()
        for frame in self.frames:
            key = (frame.sop_instance_uid, frame.frame)
            if frame.name in names or (frame.sop_instance_uid and key in keys):
                raise ValueError(f"Expected each frame once, but {frame.name!r} is there twice: merge its contours.")
            names.add(frame.name)
            keys.add(key)

    @classmethod
    def from_regions(
        cls,
        regions: Sequence[Region],
        sources: Sequence[SourceFrame],
        algorithm: Algorithm | None = None,
        names: Sequence[str] | None = None,
    ) -> ContourDocument:
        """The document of regions on DICOM images; frames without contours are left out.

        Args:
            regions: a structure each, with an entry for each source.
            sources: the frames.
            algorithm: what made the contours.
            names: for each source the name of its frame; by default :func:`frame_names`.
        """
        frames = []
        for index, (source, name) in enumerate(zip(sources, names or frame_names(sources), strict=True)):
            drawn = [
                (number, vertices, hole)
                for number, region in enumerate(regions)
                for vertices, hole in zip(region.contours[index], region.holes_of(index), strict=True)
            ]
            if drawn:
                numbers, contours, holes = (tuple(each) for each in zip(*drawn, strict=True))
                world = tuple(source.to_world(vertices) for vertices in contours) if source.has_place else None
                place = source.spacing, *source.key, world
                frames.append(FrameContours(name, source.size, contours, *place, holes=holes, structures=numbers))
        return cls(tuple(region.structure for region in regions), tuple(frames), algorithm)

    def to_regions(self, sources: Sequence[SourceFrame]) -> list[Region]:
        """A region for each structure on DICOM images, contours in pixels; frames are found by UID, else by name.

        Raises:
            ValueError: when a frame is not among `sources`, or has another size.
        """
        places = match_frames(self.frames, sources)
        regions = []
        for number, structure in enumerate(self.structures):
            contours: list[tuple[np.ndarray, ...]] = [()] * len(sources)
            holes: list[tuple[bool, ...]] = [()] * len(sources)
            for frame, index in zip(self.frames, places, strict=True):
                own = frame.of_structure(number)
                contours[index], holes[index] = own.contours, own.holes or (False,) * len(own.contours)
            regions.append(Region(structure, tuple(contours), holes=tuple(holes) if any(map(any, holes)) else ()))
        return regions


def _check_labels(labels: Sequence[str]) -> None:
    if not 1 <= len(labels) <= MAX_STRUCTURES:
        raise ValueError(f"Expected 1 to {MAX_STRUCTURES} structures of a contour document, but got {len(labels)}.")
    folded = [label.strip().casefold() for label in labels]
    twice = next((label for label, key in zip(labels, folded, strict=True) if folded.count(key) > 1), None)
    if twice is not None:
        raise ValueError(
            f"Expected structures of a contour document to have different labels, but several are called {twice!r}: "
            "choose one of them, by its number."
        )


def structure_of(label: str) -> Structure:
    """The structure of a label: a known one, one whose name is coded, or something that only has a name."""
    known = next((item for item in KNOWN_STRUCTURES if item.label.casefold() == label.strip().casefold()), None)
    if known is not None:
        return known
    text = label.strip()
    coded = named_structure(text) if text.isprintable() and "\\" not in text else TISSUE
    return replace(coded, label=text)


def match_frames(frames: Sequence[Any], sources: Sequence[SourceFrame]) -> list[int]:
    """For each frame the index of its source: by SOP instance UID, else by name; one frame fits one image anyway.

    Args:
        frames: objects with `name`, `size` (None where unknown), `sop_instance_uid` and `frame`.
        sources: the images.

    Raises:
        ValueError: when a frame is not among them, when two are the same one, when a size differs, or when contours in
            pixels and in mm (`contours`, `world`, where a frame has both) are apart on its image.
    """
    keys = {source.key: index for index, source in enumerate(sources)}
    names = frame_names(sources)
    found: list[int] = []
    for frame in frames:
        if frame.sop_instance_uid:
            index = keys.get((frame.sop_instance_uid, frame.frame))
        elif len(frames) == len(sources) == 1:
            index = 0
        else:
            index = find_frame(frame.name, names)
        if index is None or index in found:
            problem = "is not among them" if index is None else "is there twice"
            how = "its SOP Instance UID" if frame.sop_instance_uid else f"its name, such as {names[0]!r}"
            raise ValueError(
                f"Expected each frame to be one of the {len(sources)} image frames, by {how}, but {frame.name!r} "
                f"{problem}: give the images that the contours were drawn on."
            )
        if frame.size is not None and tuple(frame.size) != sources[index].size:
            raise ValueError(
                f"Expected frame {frame.name!r} to have the size (H, W) of its image, {sources[index].size}, but it "
                f"has {tuple(frame.size)}: give the images that the contours were drawn on."
            )
        _check_world(frame, sources[index])
        found.append(index)
    return found


def _check_world(frame: Any, source: SourceFrame) -> None:
    """Raise a ValueError when the contours in mm are not those in pixels, on that image."""
    world = getattr(frame, "world", None)
    if world is None or not source.has_place:
        return
    for vertices, points in zip(frame.contours or (), world, strict=True):
        distance = float(np.linalg.norm(source.to_world(vertices) - points, axis=1).max())
        if distance > WORLD_TOLERANCE_MM:
            raise ValueError(
                f"Expected the contours of frame {frame.name!r} in mm to be those in pixels, but on its image they are "
                f"up to {distance:.4g} mm apart: give the images that the contours were drawn on, or correct one of "
                "the two, or leave out those in mm."
            )


def contour_document_schema() -> dict[str, Any]:
    """The JSON Schema (draft 2020-12) of version 2, of `contour_document.schema.json` beside this file."""
    path = Path(__file__).with_name("contour_document.schema.json")
    schema: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return schema


def write_contour_document(path: str | os.PathLike[str], document: ContourDocument, overwrite: bool = False) -> Path:
    """Write a document; the file appears whole or not at all.

    Args:
        path: file to write, by custom ``.json``; missing folders are made.
        document: what to write; numbers are rounded to four decimals.
        overwrite: replace an existing file.

    Returns:
        The path.

    Raises:
        FileExistsError: when the file exists and `overwrite` is false.
        OSError: when it cannot be written.
    """
    path = Path(path)
    if path.exists() and not overwrite:
        raise FileExistsError(f"{path} exists: choose another name, or ask to overwrite it.")
    algorithm, labels = document.algorithm, [structure.label for structure in document.structures]
    head = {
        "format": FORMAT,
        "version": VERSION,
        "coordinates": _COORDINATES,
        "world": _WORLD,
        "structures": labels,
        "algorithm": {"name": algorithm.name, "version": algorithm.version} if algorithm else None,
    }
    lines = [f"  {json.dumps(key)}: {json.dumps(value)},\n" for key, value in head.items()]
    frames = ",\n".join(f"    {json.dumps(_frame_record(frame, labels), allow_nan=False)}" for frame in document.frames)
    body = f'  "frames": [\n{frames}\n  ]\n' if frames else '  "frames": []\n'
    return write_text_atomically(path, "".join(["{\n", *lines, body, "}\n"]), overwrite)


def _frame_record(frame: FrameContours, labels: Sequence[str]) -> dict[str, Any]:
    return {
        "name": frame.name,
        "sop_instance_uid": frame.sop_instance_uid,
        "frame": frame.frame,
        "size": list(frame.size),
        "spacing_mm": None if frame.spacing is None else [float(value) for value in frame.spacing],
        "contours": [_contour_record(frame, number, labels) for number in range(len(frame.contours))],
    }


def _contour_record(frame: FrameContours, number: int, labels: Sequence[str]) -> dict[str, Any]:
    record: dict[str, Any] = {"structure": labels[frame.indices[number]]}
    if frame.confidence and frame.confidence[number] is not None:
        record["confidence"] = frame.confidence[number]
    if frame.doubtful and frame.doubtful[number]:
        record["doubtful"] = True
    if frame.holes and frame.holes[number]:
        record["hole"] = True
    record["vertices_px"] = _rounded(frame.contours[number])
    record["vertices_mm"] = None if frame.world is None else _rounded(frame.world[number])
    if frame.spread is not None:
        record |= _spread_record(frame.spread[number], frame.contours[number], frame.spacing)
    return record


def _spread_record(values: np.ndarray, vertices: np.ndarray, spacing: tuple[float, float] | None) -> dict[str, Any]:
    record = {"vertex_spread_px": _rounded(values), "mean_spread_px": _rounded(values.mean())}
    if spacing is not None:
        in_mm = spread_in_mm(torch.from_numpy(values), torch.from_numpy(vertices), spacing).numpy()
        record |= {"vertex_spread_mm": _rounded(in_mm), "mean_spread_mm": _rounded(in_mm.mean())}
    return record


def _rounded(points: np.ndarray | np.floating) -> Any:
    return (np.round(points, DECIMALS) + 0.0).tolist()  # + 0.0: no negative zeros


def _polygons(polygons: Any, dimensions: int, name: str) -> tuple[np.ndarray, ...]:
    arrays = tuple(np.array(polygon, dtype=np.float64) for polygon in polygons)
    if len(arrays) > MAX_CONTOURS:
        raise ValueError(f"Expected at most {MAX_CONTOURS} contours in a frame, but got {len(arrays)}.")
    for number, array in enumerate(arrays, start=1):
        if array.ndim != 2 or array.shape[1] != dimensions or not 3 <= len(array) <= MAX_VERTICES:
            raise ValueError(
                f"Expected `{name}` {number} to be (K, {dimensions}) with 3 to {MAX_VERTICES} vertices, but got "
                f"{array.shape}."
            )
        if not np.abs(array).max() <= LARGEST_COORDINATE:  # NaN fails too
            raise ValueError(f"Expected `{name}` {number} to be finite, but it has NaN, Inf or huge vertices.")
    return arrays


def _spreads(values: Any, contours: tuple[np.ndarray, ...]) -> tuple[np.ndarray, ...]:
    arrays = tuple(np.array(each, dtype=np.float64) for each in values)
    if [array.shape for array in arrays] != [vertices.shape[:1] for vertices in contours]:
        raise ValueError("Expected `spread` to have a number for each vertex, but their numbers differ.")
    if not all(((array >= 0) & (array <= LARGEST_COORDINATE)).all() for array in arrays):  # NaN fails too
        raise ValueError("Expected `spread` to be finite and not negative, but it has other numbers.")
    return arrays
