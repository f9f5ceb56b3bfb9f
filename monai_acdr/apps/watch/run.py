# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""The service behind ``monai-acdr cohort --watch URL``: rules, queue, runs of a cohort and status page put together."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from contextlib import ExitStack, closing
from functools import partial
from pathlib import Path

from monai_acdr.apps.cohort import CohortRun, Study, open_run, process_study
from monai_acdr.apps.watch.queue import WatchQueue
from monai_acdr.apps.watch.rules import Recipe, WatchRules, read_rules
from monai_acdr.apps.watch.service import Arrival, Health, Processed, Watcher
from monai_acdr.apps.watch.status import HOST, serve_status
from monai_acdr.dicom.orthanc import Orthanc
from monai_acdr.dicom.toolkit import require_highdicom
from monai_acdr.files import lock_folder

__all__ = ["open_runs", "run_study", "watch"]

RULES = "rules"
SALT = "salt"
_MAX_RUNS = 1000
"""Limit of the runs of one rule, each with other settings, versions or weights."""


def watch(
    url: str,
    output: str | os.PathLike[str],
    rules: str | os.PathLike[str],
    *,
    status_port: int | None = None,
    device: str | None = None,
    retry_failed: bool = False,
    say: Callable[[str], None] = lambda _text: None,
) -> None:
    """Follow an Orthanc server until a signal ends the program, see :mod:`monai_acdr.apps.watch.service`.

    Args:
        url: URL of the server, such as ``http://127.0.0.1:8042``; credentials as for DICOMweb.
        output: folder of the service, made when missing; one process works in it.
        rules: file of rules, see :mod:`monai_acdr.apps.watch.rules`.
        status_port: port of the status page on the loopback; 0 takes a free one, None serves none.
        device: device of the networks, unless a rule names one.
        retry_failed: repeat studies that were given up.
        say: called with each message, one line.

    Raises:
        FileNotFoundError, ValueError: for rules, bundles or addresses that cannot be used, or a folder that belongs to
            another server.
        FileExistsError: when another process works in the folder.
        ImportError: when an extra is missing.
        OSError: when the folder cannot be written, or the port is taken.
    """
    read, server = read_rules(Path(rules)), Orthanc(url)
    with ExitStack() as stack:
        folder = stack.enter_context(lock_folder(output))
        runs = open_runs(folder, read, device)
        queue = stack.enter_context(closing(WatchQueue(folder)))
        _check_server(queue, server.url)
        health = Health()
        if status_port is not None:
            port = stack.enter_context(serve_status(folder, health, status_port))
            say(f"Status: http://{HOST}:{port}/, metrics: http://{HOST}:{port}/metrics")
        say(f"Following {server.url} with {len(read.rules)} rule(s). End with Ctrl-C; the same command continues.")
        watcher = Watcher(server, read, folder, queue, partial(run_study, runs), health=health)
        watcher.recover(retry_failed)
        watcher.run()


def open_runs(folder: Path, rules: WatchRules, device: str | None = None) -> Mapping[str, CohortRun]:
    """A run of a cohort for each rule, by its name; a new one when settings, versions or weights have changed.

    Args:
        folder: folder of the service. Runs are ``rules/NAME``, then ``rules/NAME-2``.
        rules: rules of the service.
        device: device of the networks, unless a rule names one.

    Raises:
        FileExistsError, FileNotFoundError, ImportError, OSError, ValueError: see :func:`watch`.
    """
    if any(rule.recipe.options.seg or rule.recipe.options.sr for rule in rules.rules):
        require_highdicom("Writing segmentations and reports")
    return {rule.name: _open_run(folder, rule.name, rule.recipe.on(device)) for rule in rules.rules}


def run_study(runs: Mapping[str, CohortRun], arrival: Arrival, images: Path) -> Processed:
    """Outline the images of a study, once: existing results are used as they are.

    Args:
        runs: runs, from :func:`open_runs`.
        arrival: the study.
        images: folder with its images.
    """
    run = runs[arrival.rule.name]
    # Named by its images, not by its UID: a study that has grown is a new one.
    study = Study(source=str(images), name=f"{arrival.study.identifier} {arrival.images}")
    outcome = process_study(run, study, retry_failed=True)
    if outcome.state != "done":
        return Processed(kind=outcome.kind, reason=outcome.reason)
    folder = run.study_folder(outcome.study)
    return Processed(files=sorted(folder.rglob("*.dcm")), folder=folder)


def _open_run(folder: Path, name: str, recipe: Recipe) -> CohortRun:
    for number in range(1, _MAX_RUNS + 1):
        path = folder / RULES / (name if number == 1 else f"{name}-{number}")
        try:
            return open_run(path, recipe.model, recipe.roi, recipe.options, folder / SALT)
        except FileExistsError:  # the folder has other settings
            if number == _MAX_RUNS or not path.is_dir():
                raise
    raise AssertionError("unreachable")


def _check_server(queue: WatchQueue, url: str) -> None:
    known = queue.fact("server")
    if known and known != url:
        raise ValueError(
            f"Expected {known}, which the queue in {queue.path.parent} belongs to, but got {url}: choose another "
            "folder for another server; if the same server has a new address, move queue.sqlite away: done studies "
            "are marked on the server."
        )
    queue.keep_fact("server", url)
