# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Timing and records of the benchmarks. Run alone, it prints the environment record.

Jobs that are compared run in turns: each round runs every job once, and every other round in reverse order, so that
other load on the machine affects all of them alike. The ratio of two jobs is taken within each round; the median
over the rounds and its quartiles are reported, never a single best time.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import platform
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch

import monai_acdr
from monai_acdr.files import write_text_atomically

ROOT = Path(__file__).resolve().parents[1]
OUTPUT_DIR = ROOT / "runs" / "benchmarks"
PACKAGES = (
    *("torch", "monai", "numpy", "scipy", "numba", "triton"),
    *("torch_contour", "pytorch3d", "scikit-image", "opencv-python-headless", "pillow"),
)

Job = Callable[[], object]

CLOCKS: dict[str, Callable[[], float]] = {"wall": time.perf_counter, "process": time.process_time}
"""``process`` is the processor time of this process, without waits for other processes of a busy machine. The two agree
for one thread on an idle machine; with more threads, or a GPU, only ``wall`` is the duration."""


def time_in_turns(
    jobs: Mapping[str, Job],
    repeats: int,
    warmup: int,
    number: Mapping[str, int] | None = None,
    rounds: Mapping[str, int] | None = None,
    finish: Job | None = None,
    clock: Callable[[], float] = time.perf_counter,
) -> dict[str, list[float]]:
    """Time jobs against each other.

    Args:
        jobs: functions to run, by name.
        repeats: timed rounds, at least 1.
        warmup: rounds before that, not timed.
        number: calls per sample, by name, 1 for other jobs: a job of a millisecond needs more than one.
        rounds: jobs that are too slow for all rounds take part in the first few only, and in no warm-up.
        finish: called before each start and stop of the clock: ``torch.cuda.synchronize`` where jobs run on CUDA.
        clock: seconds from any start; see :data:`CLOCKS`.

    Returns:
        Seconds for one call: one sample for each round that a job takes part in.
    """
    if repeats < 1 or warmup < 0:
        raise ValueError(f"Expected `repeats` >= 1 and `warmup` >= 0, but got {repeats} and {warmup}.")
    number, rounds = number or {}, rounds or {}
    samples: dict[str, list[float]] = {name: [] for name in jobs}
    collected = gc.isenabled()
    gc.disable()
    gc.collect()
    gc.freeze()  # existing objects need no scan before each sample
    try:
        for index in range(-warmup, repeats):
            taking_part = [name for name in jobs if name not in rounds or 0 <= index < rounds[name]]
            for name in taking_part if index % 2 == 0 else taking_part[::-1]:
                gc.collect()
                seconds = _time_calls(jobs[name], number.get(name, 1), finish, clock)
                if index >= 0:
                    samples[name].append(seconds)
    finally:
        gc.unfreeze()
        if collected:
            gc.enable()
    return samples


def _time_calls(job: Job, calls: int, finish: Job | None, clock: Callable[[], float]) -> float:
    """Seconds for one call."""
    if finish is not None:
        finish()
    start = clock()
    for _ in range(calls):
        job()
    if finish is not None:
        finish()
    return (clock() - start) / calls


def spread(samples: Sequence[float]) -> dict[str, float]:
    """Median and quartiles of samples, and the distance of the quartiles."""
    low, middle, high = quartiles(samples)
    return {"median": middle, "q25": low, "q75": high, "iqr": high - low, "samples": len(samples)}


def quartiles(samples: Sequence[float]) -> tuple[float, float, float]:
    """Lower quartile, median and upper quartile; all three are the sample where there is only one."""
    if len(samples) == 1:
        return samples[0], samples[0], samples[0]
    low, middle, high = statistics.quantiles(samples, n=4, method="inclusive")
    return low, middle, high


def ratio(numerator: Sequence[float], denominator: Sequence[float]) -> dict[str, float]:
    """Spread of the ratio of two jobs, taken round by round: over the rounds that both took part in."""
    return spread([a / b for a, b in zip(numerator, denominator, strict=False)])


def environment() -> dict[str, Any]:
    """Context of a measurement: versions, processor, threads, load. No names of users, machines or folders."""
    return {
        "date": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "processor": _processor(),
        "cpu_count": os.cpu_count(),
        "load_average": list(os.getloadavg()) if hasattr(os, "getloadavg") else None,
        "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
        "torch_threads": torch.get_num_threads(),
        "versions": {"monai_acdr": monai_acdr.__version__} | {name: _version(name) for name in PACKAGES},
    }


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "unknown")


def parser(description: str | None, script: str, repeats: int, threads: int) -> argparse.ArgumentParser:
    """A parser with the options that all benchmarks share."""
    result = argparse.ArgumentParser(
        description=(description or "").partition("\n")[0], formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    name = f"{Path(script).stem}.json"
    result.add_argument("--output", type=Path, default=OUTPUT_DIR / name, help="JSON file to write")
    result.add_argument("--repeats", type=int, default=repeats, help="timed rounds")
    result.add_argument("--warmup", type=int, default=3, help="rounds before, not timed")
    result.add_argument("--threads", type=int, default=threads, help="threads of torch")
    result.add_argument("--seed", type=int, default=0)
    return result


def prepare(options: argparse.Namespace) -> None:
    """Set threads and seed as the options say."""
    torch.set_num_threads(options.threads)
    torch.manual_seed(options.seed)


@dataclass(frozen=True)
class Table:
    """Values as cells: printed as text, kept in the record, and put into documents from there by ``report.py``.

    Attributes:
        name: a word, unique in its record.
        header: one heading per column.
        rows: one cell per column each.
    """

    name: str
    header: Sequence[str]
    rows: Sequence[Sequence[str]]

    def __str__(self) -> str:
        """Text columns, the first one to the left, the others to the right."""
        widths = [max(len(row[column]) for row in [self.header, *self.rows]) for column in range(len(self.header))]
        lines = []
        for first, *others in [self.header, *self.rows]:
            cells = [cell.rjust(width) for cell, width in zip(others, widths[1:], strict=True)]
            lines.append("  ".join([first.ljust(widths[0]), *cells]).rstrip())
        return "\n".join(lines)


def write_record(
    path: Path,
    question: str,
    settings: Mapping[str, Any],
    results: Mapping[str, Any],
    tables: Sequence[Table] = (),
) -> None:
    """Write one benchmark's JSON file, with the environment, whole or not at all."""
    record = {"question": question, "environment": environment(), "settings": dict(settings), "results": dict(results)}
    record["tables"] = {
        each.name: {"header": list(each.header), "rows": [list(row) for row in each.rows]} for each in tables
    }
    write_text_atomically(path, json.dumps(record, indent=2, allow_nan=False) + "\n")
    print(f"wrote {path.name}")


if __name__ == "__main__":
    print(json.dumps(environment(), indent=2))
