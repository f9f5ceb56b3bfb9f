# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""The contours under review, and the log of their changes: append-only, on disk before a change is answered.

The log is a text file with a JSON object per line. The first line identifies the contours by the SHA-256 of their file;
each other line is a change with everything needed to repeat it. Undo and redo are lines as well, so that the log only
grows: reading it from the start gives the same contours, the same undo and the same redo. An incomplete last line was
being written when the program was killed: it was never reported as saved, and is removed.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import numpy as np

from monai_acdr.apps.documents import DECIMALS, MAX_CONTOURS, ContourDocument
from monai_acdr.apps.review.contours import Contour, Contours, check_contours
from monai_acdr.dicom.regions import GENERATIONS, LARGEST_COORDINATE
from monai_acdr.files import writing

__all__ = ["LOG_NAME", "Review", "ReviewConflictError"]

LOG_NAME = "changes.jsonl"
FORMAT, VERSION = "monai_acdr.review", 1
MAX_VERTICES = 200_000
"""Limit of the vertices of one frame; more are refused."""
MAX_LINE = 64 << 20
"""Limit of a line of the log in bytes."""
ACTIONS = ("drag", "click", "delete", "restore", "copy", "outline", "draw")
"""Actions of a reader on a contour."""


class ReviewConflictError(Exception):
    """A change that is based on contours other than the present ones."""


@dataclass(frozen=True, eq=False)
class _Change:
    """Values before and after a change: contours of a frame, phases, or the mark of a frame."""

    kind: str
    key: int
    before: Any
    after: Any


@dataclass(frozen=True, eq=False)
class _Log:
    """An append-only file."""

    path: Path
    descriptor: int = field(repr=False)

    def append(self, record: Mapping[str, Any]) -> None:
        """Write a line, and sync it to disk."""
        line = json.dumps(record, separators=(",", ":"), allow_nan=False).encode() + b"\n"
        with writing(self.path):
            start = os.lseek(self.descriptor, 0, os.SEEK_END)
            try:
                written = os.write(self.descriptor, line)
                if written < len(line):
                    os.write(self.descriptor, line[written:])
                os.fsync(self.descriptor)
            except OSError:
                os.ftruncate(self.descriptor, start)  # the log would be unreadable after half a line
                raise


class Review:
    """Contours under review, with undo and redo without limit.

    Args:
        document: the contours to start from.
        names: names of the study's frames, in its order, including all frames of the document.
        sizes: (H, W) of the study's frames.
        places: index in ``names`` of each frame of the document.
        folder: folder of the log; it must exist, and be locked by the caller.
        digest: SHA-256 of the file of the contours.

    Attributes:
        structures: structures of the contours.
        originals: contours of the document, by frame.
        contours: present contours, by frame.
        phases: chosen end-diastole and end-systole, None for the phase of the largest and the smallest volume.
        seen: frames that the reader marked as seen.
        sequence: number of lines of the log after the first.
        revision: number of changes of contours and phases, undone and redone ones, too: while it is the same, so are
            all measures.
        dropped: whether the last line of the log was incomplete and left out.

    Raises:
        ValueError: when the log is not one, belongs to other contours, or has a line that cannot be applied.
        OSError: when the log cannot be read or written.
    """

    def __init__(
        self,
        document: ContourDocument,
        names: Sequence[str],
        sizes: Sequence[tuple[int, int]],
        places: Sequence[int],
        folder: Path,
        digest: str,
    ) -> None:
        self.document = document
        self.structures = document.structures
        self.names, self.sizes = list(names), list(sizes)
        self.frames = dict(zip(places, document.frames, strict=True))
        self.originals: list[Contours] = [()] * len(self.names)
        for place, frame in self.frames.items():
            self.originals[place] = tuple(
                Contour(structure, np.round(vertices, DECIMALS), hole, original=number)
                for number, (structure, vertices, hole) in enumerate(
                    zip(frame.indices, frame.contours, frame.hole_flags, strict=True)
                )
            )
        self.contours = list(self.originals)
        self.phases: tuple[int | None, int | None] = (None, None)
        self.seen: set[int] = set()
        self.sequence = 0
        self.revision = 0
        self.versions = 0
        self._done: list[_Change] = []
        self._undone: list[_Change] = []
        self._index = {name: index for index, name in enumerate(self.names)}
        self._log, self.dropped = self._open(folder / LOG_NAME, digest)

    # --- Actions of a reader ----------------------------------------------------------------------------------------

    def set_contours(self, index: int, contours: Sequence[Any], action: str, sequence: int | None = None) -> None:
        """Replace the contours of a frame.

        Args:
            index: index of the frame.
            contours: objects with ``structure`` (index), ``vertices`` (flat, x0, y0, x1, ...), ``hole`` and
                ``generation``, as :meth:`Contour.record` makes them.
            action: one of :data:`ACTIONS`.
            sequence: :attr:`sequence` that the change is based on; None for the present one.

        Raises:
            ReviewConflictError: when the change is not based on the present state.
            ValueError: for contours that are malformed, or that :func:`check_contours` refuses.
        """
        self.check_sequence(sequence)
        index = self.check_frame(index)
        if action not in ACTIONS:
            raise ValueError(f"Expected `action` to be one of {ACTIONS}, but got {str(action)[:40]!r}.")
        after = self._parse(index, contours)
        check_contours(after, self.contours[index], self.sizes[index], self.structures)
        self._write({"do": action, "frame": self.names[index], "contours": [each.record() for each in after]})
        self._apply(_Change("contours", index, self.contours[index], after))

    def set_phases(self, end_diastole: Any, end_systole: Any, sequence: int | None = None) -> None:
        """Choose the phases of end-diastole and end-systole; None for the largest and the smallest volume.

        Raises:
            ReviewConflictError, ValueError: as :meth:`set_contours`.
        """
        self.check_sequence(sequence)
        after = self.parse_phases(end_diastole, end_systole)
        self._write({"do": "phases", "end_diastole": after[0], "end_systole": after[1]})
        self._apply(_Change("phases", 0, self.phases, after))

    def set_seen(self, index: int, seen: Any, sequence: int | None = None) -> None:
        """Mark a frame as seen, or not.

        Raises:
            ReviewConflictError, ValueError: as :meth:`set_contours`.
        """
        self.check_sequence(sequence)
        index = self.check_frame(index)
        if not isinstance(seen, bool):
            raise ValueError(f"Expected `seen` to be true or false, but got {str(seen)[:40]!r}.")
        self._write({"do": "seen", "frame": self.names[index], "seen": seen})
        self._apply(_Change("seen", index, index in self.seen, seen))

    def undo(self, sequence: int | None = None) -> int | None:
        """Undo the last change; returns its frame, None where it has none.

        Raises:
            ReviewConflictError: as :meth:`set_contours`.
            ValueError: when there is nothing to undo.
        """
        self.check_sequence(sequence)
        if not self._done:
            raise ValueError("Expected a change to undo, but there is none.")
        self._write({"do": "undo"})
        return self._undo()

    def redo(self, sequence: int | None = None) -> int | None:
        """Redo the change that was undone last; returns its frame, None where it has none.

        Raises:
            ReviewConflictError, ValueError: as :meth:`undo`.
        """
        self.check_sequence(sequence)
        if not self._undone:
            raise ValueError("Expected a change to redo, but there is none.")
        self._write({"do": "redo"})
        return self._redo()

    def note_version(self, number: int, reader: str) -> None:
        """Log that results were written. The log is not a result, so it may name the reader."""
        self._write({"do": "finish", "version": number, "reader": reader})
        self.versions = max(self.versions, number)

    @property
    def can_undo(self) -> bool:
        """Whether there is a change to undo."""
        return bool(self._done)

    @property
    def can_redo(self) -> bool:
        """Whether there is a change to redo."""
        return bool(self._undone)

    @property
    def changed(self) -> list[int]:
        """Frames whose contours differ from the document's."""
        return [i for i, (one, other) in enumerate(zip(self.originals, self.contours, strict=True)) if one != other]

    def scale(self, index: int) -> str:
        """Why the scale of a frame that has a contour of the document cannot be right; empty if it can."""
        known = self.frames.get(index)
        kept = any(contour.original is not None for contour in self.contours[index])
        return known.scale if known is not None and kept else ""

    def generation(self, structure: int) -> str:
        """How the contours of a structure were generated, taken together: one of ``GENERATIONS``.

        A deleted contour counts as a manual change, too.
        """
        kinds = {c.generation for frame in self.contours for c in frame if c.structure == structure}
        if kinds == {"MANUAL"}:
            return "MANUAL"
        kept = sum(c.original is not None for frame in self.contours for c in frame if c.structure == structure)
        number = sum(c.structure == structure for frame in self.originals for c in frame)
        return "AUTOMATIC" if kinds <= {"AUTOMATIC"} and kept == number else "SEMIAUTOMATIC"

    def close(self) -> None:
        """Close the log."""
        os.close(self._log.descriptor)

    # --- The log ----------------------------------------------------------------------------------------------------

    def _open(self, path: Path, digest: str) -> tuple[_Log, bool]:
        head = {"format": FORMAT, "version": VERSION, "contours_sha256": digest, "frames": len(self.names)}
        flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0)
        with writing(path):
            log = _Log(path, os.open(path, flags | getattr(os, "O_BINARY", 0), 0o600))
        try:
            dropped = self._replay(log, head)
        except BaseException:
            os.close(log.descriptor)
            raise
        return log, dropped

    def _replay(self, log: _Log, head: dict[str, Any]) -> bool:
        """Replay the log; returns whether its last line was incomplete."""
        end, number, dropped = 0, 0, False
        with open(log.path, "rb") as stream:
            while line := stream.readline(MAX_LINE + 1):
                if not line.endswith(b"\n"):
                    if len(line) > MAX_LINE:
                        raise ValueError(
                            f"Expected lines of at most {MAX_LINE} bytes, but {log.path} has a longer one."
                        )
                    dropped = True
                    break
                number += 1
                self._replay_line(log.path, number, line, head)
                end += len(line)
        if dropped:
            os.ftruncate(log.descriptor, end)
        if number == 0:
            log.append(head)
        return dropped

    def _replay_line(self, path: Path, number: int, line: bytes, head: Mapping[str, Any]) -> None:
        try:
            record = json.loads(line)
            if not isinstance(record, dict):
                raise ValueError(f"expected an object, but got {type(record).__name__}")
            if number > 1:
                self._redo_record(record)
                self.sequence += 1
        except (ValueError, LookupError, TypeError, OverflowError, RecursionError) as error:
            raise ValueError(
                f"Expected a log of changes in {path}, but line {number} cannot be read ({error}): move the file away "
                "to start from the contours as they were, or repair the line."
            ) from None
        if number == 1 and record != head:
            same = record.get("format") == FORMAT and record.get("contours_sha256") == head["contours_sha256"]
            raise ValueError(
                f"Expected {path} to be about these contours, but it is "
                f"{'about another study or version' if same else 'about others'}: the results were written again "
                "after a review. Move the folder of the review away to start again."
            )

    def _redo_record(self, record: Mapping[str, Any]) -> None:
        action = record["do"]
        if action == "undo":
            self._undo()
        elif action == "redo":
            self._redo()
        elif action == "finish":
            self.versions = max(self.versions, int(record["version"]))
        elif action == "phases":
            after = self.parse_phases(record["end_diastole"], record["end_systole"])
            self._apply(_Change("phases", 0, self.phases, after))
        elif action == "seen":
            index = self._index[record["frame"]]
            self._apply(_Change("seen", index, index in self.seen, bool(record["seen"])))
        elif action in ACTIONS:
            index = self._index[record["frame"]]
            self._apply(_Change("contours", index, self.contours[index], self._parse(index, record["contours"])))
        else:
            raise ValueError(f"no such change: {str(action)[:40]!r}")

    def _write(self, record: dict[str, Any]) -> None:
        self._log.append({**record, "time": datetime.now(timezone.utc).isoformat(timespec="milliseconds")})
        self.sequence += 1

    # --- Changes ----------------------------------------------------------------------------------------------------

    def _apply(self, change: _Change) -> None:
        self._put(change, change.after)
        self._done.append(change)
        self._undone.clear()

    def _undo(self) -> int | None:
        change = self._done.pop()
        self._put(change, change.before)
        self._undone.append(change)
        return None if change.kind == "phases" else change.key

    def _redo(self) -> int | None:
        change = self._undone.pop()
        self._put(change, change.after)
        self._done.append(change)
        return None if change.kind == "phases" else change.key

    def _put(self, change: _Change, value: Any) -> None:
        self.revision += change.kind != "seen"
        if change.kind == "contours":
            self.contours[change.key] = value
        elif change.kind == "phases":
            self.phases = value
        elif value:
            self.seen.add(change.key)
        else:
            self.seen.discard(change.key)

    def check_sequence(self, sequence: int | None) -> None:
        """Raise a ReviewConflictError for a change of a state other than the present one (None)."""
        if sequence is not None and sequence != self.sequence:
            raise ReviewConflictError(
                f"Expected a change of state {self.sequence}, but got one of state {sequence}: reload the page, which "
                "shows the contours as they are."
            )

    def check_frame(self, index: Any) -> int:
        """The number of a frame, or a ValueError."""
        if type(index) is not int or not 0 <= index < len(self.names):
            raise ValueError(f"Expected a frame from 0 to {len(self.names) - 1}, but got {str(index)[:40]!r}.")
        return index

    def _parse(self, index: int, items: Any) -> Contours:
        if not isinstance(items, Sequence) or isinstance(items, (str, bytes)) or len(items) > MAX_CONTOURS:
            raise ValueError(f"Expected a list of at most {MAX_CONTOURS} contours.")
        parsed = tuple(self._contour(index, item) for item in items)
        if sum(len(contour.vertices) for contour in parsed) > MAX_VERTICES:
            raise ValueError(f"Expected at most {MAX_VERTICES} vertices in a frame, but got more.")
        before = self.originals[index]
        same = len(parsed) == len(before) and all(c.original == number for number, c in enumerate(parsed))
        return before if same else parsed

    def _contour(self, index: int, item: Any) -> Contour:
        if not isinstance(item, Mapping):
            raise ValueError(f"Expected a contour to be an object, but got {type(item).__name__}.")
        structure, hole = item.get("structure"), item.get("hole", False)
        generation, flat = item.get("generation"), item.get("vertices")
        if type(structure) is not int or not 0 <= structure < len(self.structures):
            raise ValueError(
                f"Expected `structure` from 0 to {len(self.structures) - 1}, but got {str(structure)[:40]!r}."
            )
        if not isinstance(hole, bool) or generation not in GENERATIONS:
            raise ValueError(f"Expected `hole` true or false and `generation` one of {GENERATIONS}, but got others.")
        # NumPy would take '1' and true for numbers.
        numbers = isinstance(flat, list) and all(type(value) in (int, float) for value in flat)
        try:
            values = np.array(flat if numbers else [], dtype=np.float64)
        except OverflowError:  # an integer beyond float64
            values = np.zeros(0)
        if values.ndim != 1 or values.size < 6 or values.size % 2 or not np.abs(values).max() <= LARGEST_COORDINATE:
            raise ValueError("Expected `vertices` to be x0, y0, x1, y1, ... of at least 3 vertices, finite numbers.")
        vertices = np.round(values.reshape(-1, 2), DECIMALS) + 0.0
        for number, original in enumerate(self.originals[index]):
            if (original.structure, original.hole) == (structure, hole) and np.array_equal(original.vertices, vertices):
                return self.originals[index][number]
        if generation == "AUTOMATIC":  # not the document's, so a reader changed it
            generation = "SEMIAUTOMATIC"
        return Contour(structure, vertices, hole, generation)

    def parse_phases(self, end_diastole: Any, end_systole: Any) -> tuple[int | None, int | None]:
        """Phases as numbers or None, or a ValueError; :func:`check_phases` checks that the study has them."""
        for phase in (end_diastole, end_systole):
            if phase is not None and (type(phase) is not int or not 0 <= phase < len(self.names)):
                raise ValueError(f"Expected indices of phases, from 0, or null, but got {str(phase)[:40]!r}.")
        return end_diastole, end_systole
