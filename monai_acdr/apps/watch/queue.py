# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Queue of studies that have arrived, on disk: waiting, done or failed, and the position in the feed.

SQLite writes each step whole or not at all, so that a service killed at any moment continues where it was: events and
the number of the last one are written together.
"""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from monai_acdr.files import writing

__all__ = ["STATES", "Counts", "Entry", "WatchQueue", "count_studies"]

STATES = ("waiting", "running", "done", "failed", "ignored")
"""States of a study: to be processed (again), in progress, results stored, given up, and matched by no rule."""
FILE = "queue.sqlite"

_SCHEMA = """
CREATE TABLE IF NOT EXISTS facts (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS studies (
    study TEXT PRIMARY KEY,
    state TEXT NOT NULL,
    images TEXT NOT NULL DEFAULT '',
    urgent INTEGER NOT NULL DEFAULT 0,
    last_update TEXT NOT NULL DEFAULT '',
    placed INTEGER NOT NULL DEFAULT 0,
    attempts INTEGER NOT NULL DEFAULT 0,
    deaths INTEGER NOT NULL DEFAULT 0,
    not_before REAL NOT NULL DEFAULT 0,
    kind TEXT NOT NULL DEFAULT '',
    seconds REAL NOT NULL DEFAULT 0,
    since REAL NOT NULL
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS by_order ON studies (state, placed, urgent, last_update);
"""


@dataclass(frozen=True)
class Entry:
    """A study of the queue.

    Attributes:
        study: Orthanc's identifier.
        state: one of :data:`STATES`.
        images: fingerprint of the images that the state applies to; empty before they were checked.
        urgent: whether it goes before studies that are not urgent.
        last_update: when its last instance arrived, ``YYYYMMDDTHHMMSS``.
        attempts: number of attempts with these images.
        deaths: how often in a row the program ended while the study was in progress.
        not_before: earliest time of the next attempt, seconds since 1970.
        kind: kind of its last failure.
    """

    study: str
    state: str
    images: str
    urgent: bool
    last_update: str
    attempts: int
    deaths: int
    not_before: float
    kind: str


@dataclass(frozen=True)
class Counts:
    """The queue in numbers, without names.

    Attributes:
        states: number of studies in each of :data:`STATES`.
        urgent: number of waiting studies that are urgent.
        again: number of waiting studies that failed before.
        oldest_seconds: longest wait of a study; 0 if none waits.
        seconds: total time spent on studies that are done.
        failures: kind of the last failure -> number of studies given up.
        last_change: number of the last event of the feed that was read.
    """

    states: dict[str, int]
    urgent: int
    again: int
    oldest_seconds: float
    seconds: float
    failures: dict[str, int]
    last_change: int


class WatchQueue:
    """The queue in a folder, made when missing. One process writes it; any number may read its counts.

    Args:
        folder: folder of the service.
        clock: returns the time in seconds since 1970.

    Raises:
        OSError: when the queue cannot be read or written.
    """

    def __init__(self, folder: str | os.PathLike[str], clock: Callable[[], float] = time.time) -> None:
        self.path, self._clock = Path(folder) / FILE, clock
        with writing(self.path):
            self.path.parent.mkdir(parents=True, exist_ok=True)
            os.close(os.open(self.path, os.O_RDWR | os.O_CREAT, 0o600))  # identifiers are hashes of patients' IDs
        with self._errors():
            self._base = sqlite3.connect(self.path, timeout=30, isolation_level=None)
            self._base.execute("PRAGMA synchronous = FULL")
            self._base.executescript(_SCHEMA)

    def close(self) -> None:
        """Close the file."""
        self._base.close()

    def fact(self, name: str) -> str:
        """A stored text; empty if there is none."""
        with self._errors():
            row = self._base.execute("SELECT value FROM facts WHERE name = ?", (name,)).fetchone()
        return "" if row is None else str(row[0])

    def keep_fact(self, name: str, value: str) -> None:
        """Store a text."""
        with self._errors():
            self._base.execute("INSERT OR REPLACE INTO facts VALUES (?, ?)", (name, value))

    @property
    def last_change(self) -> int:
        """Number of the last event that was read; 0 before the first."""
        return int(self.fact("last_change") or 0)

    def add_events(self, stable: Iterable[str], new: Iterable[str], not_before: float, last_change: int) -> None:
        """Add the studies of events, and store the number of the last event: both or neither.

        Whether a study has anything new is checked when its turn comes.

        Args:
            stable: studies that became stable; they wait from now on, whatever their state was.
            new: studies whose first instance arrived. A restarted server never reports that they are stable.
            not_before: when the new studies are checked, seconds since 1970.
            last_change: number of the last event.
        """
        with self._transaction():
            for study in new:
                if self.entry(study) is None:
                    self._wait(study, "", not_before)
            for study in stable:
                self._wait(study, "", 0.0)
            self.keep_fact("last_change", str(last_change))

    def add_found(self, found: Iterable[tuple[str, str]], not_before: float) -> int:
        """Add studies that were found without an event, unless the queue has them unchanged.

        Args:
            found: identifier of each study, and when its last instance arrived.
            not_before: when they are checked, seconds since 1970.

        Returns:
            Number of studies that are new, or received instances since they were checked.
        """
        count = 0
        with self._transaction():
            for study, last_update in found:
                known = self.entry(study)
                if known is None or (known.state not in ("waiting", "running") and known.last_update != last_update):
                    self._wait(study, last_update, not_before)
                    count += 1
        return count

    def entry(self, study: str) -> Entry | None:
        """A study by Orthanc's identifier."""
        return next(self._entries("WHERE study = ?", study), None)

    def entries(self, state: str) -> list[Entry]:
        """All studies in a state."""
        return list(self._entries("WHERE state = ? ORDER BY study", state))

    def unplaced(self, limit: int) -> list[Entry]:
        """Waiting studies without a place in the order yet: studies of events first, then the newest."""
        order = "ORDER BY last_update = '' DESC, last_update DESC LIMIT ?"
        return list(
            self._entries(f"WHERE state = 'waiting' AND placed = 0 AND not_before <= ? {order}", self._clock(), limit)
        )

    def place(self, study: str, urgent: bool, last_update: str) -> None:
        """Give a waiting study its place in the order."""
        self._set(study, urgent=int(urgent), last_update=last_update, placed=1)

    def next(self) -> Entry | None:
        """The study whose turn it is: urgent ones first, then the newest; None if none may be begun now."""
        order = "ORDER BY urgent DESC, last_update DESC, study LIMIT 1"
        found = self._entries(f"WHERE state = 'waiting' AND placed = 1 AND not_before <= ? {order}", self._clock())
        return next(found, None)

    def begin(self, entry: Entry, images: str) -> Entry:
        """Record that an attempt at a study begins, with these images."""
        attempts = entry.attempts + 1 if entry.images in ("", images) else 1
        self._set(entry.study, state="running", images=images, attempts=attempts)
        found = self.entry(entry.study)
        assert found is not None
        return found

    def end(self, study: str, state: str, kind: str = "", seconds: float | None = None) -> None:
        """Record the outcome of a study: ``done``, ``failed`` or ``ignored``; `seconds` is None if nothing was done."""
        spent = {} if seconds is None else {"seconds": seconds}
        self._set(study, state=state, kind=kind, deaths=0, since=self._clock(), not_before=0.0, **spent)

    def put_back(self, study: str, not_before: float, kind: str = "", attempted: bool = True) -> None:
        """Return a study to the waiting ones.

        Args:
            study: Orthanc's identifier.
            not_before: earliest time of the next attempt, seconds since 1970.
            kind: kind of its failure.
            attempted: whether this was the study's own failure, which counts as an attempt.
        """
        entry = self.entry(study)
        if entry is not None:
            attempts = entry.attempts - (0 if attempted or entry.state != "running" else 1)
            deaths = 0 if entry.state == "running" else entry.deaths
            values = {"kind": kind, "not_before": not_before, "attempts": max(attempts, 0), "deaths": deaths}
            self._set(study, state="waiting", **values)

    def restart(self, backoff: Callable[[int], float] = lambda _deaths: 0.0, retry_failed: bool = False) -> None:
        """After a start: studies in progress wait again, and with ``retry_failed`` also studies that were given up.

        The end of the program is not a failed attempt: stopping the service says nothing about the study.

        Args:
            backoff: seconds to wait after a number of ends in a row, so that a study that ends the program does not
                hold up the others.
            retry_failed: whether studies that were given up wait again, too.
        """
        with self._transaction():
            for entry in self.entries("running"):
                deaths = entry.deaths + 1
                values = {"attempts": max(entry.attempts - 1, 0), "not_before": self._clock() + backoff(deaths)}
                self._set(entry.study, state="waiting", deaths=deaths, **values)
            if retry_failed:
                self._base.execute(
                    "UPDATE studies SET state = 'waiting', not_before = 0, attempts = 0, deaths = 0, since = ? "
                    "WHERE state = 'failed'",
                    (self._clock(),),
                )

    def forget(self, study: str) -> None:
        """Drop a study that is no longer on the server."""
        with self._errors():
            self._base.execute("DELETE FROM studies WHERE study = ?", (study,))

    def _wait(self, study: str, last_update: str, not_before: float) -> None:
        known = self.entry(study)
        if known is None:
            self._base.execute(
                "INSERT INTO studies (study, state, last_update, not_before, since) VALUES (?, 'waiting', ?, ?, ?)",
                (study, last_update, not_before, self._clock()),
            )
        elif known.state != "running":  # a study whose results were stored becomes stable again, and is checked
            since = {} if known.state == "waiting" else {"since": self._clock()}
            if known.state == "waiting" and known.attempts:  # it failed, and waits for its next attempt
                not_before = max(not_before, known.not_before)
            self._set(study, state="waiting", last_update=last_update, placed=0, not_before=not_before, **since)

    def _set(self, study: str, **values: object) -> None:
        names = ", ".join(f"{name} = ?" for name in values)
        with self._errors():
            self._base.execute(f"UPDATE studies SET {names} WHERE study = ?", (*values.values(), study))

    def _entries(self, rest: str, *values: object) -> Iterator[Entry]:
        columns = "study, state, images, urgent, last_update, attempts, deaths, not_before, kind"
        with self._errors():
            rows = self._base.execute(f"SELECT {columns} FROM studies {rest}", values).fetchall()
        for study, state, images, urgent, last_update, attempts, deaths, not_before, kind in rows:
            yield Entry(study, state, images, bool(urgent), last_update, attempts, deaths, not_before, kind)

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        with self._errors():
            self._base.execute("BEGIN IMMEDIATE")
            try:
                yield
            except BaseException:
                self._base.execute("ROLLBACK")
                raise
            self._base.execute("COMMIT")

    @contextmanager
    def _errors(self) -> Iterator[None]:
        with _sqlite_errors(self.path):
            yield


def count_studies(folder: str | os.PathLike[str], clock: Callable[[], float] = time.time) -> Counts:
    """Count the studies of a queue, from any thread or process, without blocking its writer.

    Args:
        folder: folder of the service.
        clock: returns the time in seconds since 1970.

    Raises:
        OSError: when there is no queue, or it cannot be read.
    """
    path = Path(folder) / FILE
    with _sqlite_errors(path):
        base = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=10)
        try:
            base.execute("BEGIN")  # one state of the queue for all queries
            states = dict.fromkeys(STATES, 0)
            states.update(base.execute("SELECT state, count(*) FROM studies GROUP BY state").fetchall())
            urgent, again, oldest = base.execute(
                "SELECT coalesce(sum(urgent), 0), coalesce(sum(kind != ''), 0), min(since) FROM studies "
                "WHERE state = 'waiting'"
            ).fetchone()
            (seconds,) = base.execute("SELECT coalesce(sum(seconds), 0) FROM studies WHERE state = 'done'").fetchone()
            failures = base.execute(
                "SELECT kind, count(*) FROM studies WHERE state = 'failed' GROUP BY kind"
            ).fetchall()
            last = base.execute("SELECT value FROM facts WHERE name = 'last_change'").fetchone()
        finally:
            base.close()
    return Counts(
        states=states,
        urgent=int(urgent),
        again=int(again),
        oldest_seconds=0.0 if oldest is None else max(clock() - oldest, 0.0),
        seconds=float(seconds),
        failures=dict(failures),
        last_change=int(last[0]) if last else 0,
    )


@contextmanager
def _sqlite_errors(path: Path) -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        raise OSError(
            f"Expected to read and write the queue {path}, but got {error}: free disk space, close other programs "
            "that use it, or move a damaged file away; done studies are marked on the server and not repeated."
        ) from error
