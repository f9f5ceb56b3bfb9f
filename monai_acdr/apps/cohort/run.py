# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""A whole cohort: its missing studies, the workers that process them, and the tables; behind ``monai-acdr cohort``.

Dask distributed does the work where there are workers: one study is one task. Only as many tasks as there are workers
wait in the scheduler, so that it holds a few hundred bytes for each worker, however many studies there are. Without
workers the same function does them one after the other in this process.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import asdict, dataclass, field
from importlib import import_module
from itertools import islice
from pathlib import Path
from typing import Any

from monai_acdr import __version__
from monai_acdr.apps.cohort.sources import Sources, find_studies, parse_part, parse_queries
from monai_acdr.apps.cohort.study import (
    CohortRun,
    Outcome,
    Study,
    has_changed,
    open_run,
    process_study,
    write_failure,
)
from monai_acdr.apps.cohort.tables import read_references, require_tables, write_key, write_tables
from monai_acdr.apps.segment_results import SegmentOptions
from monai_acdr.data.text_files import file_text
from monai_acdr.dicom.toolkit import require
from monai_acdr.files import remove_leftovers

__all__ = ["CohortOptions", "CohortReport", "run_cohort"]

MAX_NAMED_STUDIES = 5
"""Number of studies that a message names."""
_DASK = ("A cohort on several processes", "Dask", "cohort")
"""Feature, package and extra of the error about a missing package."""
_PROFILER = "distributed.worker.profile.enabled"
"""Dask's profiler of a worker, which keeps call stacks of the last hour: 55 KiB a second, of no use to a cohort."""
_MAX_LOST = 3
"""Number of times a study loses its workers until it is recorded as failed."""
_WAIT_SECONDS = 30
"""Timeout for a scheduler that does not answer."""
_MAX_STARTS = 3
_LOST_SECONDS = 60
"""Dask gives up a local worker that is silent for longer; on a busy machine a restart takes a while."""
_LOOK_SECONDS = 20
"""Interval between checks of the workers."""
_PATIENCE_SECONDS = 120
"""Time without workers, as while they restart or jobs wait in a queue, before it is reported."""
_POLL_SECONDS = 0.02


@dataclass(frozen=True)
class CohortOptions:
    """How a cohort is processed; options for each study are in :class:`monai_acdr.apps.SegmentOptions`.

    Attributes:
        workers: processes of this machine, or jobs of `slurm`; 0 processes the studies in this process, or in one job.
        scheduler: address of a running Dask scheduler, such as ``tcp://host:8786``.
        slurm: YAML file with the options of :class:`dask_jobqueue.SLURMCluster`.
        part: ``i/n``, the i-th of n shares of the studies, counted from 1.
        queries: filters of QIDO-RS for a server, ``KEYWORD=VALUE``.
        retry_failed: process failed studies again.
        key: file for the table of pseudonyms, patients and studies, readable by its owner only.
        salt: file with the secret of the pseudonyms; the folder's own if None.
        reference: table of reference volumes, for plots of agreement.
    """

    workers: int = 0
    scheduler: str | None = None
    slurm: str | os.PathLike[str] | None = None
    part: str = "1/1"
    queries: Sequence[str] = ()
    retry_failed: bool = False
    key: str | os.PathLike[str] | None = None
    salt: str | os.PathLike[str] | None = None
    reference: str | os.PathLike[str] | None = None


@dataclass(frozen=True)
class CohortReport:
    """Result of a run.

    Attributes:
        studies: number of studies of the source, in this part.
        done: studies with results, from this start or earlier ones.
        failed: studies without results, from this start or earlier ones.
        earlier: studies that were done or had failed before this start.
        left_out: reason why files of a tree are in no study -> number of files.
        files: files written beside the studies, relative to the folder.
        agreement: measure -> statistics of :class:`monai_acdr.measures.Agreement`, with a reference.
        seconds: duration of this start.
    """

    studies: int
    done: int
    failed: int
    earlier: int
    left_out: Mapping[str, int] = field(default_factory=dict)
    files: Sequence[str] = ()
    agreement: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    seconds: float = 0.0

    def as_dict(self) -> dict[str, Any]:
        """All values by name, ready for JSON."""
        return {"program": "monai-acdr cohort", "version": __version__, **asdict(self)}


def run_cohort(
    source: str | os.PathLike[str],
    output: str | os.PathLike[str],
    model: str | os.PathLike[str] = "sunnybrook_lv_acdr",
    roi: str = "auto",
    *,
    options: SegmentOptions | None = None,
    cohort: CohortOptions | None = None,
    say: Callable[[str], None] | None = None,
    progress: Callable[[str], None] | None = None,
) -> CohortReport:
    """Outline all studies of a source that are not done yet, and write the tables of all of them.

    Started again after any kind of end, it processes the missing studies. Several processes with different parts may
    write to one folder, which all of them and all workers must see under the same path.

    Args:
        source: folder tree, list or server: see :func:`monai_acdr.apps.cohort.sources.find_studies`.
        output: folder of the run, made when missing.
        model: see :func:`monai_acdr.apps.segment`.
        roi: see :func:`monai_acdr.apps.segment`; not a file.
        options: options for each study.
        cohort: options of the run.
        say: called with messages about the run.
        progress: called after each study with the state of the run.

    Returns:
        The result of the run. A study that fails is counted and raises no error.

    Raises:
        FileExistsError: when the folder has results of other settings, versions or weights.
        FileNotFoundError, ValueError: for a source, bundle, list, part, filter or scheduler that cannot be used.
        ImportError: without pyarrow, or without Dask for more than this process.
        OSError: when the folder cannot be written.
        RuntimeError: when the scheduler is lost.
    """
    cohort, say, started = cohort or CohortOptions(), say or _ignore, time.monotonic()
    part, queries = parse_part(cohort.part), parse_queries(cohort.queries)
    require_tables()
    run = open_run(output, model, roi, options, cohort.salt)
    sources = find_studies(source, run.folder, queries, say)
    studies = sorted(filter(part.has, sources.studies), key=run.pseudonym)
    references = None if cohort.reference is None else read_references(cohort.reference, run, sources.studies, say)
    if cohort.key is not None:
        write_key(cohort.key, run, sources.studies)
    missing, earlier = _missing(run, studies, cohort.retry_failed)
    say(_begin_line(sources, studies, missing, cohort.part))
    if changed := [run.pseudonym(study) for study in studies if has_changed(run, study)]:
        say(_changed_line(run, changed))
    if others := _others(run, sources.studies):
        say(f"{others} studies in {run.folder} are of other sources, and not in the table: use one --output for each.")
    unrecorded: dict[str, Outcome] = {}
    count = _Count(len(studies), earlier, progress or _ignore)
    with _leftovers_removed(run, say):
        for outcome in _outcomes(run, missing, cohort, say):
            if run.outcome(outcome.study) is None:  # a full disk
                unrecorded[outcome.study] = outcome
            count(outcome)
    name = "cohort" if part.count == 1 else f"cohort-{part.number}-of-{part.count}"
    files, agreement = write_tables(run, name, list(map(run.pseudonym, studies)), unrecorded, references, sources)
    return CohortReport(
        studies=len(studies),
        done=count.done,
        failed=count.failed,
        earlier=sum(earlier.values()),
        left_out=sources.left_out,
        files=files,
        agreement=agreement,
        seconds=round(time.monotonic() - started, 3),
    )


def _missing(run: CohortRun, studies: Sequence[Study], retry_failed: bool) -> tuple[list[Study], dict[str, int]]:
    """Studies to process, and how many are done and have failed. Studies during which a process ended come last."""
    missing: list[Study] = []
    suspects: list[Study] = []
    earlier = {"done": 0, "failed": 0}
    for study in studies:
        name = run.pseudonym(study)
        outcome = run.outcome(name)
        if outcome is not None and not (retry_failed and outcome.state == "failed"):
            earlier[outcome.state] += 1
        elif run.running_file(name).exists():
            suspects.append(study)
        else:
            missing.append(study)
    return missing + suspects, earlier


def _others(run: CohortRun, studies: Sequence[Study]) -> int:
    """Number of studies of earlier sources that are done, or have failed, in the folder of the run."""
    known = set(map(run.pseudonym, studies))
    found = {
        path.stem for kind in ("studies", "failed") for path in (run.folder / kind).glob("[0-9a-f][0-9a-f]/[0-9a-f]*")
    }
    return len(found - known)


def _begin_line(sources: Sources, studies: Sequence[Study], missing: Sequence[Study], part: str) -> str:
    of_part = "" if part == "1/1" else f", {len(studies)} of them in part {part}"
    left_out = sum(sources.left_out.values())
    files = f"; {left_out} file(s) are in none" if left_out else ""
    return f"{len(sources.studies)} studies found{of_part}, {len(missing)} to do{files}"


def _changed_line(run: CohortRun, names: Sequence[str]) -> str:
    shown = ", ".join(os.path.relpath(run.study_folder(name), run.folder) for name in names[:MAX_NAMED_STUDIES])
    more = ", ..." if len(names) > MAX_NAMED_STUDIES else ""
    return (
        f"{len(names)} of the studies that are done have other files now, and their results are from the earlier "
        f"files: remove their folders to process them again ({shown}{more})"
    )


class _Count:
    """Progress of the run as text."""

    def __init__(self, total: int, earlier: Mapping[str, int], progress: Callable[[str], None]) -> None:
        self.total = total
        self.done, self.failed = earlier["done"], earlier["failed"]
        self._before = self.done + self.failed
        self._started = time.monotonic()
        self._progress = progress

    def __call__(self, outcome: Outcome) -> None:
        self.done += outcome.state == "done"
        self.failed += outcome.state == "failed"
        ended = self.done + self.failed
        rate = (ended - self._before) / max(time.monotonic() - self._started, 1e-3)
        left = _duration((self.total - ended) / rate) if rate else "?"
        self._progress(
            f"{ended} of {self.total} studies, {self.failed} failed, {3600 * rate:.0f} an hour, {left} left"
            if ended < self.total
            else f"{ended} of {self.total} studies, {self.failed} failed, {3600 * rate:.0f} an hour"
        )


def _duration(seconds: float) -> str:
    minutes = round(seconds / 60)
    if minutes < 1:
        return f"{seconds:.0f} s"
    return f"{minutes} min" if minutes < 120 else f"{minutes // 60} h {minutes % 60} min"


@contextmanager
def _leftovers_removed(run: CohortRun, say: Callable[[str], None]) -> Iterator[None]:
    """Remove what killed processes left, before and after the block; when it is stopped, say how to continue."""
    _remove_leftovers(run)
    try:
        yield
    except (KeyboardInterrupt, SystemExit):
        say("Stopped: unfinished studies are dropped. The same command continues from here.")
        raise
    finally:
        _remove_leftovers(run)


def _remove_leftovers(run: CohortRun) -> None:
    for kind in ("studies", "failed"):
        for folder in (run.folder / kind).glob("[0-9a-f][0-9a-f]"):
            remove_leftovers(folder)
    for mark in (run.folder / "running").glob("*"):
        if run.outcome(mark.name) is not None:
            mark.unlink(missing_ok=True)


def _outcomes(
    run: CohortRun, studies: Sequence[Study], cohort: CohortOptions, say: Callable[[str], None]
) -> Iterator[Outcome]:
    """Process the studies, in this process or on a cluster."""
    if not studies:
        return
    if cohort.scheduler is None and cohort.slurm is None and cohort.workers == 0:
        for study in studies:
            yield process_study(run, study, cohort.retry_failed)
        return
    expected = max(1, cohort.workers)
    with _client(cohort, expected, say) as client:
        look = _Attendant(client, cohort, expected, run, say)
        yield from _on_cluster(client, expected, look, run, studies, cohort.retry_failed)


@contextmanager
def _client(cohort: CohortOptions, expected: int, say: Callable[[str], None]) -> Iterator[Any]:
    """A client of a running Dask scheduler, or of one that is started here."""
    distributed, dask = require(*_DASK, "distributed", "dask"), import_module("dask")
    with ExitStack() as stack:
        stack.enter_context(_quiet())
        stack.enter_context(dask.config.set({_PROFILER: False}))
        if cohort.scheduler is not None:
            address: Any = cohort.scheduler
        elif cohort.slurm is not None:
            address = stack.enter_context(_slurm_cluster(Path(cohort.slurm), expected))
            say(address.job_script())
        else:
            stack.enter_context(dask.config.set({"distributed.deploy.lost-worker-timeout": f"{_LOST_SECONDS}s"}))
            address = stack.enter_context(_local_cluster(distributed, expected))
        try:
            client = stack.enter_context(distributed.Client(address, timeout=_WAIT_SECONDS, set_as_default=False))
        except (OSError, ValueError) as error:
            raise ValueError(
                f"Expected a Dask scheduler at {cohort.scheduler}, but got none ({type(error).__name__}): start one "
                "with dask scheduler, or check the address."
            ) from error
        say(f"Dask: {client.dashboard_link}")
        yield client


def _local_cluster(distributed: Any, workers: int) -> Any:
    """Workers of this machine; if one is killed while starting, the start fails as a whole and is repeated."""
    for _ in range(_MAX_STARTS - 1):
        with suppress(RuntimeError):
            return _start_workers(distributed, workers)
    return _start_workers(distributed, workers)


def _start_workers(distributed: Any, workers: int) -> Any:
    return distributed.LocalCluster(
        n_workers=workers, threads_per_worker=1, dashboard_address="127.0.0.1:0", silence_logs=logging.ERROR
    )


class _Attendant:
    """Checks the workers from time to time.

    Workers of this machine that Dask has given up, and SLURM jobs that have ended, as at their wall time, are requested
    again. A long time without workers is an error on this machine; on a cluster, which may grow, it is reported once.
    """

    def __init__(
        self, client: Any, cohort: CohortOptions, expected: int, run: CohortRun, say: Callable[[str], None]
    ) -> None:
        self._client, self._expected, self._run, self._say = client, expected, run, say
        self._own = cohort.scheduler is None and cohort.slurm is None
        self._jobs = cohort.slurm is not None
        self._next = self._seen = time.monotonic()
        self._reported = False

    def __call__(self) -> None:
        now = time.monotonic()
        if now < self._next:
            return
        self._next = now + _LOOK_SECONDS
        if self._jobs:
            self._client.cluster.scale(jobs=self._expected)
        elif self._own:
            self._client.cluster.scale(self._expected)
        if self._client.nthreads():
            self._seen, self._reported = now, False
        elif now < self._seen + _PATIENCE_SECONDS:
            return
        elif self._own:
            raise RuntimeError(
                "Expected workers to keep running, but all of them have ended: completed studies are in "
                f"{self._run.folder}. Run the same command again; with fewer workers, if memory is short."
            )
        elif not self._reported:
            self._reported = True
            self._say(
                f"No worker for {_duration(now - self._seen)}: waiting for one. "
                + ("See squeue and the jobs' logs." if self._jobs else "Start some with dask worker ADDRESS.")
            )


def _completed(futures: Any, look: Callable[[], None]) -> Iterator[Any]:
    """Futures as they complete, including ones that are added meanwhile."""
    while futures.count():
        look()
        if futures.has_ready():
            yield from futures.next_batch(block=False)
        else:
            time.sleep(_POLL_SECONDS)


def _on_cluster(
    client: Any,
    expected: int,
    look: Callable[[], None],
    run: CohortRun,
    studies: Iterable[Study],
    retry_failed: bool,
) -> Iterator[Outcome]:
    distributed = import_module("distributed")
    waiting = iter(studies)
    lost: dict[str, int] = {}
    given: dict[str, Study] = {}
    futures = distributed.as_completed(loop=client.loop)

    def give(study: Study) -> None:
        name = run.pseudonym(study)
        key = f"study-{name}-{run.session[:8]}-{lost.get(name, 0)}"
        given[key] = study
        futures.add(client.submit(process_study, run, study, retry_failed, key=key, pure=False))

    def give_more() -> None:
        threads = sum(client.nthreads().values())
        for study in islice(waiting, max(0, max(threads, expected) + 1 - len(given))):
            give(study)

    give_more()
    for future in _completed(futures, look):
        try:
            outcome = _outcome_of(future, run)
        except _ResultLostError:
            futures.add(future)
            continue
        study = given.pop(future.key)
        name = run.pseudonym(study)
        if outcome is None:
            lost[name] = lost.get(name, 0) + 1
            if lost[name] < _MAX_LOST:
                give(study)
                continue
            reason = "Expected workers to keep running, but each one that took the study was lost: see their logs."
            outcome = Outcome(name, "failed", "process_died", reason)
            with suppress(OSError):
                write_failure(run, outcome)
        future.release()
        give_more()
        yield outcome


class _ResultLostError(Exception):
    """The worker that had the result is gone: the scheduler repeats the study on another worker, if there is one."""


def _outcome_of(future: Any, run: CohortRun) -> Outcome | None:
    """The outcome of a task; None when its workers were lost.

    Raises:
        _ResultLostError: when the result does not come. Waiting for it would keep lost workers from being requested
            again.
    """
    distributed = import_module("distributed")
    if future.status == "error":
        reason = future.exception()
        if isinstance(reason, distributed.KilledWorker):
            return None
        raise reason
    try:
        result = future.result(timeout=_LOOK_SECONDS)
    except Exception as error:
        if future.status == "error" or isinstance(error, distributed.TimeoutError):
            raise _ResultLostError from error
        raise _lost(run) from error  # the connection, not the study, whose errors are outcomes
    assert isinstance(result, Outcome)
    return result


def _lost(run: CohortRun) -> RuntimeError:
    return RuntimeError(
        f"Expected the Dask scheduler to keep running, but it is gone: completed studies are in {run.folder}. Start "
        "the scheduler and its workers, and run the same command again."
    )


@contextmanager
def _slurm_cluster(path: Path, jobs: int) -> Iterator[Any]:
    """A cluster of SLURM jobs, with options from a YAML file."""
    jobqueue, yaml = require(*_DASK, "dask_jobqueue"), import_module("yaml")
    try:
        options = yaml.safe_load(file_text(path, "options of a SLURM cluster"))
    except yaml.YAMLError as error:
        raise ValueError(
            f"Expected YAML in {path}, but got something else ({type(error).__name__}): correct it."
        ) from None
    if not isinstance(options, dict):
        raise ValueError(f"Expected options of dask_jobqueue.SLURMCluster in {path}, such as cores: 8, but got none.")
    dashboard = {"dashboard_address": "127.0.0.1:0"}  # Dask's own default shows it to the network
    unprofiled = f"export DASK_{_PROFILER.upper().replace('.', '__')}=False"
    try:
        ours = {
            "scheduler_options": dashboard | options.get("scheduler_options", {}),
            "job_script_prologue": [unprofiled] + options.get("job_script_prologue", []),
        }
        cluster = jobqueue.SLURMCluster(**options | ours)
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"Expected options of dask_jobqueue.SLURMCluster in {path}, but it refuses them ({error}): correct them."
        ) from error
    with cluster:
        cluster.scale(jobs=jobs)
        yield cluster


@contextmanager
def _quiet() -> Iterator[None]:
    """Silence Dask's warnings about ended workers, which this module reports itself."""
    logger = logging.getLogger("distributed")
    level = logger.level
    logger.setLevel(logging.CRITICAL if logging.getLogger().level > logging.INFO else level)
    try:
        yield
    finally:
        logger.setLevel(level)


def _ignore(_text: str) -> None:
    """No-op progress callback."""
