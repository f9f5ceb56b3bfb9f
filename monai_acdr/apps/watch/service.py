# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Studies as they arrive at an Orthanc server: outlined by rules, their results stored back, each study marked.

Receiving, storing and routing are what Orthanc does. The service follows its feed of changes, and does one study after
the other:

1. Events are read and kept with their number (:mod:`monai_acdr.apps.watch.queue`). A restarted server never reports
   the studies that it was receiving as stable, so all studies are listed at the start, after the server did not answer,
   and from time to time.
2. The first urgent study is taken, otherwise the newest. A rule selects its images; a mark on the study with the same
   images says that it is done. So our own results, which make the study stable again, change nothing.
3. The images are fetched and outlined; the results are a folder that appears whole, with the same UIDs on a repeat.
4. SEG, RTSTRUCT and SR are stored, then the study is marked, and a Lua script of Orthanc forwards them.

Killed between any two steps, the service begins the study again, and repeating a completed step changes nothing.
"""

from __future__ import annotations

import hashlib
import json
import logging
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

from monai_acdr.apps.watch.queue import Entry, WatchQueue
from monai_acdr.apps.watch.rules import Rule, WatchRules
from monai_acdr.dicom.orthanc import Orthanc, OrthancError, OrthancSeries, OrthancStudy
from monai_acdr.files import write_text_atomically

__all__ = ["Arrival", "Processed", "Watcher"]

DOWNLOADS = ".download-"
"""Prefix of folders with images, which exist only while a study is in progress."""
DEAD_LETTERS = "dead_letters"
CATCH_UP_SECONDS = 6 * 3600.0
"""Interval between two lists of all studies."""
PLACED_AT_ONCE = 100
PERMANENT = ("input",)
"""Kinds of failures that repeating does not change."""
DEATHS = 3
"""Number of times in a row that the program ends during a study until that study waits as after a failure."""

_logger = logging.getLogger(__name__)

_DIED = (
    "Expected to complete the study, but the program ended during it each time, from lack of memory or a fault in a "
    "library: check its images with monai-acdr segment, and repeat it with --retry-failed."
)


@dataclass(frozen=True)
class Arrival:
    """A study whose turn it is.

    Attributes:
        study: the study on the server.
        rule: the rule that takes it.
        series: its series that the rule matches.
        images: fingerprint of their instances.
    """

    study: OrthancStudy
    rule: Rule
    series: tuple[OrthancSeries, ...]

    @property
    def instances(self) -> list[str]:
        """Orthanc's identifiers of the images, in an order that is the same on every repeat."""
        return sorted(instance for one in self.series for instance in one.instances)

    @property
    def images(self) -> str:
        """Fingerprint of the set of images: Orthanc's identifiers are hashes of UIDs."""
        return hashlib.sha256("\n".join(self.instances).encode()).hexdigest()[:32]


@dataclass(frozen=True)
class Processed:
    """The outcome of a study.

    Attributes:
        files: DICOM results to store; empty after a failure.
        folder: folder to remove when results are not kept; None for none.
        kind: kind of a failure, see :data:`monai_acdr.apps.cohort.FAILURE_KINDS`; empty without a failure.
        reason: reason of a failure.
    """

    files: Sequence[Path] = ()
    folder: Path | None = None
    kind: str = ""
    reason: str = ""


@dataclass
class Health:
    """Values that the status page shows beside the queue.

    Attributes:
        server_up: whether the last request was answered.
        attempts: number of attempts since the start.
        failures: number of failed attempts since the start.
        stored: number of instances stored since the start.
        last_look: when the feed was last read, seconds since 1970; 0 before.
        busy: whether a study is in progress.
    """

    server_up: bool = False
    attempts: int = 0
    failures: int = 0
    stored: int = 0
    last_look: float = 0.0
    busy: bool = False


@dataclass
class Watcher:
    """Follows a server.

    Args:
        server: the server.
        rules: rules for studies.
        folder: folder of the service, for dead letters and images that are being read.
        queue: the queue in that folder.
        process: outlines the images in a folder; its errors and failures count as the study's.
        clock: returns the time in seconds since 1970.
        sleep: waits for a number of seconds.
    """

    server: Orthanc
    rules: WatchRules
    folder: Path
    queue: WatchQueue
    process: Callable[[Arrival, Path], Processed]
    clock: Callable[[], float] = time.time
    sleep: Callable[[float], None] = time.sleep
    health: Health = field(default_factory=Health)
    _next_catch_up: float = 0.0
    _silent: int = 0

    def recover(self, retry_failed: bool = False) -> None:
        """Resume the work of an earlier process.

        Args:
            retry_failed: repeat studies that were given up.
        """
        self.queue.restart(
            lambda deaths: self.rules.backoff(deaths - DEATHS + 1) if deaths >= DEATHS else 0.0, retry_failed
        )
        for leftover in self.folder.glob(f"{DOWNLOADS}*"):
            shutil.rmtree(leftover, ignore_errors=True)

    def run(self) -> None:
        """Follow the server until a signal ends the program."""
        while True:
            if not self.step():
                self.sleep(self.rules.poll_seconds if not self._silent else self._silence())

    def step(self) -> bool:
        """Read events, and process the next study.

        Returns:
            Whether there was a study; also False when the server does not answer.
        """
        try:
            if self.clock() >= self._next_catch_up:
                self.catch_up()
            self.read_events()
            self.place()
            worked = self.work()
            self.health.server_up, self._silent = True, 0
            return worked
        except OrthancError as error:
            if not self._silent:
                _logger.warning("%s Trying again.", error)
            self.health.server_up = False
            self._silent += 1
            self._next_catch_up = 0.0  # it may have been restarted, which loses events
            return False

    def read_events(self) -> None:
        """Add the events since the last one to the queue."""
        if not self.queue.fact("last_change"):  # a new queue: existing studies are found by the list of all studies
            self.queue.keep_fact("last_change", str(self.server.last_change()))
        complete = False
        while not complete:
            events, last, complete = self.server.changes(self.queue.last_change)
            if last != self.queue.last_change:
                self.queue.add_events(
                    stable=[event.identifier for event in events if event.kind == "StableStudy"],
                    new=[event.identifier for event in events if event.kind == "NewStudy"],
                    not_before=self.clock() + self.rules.settle_seconds,
                    last_change=last,
                )
        self.health.last_look = self.clock()

    def catch_up(self) -> None:
        """Find studies that no event reports."""
        last = self.server.last_change()
        if not self.queue.fact("last_change"):  # a new queue: old events say nothing that the list does not
            self.queue.keep_fact("last_change", str(last))
        elif last < self.queue.last_change:
            _logger.warning("The server has restarted its count of changes: was its index replaced? Reading all.")
            self.queue.keep_fact("last_change", "0")
        studies, found = self.server.studies(), 0
        while page := list(islice(studies, 200)):
            listed = [(s.identifier, s.last_update) for s in page if s.stable and not self._is_old(s)]
            found += self.queue.add_found(listed, self.clock() + self.rules.settle_seconds)
        self._next_catch_up = self.clock() + CATCH_UP_SECONDS
        if found:
            _logger.info("%d studies found.", found)

    def place(self) -> None:
        """Check studies that have arrived, to order them; studies that no rule matches leave the queue."""
        for entry in self.queue.unplaced(PLACED_AT_ONCE):
            with self._postponed(entry):
                arrival = self._look(entry)
                if arrival is not None:
                    urgent = self.rules.urgent
                    sender = self.server.sender(arrival.instances[0]) if urgent.asks_sender else ("", "")
                    is_urgent = urgent.includes(arrival.study, arrival.series, sender)
                    self.queue.place(entry.study, is_urgent, arrival.study.last_update)

    def work(self) -> bool:
        """Process the study whose turn it is; returns whether there was one."""
        entry, arrival = self.queue.next(), None
        if entry is None:
            return False
        with self._postponed(entry):
            arrival = self._look(entry)
            if arrival is not None and self._is_marked(entry, arrival):
                arrival = None
        if arrival is None:
            return True
        if entry.deaths >= DEATHS + self.rules.attempts:
            self._give_up(entry, arrival, Processed(kind="process_died", reason=_DIED), 0.0)
            return True
        entry, started = self.queue.begin(entry, arrival.images), self.clock()
        self.health.attempts += 1
        self.health.busy = True
        try:
            processed = self._process(arrival)
            if not processed.kind:
                self._store(arrival, processed)
                self.queue.end(entry.study, "done", seconds=self.clock() - started)
                return True
        except OrthancError as error:
            self._check_server(entry, error)
            processed = Processed(kind="server", reason=str(error))
        except OSError as error:
            processed = Processed(kind="output", reason=str(error))
        except Exception as error:  # of any kind: the other studies go on
            processed = Processed(kind="unexpected", reason=f"{type(error).__name__}: {error}")
        finally:
            self.health.busy = False
        self._fail(entry, arrival, processed, self.clock() - started)
        return True

    @contextmanager
    def _postponed(self, entry: Entry) -> Iterator[None]:
        """Postpone a study upon server errors that concern it alone, so that the others go on."""
        try:
            yield
        except OrthancError as error:
            if error.of_server:
                raise
            _logger.warning("A study cannot be checked, and is postponed: %s", error)
            self.queue.put_back(entry.study, self.clock() + self.rules.settle_seconds, "server", attempted=False)

    def _check_server(self, entry: Entry, error: OrthancError) -> None:
        """Raise an error that the study did not cause, and put the study back; otherwise do nothing.

        A server that hangs up or is silent for one study, and answers right after, does so because of the study.
        """
        if not error.of_server:
            return
        try:
            self.server.last_change()
        except OrthancError:
            self.queue.put_back(entry.study, self.clock(), entry.kind, attempted=False)
            raise error from None

    def _process(self, arrival: Arrival) -> Processed:
        with tempfile.TemporaryDirectory(prefix=DOWNLOADS, dir=self.folder, ignore_cleanup_errors=True) as temporary:
            images = Path(temporary) / "study"
            self.server.download(arrival.study.uid, arrival.instances, images)
            return self.process(arrival, images)

    def _store(self, arrival: Arrival, processed: Processed) -> None:
        stored = self.server.store(processed.files)
        self.health.stored += len(stored)
        self._mark(arrival, {"state": "done", "results": stored})
        self._dead_letter(arrival.study.identifier).unlink(missing_ok=True)
        if not self.rules.keep_results and processed.folder is not None:
            shutil.rmtree(processed.folder, ignore_errors=True)

    def _fail(self, entry: Entry, arrival: Arrival, processed: Processed, seconds: float) -> None:
        self.health.failures += 1
        if processed.kind not in PERMANENT and entry.attempts < self.rules.attempts:
            wait = self.rules.backoff(entry.attempts)
            self.queue.put_back(entry.study, self.clock() + wait, processed.kind)
            _logger.warning("A study failed (%s), attempt %d; again in %.0f s.", processed.kind, entry.attempts, wait)
            return
        self._give_up(entry, arrival, processed, seconds)

    def _give_up(self, entry: Entry, arrival: Arrival, processed: Processed, seconds: float) -> None:
        record = {
            "study": entry.study,
            "rule": arrival.rule.name,
            "images": arrival.images,
            "attempts": entry.attempts,
            "kind": processed.kind,
            "reason": processed.reason,
            "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(self.clock())),
        }
        path = self._dead_letter(entry.study)
        path.parent.mkdir(mode=0o700, exist_ok=True)
        write_text_atomically(path, json.dumps(record, indent=1) + "\n")
        try:
            self._mark(arrival, {"state": "failed", "kind": processed.kind, "results": []})
        except OrthancError as error:
            self._check_server(entry, error)
        self.queue.end(entry.study, "failed", processed.kind, seconds)
        _logger.warning("A study was given up (%s): %s", processed.kind, path)

    def _look(self, entry: Entry) -> Arrival | None:
        """The study as the server has it now; None when there is nothing to do, or not yet."""
        study = self.server.study(entry.study)
        if study is None:
            self.queue.forget(entry.study)
            return None
        if not study.stable:
            self.queue.put_back(entry.study, self.clock() + self.rules.settle_seconds, entry.kind, attempted=False)
            return None
        choice = None if self._is_old(study) else self.rules.choose(study, self.server.series(entry.study))
        if choice is None:
            self.queue.place(entry.study, False, study.last_update)
            self.queue.end(entry.study, "ignored")
            return None
        return Arrival(study, choice[0], tuple(choice[1]))

    def _is_old(self, study: OrthancStudy) -> bool:
        return study.last_update[:8] < self.rules.ignore_before

    def _is_marked(self, entry: Entry, arrival: Arrival) -> bool:
        """Whether the study is done or was given up with these images; updates the queue."""
        mark = _parse_mark(self.server.mark(entry.study, self.rules.mark))
        if mark.get("images") != arrival.images:
            return False
        again = entry.attempts == 0 and entry.images == arrival.images  # of a study that was given up: --retry-failed
        if mark.get("state") == "done" or (mark.get("state") == "failed" and not again):
            self.queue.end(entry.study, str(mark["state"]), str(mark.get("kind", "")))
            return True
        return False

    def _mark(self, arrival: Arrival, values: dict[str, Any]) -> None:
        mark = {"program": "monai-acdr", "rule": arrival.rule.name, "images": arrival.images, **values}
        self.server.set_mark(arrival.study.identifier, self.rules.mark, json.dumps(mark))

    def _dead_letter(self, study: str) -> Path:
        return self.folder / DEAD_LETTERS / f"{study}.json"

    def _silence(self) -> float:
        """Seconds to wait for a server that does not answer: the polling interval, doubled each time."""
        return min(self.rules.poll_seconds * 2.0 ** min(self._silent, 60), self.rules.longest_seconds, 60.0)


def _parse_mark(text: str) -> dict[str, Any]:
    with suppress(ValueError, RecursionError):
        value = json.loads(text)
        if isinstance(value, dict):
            return value
    return {}
