# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""A server that is not there: studies, events and marks in memory, which can fall silent or forget its events."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from monai_acdr.apps.watch.queue import WatchQueue
from monai_acdr.apps.watch.rules import WatchRules, parse_rules
from monai_acdr.apps.watch.service import Arrival, Processed, Watcher
from monai_acdr.dicom.orthanc import OrthancChange, OrthancError, OrthancSeries, OrthancStudy

ONE_RULE = {"rules": [{"name": "any", "modality": "MR"}]}


def identifier(name: str) -> str:
    digits = hashlib.sha1(name.encode(), usedforsecurity=False).hexdigest()
    return "-".join(digits[i : i + 8] for i in range(0, 40, 8))


@dataclass
class FakeOrthanc:
    """Has the methods of :class:`monai_acdr.dicom.orthanc.Orthanc` that the service calls."""

    url: str = "http://127.0.0.1:8042"
    known: dict[str, OrthancStudy] = field(default_factory=dict)
    parts: dict[str, list[OrthancSeries]] = field(default_factory=dict)
    events: list[OrthancChange] = field(default_factory=list)
    marks: dict[str, str] = field(default_factory=dict)
    senders: dict[str, tuple[str, str]] = field(default_factory=dict)
    stored: list[str] = field(default_factory=list)
    error: OrthancError | None = None
    broken: dict[str, OrthancError] = field(default_factory=dict)
    calls: list[str] = field(default_factory=list)

    def receive(self, name: str, at: str = "20261129T120000", event: bool = True, **changes: Any) -> str:
        """A study comes, and becomes stable."""
        study = identifier(name)
        values = {"modality": "MR", "description": "", "series_description": "", "images": 2, "sender": ("CT1", "")}
        values.update(changes)
        self.known[study] = OrthancStudy(study, f"1.2.{len(self.known)}", values["description"], at, True)
        instances = tuple(sorted(identifier(f"{name} {i}") for i in range(values["images"])))
        self.parts[study] = [OrthancSeries("1.2.3", values["modality"], values["series_description"], instances)]
        self.senders[instances[0]] = values["sender"]
        if event:
            self.tell("StableStudy", study)
        return study

    def tell(self, kind: str, study: str) -> None:
        self.events.append(OrthancChange(len(self.events) + 1, kind, study))

    def answer(self, call: str) -> None:
        self.calls.append(call)
        if self.error is not None:
            raise self.error
        if call.split()[0] in self.broken:
            raise self.broken[call.split()[0]]

    def changes(self, since: int) -> tuple[list[OrthancChange], int, bool]:
        self.answer("changes")
        page = [event for event in self.events if event.number > since][:3]
        last = page[-1].number if page else since
        return page, last, not page or last == len(self.events)

    def last_change(self) -> int:
        self.answer("last")
        return len(self.events)

    def studies(self) -> Iterator[OrthancStudy]:
        self.answer("list")
        yield from self.known.values()

    def study(self, study: str) -> OrthancStudy | None:
        self.answer(f"study {study}")
        return self.known.get(study)

    def series(self, study: str) -> list[OrthancSeries]:
        return self.parts.get(study, [])

    def sender(self, instance: str) -> tuple[str, str]:
        return self.senders[instance]

    def mark(self, study: str, number: int) -> str:
        assert number == 4200
        return self.marks.get(study, "")

    def set_mark(self, study: str, number: int, value: str) -> None:
        self.answer(f"mark {study}")
        self.marks[study] = value

    def download(self, study_uid: str, instances: Sequence[str], folder: Path) -> list[Path]:
        self.answer(f"download {study_uid}")
        folder.mkdir()
        return []

    def store(self, paths: Sequence[Path]) -> list[str]:
        self.answer("store")
        self.stored += [path.name for path in paths]
        return [identifier(path.name) for path in paths]


@dataclass
class Bench:
    """A service on the fake server, with a clock that only sleeping moves."""

    folder: Path
    server: FakeOrthanc
    rules: WatchRules
    now: float = 1000.0
    done: list[str] = field(default_factory=list)
    outcomes: list[Processed | Exception] = field(default_factory=list)

    def start(self, retry_failed: bool = False) -> Watcher:
        """A new process, as after a kill: all that it knows is in the folder."""
        queue = WatchQueue(self.folder, lambda: self.now)
        if not queue.fact("last_change"):  # not the first start ever, which reads no old events
            queue.keep_fact("last_change", "0")
        watcher = Watcher(
            self.server,  # type: ignore[arg-type]
            self.rules,
            self.folder,
            queue,
            self.process,
            clock=lambda: self.now,
        )
        watcher.recover(retry_failed)
        return watcher

    def process(self, arrival: Arrival, images: Path) -> Processed:
        assert images.is_dir()
        self.done.append(arrival.study.identifier)
        outcome = self.outcomes.pop(0) if self.outcomes else Processed([Path(f"{arrival.images}.dcm")])
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    def grow(self, study: str, at: str) -> None:
        """One more image comes."""
        (series,) = self.server.parts[study]
        more = tuple(sorted((*series.instances, identifier(f"{study} {at}"))))
        self.server.parts[study] = [replace(series, instances=more)]
        self.server.known[study] = replace(self.server.known[study], last_update=at)


@pytest.fixture()
def make_bench(tmp_path: Path) -> Callable[..., Bench]:
    return lambda record=ONE_RULE: Bench(tmp_path, FakeOrthanc(), parse_rules(record))


@pytest.fixture()
def bench(make_bench: Callable[..., Bench]) -> Bench:
    return make_bench()
