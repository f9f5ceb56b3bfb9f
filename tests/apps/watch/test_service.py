# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from monai_acdr.apps.watch.service import CATCH_UP_SECONDS, DOWNLOADS, Processed, Watcher
from monai_acdr.dicom.orthanc import OrthancError


class Killed(BaseException):
    """Ends the process at a point."""


def work_all(watcher: Watcher) -> None:
    while watcher.step():
        pass


def states(watcher: Watcher) -> dict[str, int]:
    return {
        state: n
        for state in ("waiting", "running", "done", "failed", "ignored")
        if (n := len(watcher.queue.entries(state)))
    }


def test_done_once_and_marked_and_own_results_change_nothing(bench: Any) -> None:
    watcher = bench.start()
    study = bench.server.receive("a")
    work_all(watcher)
    assert bench.done == [study]
    mark = json.loads(bench.server.marks[study])
    assert (mark["state"], mark["rule"], len(mark["results"])) == ("done", "any", 1)
    # The results that were stored make the study stable once more, with a series that is no image.
    results = replace(bench.server.parts[study][0], modality="SEG", uid="1.9")
    bench.server.parts[study].append(results)
    bench.server.known[study] = replace(bench.server.known[study], last_update="20261129T120100")
    bench.server.tell("StableStudy", study)
    work_all(watcher)
    assert bench.done == [study]
    assert states(watcher) == {"done": 1}
    assert not list(bench.folder.glob(f"{DOWNLOADS}*"))


def test_a_lost_queue_does_nothing_twice(bench: Any) -> None:
    study = bench.server.receive("a")
    watcher = bench.start()
    work_all(watcher)
    watcher.queue.close()
    watcher.queue.path.unlink()
    again = bench.start()
    work_all(again)
    bench.now += bench.rules.settle_seconds
    work_all(again)
    assert bench.done == [study]
    assert states(again) == {"done": 1}


def test_new_images_are_another_study(bench: Any) -> None:
    watcher = bench.start()
    study = bench.server.receive("a")
    work_all(watcher)
    first = bench.server.marks[study]
    bench.grow(study, "20261129T130000")
    bench.server.tell("StableStudy", study)
    work_all(watcher)
    assert bench.done == [study, study]
    assert bench.server.marks[study] != first


def test_newest_first_and_the_emergency_before_all(make_bench: Callable[..., Any]) -> None:
    bench = make_bench(
        {
            "rules": [{"name": "any", "modality": "MR"}],
            "urgent": {"description": "stat", "calling_aet": ["er_mr"], "called_aet": ["FAST"]},
        }
    )
    watcher = bench.start()
    receive = bench.server.receive
    old, new = receive("old", at="20261129T080000"), receive("new", at="20261129T110000")
    by_title = receive("title", at="20261129T070000", sender=("ER_MR", "X"))
    called = receive("called", at="20261129T060000", sender=("CT1", "FAST"))
    by_text = receive("text", at="20261129T065000", series_description="Head STAT")
    receive("ct", modality="CT")
    work_all(watcher)
    assert bench.done == [by_title, by_text, called, new, old]
    assert states(watcher) == {"done": 5, "ignored": 1}


def test_an_emergency_comes_between(make_bench: Callable[..., Any]) -> None:
    bench = make_bench({"rules": [{"name": "any"}], "urgent": {"description": "stat"}})
    watcher = bench.start()
    old, new = (bench.server.receive(name, at=f"20261129T0{i}0000") for i, name in enumerate("ab"))
    assert watcher.step()
    urgent = bench.server.receive("u", at="20200101T000000", description="STAT heart")
    work_all(watcher)
    assert bench.done == [new, urgent, old]


def test_backoff_then_a_dead_letter_with_the_reason(bench: Any) -> None:
    bench.rules = replace(bench.rules, attempts=4, first_seconds=10, longest_seconds=25)
    study = bench.server.receive("a")
    watcher = bench.start()
    failure = Processed(kind="memory", reason="Expected more memory.")
    bench.outcomes = [failure, RuntimeError("x"), failure, OSError("disk"), failure]
    times = []
    for _ in range(200):
        before = len(bench.done)
        watcher.step()
        if len(bench.done) > before:
            times.append(bench.now)
        bench.now += 1
    assert [after - before for before, after in zip(times, times[1:], strict=False)] == [10, 20, 25]
    assert states(watcher) == {"failed": 1}
    (letter,) = (bench.folder / "dead_letters").iterdir()
    record = json.loads(letter.read_text())
    assert record["study"] == letter.stem == study
    assert (record["kind"], record["reason"], record["attempts"]) == ("output", "disk", 4)
    assert json.loads(bench.server.marks[study])["state"] == "failed"
    # It stays given up, until it is asked for.
    bench.server.tell("StableStudy", study)
    work_all(watcher)
    watcher.queue.close()
    work_all(bench.start())
    assert len(bench.done) == 4
    bench.outcomes = []
    watcher = bench.start(retry_failed=True)
    work_all(watcher)
    assert len(bench.done) == 5
    assert states(watcher) == {"done": 1}
    assert not letter.exists()


def test_an_unusable_study_is_not_repeated(bench: Any) -> None:
    bench.server.receive("a")
    bench.outcomes = [Processed(kind="input", reason="Expected one series.")]
    watcher = bench.start()
    work_all(watcher)
    assert states(watcher) == {"failed": 1}


def test_a_silent_server_is_no_failure_of_the_study(bench: Any) -> None:
    study = bench.server.receive("a")
    watcher = bench.start()
    bench.outcomes = [OrthancError("gone")] * 7
    for _ in range(7):  # the server hangs up at the study, and is silent after
        bench.server.error = None
        watcher.read_events()
        watcher.place()
        bench.process, process = _silencing(bench), bench.process
        watcher.process = bench.process
        with pytest.raises(OrthancError, match="gone"):
            watcher.work()
        bench.process = watcher.process = process
        assert not watcher.step()
        assert not watcher.health.server_up
    assert watcher.queue.entry(study).attempts == 0
    bench.server.error, bench.outcomes = None, []
    work_all(watcher)
    assert states(watcher) == {"done": 1}
    assert watcher.health.server_up


def _silencing(bench: Any) -> Callable[..., Processed]:
    process = bench.process

    def silence(*arguments: Any) -> Processed:
        bench.server.error = OrthancError("silent")
        return process(*arguments)

    return silence


def test_a_study_that_the_server_chokes_on_is_its_own_failure(bench: Any) -> None:
    bench.rules = replace(bench.rules, attempts=1)
    study = bench.server.receive("a")
    other = bench.server.receive("b", at="20200101T000000")
    bench.server.broken = {"download": OrthancError("no answer in time")}  # only there
    watcher = bench.start()
    watcher.step()
    bench.server.broken = {}
    work_all(watcher)
    assert bench.done == [other]
    assert watcher.queue.entry(study).state == "failed"


def test_a_study_that_cannot_be_looked_at_does_not_hold_up_the_others(bench: Any) -> None:
    broken, good = bench.server.receive("a"), bench.server.receive("b")
    answer = bench.server.answer

    def choke(call: str) -> None:
        answer(call)
        if call == f"study {broken}":
            raise OrthancError("internal error", 500)

    bench.server.answer = choke
    watcher = bench.start()
    work_all(watcher)
    assert bench.done == [good]
    assert states(watcher) == {"done": 1, "waiting": 1}


@pytest.mark.parametrize("point", ["begin", "process", "store", "mark", "end"])
def test_killed_anywhere_it_is_done_once_in_the_end(bench: Any, point: str, monkeypatch: pytest.MonkeyPatch) -> None:
    studies = {bench.server.receive(name) for name in "abc"}
    for _kill in range(2):
        watcher = bench.start()

        def kill(*_: Any, **__: Any) -> None:
            raise Killed

        if point == "process":
            watcher.process = kill
        elif point in ("begin", "end"):
            monkeypatch.setattr(watcher.queue, point, kill)
        else:
            monkeypatch.setattr(bench.server, {"store": "store", "mark": "set_mark"}[point], kill)
        with pytest.raises(Killed, match="^$"):
            work_all(watcher)
        watcher.queue.close()
        monkeypatch.undo()
    watcher = bench.start()
    work_all(watcher)
    assert set(bench.server.marks) == studies
    assert states(watcher) == {"done": 3}
    assert len(set(bench.server.stored)) == 3  # what was stored twice has the same name: the same UIDs
    assert all(entry.attempts <= 1 for entry in watcher.queue.entries("done"))


def test_a_study_that_ends_the_program_is_given_up_and_holds_up_nobody(bench: Any) -> None:
    bench.rules = replace(bench.rules, attempts=2, first_seconds=10)
    deadly, other = bench.server.receive("deadly", at="20261129T130000"), bench.server.receive("other")
    times = []

    def process(arrival: Any, _images: Path) -> Processed:
        if arrival.study.identifier == deadly:
            times.append(bench.now)
            raise Killed
        bench.done.append(arrival.study.identifier)
        return Processed([Path("x.dcm")])

    for _start in range(80):
        watcher = bench.start()
        watcher.process = process
        with suppress(Killed):
            work_all(watcher)
        ended = states(watcher)
        watcher.queue.close()
        bench.now += 1
    assert bench.done == [other]
    assert [after - before for before, after in zip(times, times[1:], strict=False)] == [1, 1, 11, 21]
    assert ended == {"done": 1, "failed": 1}
    (letter,) = (bench.folder / "dead_letters").iterdir()
    assert json.loads(letter.read_text())["kind"] == "process_died"


def test_the_first_start_catches_up(bench: Any) -> None:
    """Old events are not read: a server that has run for years has millions."""
    studies = [bench.server.receive(name, at=f"2026112{i}T000000") for i, name in enumerate("abc")]
    watcher = bench.start()
    watcher.queue.keep_fact("last_change", "")
    work_all(watcher)
    assert watcher.queue.last_change == 3
    assert bench.done == []
    bench.now += bench.rules.settle_seconds
    work_all(watcher)
    assert bench.done == studies[::-1]


def test_events_lost_by_a_restart_of_the_server_are_made_up_for(bench: Any) -> None:
    watcher = bench.start()
    work_all(watcher)
    bench.server.error = OrthancError("down")
    assert not watcher.step()
    bench.server.error = None
    lost = bench.server.receive("lost", event=False)
    work_all(watcher)
    assert bench.done == []  # it may still be coming
    bench.now += bench.rules.settle_seconds
    work_all(watcher)
    assert bench.done == [lost]


def test_a_restart_that_nobody_noticed_is_made_up_for(bench: Any) -> None:
    watcher = bench.start()
    work_all(watcher)
    growing, lost = bench.server.receive("growing", event=False), bench.server.receive("lost", event=False)
    bench.server.tell("NewStudy", growing)
    bench.server.tell("NewStudy", lost)
    bench.server.known[growing] = replace(bench.server.known[growing], stable=False)
    work_all(watcher)
    assert bench.done == []
    bench.now += bench.rules.settle_seconds
    work_all(watcher)
    assert bench.done == [lost]
    grown_later = bench.server.receive("later", event=False)  # without any event
    bench.now += CATCH_UP_SECONDS
    work_all(watcher)
    bench.now += bench.rules.settle_seconds
    work_all(watcher)
    assert bench.done == [lost, grown_later]
    bench.server.known[growing] = replace(bench.server.known[growing], stable=True)
    bench.server.tell("StableStudy", growing)
    work_all(watcher)
    assert bench.done == [lost, grown_later, growing]


def test_a_server_with_a_new_index_is_read_from_its_start(bench: Any) -> None:
    for name in "abc":
        bench.server.receive(name)
    watcher = bench.start()
    work_all(watcher)
    assert watcher.queue.last_change == 3
    bench.server.events.clear()
    bench.server.known.clear()
    fresh = bench.server.receive("fresh")
    work_all(watcher)
    assert bench.done[3:] == []
    bench.now += CATCH_UP_SECONDS
    work_all(watcher)
    assert bench.done[3:] == [fresh]
    assert watcher.queue.last_change == 1


def test_deleted_and_old_studies_are_left(bench: Any) -> None:
    bench.rules = replace(bench.rules, ignore_before="20260101")
    watcher = bench.start()
    bench.server.receive("old", at="20251231T235959", event=False)
    gone = bench.server.receive("gone")
    del bench.server.known[gone]
    work_all(watcher)
    bench.now += bench.rules.settle_seconds
    work_all(watcher)
    assert bench.done == []
    assert states(watcher) == {}


def test_results_are_removed_on_request_and_images_of_a_killed_run_always(bench: Any, tmp_path: Path) -> None:
    bench.rules = replace(bench.rules, keep_results=False)
    results, leftover = tmp_path / "results", tmp_path / f"{DOWNLOADS}x"
    for folder in (results, leftover):
        folder.mkdir()
    bench.outcomes = [Processed([results / "seg.dcm"], results)]
    bench.server.receive("a")
    watcher = bench.start()
    slept: list[float] = []

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        bench.server.error = OrthancError("down")
        if len(slept) == 9:
            raise Killed

    watcher.sleep = sleep
    with pytest.raises(Killed, match="^$"):
        watcher.run()
    assert not results.exists()
    assert not leftover.exists()
    assert slept == [2, 4, 8, 16, 32, 60, 60, 60, 60]  # a silent server is asked less and less often
