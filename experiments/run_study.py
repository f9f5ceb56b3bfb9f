# Copyright 2026 The monai_acdr authors
# SPDX-License-Identifier: Apache-2.0

"""Do every run of one or more studies that has no record yet: `python experiments/run_study.py baselines --data DIR`.

It may be killed and restarted at any time: finished runs have a record in experiments/records, and an unfinished run
resumes from its last epoch. Several runs go in parallel, each in a separate process with one thread. A run of another
such command is skipped.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout
from studies import DATA, STUDIES, Study, Variant

HERE = Path(__file__).resolve().parent
RECORDS = HERE / "records"
WORK = HERE.parent / "runs" / "experiments"


@dataclass(frozen=True)
class Job:
    """One variant of a study with one seed."""

    study: Study
    variant: Variant
    seed: int

    @property
    def name(self) -> str:
        """Name of its files."""
        return f"{self.variant.name}-seed{self.seed}"

    def record(self, records: Path) -> Path:
        """The record, which exists once the job is done."""
        return records / self.study.name / f"{self.name}.json"


def main(arguments: Sequence[str] | None = None) -> int:
    """Do the runs; exit status 1 when one of them failed."""
    options = read_options(arguments)
    jobs = [job for job in find_jobs(options) if not job.record(options.records).is_file()]
    print(f"{len(jobs)} runs to do: {', '.join(f'{job.study.name}/{job.name}' for job in jobs) or 'none'}", flush=True)
    failed = []
    # Last the variants that use networks trained by others.
    for chosen in ([job for job in jobs if not job.variant.derived], [job for job in jobs if job.variant.derived]):
        with ThreadPoolExecutor(options.workers) as pool:
            states = list(pool.map(lambda job: start(job, options), chosen))
        failed += [job for job, status in zip(chosen, states, strict=True) if status]
    for job in failed:
        print(f"failed: {job.study.name}/{job.name}, see {log_of(job, options)}")
    return 1 if failed else 0


def read_options(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Parse the command line."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("studies", nargs="+", choices=sorted(STUDIES))
    options.add_argument("--data", required=True, help="folder with sunnybrook_png/, sunnybrook_dicom/, cdd_cesm/")
    options.add_argument("--variants", nargs="+", help="only these")
    options.add_argument("--seeds", type=int, nargs="+", help="only these")
    options.add_argument("--workers", type=int, default=os.cpu_count() or 1, help="parallel runs")
    options.add_argument("--records", type=Path, default=RECORDS)
    options.add_argument("--work", type=Path, default=WORK, help="folder of checkpoints and logs")
    options.add_argument("--set", default="{}", help="more configuration values, as JSON: for trying out only")
    return options.parse_args(arguments)


def find_jobs(options: argparse.Namespace) -> list[Job]:
    """All runs, the first seed of every variant before the second of any: a table is soon complete."""
    studies = [STUDIES[name] for name in options.studies]
    seeds = sorted({seed for study in studies for seed in study.seeds})
    return [
        Job(study, variant, seed)
        for seed in seeds
        for study in studies
        for variant in study.variants
        if not variant.earlier
        and seed in study.seeds_of(variant)
        and (options.variants is None or variant.name in options.variants)
        and (options.seeds is None or seed in options.seeds)
    ]


def start(job: Job, options: argparse.Namespace) -> int:
    """Run one job in a separate process, unless another command runs it; return its exit status."""
    log = log_of(job, options)
    log.parent.mkdir(parents=True, exist_ok=True)
    try:
        # Two trainings in one folder would overwrite each other's checkpoints.
        with FileLock(log.with_name("lock"), timeout=0):
            return run(job, options, log)
    except Timeout:
        print(f"left to another process: {job.study.name}/{job.name}", flush=True)
        return 0


def run(job: Job, options: argparse.Namespace, log: Path) -> int:
    """Run one job in a separate process, with its output in a file; return its exit status."""
    command = [
        *(sys.executable, str(HERE / "train_network.py"), job.study.name, job.variant.name),
        *("--seed", str(job.seed), "--dataset-dir", str(Path(options.data) / DATA[job.study.data].folder)),
        *("--work", str(log.parent), "--record", str(job.record(options.records)), "--set", options.set),
    ]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONUNBUFFERED": "1"}
    with log.open("a") as output:
        status = subprocess.run(command, stdout=output, stderr=output, env=environment, check=False).returncode
    print(f"{'failed' if status else 'done'}: {job.study.name}/{job.name}", flush=True)
    return status


def log_of(job: Job, options: argparse.Namespace) -> Path:
    """File of a run's output."""
    return options.work / job.study.name / job.name / "log.txt"


if __name__ == "__main__":
    sys.exit(main())
