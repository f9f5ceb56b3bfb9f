# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Cohorts: studies per hour, memory of workers and overhead of the scheduler; results after SIGKILL.

    python benchmarks/cohort.py speed --studies 1000 --workers 0 1 2 --output benchmarks/records/cohort_speed.json
    python benchmarks/cohort.py kill --studies 600 --kills 20 --output benchmarks/records/cohort_kills.json

Studies are synthetic, different, and small (2 slices, 2 phases, 96 x 96 pixels), so that the share of the scheduler is
as large as it gets. Everything is observed from outside: the command `monai-acdr cohort` runs as users run it, the time
at which a study is done is that of its folder, memory is that of its processes.

`kill` ends workers at random moments, then the whole command at random moments, and compares the tables with that of an
undisturbed run, except for the seconds. A study at which two workers were killed by chance is recorded as the cause;
the command is run once more with --retry-failed, as documented.
"""

from __future__ import annotations

import argparse
import csv
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from timing import Table, write_record

from monai_acdr.data.phantoms import write_short_axis_studies

POLL_SECONDS = 0.5


def make_studies(folder: Path, number: int) -> Path:
    if not (folder / "dicoms").is_dir():
        write_short_axis_studies(folder, number, 2, 2, (96, 96), (1.4, 1.4))
    return folder / "dicoms"


def command(source: Path, output: Path, workers: int, salt: Path) -> list[str]:
    code = "from monai_acdr.apps.cli import main; main()"
    arguments = ["cohort", str(source), "--output", str(output), "--roi", "center", "--no-pictures", "--device", "cpu"]
    return [sys.executable, "-c", code, *arguments, "--workers", str(workers), "--salt", str(salt)]


def start(line: Sequence[str]) -> subprocess.Popen[bytes]:
    return subprocess.Popen(line, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def workers_of(process: subprocess.Popen[bytes]) -> list[psutil.Process]:
    try:
        children = psutil.Process(process.pid).children(recursive=True)
        return [child for child in children if "spawn_main" in " ".join(child.cmdline())]
    except psutil.Error:
        return []


def memory(process: subprocess.Popen[bytes], workers: int) -> Iterator[tuple[int, float]]:
    """Process and resident MiB of each process that segments studies."""
    try:
        for one in workers_of(process) if workers else [psutil.Process(process.pid)]:
            yield one.pid, one.memory_info().rss / 2**20
    except psutil.Error:
        return


def rows_of(output: Path) -> list[dict[str, str]]:
    with open(output / "cohort.csv", newline="") as stream:
        return list(csv.DictReader(stream))


def measure(source: Path, output: Path, workers: int, salt: Path) -> dict[str, Any]:
    samples: dict[int, list[float]] = {}
    started = time.monotonic()
    process = start(command(source, output, workers, salt))
    while process.poll() is None:
        if any((output / "studies").glob("*/*/study.json")):
            for pid, value in memory(process, workers):
                samples.setdefault(pid, []).append(value)
        time.sleep(POLL_SECONDS)
    wall = time.monotonic() - started
    assert process.returncode == 0, process.returncode
    rows = rows_of(output)
    done = sorted(path.stat().st_mtime for path in (output / "studies").glob("*/*/study.json"))
    steady, number = done[-1] - done[0], len(done) - 1
    busy = sum(float(row["seconds"]) for row in rows)
    tenth = {
        pid: [round(float(np.mean(part)), 1) for part in (values[: len(values) // 10], values[-(len(values) // 10) :])]
        for pid, values in samples.items()
        if len(values) >= 20
    }
    return {
        "workers": workers,
        "studies": len(rows),
        "done": sum(row["state"] == "done" for row in rows),
        "wall_s": round(wall, 1),
        "steady_studies_per_hour": round(3600 * number / steady),
        "seconds_per_study": round(busy / len(rows), 3),
        "overhead_ms_per_study": round(1000 * (steady * max(1, workers) - busy * number / len(rows)) / number, 1),
        "memory_mib_first_and_last_tenth": list(tenth.values()),
        "load": os.getloadavg()[0],
    }


def table_of(output: Path) -> list[dict[str, str]]:
    return [{key: value for key, value in row.items() if key != "seconds"} for row in rows_of(output)]


def leftovers(output: Path) -> list[str]:
    hidden = list(output.rglob(".*"))
    halves = [path for path in (output / "studies").glob("*/*") if not (path / "study.json").is_file()]
    return [str(path) for path in hidden + halves]


def kill_workers(line: Sequence[str], kills: int, rng: random.Random, gap: float) -> int:
    process, killed = start(line), 0  # from the first second, while they start as well
    restarts = 0
    deadline = time.monotonic() + rng.uniform(0.5, 1.5) * gap
    while process.poll() is None:
        if killed < kills and time.monotonic() > deadline and (found := workers_of(process)):
            rng.choice(found).send_signal(signal.SIGKILL)
            killed += 1
            deadline = time.monotonic() + rng.uniform(0.5, 1.5) * gap
        time.sleep(0.05)
        if process.poll() not in (None, 0):  # all workers were killed while they started, three times
            restarts += 1
            assert restarts <= kills, process.returncode
            process = start(line)
    return killed


def kill_command(line: Sequence[str], kills: int, rng: random.Random, longest: float) -> int:
    killed = 0
    while killed < kills:
        process = start(line)
        try:
            process.wait(rng.uniform(0, longest))
            break  # all is done
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            killed += 1
    assert start(line).wait() == 0
    return killed


def read_options(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["speed", "kill"])
    parser.add_argument("--studies", type=int, default=200)
    parser.add_argument("--workers", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--gap", type=float, default=10.0, help="mean seconds between two kills of workers")
    parser.add_argument("--longest", type=float, default=60.0, help="seconds after which the command is killed at most")
    parser.add_argument("--folder", type=Path, default=Path("cohort_benchmark"))
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--output", type=Path, help="file of the record")
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> None:
    options = read_options(arguments)
    source, salt = make_studies(options.folder / f"data-{options.studies}", options.studies), options.folder / "salt"
    folder = options.folder / f"{options.what}-{int(time.time())}"
    if options.what == "speed":
        question = "Studies of a cohort in an hour, memory of its workers, and what comes on top of the studies"
        results = {
            str(workers): measure(source, folder.with_name(f"{folder.name}-{workers}"), workers, salt)
            for workers in options.workers
        }
        table = speed_table(results)
    else:
        question = "The table of a cohort after SIGKILL of its workers, and of the whole command"
        results = kill(source, folder, salt, options)
        table = kills_table(results)
    print(table)
    if options.output is not None:
        names = ("studies", "kills", "gap", "longest", "seed")
        write_record(options.output, question, {name: getattr(options, name) for name in names}, results, [table])


def kill(source: Path, folder: Path, salt: Path, options: argparse.Namespace) -> dict[str, dict[str, Any]]:
    """Compare results after kills of workers, and of the command, with those of an undisturbed run."""
    rng = random.Random(options.seed)
    outputs = {name: folder.with_name(f"{folder.name}-{name}") for name in ("undisturbed", "workers", "command")}
    assert start(command(source, outputs["undisturbed"], 0, salt)).wait() == 0
    killed = {
        "workers": kill_workers(command(source, outputs["workers"], 2, salt), options.kills, rng, options.gap),
        "command": kill_command(command(source, outputs["command"], 0, salt), options.kills, rng, options.longest),
    }
    expected, results = table_of(outputs["undisturbed"]), {}
    for name, number in killed.items():
        causes = sum(row["kind"] == "process_died" for row in table_of(outputs[name]))
        if causes:
            assert start([*command(source, outputs[name], 0, salt), "--retry-failed"]).wait() == 0
        table = table_of(outputs[name])
        results[name] = {
            "kills": number,
            "studies": len(table),
            "equal": table == expected,
            "recorded_as_cause": causes,
            "leftovers": leftovers(outputs[name]),
        }
    return results


def speed_table(results: dict[str, dict[str, Any]]) -> Table:
    header = ["workers", "done", "studies per hour", "ratio", "s per study", "on top, ms per study", "memory, MiB"]
    base = next(iter(results.values()))["steady_studies_per_hour"]
    rows = [
        [
            "none, in process" if name == "0" else name,
            f"{one['done']} of {one['studies']}",
            f"{one['steady_studies_per_hour']:,}",
            f"{one['steady_studies_per_hour'] / base:.2f}",
            f"{one['seconds_per_study']:.2f}",
            f"{one['overhead_ms_per_study']:.0f}",
            "; ".join(f"{first:.0f}, {last:.0f}" for first, last in one["memory_mib_first_and_last_tenth"]),
        ]
        for name, one in results.items()
    ]
    return Table("speed", header, rows)


def kills_table(results: dict[str, dict[str, Any]]) -> Table:
    header = [
        "killed",
        "SIGKILLs",
        "studies",
        "table of an undisturbed run",
        "repeated by --retry-failed",
        "half folders",
    ]
    rows = [
        [
            name,
            str(one["kills"]),
            str(one["studies"]),
            "equal" if one["equal"] else "other",
            str(one["recorded_as_cause"]),
            str(len(one["leftovers"])),
        ]
        for name, one in results.items()
    ]
    return Table("kills", header, rows)


if __name__ == "__main__":
    main()
