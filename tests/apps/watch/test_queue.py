# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from monai_acdr.apps.watch.queue import WatchQueue, count_studies


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture()
def clock() -> Clock:
    return Clock()


@pytest.fixture()
def queue(tmp_path: Path, clock: Clock) -> Iterator[WatchQueue]:
    queue = WatchQueue(tmp_path, clock)
    yield queue
    queue.close()


@given(
    studies=st.dictionaries(
        st.integers(0, 30), st.tuples(st.booleans(), st.integers(0, 5), st.integers(0, 3)), max_size=9
    )
)
@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_order(studies: dict[int, tuple[bool, int, int]], queue: WatchQueue, clock: Clock) -> None:
    """Urgent before others, then the newest; none before its time. Independent of the order in which they came."""
    for entry in queue.entries("waiting"):
        queue.forget(entry.study)
    queue.add_found([(f"{name:02d}", "x") for name in studies], 0)
    for name, (urgent, day, minute) in studies.items():
        queue.place(f"{name:02d}", urgent, f"2026110{day}")
        queue.put_back(f"{name:02d}", 100.0 + minute)
    taken: list[tuple[int, int]] = []
    for now in range(100, 104):
        clock.now = float(now)
        while (entry := queue.next()) is not None:
            taken.append((now, int(entry.study)))
            queue.forget(entry.study)
    expected = sorted(
        ((100 + minute, name) for name, (_, _, minute) in studies.items()),
        key=lambda item: (item[0], not studies[item[1]][0], -studies[item[1]][1], item[1]),
    )
    assert taken == expected


def test_events_and_their_number_are_one_step(queue: WatchQueue, tmp_path: Path) -> None:
    queue.keep_fact("last_change", "7")

    def events() -> Iterator[str]:
        yield "a"
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt, match="^$"):
        queue.add_events(events(), [], 0, 9)
    assert (queue.last_change, queue.entries("waiting")) == (7, [])
    queue.add_events(["a"], ["a", "b"], 500, 9)
    assert queue.last_change == 9
    assert [entry.not_before for entry in queue.entries("waiting")] == [0, 500]
    assert [entry.study for entry in queue.unplaced(9)] == ["a"]  # the other is still coming


def test_a_wait_after_a_failure_is_not_cut_short_by_an_event(queue: WatchQueue) -> None:
    queue.add_events(["a"], [], 0, 1)
    queue.place("a", False, "20261101")
    entry = queue.next()
    assert entry is not None
    queue.begin(entry, "images")
    queue.put_back("a", 900, "memory")
    queue.add_events(["a"], [], 0, 2)
    again = queue.entry("a")
    assert again is not None
    assert (again.attempts, again.kind, again.not_before) == (1, "memory", 900)
    assert queue.begin(again, "other images").attempts == 1


def test_counts(queue: WatchQueue, tmp_path: Path, clock: Clock) -> None:
    queue.add_found([("a", "1"), ("b", "1"), ("c", "1")], 0)
    queue.place("a", True, "1")
    queue.end("b", "done", seconds=2.5)
    queue.end("c", "failed", "input", 1.0)
    clock.now += 30
    counts = count_studies(tmp_path, clock)
    assert counts.states == {"waiting": 1, "running": 0, "done": 1, "failed": 1, "ignored": 0}
    assert (counts.urgent, counts.again, counts.oldest_seconds, counts.seconds) == (1, 0, 30, 2.5)
    assert counts.failures == {"input": 1}
    assert queue.add_found([("b", "1"), ("c", "2")], 0) == 1  # one of them has had images since
