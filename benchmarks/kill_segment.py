# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Are results complete after `monai-acdr segment --overwrite` was killed (SIGKILL) at random moments?

Two kinds of runs, with different contours and files, take turns in one folder, so that a mixture shows. A third of the
kills is spread over the whole run, a third over the milliseconds of its publication, which mostly waits for the disk,
a third over its moves of files, which are slowed down to be hit. After each kill the next run into the folder, which
refuses to overwrite, has to find all files of the killed run or all of the run before it, and nothing else but a file
of the user. Processes are forked from one that has imported everything. Not for Windows.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, NoReturn

from timing import OUTPUT_DIR, Table, write_record

from monai_acdr import files
from monai_acdr.apps import segment  # noqa: F401 - imported before processes are forked
from monai_acdr.apps.cli import main as command_line
from monai_acdr.data.phantoms import write_short_axis_studies

QUESTION = "results of `monai-acdr segment --overwrite` after SIGKILL at random moments and one more run"
KINDS = (["--roi", "center", "--mask", "--rtstruct", "--overlays"], ["--roi", "box", "30", "30", "98", "98", "--html"])
"""Options of the two kinds of runs."""
PHASES = ("run", "_publish", "_move")
"""Phases to kill in: the whole command, and functions of :mod:`monai_acdr.files` within it."""
MOVE_SECONDS = 0.003
MINE = "mine.txt"


def main(arguments: Sequence[str] | None = None) -> int:
    """Kill the runs, print a table, write the JSON file; the status is 1 when results were not whole."""
    options = read_options(arguments)
    with tempfile.TemporaryDirectory() as name:
        study = write_short_axis_studies(Path(name) / "study", 1, 2, 3, size=(128, 128)) / "dicoms"
        results = kill_runs(study, Path(name) / "out", options.kills, random.Random(options.seed))
    table = make_table(results)
    print(table)
    write_record(options.output, QUESTION, {"kills": options.kills, "seed": options.seed}, results, [table])
    return 1 if results["faults"] else 0


def read_options(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Parse the command line."""
    options = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    options.add_argument("--output", type=Path, default=OUTPUT_DIR / "kill_segment.json", help="JSON file to write")
    options.add_argument("--kills", type=int, default=100, help="number of killed runs")
    options.add_argument("--seed", type=int, default=0, help="seed of the kill times")
    return options.parse_args(arguments)


def kill_runs(study: Path, folder: Path, kills: int, generator: random.Random) -> dict[str, Any]:
    """Kill runs into one folder and count the outcomes."""
    folder.mkdir()
    (folder / MINE).write_text("mine", encoding="utf-8")
    seconds = {phase: min(time_run(study, folder, kind, phase) for kind in (0, 1, 0)) for phase in PHASES}
    counts: Counter[str] = Counter()
    faults: list[str] = []
    for number in range(kills):
        phase = PHASES[number % len(PHASES)]
        started = time.time_ns()
        delay = generator.uniform(0, seconds[phase])
        counts["ended before the kill"] += not start_and_kill(study, folder, 1 - number % 2, delay, phase)
        counts["hidden files after the kill"] += any(files.is_own_name(path.name) for path in folder.iterdir())
        counts["report.json missing after the kill"] += not (folder / "report.json").exists()
        faults += [f"{number}, before the next run: {text}" for text in find_faults(folder, started, False)]
        status = os.waitstatus_to_exitcode(os.waitpid(fork_run(study, folder, 0, False), 0)[1])
        faults += [f"{number}: {text}" for text in find_faults(folder, started, True)]
        faults += [] if status == 4 else [f"{number}: the next run ended with status {status}, not 4"]
        new = (folder / "report.json").exists() and (folder / "report.json").stat().st_mtime_ns >= started
        counts["results of the killed run" if new else "results of the run before"] += 1
    return {"kills": kills, **dict(sorted(counts.items())), "faults": faults, "seconds": seconds}


def fork_run(
    study: Path, folder: Path, kind: int, overwrite: bool = True, phase: str = "run", pipe: int | None = None
) -> int:
    """Start a run in a separate process; `pipe` gets a byte before and after its phase."""
    process = os.fork()
    if process == 0:
        _run(study, folder, kind, overwrite, phase, pipe)
    return process


def _run(study: Path, folder: Path, kind: int, overwrite: bool, phase: str, pipe: int | None) -> NoReturn:
    status = 99
    try:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, 1)
        os.dup2(nowhere, 2)
        run: Callable[..., Any] = command_line if phase == "run" else getattr(files, phase)

        def tell(*arguments: Any, **options: Any) -> None:
            if pipe is not None:
                os.write(pipe, b"(")
            try:
                run(*arguments, **options)
            finally:
                if pipe is not None:
                    os.write(pipe, b")")

        if phase != "run":
            setattr(files, phase, tell)
        if phase == "_move":
            replace = os.replace
            os.replace = lambda *paths: (time.sleep(MOVE_SECONDS), replace(*paths))[1]  # type: ignore[assignment]
        words = ["segment", str(study), "-o", str(folder), *KINDS[kind], *(["--overwrite"] if overwrite else [])]
        (tell if phase == "run" else command_line)(words, prog_name="monai-acdr")
    except SystemExit as end:
        status = int(end.code or 0)
    finally:
        os._exit(status)


def time_run(study: Path, folder: Path, kind: int, phase: str) -> float:
    """Seconds of a phase of an undisturbed run."""
    reader, writer = os.pipe()
    process = fork_run(study, folder, kind, phase=phase, pipe=writer)
    os.close(writer)
    os.read(reader, 1)
    start = time.perf_counter()
    os.read(reader, 1)
    end = time.perf_counter()
    status = os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
    os.close(reader)
    if status:
        raise RuntimeError(f"Expected an undisturbed run to succeed, but its status is {status}.")
    return end - start


def start_and_kill(study: Path, folder: Path, kind: int, delay: float, phase: str) -> bool:
    """Kill a run `delay` seconds after the start of its phase; False when it had ended before."""
    reader, writer = os.pipe()
    process = fork_run(study, folder, kind, phase=phase, pipe=writer)
    os.close(writer)
    os.read(reader, 1)
    end = time.perf_counter() + delay
    while time.perf_counter() < end:
        if delay > 0.1:
            time.sleep(0.001)
    with suppress(ProcessLookupError):
        os.kill(process, signal.SIGKILL)
    status = os.waitpid(process, 0)[1]
    os.close(reader)
    return os.waitstatus_to_exitcode(status) == -signal.SIGKILL


def find_faults(folder: Path, started: int, final: bool) -> list[str]:
    """Faults of the results in a folder; hidden files or a missing report are faults only if `final`."""
    report = folder / "report.json"
    if not report.exists():
        return ["no report.json"] if final else []
    shown = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if path.is_file()}
    if not final:
        shown = {name: path for name, path in shown.items() if not files.is_own_name(name.partition("/")[0])}
    expected = {*json.loads(report.read_text(encoding="utf-8"))["files"], MINE}
    faults = [f"{name} is missing" for name in sorted(expected - set(shown))]
    faults += [f"{name} should not be there" for name in sorted(set(shown) - expected)]
    new = report.stat().st_mtime_ns >= started
    faults += [
        f"{name} and report.json are of two runs"
        for name, path in sorted(shown.items())
        if name != MINE and (path.stat().st_mtime_ns >= started) != new
    ]
    return faults


def make_table(results: dict[str, Any]) -> Table:
    """Counts of the killed runs."""
    names = {"kills": "killed runs", "faults": "faults: mixed, missing or left files after the next run"}
    rows = [
        [names.get(name, name), str(len(value) if isinstance(value, list) else value)]
        for name, value in results.items()
        if name != "seconds"
    ]
    return Table("kills", ["", "number"], rows)


if __name__ == "__main__":
    sys.exit(main())
