# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""The contour document: contours of one or several structures on named frames, as a JSON file, written and read.

Version 2 of the file is ``{"format": "monai_acdr.contours", "version": 2, "structures": [label, ...], "algorithm": ...,
"frames": [...]}``, with a line for each frame; each contour names its structure: ``"structure": label``. Version 1,
which is still read, has one ``"structure"`` at the top for all contours.

Vertices are in pixels (:mod:`monai_acdr.geometry.coordinates`), and in mm and LPS where the place of the frame is
known. Contours of an ensemble have the spread of its members at each vertex, ``vertex_spread_px`` and, where the
spacing is known, ``vertex_spread_mm``; ``mean_spread_px`` and ``mean_spread_mm`` are the means over the vertices.
``confidence`` is the probability that there is something to outline, where it was estimated, and ``"doubtful": true``
marks contours below the threshold of their model. ``repairs`` lists the repairs of a contour after the network, from
:data:`monai_acdr.geometry.REPAIRS`. Contours of a frame and structure are united; one with
``"hole": true`` is subtracted from those before it. The document names no patient; UIDs are references.
:func:`contour_document_schema` is its JSON Schema.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from monai_acdr.apps.study_files import DICOM_SUFFIXES
from monai_acdr.data.text_files import read_json
from monai_acdr.dicom import TISSUE, Algorithm, Region, SourceFrame, Structure
from monai_acdr.dicom.elements import text
from monai_acdr.dicom.regions import KNOWN_STRUCTURES, named_structure
from monai_acdr.dicom.source import MissingImageError
from monai_acdr.files import write_text_atomically
from monai_acdr.geometry import REPAIRS
from monai_acdr.inferers import spread_in_mm
from monai_acdr.plausibility import check_spacing

__all__ = [
    "ContourDocument",
    "FrameContours",
    "MAX_NAME",
    "SUNNYBROOK_NAME",
    "check_name",
    "contour_document_schema",
    "find_frame",
    "frame_names",
    "is_plain_name",
    "match_frames",
    "plain_name",
    "read_contour_document",
    "structure_of",
    "write_contour_document",
]

MAX_NAME = 128
"""Limit of a frame's name in characters: files are named after it."""

UNSAFE_CHARACTERS = frozenset('/\\:*?"<>|')
"""Characters that no frame's name has: some systems have no files with them."""

SUNNYBROOK_NAME = re.compile(r"IM-\d{1,6}-(\d{1,6})-([io])contour-[a-z]{1,16}", re.IGNORECASE)
"""Names of Sunnybrook's contour files: the number of the image, and i for endocardium, o for epicardium."""


def check_name(name: str) -> str:
    """Check that files can be named after a frame, and return its name.

    Raises:
        ValueError: for anything but 1 to 128 printable characters that name neither a folder nor a hidden file.
    """
    plain = isinstance(name, str) and 0 < len(name) <= MAX_NAME and name.isprintable() and name.strip(" .") == name
    if not plain or set(name) & UNSAFE_CHARACTERS:
        raise ValueError(
            f"Expected the name of a frame to be a plain file name, but got {name!r}: rename it. A name has up to "
            f"{MAX_NAME} printable characters, none of {' '.join(sorted(UNSAFE_CHARACTERS))}, and neither begins nor "
            "ends with a space or a dot."
        )
    return name


def plain_name(name: str) -> str:
    """The name with "_" in place of characters that no frame's name has, without spaces and dots about it."""
    return "".join("_" if each in UNSAFE_CHARACTERS or not each.isprintable() else each for each in name).strip(" .")


def frame_names(sources: Sequence[SourceFrame]) -> list[str]:
    """A name for each frame: its file's name, with the frame's number in multi-frame files.

    Where file names are not unique, or contain a part of the patient's name or the patient's ID, all frames are
    numbered instead, in the order of `sources`.
    """
    names = [_file_name(source) for source in sources]
    unique = len({name.casefold() for name in names}) == len(names)
    if unique and not any(_names_patient(source) for source in sources) and all(map(is_plain_name, names)):
        return names
    return [f"frame-{number:04d}" for number in range(1, len(sources) + 1)]


def find_frame(name: str, names: Sequence[str]) -> int | None:
    """Index of the frame that a name refers to, None if absent.

    A Sunnybrook contour file refers to the image with its number.
    """
    if name in names:
        return list(names).index(name)
    sunnybrook = SUNNYBROOK_NAME.fullmatch(name)
    if sunnybrook is None:
        return None
    number = int(sunnybrook[1])
    found = [i for i, known in enumerate(names) if (last := re.search(r"(\d{1,6})$", known)) and int(last[1]) == number]
    return found[0] if len(found) == 1 else None


def _file_name(source: SourceFrame) -> str:
    path = Path(source.path)
    stem = path.stem if path.suffix.lower() in DICOM_SUFFIXES else path.name
    return f"{stem}-{source.frame:04d}" if source.num_frames > 1 else stem


def is_plain_name(name: str) -> bool:
    """Whether :func:`check_name` accepts a name."""
    try:
        check_name(name)
    except ValueError:
        return False
    return True


def _names_patient(source: SourceFrame) -> bool:
    """Whether a file's name contains a part of its patient's name, or the patient's ID."""
    file_name = _letters(source.path.name)
    parts = [part for part in re.split(r"[\^= ,]+", text(source.header, "PatientName")) if len(part) > 2]
    identity = text(source.header, "PatientID")
    if len(identity) > 3:  # an ID such as "1" is in the name of every first file
        parts.append(identity)
    return any(letters in file_name for letters in map(_letters, parts) if letters)


def _letters(text: str) -> str:
    return "".join(character for character in text.casefold() if character.isalnum())


FORMAT, VERSION = "monai_acdr.contours", 2
DECIMALS = 4
"""Decimals of a coordinate in pixels or mm."""

MAX_FRAMES, MAX_CONTOURS, MAX_VERTICES, MAX_STRUCTURES = 10_000, 1_000, 1_000_000, 256
"""Limits of frames per document, contours per frame, vertices per contour, and structures; more are refused."""
MAX_SIDE = 65_535
MAX_REASON = 200
"""Limit of the characters of a reason."""
WORLD_TOLERANCE_MM = 0.1
"""Largest distance in mm between a vertex in mm and the same vertex in pixels; rounding causes a tenth of it."""
LARGEST_COORDINATE = 1e6

_COORDINATES = "(x, y) = (column, row); pixel (c, r) covers [c, c + 1) x [r, r + 1)"
_WORLD = "(x, y, z) in mm, patient coordinates, LPS"


@dataclass(frozen=True, eq=False)
class FrameContours:
    """The contours of one frame, checked and converted to float64 arrays on construction.

    Attributes:
        name: name of the frame, unique in a document; a plain file name without a patient's identity.
        size: (H, W) of the frame in pixels.
        contours: polygons (K, 2) in pixels, arrays or tensors, K >= 3, not closed.
        spacing: (between rows, between columns) in mm; None when it is not known.
        sop_instance_uid: SOP Instance UID of the DICOM instance, or None.
        frame: number of the frame within its instance, from 1.
        world: the same polygons (K, 3) in mm, LPS, or None.
        spread: for each polygon (K,), standard deviation over the members of an ensemble across the contour at each
            vertex, in pixels (:func:`monai_acdr.inferers.vertex_spread`), or None.
        holes: for each polygon whether it is a hole, which is subtracted from the preceding polygons of its structure;
            empty if there are none. Other polygons of a structure are united.
        structures: for each polygon the index of its structure in the document; empty where all are of the first one.
        confidence: for each polygon the probability, 0 to 1, that there is something to outline, or None; empty
            without confidences.
        doubtful: for each polygon whether its confidence is below the threshold of its model; empty if there are none.
        repairs: for each polygon its repairs after the network, from :data:`monai_acdr.geometry.REPAIRS`; empty if
            there are none.
        scale: why the scale of the frame, and with it the region of its contours, cannot be right; empty if it can.
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
    repairs: tuple[tuple[str, ...], ...] = ()
    scale: str = ""

    def _check_frame(self) -> None:
        """Check everything but the contours and their values."""
        check_name(self.name)
        height, width = self.size
        if not 1 <= min(height, width) <= max(height, width) <= MAX_SIDE:
            raise ValueError(f"Expected `size` to be (H, W) of 1 to {MAX_SIDE} pixels, but got {self.size}.")
        if self.spacing is not None and not all(0 < value < LARGEST_COORDINATE for value in self.spacing):
            raise ValueError(f"Expected `spacing` to be two positive numbers in mm, but got {self.spacing}.")
        if not 1 <= self.frame <= MAX_FRAMES:
            raise ValueError(f"Expected `frame` to be a number from 1 to {MAX_FRAMES}, but got {self.frame}.")
        if not isinstance(self.scale, str) or len(self.scale) > MAX_REASON or not self.scale.isprintable():
            raise ValueError(
                f"Expected `scale` to be a text of at most {MAX_REASON} characters, but got {_short(self.scale)}."
            )

    def __post_init__(self) -> None:
        self._check_frame()
        object.__setattr__(self, "size", (int(self.size[0]), int(self.size[1])))
        object.__setattr__(self, "contours", _polygons(self.contours, 2, "contours"))
        if self.world is not None:
            object.__setattr__(self, "world", _polygons(self.world, 3, "world"))
            if [len(vertices) for vertices in self.world] != [len(vertices) for vertices in self.contours]:
                raise ValueError("Expected `world` to have the contours' vertices in mm, but their numbers differ.")
        for key in ("holes", "structures", "confidence", "doubtful", "repairs"):
            values = tuple(getattr(self, key))
            if values and len(values) != len(self.contours):
                raise ValueError(f"Expected `{key}` to have a value for each contour, but their numbers differ.")
            plain = all(value is None for value in values) if key == "confidence" else not any(values)
            object.__setattr__(self, key, () if plain else values)
        if not all(type(index) is int and 0 <= index < MAX_STRUCTURES for index in self.structures):
            raise ValueError("Expected `structures` to be indices of the document's structures, but got others.")
        if not all(value is None or 0 <= value <= 1 for value in self.confidence):  # NaN fails too
            raise ValueError(f"Expected `confidence` to be numbers from 0 to 1, but got {self.confidence}.")
        if not all(set(names) <= set(REPAIRS) for names in self.repairs):
            raise ValueError(f"Expected `repairs` to be tuples of {REPAIRS}, but got {self.repairs}.")
        if self.spread is not None:
            object.__setattr__(self, "spread", _spreads(self.spread, self.contours))

    @property
    def indices(self) -> tuple[int, ...]:
        """Index in the document of each polygon's structure."""
        return self.structures or (0,) * len(self.contours)

    @property
    def hole_flags(self) -> tuple[bool, ...]:
        """Whether each polygon is a hole."""
        return self.holes or (False,) * len(self.contours)

    def of_structure(self, index: int) -> FrameContours:
        """The frame with the contours of one structure only, as in a document of that structure."""
        kept = [number for number, own in enumerate(self.indices) if own == index]

        def chosen(values: Sequence[Any] | None) -> Any:
            return values if values is None or not len(values) else tuple(values[number] for number in kept)

        per_contour = ("contours", "world", "spread", "holes", "confidence", "doubtful", "repairs")
        return replace(self, structures=(), **{key: chosen(getattr(self, key)) for key in per_contour})


@dataclass(frozen=True, eq=False)
class ContourDocument:
    """Contours of structures on frames.

    Attributes:
        structures: structures with different labels; nested ones from the innermost to the outermost.
        frames: frames with different names; frames without contours may be left out.
        algorithm: algorithm that made the contours, None when it is not known. Its name and version are written.
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
            regions: regions, one per structure, with an entry for each source.
            sources: the frames.
            algorithm: algorithm that made the contours.
            names: name of each source's frame; by default :func:`frame_names`.
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
        """Regions on DICOM images, one per structure, in pixels; frames are found by UID, otherwise by name.

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
                contours[index], holes[index] = own.contours, own.hole_flags
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
    """The structure of a label: a known structure, one with a coded name, or one with a name only."""
    known = next((item for item in KNOWN_STRUCTURES if item.label.casefold() == label.strip().casefold()), None)
    if known is not None:
        return known
    text = label.strip()
    coded = named_structure(text) if text.isprintable() and "\\" not in text else TISSUE
    return replace(coded, label=text)


def match_frames(frames: Sequence[Any], sources: Sequence[SourceFrame]) -> list[int]:
    """Index of each frame's source: by SOP Instance UID, otherwise by name; a single frame always fits a single image.

    Args:
        frames: objects with `name`, `size` (None where unknown), `sop_instance_uid` and `frame`.
        sources: the images.

    Raises:
        ValueError: when a frame is not among the images, two frames have the same image, a size differs, or contours in
            pixels and in mm (`contours`, `world`, where a frame has both) differ on its image.
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
            naming = "its SOP Instance UID" if frame.sop_instance_uid else f"its name, such as {names[0]!r}"
            raise MissingImageError(
                f"Expected each frame to be one of the {len(sources)} image frames, by {naming}, but {frame.name!r} "
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
    """Raise a ValueError when the contours in mm and in pixels differ on the image."""
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
    """The JSON Schema (draft 2020-12) of version 2, from `contour_document.schema.json` beside this file."""
    path = Path(__file__).with_name("contour_document.schema.json")
    schema: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return schema


def write_contour_document(path: str | os.PathLike[str], document: ContourDocument, overwrite: bool = False) -> Path:
    """Write a document; the file appears whole or not at all.

    Args:
        path: file to write, usually ``.json``; missing folders are made.
        document: the document; numbers are rounded to four decimals.
        overwrite: replace an existing file.

    Returns:
        The path.

    Raises:
        FileExistsError: when the file exists and `overwrite` is false.
        OSError: when the file cannot be written.
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
    scale = {"scale": frame.scale} if frame.scale else {}
    return {
        "name": frame.name,
        "sop_instance_uid": frame.sop_instance_uid,
        "frame": frame.frame,
        "size": list(frame.size),
        "spacing_mm": None if frame.spacing is None else [float(value) for value in frame.spacing],
        **scale,
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
    if frame.repairs and frame.repairs[number]:
        record["repairs"] = list(frame.repairs[number])
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


MAX_POINTS = 2_000_000
"""Limit of a document's vertices, all together; more are refused."""


_MAX_SHOWN_BITS = 128


def read_contour_document(path: str | os.PathLike[str]) -> ContourDocument:
    """Read a document of version 1 or 2, written by :func:`write_contour_document` or another program.

    Unknown keys are ignored; ``algorithm``, ``spacing_mm``, ``sop_instance_uid``, ``frame``, ``vertices_mm``,
    ``vertex_spread_px``, ``confidence``, ``doubtful``, ``hole``, ``repairs`` and ``scale`` may be missing, and so may
    ``structure`` of the contours where a document has only one structure. Spreads in mm and means are computed from
    the values in pixels.

    Args:
        path: the file.

    Returns:
        The document; structures with a label known to this package are coded, others only have a name.

    Raises:
        OSError: when the file cannot be opened.
        ValueError: when the file is not a contour document; the message names the file and the place in it.
    """
    path = Path(path)
    data = read_json(path, "a contour document")
    if not isinstance(data, dict) or data.get("format") != FORMAT:
        raise ValueError(f'Expected a contour document with "format": "{FORMAT}", but {path} is not one.')
    version: Any = data.get("version")
    if not _is_integer(version) or not 1 <= version <= VERSION:
        raise ValueError(
            f"Expected version 1 to {VERSION} of a contour document, but {path} has {_short(version)}: use the release "
            "of monai_acdr that wrote it."
        )
    try:
        labels = [_text(data, "structure", 64)] if version == 1 else _labels(data)
        algorithm = _algorithm(data.get("algorithm"))
    except ValueError as error:
        raise ValueError(f"{error} In {path}.") from None
    frames, points = [], 0
    for number, item in enumerate(_items(data, "frames", MAX_FRAMES, str(path)), start=1):
        location = f"{path}, frame {number}"
        frames.append(_frame(item, location, labels, version))
        points += sum(map(len, frames[-1].contours))
        if points > MAX_POINTS:
            raise ValueError(f"Expected at most {MAX_POINTS} vertices, but {path} has more: write several files.")
    try:
        return ContourDocument(tuple(map(structure_of, labels)), tuple(frames), algorithm)
    except ValueError as error:
        raise ValueError(f"{error} In {path}.") from None


def _labels(data: dict[str, Any]) -> list[str]:
    labels = _items(data, "structures", MAX_STRUCTURES, "the document")
    return [_text({"structures": label}, "structures", 64) for label in labels]


def _algorithm(item: Any) -> Algorithm | None:
    if item is None:
        return None
    if not isinstance(item, dict):
        raise ValueError(f'Expected "algorithm" to be an object or null, but got {_short(item)}.')
    return Algorithm(_text(item, "name", 64), _text(item, "version", 64))


@dataclass(frozen=True, eq=False)
class _Contour:
    """One contour of a frame, with the values that :class:`FrameContours` has for each."""

    vertices: np.ndarray
    world: np.ndarray | None
    spread: np.ndarray | None
    hole: bool
    structure: int
    confidence: float | None
    doubtful: bool
    repairs: tuple[str, ...]


def _frame(item: Any, location: str, labels: Sequence[str], version: int) -> FrameContours:
    if not isinstance(item, dict):
        raise ValueError(f"Expected an object, but got {_short(item)} in {location}.")
    try:
        uid, spacing, number = item.get("sop_instance_uid"), item.get("spacing_mm"), item.get("frame", 1)
        if not _is_integer(number):
            raise ValueError(f'Expected "frame" to be an integer, but got {_short(number)}.')
        size = item.get("size")
        if not isinstance(size, list) or len(size) != 2 or not all(map(_is_integer, size)):
            raise ValueError(f'Expected "size" to be two integers [H, W], but got {_short(size)}.')
        if not 1 <= min(size) <= max(size) <= MAX_SIDE:
            raise ValueError(f'Expected "size" to be [H, W] of 1 to {MAX_SIDE} pixels, but got {_short(size)}.')
        found = [
            _contour(contour, f"contour {index}", labels if version > 1 else ())
            for index, contour in enumerate(_items(item, "contours", MAX_CONTOURS, location), start=1)
        ]
        return FrameContours(
            name=_text(item, "name", 128),
            size=(size[0], size[1]),
            contours=tuple(contour.vertices for contour in found),
            spacing=None if spacing is None else _spacing(spacing, size),
            sop_instance_uid=None if uid is None else _uid(item),
            frame=number,
            world=_all_or_none([contour.world for contour in found], "vertices_mm"),
            spread=_all_or_none([contour.spread for contour in found], "vertex_spread_px"),
            holes=tuple(contour.hole for contour in found),
            structures=tuple(contour.structure for contour in found),
            confidence=tuple(contour.confidence for contour in found),
            doubtful=tuple(contour.doubtful for contour in found),
            repairs=tuple(contour.repairs for contour in found),
            scale=item.get("scale", ""),
        )
    except ValueError as error:
        raise ValueError(f"{error} In {location}.") from None


def _all_or_none(values: list[np.ndarray | None], key: str) -> tuple[np.ndarray, ...] | None:
    present = tuple(value for value in values if value is not None)
    if len(present) not in (0, len(values)):
        raise ValueError(f'Expected "{key}" of all contours of a frame or of none, but some are missing.')
    return present or None


def _contour(item: Any, location: str, labels: Sequence[str]) -> _Contour:
    """A contour; `labels` are the labels of the document's structures, empty where contours do not name theirs."""
    if not isinstance(item, dict):
        raise ValueError(f"Expected {location} to be an object, but got {_short(item)}.")
    world, spread = item.get("vertices_mm"), item.get("vertex_spread_px")
    vertices = _points(item.get("vertices_px"), 2, f'"vertices_px" of {location}')
    return _Contour(
        vertices,
        None if world is None else _points(world, 3, f'"vertices_mm" of {location}'),
        None if spread is None else _numbers(spread, len(vertices), f'"vertex_spread_px" of {location}'),
        _switch(item, "hole", location),
        _structure(item.get("structure"), location, labels),
        _confidence(item.get("confidence"), location),
        _switch(item, "doubtful", location),
        _repairs(item.get("repairs", []), location),
    )


def _switch(item: dict[str, Any], key: str, location: str) -> bool:
    value = item.get(key, False)
    if not isinstance(value, bool):
        raise ValueError(f'Expected "{key}" of {location} to be true or false, but got {_short(value)}.')
    return value


def _structure(label: Any, location: str, labels: Sequence[str]) -> int:
    """Index of a contour's structure."""
    if not labels or (label is None and len(labels) == 1):
        return 0
    if not isinstance(label, str) or label not in labels:
        raise ValueError(
            f'Expected "structure" of {location} to be one of the document\'s "structures", but got {_short(label)}.'
        )
    return list(labels).index(label)


def _confidence(value: Any, location: str) -> float | None:
    if value is None:
        return None
    if type(value) not in (int, float) or not 0 <= value <= 1:  # NaN fails too
        raise ValueError(f'Expected "confidence" of {location} to be a number from 0 to 1, but got {_short(value)}.')
    return float(value)


def _repairs(names: Any, location: str) -> tuple[str, ...]:
    if not isinstance(names, list) or not all(name in REPAIRS and names.count(name) == 1 for name in names):
        raise ValueError(
            f'Expected "repairs" of {location} to be a list of some of {REPAIRS}, each once, but got {_short(names)}.'
        )
    return tuple(names)


def _numbers(items: Any, length: int, location: str) -> np.ndarray:
    """(K,) float64."""
    if not isinstance(items, list) or len(items) != length or not all(type(value) in (int, float) for value in items):
        raise ValueError(f"Expected {location} to be {length} numbers, one per vertex, but got {_short(items)}.")
    return _float64(items, location)


def _points(rows: Any, dimensions: int, location: str) -> np.ndarray:
    """(K, D) float64; plain numbers only, no text and no booleans."""
    if not isinstance(rows, list) or not 3 <= len(rows) <= MAX_VERTICES:
        raise ValueError(f"Expected {location} to be a list of 3 to {MAX_VERTICES} points, but got {_short(rows)}.")
    for index, row in enumerate(rows, start=1):
        if not isinstance(row, list) or len(row) != dimensions or not all(type(value) in (int, float) for value in row):
            raise ValueError(f"Expected point {index} in {location} to be {dimensions} numbers, but got {_short(row)}.")
    return _float64(rows, location)


def _float64(values: list[Any], location: str) -> np.ndarray:
    try:
        return np.array(values, dtype=np.float64)
    except OverflowError:
        raise ValueError(f"Expected finite numbers in {location}, but one is too large.") from None


def _spacing(item: Any, size: list[int]) -> tuple[float, float]:
    if not isinstance(item, list) or len(item) != 2 or not all(type(value) in (int, float) for value in item):
        raise ValueError(f'Expected "spacing_mm" to be two numbers or null, but got {_short(item)}.')
    try:
        spacing = float(item[0]), float(item[1])
    except OverflowError:
        raise ValueError('Expected finite numbers in "spacing_mm", but one is too large.') from None
    check_spacing('"spacing_mm"', spacing, size, remedy="correct the document")
    return spacing


def _uid(item: dict[str, Any]) -> str:
    uid = _text(item, "sop_instance_uid", 64)
    if not set(uid) <= set("0123456789."):
        raise ValueError(f'Expected "sop_instance_uid" to be digits and dots, but got {_short(uid)}.')
    return uid


def _items(holder: dict[str, Any], key: str, limit: int, location: str) -> list[Any]:
    items = holder.get(key)
    if not isinstance(items, list) or len(items) > limit:
        got = f"{len(items)}" if isinstance(items, list) else _short(items)
        raise ValueError(f'Expected "{key}" of {location} to be a list of at most {limit} entries, but got {got}.')
    return items


def _text(holder: dict[str, Any], key: str, limit: int) -> str:
    text = holder.get(key)
    if not isinstance(text, str) or not text.strip() or len(text) > limit or not text.isprintable():
        raise ValueError(f'Expected "{key}" to be a text of 1 to {limit} characters, but got {_short(text)}.')
    return text


def _is_integer(value: Any) -> bool:
    return type(value) is int


def _short(value: Any) -> str:
    """A value for a message, shortened."""
    if isinstance(value, list) and len(value) <= 3 and not any(isinstance(item, (list, dict)) for item in value):
        return f"[{', '.join(_short(item) for item in value)}]"
    if _is_integer(value) and value.bit_length() > _MAX_SHOWN_BITS:  # Python refuses to write very long ones
        return "a huge integer"
    if isinstance(value, (list, dict)):
        return f"a {type(value).__name__} of {len(value)}"
    return repr(value)[:60]
