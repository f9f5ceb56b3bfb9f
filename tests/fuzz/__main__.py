# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""`python -m tests.fuzz`: read mutated files until a time or a number of cases is over, and print what came of it.

python -m tests.fuzz --minutes 60                         # all targets in turn, seeds that nobody had before
python -m tests.fuzz --cases 10                           # the first ten seeds of each target, as in CI
python -m tests.fuzz --target seg --seed 123              # one case again; --write FOLDER keeps its files
"""

from __future__ import annotations

import argparse
import dataclasses
import itertools
import json
import os
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ["MONAI_ACDR_READ_BUDGET"] = "64"

import torch

from .cases import Outcome, case_files, write_files
from .seeds import Seeds
from .targets import TARGETS
from .workers import LARGEST_PEAK, LONGEST, READ_BUDGET, Worker

_SHOWN = 60


def build_parser() -> argparse.ArgumentParser:
    """The command's options."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description="Read mutated files with every reader.")
    parser.add_argument("--minutes", type=float, help="run all targets in turn for this long")
    parser.add_argument("--cases", type=int, default=10, help="seeds of each target, times its weight (default 10)")
    parser.add_argument("--target", nargs="*", choices=sorted(TARGETS), help="only these")
    parser.add_argument("--seed", type=int, help="the case, or the first of the cases")
    parser.add_argument("--write", type=Path, metavar="FOLDER", help="write the files of the case and do not read them")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write all outcomes there")
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return 1 when a case failed. Whole inputs come first, mutated ones follow."""
    options = build_parser().parse_args(arguments)
    torch.set_num_threads(1)
    names = options.target or list(TARGETS)
    with tempfile.TemporaryDirectory(prefix="fuzz-") as folder:
        seeds = Seeds(Path(folder) / "seeds")
        seeds.folder.mkdir()
        if options.write is not None:
            write_files(case_files(names[0], options.seed or 0, seeds), options.write)
            print(f"Wrote {names[0]}, seed {options.seed or 0}, to {options.write}")
            return 0
        for name in names:
            getattr(seeds, TARGETS[name].seeds)
        assert seeds.sources and seeds.bundle_folder
        whole = [(name, -1 - number) for name in names for number in range(len(getattr(seeds, TARGETS[name].seeds)))]
        cases = _chosen(names, options)
        cases = cases if options.seed is not None else itertools.chain(whole, cases)
        outcomes = _run(cases, seeds, Path(folder), options.minutes)
    if options.json is not None:
        options.json.write_text(json.dumps([dataclasses.asdict(outcome) for outcome in outcomes], indent=1))
    _report(outcomes)
    return int(any(outcome.verdict == "failed" for outcome in outcomes))


def _chosen(names: Sequence[str], options: argparse.Namespace) -> Iterable[tuple[str, int]]:
    """Cases in turn: of each target as many as its weight says."""
    if options.seed is not None and options.minutes is None:
        yield from ((name, options.seed) for name in names)
        return
    first = options.seed or (0 if options.minutes is None else int(time.time()) * 1000)
    rounds: Iterable[int] = range(options.cases) if options.minutes is None else itertools.count()
    for number in rounds:
        for name in names:
            weight = TARGETS[name].weight
            yield from ((name, first + number * weight + index) for index in range(weight))


def _run(cases: Iterable[tuple[str, int]], seeds: Seeds, folder: Path, minutes: float | None) -> list[Outcome]:
    worker, outcomes = Worker(seeds, folder), []
    end = None if minutes is None else time.monotonic() + 60 * minutes
    try:
        for name, seed in cases:
            if end is not None and time.monotonic() > end:
                break
            outcomes.append(worker.run(name, seed))
            if outcomes[-1].verdict == "failed":
                print(f"FAILED {name} {seed}: {outcomes[-1].detail}", file=sys.stderr, flush=True)
    except KeyboardInterrupt:
        print("Stopped.", file=sys.stderr)
    finally:
        worker.close()
    return outcomes


def _report(outcomes: Sequence[Outcome]) -> None:
    """Print a table, one row per target, and the failures with the commands that replay them."""
    by_target = defaultdict(list)
    for outcome in outcomes:
        by_target[outcome.target].append(outcome)
    print(f"{'target':18s}   cases  refused  accepted  failed  slowest s  most MiB")
    for name, found in [*by_target.items(), ("all", list(outcomes))]:
        counts = [sum(outcome.verdict == verdict for outcome in found) for verdict in ("refused", "accepted", "failed")]
        slowest, peak = (max((getattr(o, key) for o in found), default=0) for key in ("seconds", "peak"))
        print(f"{name:18s} {len(found):7d} {counts[0]:8d} {counts[1]:9d} {counts[2]:7d} {slowest:10.2f} {peak:9.0f}")
    print(f"Bounds: {LONGEST:g} s, {LARGEST_PEAK} MiB with a read budget of {READ_BUDGET} MiB.")
    failures = [outcome for outcome in outcomes if outcome.verdict == "failed"]
    for outcome in failures[:_SHOWN]:
        print(f"\n{outcome.target}, seed {outcome.seed}: {outcome.detail}")
        print(f"    python -m tests.fuzz --target {outcome.target} --seed {outcome.seed}")
    if len(failures) > _SHOWN:
        print(f"\n... and {len(failures) - _SHOWN} failures more")


if __name__ == "__main__":
    sys.exit(main())
