# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Contour documents read back. The input is untrusted: sizes, types and numbers are checked before use."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from monai_acdr.apps.contour_document import (
    FORMAT,
    MAX_CONTOURS,
    MAX_FRAMES,
    MAX_SIDE,
    MAX_STRUCTURES,
    MAX_VERTICES,
    VERSION,
    ContourDocument,
    FrameContours,
    structure_of,
)
from monai_acdr.data.text_files import read_json
from monai_acdr.dicom import Algorithm
from monai_acdr.plausibility import check_spacing

__all__ = ["read_contour_document"]

MAX_POINTS = 2_000_000
"""Vertices of a document, all together; more are refused."""


_SHOWN_BITS = 128


def read_contour_document(path: str | os.PathLike[str]) -> ContourDocument:
    """Read a document of version 1 or 2 that :func:`write_contour_document` wrote, or another program.

    Unknown keys are left out; ``algorithm``, ``spacing_mm``, ``sop_instance_uid``, ``frame``, ``vertices_mm``,
    ``vertex_spread_px``, ``confidence``, ``doubtful`` and ``hole`` may be missing, and so may ``structure`` of the
    contours where a document has one structure only. Spreads in mm and means follow from what is in pixels.

    Args:
        path: the file.

    Returns:
        The document; its structures are those that this package knows by the label, others only have a name.

    Raises:
        OSError: when the file cannot be opened.
        ValueError: when it is no contour document; the message names the file and the place in it.
    """
    path = Path(path)
    data = read_json(path, "a contour document")
    if not isinstance(data, dict) or data.get("format") != FORMAT:
        raise ValueError(f'Expected a contour document with "format": "{FORMAT}", but {path} is none.')
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
        where = f"{path}, frame {number}"
        frames.append(_frame(item, where, labels, version))
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
    """One contour of a frame, as :class:`FrameContours` has them in its fields."""

    vertices: np.ndarray
    world: np.ndarray | None
    spread: np.ndarray | None
    hole: bool
    structure: int
    confidence: float | None
    doubtful: bool


def _frame(item: Any, where: str, labels: Sequence[str], version: int) -> FrameContours:
    if not isinstance(item, dict):
        raise ValueError(f"Expected an object, but got {_short(item)} in {where}.")
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
            for index, contour in enumerate(_items(item, "contours", MAX_CONTOURS, where), start=1)
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
        )
    except ValueError as error:
        raise ValueError(f"{error} In {where}.") from None


def _all_or_none(values: list[np.ndarray | None], key: str) -> tuple[np.ndarray, ...] | None:
    present = tuple(value for value in values if value is not None)
    if len(present) not in (0, len(values)):
        raise ValueError(f'Expected "{key}" of all contours of a frame or of none, but some are missing.')
    return present or None


def _contour(item: Any, where: str, labels: Sequence[str]) -> _Contour:
    """A contour; `labels` are those of the document's structures, none where contours do not name theirs."""
    if not isinstance(item, dict):
        raise ValueError(f"Expected {where} to be an object, but got {_short(item)}.")
    world, spread = item.get("vertices_mm"), item.get("vertex_spread_px")
    vertices = _points(item.get("vertices_px"), 2, f'"vertices_px" of {where}')
    return _Contour(
        vertices,
        None if world is None else _points(world, 3, f'"vertices_mm" of {where}'),
        None if spread is None else _numbers(spread, len(vertices), f'"vertex_spread_px" of {where}'),
        _switch(item, "hole", where),
        _structure(item.get("structure"), where, labels),
        _confidence(item.get("confidence"), where),
        _switch(item, "doubtful", where),
    )


def _switch(item: dict[str, Any], key: str, where: str) -> bool:
    value = item.get(key, False)
    if not isinstance(value, bool):
        raise ValueError(f'Expected "{key}" of {where} to be true or false, but got {_short(value)}.')
    return value


def _structure(label: Any, where: str, labels: Sequence[str]) -> int:
    """Index of a contour's structure."""
    if not labels or (label is None and len(labels) == 1):
        return 0
    if not isinstance(label, str) or label not in labels:
        raise ValueError(
            f'Expected "structure" of {where} to be one of the document\'s "structures", but got {_short(label)}.'
        )
    return list(labels).index(label)


def _confidence(value: Any, where: str) -> float | None:
    if value is None:
        return None
    if type(value) not in (int, float) or not 0 <= value <= 1:  # NaN fails too
        raise ValueError(f'Expected "confidence" of {where} to be a number from 0 to 1, but got {_short(value)}.')
    return float(value)


def _numbers(items: Any, length: int, where: str) -> np.ndarray:
    """(K,) float64."""
    if not isinstance(items, list) or len(items) != length or not all(type(value) in (int, float) for value in items):
        raise ValueError(f"Expected {where} to be {length} numbers, one a vertex, but got {_short(items)}.")
    try:
        return np.array(items, dtype=np.float64)
    except OverflowError:
        raise ValueError(f"Expected finite numbers in {where}, but one is too large.") from None


def _points(rows: Any, dimensions: int, where: str) -> np.ndarray:
    """(K, D) float64; plain numbers only, no text and no booleans."""
    if not isinstance(rows, list) or not 3 <= len(rows) <= MAX_VERTICES:
        raise ValueError(f"Expected {where} to be a list of 3 to {MAX_VERTICES} points, but got {_short(rows)}.")
    for index, row in enumerate(rows, start=1):
        if not isinstance(row, list) or len(row) != dimensions or not all(type(value) in (int, float) for value in row):
            raise ValueError(f"Expected point {index} in {where} to be {dimensions} numbers, but got {_short(row)}.")
    try:
        return np.array(rows, dtype=np.float64)
    except OverflowError:
        raise ValueError(f"Expected finite numbers in {where}, but one is too large.") from None


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


def _items(holder: dict[str, Any], key: str, limit: int, where: str) -> list[Any]:
    items = holder.get(key)
    if not isinstance(items, list) or len(items) > limit:
        got = f"{len(items)}" if isinstance(items, list) else _short(items)
        raise ValueError(f'Expected "{key}" of {where} to be a list of at most {limit} entries, but got {got}.')
    return items


def _text(holder: dict[str, Any], key: str, limit: int) -> str:
    text = holder.get(key)
    if not isinstance(text, str) or not text.strip() or len(text) > limit or not text.isprintable():
        raise ValueError(f'Expected "{key}" to be a text of 1 to {limit} characters, but got {_short(text)}.')
    return text


def _is_integer(value: Any) -> bool:
    return type(value) is int


def _short(value: Any) -> str:
    """A value for a message: not megabytes of it."""
    if isinstance(value, list) and len(value) <= 3 and not any(isinstance(item, (list, dict)) for item in value):
        return f"[{', '.join(_short(item) for item in value)}]"
    if _is_integer(value) and value.bit_length() > _SHOWN_BITS:  # Python refuses to write very long ones
        return "a huge integer"
    if isinstance(value, (list, dict)):
        return f"a {type(value).__name__} of {len(value)}"
    return repr(value)[:60]
